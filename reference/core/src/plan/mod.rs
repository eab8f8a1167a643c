//! The plan: who starts when, and why. A rendering of the resolved configuration; the machine does not need it.
//!
//! A module's layer is the length of the longest chain of dependencies below it. Layers are for people: the machine
//! launches each module as soon as its own conditions hold, whatever its layer (`boot.independent-in-parallel`).

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::manifest::{Condition, Edge, Loaded, OnRestart, Startup};

/// The start order of the loaded modules.
#[derive(Debug, Clone)]
pub struct Plan {
    modules: Vec<Planned>,
    /// Indices into `modules`, by layer, each layer in byte order of the ids.
    layers: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Planned {
    id: String,
    version: String,
    layer: usize,
    startup: Startup,
    enabled: bool,
    /// The ids of its dependencies, each once.
    requires: Vec<String>,
    /// The same with everything that is known of them.
    edges: Vec<Value>,
    needs: Vec<String>,
}

impl Plan {
    /// The plan of these modules. Call it only when `loaded` holds no error: modules on a cycle would be left out.
    pub fn new(loaded: &Loaded) -> Self {
        let modules = &loaded.modules;
        let layer_of = layers(&loaded.edges);
        let deepest = layer_of.iter().flatten().max().map_or(0, |deepest| deepest + 1);
        let mut by_layer = vec![Vec::new(); deepest];
        for (index, layer) in layer_of.iter().enumerate() {
            if let Some(layer) = layer {
                by_layer[*layer].push(index);
            }
        }
        let planned = modules
            .iter()
            .zip(&loaded.edges)
            .zip(&layer_of)
            .map(|((module, edges), layer)| Planned {
                id: module.id.to_string(),
                version: module.version.to_string(),
                layer: layer.unwrap_or(0),
                startup: module.startup,
                enabled: module.enabled,
                requires: edges
                    .iter()
                    .map(|edge| loaded.modules[edge.on].id.to_string())
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
                edges: edges.iter().map(|edge| edge_json(loaded, edge)).collect(),
                needs: edges.iter().map(|edge| edge_text(loaded, edge)).collect(),
            });
        Self {
            modules: planned.collect(),
            layers: by_layer,
        }
    }

    /// The plan as JSON, as `plan --json` and the control method print it (`boot-plan.printed-without-launch`).
    pub fn to_json(&self) -> Value {
        let module = |m: &Planned| {
            json!({
                "id": m.id, "version": m.version, "layer": m.layer, "startup": startup_name(m.startup),
                "enabled": m.enabled, "requires": m.requires, "edges": m.edges,
            })
        };
        json!({
            "modules": self.modules.iter().map(module).collect::<Vec<_>>(),
            "order": self.layers.iter().flatten().map(|i| self.modules[*i].id.as_str()).collect::<Vec<_>>(),
        })
    }

    /// The plan as text for people, one module a line, with a trailing LF.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            lines.push(format!("layer {number}"));
            for planned in layer.iter().map(|index| &self.modules[*index]) {
                let after = if planned.needs.is_empty() {
                    String::new()
                } else {
                    format!(" after {}", planned.needs.join(", "))
                };
                let startup = match (planned.enabled, planned.startup) {
                    (false, _) => " (disabled)",
                    (true, Startup::Eager) => "",
                    (true, Startup::Deferred) => " (deferred)",
                    (true, Startup::OnDemand) => " (on demand)",
                };
                lines.push(format!("  {} {}{startup}{after}", planned.id, planned.version));
            }
        }
        if lines.is_empty() {
            lines.push("no modules".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// The layer of each module by Kahn's algorithm; `None` on and above a cycle. Linear and without recursion.
fn layers(edges: &[Vec<Edge>]) -> Vec<Option<usize>> {
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    let mut missing: Vec<usize> = edges.iter().map(Vec::len).collect();
    for (index, own) in edges.iter().enumerate() {
        for edge in own {
            dependents[edge.on].push(index);
        }
    }
    let mut layer = vec![0; edges.len()];
    let mut done = vec![None; edges.len()];
    let mut free: VecDeque<usize> = (0..edges.len()).filter(|index| missing[*index] == 0).collect();
    while let Some(index) = free.pop_front() {
        done[index] = Some(layer[index]);
        for &dependent in &dependents[index] {
            layer[dependent] = layer[dependent].max(layer[index] + 1);
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                free.push_back(dependent);
            }
        }
    }
    done
}

fn edge_json(loaded: &Loaded, edge: &Edge) -> Value {
    let mut value = json!({
        "module": loaded.modules[edge.on].id.as_str(),
        "condition": condition_name(edge.condition),
        "on_restart": match edge.on_restart {
            OnRestart::Keep => "keep",
            OnRestart::Restart => "restart",
            OnRestart::Stop => "stop",
        },
        "optional": edge.optional,
    });
    if let Some(interface) = &edge.interface {
        value["interface"] = Value::from(interface.as_str());
    }
    value
}

fn edge_text(loaded: &Loaded, edge: &Edge) -> String {
    let id = &loaded.modules[edge.on].id;
    let condition = condition_name(edge.condition);
    match &edge.interface {
        Some(interface) => format!("{id} {condition} (for {interface})"),
        None => format!("{id} {condition}"),
    }
}

fn condition_name(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "started",
        Condition::Ready => "ready",
        Condition::Healthy => "healthy",
        Condition::Completed => "completed",
    }
}

fn startup_name(startup: Startup) -> &'static str {
    match startup {
        Startup::Eager => "eager",
        Startup::Deferred => "deferred",
        Startup::OnDemand => "on-demand",
    }
}
