//! What the loader says about suites that are wrong: the message, and the place.

use std::collections::BTreeSet;

use super::Library;

const HEAD: &str = "\
suite: web
about: A suite.
cases:
  - id: one
    needs: [minimal]
    modules:
      honest: { follows: contract }
      liar: { follows: contract, except: { prove: { mac: random } } }
    steps:
      - boot
      - honest: sent ready
    checks:
";

fn problems(text: &str) -> Vec<String> {
    let known = BTreeSet::from(["a.b".to_owned(), "handshake.hello-first".to_owned()]);
    match Library::from_texts(&[("web.yaml", text)], Some(&known)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .iter()
            .map(|e| {
                let help = e
                    .suggestion
                    .as_ref()
                    .map(|word| format!(" [{word}]"))
                    .unwrap_or_default();
                format!(
                    "{}:{} {}{help}",
                    e.line.unwrap_or(0),
                    e.column.unwrap_or(0),
                    e.message
                )
            })
            .collect(),
    }
}

/// The problems of the usual case with this check in it.
fn with_check(check: &str) -> Vec<String> {
    problems(&format!("{HEAD}      - {check}\n"))
}

#[test]
fn a_good_suite_loads() {
    assert_eq!(
        with_check("{ id: a, shows: a.b, that: { honest: { received: live } } }"),
        Vec::<String>::new()
    );
}

#[test]
fn unknown_keys_are_refused_at_their_place() {
    assert_eq!(
        with_check("{ id: a, show: a.b, that: { honest: { received: live } } }"),
        [
            "13:9 the key `shows` is missing",
            "13:18 unknown key `show` [shows]"
        ]
    );
    let text = format!("{HEAD}      - {{ id: a, shows: a.b, that: {{ honest: {{ received: live }} }} }}\n");
    assert_eq!(
        problems(&text.replace("needs:", "need:"))[1],
        "5:5 unknown key `need` [needs]"
    );
    assert_eq!(
        problems(&text.replace("about:", "abuot:"))[1],
        "2:1 unknown key `abuot` [about]"
    );
}

#[test]
fn names_have_to_exist() {
    let wrong = with_check("{ id: a, shows: handshake.helo-first, that: { honest: { received: live } } }");
    assert_eq!(
        wrong,
        ["13:25 `handshake.helo-first` is no requirement of the specification [handshake.hello-first]"]
    );
    let wrong = with_check("{ id: a, shows: a.b, that: { honst: { received: live } } }");
    assert_eq!(
        wrong,
        ["13:38 `honst` is neither a module of this case nor a predicate [honest]"]
    );
    let wrong = with_check("{ id: a, shows: a.b, that: { order: [honest launched, other launched] } }");
    assert_eq!(wrong, ["13:36 this case has no module `other`"]);
    let wrong = with_check("{ id: a, shows: a.b, that: { reply: { of: nothing, result: {} } } }");
    assert_eq!(wrong, ["13:36 no step of this case is called `nothing`"]);
    let wrong = with_check("{ id: a, shows: a.b, that: { honest: { recieved: live } } }");
    assert_eq!(wrong, ["13:48 `recieved` is no claim about a module [received]"]);
    let text = format!("{HEAD}      - {{ id: a, shows: a.b, that: {{ honest: {{ received: live }} }} }}\n");
    assert_eq!(
        problems(&text.replace("honest: sent ready", "honst: sent ready")),
        ["11:9 this case has no module `honst` [honest]"]
    );
    assert_eq!(
        problems(&text.replace("honest: sent ready", "honest: flies")),
        ["11:17 `flies` is no occurrence of honest"]
    );
    assert_eq!(problems(&text.replace("mac: random", "mac: rondam")).len(), 1);
}

#[test]
fn a_rejection_needs_a_positive_control() {
    let bare = with_check("{ id: a, shows: a.b, that: { liar: { processes: none } } }");
    assert_eq!(bare.len(), 1);
    assert!(
        bare[0].starts_with("13:9 `a` claims that something is refused or absent"),
        "{bare:?}"
    );
    for rejection in [
        "{ liar: { state: failed, reason: auth } }",
        "{ liar: { never-received: live } }",
        "{ never-event: { type: state } }",
        "{ liar: { launches: 0 } }",
        "{ boot: { exit: 2 } }",
        "{ path: { at: /x, exists: false } }",
        "{ all: [{ honest: { received: live } }, { never: liar launched }] }",
    ] {
        let check = format!("{{ id: a, shows: a.b, that: {rejection} }}");
        assert_eq!(with_check(&check).len(), 1, "{rejection}");
        let controlled = format!("{{ id: a, shows: a.b, that: {rejection}, control: honest }}");
        assert_eq!(with_check(&controlled), Vec::<String>::new(), "{rejection}");
    }
    let by_liar = with_check("{ id: a, shows: a.b, that: { liar: { processes: none } }, control: liar }");
    assert_eq!(by_liar, ["13:76 `liar` does not follow the contract everywhere"]);
    let nowhere =
        with_check("{ id: a, shows: a.b, that: { liar: { processes: none } }, control: there/is-none }");
    assert_eq!(
        nowhere,
        ["13:76 there is neither a module nor a check `web/there/is-none`"]
    );
    let circular = with_check("{ id: a, shows: a.b, that: { liar: { processes: none } }, control: a }");
    assert_eq!(
        circular,
        ["13:76 `web/one/a` is itself a rejection and controls nothing"]
    );
    let text = format!(
        "{HEAD}      - {{ id: a, shows: a.b, that: {{ liar: {{ processes: none }} }}, control: honest }}\n"
    );
    let waiting = problems(&text.replace("honest: sent ready", "honest: launched"));
    assert_eq!(waiting, ["13:76 no step waits until `honest` is ready"]);
}

#[test]
fn ids_are_unique_and_repeated_keys_are_refused() {
    let check = "{ id: a, shows: a.b, that: { honest: { received: live } } }";
    assert_eq!(
        problems(&format!("{HEAD}      - {check}\n      - {check}\n")),
        ["14:15 the check `a` stands in this case twice"]
    );
    assert_eq!(
        problems("suite: a\nabout: b\nsuite: c\n"),
        ["3:1 the key `suite` stands here twice"]
    );
}

#[test]
fn a_number_that_yaml_takes_for_a_comment_is_refused() {
    let text = |until: &str| {
        let check = format!(
            "id: a\n        shows: a.b\n        that: {{ honest: {{ launches: 1 }} }}\n        until: {until}"
        );
        format!("{HEAD}      - {check}\n")
    };
    assert_eq!(problems(&text("\"liar launched #2\"")), Vec::<String>::new());
    assert_eq!(
        problems(&text("liar launched #2")),
        [
            "16:30 ` #2` begins a comment here: write \"liar launched #2\" in quotes, or `2 times` in place of `#2`"
        ]
    );
    // The comment takes the brackets with it, so that the file is no YAML any more.
    let broken = with_check("{ id: a, shows: a.b, that: { order: [liar launched, honest launched #2] } }");
    assert_eq!(broken.len(), 1);
    assert!(
        broken[0].starts_with("13:77 ` #2` begins a comment here"),
        "{broken:?}"
    );
}

#[test]
fn the_embedded_suites_load() {
    if let Err(errors) = Library::embedded() {
        panic!(
            "{}",
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
}

#[test]
fn the_embedded_suites_fit_the_published_schema() {
    let schema = partenza_spec_map::files::get("spec/schemas/suite.schema.json").unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_slice(schema).unwrap()).unwrap();
    for (name, text) in super::library::embedded_texts() {
        let tree = super::tree::read(text).unwrap();
        // The list of faults is no suite.
        if tree.is_array() {
            continue;
        }
        let errors: Vec<String> = validator
            .iter_errors(&tree)
            .map(|e| format!("{name} {}: {e:.300}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}
