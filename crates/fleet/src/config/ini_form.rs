//! The INI form: `[general]`, `[decky]`, `[decky.service]`, `[custom-name]`; `;` and `#` begin comments.

use std::path::Path;

use super::{
    ConfigError,
    raw::{Entry, Form, Knobs, Raw, Section, Value},
};
use crate::{Catalogue, catalogue};

/// Reads `text` into sections. CR LF is taken as LF.
pub(super) fn parse(text: &str, file: &Path, catalogue: Catalogue) -> Result<Raw, ConfigError> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim_end();
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with([';', '#']) {
            continue;
        }
        let wrong = |key: &str, message: &str, allowed: &str| Err(ConfigError::new(file, at, key, message, allowed));
        if let Some(rest) = trimmed.strip_prefix('[') {
            let Some(name) = rest.strip_suffix(']').map(str::trim).filter(|n| !n.is_empty()) else {
                return wrong(trimmed, "not a section", "[NAME]");
            };
            if let Some(earlier) = sections.iter().find(|s| s.name == name) {
                return wrong(name, &format!("section is already on line {}", earlier.line), "each section once");
            }
            sections.push(Section { name: name.to_owned(), line: at, entries: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return wrong(trimmed, "stands before the first section", "a [SECTION] line first");
        };
        // A line that is indented goes on with the value above it.
        if line.starts_with([' ', '\t'])
            && !trimmed.contains(['=', ':'])
            && let Some(Entry { value: Value::Text(value), .. }) = section.entries.last_mut()
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        let Some((key, value)) = trimmed.split_once(['=', ':']) else {
            return wrong(trimmed, "has no value", "KEY = VALUE");
        };
        let key = key.trim().to_ascii_lowercase();
        if let Some(earlier) = section.entries.iter().find(|e| e.key == key) {
            return wrong(&format!("{}.{key}", section.name), &format!("is already set on line {}", earlier.line), "each key once");
        }
        section.entries.push(Entry { key, line: at, value: Value::Text(value.trim().to_owned()) });
    }
    sort_out(sections, file, catalogue)
}

fn sort_out(sections: Vec<Section>, file: &Path, catalogue: Catalogue) -> Result<Raw, ConfigError> {
    let mut raw = Raw { form: Form::Ini, ..Raw::default() };
    for section in sections {
        if section.name == "general" {
            raw.network = Some(section);
        } else if section.name.starts_with("custom-") {
            return Err(ConfigError::new(
                file,
                section.line,
                section.name,
                "images of one's own need the `docker` runtime, which this build does not have",
                "the services of `decnet services`",
            ));
        } else if let Some((owner, service)) = section.name.rsplit_once('.')
            && (catalogue.find(service).is_some() || catalogue::KNOWN.contains(&service))
        {
            raw.knobs.push(Knobs { owner: owner.to_owned(), service: service.to_owned(), line: section.line, entries: section.entries });
        } else {
            raw.deckies.push(section);
        }
    }
    Ok(raw)
}
