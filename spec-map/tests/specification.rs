//! The specification of this repository: complete, consistent, and with examples that its own schemas accept.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use jsonschema::{Registry, Validator};
use partenza_spec_map::{Spec, check, files, is_chapter, tree};
use serde_json::Value;

/// The table of contents that the specification was begun with; its words are part of the task.
const CONTENTS: [(&str, &[&str]); 12] = [
    (
        "Introduction",
        &[
            "Purpose and Scope",
            "Design Philosophy",
            "Target Platforms and Use Cases",
            "Relationship to Existing Init Systems",
        ],
    ),
    (
        "Core Concepts",
        &[
            "The Role of the Orchestrator (PID 1 and not)",
            "Units and Services",
            "Modules and Providers",
            "Sidecars and Extensions",
            "Zero Trust and Permissions Model",
        ],
    ),
    (
        "Boot Process",
        &[
            "System Startup Sequence",
            "Boot Plan and Caching",
            "Health Checking and Recovery",
            "Fallback and Panic Modules",
        ],
    ),
    (
        "Module Architecture",
        &[
            "Module Lifecycle (Init, Handshake, Live, Shutdown)",
            "Service Declaration (YAML Format)",
            "Permissions & Capabilities Declaration",
            "Dependency Management",
            "Versioning and Compatibility",
        ],
    ),
    (
        "Orchestrator Responsibilities",
        &[
            "Module Discovery and Validation",
            "Configuration Check (Preflight)",
            "Health Monitoring",
            "Restart Strategies and Limits",
            "Handling Resource Overload / DOS",
        ],
    ),
    (
        "API Contracts",
        &[
            "Orchestrator ↔ Module API",
            "User ↔ Module API",
            "Module ↔ Module Communication",
            "Declaring and Using Sidecars",
            "Interface Stability Guarantees",
        ],
    ),
    (
        "Security Model",
        &[
            "Rootless Operation",
            "Identity & Authentication (Handshake Secret Exchange)",
            "Trust Boundaries",
            "Handling Malicious or Faulty Modules",
        ],
    ),
    (
        "Extension Registry",
        &[
            "What Is an Extension?",
            "Core vs Optional Extensions",
            "Declaring and Registering a New Extension",
            "Extension Compatibility Matrix",
        ],
    ),
    (
        "Conformance",
        &[
            "Defining a Conformant Orchestrator",
            "Verifying Module Compliance",
            "The `partenza-conformance` Tool",
            "API Compatibility Declaration",
        ],
    ),
    (
        "Implementation Guidelines",
        &[
            "Suggestions for Developers",
            "Performance on Embedded vs. Desktop vs. Cloud",
            "Portability Considerations",
            "Language & Runtime Agnostic Design",
        ],
    ),
    (
        "Reference Scenarios",
        &[
            "Booting with Minimal Modules",
            "Using an External Script Instead of the Orchestrator",
            "Switching Providers at Runtime",
            "Example Logging with Fallback and Sidecar",
        ],
    ),
    (
        "Appendices",
        &[
            "Glossary of Terms",
            "YAML Field Reference",
            "Error Codes and Recovery Flags",
            "Related Work and Inspirations",
        ],
    ),
];

#[test]
fn every_chapter_and_section_of_the_table_of_contents_is_there() {
    let tree = tree::embedded();
    let mut missing = Vec::new();
    let mut sections = 0;
    for (at, (title, titles)) in CONTENTS.iter().enumerate() {
        let number = at + 1;
        let chapter = tree
            .iter()
            .find(|(path, _)| is_chapter(path) && path.starts_with(&format!("spec/{number:02}-")));
        let Some((path, text)) = chapter else {
            missing.push(format!("chapter {number}, {title}"));
            continue;
        };
        if text.lines().next() != Some(&format!("# {number}. {title}")) {
            missing.push(format!("`# {number}. {title}` as the first line of {path}"));
        }
        let mut rest = text.as_str();
        for (at, section) in titles.iter().enumerate() {
            let heading = format!("\n## {number}.{} {section}\n", at + 1);
            sections += 1;
            match rest.split_once(&heading) {
                Some((_, after)) => rest = after,
                None => missing.push(format!("`{}` in {path}, in its place", heading.trim())),
            }
        }
    }
    assert_eq!(
        sections, 52,
        "the list of this test is the whole table of contents"
    );
    assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
}

#[test]
fn the_checkout_passes_every_gate() {
    let problems = check(&tree::checkout(&root()).unwrap());
    let text: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "{} problems:\n{}", text.len(), text.join("\n"));
}

#[test]
fn the_binary_carries_the_checkout() {
    let tree = tree::checkout(&root()).unwrap();
    for (path, bytes) in files::all() {
        assert_eq!(tree.get(path).map(String::as_bytes), Some(bytes), "{path}");
    }
    assert!(files::all().count() > 0);
}

#[test]
fn every_schema_compiles() {
    let schemas = schemas();
    assert!(!schemas.is_empty());
    let problems: Vec<_> = schemas
        .keys()
        .filter_map(|path| validator(path, &schemas).err())
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A fenced block with one of these info strings is an example, and holds what its schema says.
#[test]
fn every_example_validates() {
    let schemas = schemas();
    let mut count = 0;
    let mut problems = Vec::new();
    for (file, example) in Spec::embedded().examples {
        let Some(kind) = Kind::of(&example.info) else {
            continue;
        };
        count += 1;
        for problem in kind.validate(&example.text, &schemas) {
            problems.push(format!("{file}:{} ({}): {problem}", example.line, example.info));
        }
    }
    assert!(count > 0, "the chapters hold no example");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_vectors_are_what_their_generator_writes() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("python3 is not here; the vectors are not compared");
        return;
    }
    let run = Command::new("python3")
        .arg("gen.py")
        .arg("--check")
        .current_dir(root().join("spec/vectors"))
        .output();
    let run = run.unwrap();
    assert!(
        run.status.success(),
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
}

/// What an info string says about its block.
enum Kind {
    /// One YAML document.
    Yaml(&'static str),
    /// JSON values, each of which is a whole document.
    Json(&'static str),
    /// The lines of a conversation, whose parameters and results have schemas of their own.
    Lines(&'static str),
}

impl Kind {
    fn of(info: &str) -> Option<Self> {
        let mut words = info.split_whitespace();
        match (words.next()?, words.next()?) {
            ("yaml", "module") => Some(Self::Yaml("module-file")),
            ("yaml", "target") => Some(Self::Yaml("target")),
            ("json", "status") => Some(Self::Json("status")),
            ("json", "event") => Some(Self::Json("event")),
            ("json", "wire") => Some(Self::Lines("wire")),
            ("json", "control") => Some(Self::Lines("control")),
            _ => None,
        }
    }

    fn validate(&self, text: &str, schemas: &BTreeMap<String, Value>) -> Vec<String> {
        let values = match self {
            Self::Yaml(_) => serde_yaml::from_str(text)
                .map(|value| vec![value])
                .map_err(|error| error.to_string()),
            Self::Json(_) | Self::Lines(_) => serde_json::Deserializer::from_str(text)
                .into_iter()
                .collect::<Result<Vec<Value>, _>>()
                .map_err(|error| error.to_string()),
        };
        match (self, values) {
            (_, Ok(values)) if values.is_empty() => vec!["the block is empty".to_owned()],
            (_, Err(error)) => vec![error],
            (Self::Yaml(name) | Self::Json(name), Ok(values)) => values
                .iter()
                .flat_map(|value| errors(name, value, schemas))
                .collect(),
            (Self::Lines(name), Ok(values)) => conversation(name, &values, schemas),
        }
    }
}

/// Each line has the shape of the envelope; parameters fit their method, and a result fits the request of its id.
fn conversation(name: &str, lines: &[Value], schemas: &BTreeMap<String, Value>) -> Vec<String> {
    let mut asked: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for line in lines {
        found.extend(errors(&format!("{name}/envelope"), line, schemas));
        let id = line.get("id").map(Value::to_string);
        if let Some(method) = line.get("method").and_then(Value::as_str) {
            let params = line
                .get("params")
                .cloned()
                .unwrap_or_else(|| serde_json::json!({}));
            let schema = format!("{name}/{method}.params");
            if schemas.contains_key(&path(&schema)) {
                found.extend(errors(&schema, &params, schemas));
            }
            if let Some(id) = id {
                asked.insert(id, method.to_owned());
            }
        } else if let (Some(result), Some(method)) = (line.get("result"), id.and_then(|id| asked.get(&id))) {
            found.extend(errors(&format!("{name}/{method}.result"), result, schemas));
        }
    }
    found
}

fn errors(name: &str, value: &Value, schemas: &BTreeMap<String, Value>) -> Vec<String> {
    match validator(&path(name), schemas) {
        Ok(validator) => validator
            .iter_errors(value)
            .map(|error| format!("{name}: {error} at `{}`", error.instance_path()))
            .collect(),
        Err(error) => vec![error],
    }
}

fn path(name: &str) -> String {
    format!("spec/schemas/{name}.schema.json")
}

fn schemas() -> BTreeMap<String, Value> {
    let read = |bytes: &[u8], path: &str| -> Value {
        serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    files::all()
        .filter(|(path, _)| path.ends_with(".schema.json"))
        .map(|(path, bytes)| (path.to_owned(), read(bytes, path)))
        .collect()
}

/// Compiles a schema; references between schemas are resolved by their `$id`, and never over a network.
fn validator(path: &str, schemas: &BTreeMap<String, Value>) -> Result<Validator, String> {
    let schema = schemas.get(path).ok_or_else(|| format!("{path} is missing"))?;
    let resources = schemas
        .values()
        .filter_map(|schema| Some((schema.get("$id")?.as_str()?, schema)));
    let mut registry = Registry::new();
    for (id, schema) in resources {
        registry = registry
            .add(id, schema)
            .map_err(|error| format!("{id}: {error}"))?;
    }
    let registry = registry.prepare().map_err(|error| error.to_string())?;
    jsonschema::options()
        .with_registry(&registry)
        .build(schema)
        .map_err(|error| format!("{path}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
