//! Errors in files that people write for the harness: target files, suites, baselines.
//!
//! An error names the file, the line and the column, shows the line, and offers the nearest accepted spelling. Its text
//! is safe for a terminal whatever the file holds. A repeated key is an error at any depth, because the last of two
//! would win in silence. This file owns the reading of YAML in the harness; it knows no file format.
use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{self, Read},
    marker::PhantomData,
    path::Path,
};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
};

/// What is wrong in an input file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file as it was named to us.
    pub file: String,
    /// From 1; `None` when the fault has no place, such as an unreadable file.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// One sentence in lower case without a full stop.
    pub message: String,
    /// What would have been accepted.
    pub expected: Vec<String>,
    /// The nearest of the accepted spellings.
    pub suggestion: Option<String>,
    /// The line of the file, for the excerpt.
    pub source_line: Option<String>,
}

impl InputError {
    /// An error without a place.
    #[must_use]
    pub fn new(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.into(),
            expected: Vec::new(),
            suggestion: None,
            source_line: None,
        }
    }

    /// The same error, with the accepted names and the one nearest to what was written.
    #[must_use]
    pub fn instead_of(self, written: &str, expected: &[&str]) -> Self {
        Self {
            expected: expected.iter().map(|&name| name.to_owned()).collect(),
            suggestion: nearest(written, expected),
            ..self
        }
    }

    /// The same error at a line and a column of `text`, both from 1.
    #[must_use]
    pub fn at(self, text: &str, line: usize, column: usize) -> Self {
        let source_line = text.lines().nth(line.saturating_sub(1)).map(str::to_owned);
        Self {
            line: Some(line),
            column: Some(column),
            source_line,
            ..self
        }
    }

    /// The same error at the first place where `needle` stands in `text`. For faults found after parsing.
    #[must_use]
    pub fn at_text(self, text: &str, needle: &str) -> Self {
        let Some(offset) = text.find(needle) else {
            return self;
        };
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        self.at(text, line, before[line_start..].chars().count() + 1)
    }

    fn from_yaml(file: &str, text: &str, error: &serde_yaml::Error) -> Self {
        let mut message = error.to_string();
        let place = error.location().map(|place| (place.line(), place.column()));
        if let Some((line, column)) = place {
            let suffix = format!(" at line {line} column {column}");
            message = message.strip_suffix(&suffix).unwrap_or(&message).to_owned();
        }
        let explained = explain(file, &message);
        match place {
            Some((line, column)) => explained.at(text, line, column),
            None => explained,
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.file))?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", escape(&self.message))?;
        match (&self.suggestion, self.expected.as_slice()) {
            (Some(name), _) => write!(f, "; did you mean \"{}\"?", escape(name))?,
            (None, []) => {}
            (None, names) => write!(f, "; expected one of {}", escape(&names.join(", ")))?,
        }
        let (Some(line), Some(column), Some(source)) = (self.line, self.column, &self.source_line) else {
            return Ok(());
        };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let before: String = source.chars().take(column.saturating_sub(1)).collect();
        let indent = " ".repeat(escape(&before).chars().count());
        write!(
            f,
            "\n{margin} |\n{number} | {}\n{margin} | {indent}^",
            escape(source)
        )
    }
}

impl std::error::Error for InputError {}

/// Reads a YAML file, at most 1 MiB, refusing repeated keys at any depth.
///
/// # Errors
/// When it cannot be read or is not a `T`.
pub fn load_yaml<T: DeserializeOwned>(path: &Path) -> Result<T, InputError> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| InputError::new(&name, format!("cannot be read: {error}")))?;
    parse_yaml(&name, &text)
}

/// Reads a text file of at most 1 MiB.
///
/// # Errors
/// When it cannot be read, is longer, or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// As [`load_yaml`], from text; `name` stands for the file in messages.
///
/// # Errors
/// When the text is not a `T`.
pub fn parse_yaml<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, InputError> {
    let complain = |error: serde_yaml::Error| InputError::from_yaml(name, text, &error);
    Unrepeated::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(complain)?;
    serde_yaml::from_str(text).map_err(complain)
}

/// Text that a terminal shows and does not obey.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push(' '),
            // Marks that turn the direction of writing can make a line show something else than it says.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(character.escape_unicode());
            }
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// The accepted spelling that is close enough to what was written to be meant.
#[must_use]
pub fn nearest(written: &str, expected: &[&str]) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = plain(written);
    expected
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &plain(name)), *name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min()
        .map(|(_, name)| name.to_owned())
}

/// A map in the order in which it was written. A repeated key is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueMap<V>(pub Vec<(String, V)>);

impl<V> Default for UniqueMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> UniqueMap<V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// All entries, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueMap<V> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = UniqueMap<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMap<V>, A::Error> {
                let mut seen = HashSet::new();
                let mut entries = Vec::new();
                while let Some(key) = map.next_key_seed(NewKey(&mut seen))? {
                    entries.push((key, map.next_value()?));
                }
                Ok(UniqueMap(entries))
            }
        }

        source.deserialize_map(Entries(PhantomData))
    }
}

const MAX_BYTES: u64 = 1 << 20;

/// Puts what serde says into the words of somebody who writes files, and takes out the names it offers.
fn explain(file: &str, message: &str) -> InputError {
    for (marker, noun) in [
        ("unknown field `", "unknown key"),
        ("unknown variant `", "unknown word"),
    ] {
        if let Some((path, rest)) = message.split_once(marker)
            && let Some((written, rest)) = rest.split_once('`')
        {
            let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            let place = if marker.starts_with("unknown variant") {
                path
            } else {
                ""
            };
            return InputError::new(file, format!("{place}{noun} \"{written}\"")).instead_of(written, &names);
        }
    }
    if let Some((path, rest)) = message.split_once("missing field `")
        && let Some((name, _)) = rest.split_once('`')
    {
        return InputError::new(file, format!("{path}the key \"{name}\" is missing"));
    }
    InputError::new(file, message)
}

/// A key that was not seen before. The error comes from within the key, so that it has the key's place.
struct NewKey<'s>(&'s mut HashSet<String>);

impl NewKey<'_> {
    fn take<E: serde::de::Error>(self, key: String) -> Result<String, E> {
        if self.0.insert(key.clone()) {
            return Ok(key);
        }
        Err(E::custom(format!("the key \"{key}\" is given twice")))
    }
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<String, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NewKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text as a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        self.take(key.to_owned())
    }

    fn visit_bool<E: serde::de::Error>(self, key: bool) -> Result<String, E> {
        self.take(key.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, key: i64) -> Result<String, E> {
        self.take(key.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, key: u64) -> Result<String, E> {
        self.take(key.to_string())
    }
}

/// A document in which no key is repeated. It is read for that alone.
struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unrepeated {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_none<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<Self, D::Error> {
        source.deserialize_any(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while map.next_key_seed(NewKey(&mut seen))?.is_some() {
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Self, A::Error> {
        let (_tag, content) = tagged.variant::<IgnoredAny>()?;
        content.newtype_variant::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only the reading is tested")]
        command: Vec<String>,
        #[serde(default)]
        #[expect(dead_code, reason = "only the reading is tested")]
        role: Role,
        #[serde(default)]
        map: UniqueMap<serde_json::Value>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Role {
        #[default]
        Orchestrator,
        Module,
    }

    fn message(text: &str) -> String {
        parse_yaml::<Sample>("t.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_shown_with_its_place_and_the_nearest_spelling() {
        assert_eq!(
            message("# a target\n\ncomand: [x]\n"),
            "t.yaml:3:1: unknown key \"comand\"; did you mean \"command\"?\n  |\n3 | comand: [x]\n  | ^"
        );
        assert_eq!(
            message("command: [x]\nzzz: 1\n").lines().next(),
            Some("t.yaml:2:1: unknown key \"zzz\"; expected one of command, role, map")
        );
    }

    #[test]
    fn a_word_and_a_missing_key_are_explained() {
        assert!(
            message("command: [x]\nrole: modul\n")
                .starts_with("t.yaml:2:7: role: unknown word \"modul\"; did you mean \"module\"?")
        );
        assert!(message("role: module\n").starts_with("t.yaml:1:1: the key \"command\" is missing"));
    }

    #[test]
    fn a_repeated_key_is_refused_at_its_place_at_any_depth() {
        assert!(message("command: [x]\ncommand: [y]\n").starts_with("t.yaml:2:1: "));
        let deep = message("command: [x]\nmap:\n  a:\n    - {k: 1, k: 2}\n");
        assert!(
            deep.starts_with("t.yaml:4:14: ") && deep.contains("the key \"k\" is given twice"),
            "{deep}"
        );
    }

    #[test]
    fn maps_keep_their_order() {
        let sample: Sample = parse_yaml("t.yaml", "command: []\nmap: {b: 1, a: 2}\n").unwrap();
        assert_eq!(
            sample.map.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["b", "a"]
        );
        assert_eq!(sample.map.get("a"), Some(&serde_json::json!(2)));
        assert_eq!((sample.map.len(), sample.map.is_empty()), (2, false));
        assert!(serde_yaml::from_str::<UniqueMap<u8>>("{a: 1, a: 2}").is_err());
    }

    #[test]
    fn nothing_in_a_file_reaches_the_terminal_as_a_command() {
        let shown = message("command: [x]\n\"a\\e[31m\u{202e}b\": 1\n");
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
            "{shown:?}"
        );
        assert!(shown.contains("\\u{1b}[31m"), "{shown}");
        assert_eq!(escape("a\tb\u{0}"), "a b\\u{0}");
    }

    #[test]
    fn the_caret_stands_under_the_text() {
        let error = InputError::new("s.yaml", "no such module").at_text("a: 1\n  \té: nett\n", "nett");
        assert_eq!((error.line, error.column), (Some(2), Some(7)));
        assert_eq!(
            error.to_string(),
            "s.yaml:2:7: no such module\n  |\n2 |    é: nett\n  |       ^"
        );
    }

    #[test]
    fn broken_and_bottomless_files_are_errors() {
        assert!(message("command: [x\n").starts_with("t.yaml:"));
        assert!(message(&"[".repeat(1_000)).contains("recursion"));
        assert!(message("").contains("command"), "{}", message(""));
        assert!(
            load_yaml::<Sample>(Path::new("/nonexistent/t.yaml"))
                .unwrap_err()
                .message
                .contains("cannot be read")
        );
        assert!(
            load_yaml::<Sample>(Path::new("/dev/zero"))
                .unwrap_err()
                .message
                .contains("1 MiB")
        );
    }

    #[test]
    fn only_near_names_are_offered() {
        assert_eq!(
            nearest("Handshake_Timeout", &["handshake-timeout", "x"]),
            Some("handshake-timeout".to_owned())
        );
        assert_eq!(nearest("banana", &["command", "role"]), None);
    }
}
