//! A whole life, and everything after the five lines.
use partenza_probe::signals::SignalName;
use serde_json::json;

use super::*;

#[test]
fn the_contract_is_followed_to_the_letter() {
    let mut play = Play::of("{}");
    play.launched();
    assert_eq!(play.orders(), [Order::ReadKey, Order::StartReading]);
    play.event(&PuppetEvent::Key {
        hex: mac::hex(format!("{}\n", mac::hex(&KEY)).as_bytes()),
        eof: true,
    });
    play.hears(&l1());
    let l2 = play.said();
    assert_eq!(l2, honest_l2());
    play.hears(&l3(&l2));
    let l4 = play.said();
    assert_eq!(l4, with_mac(&right_proof(&l2)));
    let lines = [l1(), l2.clone(), l3(&l2), l4];
    let [l1, l2, l3, l4] = lines.each_ref().map(String::as_bytes);
    assert_eq!(
        play.follower.session_key(),
        Some(mac::session_key(&KEY, l1, l2, l3, l4))
    );
    play.hears(LIVE);
    assert_eq!(play.said(), READY);
    assert!(play.has(&Note::HandshakeComplete));
    play.hears(&request(3, "health.check"));
    assert_eq!(
        play.said(),
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"state\":\"ready\"}}\n"
    );
    play.hears(&request(4, "config.reload"));
    assert_eq!(
        play.said(),
        "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32601,\"message\":\"method not found\"}}\n"
    );
    play.hears("{\"jsonrpc\":\"2.0\",\"method\":\"registry.changed\"}\n");
    assert_eq!(play.said(), "");
    play.hears(&request(5, "shutdown"));
    let orders = play.orders();
    assert_eq!(orders[1..], [Order::Exit { code: 0 }]);
    let sent: Vec<&str> = play
        .notes
        .iter()
        .filter_map(|note| match note {
            Note::Sent { method, .. } => Some(method.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        sent,
        [
            "hello",
            "prove",
            "ready",
            "health.check",
            "config.reload",
            "shutdown"
        ]
    );
    assert!(
        !play
            .notes
            .iter()
            .any(|note| matches!(note, Note::ProtocolSurprise { .. } | Note::PuppetTrouble { .. }))
    );
}

#[test]
fn ready() {
    for (except, expected) in [
        ("never", ""),
        ("{raw: \"[]\\n\"}", "[]\n"),
        ("twice", &READY.repeat(2)),
        ("early", READY),
    ] {
        let mut play = Play::of(&format!("ready: {except}"));
        play.running();
        assert_eq!(play.said(), expected, "{except}");
    }
    for (except, expected) in [
        ("{exit: 3}", Order::Exit { code: 3 }),
        (
            "{signal: KILL}",
            Order::Raise {
                signal: SignalName::KILL,
            },
        ),
    ] {
        let mut play = Play::of(&format!("ready: {except}"));
        play.running();
        assert_eq!(play.orders(), [expected], "{except}");
    }
    let mut play = Play::of("ready: {delay: 100ms}");
    play.running();
    play.hears(&request(3, "health.check"));
    assert!(play.said().contains("\"id\":3"), "requests are answered before");
    assert_eq!(
        (play.wait(), play.said()),
        (Duration::from_millis(100), READY.to_owned())
    );
    let mut play = Play::of("ready: never");
    play.running();
    play.deed("{leave: [ready]}");
    assert_eq!(play.said(), READY);
    play.deed("{leave: [ready]}");
    assert_eq!(play.said(), "", "once is enough");
}

#[test]
fn health() {
    let honest = "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"state\":\"ready\"}}\n";
    for (except, expected) in [
        ("silence", String::new()),
        (
            "degraded",
            honest.replace("\"ready\"", "\"degraded\",\"detail\":\"as the script says\""),
        ),
        (
            "error",
            "{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":-32603,\"message\":\"internal error\"}}\n"
                .to_owned(),
        ),
        ("wrong-id", honest.replace("\"id\":9", "\"id\":1000009")),
        ("{raw: \"x\\n\"}", "x\n".to_owned()),
        ("{does: silence, after: 1}", honest.to_owned()),
    ] {
        let mut play = Play::of(&format!("health: {except}"));
        play.running();
        play.said();
        play.hears(&request(9, "health.check"));
        assert_eq!(play.said(), expected, "{except}");
    }
    let mut play = Play::of("health: {does: silence, after: 1}");
    play.running();
    play.said();
    play.hears(&request(9, "health.check").repeat(2));
    assert_eq!(play.said(), honest, "the second check is not answered");
    play.deed("{leave: [health]}");
    play.hears(&request(9, "health.check"));
    assert_eq!(play.said(), honest);
    play.deed("{take: {health: {delay: 1s}}}");
    play.hears(&request(9, "health.check"));
    assert_eq!(
        (play.said(), play.wait(), play.said()),
        (String::new(), Duration::from_secs(1), honest.to_owned())
    );
}

#[test]
fn health_checks_are_answered_in_turn() {
    let mut play = Play::of("health: {replies: [error, silence, degraded, honest]}");
    play.running();
    play.said();
    let answers = [0; 5].map(|_| {
        play.hears(&request(9, "health.check"));
        play.said()
    });
    let honest = "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"state\":\"ready\"}}\n";
    assert!(
        answers[0].contains("-32603") && answers[2].contains("degraded"),
        "{answers:?}"
    );
    assert_eq!(
        [answers[1].as_str(), &answers[3], &answers[4]],
        ["", honest, honest]
    );
}

#[test]
fn shutdown() {
    let answer = Order::Tx {
        hex: mac::hex(b"{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}\n"),
        bytewise: false,
    };
    let error =
        b"{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":-32603,\"message\":\"internal error\"}}\n";
    for (except, expected) in [
        ("ignore", vec![]),
        ("stay", vec![answer.clone()]),
        ("close", vec![Order::Close]),
        (
            "error",
            vec![Order::Tx {
                hex: mac::hex(error),
                bytewise: false,
            }],
        ),
        ("{exit: 3}", vec![answer.clone(), Order::Exit { code: 3 }]),
        (
            "{signal: KILL}",
            vec![
                answer.clone(),
                Order::Raise {
                    signal: SignalName::KILL,
                },
            ],
        ),
    ] {
        let mut play = Play::of(&format!("shutdown: {except}"));
        play.running();
        play.said();
        play.hears(&request(9, "shutdown"));
        assert_eq!(play.orders(), expected, "{except}");
    }
    let mut play = Play::of("shutdown: {delay: 1s}");
    play.running();
    play.said();
    play.hears(&request(9, "shutdown"));
    assert_eq!((play.orders(), play.wait()), (vec![], Duration::from_secs(1)));
    assert_eq!(play.orders(), [answer, Order::Exit { code: 0 }]);
}

#[test]
fn deeds() {
    let term = SignalName::TERM;
    for (deed, expected) in [
        ("{exit: 3}", Order::Exit { code: 3 }),
        (
            "{signal: STOP}",
            Order::Raise {
                signal: "STOP".parse().unwrap(),
            },
        ),
        (
            "{send: {jsonrpc: \"2.0\", method: alive}}",
            Order::Tx {
                hex: mac::hex(b"{\"jsonrpc\":\"2.0\",\"method\":\"alive\"}\n"),
                bytewise: false,
            },
        ),
        (
            "{send-raw: \"x\"}",
            Order::Tx {
                hex: "78".to_owned(),
                bytewise: false,
            },
        ),
        (
            "{send-hex: \"ff0a\"}",
            Order::Tx {
                hex: "ff0a".to_owned(),
                bytewise: false,
            },
        ),
        ("{ignore: [TERM]}", Order::Ignore { signals: vec![term] }),
        ("{flood-stdout: 1000}", Order::FloodStdout { bytes: 1000 }),
        ("stop-reading", Order::StopReading),
        ("start-reading", Order::StartReading),
        ("close", Order::Close),
        ("hang", Order::Hang),
        (
            "{leave: [signals]}",
            Order::ExitOn {
                signals: vec![term],
                code: 0,
            },
        ),
        (
            "{take: {signals: {default: [TERM]}}}",
            Order::Restore { signals: vec![term] },
        ),
    ] {
        let mut play = Play::of("{}");
        play.running();
        play.said();
        play.deed(deed);
        assert_eq!(play.orders(), [expected], "{deed}");
    }
    let mut play = Play::of("{}");
    play.running();
    play.said();
    play.deed("{flood-wire: 5}");
    let orders = play.orders();
    let [Order::FloodWire { hex, count: 5 }] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    let line = mac::unhex(hex).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&line).unwrap()["method"],
        json!("log")
    );
    play.deed("{fork: {wire: hold}}");
    assert!(matches!(play.orders().as_slice(), [Order::Fork(spec)] if spec.count == 1));
    // A module that is stopped goes on afterwards, one that is killed does not.
    play.deed("{signal: STOP}");
    play.orders();
    play.hears(&request(9, "health.check"));
    assert!(play.said().contains("ready"));
}

#[test]
fn a_log_line_is_as_long_as_the_script_says() {
    for length in [200, 65_536, 65_537] {
        let mut play = Play::of("{}");
        play.running();
        play.said();
        play.deed(&format!("{{long-log: {length}}}"));
        let line = play.said();
        assert_eq!((line.len(), line.ends_with('\n')), (length, true));
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&message["method"], &message["params"]["level"]),
            (&json!("log"), &json!("info"))
        );
    }
}

#[test]
fn a_flood_of_requests_asks_for_what_nobody_knows() {
    let mut play = Play::of("{}");
    play.running();
    play.said();
    play.deed("{flood-requests: 7}");
    let orders = play.orders();
    let [Order::FloodWire { hex, count: 7 }] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    let message: Value = serde_json::from_slice(&mac::unhex(hex).unwrap()).unwrap();
    assert_eq!(message["method"], json!("no.such.method"));
    assert!(message["id"].is_u64());
    let raw = mac::unhex(hex).unwrap();
    assert!(play.has(&Note::Sent {
        method: "raw".to_owned(),
        raw
    }));
}

#[test]
fn digits_that_are_no_bytes_are_the_harness_s_own_trouble() {
    let mut play = Play::of("{}");
    play.running();
    play.said();
    play.deed("{send-hex: \"f\"}");
    assert_eq!(play.orders(), []);
    assert!(
        play.notes
            .iter()
            .any(|note| matches!(note, Note::PuppetTrouble { .. }))
    );
}

#[test]
fn answers_to_what_the_script_asked_are_told_apart() {
    let mut play = Play::of("{}");
    play.running();
    play.said();
    play.deed("{send: {jsonrpc: \"2.0\", id: 50, method: registry.lookup, params: {}}}");
    let answer = "{\"jsonrpc\":\"2.0\",\"id\":50,\"error\":{\"code\":-32601,\"message\":\"x\"}}\n";
    play.hears(answer);
    let raw = answer.as_bytes().to_vec();
    let message = serde_json::from_str(answer).unwrap();
    assert!(play.has(&Note::Answered {
        method: "registry.lookup".to_owned(),
        raw,
        message
    }));
    assert!(
        !play
            .notes
            .iter()
            .any(|note| matches!(note, Note::ProtocolSurprise { .. }))
    );
}

#[test]
fn what_the_puppet_reports_is_noted() {
    let mut play = Play::of("{}");
    play.running();
    play.event(&PuppetEvent::Signal {
        name: "TERM".to_owned(),
    });
    play.event(&PuppetEvent::Forked { pid: 8 });
    play.event(&PuppetEvent::Done {
        id: 1,
        error: Some("broken pipe".to_owned()),
    });
    play.event(&PuppetEvent::Trouble {
        detail: "PARTENZA_FD is not set".to_owned(),
    });
    play.hears("half a line");
    play.event(&PuppetEvent::Eof);
    let closed = Some(crate::channel::CLOSED_BY_PEER.to_owned());
    play.event(&PuppetEvent::Done { id: 2, error: closed });
    assert_eq!(
        play.notes
            .iter()
            .filter(|note| **note == Note::WireClosed)
            .count(),
        1
    );
    for note in [
        Note::GotSignal {
            name: "TERM".to_owned(),
        },
        Note::Forked { pid: 8 },
        Note::PuppetTrouble {
            detail: "command 1 failed: broken pipe".to_owned(),
        },
        Note::PuppetTrouble {
            detail: "PARTENZA_FD is not set".to_owned(),
        },
        Note::WireClosed,
    ] {
        assert!(play.has(&note), "{note:?}");
    }
    assert!(
        play.notes
            .iter()
            .any(|note| matches!(note, Note::ProtocolSurprise { detail } if detail.contains("11 bytes")))
    );
    let actions = play.follower.timer(TimerToken(77));
    assert_eq!(actions, [], "an unknown timer is nothing");
}
