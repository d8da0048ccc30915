//! The TOML form.

use std::path::Path;
use toml::de::{DeTable, DeValue};

use super::{
    ConfigError,
    raw::{Entry, Form, Knobs, Raw, Section, Value},
};

const TOP: &str = "[network], [decky.NAME], [decky.NAME.SERVICE]";

/// Reads `text` into sections.
pub(super) fn parse(text: &str, file: &Path) -> Result<Raw, ConfigError> {
    let lines = Lines::of(text);
    let document = DeTable::parse(text).map_err(|e| {
        let line = e.span().map_or(1, |s| lines.at(s.start));
        ConfigError::new(file, line, "", format!("not valid TOML: {}", e.message()), "")
    })?;
    let mut raw = Raw { form: Form::Toml, ..Raw::default() };
    for (key, value) in in_order(document.get_ref()) {
        let line = lines.at(key.span().start);
        let wrong = |message: &str| ConfigError::new(file, line, key.get_ref().as_ref(), message, TOP);
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("network", DeValue::Table(table)) => {
                raw.network = Some(Section { name: "network".into(), line, entries: entries(table, &lines) });
            }
            ("decky", DeValue::Table(table)) => {
                for (name, body) in in_order(table) {
                    let line = lines.at(name.span().start);
                    let DeValue::Table(body) = body.get_ref() else {
                        return Err(ConfigError::new(file, line, name.get_ref().as_ref(), "must be a table of a decky", TOP));
                    };
                    decky(name.get_ref(), line, body, &lines, &mut raw);
                }
            }
            ("network" | "decky", _) => return Err(wrong("must be a table")),
            _ => return Err(wrong("unknown section or key")),
        }
    }
    Ok(raw)
}

fn decky(name: &str, line: u32, body: &DeTable<'_>, lines: &Lines, raw: &mut Raw) {
    for (key, value) in in_order(body) {
        if let DeValue::Table(table) = value.get_ref() {
            raw.knobs.push(Knobs {
                owner: name.to_owned(),
                service: key.get_ref().to_string(),
                line: lines.at(key.span().start),
                entries: entries(table, lines),
            });
        }
    }
    let entries = entries(body, lines).into_iter().filter(|e| !matches!(e.value, Value::Other("table"))).collect();
    raw.deckies.push(Section { name: name.to_owned(), line, entries });
}

fn entries(table: &DeTable<'_>, lines: &Lines) -> Vec<Entry> {
    in_order(table)
        .into_iter()
        .map(|(key, value)| Entry { key: key.get_ref().to_string(), line: lines.at(key.span().start), value: plain(value.get_ref()) })
        .collect()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Other("number out of range"),
        },
        DeValue::Float(_) => Value::Other("fraction"),
        DeValue::Datetime(_) => Value::Other("date"),
        DeValue::Table(_) => Value::Other("table"),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|i| match plain(i.get_ref()) {
                    Value::Text(text) => Some(text),
                    _ => None,
                })
                .collect();
            texts.map_or(Value::Other("list of something else than text"), Value::List)
        }
    }
}

type Pair<'t, 'i> = (&'t toml::Spanned<toml::de::DeString<'i>>, &'t toml::Spanned<DeValue<'i>>);

/// The table as the file has it: the parser sorts by key, people do not.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<Pair<'t, 'i>> {
    let mut pairs: Vec<Pair<'t, 'i>> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs
}

/// Byte offset to line.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|end| *end < offset) + 1).unwrap_or(u32::MAX)
    }
}
