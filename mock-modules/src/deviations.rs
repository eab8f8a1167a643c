//! The vocabulary of a suite's `except:`: where a module leaves the contract, and how.
//!
//! There is one type per point of the contract. A point is written as one word (`hello: silence`) or as a map
//! (`hello: {error: -32603, generations: [1]}`; a word in a map goes under `does`). Reading refuses what is unknown,
//! what says nothing and what says two things at once, because a suite that is misread proves nothing. What each
//! deviation does is told by [`crate::catalogue()`] and done by [`crate::Follower`].
use std::{fmt, time::Duration};

use partenza_probe::{duration, signals::SignalName};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};

use crate::channel::ForkSpec;

/// Where a module leaves the contract. The default leaves it nowhere.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Deviations {
    /// Before the handshake.
    pub launch: Option<Launch>,
    /// The answer to `hello`.
    pub hello: Option<Hello>,
    /// The answer to `prove`.
    pub prove: Option<Prove>,
    /// The announcement of readiness.
    pub ready: Option<Ready>,
    /// The answers to `health.check`.
    pub health: Option<Health>,
    /// The answer to `shutdown`.
    pub shutdown: Option<Shutdown>,
    /// The handling of signals.
    pub signals: Option<Signals>,
}

/// The name of a point, for a script that makes a module return to the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// See [`Deviations::launch`].
    Launch,
    /// See [`Deviations::hello`].
    Hello,
    /// See [`Deviations::prove`].
    Prove,
    /// See [`Deviations::ready`].
    Ready,
    /// See [`Deviations::health`].
    Health,
    /// See [`Deviations::shutdown`].
    Shutdown,
    /// See [`Deviations::signals`].
    Signals,
}

/// Defines one point: its words, its keys, and a reader that takes a word or a map.
macro_rules! point {
    (
        $(#[$about:meta])* $name:ident: $noun:literal,
        $(#[$word_about:meta])* $words:ident { $($(#[$word_doc:meta])* $word:ident,)* }
        keys { $($(#[$key_doc:meta])* $key:ident: $kind:ty,)* }
        one_of [$($only:ident),*] also [$($with:ident),*]
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case", default)]
        pub struct $name {
            /// The deviation, when one word says it.
            pub does: Option<$words>,
            /// The generations in which the deviation applies; every one when left out.
            pub generations: Option<Vec<u32>>,
            $($(#[$key_doc])* pub $key: $kind,)*
        }

        $(#[$word_about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $words { $($(#[$word_doc])* $word,)* }

        impl $name {
            fn applies(&self, generation: u32) -> bool {
                self.generations.as_ref().is_none_or(|list| list.contains(&generation))
            }

            fn check(&self) -> Result<(), String> {
                let chosen = usize::from(self.does.is_some()) $(+ usize::from(self.$only.is_some()))*;
                let others = 0 $(+ usize::from(self.$with.is_some()))*;
                match (chosen, others) {
                    (0, 0) => Err(concat!("this ", $noun, " names no deviation").to_owned()),
                    (2.., _) => Err(concat!("this ", $noun, " names two deviations that exclude each other").to_owned()),
                    _ => Ok(()),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                struct WordOrMap;

                impl<'de> Visitor<'de> for WordOrMap {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("one word or a map that says how the ", $noun, " deviates"))
                    }

                    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<$name, E> {
                        let does = Some($words::deserialize(word.into_deserializer())?);
                        Ok($name { does, ..$name::default() })
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        let point = $name::deserialize(MapAccessDeserializer::new(map))?;
                        point.check().map_err(A::Error::custom)?;
                        Ok(point)
                    }
                }

                source.deserialize_any(WordOrMap)
            }
        }
    };
}

point! {
    /// What goes wrong before the handshake.
    Launch: "launch",
    /// The launch deviations of one word.
    LaunchWord {
        /// Stays, and does nothing.
        Hang,
        /// Closes the wire, and stays.
        Close,
    }
    keys {
        /// Exits with this code.
        exit: Option<i32>,
        /// Dies of this signal.
        signal: Option<SignalName>,
        /// Sends a notification of this method before it answers `hello`.
        early: Option<String>,
        /// Ignores these signals.
        ignore: Option<Vec<SignalName>>,
        /// Forks.
        fork: Option<ForkSpec>,
        /// Waits before it does anything.
        #[serde(deserialize_with = "duration::deserialize_option")]
        delay: Option<Duration>,
    }
    one_of [exit, signal] also [early, ignore, fork, delay]
}

point! {
    /// What is wrong with the answer to `hello`.
    Hello: "answer to hello",
    /// The `hello` deviations of one word.
    HelloWord {
        /// Never answers.
        Silence,
        /// Answers with a line that is not JSON.
        Garbage,
        /// Answers with an honest line that is longer than the limit.
        Oversize,
        /// Answers honestly, one byte at a time. The contract allows it.
        Bytewise,
        /// Answers twice.
        Twice,
        /// Closes the wire.
        Close,
        /// Stops doing anything.
        Hang,
    }
    keys {
        /// Exits with this code.
        exit: Option<i32>,
        /// Dies of this signal.
        signal: Option<SignalName>,
        /// Answers with this JSON-RPC error code.
        error: Option<i64>,
        /// Members merged over the honest result; `null` removes one.
        result: Option<Map<String, Value>>,
        /// Sends this text as it stands, and nothing else.
        raw: Option<String>,
        /// Where the nonce comes from.
        nonce: Option<NonceOf>,
        /// Waits before it answers.
        #[serde(deserialize_with = "duration::deserialize_option")]
        delay: Option<Duration>,
    }
    one_of [exit, signal, error, result, raw, nonce] also [delay]
}

/// Where a dishonest nonce comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonceOf {
    /// The previous launch; on the first launch, the orchestrator's own nonce.
    Reused,
}

point! {
    /// What is wrong with the answer to `prove`.
    Prove: "answer to prove",
    /// The `prove` deviations of one word.
    ProveWord {
        /// Never answers.
        Silence,
        /// Answers with a line that is not JSON.
        Garbage,
        /// Answers with an honest line that is longer than the limit.
        Oversize,
        /// Answers honestly, one byte at a time. The contract allows it.
        Bytewise,
        /// Answers twice.
        Twice,
        /// Closes the wire.
        Close,
        /// Stops doing anything.
        Hang,
    }
    keys {
        /// What is wrong with the proof itself.
        mac: Option<WrongMac>,
        /// Exits with this code.
        exit: Option<i32>,
        /// Dies of this signal.
        signal: Option<SignalName>,
        /// Answers with this JSON-RPC error code.
        error: Option<i64>,
        /// Sends this text as it stands, and nothing else.
        raw: Option<String>,
        /// Waits before it answers.
        #[serde(deserialize_with = "duration::deserialize_option")]
        delay: Option<Duration>,
    }
    one_of [mac, exit, signal, error, raw] also [delay]
}

/// What is wrong with a module's proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrongMac {
    /// 64 digits that have nothing to do with the key.
    Random,
    /// The proof of the previous launch; on the first launch, a right proof over another handshake.
    Reused,
    /// The first half of the right proof.
    Truncated,
    /// The orchestrator's own proof.
    Reflected,
    /// The right proof in upper case.
    Uppercase,
    /// An empty text.
    Empty,
    /// No `mac` member.
    Missing,
    /// The right computation with a key that was never handed out.
    OtherKey,
}

point! {
    /// What is wrong with the announcement of readiness.
    Ready: "ready",
    /// The `ready` deviations of one word.
    ReadyWord {
        /// Never says so.
        Never,
        /// Says so right after the answer to `hello`.
        Early,
        /// Says so twice.
        Twice,
    }
    keys {
        /// Sends this text as it stands instead.
        raw: Option<String>,
        /// Exits with this code instead.
        exit: Option<i32>,
        /// Dies of this signal instead.
        signal: Option<SignalName>,
        /// Waits before it says so.
        #[serde(deserialize_with = "duration::deserialize_option")]
        delay: Option<Duration>,
    }
    one_of [raw, exit, signal] also [delay]
}

point! {
    /// What is wrong with the answers to `health.check`.
    Health: "answer to health.check",
    /// The `health` deviations of one word.
    HealthWord {
        /// Says that it is degraded. The contract allows it.
        Degraded,
        /// Answers with an internal error.
        Error,
        /// Never answers.
        Silence,
        /// Answers with an id that was never asked.
        WrongId,
    }
    keys {
        /// Sends this text as it stands instead.
        raw: Option<String>,
        /// Answers honestly so many times first.
        after: Option<u32>,
        /// How each check is answered, one after the other; honestly when the list has come to its end.
        replies: Option<Vec<HealthReply>>,
        /// Waits before it answers.
        #[serde(deserialize_with = "duration::deserialize_option")]
        delay: Option<Duration>,
    }
    one_of [raw, replies] also [delay]
}

/// One answer of a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthReply {
    /// As the contract says.
    Honest,
    /// See [`HealthWord::Degraded`].
    Degraded,
    /// See [`HealthWord::Error`].
    Error,
    /// See [`HealthWord::Silence`].
    Silence,
}

impl HealthReply {
    /// The deviation that the reply is, unless it is none.
    #[must_use]
    pub fn word(self) -> Option<HealthWord> {
        match self {
            Self::Honest => None,
            Self::Degraded => Some(HealthWord::Degraded),
            Self::Error => Some(HealthWord::Error),
            Self::Silence => Some(HealthWord::Silence),
        }
    }
}

point! {
    /// What is wrong with the answer to `shutdown`.
    Shutdown: "answer to shutdown",
    /// The `shutdown` deviations of one word.
    ShutdownWord {
        /// Neither answers nor exits.
        Ignore,
        /// Answers with an internal error, and stays.
        Error,
        /// Closes the wire, and stays.
        Close,
        /// Answers, and stays.
        Stay,
    }
    keys {
        /// Answers, then exits with this code.
        exit: Option<i32>,
        /// Answers, then dies of this signal.
        signal: Option<SignalName>,
        /// Waits before it answers.
        #[serde(deserialize_with = "duration::deserialize_option")]
        delay: Option<Duration>,
    }
    one_of [exit, signal] also [delay]
}

/// How signals are handled. A module that follows the contract exits with 0 on TERM.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Signals {
    /// Notices these signals and does nothing about them.
    pub ignore: Vec<SignalName>,
    /// Leaves these signals their default action, so that TERM kills.
    pub default: Vec<SignalName>,
    /// The generations in which this applies; every one when left out.
    pub generations: Option<Vec<u32>>,
}

impl Deviations {
    /// What is left for one generation of a module.
    #[must_use]
    pub fn in_generation(&self, generation: u32) -> Self {
        Self {
            launch: self.launch.clone().filter(|point| point.applies(generation)),
            hello: self.hello.clone().filter(|point| point.applies(generation)),
            prove: self.prove.clone().filter(|point| point.applies(generation)),
            ready: self.ready.clone().filter(|point| point.applies(generation)),
            health: self.health.clone().filter(|point| point.applies(generation)),
            shutdown: self.shutdown.clone().filter(|point| point.applies(generation)),
            signals: self.signals.clone().filter(|point| {
                point
                    .generations
                    .as_ref()
                    .is_none_or(|list| list.contains(&generation))
            }),
        }
    }

    /// Whether the contract is followed everywhere. Only such a module can be a positive control.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns to the contract at one point.
    pub fn leave(&mut self, point: Point) {
        match point {
            Point::Launch => self.launch = None,
            Point::Hello => self.hello = None,
            Point::Prove => self.prove = None,
            Point::Ready => self.ready = None,
            Point::Health => self.health = None,
            Point::Shutdown => self.shutdown = None,
            Point::Signals => self.signals = None,
        }
    }

    /// Takes over every point that `other` names.
    pub fn take(&mut self, other: Self) {
        self.launch = other.launch.or(self.launch.take());
        self.hello = other.hello.or(self.hello.take());
        self.prove = other.prove.or(self.prove.take());
        self.ready = other.ready.or(self.ready.take());
        self.health = other.health.or(self.health.take());
        self.shutdown = other.shutdown.or(self.shutdown.take());
        self.signals = other.signals.or(self.signals.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Deviations, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_word_and_a_map_with_does_are_the_same() {
        let word = read("hello: silence").unwrap();
        assert_eq!(word.hello.as_ref().unwrap().does, Some(HelloWord::Silence));
        assert_eq!(word, read("hello: {does: silence}").unwrap());
        assert!(read("{}").unwrap().is_none() && !word.is_none());
    }

    #[test]
    fn wrong_names_are_refused_where_they_stand() {
        for (text, expected) in [
            ("helo: silence", "unknown field `helo`"),
            (
                "hello: sielnce",
                "unknown variant `sielnce`, expected one of `silence`",
            ),
            ("hello:\n  delya: 3s\n", "unknown field `delya`"),
            (
                "launch: {exit: 1, signal: KILL}",
                "two deviations that exclude each other",
            ),
            ("prove: {does: silence, mac: random}", "exclude each other"),
            ("prove: {}", "names no deviation"),
            ("prove: {generations: [1]}", "names no deviation"),
            ("ready: {delay: 3}", "duration"),
            ("launch: {ignore: [TREM]}", "`TREM` is not the name of a signal"),
            ("launch: {fork: {cuont: 2}}", "unknown field `cuont`"),
            ("hello: 3", "one word or a map"),
        ] {
            let complaint = read(text).unwrap_err();
            assert!(complaint.contains(expected), "{text}: {complaint}");
        }
        assert!(
            read("hello:\n  delya: 3s\n")
                .unwrap_err()
                .ends_with("at line 2 column 3")
        );
    }

    #[test]
    fn a_deviation_can_be_limited_to_generations() {
        let all =
            read("prove: {mac: random, generations: [1, 3]}\nsignals: {ignore: [TERM], generations: [2]}")
                .unwrap();
        assert!(all.in_generation(1).prove.is_some() && all.in_generation(1).signals.is_none());
        assert!(all.in_generation(2).prove.is_none() && all.in_generation(2).signals.is_some());
        assert!(all.in_generation(4).is_none());
    }

    #[test]
    fn points_can_be_left_and_taken() {
        let mut deviations = read("hello: silence\nhealth: error").unwrap();
        deviations.leave(Point::Hello);
        deviations.take(read("health: degraded\nready: never").unwrap());
        assert_eq!(deviations, read("health: degraded\nready: never").unwrap());
        for point in [
            Point::Launch,
            Point::Hello,
            Point::Prove,
            Point::Ready,
            Point::Health,
            Point::Shutdown,
            Point::Signals,
        ] {
            deviations.leave(point);
        }
        assert!(deviations.is_none());
    }
}
