//! What was seen of one source address, row by row as the store keeps them, divided where one address is plainly two
//! people: behind a shared exit, or when an address is given to somebody else.
//!
//! A [`Strand`] is the part of an address's traffic that belongs together; nearly every address has one. Rows are taken
//! in the order they were stored; taking them in one go or in many gives the same.

use crate::{dice::digest, dice::mix, endpoint, tactics};
use model::{Micros, Phase, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Strands of one address at most; what comes after joins the last.
const STRANDS: usize = 16;
/// Values kept of each kind.
const VALUES: usize = 32;
const COMMANDS: usize = 48;
const CREDENTIALS: usize = 256;
const SETS: usize = 8;
const OPEN: usize = 64;
const WINDOWS: usize = 128;
const DECKIES: usize = 256;
const SPELLS: usize = 32;
/// An address silent for so long may have gone to somebody else.
const REUSED_AFTER: i64 = 30 * 86_400 * 1_000_000;
/// Spells of one phase on one decky closer than this are one.
const SPELL_GAP: i64 = 3_600 * 1_000_000;

/// One stored row, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub at: Micros,
    pub decky: &'a str,
    pub service: &'a str,
    pub event_type: &'a str,
    /// Empty: none.
    pub session: &'a str,
    pub fields: &'a Map<String, Value>,
}

/// A phase on a decky, from its first to its last sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    pub phase: Phase,
    pub first: Micros,
    pub last: Micros,
}

/// What happened on one decky.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    pub first: Micros,
    pub last: Micros,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spells: Vec<Spell>,
}

/// What a session that has not ended has shown so far, as sums that do not depend on order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    secrets: u64,
    tried: u32,
    lines: u64,
    ran: u32,
    failed: u32,
    at: i64,
}

/// Everything known of one strand. Sets are capped; what is past a cap is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Strand {
    pub first: Micros,
    pub last: Micros,
    pub events: u64,
    pub sessions: u64,
    /// JA4, which stays when a client shuffles what it sends.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ja4: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ja3: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hassh: BTreeSet<String>,
    /// Sha256 of files left.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub payloads: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub c2: BTreeSet<String>,
    /// Account and secret, as a digest.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub credentials: BTreeSet<u64>,
    /// Digests of whole lists of credentials tried in one session.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<u64>,
    /// Digests of whole sets of commands run in one session.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub scripts: BTreeSet<u64>,
    /// By phase; lines without a phase stand under none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<Phase, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub deckies: BTreeMap<String, Visit>,
    /// When it was there: beginnings and ends of sessions, overlapping ones joined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<(Micros, Micros)>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<String, Open>,
    /// Connections whose strand is not known yet: when, and where.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pending: BTreeMap<String, (Micros, String)>,
}

/// All of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub strands: Vec<Strand>,
}

impl Address {
    /// Takes in one row; the strand it belongs to, if that is known already. The numbers of the strands that changed go to
    /// `touched`.
    pub fn take(&mut self, line: &Line<'_>, touched: &mut BTreeSet<usize>) -> Option<usize> {
        let at = match self.strand_of(line) {
            Some(at) => at,
            None => {
                // A connection to an address that has strands: what follows tells whose it is.
                if let Some(first) = self.strands.first_mut() {
                    while first.pending.len() >= OPEN {
                        first.pending.pop_first();
                    }
                    first.pending.insert(line.session.to_owned(), (line.at, line.decky.to_owned()));
                    touched.insert(0);
                }
                return None;
            }
        };
        let waited = self.strands.first_mut().and_then(|s| s.pending.remove(line.session));
        let strand = self.strands.get_mut(at)?;
        touched.insert(at);
        if let Some((when, decky)) = waited {
            touched.insert(0);
            strand.touch(when, &decky);
            strand.begin(line.session, when);
        }
        strand.take(line);
        Some(at)
    }

    /// Which strand a row belongs to; a new one is made if it is nobody's. `None`: not to be known yet.
    fn strand_of(&mut self, line: &Line<'_>) -> Option<usize> {
        if !line.session.is_empty()
            && let Some(at) = self.strands.iter().position(|s| s.open.contains_key(line.session))
        {
            return Some(at);
        }
        if self.strands.is_empty() {
            self.strands.push(Strand::default());
            return Some(0);
        }
        let latest = self.latest(|_| true);
        let stale = |strand: &Strand| line.at.0 - strand.last.0 > REUSED_AFTER;
        let text = |key: &str| line.fields.get(key).and_then(Value::as_str).filter(|v| !v.is_empty());
        let (value, of): (Option<&str>, fn(&Strand) -> &BTreeSet<String>) = match line.event_type {
            "ssh_client" => (text("hassh"), |s| &s.hassh),
            "tls_client_hello" => (text("ja4").or_else(|| text("ja3")), |s| if s.ja4.is_empty() { &s.ja3 } else { &s.ja4 }),
            "connect" if !line.session.is_empty() => return None,
            _ => (None, |s| &s.hassh),
        };
        let Some(value) = value else {
            return match latest {
                Some(at) if !self.strands.get(at).is_some_and(stale) => Some(at),
                _ => Some(self.another()),
            };
        };
        if let Some(at) = self.latest(|s| of(s).contains(value)) {
            return Some(at);
        }
        if let Some(at) = self.latest(|s| of(s).is_empty() && !stale(s)) {
            return Some(at);
        }
        Some(self.another())
    }

    /// The strand that was active last among those that fit.
    fn latest(&self, fits: impl Fn(&Strand) -> bool) -> Option<usize> {
        self.strands.iter().enumerate().filter(|(_, s)| fits(s)).max_by_key(|(at, s)| (s.last, *at)).map(|(at, _)| at)
    }

    fn another(&mut self) -> usize {
        if self.strands.len() < STRANDS {
            self.strands.push(Strand::default());
        }
        self.strands.len() - 1
    }

    /// For each strand the first strand of the group it belongs to: several tools of one visitor are one group, several
    /// visitors at one address are several.
    pub fn groups(&self) -> Vec<usize> {
        let mut group: Vec<usize> = (0..self.strands.len()).collect();
        for (later, b) in self.strands.iter().enumerate() {
            let joined = self.strands.iter().enumerate().take(later).find(|(_, a)| same_visitor(a, b)).map(|(at, _)| at);
            if let Some(earlier) = joined {
                let (to, from) = (group.get(earlier).copied().unwrap_or(earlier), group.get(later).copied().unwrap_or(later));
                for g in &mut group {
                    if *g == from {
                        *g = to;
                    }
                }
            }
        }
        group
    }
}

/// Whether two strands of one address are one visitor.
fn same_visitor(a: &Strand, b: &Strand) -> bool {
    let gap = if a.last < b.first {
        b.first.0 - a.last.0
    } else if b.last < a.first {
        a.first.0 - b.last.0
    } else {
        0
    };
    let apart = gap > 0;
    let slot = |x: &BTreeSet<String>, y: &BTreeSet<String>| (!x.is_empty() && !y.is_empty()).then(|| !x.is_disjoint(y));
    let slots = [slot(&a.hassh, &b.hassh), slot(&a.ja4, &b.ja4)];
    let infra = [slot(&a.payloads, &b.payloads), slot(&a.c2, &b.c2)];
    let shares = infra.contains(&Some(true));
    let differs = !shares && infra.contains(&Some(false));
    let lists = (!a.lists.is_empty() && !b.lists.is_empty()).then(|| !a.lists.is_disjoint(&b.lists));
    if slots.contains(&Some(true)) {
        return true;
    }
    match slots.iter().filter(|s| **s == Some(false)).count() {
        // Both clients are others. Only one after the other, with the same infrastructure, is it a change of tools.
        2 => shares && apart && gap <= REUSED_AFTER,
        1 => shares || (!differs && lists != Some(false) && gap <= REUSED_AFTER),
        _ if gap > REUSED_AFTER => shares || lists == Some(true),
        _ => !(differs && lists == Some(false)),
    }
}

impl Strand {
    fn take(&mut self, line: &Line<'_>) {
        self.touch(line.at, line.decky);
        let text = |key: &str| line.fields.get(key).and_then(Value::as_str).filter(|v| !v.is_empty());
        match line.event_type {
            "connect" => self.begin(line.session, line.at),
            "disconnect" => self.end(line.session, line.at),
            "ssh_client" => keep(&mut self.hassh, text("hassh")),
            "tls_client_hello" => {
                keep(&mut self.ja4, text("ja4"));
                keep(&mut self.ja3, text("ja3"));
            }
            "auth_attempt" => self.attempt(line, text("principal").unwrap_or(""), text("secret_b64").unwrap_or(""), text("outcome")),
            "command" => {
                if let Some(command) = text("command") {
                    self.command(line, command);
                }
            }
            "file_captured" => {
                keep(&mut self.payloads, text("sha256"));
                self.spell(line.decky, Phase::Exploitation, line.at);
            }
            "url_seen" => {
                if let Some(endpoint) = text("url").and_then(endpoint::of_url) {
                    keep(&mut self.c2, Some(&endpoint));
                }
            }
            "request" => {
                for part in [text("path"), text("body")].into_iter().flatten() {
                    for endpoint in endpoint::in_text(part) {
                        keep(&mut self.c2, Some(&endpoint));
                        self.spell(line.decky, Phase::Exploitation, line.at);
                    }
                }
            }
            _ => {}
        }
    }

    fn touch(&mut self, at: Micros, decky: &str) {
        if self.events == 0 || at < self.first {
            self.first = at;
        }
        self.last = if self.events == 0 { at } else { self.last.max(at) };
        self.events += 1;
        if self.deckies.len() < DECKIES || self.deckies.contains_key(decky) {
            let visit = self.deckies.entry(decky.to_owned()).or_insert_with(|| Visit { first: at, last: at, spells: Vec::new() });
            visit.first = visit.first.min(at);
            visit.last = visit.last.max(at);
        }
    }

    fn begin(&mut self, session: &str, at: Micros) {
        self.sessions += 1;
        if session.is_empty() || self.open.contains_key(session) {
            return;
        }
        while self.open.len() >= OPEN {
            self.open.pop_first();
        }
        self.open.insert(session.to_owned(), Open { at: at.0, ..Open::default() });
    }

    fn end(&mut self, session: &str, at: Micros) {
        let Some(open) = self.open.remove(session) else { return };
        if open.tried >= 3 && self.lists.len() < SETS {
            self.lists.insert(mix(open.secrets));
        }
        if open.ran >= 2 && self.scripts.len() < SETS {
            self.scripts.insert(mix(open.lines));
        }
        self.window(Micros(open.at), at);
    }

    /// Joins a stretch of time to the others.
    fn window(&mut self, from: Micros, to: Micros) {
        let (mut from, mut to) = (from, to.max(from));
        self.windows.retain(|(a, b)| {
            let apart = *b < from || to < *a;
            if !apart {
                from = from.min(*a);
                to = to.max(*b);
            }
            apart
        });
        if self.windows.len() < WINDOWS {
            let at = self.windows.partition_point(|w| *w < (from, to));
            self.windows.insert(at, (from, to));
        }
    }

    fn attempt(&mut self, line: &Line<'_>, principal: &str, secret: &str, outcome: Option<&str>) {
        let pair = digest(format!("{principal}\0{secret}").as_bytes());
        if self.credentials.len() < CREDENTIALS {
            self.credentials.insert(pair);
        }
        let failed_before = match self.open.get_mut(line.session) {
            Some(open) => {
                open.secrets = open.secrets.wrapping_add(mix(pair));
                open.tried += 1;
                let before = open.failed;
                open.failed += u32::from(outcome == Some("failure"));
                before
            }
            None => 0,
        };
        match outcome {
            // Somebody who had to guess broke in; somebody who knew walked in.
            Some("success") if failed_before >= 2 => self.spell(line.decky, Phase::Exploitation, line.at),
            Some("success") => {}
            _ => self.spell(line.decky, Phase::Delivery, line.at),
        }
    }

    fn command(&mut self, line: &Line<'_>, command: &str) {
        let command = crate::profile::cut(command.trim(), 512);
        if let Some(open) = self.open.get_mut(line.session) {
            open.lines = open.lines.wrapping_add(digest(command.as_bytes()));
            open.ran += 1;
        }
        for endpoint in endpoint::in_text(command) {
            keep(&mut self.c2, Some(&endpoint));
        }
        if let Some(phase) = tactics::of_line(command) {
            let lines = self.commands.entry(phase).or_default();
            if lines.len() < COMMANDS {
                lines.insert(command.to_owned());
            }
            self.spell(line.decky, phase, line.at);
        }
    }

    fn spell(&mut self, decky: &str, phase: Phase, at: Micros) {
        let Some(visit) = self.deckies.get_mut(decky) else { return };
        // A file left while doing something else there is part of that, not a way in.
        if phase == Phase::Exploitation && visit.spells.iter().any(|s| s.phase.stage() != Stage::In) {
            return;
        }
        let near = |s: &&mut Spell| s.phase == phase && at.0 <= s.last.0 + SPELL_GAP && at.0 >= s.first.0 - SPELL_GAP;
        if let Some(spell) = visit.spells.iter_mut().find(near) {
            spell.first = spell.first.min(at);
            spell.last = spell.last.max(at);
        } else if visit.spells.len() < SPELLS {
            visit.spells.push(Spell { phase, first: at, last: at });
        }
    }

    /// Reads what [`serde_json`] wrote; garbage reads as nothing known.
    pub fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }
}

fn keep(set: &mut BTreeSet<String>, value: Option<&str>) {
    if let Some(value) = value
        && set.len() < VALUES
        && !set.contains(value)
    {
        set.insert(crate::profile::cut(value, 256).to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOUR: i64 = 3_600_000_000;

    fn take(address: &mut Address, at: i64, session: &str, event_type: &str, fields: Value) {
        let fields = fields.as_object().cloned().unwrap_or_default();
        let line = Line { at: Micros(at), decky: "local:decky-01", service: "ssh", event_type, session, fields: &fields };
        address.take(&line, &mut BTreeSet::new());
    }

    fn visit(address: &mut Address, at: i64, session: &str, hassh: &str, c2: &str) {
        take(address, at, session, "connect", json!({}));
        take(address, at + 1, session, "ssh_client", json!({"hassh": hassh}));
        take(address, at + 2, session, "url_seen", json!({"url": c2}));
        take(address, at + 3, session, "disconnect", json!({}));
        take(address, at + 4, &format!("{session}t"), "connect", json!({}));
        take(address, at + 5, &format!("{session}t"), "tls_client_hello", json!({"ja4": format!("j{hassh}"), "ja3": hassh}));
        take(address, at + 6, &format!("{session}t"), "disconnect", json!({}));
    }

    #[test]
    fn two_behind_one_address_are_two_and_one_with_new_tools_is_one() {
        let mut nat = Address::default();
        for i in 0..6 {
            let (hassh, c2) = if i % 2 == 0 { ("a", "http://a.test/") } else { ("b", "http://b.test/") };
            visit(&mut nat, i * HOUR, &format!("s{i}"), hassh, c2);
        }
        assert_eq!(nat.groups(), [0, 1]);
        assert_eq!((nat.strands[0].sessions, nat.strands[1].sessions), (6, 6));
        assert_eq!((nat.strands[0].ja4.len(), nat.strands[0].hassh.len()), (1, 1));

        let mut changed = Address::default();
        visit(&mut changed, 0, "s0", "a", "http://a.test/");
        visit(&mut changed, 48 * HOUR, "s1", "b", "http://a.test/");
        assert_eq!(changed.groups(), [0, 0]);

        let mut reused = Address::default();
        visit(&mut reused, 0, "s0", "a", "http://a.test/");
        visit(&mut reused, 24 * 90 * HOUR, "s1", "b", "http://b.test/");
        assert_eq!(reused.groups(), [0, 1]);
    }

    #[test]
    fn one_pass_or_many_and_through_json_is_the_same() {
        let (mut whole, mut parts) = (Address::default(), Address::default());
        for i in 0..5 {
            visit(&mut whole, i * HOUR, &format!("s{i}"), if i == 3 { "b" } else { "a" }, "http://a.test/");
            visit(&mut parts, i * HOUR, &format!("s{i}"), if i == 3 { "b" } else { "a" }, "http://a.test/");
            for strand in &mut parts.strands {
                *strand = Strand::parse(&serde_json::to_string(strand).unwrap());
            }
        }
        assert_eq!(whole, parts);
        assert_eq!(Strand::parse("nonsense{"), Strand::default());
    }

    #[test]
    fn lists_do_not_depend_on_order() {
        let mut address = Address::default();
        for (session, order) in [("s0", ["a", "b", "c"]), ("s1", ["c", "a", "b"])] {
            take(&mut address, 0, session, "connect", json!({}));
            for secret in order {
                take(&mut address, 1, session, "auth_attempt", json!({"principal": "root", "secret_b64": secret, "outcome": "failure"}));
            }
            take(&mut address, 2, session, "disconnect", json!({}));
        }
        let strand = &address.strands[0];
        assert_eq!((strand.lists.len(), strand.credentials.len()), (1, 3));
        assert_eq!(strand.deckies["local:decky-01"].spells[0].phase, Phase::Delivery);
    }
}
