//! The search language of logs: words and `key:value`, all of which must hold.
//!
//! Tokens are split as a shell does (quotes, backslash). `decky`, `service`, `event`, `attacker` (`attacker-ip`,
//! `attacker_ip`), `session` and `port` (the decky's) compare a column, `decky` also by name alone; any other key
//! compares the field of that name. Everything else is looked for as words anywhere in the row ([`crate::words`]);
//! `beginning*` finds longer words too. Letter case counts in values, not in words. No text is a syntax error.

use crate::{
    rows::LogRow,
    words::{Facet, Needle, Words},
};
use std::net::IpAddr;

/// Tokens looked at.
const MOST_TOKENS: usize = 16;
/// Characters looked at.
const MOST_TEXT: usize = 1_024;

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    Decky(String),
    Service(String),
    Event(String),
    Attacker(String),
    Session(String),
    /// The decky's port.
    Port(String),
    Field(String, String),
    Text(String),
}

/// What is searched for: every term must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search(pub Vec<Term>);

impl Search {
    /// Reads a search text. Never fails.
    pub fn parse(text: &str) -> Self {
        Self(tokens(text).into_iter().map(Token::term).collect())
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the words of a row must hold, sessions left out. `None` if a term can match nothing at all.
    pub(crate) fn needles(&self) -> Option<Vec<Needle>> {
        let mut needles = Vec::new();
        for term in &self.0 {
            match term {
                Term::Decky(value) => needles.push(Needle::facet(Facet::Decky, value)),
                Term::Service(value) => needles.push(Needle::facet(Facet::Service, value)),
                Term::Event(value) => needles.push(Needle::facet(Facet::Event, value)),
                Term::Attacker(value) => needles.push(Needle::facet(Facet::Attacker, value)),
                Term::Port(value) => needles.push(Needle::facet(Facet::Port, value)),
                Term::Field(key, value) => needles.push(Needle::field(key, value)),
                Term::Session(_) => {}
                Term::Text(text) => {
                    let mut words = Needle::text(text);
                    if words.is_empty() {
                        return None;
                    }
                    needles.append(&mut words);
                }
            }
        }
        needles.dedup();
        Some(needles)
    }

    /// Whether a row matches, by the same rule as the index.
    pub fn matches(&self, row: &LogRow) -> bool {
        let sessions = self.0.iter().all(|term| match term {
            Term::Session(sid) => row.session_id.as_ref() == Some(sid),
            _ => true,
        });
        sessions && self.needles().is_some_and(|needles| needles.is_empty() || log_words(row).hold(&needles))
    }
}

/// Everything a log row is found by.
pub(crate) fn log_words(row: &LogRow) -> Words {
    let mut words = Words::default();
    words.facet(Facet::Decky, &row.decky);
    if let Some((_, name)) = row.decky.split_once(':') {
        words.facet(Facet::Decky, name);
    }
    words.facet(Facet::Service, &row.service);
    words.facet(Facet::Event, &row.event_type);
    if !row.attacker_ip.is_empty() {
        words.facet(Facet::Attacker, &row.attacker_ip);
    }
    if let Some(port) = row.dst_port {
        words.facet(Facet::Port, &port.to_string());
    }
    for text in [&row.decky, &row.service, &row.event_type, &row.attacker_ip, &row.msg] {
        words.text(text);
    }
    words.fields(&row.fields);
    words
}

#[derive(Debug, Default)]
struct Token {
    text: String,
    /// Byte offset of the first colon outside quotes.
    colon: Option<usize>,
}

impl Token {
    fn term(self) -> Term {
        let Some((key, value)) = self.colon.and_then(|at| self.text.split_at_checked(at)) else {
            return Term::Text(self.text);
        };
        let value = value.strip_prefix(':').unwrap_or(value);
        // `2001:db8::1` and `http://x` are things to look for, not keys.
        let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            && !value.is_empty()
            && !value.starts_with("//")
            && self.text.parse::<IpAddr>().is_err();
        if !is_key {
            return Term::Text(self.text);
        }
        let value = value.to_owned();
        match key {
            "decky" => Term::Decky(value),
            "service" => Term::Service(value),
            "event" | "event_type" => Term::Event(value),
            "attacker" | "attacker-ip" | "attacker_ip" => Term::Attacker(value),
            "session" | "session_id" => Term::Session(value),
            "port" => Term::Port(value),
            _ => Term::Field(key.replace('-', "_"), value),
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut current: Option<Token> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().take(MOST_TEXT);
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => current.get_or_insert_default().text.push(c),
            (_, '\\') => {
                if let Some(next) = chars.next() {
                    current.get_or_insert_default().text.push(next);
                }
            }
            (Some(_), c) => current.get_or_insert_default().text.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                current.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(current.take()),
            (None, c) => {
                let token = current.get_or_insert_default();
                if c == ':' && token.colon.is_none() {
                    token.colon = Some(token.text.len());
                }
                token.text.push(c);
            }
        }
    }
    out.extend(current.take());
    out.retain(|token| !token.text.is_empty());
    out.truncate(MOST_TOKENS);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(t: &str) -> Term {
        Term::Text(t.into())
    }

    #[test]
    fn tokens_and_keys() {
        for (search, expect) in [
            ("", vec![]),
            ("  wget  curl ", vec![text("wget"), text("curl")]),
            ("service:ssh root", vec![Term::Service("ssh".into()), text("root")]),
            ("attacker-ip:2001:db8::1", vec![Term::Attacker("2001:db8::1".into())]),
            ("2001:db8::1", vec![text("2001:db8::1")]),
            ("http://evil/x.sh", vec![text("http://evil/x.sh")]),
            ("principal:'ro ot' x", vec![Term::Field("principal".into(), "ro ot".into()), text("x")]),
            ("\"key:value\"", vec![text("key:value")]),
            ("user-agent:x", vec![Term::Field("user_agent".into(), "x".into())]),
            ("port:22 event:command", vec![Term::Port("22".into()), Term::Event("command".into())]),
            ("decky:local:web-01", vec![Term::Decky("local:web-01".into())]),
            ("10.0.0.5:8080", vec![text("10.0.0.5:8080")]),
            ("\"open", vec![text("open")]),
            ("a\\ b \\", vec![text("a b")]),
            ("key:", vec![text("key:")]),
            ("'' \"\"", vec![]),
        ] {
            assert_eq!(Search::parse(search).0, expect, "{search:?}");
        }
    }

    #[test]
    fn a_search_without_words_matches_nothing() {
        assert_eq!(Search::parse("***").needles(), None);
        assert_eq!(Search::parse("").needles(), Some(vec![]));
    }

    proptest! {
        #[test]
        fn no_text_is_a_syntax_error(search in "\\PC{0,60}") {
            for needle in Search::parse(&search).needles().unwrap_or_default() {
                prop_assert!(!needle.word.is_empty());
                prop_assert!(needle.word.chars().all(|c| c.is_alphanumeric() || "._:@-".contains(c)));
            }
        }
    }
}
