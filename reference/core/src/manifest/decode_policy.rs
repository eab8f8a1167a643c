//! What a module file says about failures: `restart` and `health`.
//!
//! It owns the arithmetic of the restart limit (`restart.contradiction-refused`) and the targets of probes.

use super::duration::{MILLISECOND, SECOND, show};
use super::fields::{Fields, Report};
use super::model::{Health, HealthProbe, OnUnhealthy, Policy, Restart};
use super::yaml::{Node, Value};

pub(super) fn restart(report: &mut Report<'_>, node: Option<&Node>) -> Restart {
    let mut restart = Restart {
        policy: Policy::OnFailure,
        delay: 200 * MILLISECOND,
        max_delay: 30 * SECOND,
        factor: 2.0,
        jitter: 0.1,
        limit: 5,
        window: 60 * SECOND,
        reset_after: 30 * SECOND,
    };
    let Some(node) = node else { return restart };
    if !matches!(node.value, Value::Map(_)) {
        restart.policy = policy(report, node).unwrap_or(restart.policy);
        return restart;
    }
    let known = &[
        "policy",
        "delay",
        "max_delay",
        "factor",
        "jitter",
        "limit",
        "window",
        "reset_after",
    ];
    let Some(fields) = report.fields("restart", node, known, &[]) else {
        return restart;
    };
    let before = report.problems.len();
    if let Some(node) = fields.get("policy") {
        restart.policy = policy(report, node).unwrap_or(restart.policy);
    }
    for (key, slot, least) in [
        ("delay", &mut restart.delay, 0),
        ("max_delay", &mut restart.max_delay, 0),
        ("window", &mut restart.window, MILLISECOND),
        ("reset_after", &mut restart.reset_after, MILLISECOND),
    ] {
        if let Some(us) = fields.get(key).and_then(|n| report.duration(key, n, least)) {
            *slot = us;
        }
    }
    restart.factor = fields
        .get("factor")
        .and_then(|n| report.ratio("factor", n, 1.0, 100.0))
        .unwrap_or(restart.factor);
    restart.jitter = fields
        .get("jitter")
        .and_then(|n| report.ratio("jitter", n, 0.0, 1.0))
        .unwrap_or(restart.jitter);
    restart.limit = fields
        .get("limit")
        .and_then(|n| report.count("limit", n))
        .unwrap_or(restart.limit);

    if restart.delay > restart.max_delay {
        match fields.get("max_delay") {
            Some(node) => report.error("PZ105", node.place, "`max_delay` is shorter than `delay`"),
            // Only `delay` was declared, longer than the default cap: the cap follows it.
            None => restart.max_delay = restart.delay,
        }
    }
    if report.problems.len() == before && restart.policy != Policy::Never {
        unreachable_limit(report, &fields, &restart);
    }
    restart
}

fn policy(report: &mut Report<'_>, node: &Node) -> Option<Policy> {
    if matches!(&node.value, Value::Text(text) if text == "on-crash") {
        report.deprecated(node.place, "on-crash", "on-failure");
        return Some(Policy::OnFailure);
    }
    report.word("restart", node, POLICIES)
}

/// PZ112 (`restart.contradiction-refused`): the first `limit` delays must add up to less than the window.
fn unreachable_limit(report: &mut Report<'_>, fields: &Fields<'_>, restart: &Restart) {
    let mut sum = 0_u64;
    for nth in 0..restart.limit {
        let delay = restart.nominal_delay(nth);
        if delay == 0 {
            return;
        }
        sum = sum.saturating_add(delay);
        if sum >= restart.window {
            let place = fields
                .get("limit")
                .or(fields.get("window"))
                .or(fields.get("delay"))
                .map_or(fields.place, |n| n.place);
            let (limit, window) = (restart.limit, show(restart.window));
            let message = format!(
                "the limit of {limit} restarts in {window} can never be reached: the delays alone take longer"
            );
            let help = "lower `limit` or `delay`, or lengthen `window`".to_owned();
            report.error_with_help("PZ112", place, message, help);
            return;
        }
    }
}

pub(super) fn health(report: &mut Report<'_>, node: &Node) -> Option<Health> {
    let known = &[
        "probe",
        "interval",
        "timeout",
        "failures",
        "successes",
        "on_unhealthy",
    ];
    let fields = report.fields("health", node, known, &[])?;
    Some(Health {
        probe: fields
            .need(report, "probe")
            .and_then(|n| probe(report, n))
            .unwrap_or(HealthProbe::Wire),
        interval: fields
            .get("interval")
            .and_then(|n| report.duration("interval", n, MILLISECOND))
            .unwrap_or(5 * SECOND),
        timeout: fields
            .get("timeout")
            .and_then(|n| report.duration("timeout", n, MILLISECOND))
            .unwrap_or(SECOND),
        failures: fields
            .get("failures")
            .and_then(|n| report.count("failures", n))
            .unwrap_or(3),
        successes: fields
            .get("successes")
            .and_then(|n| report.count("successes", n))
            .unwrap_or(1),
        on_unhealthy: fields
            .get("on_unhealthy")
            .and_then(|n| report.word("on_unhealthy", n, ON_UNHEALTHY))
            .unwrap_or(OnUnhealthy::Restart),
    })
}

fn probe(report: &mut Report<'_>, node: &Node) -> Option<HealthProbe> {
    if !matches!(node.value, Value::Map(_)) {
        return report
            .word("probe", node, &[("wire", ())])
            .map(|()| HealthProbe::Wire);
    }
    let kinds = ["command", "http", "tcp", "unix"];
    let before = report.problems.len();
    let fields = report.fields("probe", node, &kinds, &[])?;
    let mut given = kinds
        .iter()
        .filter_map(|kind| fields.get(kind).map(|node| (*kind, node)));
    let (Some((kind, value)), None) = (given.next(), given.next()) else {
        // An unknown kind was reported as such; that none is left is no second mistake.
        if report.problems.len() == before {
            report.error(
                "PZ105",
                node.place,
                "`probe` takes exactly one of command, http, tcp and unix",
            );
        }
        return None;
    };
    if kind == "command" {
        let argv = report.texts("command", value, 64);
        if argv.first().is_some_and(|program| program.starts_with('/')) {
            return Some(HealthProbe::Command(argv));
        }
        if matches!(value.value, Value::List(_)) {
            report.error(
                "PZ105",
                value.place,
                "the command of a probe starts with an absolute path",
            );
        }
        return None;
    }
    let text = report.text(kind, value)?;
    let parsed = match kind {
        "http" if text.len() <= 2048 => text.strip_prefix("http://").and_then(http),
        "tcp" if text.len() <= 256 => {
            host_and_port(text, None).map(|(host, port)| HealthProbe::Tcp { host, port })
        }
        // More does not fit into the address of a socket.
        "unix" if text.len() <= 107 => text.starts_with('/').then(|| HealthProbe::Unix(text.to_owned())),
        _ => None,
    };
    if parsed.is_none() {
        let example = match kind {
            "http" => "http://127.0.0.1:80/path",
            "tcp" => "127.0.0.1:80",
            _ => "/run/name.sock",
        };
        let message = format!("`{text}` is no target of a probe of the kind `{kind}`");
        report.error_with_help(
            "PZ105",
            value.place,
            message,
            format!("write it like `{example}`"),
        );
    }
    parsed
}

fn http(rest: &str) -> Option<HealthProbe> {
    let split = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    let (host, port) = host_and_port(authority, Some(80))?;
    // What is written here goes into a request line.
    let clean = path.chars().all(|c| c.is_ascii_graphic() && c != '#');
    let path = if path.is_empty() { "/" } else { path };
    clean.then(|| HealthProbe::Http {
        host,
        port,
        path: path.to_owned(),
    })
}

fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (
                host,
                rest.strip_prefix(':')
                    .map(Some)
                    .or(rest.is_empty().then_some(None))?,
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
        None => default?,
    };
    let clean = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
    clean.then(|| (host.to_owned(), port))
}

const POLICIES: &[(&str, Policy)] = &[
    ("always", Policy::Always),
    ("on-failure", Policy::OnFailure),
    ("never", Policy::Never),
];
const ON_UNHEALTHY: &[(&str, OnUnhealthy)] =
    &[("restart", OnUnhealthy::Restart), ("keep", OnUnhealthy::Keep)];
