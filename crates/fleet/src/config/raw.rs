//! What both forms have in common before anything is checked: sections of keys, each with its line.

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// `[general]` or `[network]`.
    pub(super) network: Option<Section>,
    pub(super) deckies: Vec<Section>,
    pub(super) knobs: Vec<Knobs>,
    /// Keys of the general section as this form spells them.
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Toml,
    Ini,
}

/// One section.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: u32,
    pub(super) entries: Vec<Entry>,
}

/// Settings of one service of one decky or group.
#[derive(Debug)]
pub(super) struct Knobs {
    pub(super) owner: String,
    pub(super) service: String,
    pub(super) line: u32,
    pub(super) entries: Vec<Entry>,
}

/// `key = value`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u32,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<String>),
    /// A kind no key takes (a float, a date, a nested list); its TOML name.
    Other(&'static str),
}

impl Entry {
    /// As text: numbers and flags too, so that a knob may be written either way.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::List(_) | Value::Other(_) => None,
        }
    }

    /// As a whole number.
    pub(super) fn number(&self) -> Option<i64> {
        match &self.value {
            Value::Text(text) => text.trim().parse().ok(),
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// As a list: a TOML array, or text split at commas.
    pub(super) fn list(&self) -> Option<Vec<String>> {
        match &self.value {
            Value::Text(text) => Some(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()),
            Value::List(items) => Some(items.clone()),
            _ => None,
        }
    }

    /// What was written, for a message.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::List(items) => items.join(", "),
            Value::Other(kind) => (*kind).to_owned(),
            _ => self.text().unwrap_or_default(),
        }
    }
}
