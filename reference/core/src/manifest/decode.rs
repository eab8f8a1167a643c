//! From the tree of one file to a module.
//!
//! It owns the fields of chapter 12.2 and their defaults (`yaml.defaults`), one function per group. A broken field is
//! reported and replaced by its default, so that the rest of the file and the other files are still checked.

use semver::Version;

use super::diagnostic::Diagnostic;
use super::duration::{MILLISECOND, SECOND, show};
use super::fields::{Fields, Report, TOP};
use super::load::Entrypoint;
use super::model::{
    Condition, Health, HealthProbe, Module, OnRestart, OnUnhealthy, Permissions, Policy, Provided, Requirement,
    Restart, Startup, Target,
};
use super::yaml::{self, Node, Place, START, Value};
use crate::id::ModuleId;

/// What one file gave.
pub(super) struct Decoded {
    /// The module, when at least its id is valid.
    pub(super) module: Option<Module>,
    /// Where the id stands.
    pub(super) id_place: Place,
    /// Where the entrypoint stands.
    pub(super) entrypoint_place: Place,
    /// The sidecars and the fallback with their places, to be resolved later.
    pub(super) named: Vec<(ModuleId, Place)>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Decodes one file. The digest and the entrypoint's state are filled in by the caller.
pub(super) fn decode(file: &str, text: &str) -> Decoded {
    let mut report = Report { file, problems: Vec::new() };
    let mut decoded =
        Decoded { module: None, id_place: START, entrypoint_place: START, named: Vec::new(), problems: Vec::new() };
    match yaml::parse(text) {
        Err(error) => report.error("PZ102", error.place, error.message),
        Ok(tree) => {
            if let Some(fields) = report.fields(TOP, &tree, FIELDS, ALIASES) {
                module(&mut report, &fields, &mut decoded);
            }
        }
    }
    decoded.problems = report.problems;
    decoded
}

fn module(report: &mut Report<'_>, fields: &Fields<'_>, decoded: &mut Decoded) {
    let id = fields.need(report, "id").and_then(|node| {
        decoded.id_place = node.place;
        module_id(report, "id", node)
    });
    let version = fields.need(report, "version").and_then(|node| version(report, node));
    let entrypoint = fields.need(report, "entrypoint").and_then(|node| {
        decoded.entrypoint_place = node.place;
        let path = report.text("entrypoint", node)?;
        if path.len() > MAX_PATH_BYTES {
            report.error("PZ105", node.place, format!("the entrypoint is longer than {MAX_PATH_BYTES} bytes"));
            return None;
        }
        if path.starts_with('/') {
            return Some(path.to_owned());
        }
        // `config.relative-entrypoint-refused`
        let message = format!("the entrypoint `{path}` is not an absolute path");
        report.error("PZ111", node.place, message);
        None
    });
    let description = fields.get("description").and_then(|n| report.short_text("description", n, 1024)).map(str::to_owned);
    let args = fields.get("args").map(|n| report.texts("args", n, 1024)).unwrap_or_default();
    let environment = fields.get("environment").map(|n| environment(report, n)).unwrap_or_default();
    let provides = fields.get("provides").map(|n| provides(report, n)).unwrap_or_default();
    let requires = fields.get("requires").map(|n| requires(report, n)).unwrap_or_default();
    let restart = restart(report, fields.get("restart"));
    let health = fields.get("health").and_then(|n| health(report, n));

    let start_node = fields.get("start_timeout");
    let start_timeout = start_node.and_then(|n| report.duration("start_timeout", n, MILLISECOND)).unwrap_or(30 * SECOND);
    let handshake_timeout = match fields.get("handshake_timeout") {
        // The default never contradicts a short start_timeout: the shorter of the two ends the wait anyway.
        None => 5 * SECOND,
        Some(node) => {
            let declared = report.duration("handshake_timeout", node, MILLISECOND).unwrap_or(5 * SECOND);
            if declared > start_timeout {
                let (declared, start) = (show(declared), show(start_timeout));
                let message = format!("handshake_timeout {declared} is longer than start_timeout {start}");
                report.error("PZ118", node.place, message);
            }
            declared
        }
    };
    let stop_timeout =
        fields.get("stop_timeout").and_then(|n| report.duration("stop_timeout", n, 2 * MILLISECOND)).unwrap_or(10 * SECOND);
    let startup = fields.get("startup").and_then(|n| report.word("startup", n, STARTUPS)).unwrap_or(Startup::Eager);
    let enabled = fields.get("enabled").and_then(|n| report.boolean("enabled", n)).unwrap_or(true);
    let critical = fields.get("critical").and_then(|n| report.boolean("critical", n)).unwrap_or(false);
    let permissions = fields.get("permissions").and_then(|n| permissions(report, n)).unwrap_or_default();
    let sidecars = fields.get("sidecars").map(|n| named(report, decoded, "sidecars", n)).unwrap_or_default();
    let fallback_module = fields.get("fallback_module").and_then(|node| {
        let id = module_id(report, "fallback_module", node)?;
        decoded.named.push((id.clone(), node.place));
        Some(id)
    });

    decoded.module = id.map(|id| Module {
        id,
        version: version.unwrap_or(Version::new(0, 0, 0)),
        description,
        entrypoint: entrypoint.unwrap_or_default(),
        args,
        environment,
        provides,
        requires,
        restart,
        health,
        handshake_timeout,
        start_timeout,
        stop_timeout,
        startup,
        enabled,
        critical,
        permissions,
        sidecars,
        fallback_module,
        digest: String::new(),
        file: report.file.to_owned(),
        entrypoint_state: Entrypoint::Executable,
    });
}

/// `unit.id-syntax`
fn module_id(report: &mut Report<'_>, key: &str, node: &Node) -> Option<ModuleId> {
    let text = report.text(key, node)?;
    let id = ModuleId::try_from(text);
    if let Err(error) = &id {
        report.error_with_help("PZ105", node.place, format!("`{text}` is no module id"), error.to_string());
    }
    id.ok()
}

/// `config.invalid-version-refused`
fn version(report: &mut Report<'_>, node: &Node) -> Option<Version> {
    let text = match &node.value {
        Value::Text(text) => text.as_str(),
        // An unquoted `1.0` is a number to YAML; what the author got wrong is the version, not the type.
        Value::Int(_) | Value::Float(_) => node.written.as_str(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
            report.wrong_type("version", "text", node);
            return None;
        }
    };
    let version = Version::parse(text);
    if version.is_err() {
        let help = "write MAJOR.MINOR.PATCH, such as `1.2.0`".to_owned();
        report.error_with_help("PZ105", node.place, format!("`{text}` is no semantic version"), help);
    }
    version.ok()
}

fn environment(report: &mut Report<'_>, node: &Node) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, place, value) in report.entries("environment", node) {
        let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!("`{name}` cannot be the name of an environment variable");
            let help = "write letters, digits and `_`, not beginning with a digit".to_owned();
            report.error_with_help("PZ105", place, message, help);
        } else if let Some(value) = report.text(name, value) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables
}

fn provides(report: &mut Report<'_>, node: &Node) -> Vec<Provided> {
    let items = report.list("provides", node, 64);
    items.iter().filter_map(|item| provided(report, item)).collect()
}

fn provided(report: &mut Report<'_>, node: &Node) -> Option<Provided> {
    if let Value::Text(text) = &node.value {
        let Some((interface, version)) = text.split_once('@') else {
            let message = format!("`{text}` names no version");
            report.error_with_help("PZ105", node.place, message, "write `interface@1.0`".to_owned());
            return None;
        };
        let interface = interface_name(report, interface, node.place);
        return interface_version(report, version, node.place)
            .and_then(|parsed| Some(Provided { interface: interface?, written_version: version.to_owned(), version: parsed }));
    }
    let fields = report.fields("provides", node, &["interface", "version"], &[])?;
    let interface = fields.need(report, "interface").and_then(|node| {
        let text = report.text("interface", node)?;
        interface_name(report, text, node.place)
    });
    let version = fields.need(report, "version").and_then(|node| {
        let text = version_text(report, node)?;
        Some((text.to_owned(), interface_version(report, text, node.place)?))
    });
    let (written_version, version) = version?;
    Some(Provided { interface: interface?, written_version, version })
}

/// Versions of interfaces may stand without quotes, where YAML takes `1.0` for a number.
fn version_text<'n>(report: &mut Report<'_>, node: &'n Node) -> Option<&'n str> {
    match &node.value {
        Value::Int(_) | Value::Float(_) => Some(&node.written),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => report.text("version", node),
    }
}

fn interface_name(report: &mut Report<'_>, text: &str, place: Place) -> Option<String> {
    if text.len() <= 128 && text.split('/').all(|part| ModuleId::try_from(part).is_ok()) {
        return Some(text.to_owned());
    }
    report.error("PZ105", place, format!("`{text}` is no interface name such as `log/basic`"));
    None
}

/// One to three numbers.
fn interface_version(report: &mut Report<'_>, text: &str, place: Place) -> Option<Version> {
    let missing = 2_usize.saturating_sub(text.matches('.').count());
    let full = format!("{text}{}", ".0".repeat(missing));
    let parsed = Version::parse(&full).ok().filter(|v| v.pre.is_empty() && v.build.is_empty());
    if parsed.is_none() {
        report.error("PZ105", place, format!("`{text}` is no version of an interface such as `1.0`"));
    }
    parsed
}

fn requires(report: &mut Report<'_>, node: &Node) -> Vec<Requirement> {
    let items = report.list("requires", node, 4096);
    items.iter().filter_map(|item| requirement(report, item)).collect()
}

fn requirement(report: &mut Report<'_>, node: &Node) -> Option<Requirement> {
    let plain = |target, place| Requirement {
        target,
        // `deps.default-condition-ready`
        condition: Condition::Ready,
        on_restart: OnRestart::Keep,
        optional: false,
        place,
    };
    if !matches!(node.value, Value::Map(_)) {
        let id = module_id(report, "requires", node)?;
        return Some(plain(Target::Module(id), node.place));
    }
    let known = &["module", "interface", "version", "condition", "on_restart", "optional"];
    let fields = report.fields("requires", node, known, &[])?;
    let condition = fields.get("condition").and_then(|n| report.word("condition", n, CONDITIONS));
    let on_restart = fields.get("on_restart").and_then(|n| report.word("on_restart", n, ON_RESTARTS));
    let optional = fields.get("optional").and_then(|n| report.boolean("optional", n));
    let (target, place) = match (fields.get("module"), fields.get("interface")) {
        (Some(named), None) => {
            if let Some(version) = fields.get("version") {
                report.error("PZ105", version.place, "`version` belongs to `interface`, not to `module`");
            }
            (Target::Module(module_id(report, "module", named)?), named.place)
        }
        (None, Some(interface)) => {
            let name = report.text("interface", interface)?;
            let name = interface_name(report, name, interface.place);
            let range = match fields.get("version") {
                None => Some(("*".to_owned(), semver::VersionReq::STAR)),
                Some(version) => version_text(report, version).and_then(|text| {
                    let parsed = semver::VersionReq::parse(text);
                    if let Err(error) = &parsed {
                        let message = format!("`{text}` is no range of versions: {error}");
                        report.error("PZ105", version.place, message);
                    }
                    Some((text.to_owned(), parsed.ok()?))
                }),
            };
            let (written, range) = range?;
            (Target::Interface { name: name?, range, written }, interface.place)
        }
        (Some(_), Some(interface)) => {
            report.error("PZ105", interface.place, "an entry of `requires` names a `module` or an `interface`, not both");
            return None;
        }
        (None, None) => {
            report.error("PZ104", node.place, "an entry of `requires` needs `module` or `interface`");
            return None;
        }
    };
    let base = plain(target, place);
    Some(Requirement {
        condition: condition.unwrap_or(base.condition),
        on_restart: on_restart.unwrap_or(base.on_restart),
        optional: optional.unwrap_or(base.optional),
        ..base
    })
}

fn restart(report: &mut Report<'_>, node: Option<&Node>) -> Restart {
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
    let known = &["policy", "delay", "max_delay", "factor", "jitter", "limit", "window", "reset_after"];
    let Some(fields) = report.fields("restart", node, known, &[]) else { return restart };
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
    restart.factor = fields.get("factor").and_then(|n| report.ratio("factor", n, 1.0, 100.0)).unwrap_or(restart.factor);
    restart.jitter = fields.get("jitter").and_then(|n| report.ratio("jitter", n, 0.0, 1.0)).unwrap_or(restart.jitter);
    restart.limit = fields.get("limit").and_then(|n| report.count("limit", n)).unwrap_or(restart.limit);

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
            let place = fields.get("limit").or(fields.get("window")).or(fields.get("delay")).map_or(fields.place, |n| n.place);
            let (limit, window) = (restart.limit, show(restart.window));
            let message = format!("the limit of {limit} restarts in {window} can never be reached: the delays alone take longer");
            let help = "lower `limit` or `delay`, or lengthen `window`".to_owned();
            report.error_with_help("PZ112", place, message, help);
            return;
        }
    }
}

fn health(report: &mut Report<'_>, node: &Node) -> Option<Health> {
    let known = &["probe", "interval", "timeout", "failures", "successes", "on_unhealthy"];
    let fields = report.fields("health", node, known, &[])?;
    Some(Health {
        probe: fields.need(report, "probe").and_then(|n| probe(report, n)).unwrap_or(HealthProbe::Wire),
        interval: fields.get("interval").and_then(|n| report.duration("interval", n, MILLISECOND)).unwrap_or(5 * SECOND),
        timeout: fields.get("timeout").and_then(|n| report.duration("timeout", n, MILLISECOND)).unwrap_or(SECOND),
        failures: fields.get("failures").and_then(|n| report.count("failures", n)).unwrap_or(3),
        successes: fields.get("successes").and_then(|n| report.count("successes", n)).unwrap_or(1),
        on_unhealthy: fields
            .get("on_unhealthy")
            .and_then(|n| report.word("on_unhealthy", n, ON_UNHEALTHY))
            .unwrap_or(OnUnhealthy::Restart),
    })
}

fn probe(report: &mut Report<'_>, node: &Node) -> Option<HealthProbe> {
    if !matches!(node.value, Value::Map(_)) {
        return report.word("probe", node, &[("wire", ())]).map(|()| HealthProbe::Wire);
    }
    let kinds = ["command", "http", "tcp", "unix"];
    let fields = report.fields("probe", node, &kinds, &[])?;
    let mut given = kinds.iter().filter_map(|kind| fields.get(kind).map(|node| (*kind, node)));
    let (Some((kind, value)), None) = (given.next(), given.next()) else {
        report.error("PZ105", node.place, "`probe` takes exactly one of command, http, tcp and unix");
        return None;
    };
    if kind == "command" {
        let argv = report.texts("command", value, 1024);
        if argv.first().is_some_and(|program| program.starts_with('/')) {
            return Some(HealthProbe::Command(argv));
        }
        if matches!(value.value, Value::List(_)) {
            report.error("PZ105", value.place, "the command of a probe starts with an absolute path");
        }
        return None;
    }
    let text = report.text(kind, value)?;
    let parsed = match kind {
        "http" => text.strip_prefix("http://").and_then(http),
        "tcp" => host_and_port(text, None).map(|(host, port)| HealthProbe::Tcp { host, port }),
        _ => text.starts_with('/').then(|| HealthProbe::Unix(text.to_owned())),
    };
    if parsed.is_none() {
        let example = match kind {
            "http" => "http://127.0.0.1:80/path",
            "tcp" => "127.0.0.1:80",
            _ => "/run/name.sock",
        };
        let message = format!("`{text}` is no target of a probe of the kind `{kind}`");
        report.error_with_help("PZ105", value.place, message, format!("write it like `{example}`"));
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
    clean.then(|| HealthProbe::Http { host, port, path: path.to_owned() })
}

fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').map(Some).or(rest.is_empty().then_some(None))?)
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
    let clean = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
    clean.then(|| (host.to_owned(), port))
}

fn permissions(report: &mut Report<'_>, node: &Node) -> Option<Permissions> {
    let fields = report.fields("permissions", node, &["run_as", "capabilities"], &[])?;
    Some(Permissions {
        run_as: fields.get("run_as").and_then(|n| run_as(report, n)).map(str::to_owned),
        capabilities: fields.get("capabilities").map(|n| capabilities(report, n)).unwrap_or_default(),
    })
}

fn run_as<'n>(report: &mut Report<'_>, node: &'n Node) -> Option<&'n str> {
    let name = report.short_text("run_as", node, 64)?;
    if name.is_empty() {
        report.error("PZ105", node.place, "`run_as` is empty");
        return None;
    }
    Some(name)
}

/// The form of the names; which of them the kernel knows is not the core's to say.
fn capabilities(report: &mut Report<'_>, node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    for item in report.list("capabilities", node, 64) {
        let Some(name) = report.text("capabilities", item) else { continue };
        let word = name.strip_prefix("CAP_").unwrap_or_default();
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
            let message = format!("`{name}` is no name of a capability such as `CAP_NET_BIND_SERVICE`");
            report.error("PZ105", item.place, message);
        } else {
            names.push(name.to_owned());
        }
    }
    names
}

fn named(report: &mut Report<'_>, decoded: &mut Decoded, key: &str, node: &Node) -> Vec<ModuleId> {
    let mut ids = Vec::new();
    for item in report.list(key, node, 64) {
        if let Some(id) = module_id(report, key, item) {
            decoded.named.push((id.clone(), item.place));
            ids.push(id);
        }
    }
    ids
}

/// Every key of a module file, in the order of chapter 12.2.
const FIELDS: &[&str] = &[
    "id", "version", "description", "entrypoint", "args", "environment", "provides", "requires", "restart", "health",
    "handshake_timeout", "start_timeout", "stop_timeout", "startup", "enabled", "critical", "permissions", "sidecars",
    "fallback_module",
];

const MAX_PATH_BYTES: usize = 4095;

/// The spellings of early drafts.
const ALIASES: &[(&str, &str)] =
    &[("name", "id"), ("depends_on", "requires"), ("interfaces", "provides"), ("healthcheck", "health")];

const POLICIES: &[(&str, Policy)] =
    &[("always", Policy::Always), ("on-failure", Policy::OnFailure), ("never", Policy::Never)];
const STARTUPS: &[(&str, Startup)] =
    &[("eager", Startup::Eager), ("deferred", Startup::Deferred), ("on-demand", Startup::OnDemand)];
const CONDITIONS: &[(&str, Condition)] = &[
    ("started", Condition::Started),
    ("ready", Condition::Ready),
    ("healthy", Condition::Healthy),
    ("completed", Condition::Completed),
];
const ON_RESTARTS: &[(&str, OnRestart)] =
    &[("keep", OnRestart::Keep), ("restart", OnRestart::Restart), ("stop", OnRestart::Stop)];
const ON_UNHEALTHY: &[(&str, OnUnhealthy)] = &[("restart", OnUnhealthy::Restart), ("keep", OnUnhealthy::Keep)];
