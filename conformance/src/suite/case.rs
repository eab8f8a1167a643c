//! Reading of one suite file: suites, cases, modules, checks.
//!
//! What a file says is read here and in `steps` and `predicates`; whether it makes sense as a whole is checked in
//! `validate`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use partenza_mock_modules::Deviations;

use super::model::{Case, Check, Control, ExtraFile, Listener, Module, Pattern, Suite};
use super::predicates::read_predicate;
use super::read::{Node, Problem, suggest};
use super::steps::{RESERVED, count_repetitions, read_steps};
use super::tree;

/// Reads a suite; problems go to `problems`, and what could be read comes back all the same.
pub(crate) fn read_suite(
    file: &str,
    tree: &serde_json::Value,
    problems: &RefCell<Vec<Problem>>,
) -> Option<Suite> {
    let root = Node::root(tree, problems);
    root.only(&["suite", "about", "cases"]);
    let id = root.need("suite")?.id()?;
    let about = root
        .need("about")
        .and_then(|n| n.text())
        .unwrap_or_default()
        .trim()
        .to_owned();
    let cases = root
        .need("cases")?
        .items()
        .iter()
        .filter_map(|node| read_case(&id, node))
        .collect();
    Some(Suite {
        id,
        about,
        file: file.to_owned(),
        cases,
    })
}

fn read_case(suite: &str, node: &Node<'_>) -> Option<Case> {
    node.only(&[
        "id",
        "about",
        "needs",
        "modules",
        "files",
        "listeners",
        "environment",
        "steps",
        "checks",
        "control",
    ]);
    let id = node.need("id")?.id()?;
    let modules: BTreeMap<String, Module> = node
        .get("modules")
        .map(|n| {
            n.entries()
                .iter()
                .map(|(name, n)| ((*name).to_owned(), read_module(name, n)))
                .collect()
        })
        .unwrap_or_default();
    let files = node.get("files").map(|n| read_files(&n)).unwrap_or_default();
    let listeners = node
        .get("listeners")
        .map(|n| read_listeners(&n))
        .unwrap_or_default();
    let environment = node.get("environment").map(|n| {
        let text = |(name, n): &(&str, Node<'_>)| Some(((*name).to_owned(), n.text()?.to_owned()));
        n.entries().iter().filter_map(text).collect()
    });
    let mut steps = node.need("steps").map(|n| read_steps(&n)).unwrap_or_default();
    count_repetitions(&mut steps);
    let names: Vec<&str> = modules.keys().map(String::as_str).collect();
    let default = node.get("control").map(|n| n.texts()).unwrap_or_default();
    let checks = node
        .need("checks")
        .map(|n| {
            n.items()
                .iter()
                .filter_map(|n| read_check(suite, &id, &names, &default, n))
                .collect()
        })
        .unwrap_or_default();
    Some(Case {
        suite: suite.to_owned(),
        id,
        about: node
            .get("about")
            .and_then(|n| n.text())
            .unwrap_or_default()
            .trim()
            .to_owned(),
        needs: node.need("needs").map(|n| n.texts()).unwrap_or_default(),
        modules,
        files,
        listeners,
        environment: environment.unwrap_or_default(),
        steps,
        checks,
    })
}

fn read_module(name: &str, node: &Node<'_>) -> Module {
    node.only(&["follows", "except", "file", "raw", "puppet"]);
    if RESERVED.contains(&name) {
        node.problem(
            format!("`{name}` has a meaning of its own in steps and cannot be a module"),
            None,
        );
    }
    if let Some(follows) = node.get("follows")
        && follows.text().is_some_and(|text| text != "contract")
    {
        follows.problem("a module can only follow `contract`", None);
    }
    let except = node
        .get("except")
        .map(|n| match serde_json::from_value::<Deviations>(n.value.clone()) {
            Ok(except) => except,
            Err(error) => {
                n.problem(format!("this is no deviation from the contract: {error}"), None);
                Deviations::default()
            }
        });
    let module = Module {
        except: except.unwrap_or_default(),
        file: node
            .get("file")
            .and_then(|n| n.map().cloned())
            .unwrap_or_default(),
        raw: node.get("raw").and_then(|n| n.text()).map(str::to_owned),
        puppet: node.get("puppet").and_then(|n| n.flag()).unwrap_or(true),
    };
    if module.raw.is_some() && !module.file.is_empty() {
        node.problem(
            "`raw` is the whole module file, so that `file` has no place beside it",
            None,
        );
    }
    if !module.puppet && module.raw.is_none() && !module.file.contains_key("entrypoint") {
        node.problem("a module without a puppet needs an entrypoint in its file", None);
    }
    module
}

fn read_files(node: &Node<'_>) -> BTreeMap<String, ExtraFile> {
    let mut files = BTreeMap::new();
    for (name, n) in node.entries() {
        if name.contains('/') || name == ".." || name.is_empty() {
            node.problem_at_key(name, "a file of the module directory is a plain name", None);
        }
        let file = if n.value.is_object() {
            n.only(&["text", "mode"]);
            let mode = n.get("mode").and_then(|m| Some((m.text()?, m.clone())));
            let bits = mode.map(|(text, m)| {
                u32::from_str_radix(text, 8).unwrap_or_else(|_| {
                    m.problem(
                        format!("`{text}` is no mode"),
                        Some("write it in octal, for instance \"0755\"".into()),
                    );
                    0o644
                })
            });
            let text = n.need("text").and_then(|t| t.text()).unwrap_or_default();
            ExtraFile {
                text: text.to_owned(),
                mode: bits.unwrap_or(0o644),
            }
        } else {
            ExtraFile {
                text: n.text().unwrap_or_default().to_owned(),
                mode: 0o644,
            }
        };
        files.insert(name.to_owned(), file);
    }
    files
}

fn read_listeners(node: &Node<'_>) -> BTreeMap<String, Listener> {
    let mut listeners = BTreeMap::new();
    for (name, n) in node.entries() {
        let listener = match n.value.as_str() {
            Some("tcp") => Some(Listener::Tcp),
            Some("silent") => Some(Listener::Silent),
            Some(other) => {
                n.problem(
                    format!("a listener cannot be `{other}`"),
                    suggest(other, ["tcp", "silent"].into_iter()),
                );
                None
            }
            None => {
                n.only(&["http"]);
                n.need("http")
                    .and_then(|status| status.count())
                    .and_then(|status| u16::try_from(status).ok())
                    .map(Listener::Http)
            }
        };
        listeners.extend(listener.map(|listener| (name.to_owned(), listener)));
    }
    listeners
}

fn read_check(
    suite: &str,
    case: &str,
    modules: &[&str],
    default: &[String],
    node: &Node<'_>,
) -> Option<Check> {
    node.only(&["id", "shows", "about", "that", "until", "control", "within"]);
    let id = node.need("id").and_then(|n| n.text()).map(str::to_owned);
    let that = node.need("that").and_then(|n| read_predicate(&n, modules));
    let that = that?;
    let mut controls = node.get("control").map(|n| n.texts()).unwrap_or_default();
    if controls.is_empty() && that.is_rejection() {
        controls = default.to_vec();
    }
    let control = |name: String| match name.split('/').count() {
        1 if modules.contains(&name.as_str()) => Control::Module(name),
        1 => Control::Check(format!("{suite}/{case}/{name}")),
        2 => Control::Check(format!("{suite}/{name}")),
        _ => Control::Check(name),
    };
    Some(Check {
        id: id?,
        shows: node.need("shows").map(|n| n.texts()).unwrap_or_default(),
        about: node
            .get("about")
            .and_then(|n| n.text())
            .unwrap_or_default()
            .trim()
            .to_owned(),
        that,
        until: node.get("until").and_then(|n| Pattern::read(&n)),
        controls: controls.into_iter().map(control).collect(),
        within: node.get("within").and_then(|n| n.duration()),
    })
}

impl Check {
    /// The permanent name of the check, given the case it belongs to.
    pub fn name(&self, case: &Case) -> String {
        format!("{}/{}", case.name(), self.id)
    }

    /// Whether it is judged at a moment rather than awaited.
    pub fn is_judged_late(&self) -> bool {
        self.until.is_some() || self.that.is_never()
    }
}

/// Reads the text of a suite file into a tree.
pub(crate) fn read_tree(text: &str) -> Result<serde_json::Value, tree::Unreadable> {
    tree::read(text)
}
