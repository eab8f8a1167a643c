//! Events against the state table, and their numbers.
//!
//! The table is `spec/states.yaml`, read once. The harness does not know why a module changes its state; it knows which
//! changes exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use super::{Found, Material};
use crate::judge::trace::Kind;

pub(super) fn state_table(material: &Material<'_>) -> Option<Found> {
    let mut states: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen = 0;
    for (at, event) in material
        .trace
        .iter()
        .enumerate()
        .filter(|(_, e)| e.kind == Kind::Event && e.text("type") == "state")
    {
        seen += 1;
        let (module, to) = (event.text("module"), event.text("to"));
        let from = event.data.get("from").and_then(Value::as_str);
        let fault = match (from, states.get(module)) {
            (None, None) if table().initial.contains(to) => None,
            (None, None) => Some(format!("`{to}` is no state to begin with")),
            (None, Some(known)) => Some(format!("`{module}` was announced again while it was `{known}`")),
            (Some(from), Some(known)) if from != *known => {
                Some(format!("`{module}` was `{known}`, not `{from}`"))
            }
            (Some(from), None) => Some(format!("`{module}` left `{from}` without having been announced")),
            (Some(from), Some(_)) if !table().rows.contains(&(from.to_owned(), to.to_owned())) => {
                Some(format!("the table has no way from `{from}` to `{to}`"))
            }
            _ => None,
        };
        if let Some(fault) = fault {
            return Some(Found::bad(event.data.to_string(), [at]).saying(fault));
        }
        states.insert(module, to);
    }
    (seen > 0).then(|| Found::good(format!("{seen} changes of state")))
}

pub(super) fn sequence(material: &Material<'_>) -> Option<Found> {
    let mut expected = 1;
    for (at, event) in material
        .trace
        .iter()
        .enumerate()
        .filter(|(_, e)| e.kind == Kind::Event)
    {
        if event.data.get("seq").and_then(Value::as_u64) != Some(expected) {
            return Some(Found::bad(event.data.to_string(), [at]).saying(format!("seq {expected} was due")));
        }
        expected += 1;
    }
    (expected > 1).then(|| Found::good(format!("{} events", expected - 1)))
}

#[derive(Debug, Default)]
struct Table {
    initial: BTreeSet<String>,
    rows: BTreeSet<(String, String)>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let text = partenza_spec_map::files::text("spec/states.yaml").unwrap_or_default();
        let data: Value = serde_yaml::from_str(text).unwrap_or(Value::Null);
        let list = |name: &str| {
            data.get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let text = |row: &Value, name: &str| {
            row.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let initial = list("states")
            .iter()
            .filter(|s| s["initial"] == true)
            .map(|s| text(s, "name"))
            .collect();
        let mut rows = BTreeSet::new();
        for row in list("transitions") {
            for to in row
                .get("to")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                rows.insert((text(&row, "from"), to.to_owned()));
            }
        }
        Table { initial, rows }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_specification_is_read() {
        let way = |from: &str, to: &str| table().rows.contains(&(from.to_owned(), to.to_owned()));
        assert!(table().initial.contains("pending"));
        assert!(way("initializing", "ready"));
        assert!(!way("pending", "ready"));
    }
}
