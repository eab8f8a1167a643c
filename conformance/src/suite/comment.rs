//! The trap of YAML that suites fall into: ` #` begins a comment, also behind `web launched`.
//!
//! `until: web launched #2` without quotes means the first launch, and nothing in the tree of values shows that it was
//! meant otherwise. So the text itself is looked at, and what was cut off is sought in the tree. A number right behind
//! the `#`, an occurrence right before it: nobody writes a comment like this.

use serde_json::Value;

use super::pattern::VERBS;

/// An occurrence whose number YAML took for a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Line and column of the `#`, both from 1.
    pub(crate) place: (usize, usize),
    /// What is left of the occurrence.
    pub(crate) left: String,
    /// What was cut off: `#2`.
    pub(crate) lost: String,
}

impl Cut {
    /// What to tell the author.
    pub(crate) fn message(&self) -> String {
        let Self { left, lost, .. } = self;
        format!(
            "` {lost}` begins a comment here: write \"{left} {lost}\" in quotes, or `2 times` in place of `#2`"
        )
    }
}

/// Every cut occurrence of a text whose tree is known: what is left of it has to be a value there.
pub(crate) fn cuts(text: &str, tree: &Value) -> Vec<Cut> {
    suspects(text)
        .into_iter()
        .filter(|cut| holds(tree, &cut.left))
        .collect()
}

/// Everything that looks like a cut occurrence; for a text that is no tree, because the comment took a bracket with it.
pub(crate) fn suspects(text: &str) -> Vec<Cut> {
    text.lines()
        .enumerate()
        .filter_map(|(at, line)| suspect(at + 1, line))
        .collect()
}

fn suspect(number: usize, line: &str) -> Option<Cut> {
    let at = comment(line)?;
    let (before, after) = line.split_at(at);
    let digits = after[1..].chars().take_while(char::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let left = ["- ", ": ", "[", "{", ", "]
        .iter()
        .filter_map(|mark| Some(before.rfind(mark)? + mark.len()))
        .max()
        .map_or(before, |from| &before[from..])
        .trim();
    let words: Vec<&str> = left.split_whitespace().collect();
    let verb = words.iter().rev().take(2).any(|word| VERBS.contains(word));
    verb.then(|| Cut {
        place: (number, before.chars().count() + 1),
        left: left.to_owned(),
        lost: after[..=digits].to_owned(),
    })
}

/// Where a comment begins on this line, as far as the line alone tells.
fn comment(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open && before != '\\' => quote = None,
            Some(_) => {}
            // A quote opens only where a value begins; inside a word it is an apostrophe.
            None if (c == '"' || c == '\'') && " [{,:".contains(before) => quote = Some(c),
            None if c == '#' && before.is_whitespace() => return Some(at),
            None => {}
        }
        before = c;
    }
    None
}

fn holds(tree: &Value, wanted: &str) -> bool {
    match tree {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| holds(item, wanted)),
        Value::Object(map) => map.values().any(|value| holds(value, wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(text: &str) -> Vec<(usize, usize, String)> {
        let tree = super::super::tree::read(text).unwrap();
        let tell = |cut: Cut| (cut.place.0, cut.place.1, format!("{} {}", cut.left, cut.lost));
        cuts(text, &tree).into_iter().map(tell).collect()
    }

    #[test]
    fn a_number_that_became_a_comment_is_found() {
        assert_eq!(
            lost("a: 1\nuntil: web launched #2\n"),
            [(2, 21, "web launched #2".into())]
        );
        assert_eq!(
            lost("- web: reaches ready #3 # why\n"),
            [(1, 22, "reaches ready #3".into())]
        );
        assert_eq!(
            lost("order: [a exited,\n  web launched #2\n  ]\n"),
            [(2, 16, "web launched #2".into())]
        );
    }

    #[test]
    fn quoted_numbers_and_real_comments_are_left_alone() {
        for text in [
            "until: \"web launched #2\"\n",
            "until: 'web launched #2'\n",
            "until: web launched # 2 would be too many\n",
            "until: web launched # see #2\n",
            "until: web launched 2 times\n",
            "about: >-\n  Nothing follows from\n  web launched #2\n",
            "about: it's as in issue #7\n",
            "id: 3 #2\n",
        ] {
            assert_eq!(lost(text), [], "{text}");
        }
    }
}
