//! The boxes of one account as one attacker sees them: what lay there, and what the attacker did to it.
//!
//! Everything is kept as one value in the attacker's memory of the decky; sessions look at it before each command, so
//! that two connections of the same attacker see each other's changes.

use bytes::Bytes;
use model::Micros;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{Post, post::Letter, post::Tray};
use crate::Visit;

/// System flags, as bits.
pub(crate) const ANSWERED: u32 = 1;
pub(crate) const FLAGGED: u32 = 2;
pub(crate) const DELETED: u32 = 4;
pub(crate) const SEEN: u32 = 8;
pub(crate) const DRAFT: u32 = 16;
/// The first keyword; at most 26 of them.
pub(crate) const KEYWORD: u32 = 32;
/// Names of the system flags in the order Dovecot lists them.
pub(crate) const SYSTEM: [(&str, u32); 5] =
    [("\\Answered", ANSWERED), ("\\Flagged", FLAGGED), ("\\Deleted", DELETED), ("\\Seen", SEEN), ("\\Draft", DRAFT)];
/// Most keywords of a box.
pub(crate) const KEYWORDS: usize = 26;
/// Most boxes of an account.
const MOST_BOXES: usize = 500;

/// Where the bytes of a message are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// A letter of the base, by its key.
    #[serde(rename = "l")]
    Letter(u64),
    /// A value of the attacker's memory.
    #[serde(rename = "m")]
    Memory(String),
}

/// A message in a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    #[serde(rename = "u")]
    pub(crate) uid: u32,
    #[serde(rename = "f")]
    pub(crate) flags: u32,
    #[serde(rename = "m")]
    pub(crate) modseq: u64,
    /// Arrival, seconds since 1970.
    #[serde(rename = "a")]
    pub(crate) at: i64,
    /// When it came into this box, if that is known.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) saved: Option<i64>,
    #[serde(rename = "b")]
    pub(crate) source: Source,
}

/// One box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mailbox {
    pub(crate) validity: u32,
    pub(crate) next: u32,
    pub(crate) modseq: u64,
    /// By UID.
    pub(crate) messages: Vec<Message>,
    pub(crate) keywords: Vec<String>,
    /// UIDs below this are not recent.
    pub(crate) recent: u32,
    /// What was expunged, and at which modseq; the newest thousand.
    #[serde(default)]
    pub(crate) gone: Vec<(u32, u64)>,
}

impl Mailbox {
    /// The names of a message's flags.
    pub(crate) fn names(&self, flags: u32) -> Vec<&str> {
        let system = SYSTEM.iter().filter(|(_, bit)| flags & bit != 0).map(|(n, _)| *n);
        let keywords =
            self.keywords.iter().enumerate().filter(|(n, _)| flags & (KEYWORD << n.min(&KEYWORDS)) != 0).map(|(_, k)| k.as_str());
        system.chain(keywords).collect()
    }

    /// The bit of a flag; a keyword is added if `add` and there is room.
    pub(crate) fn bit(&mut self, name: &str, add: bool) -> Option<u32> {
        if let Some((_, bit)) = SYSTEM.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            return Some(*bit);
        }
        let place = match self.keywords.iter().position(|k| k.eq_ignore_ascii_case(name)) {
            Some(place) => place,
            None if add && self.keywords.len() < KEYWORDS => {
                self.keywords.push(name.to_owned());
                self.keywords.len() - 1
            }
            None => return None,
        };
        Some(KEYWORD << place)
    }

    /// The next modification sequence.
    pub(crate) fn tick(&mut self) -> u64 {
        self.modseq += 1;
        self.modseq
    }

    /// Adds a message at the end; its UID.
    pub(crate) fn add(&mut self, at: i64, flags: u32, saved: Option<i64>, source: Source) -> u32 {
        let (uid, modseq) = (self.next, self.tick());
        self.next = self.next.saturating_add(1);
        self.messages.push(Message { uid, flags, modseq, at, saved, source });
        uid
    }

    /// Takes messages out for good.
    pub(crate) fn remove(&mut self, uids: &BTreeSet<u32>) {
        if uids.is_empty() {
            return;
        }
        let modseq = self.tick();
        self.messages.retain(|m| !uids.contains(&m.uid));
        self.gone.extend(uids.iter().map(|u| (*u, modseq)));
        let over = self.gone.len().saturating_sub(1000);
        self.gone.drain(..over);
    }

    /// The message with this UID.
    pub(crate) fn by_uid(&mut self, uid: u32) -> Option<&mut Message> {
        let place = self.messages.binary_search_by_key(&uid, |m| m.uid).ok()?;
        self.messages.get_mut(place)
    }
}

/// All boxes of an account, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boxes {
    pub(crate) boxes: BTreeMap<String, Mailbox>,
    pub(crate) subscribed: BTreeSet<String>,
    /// Up to when letters were taken in.
    taken: i64,
    /// Values of the memory that were taken in.
    arrived: BTreeSet<String>,
    /// Counts changes.
    serial: u64,
    /// Names the next value for a message.
    number: u64,
}

/// An account that is logged in.
#[derive(Debug)]
pub(crate) struct Account {
    visit: Visit,
    pub(crate) name: String,
    letters: HashMap<u64, Letter>,
    base: Arc<Vec<Letter>>,
    pub(crate) boxes: Boxes,
    stored: Option<Bytes>,
}

impl Account {
    /// Opens the boxes of `name`.
    pub(crate) fn open(visit: &Visit, name: &str, now: Micros) -> Self {
        let mut account = Self {
            visit: visit.clone(),
            name: name.to_owned(),
            letters: HashMap::new(),
            base: Arc::default(),
            boxes: Boxes::default(),
            stored: None,
        };
        account.look(now);
        account
    }

    fn key(&self) -> String {
        format!("post/{}/boxes", self.name)
    }

    /// Brings the boxes up to date with other sessions and new mail.
    pub(crate) fn look(&mut self, now: Micros) {
        let stored = self.visit.memory.get(&self.key());
        if stored != self.stored {
            self.boxes = stored.as_ref().and_then(|b| serde_json::from_slice(b).ok()).unwrap_or_default();
            self.stored = stored;
        }
        let base = self.post().letters(&self.visit, &self.name, now);
        if !Arc::ptr_eq(&base, &self.base) {
            self.letters = base.iter().map(|l| (l.key, l.clone())).collect();
            self.base = base;
        }
        if self.boxes.boxes.is_empty() {
            self.begin(now);
        }
        self.take_in(now);
    }

    fn post(&self) -> Post {
        self.visit.post.clone()
    }

    /// The boxes as nobody has touched them.
    fn begin(&mut self, now: Micros) {
        let digest = self.visit.derive(&format!("mail/{}", self.name));
        // A box is as old as the account: some weeks after the machine.
        let born = self.visit.persona.installed.seconds() + i64::from(digest.first().copied().unwrap_or(0)) * 4000;
        let validity = u32::try_from(born.min(now.seconds())).unwrap_or(1).max(1);
        for (n, (name, tray)) in [("INBOX", Tray::Inbox), ("Sent", Tray::Sent)].into_iter().enumerate() {
            let mut mailbox = Mailbox { validity: validity + u32::try_from(n).unwrap_or(0) * 37, next: 1, modseq: 1, ..Mailbox::default() };
            for letter in self.base.iter().filter(|l| l.tray == tray) {
                let flags = if letter.seen { SEEN } else { 0 } | if letter.answered { ANSWERED } else { 0 };
                let modseq = if flags == 0 { mailbox.modseq } else { mailbox.tick() };
                let at = letter.at.seconds();
                mailbox.messages.push(Message {
                    uid: letter.uid.max(mailbox.next),
                    flags,
                    modseq,
                    at,
                    saved: None,
                    source: Source::Letter(letter.key),
                });
                mailbox.next = letter.uid.max(mailbox.next) + 1;
            }
            // What nobody has read yet is recent for the first who looks.
            mailbox.recent = mailbox.messages.iter().rev().take_while(|m| m.flags & SEEN == 0).last().map_or(mailbox.next, |m| m.uid);
            if tray == Tray::Inbox || !mailbox.messages.is_empty() {
                self.boxes.boxes.insert(name.into(), mailbox);
            }
            if tray == Tray::Sent && self.boxes.boxes.contains_key("Sent") {
                let mut empty = |name: &str, more: u32| {
                    let mailbox = Mailbox { validity: validity + more, next: 1, modseq: 1, recent: 1, ..Mailbox::default() };
                    self.boxes.boxes.insert(name.into(), mailbox);
                };
                empty("Drafts", 38);
                empty("Trash", 39);
                self.boxes.subscribed.extend(["Drafts", "Sent", "Trash"].map(String::from));
            }
        }
        self.boxes.taken = self.base.last().map_or(now.seconds(), |l| l.at.seconds());
        self.boxes.number = 1;
    }

    /// New letters, and mail that the SMTP server took from this attacker.
    fn take_in(&mut self, now: Micros) {
        let mut new: Vec<(i64, Tray, Source)> = Vec::new();
        for letter in self.base.iter().rev() {
            if letter.at.seconds() <= self.boxes.taken {
                break;
            }
            new.push((letter.at.seconds(), letter.tray, Source::Letter(letter.key)));
        }
        for (key, _) in self.visit.memory.under(&format!("mail/{}/", self.name)) {
            if !self.boxes.arrived.contains(&key) {
                new.push((now.seconds(), Tray::Inbox, Source::Memory(key)));
            }
        }
        if new.is_empty() {
            return;
        }
        new.sort_by_key(|n| n.0);
        for (at, tray, source) in new {
            if let Source::Memory(key) = &source {
                self.boxes.arrived.insert(key.clone());
            } else {
                self.boxes.taken = self.boxes.taken.max(at);
            }
            let name = if tray == Tray::Inbox { "INBOX" } else { "Sent" };
            let mailbox = self.boxes.boxes.entry(name.to_owned()).or_insert_with(|| Mailbox {
                validity: u32::try_from(now.seconds()).unwrap_or(1),
                next: 1,
                modseq: 1,
                recent: 1,
                ..Mailbox::default()
            });
            mailbox.add(at, if tray == Tray::Sent { SEEN } else { 0 }, None, source);
        }
        self.keep();
    }

    /// Keeps what was changed. `false`: there is no room for it.
    pub(crate) fn keep(&mut self) -> bool {
        self.boxes.serial += 1;
        let bytes = Bytes::from(serde_json::to_vec(&self.boxes).unwrap_or_default());
        let kept = self.visit.memory.set(&self.key(), bytes.clone());
        if kept {
            self.stored = Some(bytes);
        }
        kept
    }

    /// Puts message bytes away. `None`: there is no room.
    pub(crate) fn put(&mut self, bytes: Bytes) -> Option<Source> {
        let key = format!("post/{}/m/{}", self.name, self.boxes.number);
        self.boxes.number += 1;
        self.visit.memory.set(&key, bytes).then_some(Source::Memory(key))
    }

    /// The bytes of a message; empty if they are gone.
    pub(crate) fn bytes(&self, source: &Source) -> Bytes {
        match source {
            Source::Letter(key) => self.letters.get(key).map(|l| l.raw.clone()).unwrap_or_default(),
            Source::Memory(key) => self.visit.memory.get(key).unwrap_or_default(),
        }
    }

    /// Forgets bytes that no box holds any more.
    pub(crate) fn sweep(&mut self, source: &Source) {
        if let Source::Memory(key) = source
            && !self.boxes.boxes.values().any(|b| b.messages.iter().any(|m| m.source == *source))
        {
            self.visit.memory.remove(key);
        }
    }

    /// The box called `name`; INBOX in any letter case.
    pub(crate) fn find(&self, name: &str) -> Option<&Mailbox> {
        self.boxes.boxes.get(proper(name))
    }

    pub(crate) fn find_mut(&mut self, name: &str) -> Option<&mut Mailbox> {
        self.boxes.boxes.get_mut(proper(name))
    }

    /// Makes a box. `false`: too many.
    pub(crate) fn create(&mut self, name: &str, now: Micros) -> bool {
        if self.boxes.boxes.len() >= MOST_BOXES || name.len() > 255 {
            return false;
        }
        let newest = self.boxes.boxes.values().map(|b| b.validity).max().unwrap_or(0);
        let validity = u32::try_from(now.seconds()).unwrap_or(1).max(newest.saturating_add(1));
        self.boxes.boxes.insert(name.to_owned(), Mailbox { validity, next: 1, modseq: 1, recent: 1, ..Mailbox::default() });
        true
    }
}

/// `INBOX` for INBOX in any letter case.
pub(crate) fn proper(name: &str) -> &str {
    if name.eq_ignore_ascii_case("INBOX") { "INBOX" } else { name }
}
