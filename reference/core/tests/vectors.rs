//! The vectors of `spec/vectors`, which were made by neither side.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use partenza_reference_core::wire::handshake::{ExpectHello, Hello, RefusalKind, begin, begun};
use partenza_reference_core::wire::json::{self, BadJson};
use partenza_reference_core::wire::line::Splitter;
use partenza_reference_core::wire::{Key, mac};
use serde_json::Value;

const HANDSHAKE: &str = include_str!("../../../spec/vectors/handshake.json");
const FRAMING: &str = include_str!("../../../spec/vectors/framing.json");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(case: &Value) -> Key {
    Key::new(unhex(case["key"].as_str().unwrap()).try_into().unwrap())
}

/// The orchestrator's side of a case after L1, checked to be the very bytes of the vector.
fn after_l1(case: &Value) -> ExpectHello {
    let l1 = case["l1"].as_str().unwrap();
    let params = serde_json::from_str::<Value>(l1).unwrap()["params"].clone();
    let text = |name: &str| params[name].as_str().unwrap();
    let texts = |name: &str| -> Vec<String> {
        params[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let (versions, grants, extensions) = (texts("versions"), texts("grants"), texts("extensions"));
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let extensions: Vec<&str> = extensions.iter().map(String::as_str).collect();
    let hello = Hello {
        versions: &versions,
        orchestrator: text("orchestrator"),
        boot: text("boot"),
        module: text("module"),
        generation: params["generation"].as_u64().unwrap(),
        manifest: text("manifest"),
        grants: &grants,
        extensions: &extensions,
        nonce: text("nonce").to_owned(),
    };
    let nonce: [u8; 32] = unhex(text("nonce")).try_into().unwrap();
    if params.as_object().unwrap().len() > 9 {
        // A hello of a later edition: nothing that we would write, but what we would be bound to.
        return begun(key(case), nonce, l1.into());
    }
    let (line, expect) = begin(key(case), nonce, &hello);
    assert_eq!(String::from_utf8(line).unwrap(), l1, "{}", case["name"]);
    expect
}

#[test]
fn every_handshake_comes_out_as_in_the_vectors() {
    let vectors: Value = serde_json::from_str(HANDSHAKE).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 3);
    for case in cases {
        let line = |name: &str| case[name].as_str().unwrap();
        if !line("l1").contains("\"id\":1,") {
            // We always ask with the ids 1 and 2. The MACs over other ids are checked below.
            continue;
        }
        let (l3, expect) = after_l1(case).reply(line("l2").as_bytes()).unwrap();
        assert_eq!(String::from_utf8(l3).unwrap(), line("l3"), "{}", case["name"]);
        let established = expect.reply(line("l4").as_bytes()).unwrap();
        let shown = established.session.pipe_line();
        assert_eq!(
            std::str::from_utf8(&shown[..64]).unwrap(),
            case["session_key"],
            "{}",
            case["name"]
        );
    }
}

#[test]
fn the_three_macs_are_those_of_the_vectors() {
    let vectors: Value = serde_json::from_str(HANDSHAKE).unwrap();
    for (label, bytes) in [
        ("orchestrator", mac::ORCHESTRATOR),
        ("module", mac::MODULE),
        ("session", mac::SESSION),
    ] {
        assert_eq!(vectors["labels"][label].as_str().unwrap().as_bytes(), bytes);
    }
    for case in vectors["cases"].as_array().unwrap() {
        let lines: Vec<&str> = ["l1", "l2", "l3", "l4"]
            .iter()
            .map(|name| case[*name].as_str().unwrap())
            .collect();
        for (label, count, expected) in [
            (mac::ORCHESTRATOR, 2, "orchestrator_mac"),
            (mac::MODULE, 3, "module_mac"),
            (mac::SESSION, 4, "session_key"),
        ] {
            let made = mac::mac(&key(case), label, lines[..count].concat().as_bytes());
            assert_eq!(hex(&made), case[expected], "{}", case["name"]);
            let mut other = made;
            other[31] ^= 1;
            assert!(mac::equal(&made, &made) && !mac::equal(&made, &other));
        }
    }
}

#[test]
fn every_refusal_is_of_its_kind() {
    let vectors: Value = serde_json::from_str(HANDSHAKE).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    for refusal in vectors["refusals"].as_array().unwrap() {
        let base = cases.iter().find(|case| case["name"] == refusal["base"]).unwrap();
        let wanted = match refusal["failure"].as_str().unwrap() {
            "auth" => RefusalKind::Auth,
            "version" => RefusalKind::Version,
            "protocol" => RefusalKind::Protocol,
            other => panic!("{other}"),
        };
        let expect = after_l1(base);
        let got = match (refusal["l2"].as_str(), refusal["l4"].as_str()) {
            (Some(l2), _) => expect.reply(l2.as_bytes()).map(|_| ()).unwrap_err(),
            (None, Some(l4)) => {
                let (_, expect) = expect.reply(base["l2"].as_str().unwrap().as_bytes()).unwrap();
                expect.reply(l4.as_bytes()).map(|_| ()).unwrap_err()
            }
            (None, None) => panic!("{}", refusal["name"]),
        };
        assert_eq!(got.kind, wanted, "{}: {}", refusal["name"], got.detail);
    }
}

#[test]
fn every_stream_is_split_as_in_the_vectors() {
    let vectors: Value = serde_json::from_str(FRAMING).unwrap();
    for case in vectors["split"].as_array().unwrap() {
        let mut splitter = Splitter::new(usize::try_from(case["limit"].as_u64().unwrap()).unwrap());
        let (mut lines, mut refused) = (Vec::new(), false);
        'reads: for read in case["reads"].as_array().unwrap() {
            splitter.push(&unhex(read.as_str().unwrap()));
            while let Some(line) = splitter.next_line() {
                match line {
                    Ok(line) => lines.push(Value::from(hex(&line))),
                    Err(_) => {
                        refused = true;
                        break 'reads;
                    }
                }
            }
        }
        assert_eq!(Value::from(lines), case["lines"], "{}", case["name"]);
        assert_eq!(refused, !case["refusal"].is_null(), "{}", case["name"]);
        if !refused {
            assert_eq!(splitter.has_rest(), case["rest"] != "", "{}", case["name"]);
        }
    }
}

#[test]
fn every_line_is_read_or_refused_as_in_the_vectors() {
    let vectors: Value = serde_json::from_str(FRAMING).unwrap();
    for case in vectors["parse"].as_array().unwrap() {
        let got = match json::read(&unhex(case["line"].as_str().unwrap())) {
            Ok(_) => Value::Null,
            Err(BadJson::NotUtf8) => Value::from("utf8"),
            Err(BadJson::TooDeep) => Value::from("depth"),
            Err(BadJson::NotObject) => Value::from("object"),
            Err(BadJson::NotJson(text)) if text.contains("twice") => Value::from("duplicate"),
            Err(BadJson::NotJson(_)) => Value::from("json"),
        };
        let also = case["also"].as_array().unwrap();
        assert!(
            got == case["refusal"] || also.contains(&got),
            "{}: {got}",
            case["name"]
        );
    }
}
