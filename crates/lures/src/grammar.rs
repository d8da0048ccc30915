//! Sentences from rules: one file of rules for each language, read once.
//!
//! ```text
//! @rule                      starts a rule; each following line is one alternative, `3* text` counts three times
//! {name}                     a fact of the thread, else another rule
//! [a|b|]                     one of these; may be nested, may be nothing
//! <informal/formal>          how the two address each other
//! ¶                          a new paragraph
//! # a comment
//! ```
//! An alternative is not taken twice in one thread while others are left, so that nobody repeats themselves.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::OnceLock,
};

use crate::Dice;

/// A language mail is written in.
#[derive(Debug)]
pub struct Language {
    /// ISO 639-1.
    pub code: &'static str,
    text: &'static str,
    rules: OnceLock<Rules>,
    pub weekdays: [&'static str; 7],
    pub months: [&'static str; 12],
}

/// Every language there is, by code.
pub static LANGUAGES: [Language; 5] = [
    Language {
        code: "de",
        text: include_str!("text/de.txt"),
        rules: OnceLock::new(),
        weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
        months: ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    },
    Language {
        code: "en",
        text: include_str!("text/en.txt"),
        rules: OnceLock::new(),
        weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        months: ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
    },
    Language {
        code: "es",
        text: include_str!("text/es.txt"),
        rules: OnceLock::new(),
        weekdays: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
        months: [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
    },
    Language {
        code: "fr",
        text: include_str!("text/fr.txt"),
        rules: OnceLock::new(),
        weekdays: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        months: ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"],
    },
    Language {
        code: "pt",
        text: include_str!("text/pt.txt"),
        rules: OnceLock::new(),
        weekdays: ["segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"],
        months: [
            "janeiro",
            "fevereiro",
            "março",
            "abril",
            "maio",
            "junho",
            "julho",
            "agosto",
            "setembro",
            "outubro",
            "novembro",
            "dezembro",
        ],
    },
];

/// The language `code` (its region is ignored); English if there are no rules for it.
pub fn language(code: &str) -> &'static Language {
    let [_, english, ..] = &LANGUAGES;
    let main = code.split(['-', '_']).next().unwrap_or(code);
    LANGUAGES.iter().find(|l| l.code.eq_ignore_ascii_case(main)).unwrap_or(english)
}

impl Language {
    fn rules(&self) -> &Rules {
        self.rules.get_or_init(|| Rules::read(self.text))
    }

    /// Whether there is a rule of this name.
    pub fn has(&self, rule: &str) -> bool {
        self.rules().0.contains_key(rule)
    }

    /// Names of all rules that begin with `prefix`.
    pub fn under(&self, prefix: &str) -> Vec<&str> {
        let mut all: Vec<&str> = self.rules().0.keys().map(String::as_str).filter(|k| k.starts_with(prefix)).collect();
        all.sort_unstable();
        all
    }
}

/// Rules by name.
#[derive(Debug, Default)]
struct Rules(HashMap<String, Vec<Alternative>>);

/// One way to say something.
#[derive(Debug)]
struct Alternative {
    /// Unique in its language.
    number: u32,
    weight: u32,
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Slot(String),
    Choice(Vec<Vec<Piece>>),
    /// Informal, formal.
    Address(Vec<Piece>, Vec<Piece>),
}

impl Rules {
    fn read(text: &str) -> Self {
        let mut rules: HashMap<String, Vec<Alternative>> = HashMap::new();
        let mut name = String::new();
        for (number, line) in (0..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(new) = line.strip_prefix('@') {
                name = new.trim().to_owned();
                continue;
            }
            let (weight, line) = match line.split_once("* ") {
                Some((n, rest)) if n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()) => (n.parse().unwrap_or(1), rest),
                _ => (1, line),
            };
            let pieces = pieces(&mut line.chars().peekable(), &[]);
            rules.entry(name.clone()).or_default().push(Alternative { number, weight, pieces });
        }
        Self(rules)
    }
}

/// Reads until one of `ends` (which is left for the caller) or the end.
fn pieces(input: &mut std::iter::Peekable<std::str::Chars<'_>>, ends: &[char]) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut text = String::new();
    while let Some(&c) = input.peek() {
        if ends.contains(&c) {
            break;
        }
        input.next();
        let piece = match c {
            '{' => {
                let name: String = input.by_ref().take_while(|&c| c != '}').collect();
                Piece::Slot(name)
            }
            '[' => {
                let mut choices = vec![pieces(input, &['|', ']'])];
                while input.next() == Some('|') {
                    choices.push(pieces(input, &['|', ']']));
                }
                Piece::Choice(choices)
            }
            '<' => {
                let informal = pieces(input, &['/', '>']);
                let formal = if input.next() == Some('/') {
                    let formal = pieces(input, &['>']);
                    input.next();
                    formal
                } else {
                    Vec::new()
                };
                Piece::Address(informal, formal)
            }
            c => {
                text.push(c);
                continue;
            }
        };
        if !text.is_empty() {
            all.push(Piece::Text(std::mem::take(&mut text)));
        }
        all.push(piece);
    }
    if !text.is_empty() {
        all.push(Piece::Text(text));
    }
    all
}

/// Longest text that one expansion gives, in bytes.
const LONGEST: usize = 8 * 1024;

/// Says things in one language for one thread.
#[derive(Debug)]
pub struct Speaker {
    language: &'static Language,
    /// What the thread is about.
    pub facts: BTreeMap<String, String>,
    /// Whether the two address each other formally.
    pub formal: bool,
    used: HashSet<u32>,
}

impl Speaker {
    /// Somebody who begins to speak.
    pub fn new(language: &'static Language) -> Self {
        Self { language, facts: BTreeMap::new(), formal: false, used: HashSet::new() }
    }

    /// Whether `rule` exists.
    pub fn knows(&self, rule: &str) -> bool {
        self.language.has(rule)
    }

    /// Expands `rule`; empty if there is none. Sentences begin with a capital, spaces are in order.
    pub fn say(&mut self, rule: &str, dice: &mut Dice) -> String {
        let mut text = String::new();
        self.expand(rule, dice, 0, &mut text);
        tidy(&text)
    }

    /// The same for what people say again and again, such as greetings.
    pub fn say_again(&mut self, rule: &str, dice: &mut Dice) -> String {
        let used = std::mem::take(&mut self.used);
        let text = self.say(rule, dice);
        self.used = used;
        text
    }

    fn expand(&mut self, rule: &str, dice: &mut Dice, depth: usize, out: &mut String) {
        if depth > 12 || out.len() > LONGEST {
            return;
        }
        if let Some(fact) = self.facts.get(rule) {
            out.push_str(fact);
            return;
        }
        let Some(alternatives) = self.language.rules().0.get(rule) else {
            debug_assert!(false, "no rule or fact {rule} in {}", self.language.code);
            return;
        };
        let fresh = |a: &&Alternative| !self.used.contains(&a.number);
        let mut total: u32 = alternatives.iter().filter(fresh).map(|a| a.weight).sum();
        let all = total == 0;
        if all {
            total = alternatives.iter().map(|a| a.weight).sum();
        }
        let mut left = dice.below(u64::from(total));
        let chosen = alternatives.iter().filter(|a| all || fresh(a)).find(|a| {
            let here = left < u64::from(a.weight);
            left = left.saturating_sub(u64::from(a.weight));
            here
        });
        if let Some(chosen) = chosen {
            self.used.insert(chosen.number);
            self.pieces(&chosen.pieces, dice, depth, out);
        }
    }

    fn pieces(&mut self, pieces: &'static [Piece], dice: &mut Dice, depth: usize, out: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(name) => self.expand(name, dice, depth + 1, out),
                Piece::Choice(choices) => {
                    let n = dice.index(choices.len());
                    self.pieces(choices.get(n).map(Vec::as_slice).unwrap_or_default(), dice, depth + 1, out);
                }
                Piece::Address(informal, formal) => self.pieces(if self.formal { formal } else { informal }, dice, depth + 1, out),
            }
        }
    }
}

/// One space between words, none before a full stop, a capital after one, `¶` as an empty line.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    let mut after_stop = false;
    for c in text.chars() {
        match c {
            '¶' => {
                while out.ends_with(' ') {
                    out.pop();
                }
                if !out.is_empty() && !out.ends_with("\n\n") {
                    out.push_str("\n\n");
                }
                (start, after_stop) = (true, false);
            }
            ' ' => {
                if !out.is_empty() && !out.ends_with([' ', '\n']) {
                    out.push(' ');
                }
                start |= after_stop;
            }
            '.' if out.ends_with('.') => after_stop = true,
            '.' | ',' | ';' if out.ends_with(' ') => {
                out.pop();
                if !out.ends_with(c) {
                    out.push(c);
                }
                after_stop = c == '.';
            }
            c => {
                if start && c.is_lowercase() {
                    out.extend(c.to_uppercase());
                } else {
                    out.push(c);
                }
                // Opening marks come before the first letter.
                start = start && matches!(c, '¿' | '¡' | '"' | '«' | '(' | '„');
                after_stop = matches!(c, '.' | '?' | '!');
            }
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_capitals() {
        let check = |text: &str, expect: &str| assert_eq!(tidy(text), expect);
        check("hello  there .  how are you? ¿bien? ", "Hello there. How are you? ¿Bien?");
        check("one. ¶ two ¶ ¶ three", "One.\n\nTwo\n\nThree");
        check("see 10.5 and files.acme.lan now", "See 10.5 and files.acme.lan now");
        check("a ., b", "A., b");
    }

    /// Every slot of every rule of every language is a rule or a known fact, and every rule of English exists.
    #[test]
    fn no_rule_is_missing() {
        fn slots<'a>(pieces: &'a [Piece], found: &mut Vec<&'a str>) {
            for piece in pieces {
                match piece {
                    Piece::Slot(name) => found.push(name),
                    Piece::Choice(all) => all.iter().for_each(|p| slots(p, found)),
                    Piece::Address(a, b) => {
                        slots(a, found);
                        slots(b, found);
                    }
                    Piece::Text(text) => assert!(!text.contains(['[', ']', '{', '}', '<', '>', '|', '—', '–']), "{text}"),
                }
            }
        }
        let english = language("en");
        for language in &LANGUAGES {
            let mut wrong = Vec::new();
            for (name, alternatives) in &language.rules().0 {
                for alternative in alternatives {
                    let mut found = Vec::new();
                    slots(&alternative.pieces, &mut found);
                    wrong.extend(
                        found.iter().filter(|s| !language.has(s) && !crate::words::FACTS.contains(s)).map(|s| format!("{name}: {{{s}}}")),
                    );
                }
            }
            wrong.extend(english.rules().0.keys().filter(|k| !language.has(k)).map(|k| format!("no @{k}")));
            assert!(wrong.is_empty(), "{}: {wrong:?}", language.code);
        }
    }

    #[test]
    fn unknown_languages_are_english() {
        assert_eq!((language("pt-BR").code, language("xx").code, language("DE").code), ("pt", "en", "de"));
    }
}
