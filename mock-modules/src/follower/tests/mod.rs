//! Every deviation against a scripted orchestrator, byte by byte. This file plays the orchestrator.
mod handshake;
mod live;

use super::*;

const KEY: [u8; 32] = [0x11; 32];
const NONCE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const LIVE: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"live\",\"params\":{\"health_interval_ms\":0}}\n";
const READY: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"ready\",\"params\":{}}\n";

/// A follower, and what it wanted done since the last look.
struct Play {
    follower: Follower,
    orders: Vec<Order>,
    notes: Vec<Note>,
    timers: Vec<(Duration, TimerToken)>,
    last_id: u64,
}

impl Play {
    fn of(except: &str) -> Self {
        Self::later(except, 1, None)
    }

    fn later(except: &str, generation: u32, previous: Option<Memory>) -> Self {
        let deviations = serde_yaml::from_str(except).unwrap_or_else(|error| panic!("{except}: {error}"));
        let provides = vec!["log/basic@1.0".to_owned()];
        let nonce = [u8::try_from(generation).unwrap(); 32];
        let name = "web".to_owned();
        let follower = Follower::new(Setup {
            name,
            generation,
            deviations,
            nonce,
            provides,
            previous,
        });
        Self {
            follower,
            orders: Vec::new(),
            notes: Vec::new(),
            timers: Vec::new(),
            last_id: 0,
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Command(command) => {
                    assert_eq!(command.id, self.last_id + 1, "ids count upwards");
                    self.last_id = command.id;
                    self.orders.push(command.order);
                }
                Action::After(delay, token) => self.timers.push((delay, token)),
                Action::Note(note) => self.notes.push(note),
            }
        }
    }

    fn event(&mut self, event: &PuppetEvent) {
        let actions = self.follower.handle(event);
        self.take(actions);
    }

    fn hears(&mut self, text: &str) {
        self.event(&PuppetEvent::Rx {
            hex: mac::hex(text.as_bytes()),
        });
    }

    fn deed(&mut self, text: &str) {
        let deed: Deed = serde_yaml::from_str(text).unwrap();
        let actions = self.follower.perform(&deed);
        self.take(actions);
    }

    /// The only timer that was asked for; it is over now.
    fn wait(&mut self) -> Duration {
        assert_eq!(self.timers.len(), 1);
        let (delay, token) = self.timers.remove(0);
        let actions = self.follower.timer(token);
        self.take(actions);
        delay
    }

    fn orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// Everything sent since the last look, which has to be all that was ordered.
    fn said(&mut self) -> String {
        let said = self.orders().into_iter().map(|order| match order {
            Order::Tx { hex, .. } => String::from_utf8(mac::unhex(&hex).unwrap()).unwrap(),
            other => panic!("{other:?}"),
        });
        said.collect()
    }

    fn launched(&mut self) {
        self.event(&PuppetEvent::Hello {
            name: "web".to_owned(),
            pid: 7,
            snapshot: Value::Null,
        });
    }

    /// Up to the first answer.
    fn hello(&mut self) {
        self.launched();
        self.orders();
        self.event(&PuppetEvent::Key {
            hex: mac::hex(format!("{}\n", mac::hex(&KEY)).as_bytes()),
            eof: true,
        });
        self.hears(&l1());
    }

    /// Up to the second answer, with a right proof over what was said.
    fn prove(&mut self) -> String {
        self.hello();
        let l2 = self
            .said()
            .lines()
            .next()
            .map_or_else(String::new, |line| format!("{line}\n"));
        let l3 = l3(&l2);
        self.hears(&l3);
        l2
    }

    fn running(&mut self) {
        self.prove();
        self.orders();
        self.hears(LIVE);
    }

    fn has(&self, wanted: &Note) -> bool {
        self.notes.contains(wanted)
    }
}

fn l1() -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\",\"params\":{{\"versions\":[\"1.0\"],\"module\":\"web\",\"generation\":1,\"nonce\":\"{NONCE}\"}}}}\n"
    )
}

fn l3(l2: &str) -> String {
    let proof = mac::hex(&mac::orchestrator_proof(&KEY, l1().as_bytes(), l2.as_bytes()));
    format!("{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"prove\",\"params\":{{\"mac\":\"{proof}\"}}}}\n")
}

fn honest_l2() -> String {
    let nonce = mac::hex(&mac::hmac_sha256(&[1; 32], &[b"nonce"]));
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"version\":\"1.0\",\"provides\":[\"log/basic@1.0\"],\"features\":[\"health\"],\"extensions\":[],\"nonce\":\"{nonce}\"}}}}\n"
    )
}

fn right_proof(l2: &str) -> String {
    mac::hex(&mac::module_proof(
        &KEY,
        l1().as_bytes(),
        l2.as_bytes(),
        l3(l2).as_bytes(),
    ))
}

fn with_mac(proof: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{\"mac\":\"{proof}\"}}}}\n")
}

fn request(id: i64, method: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{}}}}\n")
}
