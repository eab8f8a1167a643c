//! Every way in which a mock module can break the contract, with one sentence each.
//!
//! The list is for people and for tests: the tests read every entry as a script would, and check that no deviation is
//! missing. A few entries are within the contract; they are there because an orchestrator has to bear them.

/// One deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The point of the contract, a key of `except:`.
    pub point: &'static str,
    /// How it is written, as the YAML value of that key.
    pub written: &'static str,
    /// What the module then does.
    pub sentence: &'static str,
}

const fn fault(point: &'static str, written: &'static str, sentence: &'static str) -> Fault {
    Fault {
        point,
        written,
        sentence,
    }
}

/// All of them, in the order of the contract.
#[must_use]
pub const fn catalogue() -> &'static [Fault] {
    FAULTS
}

#[rustfmt::skip] // One entry is one line, so that the list can be read as the table it is.
const FAULTS: &[Fault] = &[
    fault("launch", "hang", "The module stays and does nothing: it reads neither its key nor the wire."),
    fault("launch", "close", "The module closes the wire at once, and stays."),
    fault("launch", "{exit: 3}", "The module exits with this code at once."),
    fault("launch", "{signal: KILL}", "The module dies of this signal at once."),
    fault("launch", "{early: ready}", "The module sends a notification of this method before it is spoken to."),
    fault("launch", "{ignore: [TERM]}", "The module notices these signals and does nothing about them."),
    fault("launch", "{fork: {count: 2, session: new}}", "The module forks before the handshake; the children stay."),
    fault("launch", "{delay: 200ms}", "The module does nothing for this time, and then follows the contract."),
    fault("hello", "silence", "The module never answers `hello`."),
    fault("hello", "garbage", "The module answers `hello` with a line that is not JSON."),
    fault("hello", "oversize", "The answer to `hello` is one byte longer than the limit, and otherwise honest."),
    fault("hello", "bytewise", "The honest answer to `hello` comes one byte at a time, which is allowed."),
    fault("hello", "twice", "The honest answer to `hello` comes twice."),
    fault("hello", "close", "The module closes the wire instead of answering `hello`, and stays."),
    fault("hello", "hang", "The module stops doing anything instead of answering `hello`."),
    fault("hello", "{exit: 3}", "The module exits with this code instead of answering `hello`."),
    fault("hello", "{signal: SEGV}", "The module dies of this signal instead of answering `hello`."),
    fault("hello", "{error: -32001}", "The module answers `hello` with this error."),
    fault("hello", "{result: {version: \"9.9\"}}", "The answer to `hello` has these members changed; null takes one away."),
    fault("hello", "{raw: \"{}\\n\"}", "The module sends this text instead of an answer to `hello`."),
    fault("hello", "{nonce: reused}", "The nonce is that of the previous launch; on the first, the orchestrator's own."),
    fault("hello", "{delay: 200ms}", "The answer to `hello` comes late."),
    fault("prove", "silence", "The module never answers `prove`."),
    fault("prove", "garbage", "The module answers `prove` with a line that is not JSON."),
    fault("prove", "oversize", "The answer to `prove` is one byte longer than the limit, and otherwise honest."),
    fault("prove", "bytewise", "The honest answer to `prove` comes one byte at a time, which is allowed."),
    fault("prove", "twice", "The honest answer to `prove` comes twice."),
    fault("prove", "close", "The module closes the wire instead of proving itself, and stays."),
    fault("prove", "hang", "The module stops doing anything instead of proving itself."),
    fault("prove", "{mac: random}", "The proof is 64 digits that have nothing to do with the key."),
    fault("prove", "{mac: reused}", "The proof is that of the previous launch; on the first, one over another handshake."),
    fault("prove", "{mac: truncated}", "The proof is the first half of the right one."),
    fault("prove", "{mac: reflected}", "The proof is the orchestrator's own."),
    fault("prove", "{mac: uppercase}", "The proof is right, in upper-case digits."),
    fault("prove", "{mac: empty}", "The proof is an empty text."),
    fault("prove", "{mac: missing}", "There is no proof in the answer."),
    fault("prove", "{mac: other-key}", "The proof is made with a key that was never handed out."),
    fault("prove", "{exit: 3}", "The module exits with this code instead of proving itself."),
    fault("prove", "{signal: KILL}", "The module dies of this signal instead of proving itself."),
    fault("prove", "{error: -32603}", "The module answers `prove` with this error."),
    fault("prove", "{raw: \"\\n\"}", "The module sends this text instead of an answer to `prove`."),
    fault("prove", "{delay: 200ms}", "The proof comes late."),
    fault("ready", "never", "The module never says that it is ready."),
    fault("ready", "early", "The module says that it is ready right after it has answered `hello`, and again in time."),
    fault("ready", "twice", "The module says twice that it is ready."),
    fault("ready", "{raw: \"[]\\n\"}", "The module sends this text instead of saying that it is ready."),
    fault("ready", "{exit: 3}", "The module exits with this code instead of becoming ready."),
    fault("ready", "{signal: ABRT}", "The module dies of this signal instead of becoming ready."),
    fault("ready", "{delay: 200ms}", "The module says late that it is ready, and answers requests before."),
    fault("health", "degraded", "The module says of itself that it is degraded, which is allowed."),
    fault("health", "error", "The module answers health checks with an internal error."),
    fault("health", "silence", "The module does not answer health checks."),
    fault("health", "wrong-id", "The module answers health checks under an id that nobody used."),
    fault("health", "{raw: \"null\\n\"}", "The module sends this text for every health check."),
    fault("health", "{does: silence, after: 2}", "The module answers so many checks honestly first."),
    fault("health", "{replies: [error, degraded, silence, honest]}", "The checks are answered like this, one after the other, and honestly afterwards."),
    fault("health", "{delay: 200ms}", "The answers to health checks come late."),
    fault("shutdown", "ignore", "The module neither answers `shutdown` nor exits."),
    fault("shutdown", "error", "The module answers `shutdown` with an internal error, and stays."),
    fault("shutdown", "close", "The module closes the wire instead of answering `shutdown`, and stays."),
    fault("shutdown", "stay", "The module answers `shutdown`, and stays."),
    fault("shutdown", "{exit: 3}", "The module answers `shutdown`, and exits with this code."),
    fault("shutdown", "{signal: ABRT}", "The module answers `shutdown`, and dies of this signal."),
    fault("shutdown", "{delay: 200ms}", "The module answers `shutdown` late, and then exits."),
    fault("signals", "{ignore: [TERM]}", "The module notices these signals and does nothing about them."),
    fault("signals", "{default: [TERM]}", "The module dies of these signals, like a program that knows nothing of them."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Deviations;

    fn read(point: &str, written: &str) -> Result<Deviations, String> {
        serde_yaml::from_str(&format!("{point}: {written}\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_entry_is_read_as_a_script_would_and_deviates() {
        for fault in catalogue() {
            let deviations =
                read(fault.point, fault.written).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert!(!deviations.is_none(), "{fault:?}");
            assert!(fault.sentence.ends_with('.'), "{fault:?}");
        }
    }

    /// What serde offers for a wrong name is the list of the right ones.
    #[test]
    fn no_word_and_no_key_is_missing() {
        for point in [
            "launch", "hello", "prove", "ready", "health", "shutdown", "signals",
        ] {
            let listed: BTreeSet<&str> = catalogue()
                .iter()
                .filter(|fault| fault.point == point)
                .flat_map(|fault| {
                    fault
                        .written
                        .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
                })
                .collect();
            for wrong in ["no-such-word", "{no-such-key: 1}"] {
                let complaint = read(point, wrong).unwrap_err();
                let offered = complaint
                    .split_once("expected")
                    .map_or("", |(_, offered)| offered);
                for name in offered.split('`').skip(1).step_by(2) {
                    let known = listed.contains(name) || name == "generations" || name == "does";
                    assert!(known, "{point}: `{name}` is not in the catalogue ({complaint})");
                }
            }
        }
        for mac in [
            "random",
            "reused",
            "truncated",
            "reflected",
            "uppercase",
            "empty",
            "missing",
            "other-key",
        ] {
            assert!(
                catalogue()
                    .iter()
                    .any(|fault| fault.written == format!("{{mac: {mac}}}")),
                "{mac}"
            );
        }
        assert!(read("prove", "{mac: zzz}").unwrap_err().contains("`other-key`"));
    }
}
