//! What a row is found by: a set of words, the same function for the index, for rows not indexed yet, and for what
//! is searched. A row matches when its set holds every word that is asked for.
//!
//! Two kinds of words: *plain* ones are runs of letters and digits in lower case; a run may be joined by `. _ : @ -`
//! and then counts whole and in pieces (`10.0.0.5:22` is found by itself, by `10.0.0.5` and by `22`). *Facets* stand
//! for an exact value of a column or field (`service` is `ssh`), written `_` and 15 hexadecimal digits of a hash, which
//! no plain word begins with. CJK characters are words by themselves.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Longest plain word in bytes; a longer one is compared by its beginning.
const MOST_WORD: usize = 64;
/// Text looked at in one value, in bytes.
const MOST_TEXT: usize = 256 * 1024;
/// Words kept of one row.
const MOST_WORDS: usize = 4_096;
/// Nesting of JSON that is followed.
const MOST_DEPTH: usize = 8;
/// Shortest beginning that `beginning*` accepts, in characters.
const LEAST_PREFIX: usize = 2;

/// Fields that hold encoded bytes: no words in them (still found as `key:value`).
const ENCODED: &[&str] = &["syn", "client_hello", "kexinit"];

/// What a facet says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    Decky,
    Service,
    Event,
    Attacker,
    Port,
    Field,
    Kind,
}

/// A word that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Needle {
    pub(crate) word: String,
    /// Whether a longer word that begins so will do.
    pub(crate) prefix: bool,
}

/// The set of words of one row.
#[derive(Debug, Default)]
pub struct Words(HashSet<String>);

impl Words {
    /// Adds the words of a text.
    pub fn text(&mut self, text: &str) {
        each_run(head(text, MOST_TEXT), &mut |run| {
            if self.0.len() >= MOST_WORDS {
                return;
            }
            for piece in run.split([':', '@']) {
                for part in piece.split(['.', '_', '-']) {
                    if part.len() != piece.len() {
                        self.add(part);
                    }
                }
                if piece.len() != run.len() {
                    self.add(piece);
                }
            }
            self.add(run);
        });
    }

    /// Adds the fact that `facet` is `value`.
    pub fn facet(&mut self, facet: Facet, value: &str) {
        self.0.insert(facet_word(facet, "", value));
    }

    /// Adds the fact that the field `key` is `value`.
    pub fn field(&mut self, key: &str, value: &str) {
        self.0.insert(facet_word(Facet::Field, key, value));
    }

    /// Adds every field as a fact, and the words of its text.
    pub fn fields(&mut self, fields: &Map<String, Value>) {
        for (key, value) in fields {
            if self.0.len() >= MOST_WORDS {
                return;
            }
            if let Some(text) = scalar(value) {
                self.0.insert(facet_word(Facet::Field, key, &text));
            }
            if !(ENCODED.contains(&key.as_str()) || key.ends_with("_b64") || key.ends_with("_hex")) {
                self.value(value, MOST_DEPTH);
            }
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.text(text),
            Value::Number(number) => self.text(&number.to_string()),
            Value::Array(items) if depth > 0 => items.iter().for_each(|item| self.value(item, depth - 1)),
            Value::Object(map) if depth > 0 => map.values().for_each(|item| self.value(item, depth - 1)),
            _ => {}
        }
    }

    fn add(&mut self, word: &str) {
        let word = word.trim_matches(is_joint);
        if !word.is_empty() {
            let word = head(word, MOST_WORD);
            if !self.0.contains(word) {
                self.0.insert(word.to_owned());
            }
        }
    }

    /// Whether every needle is there.
    pub fn hold(&self, needles: &[Needle]) -> bool {
        needles
            .iter()
            .all(|needle| self.0.contains(&needle.word) || (needle.prefix && self.0.iter().any(|word| word.starts_with(&needle.word))))
    }

    /// The words, sorted.
    pub fn into_sorted(self) -> Vec<String> {
        let mut words: Vec<String> = self.0.into_iter().collect();
        words.sort_unstable();
        words
    }
}

impl Needle {
    /// The fact that `facet` is `value`.
    pub fn facet(facet: Facet, value: &str) -> Self {
        Self { word: facet_word(facet, "", value), prefix: false }
    }

    /// The fact that the field `key` is `value`.
    pub fn field(key: &str, value: &str) -> Self {
        Self { word: facet_word(Facet::Field, key, value), prefix: false }
    }

    /// The words of a text that is searched for; a `*` at its end asks for a beginning. Empty if it has no words.
    pub fn text(text: &str) -> Vec<Self> {
        let starred = text.ends_with('*') && text.chars().rev().nth(1).is_some_and(char::is_alphanumeric);
        let mut needles: Vec<Self> = Vec::new();
        each_run(head(text, MOST_TEXT), &mut |run| {
            let word = head(run, MOST_WORD).to_owned();
            needles.push(Self { word, prefix: false });
        });
        if let Some(last) = needles.last_mut() {
            last.prefix = starred && last.word.chars().count() >= LEAST_PREFIX && last.word.len() < MOST_WORD;
        }
        needles
    }
}

/// The text of a JSON value that is not a list or an object.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn facet_word(facet: Facet, key: &str, value: &str) -> String {
    let mut hash = Sha256::new();
    hash.update([facet as u8]);
    hash.update(key.as_bytes());
    hash.update([0]);
    hash.update(value.as_bytes());
    let digits = hex::encode(hash.finalize().get(..8).unwrap_or_default());
    format!("_{}", head(&digits, 15))
}

/// Joins runs into one word: addresses, host names, file names, e-mail addresses.
fn is_joint(c: char) -> bool {
    matches!(c, '.' | '_' | ':' | '@' | '-')
}

/// Written without spaces: each character is a word.
fn is_cjk(c: char) -> bool {
    matches!(c as u32, 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0x2_0000..=0x3_ffff)
}

fn each_run(text: &str, take: &mut dyn FnMut(&str)) {
    let mut run = String::new();
    let flush = |run: &mut String, take: &mut dyn FnMut(&str)| {
        let word = run.trim_matches(is_joint);
        if !word.is_empty() {
            take(word);
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() || is_joint(c) {
                run.push(c.to_ascii_lowercase());
            } else if !run.is_empty() {
                flush(&mut run, take);
            }
        } else if is_cjk(c) && c.is_alphanumeric() {
            flush(&mut run, take);
            run.push(c);
            flush(&mut run, take);
        } else if c.is_alphanumeric() {
            run.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()));
        } else {
            flush(&mut run, take);
        }
    }
    flush(&mut run, take);
}

/// At most `most` bytes from the beginning, whole characters.
fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, search: &str) -> bool {
        let mut words = Words::default();
        words.text(text);
        let needles = Needle::text(search);
        !needles.is_empty() && words.hold(&needles)
    }

    #[test]
    fn words_are_found_whole_and_in_pieces() {
        for (text, search, expect) in [
            ("GET /cgi-bin/x.php from 10.0.0.5:8080", "10.0.0.5", true),
            ("GET /cgi-bin/x.php from 10.0.0.5:8080", "8080", true),
            ("GET /cgi-bin/x.php from 10.0.0.5:8080", "/CGI-bin/x.php", true),
            ("GET /cgi-bin/x.php from 10.0.0.5:8080", "cgi", true),
            ("GET /cgi-bin/x.php", "cg", false),
            ("GET /cgi-bin/x.php", "cg*", true),
            ("from 5.0.0.10", "10.0.0.5", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("mail to root@example.org now", "example.org", true),
            ("mail to root@example.org now", "root", true),
            ("Ünïcode ÄÖ", "äö", true),
            ("漢字かな", "字", true),
            ("a\0b\u{1b}c", "b", true),
            ("wget-log", "wget", true),
            ("x", "***", false),
        ] {
            assert_eq!(found(text, search), expect, "{search:?} in {text:?}");
        }
    }

    #[test]
    fn long_words_are_compared_by_their_beginning() {
        let long = "a".repeat(100_000);
        assert!(found(&long, &long));
        assert!(found(&format!("{long} b"), "b"));
    }

    #[test]
    fn no_text_can_forge_a_facet() {
        let needle = Needle::facet(Facet::Service, "ssh");
        let mut words = Words::default();
        words.text(&needle.word);
        assert!(!words.hold(&[needle]));
    }

    #[test]
    fn words_of_any_text_hold_nothing_but_letters_digits_and_joints() {
        let mut words = Words::default();
        words.text("\"' OR 1=1 -- ) AND (\" NEAR* ^x {a b} : c + \u{0301} \u{200b}");
        assert!(words.0.iter().all(|w| w.chars().all(|c| c.is_alphanumeric() || is_joint(c))), "{words:?}");
    }
}
