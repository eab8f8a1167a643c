//! Finds the requirements in a chapter.
//!
//! A requirement is a list item of its own form, continued by lines that are indented by two spaces:
//!
//! ```text
//! - **[handshake.module-proof-verified+2]** *(orchestrator, minimal)* An orchestrator MUST verify ...
//!   continued here.
//! ```
//!
//! Owns that form and the rules about it: ids are well formed and unique, there is exactly one RFC 2119 keyword in each
//! sentence, and none in capitals anywhere else. Refuses to compare with earlier editions; that is the snapshot's work.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::problem::Problem;
use crate::requirement::{KEYWORDS, Level, Requirement, Subject};

/// What a chapter holds.
#[derive(Debug, Clone, Default)]
pub struct Chapter {
    /// Its requirements, in the order of the text.
    pub requirements: Vec<Requirement>,
    /// Its sections: number and title, in the order of the text.
    pub sections: Vec<(String, String)>,
    /// Its fenced examples.
    pub examples: Vec<Example>,
}

/// A fenced block of a chapter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// The words after the fence, such as `yaml module`.
    pub info: String,
    /// The text between the fences.
    pub text: String,
    /// The line of the opening fence, from 1.
    pub line: usize,
}

/// Reads one chapter; every problem is reported, and what can be read is returned beside them.
pub fn chapter(file: &str, text: &str, problems: &mut Vec<Problem>) -> Chapter {
    Reader {
        file,
        problems,
        chapter: Chapter::default(),
        item: None,
        paragraph: Vec::new(),
    }
    .read(text)
}

/// Reports every id that more than one requirement bears.
pub fn duplicates(requirements: &[Requirement], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<&str, &Requirement> = BTreeMap::new();
    for requirement in requirements {
        if let Some(first) = seen.get(requirement.id.as_str()) {
            problems.push(Problem::at(
                &requirement.file,
                requirement.line,
                format!(
                    "the id `{}` is already used at {}:{}",
                    requirement.id, first.file, first.line
                ),
            ));
        } else {
            seen.insert(&requirement.id, requirement);
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    problems: &'a mut Vec<Problem>,
    chapter: Chapter,
    item: Option<Item>,
    /// The lines of the running paragraph of ordinary text, with their numbers.
    paragraph: Vec<(usize, String)>,
}

/// A requirement that is being read.
struct Item {
    line: usize,
    head: String,
    tail: Vec<String>,
}

impl Reader<'_> {
    fn read(mut self, text: &str) -> Chapter {
        let mut fence: Option<(Example, &str)> = None;
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            if let Some((example, mark)) = &mut fence {
                if line.trim_start().starts_with(*mark)
                    && line.trim().trim_start_matches(['`', '~']).is_empty()
                {
                    let (done, _) = fence.take().unwrap_or_default();
                    self.chapter.examples.push(done);
                } else {
                    example.text.push_str(line);
                    example.text.push('\n');
                }
                continue;
            }
            let trimmed = line.trim_start();
            if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark)) {
                self.end_blocks();
                let info = trimmed.trim_start_matches(['`', '~']).trim().to_owned();
                fence = Some((
                    Example {
                        info,
                        text: String::new(),
                        line: number,
                    },
                    mark,
                ));
                continue;
            }
            self.line(number, line);
        }
        self.end_blocks();
        if let Some((example, _)) = fence {
            self.report(example.line, "this fence is never closed");
        }
        self.chapter
    }

    fn line(&mut self, number: usize, line: &str) {
        if line.trim().is_empty() {
            self.end_blocks();
        } else if let Some(heading) = HEADING.captures(line) {
            self.end_blocks();
            self.chapter
                .sections
                .push((heading[1].to_owned(), heading[2].trim().to_owned()));
            self.stray_capitals(&[(number, line.to_owned())]);
        } else if LOOKS_LIKE_ITEM.is_match(line) {
            self.end_blocks();
            self.item = Some(Item {
                line: number,
                head: line.to_owned(),
                tail: Vec::new(),
            });
        } else if let Some(item) = self.item.as_mut().filter(|_| line.starts_with("  ")) {
            item.tail.push(line.trim().to_owned());
        } else {
            self.end_item();
            self.paragraph.push((number, line.to_owned()));
        }
    }

    fn end_blocks(&mut self) {
        self.end_item();
        let paragraph = std::mem::take(&mut self.paragraph);
        self.stray_capitals(&paragraph);
    }

    fn end_item(&mut self) {
        let Some(item) = self.item.take() else { return };
        match self.requirement(&item) {
            Ok(requirement) => self.chapter.requirements.push(requirement),
            Err(message) => self.report(item.line, message),
        }
    }

    fn requirement(&self, item: &Item) -> Result<Requirement, String> {
        let Some(found) = ITEM.captures(&item.head) else {
            return Err(
                "malformed requirement; the form is `- **[some.id]** *(subject, class)* Sentence.`"
                    .to_owned(),
            );
        };
        let (id, version) = id_and_version(&found[1])?;
        let subject: Subject = found[2]
            .trim()
            .parse()
            .map_err(|()| format!("unknown subject `{}` of `{id}`", found[2].trim()))?;
        let class = found[3].trim().to_owned();
        if !subject.classes().contains(&class.as_str()) {
            let known = subject.classes().join(", ");
            return Err(format!(
                "`{id}`: no class `{class}` for {subject}; known: {known}"
            ));
        }
        let mut sentence = found[4].trim().to_owned();
        for more in &item.tail {
            sentence.push(' ');
            sentence.push_str(more);
        }
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let (keyword, level) = match keywords(&sentence).as_slice() {
            [one] => *one,
            [] => {
                return Err(format!(
                    "`{id}` has no RFC 2119 keyword, so nobody knows how strongly it binds"
                ));
            }
            several => {
                let words: Vec<_> = several.iter().map(|(word, _)| *word).collect();
                return Err(format!(
                    "`{id}` has {} RFC 2119 keywords ({}); split it",
                    words.len(),
                    words.join(", ")
                ));
            }
        };
        let Some((section, title)) = self.chapter.sections.last().cloned() else {
            return Err(format!("`{id}` stands in no numbered section"));
        };
        let file = self.file.to_owned();
        Ok(Requirement {
            id,
            version,
            subject,
            class,
            level,
            keyword,
            sentence,
            section,
            title,
            file,
            line: item.line,
        })
    }

    /// Capitals outside a requirement would be a norm without an id. The paragraph that explains the keywords is exempt.
    fn stray_capitals(&mut self, paragraph: &[(usize, String)]) {
        let whole = paragraph
            .iter()
            .map(|(_, line)| line.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        if whole.contains("RFC 2119") || whole.contains("BCP 14") {
            return;
        }
        for (number, line) in paragraph {
            if let Some((word, _)) = keywords(line).first() {
                self.report(
                    *number,
                    format!("`{word}` outside a requirement line; give the sentence an id"),
                );
            }
        }
    }

    fn report(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem::at(self.file, line, message));
    }
}

fn id_and_version(text: &str) -> Result<(String, u32), String> {
    let (id, version) = match text.split_once('+') {
        None => (text, 1),
        Some((id, version)) => match version.parse::<u32>() {
            Ok(number) if number >= 2 && number.to_string() == version => (id, number),
            _ => {
                return Err(format!(
                    "malformed version in `{text}`; a revised sentence is `{id}+2`, then `+3`"
                ));
            }
        },
    };
    if !ID.is_match(id) {
        return Err(format!(
            "malformed id `{id}`; an id is dotted words of a-z, 0-9 and -"
        ));
    }
    Ok((id.to_owned(), version))
}

/// The RFC 2119 keywords of a text in capitals, outside code spans.
fn keywords(text: &str) -> Vec<(&'static str, Level)> {
    let bare = CODE.replace_all(text, "`` ");
    KEYWORD
        .find_iter(&bare)
        .filter_map(|found| {
            let normal = found.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
            KEYWORDS.iter().find(|(word, _)| *word == normal).copied()
        })
        .collect()
}

static HEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^##+ +(\d+\.\d+)(?:\.\d+)*\.? +(.+)$"));
static LOOKS_LIKE_ITEM: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*[-*+] +\*\*\["));
static ITEM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^- \*\*\[([^\]]*)\]\*\* \*\(([^,()]*),([^,()]*)\)\* (.*)$"));
static ID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$"));
static CODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"`+[^`]*`+"));
static KEYWORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(MUST\s+NOT|SHALL\s+NOT|SHOULD\s+NOT|NOT\s+RECOMMENDED|MUST|SHALL|SHOULD|REQUIRED|RECOMMENDED|MAY|OPTIONAL)\b",
    )
});

/// The patterns above are constants of this file, and the tests use every one of them.
#[expect(clippy::unwrap_used, reason = "a constant pattern that the tests compile")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    fn read(text: &str) -> (Chapter, Vec<String>) {
        let mut problems = Vec::new();
        let chapter = chapter("spec/07-x.md", text, &mut problems);
        duplicates(&chapter.requirements, &mut problems);
        (chapter, problems.iter().map(ToString::to_string).collect())
    }

    const GOOD: &str = "# 7. Security\n\n## 7.2 Identity\n\n- **[a.b-c+2]** *(orchestrator, minimal)* An orchestrator\n  MUST NOT do `MUST`.\n- **[a.d]** *(module, level-0)* It SHOULD x.\n";

    #[test]
    fn a_requirement_is_read_whole() {
        let (chapter, problems) = read(GOOD);
        assert_eq!(problems, Vec::<String>::new());
        let first = &chapter.requirements[0];
        assert_eq!((first.id.as_str(), first.version, first.line), ("a.b-c", 2, 5));
        assert_eq!(first.sentence, "An orchestrator MUST NOT do `MUST`.");
        assert_eq!((first.level, first.keyword), (Level::Must, "MUST NOT"));
        assert_eq!(
            (first.section.as_str(), first.title.as_str()),
            ("7.2", "Identity")
        );
        assert_eq!(chapter.requirements[1].level, Level::Should);
    }

    /// Each rule is shown to refuse something; the second text is a part of the message.
    #[test]
    fn every_rule_refuses_its_bad_fixture() {
        let cases = [
            (
                "- **[a.b]** *(orchestrator, minimal)* It must.",
                "no RFC 2119 keyword",
            ),
            (
                "- **[a.b]** *(orchestrator, minimal)* It MUST and MAY.",
                "2 RFC 2119 keywords (MUST, MAY)",
            ),
            (
                "- **[A.b]** *(orchestrator, minimal)* It MUST.",
                "malformed id `A.b`",
            ),
            (
                "- **[ab]** *(orchestrator, minimal)* It MUST.",
                "malformed id `ab`",
            ),
            (
                "- **[a.b+1]** *(orchestrator, minimal)* It MUST.",
                "malformed version",
            ),
            (
                "- **[a.b+02]** *(orchestrator, minimal)* It MUST.",
                "malformed version",
            ),
            (
                "- **[a.b]** *(kernel, minimal)* It MUST.",
                "unknown subject `kernel`",
            ),
            (
                "- **[a.b]** *(module, minimal)* It MUST.",
                "no class `minimal` for module",
            ),
            ("- **[a.b]** It MUST.", "malformed requirement"),
            (
                "- **[a.b]** *(module, level-0)* It MUST.\n- **[a.b]** *(module, level-0)* It MUST.",
                "already used at",
            ),
            ("This MUST be so.", "`MUST` outside a requirement line"),
            ("```yaml\nx: 1\n", "never closed"),
        ];
        for (text, expected) in cases {
            let (_, problems) = read(&format!("## 7.2 Identity\n\n{text}\n"));
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].contains(expected), "{text}: {problems:?}");
        }
        let (_, problems) = read("- **[a.b]** *(module, level-0)* It MUST.\n");
        assert!(problems[0].contains("no numbered section"), "{problems:?}");
    }

    #[test]
    fn capitals_are_allowed_where_they_bind_nobody() {
        let (chapter, problems) = read(
            "The key words MUST and\nMAY are used as in RFC 2119.\n\nA `MUST` in code.\n\n```yaml module\nx: MUST\n```\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let example = chapter.examples.first().unwrap();
        assert_eq!(
            (example.info.as_str(), example.text.as_str(), example.line),
            ("yaml module", "x: MUST\n", 6)
        );
    }
}
