//! What a module file says about other modules: `provides` and `requires`.
//!
//! It owns the syntax of interfaces and their versions. Whether somebody provides what is required, only all files
//! together can tell.

use semver::{Version, VersionReq};

use super::decode::module_id;
use super::fields::Report;
use super::model::{Condition, OnRestart, Provided, Requirement, Target};
use super::yaml::{Node, Place, Value};

pub(super) fn provides(report: &mut Report<'_>, node: &Node) -> Vec<Provided> {
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
        return interface_version(report, version, node.place).and_then(|parsed| {
            Some(Provided {
                interface: interface?,
                written_version: version.to_owned(),
                version: parsed,
            })
        });
    }
    let fields = report.fields("provides", node, &["interface", "version"], &[])?;
    let interface = fields.need(report, "interface").and_then(|node| {
        let text = report.text("interface", node)?;
        interface_name(report, text, node.place)
    });
    let version = fields.need(report, "version").and_then(|node| {
        let text = report.text("version", node)?;
        Some((text.to_owned(), interface_version(report, text, node.place)?))
    });
    let (written_version, version) = version?;
    Some(Provided {
        interface: interface?,
        written_version,
        version,
    })
}

fn interface_name(report: &mut Report<'_>, text: &str, place: Place) -> Option<String> {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
    };
    if text.len() <= 128 && text.split('/').all(part) {
        return Some(text.to_owned());
    }
    report.error(
        "PZ105",
        place,
        format!("`{text}` is no interface name such as `log/basic`"),
    );
    None
}

/// One to three numbers, at most 32 characters.
fn interface_version(report: &mut Report<'_>, text: &str, place: Place) -> Option<Version> {
    let missing = 2_usize.saturating_sub(text.matches('.').count());
    let full = format!("{text}{}", ".0".repeat(missing));
    let parsed = Version::parse(&full)
        .ok()
        .filter(|v| v.pre.is_empty() && v.build.is_empty() && text.len() <= 32);
    if parsed.is_none() {
        report.error(
            "PZ105",
            place,
            format!("`{text}` is no version of an interface such as `1.0`"),
        );
    }
    parsed
}

/// Comparators of one to three numbers, joined by commas, or `*` alone; at most 64 characters.
///
/// The library knows further forms. They are refused, so that a file means the same to every orchestrator.
fn version_range(report: &mut Report<'_>, text: &str, place: Place) -> Option<VersionReq> {
    let comparator = |one: &str| {
        let one = one.trim_matches(' ');
        let signs = [">=", "<=", ">", "<", "=", "^", "~"];
        let numbers = signs
            .iter()
            .find_map(|sign| one.strip_prefix(sign))
            .unwrap_or(one);
        let numbers = numbers.trim_start_matches(' ');
        numbers
            .split('.')
            .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let plain = text.len() <= 64 && (text == "*" || text.split(',').all(comparator));
    let parsed = plain.then(|| VersionReq::parse(text).ok()).flatten();
    if parsed.is_none() {
        let message = format!("`{text}` is no range of versions such as `^1.0` or `>=1.2, <3`");
        report.error("PZ105", place, message);
    }
    parsed
}

pub(super) fn requires(report: &mut Report<'_>, node: &Node) -> Vec<Requirement> {
    let items = report.list("requires", node, 4096);
    items
        .iter()
        .filter_map(|item| requirement(report, item))
        .collect()
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
    let known = &[
        "module",
        "interface",
        "version",
        "condition",
        "on_restart",
        "optional",
    ];
    let fields = report.fields("requires", node, known, &[])?;
    let condition = fields
        .get("condition")
        .and_then(|n| report.word("condition", n, CONDITIONS));
    let on_restart = fields
        .get("on_restart")
        .and_then(|n| report.word("on_restart", n, ON_RESTARTS));
    let optional = fields.get("optional").and_then(|n| report.boolean("optional", n));
    let (target, place) = match (fields.get("module"), fields.get("interface")) {
        (Some(named), None) => {
            if let Some(version) = fields.get("version") {
                report.error(
                    "PZ105",
                    version.place,
                    "`version` belongs to `interface`, not to `module`",
                );
            }
            (Target::Module(module_id(report, "module", named)?), named.place)
        }
        (None, Some(interface)) => {
            let name = report.text("interface", interface)?;
            let name = interface_name(report, name, interface.place);
            let range = match fields.get("version") {
                None => Some(("*".to_owned(), VersionReq::STAR)),
                Some(version) => report
                    .text("version", version)
                    .and_then(|text| Some((text.to_owned(), version_range(report, text, version.place)?))),
            };
            let (written, range) = range?;
            (
                Target::Interface {
                    name: name?,
                    range,
                    written,
                },
                interface.place,
            )
        }
        (Some(_), Some(interface)) => {
            report.error(
                "PZ105",
                interface.place,
                "an entry of `requires` names a `module` or an `interface`, not both",
            );
            return None;
        }
        (None, None) => {
            report.error(
                "PZ104",
                node.place,
                "an entry of `requires` needs `module` or `interface`",
            );
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

const CONDITIONS: &[(&str, Condition)] = &[
    ("started", Condition::Started),
    ("ready", Condition::Ready),
    ("healthy", Condition::Healthy),
    ("completed", Condition::Completed),
];
const ON_RESTARTS: &[(&str, OnRestart)] = &[
    ("keep", OnRestart::Keep),
    ("restart", OnRestart::Restart),
    ("stop", OnRestart::Stop),
];
