//! Every line on the wire against the published schemas, in both directions.
//!
//! The schemas are those of `spec/schemas/wire`, compiled once. A line of the orchestrator that they refuse is its fault; a
//! line of a mock that follows the contract is the harness's.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use partenza_mock_modules::Deed;
use partenza_probe::json::{is_compact, parse_strict};
use serde_json::Value;

use super::{Found, Material};
use crate::judge::trace::{Entry, Kind, clip};
use crate::suite::{Action, Case, Module, Step};

const FOLDER: &str = "spec/schemas/wire/";

pub(super) fn judge(material: &Material<'_>) -> Option<Found> {
    let mut lines = 0;
    let mut ours = None;
    let mut asked: BTreeMap<(&str, Option<u64>, i64), String> = BTreeMap::new();
    for (at, entry) in material.trace.iter().enumerate() {
        match entry.kind {
            Kind::Rx | Kind::Answer => {
                lines += 1;
                if let Err(fault) = orchestrator_line(entry) {
                    return Some(Found::bad(clip(entry.text("line").trim_end(), 600), [at]).saying(fault));
                }
                let id = entry.data.pointer("/message/id").and_then(Value::as_i64);
                if let (Kind::Rx, Some(id)) = (entry.kind, id) {
                    asked.insert(
                        (&entry.actor, entry.generation(), id),
                        entry.text("method").to_owned(),
                    );
                }
            }
            Kind::Tx if ours.is_none() && keeps_contract(material.case, &entry.actor) => {
                if let Err(fault) = line_against_schema(entry.text("line").as_bytes(), entry.text("method")) {
                    ours = Some(Found::ours(clip(entry.text("line").trim_end(), 600), [at]).saying(fault));
                }
            }
            _ => {}
        }
    }
    ours.or_else(|| (lines > 0).then(|| Found::good(format!("{lines} lines"))))
}

/// Whether whatever this module sends is honest: no deviation, and no step that makes it send something.
fn keeps_contract(case: &Case, name: &str) -> bool {
    fn told(steps: &[Step], name: &str) -> bool {
        steps.iter().any(|step| match &step.action {
            Action::Do { module, deed } => module == name && !keeps_to_the_wire(deed),
            Action::Together(steps) => told(steps, name),
            _ => false,
        })
    }
    case.modules.get(name).is_some_and(Module::is_honest) && !told(&case.steps, name)
}

/// Whether the puppet says on the wire only what it would have said without this deed.
fn keeps_to_the_wire(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::Exit(_)
            | Deed::Signal(_)
            | Deed::Fork(_)
            | Deed::Ignore(_)
            | Deed::FloodStdout(_)
            | Deed::Leave(_)
            | Deed::StopReading
            | Deed::StartReading
            | Deed::Close
            | Deed::Hang
    )
}

fn orchestrator_line(entry: &Entry) -> Result<(), String> {
    let line = entry.text("line");
    if line.contains('\u{fffd}') && entry.data.get("message").is_none_or(Value::is_null) {
        return Err("the line is not UTF-8".into());
    }
    if !is_compact(line.as_bytes()) {
        return Err("the line holds insignificant white space".into());
    }
    line_against_schema(line.as_bytes(), entry.text("method"))
}

/// A line that is a message of `method`, or the answer to a request of `method`.
fn line_against_schema(line: &[u8], method: &str) -> Result<(), String> {
    let strict = parse_strict(line).map_err(|fault| fault.to_string())?;
    if let Some(twice) = strict.duplicates.first() {
        return Err(format!("the member {twice} occurs twice"));
    }
    let message = strict.value;
    against("envelope", &message)?;
    let (part, schema) = match (
        message.get("params"),
        message.get("result"),
        message.get("method"),
    ) {
        (_, Some(result), _) => (result.clone(), format!("{method}.result")),
        (params, None, Some(_)) => (
            params
                .cloned()
                .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            format!("{method}.params"),
        ),
        // An error has no schema of its own beyond the envelope.
        (_, None, None) => return Ok(()),
    };
    against(&schema, &part)
}

fn against(name: &str, value: &Value) -> Result<(), String> {
    let Some(validator) = validators().get(name) else {
        return Err(format!("there is no schema for {name}"));
    };
    match validator.iter_errors(value).next() {
        None => Ok(()),
        Some(error) => Err(format!(
            "{name}: {error} at {:?}",
            error.instance_path().to_string()
        )),
    }
}

/// Every schema of the wire, by its name without folder and ending.
fn validators() -> &'static BTreeMap<String, Validator> {
    static ALL: OnceLock<BTreeMap<String, Validator>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = BTreeMap::new();
        for (path, bytes) in partenza_spec_map::files::all() {
            let Some(name) = path
                .strip_prefix(FOLDER)
                .and_then(|name| name.strip_suffix(".schema.json"))
            else {
                continue;
            };
            // A schema that does not compile is found by a test; a line of that kind is then reported as unknown.
            let schema = serde_json::from_slice::<Value>(bytes).ok();
            if let Some(validator) = schema.and_then(|schema| jsonschema::validator_for(&schema).ok()) {
                all.insert(name.to_owned(), validator);
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_schema_compiles() {
        let schemas = partenza_spec_map::files::all()
            .filter(|(path, _)| path.starts_with(FOLDER))
            .count();
        assert!(schemas > 0);
        assert_eq!(validators().len(), schemas);
    }

    #[test]
    fn a_live_line_is_accepted_and_a_wrong_one_refused() {
        let live = br#"{"jsonrpc":"2.0","method":"live","params":{"health_interval_ms":5000,"stop_timeout_ms":10000,"limits":{"line_bytes":65536,"depth":16,"outstanding":32}}}"#;
        assert_eq!(line_against_schema(live, "live"), Ok(()));
        for wrong in [
            &br#"{"jsonrpc":"1.0","method":"live","params":{}}"#[..],
            br#"{"jsonrpc":"2.0","method":"live","params":[]}"#,
            br#"{"jsonrpc":"2.0","method":"live","params":{"health_interval_ms":"no"}}"#,
            br#"[]"#,
        ] {
            assert!(
                line_against_schema(wrong, "live").is_err(),
                "{}",
                String::from_utf8_lossy(wrong)
            );
        }
    }
}
