//! Bad module files and exactly what is said about them: `FILE:LINE:COLUMN: severity[CODE]: text`, and the help.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use partenza_reference_core::manifest::{
    Diagnostic, Entrypoint, EntrypointProbe, MAX_FILE_BYTES, load, unreadable,
};

struct AllThere;

impl EntrypointProbe for AllThere {
    fn inspect(&self, _path: &str) -> Entrypoint {
        Entrypoint::Executable
    }
}

/// The first lines and the help lines of all problems of one file.
fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    shown(&load(&[("m/a.yaml".to_owned(), text.as_ref().to_vec())], &AllThere).diagnostics)
}

fn shown(diagnostics: &[Diagnostic]) -> Vec<String> {
    let lines = |d: &Diagnostic| {
        let text = d.to_string();
        let wanted = text
            .lines()
            .enumerate()
            .filter(|(n, line)| *n == 0 || line.starts_with("  help:"));
        wanted.map(|(_, line)| line.trim().to_owned()).collect::<Vec<_>>()
    };
    diagnostics.iter().flat_map(lines).collect()
}

const GOOD: &str = "id: a\nversion: 1.0.0\nentrypoint: /bin/a\n";

/// A good file with these lines added, from line 4 on.
fn with(lines: &str) -> Vec<String> {
    problems(format!("{GOOD}{lines}"))
}

#[test]
fn the_shortest_file_and_the_longest_are_accepted() {
    assert_eq!(problems(GOOD), Vec::<String>::new());
    let full = "id: a\nversion: \"1.2.0\"\ndescription: The front door\nentrypoint: /usr/libexec/partenza/web\n\
        args: [--port, \"8080\"]\nenvironment: {WEB_ROOT: /srv/web}\n\
        provides: [\"web/static@1.0\", {interface: web/admin, version: \"2.1\"}, {interface: x, version: \"2\"}]\n\
        requires:\n  - b\n  - {module: b, condition: healthy, on_restart: restart}\n  - {interface: cache/basic, version: \"^1.0\", optional: true}\n\
        restart: {policy: on-failure, delay: 200ms, max_delay: 30s, factor: 2, jitter: 0.1, limit: 5, window: 60s, reset_after: 30s}\n\
        health: {probe: {http: \"http://127.0.0.1:8080/health\"}, interval: 5s, timeout: 1s, failures: 3, successes: 1, on_unhealthy: restart}\n\
        handshake_timeout: 5s\nstart_timeout: 30s\nstop_timeout: 10s\nstartup: eager\nenabled: true\ncritical: false\n\
        permissions: {run_as: www, capabilities: [CAP_NET_BIND_SERVICE]}\nsidecars: [b]\nfallback_module: b\n";
    let other = GOOD.replace("id: a", "id: b");
    let files = [
        ("m/a.yaml".to_owned(), full.into()),
        ("m/b.yaml".to_owned(), other.into()),
    ];
    let loaded = load(&files, &AllThere);
    assert_eq!(shown(&loaded.diagnostics), Vec::<String>::new());
    assert_eq!(loaded.modules.len(), 2);
    assert_eq!(loaded.edges[0].len(), 2);
}

#[test]
fn keys() {
    assert_eq!(
        with("entrypont: /bin/b\nrestart: {delya: 1s}\ncolour: red\nhealthcheck: {probe: wire}\n"),
        [
            "m/a.yaml:4:1: error[PZ101]: unknown key `entrypont`; did you mean `entrypoint`?",
            "help: valid are id, version, description, entrypoint, args, environment, provides, requires, restart, health, handshake_timeout, start_timeout, stop_timeout, startup, enabled, critical, permissions, sidecars, fallback_module",
            "m/a.yaml:5:11: error[PZ101]: unknown key `delya` in `restart`; did you mean `delay`?",
            "help: valid are policy, delay, max_delay, factor, jitter, limit, window, reset_after",
            "m/a.yaml:6:1: error[PZ101]: unknown key `colour`",
            "help: valid are id, version, description, entrypoint, args, environment, provides, requires, restart, health, handshake_timeout, start_timeout, stop_timeout, startup, enabled, critical, permissions, sidecars, fallback_module",
            "m/a.yaml:7:1: warning[PZ114]: `healthcheck` is deprecated",
            "help: write `health`",
        ]
    );
    assert_eq!(
        with("id: b\nenvironment: {A: x, B: y, A: z}\nname: c\n"),
        [
            "m/a.yaml:4:1: error[PZ106]: the key `id` is given twice",
            "m/a.yaml:5:27: error[PZ106]: the key `A` is given twice",
            "m/a.yaml:6:1: error[PZ106]: the key `name` is given twice",
            "m/a.yaml:6:1: warning[PZ114]: `name` is deprecated",
            "help: write `id`",
        ]
    );
    assert_eq!(
        problems("description: nothing else\n"),
        [
            "m/a.yaml:1:1: error[PZ104]: the key `id` is missing",
            "m/a.yaml:1:1: error[PZ104]: the key `version` is missing",
            "m/a.yaml:1:1: error[PZ104]: the key `entrypoint` is missing",
        ]
    );
}

#[test]
fn types() {
    assert_eq!(
        with(
            "args: [8080, x]\nenabled: yes\ncritical: \"true\"\nenvironment:\nrestart: {limit: 2.5}\ndescription: [x]\n"
        ),
        [
            "m/a.yaml:4:8: error[PZ103]: `args` takes text, not an integer",
            "help: put it in quotes: \"8080\"",
            "m/a.yaml:5:10: error[PZ103]: `enabled` takes a boolean, not the text `yes`",
            "help: write `true`",
            "m/a.yaml:6:11: error[PZ103]: `critical` takes a boolean, not the text `true`",
            "help: write `true`",
            "m/a.yaml:7:12: error[PZ103]: `environment` takes a mapping, not nothing",
            "help: leave the key out to get its default",
            "m/a.yaml:8:18: error[PZ103]: `limit` takes an integer, not a number",
            "m/a.yaml:9:14: error[PZ103]: `description` takes text, not a list",
        ]
    );
    assert_eq!(
        problems("- a\n- b\n"),
        ["m/a.yaml:1:1: error[PZ103]: `module file` takes a mapping, not a list"]
    );
    assert_eq!(
        with("1: x\n"),
        ["m/a.yaml:4:1: error[PZ103]: a key of `module file` is an integer, not text"]
    );
}

#[test]
fn values() {
    assert_eq!(
        problems("id: Web_1\nversion: 1.0\nentrypoint: bin/web\n"),
        [
            "m/a.yaml:1:5: error[PZ105]: `Web_1` is no module id",
            "help: an id is lower-case letters, digits and inner hyphens, at most 64 bytes",
            "m/a.yaml:2:10: error[PZ105]: `1.0` is no semantic version of at most 64 characters",
            "help: write MAJOR.MINOR.PATCH, such as `1.2.0`",
            "m/a.yaml:3:13: error[PZ111]: the entrypoint `bin/web` is not an absolute path",
        ]
    );
    assert_eq!(
        with(
            "stop_timeout: 10\nstart_timeout: 5 s\nstartup: earger\nrestart: sometimes\nenvironment: {\"A=B\": x}\nprovides: [log]\n"
        ),
        [
            "m/a.yaml:4:15: error[PZ105]: `10` is no duration",
            "help: write an integer directly followed by ms, s, m or h, such as `5s`",
            "m/a.yaml:5:16: error[PZ105]: `5 s` is no duration",
            "help: write an integer directly followed by ms, s, m or h, such as `5s`",
            "m/a.yaml:6:10: error[PZ105]: `startup` cannot be `earger`",
            "help: did you mean `eager`? valid are `eager`, `deferred`, `on-demand`",
            "m/a.yaml:7:10: error[PZ105]: `restart` cannot be `sometimes`",
            "help: valid are `always`, `on-failure`, `never`",
            "m/a.yaml:8:15: error[PZ105]: `A=B` cannot be the name of an environment variable",
            "help: write letters, digits and `_`, not beginning with a digit",
            "m/a.yaml:9:12: error[PZ105]: `log` names no version",
            "help: write `interface@1.0`",
        ]
    );
    assert_eq!(
        with("restart: {policy: on-crash, factor: 0.5, limit: 0, jitter: 2}\n"),
        [
            "m/a.yaml:4:19: warning[PZ114]: `on-crash` is deprecated",
            "help: write `on-failure`",
            "m/a.yaml:4:37: error[PZ105]: `factor` is 0.5, outside of 1 to 100",
            "m/a.yaml:4:49: error[PZ105]: `limit` is 0, outside of 1 to 1000",
            "m/a.yaml:4:60: error[PZ105]: `jitter` is 2, outside of 0 to 1",
        ]
    );
    assert_eq!(
        with("health: {probe: {tcp: nowhere}, interval: 0s}\n"),
        [
            "m/a.yaml:4:23: error[PZ105]: `nowhere` is no target of a probe of the kind `tcp`",
            "help: write it like `127.0.0.1:80`",
            "m/a.yaml:4:43: error[PZ105]: `interval` is `0s`, outside of 1ms to 24h",
        ]
    );
    assert_eq!(
        with(
            "health: {probe: {tcp: 'a:1', unix: /x}}\nrequires: [{condition: ready}, {module: b, interface: c}]\n"
        ),
        [
            "m/a.yaml:4:17: error[PZ105]: `probe` takes exactly one of command, http, tcp and unix",
            "m/a.yaml:5:12: error[PZ104]: an entry of `requires` needs `module` or `interface`",
            "m/a.yaml:5:55: error[PZ105]: an entry of `requires` names a `module` or an `interface`, not both",
        ]
    );
}

#[test]
fn ranges_end_where_the_table_says() {
    let long = "a".repeat(128);
    assert_eq!(
        with(&format!(
            "stop_timeout: 24h\nstart_timeout: 1ms\nprovides: ['{long}@1', 'x/y@1.2.3']\nrequires:\n  \
             - {{interface: z, version: '>=1, <2.5', optional: true}}\n  - {{interface: z, version: '*', optional: true}}\n"
        )),
        Vec::<String>::new()
    );
    let codes = |lines: &str| -> Vec<String> {
        let found = with(lines).into_iter().filter(|line| !line.starts_with("help"));
        found
            .map(|line| line[..line.find(']').unwrap()].to_owned())
            .collect()
    };
    for (line, found) in [
        ("stop_timeout: 25h\n", "m/a.yaml:4:15: error[PZ105"),
        ("stop_timeout: 86400001ms\n", "m/a.yaml:4:15: error[PZ105"),
        ("stop_timeout: 05s\n", "m/a.yaml:4:15: error[PZ105"),
        ("stop_timeout: true\n", "m/a.yaml:4:15: error[PZ103"),
        ("restart: {limit: 1001}\n", "m/a.yaml:4:18: error[PZ105"),
        (
            "provides: [{interface: a, version: 1.0}]\n",
            "m/a.yaml:4:36: error[PZ103",
        ),
        ("provides: [a@1.2.3.4]\n", "m/a.yaml:4:12: error[PZ105"),
        (
            "requires: [{interface: a, version: 1.*, optional: true}]\n",
            "m/a.yaml:4:36: error[PZ105",
        ),
        (
            "requires: [{interface: a, version: '1.2-x', optional: true}]\n",
            "m/a.yaml:4:36: error[PZ105",
        ),
        ("health: {probe: {udp: 'a:1'}}\n", "m/a.yaml:4:18: error[PZ101"),
        ("health: {probe: ping}\n", "m/a.yaml:4:17: error[PZ105"),
    ] {
        assert_eq!(codes(line), [found], "{line}");
    }
    let many: String = (0..1025).map(|n| format!("  V{n}: x\n")).collect();
    assert_eq!(
        codes(&format!("environment:\n{many}")),
        ["m/a.yaml:1029:3: error[PZ105"]
    );
}

#[test]
fn values_that_contradict_each_other() {
    assert_eq!(
        with(
            "restart: {delay: 10s, factor: 2, limit: 5, window: 60s}\nhandshake_timeout: 9s\nstart_timeout: 8s\n"
        ),
        [
            "m/a.yaml:4:41: error[PZ112]: the limit of 5 restarts in 1m can never be reached: the delays alone take longer",
            "help: lower `limit` or `delay`, or lengthen `window`",
            "m/a.yaml:5:20: error[PZ118]: handshake_timeout 9s is longer than start_timeout 8s",
        ]
    );
    assert_eq!(
        with("restart: {delay: 15s, factor: 1, limit: 4, window: 61s}\n"),
        Vec::<String>::new()
    );
    assert_eq!(
        with("restart: {delay: 15s, factor: 1, limit: 4, window: 60s}\n").len(),
        2
    );
    assert_eq!(
        with("start_timeout: 1s\n"),
        Vec::<String>::new(),
        "the default of the handshake is no contradiction"
    );
}

#[test]
fn files_that_are_no_module_files() {
    for (text, place) in [
        ("id: a\nargs: [x\n", "3:1"),
        ("id: a\n---\nid: b\n", "2:1"),
        ("<<: {id: a}\n", "1:1"),
        ("id: !secret a\n", "1:5"),
        ("id: *a\n", "1:5"),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
        assert!(found[0].contains("error[PZ102]"), "{found:?}");
        assert!(found[0].starts_with("m/a.yaml:"), "{found:?}");
        println!("{text:?} wanted {place}: {}", found[0]);
    }
    assert_eq!(
        problems(b"id: a\nx: \xff\n"),
        ["m/a.yaml:2:4: error[PZ102]: the file is not UTF-8"]
    );
    for empty in ["", "\n", "# nothing\n---\n"] {
        assert_eq!(
            problems(empty),
            ["m/a.yaml:1:1: error[PZ102]: the file holds no document"]
        );
    }
    let large = format!("{GOOD}# {}\n", "x".repeat(MAX_FILE_BYTES));
    assert_eq!(
        problems(large),
        ["m/a.yaml:1:1: error[PZ113]: the file is larger than 262144 bytes"]
    );
    let bomb = "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\n".to_owned()
        + "e: [*d,*d,*d,*d,*d]\n";
    assert!(!problems(bomb).is_empty());
    assert_eq!(
        unreadable("m/x.yaml", "no").to_string(),
        "m/x.yaml:1:1: error[PZ100]: cannot be read: no"
    );
}

fn together(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(id, more)| (format!("m/{id}.yaml"), common::file(id, more).into_bytes()))
        .collect();
    shown(&load(&files, &AllThere).diagnostics)
}

#[test]
fn files_together() {
    assert_eq!(
        together(&[
            ("a", "requires: [databse, a]\n"),
            ("database", ""),
            ("z", "requires: [nothing-like-it]\n")
        ]),
        [
            "m/a.yaml:4:12: error[PZ108]: there is no module `databse`",
            "help: did you mean `database`?",
            "m/a.yaml:4:21: error[PZ117]: `a` requires itself",
            "m/z.yaml:4:12: error[PZ108]: there is no module `nothing-like-it`",
        ]
    );
    assert_eq!(
        together(&[
            ("c", "requires: [a]\n"),
            ("a", "requires: [b]\n"),
            ("b", "requires: [c]\n"),
            ("d", "requires: [a]\n")
        ]),
        ["m/a.yaml:4:12: error[PZ109]: modules require each other in a circle: a -> b -> c -> a"]
    );
    assert_eq!(
        together(&[
            ("log1", "provides: [log/basic@1.2]\n"),
            ("log2", "provides: [log/basic@2.0]\nenabled: false\n"),
            (
                "web",
                "requires: [{interface: log/basic, version: '^2.0'}, {interface: log/basc}, {interface: log/basic, version: '^1.1'}]\n"
            ),
        ]),
        [
            "m/web.yaml:4:24: error[PZ110]: no enabled module provides `log/basic` in a version that matches `^2.0`",
            "help: `log1` provides 1.2",
            "m/web.yaml:4:65: error[PZ110]: no enabled module provides `log/basc` in a version that matches `*`",
            "help: did you mean `log/basic`?",
        ]
    );
    let files = [
        ("m/a.yaml".to_owned(), GOOD.into()),
        ("m/b.yaml".to_owned(), format!("# second\n{GOOD}").into()),
    ];
    assert_eq!(
        shown(&load(&files, &AllThere).diagnostics),
        [
            "m/b.yaml:2:5: error[PZ107]: the module `a` is declared twice",
            "help: the other declaration is at m/a.yaml:1:5",
        ]
    );
    assert_eq!(
        together(&[("a", "sidecars: [nobody]\nfallback_module: bb\n"), ("b", "")]),
        [
            "m/a.yaml:4:12: error[PZ108]: there is no module `nobody`",
            "m/a.yaml:5:18: error[PZ108]: there is no module `bb`",
            "help: did you mean `b`?",
        ]
    );
}

#[test]
fn the_provider_is_the_smallest_id_that_matches() {
    let texts = vec![
        ("p1", common::file("p1", "provides: [log/basic@1.0]\n")),
        ("p2", common::file("p2", "provides: [log/basic@1.3]\n")),
        ("p3", common::file("p3", "provides: [log/basic@1.3]\n")),
        (
            "web",
            common::file("web", "requires: [{interface: log/basic, version: '^1.2'}]\n"),
        ),
    ];
    let loaded = common::load_texts(&texts);
    assert!(!loaded.has_errors());
    assert_eq!(loaded.modules[loaded.edges[3][0].on].id.as_str(), "p2");
}

#[test]
fn a_file_with_only_unknown_keys_is_still_decoded() {
    let loaded = load(
        &[("m/a.yaml".to_owned(), format!("{GOOD}zzz: 1\n").into())],
        &AllThere,
    );
    assert!(loaded.has_errors());
    assert_eq!(loaded.modules[0].id.as_str(), "a");
    assert_eq!(
        loaded.diagnostics[0]
            .to_string()
            .lines()
            .take(3)
            .collect::<Vec<_>>(),
        [
            "m/a.yaml:4:1: error[PZ101]: unknown key `zzz`; did you mean `id`?",
            "  4 | zzz: 1",
            "    | ^"
        ]
        .map(|line| line.replace("; did you mean `id`?", ""))
    );
}
