//! What stands on disk before the orchestrator starts: the module files and whatever else the case puts beside them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::EngineOptions;
use crate::suite::{Case, Module};

/// Writes the module directory of a case.
pub(crate) fn write_modules(
    case: &Case,
    config: &Path,
    channel: &Path,
    options: &EngineOptions,
    expand: &dyn Fn(&str) -> String,
) -> std::io::Result<()> {
    for (name, module) in &case.modules {
        let named = |text: &str| expand(&text.replace("{name}", name));
        let text = match &module.raw {
            Some(raw) => named(raw),
            None => {
                let file = Value::Object(module_file(name, module, channel, options));
                serde_yaml::to_string(&expanded(file, &named)).map_err(std::io::Error::other)?
            }
        };
        fs::write(config.join(format!("{name}.yaml")), text)?;
    }
    for (name, file) in &case.files {
        let path = config.join(name);
        fs::write(&path, expand(&file.text))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

/// The default module file with the case's own keys over it; a null removes a key.
fn module_file(name: &str, module: &Module, channel: &Path, options: &EngineOptions) -> Map<String, Value> {
    let mut file = Map::new();
    file.insert("id".into(), name.into());
    file.insert("version".into(), "1.0.0".into());
    if module.puppet {
        let mut args = options.mock_args.clone();
        args.extend([
            "--channel".into(),
            channel.display().to_string(),
            "--name".into(),
            name.into(),
        ]);
        file.insert("entrypoint".into(), options.mock.display().to_string().into());
        file.insert("args".into(), json!(args));
        file.insert("restart".into(), "never".into());
        file.insert("handshake_timeout".into(), "3s".into());
        file.insert("start_timeout".into(), "5s".into());
        file.insert("stop_timeout".into(), "2s".into());
    }
    for (key, value) in &module.file {
        match value {
            Value::Null => file.remove(key),
            value => file.insert(key.clone(), value.clone()),
        };
    }
    file
}

/// The value with the placeholders of all its texts replaced.
pub(crate) fn expanded(value: Value, expand: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(expand(&text)),
        Value::Array(items) => items.into_iter().map(|item| expanded(item, expand)).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, expanded(value, expand)))
            .collect(),
        other => other,
    }
}
