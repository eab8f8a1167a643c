//! What a step of a script can make a running puppet do: the value of `do:`.
//!
//! A deed is one word (`stop-reading`, `start-reading`, `close`, `hang`) or a map with one key.
use std::fmt;

use partenza_probe::signals::SignalName;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::{
    channel::ForkSpec,
    deviations::{Deviations, Point},
};

/// One deed.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Exit with this code.
    Exit(i32),
    /// Die of this signal; STOP and CONT work as well.
    Signal(SignalName),
    /// Send this message as one compact line.
    Send(Value),
    /// Send these bytes as they stand.
    SendRaw(String),
    /// Send the bytes that these hexadecimal digits stand for, for what is not even UTF-8.
    SendHex(String),
    /// Send one `log` notification whose line, LF included, is this many bytes long.
    LongLog(u64),
    /// Fork.
    Fork(ForkSpec),
    /// Ignore these signals from now on.
    Ignore(Vec<SignalName>),
    /// Write this many bytes to standard output.
    FloodStdout(u64),
    /// Send this many `log` notifications.
    FloodWire(u64),
    /// Send this many requests of a method that nobody knows.
    FloodRequests(u64),
    /// Return to the contract at these points.
    Leave(Vec<Point>),
    /// Deviate from the contract at these points from now on.
    Take(Box<Deviations>),
    /// Leave the wire unread.
    StopReading,
    /// Read the wire again.
    StartReading,
    /// Close the wire.
    Close,
    /// Stop doing anything.
    Hang,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    StopReading,
    StartReading,
    Close,
    Hang,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Keys {
    exit: Option<i32>,
    signal: Option<SignalName>,
    send: Option<Value>,
    send_raw: Option<String>,
    send_hex: Option<String>,
    long_log: Option<u64>,
    fork: Option<ForkSpec>,
    ignore: Option<Vec<SignalName>>,
    flood_stdout: Option<u64>,
    flood_wire: Option<u64>,
    flood_requests: Option<u64>,
    leave: Option<Vec<Point>>,
    take: Option<Deviations>,
}

impl From<Word> for Deed {
    fn from(word: Word) -> Self {
        match word {
            Word::StopReading => Self::StopReading,
            Word::StartReading => Self::StartReading,
            Word::Close => Self::Close,
            Word::Hang => Self::Hang,
        }
    }
}

impl TryFrom<Keys> for Deed {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, &'static str> {
        let deeds = [
            keys.exit.map(Self::Exit),
            keys.signal.map(Self::Signal),
            keys.send.map(Self::Send),
            keys.send_raw.map(Self::SendRaw),
            keys.send_hex.map(Self::SendHex),
            keys.long_log.map(Self::LongLog),
            keys.fork.map(Self::Fork),
            keys.ignore.map(Self::Ignore),
            keys.flood_stdout.map(Self::FloodStdout),
            keys.flood_wire.map(Self::FloodWire),
            keys.flood_requests.map(Self::FloodRequests),
            keys.leave.map(Self::Leave),
            keys.take.map(|deviations| Self::Take(Box::new(deviations))),
        ];
        let mut given = deeds.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(deed), None) => Ok(deed),
            (None, _) => Err("`do` names nothing to do"),
            (Some(_), Some(_)) => Err("`do` takes one deed; write one step for each"),
        }
    }
}

impl<'de> Deserialize<'de> for Deed {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct WordOrMap;

        impl<'de> Visitor<'de> for WordOrMap {
            type Value = Deed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one word such as `close`, or a map with one deed")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Deed, E> {
                Word::deserialize(word.into_deserializer()).map(Deed::from)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Deed, A::Error> {
                Deed::try_from(Keys::deserialize(MapAccessDeserializer::new(map))?).map_err(A::Error::custom)
            }
        }

        source.deserialize_any(WordOrMap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Deed, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn deeds_are_words_or_maps_with_one_key() {
        assert_eq!(read("stop-reading"), Ok(Deed::StopReading));
        assert_eq!(read("{exit: 3}"), Ok(Deed::Exit(3)));
        assert_eq!(read("{send-raw: \"a\\n\"}"), Ok(Deed::SendRaw("a\n".to_owned())));
        assert_eq!(
            read("{leave: [ready, health]}"),
            Ok(Deed::Leave(vec![Point::Ready, Point::Health]))
        );
        assert!(matches!(read("{take: {health: degraded}}"), Ok(Deed::Take(_))));
        assert!(matches!(read("{fork: {}}"), Ok(Deed::Fork(spec)) if spec.count == 1));
        for (text, expected) in [
            ("stop-raeding", "unknown variant `stop-raeding`"),
            ("{exti: 3}", "unknown field `exti`"),
            ("{}", "nothing to do"),
            ("{exit: 3, signal: KILL}", "one step for each"),
        ] {
            let complaint = read(text).unwrap_err();
            assert!(complaint.contains(expected), "{text}: {complaint}");
        }
    }
}
