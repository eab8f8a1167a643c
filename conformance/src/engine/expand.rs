//! Placeholders in the texts of a case.
//!
//! `{config}` and its like come from the target; `{digest:FILE}` is the digest of a file of the module directory as it is
//! now; `{listener:NAME}` is the address of a listener; `{C:N}` is the character C, N times. A brace that means nothing stays as it is, because suites hold JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use partenza_probe::mac;

use crate::target::Placeholders;

/// The longest text that a placeholder makes.
const REPEAT_LIMIT: usize = 4 << 20;

/// Replaces placeholders for one case.
#[derive(Debug, Clone)]
pub(crate) struct Expander {
    pub(crate) placeholders: Placeholders,
    pub(crate) config: PathBuf,
    /// Addresses of listeners by name.
    pub(crate) listeners: BTreeMap<String, String>,
}

impl Expander {
    /// The text with every known placeholder replaced.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let value = rest
                .find('}')
                .and_then(|close| Some((self.lookup(&rest[..=close])?, close)));
            match value {
                Some((value, close)) => {
                    out.push_str(&value);
                    rest = &rest[close + 1..];
                }
                // Only the brace is passed over: a placeholder may begin right behind it.
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn lookup(&self, whole: &str) -> Option<String> {
        let name = &whole[1..whole.len() - 1];
        if let Some(file) = name.strip_prefix("digest:") {
            return Some(mac::manifest_digest(
                &fs::read(self.config.join(file)).unwrap_or_default(),
            ));
        }
        if let Some(listener) = name.strip_prefix("listener:") {
            return self.listeners.get(listener).cloned();
        }
        // A line that is too long should not have to be written out.
        if let Some((unit, count)) = name.split_once(':')
            && unit.chars().count() == 1
            && let Some(count) = count.parse().ok().filter(|count| *count <= REPEAT_LIMIT)
        {
            return Some(unit.repeat(count));
        }
        // What is no placeholder comes back unchanged.
        self.placeholders
            .expand(whole)
            .ok()
            .filter(|value| value != whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_replaced_and_everything_else_stays() {
        let expander = Expander {
            placeholders: Placeholders::default().with("config", "/c"),
            config: PathBuf::from("/nowhere"),
            listeners: BTreeMap::from([("open".to_owned(), "127.0.0.1:4".to_owned())]),
        };
        assert_eq!(
            expander.expand("{config}/a {\"x\":{config}} {b} {"),
            "/c/a {\"x\":/c} {b} {"
        );
        assert_eq!(
            expander.expand("http://{listener:open}/ {listener:no}"),
            "http://127.0.0.1:4/ {listener:no}"
        );
        assert!(
            expander
                .expand("{digest:web.yaml}")
                .starts_with("sha256:e3b0c442")
        );
    }
}
