//! The puppet as a process, launched the way an orchestrator launches a module.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at that very line"
)]

mod support;

use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
};

use nix::sys::signal::Signal;
use partenza_mock_modules::{
    Action, Follower, Note, Setup,
    channel::{CLOSED_BY_PEER, ForkSpec, Inherited, Order, PuppetEvent, SessionOf},
};
use partenza_probe::{mac, proc, signals::SignalName};
use serde_json::{Value, json};
use support::{KEY, Launch};

#[test]
fn the_snapshot_shows_what_was_given_and_nothing_of_the_puppet_itself() {
    let launch = Launch::new("");
    let Some(PuppetEvent::Hello { name, pid, snapshot }) = launch.accept().next() else {
        panic!()
    };
    assert_eq!((name.as_str(), pid), ("web", launch.pid().as_raw()));
    assert_eq!(
        snapshot["argv"].as_array().unwrap()[1..].as_array_of_texts(),
        [
            "--channel",
            launch.channel_path().to_str().unwrap(),
            "--name",
            "web",
            "further",
        ]
    );
    let fds: Vec<(i64, &str)> = given(&snapshot)
        .into_iter()
        .map(|file| (file["fd"].as_i64().unwrap(), file["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        fds,
        [
            (0, "char"),
            (1, "pipe"),
            (2, "char"),
            (3, "unix-stream"),
            (4, "pipe")
        ]
    );
    assert_eq!(snapshot["fds"][4]["flags"], json!(["read"]));
    let kinds = ["stdin", "stdout", "stderr"].map(|name| snapshot[name].as_str().unwrap());
    assert_eq!(kinds, ["null", "pipe", "null"]);
    assert_eq!(
        (&snapshot["cwd"], &snapshot["umask"]),
        (&json!("/"), &json!("0077"))
    );
    assert_eq!(
        (&snapshot["sigmask"], &snapshot["sigign"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(snapshot["pid"], json!(pid));
    assert_eq!(snapshot["ppid"], json!(std::process::id()));
    assert_eq!(snapshot["env"]["PARTENZA_FD"], json!("3"));
    assert_eq!(snapshot["runtime_dir"]["exists"], json!(true));
    assert_eq!(snapshot["runtime_dir"]["mode"], json!("1777"));
}

#[test]
fn what_the_runtime_would_hide_is_seen() {
    let launch = Launch::new("trap '' PIPE HUP; exec 0<&- 5</dev/null;");
    let Some(PuppetEvent::Hello { snapshot, .. }) = launch.accept().next() else {
        panic!()
    };
    assert_eq!(snapshot["sigign"], json!(["HUP", "PIPE"]));
    assert_eq!(snapshot["stdin"], json!("closed"));
    let numbers: Vec<i64> = given(&snapshot)
        .into_iter()
        .map(|file| file["fd"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn key_and_wire_pass_through_untouched() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    let key = PuppetEvent::Key {
        hex: mac::hex(KEY.as_bytes()),
        eof: true,
    };
    let mut seen = channel.order(Order::ReadKey);
    seen.extend(channel.order(Order::StartReading));
    if seen.is_empty() {
        seen.extend(channel.next());
    }
    assert_eq!(seen, [key]);
    launch.wire.write_all(b"\0\xff\r\nhalf").unwrap();
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Rx {
            hex: mac::hex(b"\0\xff\r\nhalf")
        })
    );
    channel.order(Order::Tx {
        hex: mac::hex(b"one\n"),
        bytewise: true,
    });
    channel.order(Order::Tx {
        hex: mac::hex(b"\xfe"),
        bytewise: false,
    });
    assert_eq!(launch.read_wire(5), b"one\n\xfe");
    channel.order(Order::Close);
    assert_eq!(launch.wire.read(&mut [0]).unwrap(), 0);
    channel.order(Order::Exit { code: 7 });
    assert_eq!(launch.wait().code(), Some(7));
}

#[test]
fn what_is_sent_before_an_exit_arrives() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    channel.send(Order::Tx {
        hex: mac::hex(b"bye\n"),
        bytewise: false,
    });
    channel.send(Order::Exit { code: 0 });
    assert_eq!(launch.read_wire(4), b"bye\n");
    assert_eq!(launch.wait().code(), Some(0));
}

#[test]
fn the_end_of_the_wire_and_the_end_of_the_channel_are_seen() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    channel.order(Order::StartReading);
    launch.wire.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(channel.next(), Some(PuppetEvent::Eof));
    let id = channel.send(Order::Tx {
        hex: "0a".to_owned(),
        bytewise: false,
    });
    let error = Some(CLOSED_BY_PEER.to_owned());
    assert_eq!(channel.next(), Some(PuppetEvent::Done { id, error }));
    drop(channel);
    assert_eq!(launch.wait().code(), Some(0));
}

#[test]
fn term_ends_a_puppet_that_reports_it_first() {
    let mut launch = Launch::new("trap '' TERM;");
    let mut channel = launch.greeted();
    channel.order(Order::StartReading);
    launch.kill(Signal::SIGTERM);
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Signal {
            name: "TERM".to_owned()
        })
    );
    assert_eq!((channel.next(), launch.wait().code()), (None, Some(0)));
}

#[test]
fn signals_are_ignored_and_suffered_as_told() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    let signals = vec![SignalName::TERM];
    channel.order(Order::Ignore {
        signals: signals.clone(),
    });
    launch.kill(Signal::SIGTERM);
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Signal {
            name: "TERM".to_owned()
        })
    );
    channel.order(Order::Restore { signals });
    launch.kill(Signal::SIGTERM);
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Signal {
            name: "TERM".to_owned()
        })
    );
    assert_eq!(launch.wait().signal(), Some(15));
    for signal in ["KILL", "SEGV", "ABRT", "TERM"] {
        let mut launch = Launch::new("");
        let signal: SignalName = signal.parse().unwrap();
        launch.greeted().order(Order::Raise { signal });
        assert_eq!(launch.wait().signal(), Some(signal.number()));
    }
}

#[test]
fn a_stopped_puppet_goes_on_when_it_is_continued() {
    let launch = Launch::new("");
    let mut channel = launch.greeted();
    channel.order(Order::Raise {
        signal: "STOP".parse().unwrap(),
    });
    let stopped =
        nix::sys::wait::waitpid(launch.pid(), Some(nix::sys::wait::WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(
        stopped,
        nix::sys::wait::WaitStatus::Stopped(launch.pid(), Signal::SIGSTOP)
    );
    launch.kill(Signal::SIGCONT);
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Signal {
            name: "CONT".to_owned()
        })
    );
    channel.order(Order::StartReading);
}

#[test]
fn a_forked_child_outlives_its_parent_and_ends_with_the_harness() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    let ignore = vec![SignalName::TERM, "HUP".parse().unwrap()];
    let spec = ForkSpec {
        count: 2,
        ignore,
        session: SessionOf::New,
        wire: Inherited::Hold,
    };
    let forked = channel.order(Order::Fork(spec));
    let mut children = [launch.accept(), launch.accept()];
    for (event, child) in forked.iter().zip(&mut children) {
        let PuppetEvent::Forked { pid } = *event else {
            panic!("{event:?}")
        };
        let name = "web".to_owned();
        assert_eq!(
            child.next(),
            Some(PuppetEvent::ForkHello {
                name,
                pid,
                parent: launch.pid().as_raw()
            })
        );
        assert_eq!(proc::process(pid).unwrap().sid, pid);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    }
    launch.kill(Signal::SIGKILL);
    assert_eq!(
        channel.next(),
        None,
        "the children hold nothing of the puppet's channel"
    );
    launch.wait();
    launch.wire.set_nonblocking(true).unwrap();
    let error = launch.wire.read(&mut [0]).unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::WouldBlock,
        "the children hold the wire"
    );
    drop(children);
    launch.wire.set_nonblocking(false).unwrap();
    assert_eq!(launch.wire.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_plain_child_stays_in_the_group_and_dies_of_term() {
    let launch = Launch::new("");
    let mut channel = launch.greeted();
    let spec: ForkSpec = serde_json::from_value(json!({})).unwrap();
    let forked = channel.order(Order::Fork(spec));
    let [PuppetEvent::Forked { pid }] = forked.as_slice() else {
        panic!("{forked:?}")
    };
    let mut child = launch.accept();
    child.next();
    let (own, parent) = (
        proc::process(*pid).unwrap(),
        proc::process(launch.pid().as_raw()).unwrap(),
    );
    assert_eq!((own.pgid, own.sid), (parent.pgid, parent.sid));
    let files = proc::open_files(*pid).unwrap();
    assert!(files.iter().all(|file| file.fd != 3 && file.fd != 4), "{files:?}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), Signal::SIGTERM).unwrap();
    assert_eq!(child.next(), None);
}

#[test]
fn floods_do_not_make_a_puppet_deaf() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    // Nobody reads either of them yet.
    let stdout = channel.send(Order::FloodStdout { bytes: 1_000_000 });
    let wire = channel.send(Order::FloodWire {
        hex: mac::hex(&[b'x'; 1000]),
        count: 1000,
    });
    channel.order(Order::Ignore {
        signals: vec![SignalName::TERM],
    });
    let mut reader = launch.stdout.try_clone().unwrap();
    let printed = std::thread::spawn(move || reader.read_exact(&mut vec![0; 1_000_000]));
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Done {
            id: stdout,
            error: None
        })
    );
    printed.join().unwrap().unwrap();
    assert!(launch.read_wire(1_000_000).iter().all(|&byte| byte == b'x'));
    assert_eq!(
        channel.next(),
        Some(PuppetEvent::Done {
            id: wire,
            error: None
        })
    );
    channel.send(Order::FloodWire {
        hex: mac::hex(&[b'x'; 1000]),
        count: 1_000_000,
    });
    channel.send(Order::Exit { code: 4 });
    assert_eq!(
        launch.wait().code(),
        Some(4),
        "what nobody takes does not hold up an exit"
    );
}

#[test]
fn a_hung_puppet_does_nothing_but_end() {
    let mut launch = Launch::new("");
    let mut channel = launch.greeted();
    channel.order(Order::StartReading);
    channel.order(Order::Hang);
    launch.wire.write_all(b"anybody there?\n").unwrap();
    let refused = channel.send(Order::StartReading);
    let Some(PuppetEvent::Done { id, error: Some(_) }) = channel.next() else {
        panic!()
    };
    assert_eq!(id, refused);
    channel.order(Order::Exit { code: 5 });
    assert_eq!(launch.wait().code(), Some(5));
}

#[test]
fn a_launch_without_a_wire_is_reported_and_survived() {
    let launch = Launch::new("exec 3<&-; PARTENZA_SECRET_FD=x;");
    let mut channel = launch.greeted();
    let details = [channel.next(), channel.next()].map(|event| match event {
        Some(PuppetEvent::Trouble { detail }) => detail,
        other => panic!("{other:?}"),
    });
    assert!(details[0].starts_with("PARTENZA_FD is 3:"), "{details:?}");
    assert_eq!(details[1], "PARTENZA_SECRET_FD is `x`, not a number");
    let id = channel.send(Order::Tx {
        hex: "0a".to_owned(),
        bytewise: false,
    });
    assert!(matches!(channel.next(), Some(PuppetEvent::Done { id: done, error: Some(_) }) if done == id));
}

#[test]
fn wrong_arguments_and_a_missing_harness_have_their_exit_codes() {
    let run = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_mock-module"))
            .args(arguments)
            .output()
            .unwrap()
    };
    assert_eq!(run(&["--name", "web"]).status.code(), Some(64));
    let alone = run(&["--name", "web", "--channel", "/nonexistent/channel"]);
    assert_eq!(alone.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("cannot reach the harness"));
}

/// The two halves together, against an orchestrator of a few lines.
#[test]
fn a_follower_leads_its_puppet_through_a_whole_life() {
    let mut launch = Launch::new("");
    let mut channel = launch.accept();
    let mut follower = Follower::new(Setup {
        name: "web".to_owned(),
        generation: 1,
        deviations: serde_json::from_value(json!({"prove": "bytewise"})).unwrap(),
        nonce: [9; 32],
        provides: Vec::new(),
        previous: None,
    });
    let wire = launch.wire.try_clone().unwrap();
    let orchestrator = std::thread::spawn(move || orchestrate(wire));
    let mut notes = Vec::new();
    while let Some(event) = channel.next() {
        for action in follower.handle(&event) {
            match action {
                Action::Command(command) => _ = channel.send(command.order),
                Action::Note(note) => notes.push(note),
                Action::After(..) => panic!("nothing here is late"),
            }
        }
    }
    orchestrator.join().unwrap();
    assert_eq!(launch.wait().code(), Some(0));
    assert!(notes.contains(&Note::HandshakeComplete), "{notes:?}");
    assert!(
        !notes
            .iter()
            .any(|note| matches!(note, Note::ProtocolSurprise { .. } | Note::PuppetTrouble { .. }))
    );
}

fn orchestrate(mut wire: std::os::unix::net::UnixStream) {
    let mut reader = std::io::BufReader::new(wire.try_clone().unwrap());
    let mut line = || {
        let mut text = String::new();
        std::io::BufRead::read_line(&mut reader, &mut text).unwrap();
        text
    };
    let key = mac::unhex_32(KEY.trim_end()).unwrap();
    let l1 = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\",\"params\":{\"versions\":[\"1.0\"]}}\n";
    wire.write_all(l1.as_bytes()).unwrap();
    let l2 = line();
    let proof = mac::hex(&mac::orchestrator_proof(&key, l1.as_bytes(), l2.as_bytes()));
    let l3 =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"prove\",\"params\":{{\"mac\":\"{proof}\"}}}}\n");
    wire.write_all(l3.as_bytes()).unwrap();
    let answer: Value = serde_json::from_str(&line()).unwrap();
    let expected = mac::hex(&mac::module_proof(
        &key,
        l1.as_bytes(),
        l2.as_bytes(),
        l3.as_bytes(),
    ));
    assert_eq!(answer["result"]["mac"], json!(expected));
    wire.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"live\",\"params\":{}}\n")
        .unwrap();
    assert_eq!(
        line(),
        "{\"jsonrpc\":\"2.0\",\"method\":\"ready\",\"params\":{}}\n"
    );
    wire.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\",\"params\":{}}\n")
        .unwrap();
    assert_eq!(line(), "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n");
}

/// The descriptors of a snapshot, without those that whoever runs the tests left open.
fn given(snapshot: &Value) -> Vec<&Value> {
    let own = proc::open_files(i32::try_from(std::process::id()).unwrap()).unwrap();
    let is_foreign = |file: &Value| own.iter().any(|mine| mine.fd > 5 && file["fd"] == json!(mine.fd));
    snapshot["fds"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| !is_foreign(file))
        .collect()
}

/// A part of a JSON array as texts.
trait Texts {
    fn as_array_of_texts(&self) -> Vec<&str>;
}

impl Texts for [Value] {
    fn as_array_of_texts(&self) -> Vec<&str> {
        self.iter().map(|text| text.as_str().unwrap()).collect()
    }
}
