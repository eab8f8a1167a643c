//! The judge's frames and proofs, held against the vectors that neither side made.
#![expect(
    clippy::unwrap_used,
    reason = "a vector file that does not fit should stop the test at that very line"
)]

use std::{fs, path::Path};

use partenza_probe::{
    frame::LineSplitter,
    json::{JsonFault, parse_strict},
    mac,
};
use serde_json::Value;

#[test]
fn handshakes() {
    let vectors = load("handshake.json");
    for (name, label) in [
        ("orchestrator", mac::ORCHESTRATOR_LABEL),
        ("module", mac::MODULE_LABEL),
        ("session", mac::SESSION_LABEL),
    ] {
        assert_eq!(vectors["labels"][name].as_str().unwrap().as_bytes(), label);
    }
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let key = mac::unhex_32(text("key")).unwrap();
        let [l1, l2, l3, l4] = ["l1", "l2", "l3", "l4"].map(|line| text(line).as_bytes());
        let name = text("name");
        assert_eq!(
            mac::hex(&mac::orchestrator_proof(&key, l1, l2)),
            text("orchestrator_mac"),
            "{name}"
        );
        assert_eq!(
            mac::hex(&mac::module_proof(&key, l1, l2, l3)),
            text("module_mac"),
            "{name}"
        );
        assert_eq!(
            mac::hex(&mac::session_key(&key, l1, l2, l3, l4)),
            text("session_key"),
            "{name}"
        );
        assert!(
            [l1, l3].into_iter().all(partenza_probe::json::is_compact),
            "{name}"
        );
    }
}

#[test]
fn streams_become_lines() {
    let vectors = load("framing.json");
    let cases = vectors["split"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let limit = usize::try_from(case["limit"].as_u64().unwrap()).unwrap();
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        let mut refused = false;
        for read in bytes_of_all(&case["reads"]) {
            for line in splitter.push(&read) {
                refused |= line.over_long;
                if !refused {
                    lines.push(line.raw);
                }
            }
        }
        refused |= splitter.over_long();
        assert_eq!(lines, bytes_of_all(&case["lines"]), "{name}");
        assert_eq!(refused, !case["refusal"].is_null(), "{name}");
        if !refused {
            assert_eq!(splitter.partial(), bytes_of(&case["rest"]), "{name}");
        }
    }
}

#[test]
fn lines_become_messages() {
    let vectors = load("framing.json");
    let cases = vectors["parse"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let line = bytes_of(&case["line"]);
        let limit = usize::try_from(case["depth"].as_u64().unwrap()).unwrap();
        let found = refusals(&line, limit);
        let also = case["also"].as_array().cloned().unwrap_or_default();
        match case["refusal"].as_str() {
            None => assert_eq!(found, Vec::<&str>::new(), "{name}"),
            Some(wanted) => assert!(
                found
                    .iter()
                    .any(|one| *one == wanted || also.iter().any(|other| other == one)),
                "{name}: wanted {wanted}, found {found:?}"
            ),
        }
    }
}

/// What the strict reader has to say about a line, in the words of the vectors.
fn refusals(line: &[u8], limit: usize) -> Vec<&'static str> {
    let strict = match parse_strict(line) {
        Err(JsonFault::Utf8 { .. }) => return vec!["utf8"],
        Err(JsonFault::Syntax { message, .. }) if message.contains("recursion") => return vec!["depth"],
        Err(JsonFault::Syntax { .. }) => return vec!["json"],
        Ok(strict) => strict,
    };
    [
        (!strict.duplicates.is_empty(), "duplicate"),
        (strict.depth > limit, "depth"),
        (strict.value.is_array(), "batch"),
        (!strict.value.is_object() && !strict.value.is_array(), "object"),
    ]
    .into_iter()
    .filter_map(|(found, name)| found.then_some(name))
    .collect()
}

fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn bytes_of(hex: &Value) -> Vec<u8> {
    mac::unhex(hex.as_str().unwrap()).unwrap()
}

fn bytes_of_all(list: &Value) -> Vec<Vec<u8>> {
    list.as_array().unwrap().iter().map(bytes_of).collect()
}
