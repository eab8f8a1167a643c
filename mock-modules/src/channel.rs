//! What the judge and a puppet say to each other over the side channel: JSON lines, one object each.
//!
//! The puppet is dumb. It reports what it sees, byte for byte, and does what it is told; every command has an id and is
//! acknowledged with `done` once it has been carried out. Key, script and clock stay with the judge. Nothing here knows
//! the Partenza protocol: the bytes of the wire travel as hexadecimal digits.
use partenza_probe::signals::SignalName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One command to a puppet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Echoed in the acknowledgement. The sender counts upwards from 1.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub order: Order,
}

/// What a puppet can be told to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Order {
    /// Write these bytes to the wire. Acknowledged when the last of them is written.
    Tx {
        /// The bytes, as hexadecimal digits.
        hex: String,
        /// Write every byte with a call of its own.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        bytewise: bool,
    },
    /// Read the secret pipe to its end and report what it held.
    ReadKey,
    /// Read the wire from now on and report what arrives.
    StartReading,
    /// Leave whatever arrives on the wire unread.
    StopReading,
    /// Close the wire, and live on.
    Close,
    /// Exit with this code, once what has been sent so far is written.
    Exit {
        /// The exit code.
        code: i32,
    },
    /// Die of this signal (or, for STOP, be stopped by it), with the default action restored first.
    Raise {
        /// The signal.
        signal: SignalName,
    },
    /// Fork children that live until the channel's listener goes away or somebody kills them.
    Fork(ForkSpec),
    /// Report these signals and do nothing else about them.
    Ignore {
        /// The signals.
        signals: Vec<SignalName>,
    },
    /// Report these signals, then exit with this code. A puppet starts out with TERM handled like this, code 0.
    ExitOn {
        /// The signals.
        signals: Vec<SignalName>,
        /// The exit code.
        code: i32,
    },
    /// Give these signals their default action.
    Restore {
        /// The signals.
        signals: Vec<SignalName>,
    },
    /// Do nothing any more: read nothing, write nothing, obey only `exit` and `raise`.
    Hang,
    /// Write this many bytes of text lines to standard output. Acknowledged when they are written.
    FloodStdout {
        /// How many bytes.
        bytes: u64,
    },
    /// Write these bytes to the wire, over and over. Acknowledged when they are written.
    FloodWire {
        /// The bytes of one round, as hexadecimal digits.
        hex: String,
        /// How many rounds.
        count: u64,
    },
}

/// How to fork.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ForkSpec {
    /// How many children; one when left out.
    #[serde(default = "one")]
    pub count: u32,
    /// Signals that the children ignore.
    #[serde(default)]
    pub ignore: Vec<SignalName>,
    /// Whether they stay in the module's session or start one of their own.
    #[serde(default)]
    pub session: SessionOf,
    /// Whether they keep the wire open, or close it as a careful child does.
    #[serde(default)]
    pub wire: Inherited,
}

/// The session of a forked child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionOf {
    /// The module's own session and process group.
    #[default]
    Own,
    /// A new session, so that a signal to the module's process group does not reach the child.
    New,
}

/// What a forked child does with the wire it inherits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inherited {
    /// It closes it.
    #[default]
    Close,
    /// It holds it, so that the orchestrator sees no end of file when the module dies.
    Hold,
}

/// What a puppet reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum PuppetEvent {
    /// The first line of a puppet: who it is and what it found when it was launched, taken before it opened anything.
    Hello {
        /// The name from its `--name` argument.
        name: String,
        /// Its process id.
        pid: i32,
        /// See [`crate::puppet::Snapshot`] for the members.
        snapshot: Value,
    },
    /// The only line of a forked child, on a connection of its own. The end of that connection is the child's end.
    ForkHello {
        /// The name of the module that forked it.
        name: String,
        /// The child's process id.
        pid: i32,
        /// The process id of the puppet that forked it.
        parent: i32,
    },
    /// What the secret pipe held.
    Key {
        /// Every byte read so far, as hexadecimal digits.
        hex: String,
        /// Whether the pipe came to its end. `false` means that nobody closed its write end in time.
        eof: bool,
    },
    /// Bytes from the wire, in the chunks in which they came.
    Rx {
        /// The bytes, as hexadecimal digits.
        hex: String,
    },
    /// The wire came to its end.
    Eof,
    /// A signal arrived.
    Signal {
        /// Its name without `SIG`.
        name: String,
    },
    /// A child was forked and is set up.
    Forked {
        /// Its process id.
        pid: i32,
    },
    /// A command has been carried out, or could not be.
    Done {
        /// The command's id.
        id: u64,
        /// Why it could not be carried out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Something that a launched module should have found was not there, such as the wire.
    Trouble {
        /// One sentence.
        detail: String,
    },
}

/// Why a write failed when the orchestrator had closed its end. It is what happens to refused modules, and no trouble.
pub const CLOSED_BY_PEER: &str = "the orchestrator has closed the wire";

/// One message as a line with its LF.
#[must_use]
pub fn to_line<T: Serialize>(message: &T) -> Vec<u8> {
    // The types above have text keys only, so that serialising cannot fail.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_events_have_the_published_shape() {
        let command = Command {
            id: 7,
            order: Order::Tx {
                hex: "0a".to_owned(),
                bytewise: false,
            },
        };
        assert_eq!(
            to_line(&command),
            b"{\"id\":7,\"command\":\"tx\",\"hex\":\"0a\"}\n"
        );
        assert_eq!(
            serde_json::from_slice::<Command>(&to_line(&command)).unwrap(),
            command
        );
        let fork: Command =
            serde_json::from_str(r#"{"id":1,"command":"fork","count":2,"ignore":["TERM"],"session":"new"}"#)
                .unwrap();
        let Order::Fork(spec) = &fork.order else {
            panic!("{fork:?}")
        };
        assert_eq!(
            (spec.count, spec.session, spec.wire),
            (2, SessionOf::New, Inherited::Close)
        );
        let hang: Command = serde_json::from_str(r#"{"id":2,"command":"hang"}"#).unwrap();
        assert_eq!(hang.order, Order::Hang);
        let done = PuppetEvent::Done { id: 7, error: None };
        assert_eq!(to_line(&done), b"{\"event\":\"done\",\"id\":7}\n");
        assert_eq!(to_line(&PuppetEvent::Eof), b"{\"event\":\"eof\"}\n");
    }
}
