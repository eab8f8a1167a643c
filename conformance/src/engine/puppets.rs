//! The side channel: puppets report for work here, and a follower of the contract plays each of them.
//!
//! One task accepts, one task serves each connection. A task turns what the puppet reports into entries of the trace and
//! what the follower decides into commands. Which generation a puppet is, the orchestrator says through its environment.

use std::collections::BTreeMap;
use std::rc::Rc;

use partenza_mock_modules::channel::{PuppetEvent, to_line};
use partenza_mock_modules::{Action, Deed, Follower, Memory, Note, Setup, TimerToken};
use partenza_probe::proc;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use super::world::{PuppetHandle, World};
use crate::judge::trace::Kind;
use crate::suite::Module;

/// What the followers of a case are made from.
pub(crate) struct Troupe {
    pub(crate) world: Rc<World>,
    pub(crate) modules: BTreeMap<String, Module>,
    pub(crate) seed: u64,
    pub(crate) case: String,
    pub(crate) memories: std::cell::RefCell<BTreeMap<String, Memory>>,
}

/// Accepts puppets until the case is over.
pub(crate) async fn accept(listener: UnixListener, troupe: Rc<Troupe>) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_local(serve(stream, Rc::clone(&troupe)));
    }
}

async fn serve(stream: UnixStream, troupe: Rc<Troupe>) {
    let (read, write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let Ok(Some(first)) = lines.next_line().await else {
        return;
    };
    let world = Rc::clone(&troupe.world);
    match serde_json::from_str::<PuppetEvent>(&first) {
        Ok(PuppetEvent::ForkHello { name, pid, .. }) => {
            // The connection ends with the child, whatever the child does.
            while let Ok(Some(_)) = lines.next_line().await {}
            world.record(&name, Kind::ChildExit, json!({"pid": pid}));
        }
        Ok(hello @ PuppetEvent::Hello { .. }) => Session::open(troupe, write, hello).play(lines).await,
        other => {
            let text = format!("a stranger on the side channel: {other:?}");
            world.record("harness", Kind::Note, json!({"text": text}));
        }
    }
}

/// One launch of one puppet.
struct Session {
    troupe: Rc<Troupe>,
    name: String,
    pid: i32,
    generation: u64,
    follower: Follower,
    write: OwnedWriteHalf,
    timers: Vec<(Instant, TimerToken)>,
    deeds: mpsc::UnboundedReceiver<Deed>,
    hello: Option<PuppetEvent>,
}

impl Session {
    fn open(troupe: Rc<Troupe>, write: OwnedWriteHalf, hello: PuppetEvent) -> Self {
        let (name, pid, snapshot) = match &hello {
            PuppetEvent::Hello { name, pid, snapshot } => (name.clone(), *pid, snapshot.clone()),
            _ => (String::new(), 0, Value::Null),
        };
        let world = &troupe.world;
        let mut puppets = world.puppets.borrow_mut();
        let launches = puppets.entry(name.clone()).or_default();
        let said = snapshot
            .pointer("/env/PARTENZA_GENERATION")
            .and_then(Value::as_str)
            .and_then(|g| g.parse().ok());
        let generation = said.unwrap_or(launches.len() as u64 + 1);
        let (sender, deeds) = mpsc::unbounded_channel();
        launches.push(PuppetHandle { deeds: sender });
        drop(puppets);
        let mut texts = world.proc_texts.borrow_mut();
        texts.push((
            format!("/proc/{pid}/cmdline of {name}"),
            proc::cmdline(pid).join(" "),
        ));
        texts.push((
            format!("/proc/{pid}/environ of {name}"),
            proc::environ(pid).join("\n"),
        ));
        drop(texts);
        world.record(
            &name,
            Kind::Launch,
            json!({"generation": generation, "pid": pid, "snapshot": snapshot}),
        );
        let module = troupe.modules.get(&name).cloned().unwrap_or_default();
        let follower = Follower::new(Setup {
            name: name.clone(),
            generation: u32::try_from(generation).unwrap_or(u32::MAX),
            deviations: module.except.clone(),
            nonce: nonce(&troupe, &name, generation),
            provides: provides(&module),
            previous: troupe.memories.borrow().get(&name).cloned(),
        });
        Self {
            troupe,
            name,
            pid,
            generation,
            follower,
            write,
            timers: Vec::new(),
            deeds,
            hello: Some(hello),
        }
    }

    async fn play(mut self, mut lines: Lines<BufReader<OwnedReadHalf>>) {
        if let Some(hello) = self.hello.take() {
            let actions = self.follower.handle(&hello);
            self.act(actions).await;
        }
        loop {
            let next = self.timers.iter().min_by_key(|(at, _)| *at).copied();
            let actions = tokio::select! {
                // What has happened already comes before what the script or a timer wants next.
                biased;
                line = lines.next_line() => match line {
                    Ok(Some(line)) => match serde_json::from_str::<PuppetEvent>(&line) {
                        Ok(event) => self.follower.handle(&event),
                        Err(error) => vec![Action::Note(Note::PuppetTrouble { detail: format!("{error}: {line}") })],
                    },
                    _ => break,
                },
                Some(deed) = self.deeds.recv() => self.follower.perform(&deed),
                () = sleep_until(next.map_or_else(Instant::now, |(at, _)| at)), if next.is_some() => {
                    let (at, token) = next.unwrap_or((Instant::now(), TimerToken(0)));
                    self.timers.retain(|timer| *timer != (at, token));
                    self.follower.timer(token)
                }
            };
            self.act(actions).await;
        }
        self.record(
            Kind::Exit,
            json!({"generation": self.generation, "pid": self.pid}),
        );
    }

    async fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                // A puppet that is gone shows by the end of its connection, not by a failed write.
                Action::Command(command) => {
                    let _ = self.write.write_all(&to_line(&command)).await;
                }
                Action::After(delay, token) => self.timers.push((Instant::now() + delay, token)),
                Action::Note(note) => self.note(note),
            }
        }
        let memory = self.follower.memory();
        self.troupe
            .memories
            .borrow_mut()
            .insert(self.name.clone(), memory);
    }

    fn record(&self, kind: Kind, data: Value) {
        self.troupe.world.record(&self.name, kind, data);
    }

    fn note(&self, note: Note) {
        let generation = self.generation;
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        match note {
            Note::Sent { method, raw } => {
                self.record(
                    Kind::Tx,
                    json!({"generation": generation, "method": method, "line": text(&raw)}),
                );
            }
            Note::Received { method, raw, message } => self.record(
                Kind::Rx,
                json!({"generation": generation, "method": method, "line": text(&raw), "message": message}),
            ),
            Note::Answered { method, raw, message } => self.record(
                Kind::Answer,
                json!({"generation": generation, "method": method, "line": text(&raw), "message": message}),
            ),
            Note::Key { raw, eof } => {
                let digits = raw
                    .iter()
                    .take_while(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
                    .count();
                let data = json!({
                    "generation": generation, "length": raw.len(), "eof": eof,
                    "hex_digits": digits == 64, "newline": raw.get(64) == Some(&b'\n'),
                });
                self.troupe
                    .world
                    .keys
                    .borrow_mut()
                    .insert((self.name.clone(), generation), raw);
                self.record(Kind::Key, data);
            }
            Note::HandshakeComplete => self.record(Kind::Handshake, json!({"generation": generation})),
            Note::OrchestratorProofWrong { detail } => {
                self.record(
                    Kind::ProofWrong,
                    json!({"generation": generation, "detail": detail}),
                );
            }
            Note::ProtocolSurprise { detail } => {
                self.record(
                    Kind::Surprise,
                    json!({"generation": generation, "detail": detail}),
                );
            }
            Note::WireClosed => self.record(Kind::Eof, json!({"generation": generation})),
            Note::GotSignal { name } => {
                self.record(Kind::Signal, json!({"generation": generation, "name": name}))
            }
            Note::Forked { pid } => self.record(Kind::Forked, json!({"generation": generation, "pid": pid})),
            Note::PuppetTrouble { detail } => {
                self.record(Kind::Trouble, json!({"generation": generation, "detail": detail}));
            }
        }
    }
}

/// Every follower gets its own bytes, and the same ones in every run with the same seed.
fn nonce(troupe: &Troupe, name: &str, generation: u64) -> [u8; 32] {
    let text = format!("{} {} {name} {generation}", troupe.seed, troupe.case);
    Sha256::digest(text.as_bytes()).into()
}

/// What the module's file says that it provides, in the shorthand of the wire.
fn provides(module: &Module) -> Vec<String> {
    let items = module.file.get("provides").and_then(Value::as_array);
    let shorthand = |item: &Value| match item {
        Value::String(text) => Some(text.clone()),
        other => Some(format!(
            "{}@{}",
            other.get("interface")?.as_str()?,
            other.get("version")?.as_str()?
        )),
    };
    items.into_iter().flatten().filter_map(shorthand).collect()
}
