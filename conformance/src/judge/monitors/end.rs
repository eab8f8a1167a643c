//! What is looked at when a case ends: processes, files, secrets, status files.

use super::{Found, Material};
use crate::judge::trace::{Kind, clip};

pub(super) fn no_process_left(material: &Material<'_>) -> Option<Found> {
    let end = material.aftermath.end.as_ref()?;
    let ours = || material.trace.iter().rposition(|e| e.kind == Kind::Signalled);
    if end.had_to_kill {
        return Some(Found::bad(
            "it did not end on SIGTERM and had to be killed",
            ours(),
        ));
    }
    if end.leftovers.is_empty() {
        return Some(Found::good("nothing remained"));
    }
    let left: Vec<String> = end
        .leftovers
        .iter()
        .map(|p| {
            format!(
                "pid {} in session {}: {}",
                p.pid,
                p.session,
                clip(&p.command, 120)
            )
        })
        .collect();
    Some(Found::bad(left.join("; "), ours()))
}

pub(super) fn no_file_left(material: &Material<'_>) -> Option<Found> {
    let end = material.aftermath.end.as_ref()?;
    // Who was killed cannot clean up, whoever did it.
    let in_order = matches!(&end.ending, Some(crate::target::Ending::Exited(_))) && !end.had_to_kill;
    if !material.aftermath.has_control || !in_order {
        return None;
    }
    match material.aftermath.sockets_left.as_slice() {
        [] => Some(Found::good("no socket remained")),
        left => Some(Found::bad(
            left.join(", "),
            material.trace.iter().rposition(|e| e.kind == Kind::End),
        )),
    }
}

pub(super) fn secret_hidden(material: &Material<'_>) -> Option<Found> {
    let secrets = Secrets::new(material)?;
    let search = |what: &str, text: &[u8]| {
        secrets
            .find(text)
            .map(|whose| format!("the secret of {whose} shows in {what}"))
    };
    for (at, entry) in material.trace.iter().enumerate() {
        // What a puppet itself sends is not the orchestrator's doing; what it receives is.
        let what = match entry.kind {
            Kind::Event => "an event",
            Kind::Status | Kind::Reply => "a reply on the control socket",
            Kind::Rx | Kind::Answer => "a line on the wire",
            Kind::Launch => "the environment or the arguments of a module",
            _ => continue,
        };
        if let Some(found) = search(what, entry.data.to_string().as_bytes()) {
            return Some(Found::bad(found, [at]));
        }
    }
    let proc_texts = material
        .proc_texts
        .iter()
        .map(|(what, text)| (what, text.as_bytes()));
    let files = material
        .aftermath
        .texts
        .iter()
        .map(|(what, text)| (what, text.as_slice()));
    let mut places = 0;
    for (what, text) in proc_texts.chain(files) {
        places += 1;
        if let Some(found) = search(what, text) {
            return Some(Found::bad(found, []));
        }
    }
    Some(Found::good(format!(
        "{} secrets, sought in the trace and in {places} other places",
        material.keys.len()
    )))
}

/// The launch secrets of a case, as digits and as bytes, ready to be sought in one pass over a text.
struct Secrets {
    needles: Vec<(String, Vec<u8>)>,
    /// Which two bytes any of them begins with: most places of a text are passed over by one look.
    begins: Vec<bool>,
}

impl Secrets {
    fn new(material: &Material<'_>) -> Option<Self> {
        let mut needles = Vec::new();
        for ((module, generation), raw) in material.keys {
            let whose = format!("{module} generation {generation}");
            let digits = raw.strip_suffix(b"\n").unwrap_or(raw);
            // Anything shorter would be found everywhere; a pipe that holds it fails elsewhere.
            if digits.len() < 16 {
                continue;
            }
            if let Some(bytes) = std::str::from_utf8(digits)
                .ok()
                .and_then(partenza_probe::mac::unhex)
            {
                needles.push((whose.clone(), bytes));
            }
            needles.push((whose, digits.to_vec()));
        }
        let mut begins = vec![false; 1 << 16];
        for (_, needle) in &needles {
            begins[usize::from(u16::from_be_bytes([needle[0], needle[1]]))] = true;
        }
        (!needles.is_empty()).then_some(Self { needles, begins })
    }

    /// Whose secret the text holds.
    fn find(&self, text: &[u8]) -> Option<&str> {
        let candidates = text.windows(2).enumerate();
        let begun =
            candidates.filter(|(_, two)| self.begins[usize::from(u16::from_be_bytes([two[0], two[1]]))]);
        for (at, _) in begun {
            if let Some((whose, _)) = self
                .needles
                .iter()
                .find(|(_, needle)| text[at..].starts_with(needle))
            {
                return Some(whose);
            }
        }
        None
    }
}

pub(super) fn status_file_agrees(material: &Material<'_>) -> Option<Found> {
    let at = material.trace.iter().rposition(|e| e.kind == Kind::Status);
    if material.aftermath.status_files.is_empty() {
        return None;
    }
    for (module, file, reply) in &material.aftermath.status_files {
        match file {
            None => {
                let actual = format!("status/{module}.json does not exist or is not JSON");
                return Some(Found::bad(actual, at).saying(format!("the reply says {reply}")));
            }
            Some(file) if file != reply => {
                return Some(Found::bad(file.to_string(), at).saying(format!("the reply says {reply}")));
            }
            Some(_) => {}
        }
    }
    Some(Found::good(format!(
        "{} files",
        material.aftermath.status_files.len()
    )))
}
