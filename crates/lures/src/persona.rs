//! A person of the company as an operator describes one, and the check that names entry and field.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;

use crate::hours::Hours;

/// How somebody writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    #[default]
    Formal,
    Direct,
    Casual,
    Technical,
    /// Described in `tone_custom`; only a language model can follow it.
    Custom,
}

/// How long somebody takes to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    Fast,
    #[default]
    Normal,
    Slow,
}

/// Somebody who writes and receives mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// 1 to 128 characters.
    pub name: String,
    /// 3 to 255 ASCII characters; unique in its list, whatever the letter case.
    pub email: String,
    /// 1 to 128 characters.
    pub role: String,
    pub tone: Tone,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tone_custom: Option<String>,
    /// At most 12.
    pub mannerisms: Vec<String>,
    /// ISO 639-1 code; `None`: what the topology or the pool says.
    pub language: Option<String>,
    /// At most 512 characters, may have several lines.
    pub signature: Option<String>,
    /// `HH:MM-HH:MM` in `timezone`.
    pub active_hours: String,
    pub reply_latency: Latency,
    /// Leaves em-dashes in what it writes, as people do who let a model write.
    pub uses_llms_heavily: bool,
    /// IANA name; `None`: that of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Addresses of those it writes to most. Empty: anybody of the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Address of the superior.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Department; people of one department write to each other more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
}

impl Person {
    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.email.rsplit_once('@').map_or(self.email.as_str(), |(l, _)| l)
    }

    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.email.rsplit_once('@').map_or("localhost", |(_, d)| d)
    }

    /// The first word of the name.
    pub fn first_name(&self) -> &str {
        self.name.split_whitespace().next().unwrap_or(&self.name)
    }

    /// The name without its first word.
    pub fn last_name(&self) -> &str {
        self.name.trim().split_once(char::is_whitespace).map_or(self.name.as_str(), |(_, l)| l.trim())
    }

    /// Its working hours.
    pub fn hours(&self) -> Hours {
        Hours::parse(&self.active_hours).unwrap_or_default()
    }
}

/// What is wrong with one field of one entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("not JSON: {0}")]
    Json(String),
    #[error("not a list of personas but {0}")]
    NotAList(&'static str),
    #[error("the list is empty")]
    Empty,
    #[error("entry {entry}{who}: {field}: {why}")]
    Field {
        /// Place in the list, from 0.
        entry: usize,
        /// ` ("name")` if the entry has one.
        who: String,
        field: String,
        why: String,
    },
    #[error("and {0} more problems")]
    More(usize),
}

/// Most problems that are told one by one.
const TOLD: usize = 20;

/// Most personas in one list.
pub const MOST: usize = 100_000;

const FIELDS: &[&str] = &[
    "name",
    "email",
    "role",
    "tone",
    "tone_custom",
    "mannerisms",
    "language",
    "signature",
    "active_hours",
    "reply_latency",
    "uses_llms_heavily",
    "timezone",
    "contacts",
    "manager",
    "department",
];

/// Reads a list of personas: all of them, or everything that is wrong.
pub fn parse(text: &str) -> Result<Vec<Person>, Vec<Problem>> {
    let value: Value = serde_json::from_str(text).map_err(|e| vec![Problem::Json(e.to_string())])?;
    check(&value)
}

/// The same for a value that was read already.
pub fn check(value: &Value) -> Result<Vec<Person>, Vec<Problem>> {
    let Value::Array(entries) = value else {
        return Err(vec![Problem::NotAList(kind(value))]);
    };
    if entries.is_empty() {
        return Err(vec![Problem::Empty]);
    }
    let mut judge = Judge::default();
    if entries.len() > MOST {
        judge.tell(MOST, "", "list", format!("more than {MOST} personas"));
    }
    let mut people = Vec::with_capacity(entries.len().min(MOST));
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(people.capacity());
    for (entry, value) in entries.iter().enumerate().take(MOST) {
        let Value::Object(map) = value else {
            judge.tell(entry, "", "entry", format!("not an object but {}", kind(value)));
            continue;
        };
        let person = judge.person(entry, map);
        if let Some(first) = seen.insert(person.email.to_lowercase(), entry)
            && !person.email.is_empty()
        {
            judge.tell(entry, &person.name, "email", format!("{:?} is entry {first}'s already", person.email));
        }
        people.push(person);
    }
    for (entry, person) in people.iter().enumerate() {
        let unknown = |address: &&String| !seen.contains_key(&address.to_lowercase());
        for (field, address) in person
            .manager
            .iter()
            .filter(unknown)
            .map(|a| ("manager", a))
            .chain(person.contacts.iter().filter(unknown).map(|a| ("contacts", a)))
        {
            judge.tell(entry, &person.name, field, format!("nobody of the list has the address {address:?}"));
        }
    }
    judge.verdict(people)
}

/// Collects problems.
#[derive(Default)]
struct Judge {
    problems: Vec<Problem>,
    more: usize,
}

impl Judge {
    fn tell(&mut self, entry: usize, name: &str, field: &str, why: String) {
        if self.problems.len() >= TOLD {
            self.more += 1;
            return;
        }
        let who = if name.is_empty() { String::new() } else { format!(" ({:?})", short(name)) };
        self.problems.push(Problem::Field { entry, who, field: field.into(), why });
    }

    fn verdict(mut self, people: Vec<Person>) -> Result<Vec<Person>, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(people);
        }
        if self.more > 0 {
            self.problems.push(Problem::More(self.more));
        }
        Err(self.problems)
    }

    fn person(&mut self, entry: usize, map: &Map<String, Value>) -> Person {
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        for key in map.keys().filter(|k| !FIELDS.contains(&k.as_str())) {
            self.tell(entry, &name, &short(key), "there is no such field".into());
        }
        let mut field = Field { judge: self, entry, name: &name, map };
        let person = Person {
            email: field.email("email").unwrap_or_default(),
            role: field.line("role", 128, true).unwrap_or_default(),
            tone: field.one_of("tone").unwrap_or_default(),
            tone_custom: field.line("tone_custom", 128, false),
            mannerisms: field.list("mannerisms", 12, |f, text| f.plain("mannerisms", text, 200)),
            language: field.language(),
            signature: field.signature(),
            active_hours: field.hours(),
            reply_latency: field.one_of("reply_latency").unwrap_or_default(),
            uses_llms_heavily: field.flag("uses_llms_heavily"),
            timezone: field.zone(),
            contacts: field.list("contacts", 1000, |f, text| f.address("contacts", text)),
            manager: field.email_if("manager"),
            department: field.line("department", 128, false),
            name: field.line("name", 128, true).unwrap_or_default(),
        };
        if person.tone == Tone::Custom && person.tone_custom.is_none() {
            self.tell(entry, &name, "tone_custom", "must say how, since tone is custom".into());
        }
        person
    }
}

/// One field of one entry being read.
struct Field<'a> {
    judge: &'a mut Judge,
    entry: usize,
    name: &'a str,
    map: &'a Map<String, Value>,
}

impl Field<'_> {
    fn wrong(&mut self, field: &str, why: impl Into<String>) {
        self.judge.tell(self.entry, self.name, field, why.into());
    }

    /// Text, trimmed; `None` if absent, null, blank or wrong (which is told).
    fn text(&mut self, field: &str, needed: bool) -> Option<String> {
        let map = self.map;
        match map.get(field) {
            None | Some(Value::Null) => {
                if needed {
                    self.wrong(field, "is missing");
                }
                None
            }
            Some(Value::String(text)) => {
                let text = text.trim();
                if text.is_empty() {
                    if needed {
                        self.wrong(field, "is empty");
                    }
                    return None;
                }
                Some(text.to_owned())
            }
            Some(other) => {
                self.wrong(field, format!("must be text, is {}", kind(other)));
                None
            }
        }
    }

    fn plain(&mut self, field: &str, text: &str, most: usize) -> Option<String> {
        let length = text.chars().count();
        if length > most {
            self.wrong(field, format!("has {length} characters, at most {most} are allowed"));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.wrong(field, "has a control character");
            return None;
        }
        Some(text.to_owned())
    }

    fn line(&mut self, field: &str, most: usize, needed: bool) -> Option<String> {
        let text = self.text(field, needed)?;
        self.plain(field, &text, most)
    }

    fn address(&mut self, field: &str, text: &str) -> Option<String> {
        match address_problem(text) {
            None => Some(text.to_owned()),
            Some(why) => {
                self.wrong(field, format!("{:?} {why}", short(text)));
                None
            }
        }
    }

    fn email(&mut self, field: &str) -> Option<String> {
        let text = self.text(field, true)?;
        self.address(field, &text)
    }

    fn email_if(&mut self, field: &str) -> Option<String> {
        let text = self.text(field, false)?;
        self.address(field, &text)
    }

    fn list(&mut self, field: &str, most: usize, mut read: impl FnMut(&mut Self, &str) -> Option<String>) -> Vec<String> {
        let map = self.map;
        match map.get(field) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                if items.len() > most {
                    self.wrong(field, format!("has {} items, at most {most} are allowed", items.len()));
                    return Vec::new();
                }
                let mut all = Vec::with_capacity(items.len());
                for (n, item) in items.iter().enumerate() {
                    match item {
                        Value::String(text) => all.extend(read(self, text.trim())),
                        other => self.wrong(field, format!("item {n} must be text, is {}", kind(other))),
                    }
                }
                all
            }
            Some(other) => {
                self.wrong(field, format!("must be a list of text, is {}", kind(other)));
                Vec::new()
            }
        }
    }

    fn flag(&mut self, field: &str) -> bool {
        let map = self.map;
        match map.get(field) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(yes)) => *yes,
            Some(other) => {
                self.wrong(field, format!("must be true or false, is {}", kind(other)));
                false
            }
        }
    }

    fn one_of<T: serde::de::DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let text = self.text(field, false)?;
        let found = serde_json::from_value(Value::String(text.clone())).ok();
        if found.is_none() {
            let known = if field == "tone" { "formal, direct, casual, technical, custom" } else { "fast, normal, slow" };
            self.wrong(field, format!("{:?} is none of {known}", short(&text)));
        }
        found
    }

    fn language(&mut self) -> Option<String> {
        let text = self.text("language", false)?.to_lowercase();
        let (main, region) = text.split_once('-').unwrap_or((&text, "xx"));
        let letters = |t: &str, n: std::ops::RangeInclusive<usize>| n.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_lowercase());
        if letters(main, 2..=3) && letters(region, 2..=4) {
            return Some(text);
        }
        self.wrong("language", format!("{:?} is no language code (en, es, pt, de, fr, …)", short(&text)));
        None
    }

    fn signature(&mut self) -> Option<String> {
        let text = self.text("signature", false)?.replace("\r\n", "\n");
        let length = text.chars().count();
        if length > 512 {
            self.wrong("signature", format!("has {length} characters, at most 512 are allowed"));
            return None;
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            self.wrong("signature", "has a control character");
            return None;
        }
        Some(text)
    }

    fn hours(&mut self) -> String {
        let usual = "09:00-18:00".to_owned();
        let Some(text) = self.text("active_hours", false) else {
            return usual;
        };
        if Hours::parse(&text).is_none() {
            self.wrong("active_hours", format!("{:?} is not HH:MM-HH:MM", short(&text)));
            return usual;
        }
        text
    }

    fn zone(&mut self) -> Option<String> {
        let text = self.text("timezone", false)?;
        let shaped = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'));
        if !shaped || jiff::tz::TimeZone::get(&text).is_err() {
            self.wrong("timezone", format!("{:?} is no time zone (Europe/Madrid, …)", short(&text)));
            return None;
        }
        Some(text)
    }
}

/// Why `text` is not an address, or `None` if it is one.
pub fn address_problem(text: &str) -> Option<&'static str> {
    if !(3..=255).contains(&text.len()) {
        return Some("must have 3 to 255 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some("must be ASCII without spaces");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return Some("has no @");
    };
    if local.is_empty() || local.len() > 64 {
        return Some("must have 1 to 64 characters before the @");
    }
    if !local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b))
        || local.starts_with('.')
        || local.ends_with('.')
        || local.contains("..")
    {
        return Some("has a character before the @ that needs quoting");
    }
    if !domain.contains('.') {
        return Some("has no dot after the @");
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !l.starts_with('-') && !l.ends_with('-')
    };
    (!domain.split('.').all(label)).then_some("has no domain name after the @")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_missing_has_its_default() {
        let people = parse(r#"[{"name":"Ana Ruiz","email":"ana@acme.com","role":"Buyer","signature":null}]"#).unwrap();
        let ana = &people[0];
        assert_eq!((ana.tone, ana.reply_latency, ana.active_hours.as_str()), (Tone::Formal, Latency::Normal, "09:00-18:00"));
        assert_eq!((ana.first_name(), ana.last_name(), ana.local_part(), ana.domain()), ("Ana", "Ruiz", "ana", "acme.com"));
        let again = parse(&serde_json::to_string(&people).unwrap()).unwrap();
        assert_eq!(again, people);
    }

    #[test]
    fn problems_name_entry_and_field() {
        let good = r#"{"name":"A","email":"a@b.c","role":"x"}"#;
        let check = |extra: &str, expect: &str| {
            let text = format!(r#"[{good},{{"name":"Bob","email":"bob@b.c","role":"y"{extra}}}]"#);
            assert_eq!(problems(&text), [expect], "{extra}");
        };
        check(r#","tone":"rude""#, r#"entry 1 ("Bob"): tone: "rude" is none of formal, direct, casual, technical, custom"#);
        check(r#","tone":"custom""#, r#"entry 1 ("Bob"): tone_custom: must say how, since tone is custom"#);
        check(r#","active_hours":"9 to 5""#, r#"entry 1 ("Bob"): active_hours: "9 to 5" is not HH:MM-HH:MM"#);
        check(r#","uses_llms_heavily":"yes""#, r#"entry 1 ("Bob"): uses_llms_heavily: must be true or false, is text"#);
        check(r#","mannerisms":"says so""#, r#"entry 1 ("Bob"): mannerisms: must be a list of text, is text"#);
        check(r#","timezone":"Mars/Phobos""#, r#"entry 1 ("Bob"): timezone: "Mars/Phobos" is no time zone (Europe/Madrid, …)"#);
        check(r#","manager":"x@y.z""#, r#"entry 1 ("Bob"): manager: nobody of the list has the address "x@y.z""#);
        check(r#","nickname":"b""#, r#"entry 1 ("Bob"): nickname: there is no such field"#);
        check(r#","department":"a\u0007b""#, r#"entry 1 ("Bob"): department: has a control character"#);
        assert_eq!(
            problems(&format!(r#"[{good},{{"name":"A","email":"A@B.C","role":"x"}}]"#)),
            [r#"entry 1 ("A"): email: "A@B.C" is entry 0's already"#]
        );
        assert_eq!(problems(r#"[{"name":"  ","email":"a@b","role":7}]"#).len(), 3);
        assert_eq!(problems("[3]"), ["entry 0: entry: not an object but a number"]);
        assert_eq!(problems("{}"), ["not a list of personas but an object"]);
        assert_eq!(problems("[]"), ["the list is empty"]);
        assert!(problems("[{").first().unwrap().starts_with("not JSON: "));
    }

    #[test]
    fn addresses_cannot_break_a_header() {
        for bad in ["a@b", "@b.c", "a b@c.d", "a\r\nBcc: x@y.z@c.d", "<a@b.c>", "a@b..c", "a@-b.c", "a,b@c.d", "ñ@b.c", "a..b@c.d"] {
            assert!(address_problem(bad).is_some(), "{bad:?}");
        }
        for good in ["a@b.c", "ana.ruiz+lists@corp.acme-foods.com", "o'neill@x.org"] {
            assert_eq!(address_problem(good), None, "{good}");
        }
    }

    #[test]
    fn many_wrong_entries_are_told_shortly() {
        let entries = vec!["{}"; 10_000].join(",");
        let told = problems(&format!("[{entries}]"));
        assert_eq!(told.len(), TOLD + 1);
        assert_eq!(told.last().unwrap(), "and 29980 more problems");
    }
}
