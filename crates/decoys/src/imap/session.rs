//! After the login: commands, the selected box as the client knows it, and what is told when it changes.

use model::Micros;
use rand::RngExt;
use std::{collections::BTreeSet, fmt::Write, time::Duration};

use super::{
    fetch::{self, Item},
    parse::{self, Arg, Malformed, Piece, shown},
    search::{self, Place, Seen},
};
use crate::{
    Reply, Visit,
    mail::{
        boxes::{Account, DELETED, Mailbox, SEEN},
        message,
    },
};

/// What Dovecot 2.3.19 offers after the login.
pub(super) const CAPABILITIES: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS \
THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH \
ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY \
SPECIAL-USE";

/// How often IDLE and NOTIFY look for news.
const BEAT: Duration = Duration::from_secs(30);
/// Most bytes of one FETCH answer before the rest is left for the next look at the buffer.
const MOST_ANSWER: usize = 24 * 1024 * 1024;

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Next,
    Idle,
    Over,
}

/// The selected box as the client knows it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) readonly: bool,
    /// UID, flags and modseq by sequence number.
    pub(super) known: Vec<(u32, u32, u64)>,
    pub(super) recent_from: u32,
    keywords: usize,
}

/// What a tagged answer says.
pub(super) type Answer = Result<String, String>;

/// A logged-in visitor.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) account: Account,
    zone: jiff::tz::TimeZone,
    pub(super) view: Option<View>,
    pub(super) condstore: bool,
    pub(super) qresync: bool,
    saved: Vec<u32>,
    /// Boxes watched by NOTIFY, with what was last told of them.
    notify: Option<Vec<(String, u32, u64)>>,
    /// Searches whose results are kept up to date (RFC 5267), by tag.
    contexts: Vec<(String, bool, search::Key, Vec<u32>)>,
    idle: Option<(String, Micros)>,
    pub(super) now: Micros,
}

impl Session {
    pub(super) fn new(visit: &Visit, name: &str, now: Micros) -> Self {
        Self {
            account: Account::open(visit, name, now),
            zone: jiff::tz::TimeZone::get(&visit.persona.timezone).unwrap_or(jiff::tz::TimeZone::UTC),
            view: None,
            condstore: false,
            qresync: false,
            saved: Vec::new(),
            notify: None,
            contexts: Vec::new(),
            idle: None,
            now,
        }
    }

    pub(super) fn user(&self) -> &str {
        &self.account.name
    }

    /// An APPEND into a box that is not there is refused before its literal comes.
    pub(super) fn refuses_append(&self, pieces: &[Piece]) -> Option<String> {
        let Some(Piece::Line(line)) = pieces.first() else { return None };
        let tag = String::from_utf8_lossy(line.split(|b| *b == b' ').next().unwrap_or_default()).into_owned();
        let rest = line.splitn(3, |b| *b == b' ').nth(2)?;
        let arguments = parse::arguments(&[Piece::Line(bytes::Bytes::copy_from_slice(rest))]).ok()?;
        let name = arguments.first()?.text()?;
        self.account.find(&name).is_none().then(|| format!("{tag} NO [TRYCREATE] Mailbox doesn't exist: {name} (0.001 + 0.000 secs).\r\n"))
    }

    pub(super) fn command(&mut self, tag: &str, verb: &str, arguments: Result<Vec<Arg>, Malformed>, out: &mut Reply) -> After {
        self.now = out.now();
        self.account.look(self.now);
        let mut wire: Vec<u8> = Vec::new();
        let usable = !tag.is_empty() && !tag.contains(['+', '(', ')', '{', '%', '*', '"', '\\', ']']) && tag.len() < 256;
        if !usable || verb.is_empty() {
            let tag = if usable { tag } else { "*" };
            out.send(
                format!(
                    "{tag} BAD Error in IMAP command: Invalid {} (0.001 + 0.000 secs).\r\n",
                    if usable { "command name" } else { "tag" }
                )
                .as_bytes(),
            );
            return After::Next;
        }
        let mut args = match arguments {
            Ok(args) => args,
            Err(Malformed(why)) => {
                out.send(format!("{tag} BAD Error in IMAP command {verb}: {why} (0.001 + 0.000 secs).\r\n").as_bytes());
                return After::Next;
            }
        };
        let mut name = verb.to_owned();
        let uid = verb == "UID";
        if uid {
            let Some(word) = args.first().and_then(Arg::word) else {
                out.send(format!("{tag} BAD Error in IMAP command: Invalid command name (0.001 + 0.000 secs).\r\n").as_bytes());
                return After::Next;
            };
            args.remove(0);
            name = word;
        }
        let shown_name = if uid { format!("UID {name}") } else { name.clone() };
        if uid && !matches!(name.as_str(), "FETCH" | "STORE" | "COPY" | "MOVE" | "SEARCH" | "SORT" | "THREAD" | "EXPUNGE") {
            out.send(format!("{tag} BAD Error in IMAP command {shown_name}: Unknown command (0.001 + 0.000 secs).\r\n").as_bytes());
            return After::Next;
        }
        if name == "LOGOUT" {
            out.send(format!("* BYE Logging out\r\n{tag} OK Logout completed (0.001 + 0.000 secs).\r\n").as_bytes());
            return After::Over;
        }
        if name == "IDLE" {
            self.sync(&mut wire, true);
            out.send(&wire);
            out.send(b"+ idling\r\n");
            out.wake_after(BEAT);
            self.idle = Some((tag.to_owned(), self.now));
            return After::Idle;
        }
        let needs_box = matches!(
            name.as_str(),
            "CHECK"
                | "CLOSE"
                | "UNSELECT"
                | "EXPUNGE"
                | "SEARCH"
                | "SORT"
                | "THREAD"
                | "FETCH"
                | "STORE"
                | "COPY"
                | "MOVE"
                | "CANCELUPDATE"
        );
        if needs_box && self.view.is_none() {
            out.send(format!("{tag} BAD No mailbox selected (0.001 + 0.000 secs).\r\n").as_bytes());
            return After::Next;
        }
        let answer = self.run(&name, &args, uid, tag, &mut wire);
        // Numbers must not move while a command by number is under way.
        let expunges = uid || !matches!(name.as_str(), "FETCH" | "STORE" | "SEARCH" | "SORT" | "THREAD");
        if !matches!(name.as_str(), "SELECT" | "EXAMINE" | "CLOSE" | "UNSELECT") && answer.is_ok() {
            self.sync(&mut wire, expunges);
            self.news(&mut wire);
        }
        let (status, text) = match answer {
            Ok(text) if text.starts_with("NO ") => ("NO", text.get(3..).unwrap_or_default().to_owned()),
            Ok(text) => ("OK", text),
            Err(text) if text.starts_with("BAD ") => ("BAD", text.get(4..).unwrap_or_default().to_owned()),
            Err(text) => ("BAD", format!("Error in IMAP command {shown_name}: {text}")),
        };
        let time = self.time(wire.len(), out);
        out.send(&wire);
        out.send(format!("{tag} {status} {text} ({time} secs).\r\n").as_bytes());
        if self.notify.is_some() {
            out.wake_after(BEAT);
        }
        After::Next
    }

    fn time(&self, bytes: usize, out: &mut Reply) -> String {
        let base = 1 + bytes / 1_500_000;
        match out.rng().random_range(0..20u32) {
            0 => format!("0.{:03} + 0.000 + 0.{:03}", base + 1, base),
            1 => format!("0.{:03} + 0.000", base + 1),
            _ => format!("0.{base:03} + 0.000"),
        }
    }

    fn run(&mut self, name: &str, args: &[Arg], uid: bool, tag: &str, wire: &mut Vec<u8>) -> Answer {
        match name {
            "CAPABILITY" => {
                wire.extend_from_slice(format!("* CAPABILITY {CAPABILITIES}\r\n").as_bytes());
                Ok("Capability completed".into())
            }
            "NOOP" => Ok("NOOP completed".into()),
            "ID" => {
                wire.extend_from_slice(b"* ID (\"name\" \"Dovecot\")\r\n");
                Ok("ID completed".into())
            }
            "NAMESPACE" => {
                wire.extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
                Ok("Namespace completed".into())
            }
            "ENABLE" => {
                let mut enabled = String::new();
                for word in args.iter().filter_map(Arg::word) {
                    match word.as_str() {
                        "CONDSTORE" => self.condstore = true,
                        "QRESYNC" => (self.condstore, self.qresync) = (true, true),
                        _ => continue,
                    }
                    enabled.push(' ');
                    enabled.push_str(&word);
                }
                if !enabled.is_empty() {
                    wire.extend_from_slice(format!("* ENABLED{enabled}\r\n").as_bytes());
                }
                Ok("Enabled".into())
            }
            "SELECT" => self.select(args, false, wire),
            "EXAMINE" => self.select(args, true, wire),
            "CREATE" | "DELETE" | "RENAME" | "SUBSCRIBE" | "UNSUBSCRIBE" | "LIST" | "LSUB" | "STATUS" => self.folders(name, args, wire),
            "APPEND" => self.append(args),
            "NOTIFY" => self.set_notify(args, wire),
            "CHECK" => Ok("Check completed".into()),
            "CLOSE" => {
                if let Some(view) = self.view.take().filter(|v| !v.readonly) {
                    self.expunge_where(&view.name, |_| true);
                }
                self.contexts.clear();
                Ok("Close completed".into())
            }
            "UNSELECT" => {
                self.view = None;
                self.contexts.clear();
                Ok("Unselect completed".into())
            }
            "EXPUNGE" => {
                let view = self.view.as_ref().ok_or("BAD No mailbox selected")?;
                if view.readonly {
                    return Ok("NO Mailbox is read-only".into());
                }
                let name = view.name.clone();
                let wanted = if uid {
                    let set = args.first().and_then(Arg::bytes).and_then(parse::set).ok_or("Invalid UID set")?;
                    Some(self.uids_of(&set, true))
                } else {
                    None
                };
                self.expunge_where(&name, |u| wanted.as_ref().is_none_or(|w| w.contains(&u)));
                Ok("Expunge completed".into())
            }
            "FETCH" => self.fetch(args, uid, wire),
            "STORE" => self.store(args, uid, wire),
            "COPY" => self.copy(args, uid, false, wire),
            "MOVE" => self.copy(args, uid, true, wire),
            "SEARCH" => self.search(args, uid, tag, wire),
            "SORT" => self.sort(args, uid, tag, wire),
            "THREAD" => self.thread(args, uid, wire),
            "CANCELUPDATE" => {
                let tags: Vec<String> = args.iter().filter_map(Arg::text).collect();
                self.contexts.retain(|c| !tags.contains(&c.0));
                Ok("Updates cancelled".into())
            }
            "STARTTLS" | "LOGIN" | "AUTHENTICATE" => Err("Unknown command".into()),
            _ => Err("Unknown command".into()),
        }
    }

    fn select(&mut self, args: &[Arg], readonly: bool, wire: &mut Vec<u8>) -> Answer {
        let name = args.first().and_then(Arg::text).ok_or("Invalid arguments")?;
        if self.view.take().is_some() {
            wire.extend_from_slice(b"* OK [CLOSED] Previous mailbox closed.\r\n");
        }
        self.contexts.clear();
        self.saved.clear();
        let mut resync: Option<(u32, u64)> = None;
        if let Some(options) = args.get(1) {
            let options = options.list().ok_or("SELECT parameters are missing")?;
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match option.word().as_deref() {
                    Some("CONDSTORE") => self.condstore = true,
                    Some("QRESYNC") => {
                        if !self.qresync {
                            return Err("QRESYNC not enabled".into());
                        }
                        let list = options.next().and_then(Arg::list).ok_or("QRESYNC parameters missing")?;
                        let number = |n: usize| list.get(n).and_then(Arg::text).and_then(|t| t.parse::<u64>().ok());
                        let (Some(validity), Some(modseq)) = (number(0), number(1)) else {
                            return Err("Invalid QRESYNC parameters".into());
                        };
                        resync = Some((u32::try_from(validity).unwrap_or(0), modseq));
                    }
                    Some(other) => return Err(format!("Unknown select parameter {other}")),
                    None => return Err("SELECT options contains non-atoms.".into()),
                }
            }
        }
        let Some(mailbox) = self.account.find(&name).cloned() else { return Ok(format!("NO Mailbox doesn't exist: {name}")) };
        let recent_from = mailbox.recent;
        let proper = crate::mail::boxes::proper(&name).to_owned();
        let flags = flag_list(&mailbox);
        let recent = mailbox.messages.iter().filter(|m| m.uid >= recent_from).count();
        let mut text = format!("* FLAGS ({flags})\r\n");
        text.push_str(&permanent(&mailbox, readonly));
        _ = write!(text, "* {} EXISTS\r\n* {recent} RECENT\r\n", mailbox.messages.len());
        if let Some(place) = mailbox.messages.iter().position(|m| m.flags & SEEN == 0) {
            _ = write!(text, "* OK [UNSEEN {}] First unseen.\r\n", place + 1);
        }
        _ = write!(
            text,
            "* OK [UIDVALIDITY {}] UIDs valid\r\n* OK [UIDNEXT {}] Predicted next UID\r\n* OK [HIGHESTMODSEQ {}] Highest\r\n",
            mailbox.validity, mailbox.next, mailbox.modseq
        );
        wire.extend_from_slice(text.as_bytes());
        self.view = Some(View {
            name: proper,
            readonly,
            known: mailbox.messages.iter().map(|m| (m.uid, m.flags, m.modseq)).collect(),
            recent_from,
            keywords: mailbox.keywords.len(),
        });
        if let Some((_, since)) = resync.filter(|(v, _)| *v == mailbox.validity) {
            let gone: Vec<u32> = mailbox.gone.iter().filter(|g| g.1 > since).map(|g| g.0).collect::<BTreeSet<_>>().into_iter().collect();
            if !gone.is_empty() {
                wire.extend_from_slice(format!("* VANISHED (EARLIER) {}\r\n", shown(&gone)).as_bytes());
            }
            for (n, m) in mailbox.messages.iter().enumerate().filter(|(_, m)| m.modseq > since) {
                let flags = self.flags_of(&mailbox, m.uid, m.flags, recent_from);
                wire.extend_from_slice(format!("* {} FETCH (UID {} FLAGS ({flags}) MODSEQ ({}))\r\n", n + 1, m.uid, m.modseq).as_bytes());
            }
        }
        if !readonly
            && recent_from < mailbox.next
            && let Some(mailbox) = self.account.find_mut(&name)
        {
            mailbox.recent = mailbox.next;
            self.account.keep();
        }
        Ok(if readonly { "[READ-ONLY] Examine completed".into() } else { "[READ-WRITE] Select completed".into() })
    }

    pub(super) fn flags_of(&self, mailbox: &Mailbox, uid: u32, flags: u32, recent_from: u32) -> String {
        let names = mailbox.names(flags);
        let (system, keywords): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|n| n.starts_with('\\'));
        let recent = (uid >= recent_from).then_some("\\Recent");
        system.into_iter().chain(recent).chain(keywords).collect::<Vec<_>>().join(" ")
    }

    /// Tells what changed in the selected box since the client last heard.
    fn sync(&mut self, wire: &mut Vec<u8>, expunges: bool) {
        let Some(mut view) = self.view.take() else { return };
        let Some(mailbox) = self.account.find(&view.name).cloned() else {
            self.view = Some(view);
            return;
        };
        if expunges {
            let gone: Vec<(usize, u32)> = view
                .known
                .iter()
                .enumerate()
                .filter(|(_, k)| mailbox.messages.binary_search_by_key(&k.0, |m| m.uid).is_err())
                .map(|(n, k)| (n, k.0))
                .collect();
            if !gone.is_empty() {
                if self.qresync {
                    let uids: Vec<u32> = gone.iter().map(|g| g.1).collect();
                    wire.extend_from_slice(format!("* VANISHED {}\r\n", shown(&uids)).as_bytes());
                } else {
                    for (n, _) in gone.iter().rev() {
                        wire.extend_from_slice(format!("* {} EXPUNGE\r\n", n + 1).as_bytes());
                    }
                }
                view.known.retain(|k| !gone.iter().any(|g| g.1 == k.0));
                if mailbox.messages.len() == view.known.len() {
                    let recent = mailbox.messages.iter().filter(|m| m.uid >= view.recent_from).count();
                    if recent > 0 {
                        wire.extend_from_slice(format!("* {recent} RECENT\r\n").as_bytes());
                    }
                }
            }
        }
        let last = view.known.last().map_or(0, |k| k.0);
        let new: Vec<_> = mailbox.messages.iter().filter(|m| m.uid > last).map(|m| (m.uid, m.flags, m.modseq)).collect();
        if !new.is_empty() {
            view.known.extend(new);
            let recent = view.known.iter().filter(|k| k.0 >= view.recent_from).count();
            wire.extend_from_slice(format!("* {} EXISTS\r\n* {recent} RECENT\r\n", view.known.len()).as_bytes());
        }
        if mailbox.keywords.len() != view.keywords {
            view.keywords = mailbox.keywords.len();
            wire.extend_from_slice(format!("* FLAGS ({})\r\n{}", flag_list(&mailbox), permanent(&mailbox, view.readonly)).as_bytes());
        }
        let mut changed = Vec::new();
        for (n, known) in view.known.iter_mut().enumerate() {
            let Ok(place) = mailbox.messages.binary_search_by_key(&known.0, |m| m.uid) else { continue };
            let Some(m) = mailbox.messages.get(place) else { continue };
            if (m.flags, m.modseq) != (known.1, known.2) {
                changed.push((n + 1, m.uid, m.flags, m.modseq, m.flags != known.1));
                (known.1, known.2) = (m.flags, m.modseq);
            }
        }
        for (n, uid, flags, modseq, flags_too) in changed {
            let mut inside = String::new();
            if self.qresync {
                _ = write!(inside, "UID {uid} ");
            }
            if self.condstore {
                _ = write!(inside, "MODSEQ ({modseq}) ");
            }
            if flags_too {
                _ = write!(inside, "FLAGS ({})", self.flags_of(&mailbox, uid, flags, view.recent_from));
            }
            if !inside.is_empty() {
                wire.extend_from_slice(format!("* {n} FETCH ({})\r\n", inside.trim_end()).as_bytes());
            }
        }
        self.view = Some(view);
        self.refresh_contexts(wire);
    }

    /// FLAGS and PERMANENTFLAGS, if there are keywords the client has not heard of.
    pub(super) fn new_keywords(&mut self, mailbox: &Mailbox) -> Option<String> {
        let view = self.view.as_mut().filter(|v| v.keywords != mailbox.keywords.len())?;
        view.keywords = mailbox.keywords.len();
        Some(format!("* FLAGS ({})\r\n{}", flag_list(mailbox), permanent(mailbox, view.readonly)))
    }

    /// Searches that asked for updates.
    fn refresh_contexts(&mut self, wire: &mut Vec<u8>) {
        let contexts = std::mem::take(&mut self.contexts);
        let mut kept = Vec::new();
        for (tag, uid, key, old) in contexts {
            let new = self.found(&key);
            let number = |s: &Self, u: u32| if uid { u } else { s.seq_of(u).unwrap_or(0) };
            let mark = if uid { " UID" } else { "" };
            let removed: Vec<u32> = old.iter().copied().filter(|u| !new.contains(u)).collect();
            let added: Vec<u32> = new.iter().copied().filter(|u| !old.contains(u)).collect();
            for (what, list) in [("REMOVEFROM", removed), ("ADDTO", added)] {
                let numbers: Vec<u32> = list.iter().map(|u| number(self, *u)).filter(|n| *n > 0).collect();
                if !numbers.is_empty() {
                    wire.extend_from_slice(format!("* ESEARCH (TAG \"{tag}\"){mark} {what} (0 {})\r\n", shown(&numbers)).as_bytes());
                }
            }
            kept.push((tag, uid, key, new));
        }
        self.contexts = kept;
    }

    fn set_notify(&mut self, args: &[Arg], wire: &mut Vec<u8>) -> Answer {
        match args.first().and_then(Arg::word).as_deref() {
            Some("NONE") => self.notify = None,
            Some("SET") => {
                let rest = args.get(1..).unwrap_or_default();
                let status = rest.first().and_then(Arg::word).as_deref() == Some("STATUS");
                let groups = rest.get(usize::from(status)..).unwrap_or_default();
                if groups.is_empty() {
                    return Err("Missing NOTIFY events".into());
                }
                for group in groups {
                    let list = group.list().ok_or("Expected list, but got something else")?;
                    let known = ["SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE", "MAILBOXES"];
                    if !list.first().and_then(Arg::word).is_some_and(|w| known.contains(&w.as_str())) {
                        return Err("Invalid event group".into());
                    }
                }
                let selected = self.view.as_ref().map(|v| v.name.clone());
                let watched: Vec<_> = self
                    .account
                    .boxes
                    .boxes
                    .iter()
                    .filter(|(n, _)| Some(*n) != selected.as_ref())
                    .map(|(n, b)| (n.clone(), b.next, b.modseq))
                    .collect();
                if status {
                    for (name, mailbox) in &self.account.boxes.boxes {
                        if Some(name) != selected.as_ref() {
                            wire.extend_from_slice(notice(name, mailbox, false).as_bytes());
                        }
                    }
                }
                self.notify = Some(watched);
            }
            _ => return Err("Invalid arguments.".into()),
        }
        Ok("NOTIFY completed".into())
    }

    /// What NOTIFY has to tell of boxes that are not selected.
    fn news(&mut self, wire: &mut Vec<u8>) {
        let Some(watched) = &mut self.notify else { return };
        let selected = self.view.as_ref().map(|v| v.name.clone());
        for (name, mailbox) in &self.account.boxes.boxes {
            if Some(name) == selected.as_ref() {
                continue;
            }
            let now = (mailbox.next, mailbox.modseq);
            match watched.iter_mut().find(|w| w.0 == *name) {
                Some(w) if (w.1, w.2) == now => {}
                Some(w) => {
                    (w.1, w.2) = now;
                    wire.extend_from_slice(notice(name, mailbox, true).as_bytes());
                }
                None => {
                    wire.extend_from_slice(notice(name, mailbox, true).as_bytes());
                    watched.push((name.clone(), now.0, now.1));
                }
            }
        }
    }

    /// IDLE: time to look for new mail.
    pub(super) fn idle_beat(&mut self, out: &mut Reply) {
        self.now = out.now();
        self.account.look(self.now);
        let mut wire = Vec::new();
        self.sync(&mut wire, true);
        self.news(&mut wire);
        if wire.is_empty()
            && self
                .idle
                .as_ref()
                .is_some_and(|(_, since)| out.now().since(*since).as_secs() % 120 < 30 && out.now().since(*since).as_secs() >= 100)
        {
            wire.extend_from_slice(b"* OK Still here\r\n");
        }
        out.send(&wire);
        out.wake_after(BEAT);
    }

    pub(super) fn idle_done(&mut self, line: &[u8], out: &mut Reply) {
        let Some((tag, since)) = self.idle.take() else { return };
        self.now = out.now();
        self.account.look(self.now);
        let mut wire = Vec::new();
        self.sync(&mut wire, true);
        out.send(&wire);
        let seconds = out.now().since(since).as_millis();
        let (whole, part) = (seconds / 1000, seconds % 1000);
        let done = line.eq_ignore_ascii_case(b"DONE");
        let text = if done { "OK Idle completed" } else { "BAD Expected DONE" };
        let less = if part > 0 { format!("{whole}.{:03}", part - 1) } else { format!("{whole}.{part:03}") };
        out.send(format!("{tag} {text} ({whole}.{part:03} + {less} + {less} secs).\r\n").as_bytes());
    }

    /// UIDs of a set of numbers in the view; `None` of them is no error.
    pub(super) fn uids_of(&self, set: &[(u32, u32)], uid: bool) -> BTreeSet<u32> {
        let Some(view) = &self.view else { return BTreeSet::new() };
        let last = if uid { view.known.last().map_or(0, |k| k.0) } else { u32::try_from(view.known.len()).unwrap_or(u32::MAX) };
        let mut all = BTreeSet::new();
        for (a, b) in set {
            let (mut a, mut b) = (*a, *b);
            if b == u32::MAX {
                b = last;
                a = a.min(last);
            }
            if uid {
                let from = view.known.partition_point(|k| k.0 < a);
                all.extend(view.known.iter().skip(from).take_while(|k| k.0 <= b).map(|k| k.0));
            } else {
                let from = usize::try_from(a.saturating_sub(1)).unwrap_or(usize::MAX);
                let count = usize::try_from(b.saturating_sub(a)).unwrap_or(0).saturating_add(1);
                all.extend(view.known.iter().skip(from).take(count).map(|k| k.0));
            }
        }
        all
    }

    /// A message set of a command: UIDs, or what to say.
    pub(super) fn messages(&self, arg: Option<&Arg>, uid: bool) -> Result<BTreeSet<u32>, String> {
        let bytes = arg.and_then(Arg::bytes).ok_or("Invalid arguments.")?;
        if bytes == b"$" {
            return Ok(self.saved.iter().copied().collect());
        }
        let wrong = if uid { "Invalid UID messageset" } else { "Invalid messageset" };
        let set = parse::set(bytes).ok_or(wrong)?;
        let count = u32::try_from(self.view.as_ref().map_or(0, |v| v.known.len())).unwrap_or(u32::MAX);
        if !uid && set.iter().any(|(a, b)| (*b != u32::MAX && *b > count) || (*a != u32::MAX && *a > count) || count == 0) {
            return Err(wrong.into());
        }
        Ok(self.uids_of(&set, uid))
    }

    pub(super) fn seq_of(&self, uid: u32) -> Option<u32> {
        let place = self.view.as_ref()?.known.binary_search_by_key(&uid, |k| k.0).ok()?;
        u32::try_from(place + 1).ok()
    }

    fn expunge_where(&mut self, name: &str, wanted: impl Fn(u32) -> bool) {
        let Some(mailbox) = self.account.find_mut(name) else { return };
        let gone: BTreeSet<u32> = mailbox.messages.iter().filter(|m| m.flags & DELETED != 0 && wanted(m.uid)).map(|m| m.uid).collect();
        let sources: Vec<_> = mailbox.messages.iter().filter(|m| gone.contains(&m.uid)).map(|m| m.source.clone()).collect();
        if gone.is_empty() {
            return;
        }
        mailbox.remove(&gone);
        for source in sources {
            self.account.sweep(&source);
        }
        self.account.keep();
    }

    fn fetch(&mut self, args: &[Arg], uid: bool, wire: &mut Vec<u8>) -> Answer {
        let uids = self.messages(args.first(), uid)?;
        let mut items = fetch::items(args.get(1).ok_or("Missing arguments.")?)?;
        let (mut since, mut vanished) = (None, false);
        if let Some(options) = args.get(2).and_then(Arg::list) {
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match option.word().as_deref() {
                    Some("CHANGEDSINCE") => {
                        since = Some(
                            options.next().and_then(Arg::text).and_then(|t| t.parse::<u64>().ok()).ok_or("Invalid CHANGEDSINCE modseq.")?,
                        );
                    }
                    Some("VANISHED") if uid && self.qresync => vanished = true,
                    _ => return Err("Unknown FETCH modifier".into()),
                }
            }
            self.condstore = true;
            if !items.contains(&Item::ModSeq) {
                items.push(Item::ModSeq);
            }
        }
        if items.contains(&Item::ModSeq) && !self.condstore {
            self.condstore = true;
            let highest = self.view.as_ref().and_then(|v| self.account.find(&v.name)).map_or(1, |b| b.modseq);
            wire.extend_from_slice(format!("* OK [HIGHESTMODSEQ {highest}] Highest\r\n").as_bytes());
        }
        if uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        let Some(view) = &self.view else { return Err("BAD No mailbox selected".into()) };
        let (name, readonly, recent_from) = (view.name.clone(), view.readonly, view.recent_from);
        if vanished && let (Some(since), Some(mailbox)) = (since, self.account.find(&name)) {
            let gone: Vec<u32> = mailbox.gone.iter().filter(|g| g.1 > since).map(|g| g.0).collect::<BTreeSet<_>>().into_iter().collect();
            if !gone.is_empty() {
                wire.extend_from_slice(format!("* VANISHED (EARLIER) {}\r\n", shown(&gone)).as_bytes());
            }
        }
        let marks = !readonly && items.iter().any(Item::marks_seen);
        let mut marked = false;
        let mut some = false;
        let mut told: Vec<(u32, u32, u64)> = Vec::new();
        for target in &uids {
            let Some(seq) = self.seq_of(*target) else { continue };
            let mut flags_first = false;
            if marks
                && let Some(mailbox) = self.account.find_mut(&name)
                && mailbox.by_uid(*target).is_some_and(|m| m.flags & SEEN == 0)
            {
                let modseq = mailbox.tick();
                if let Some(m) = mailbox.by_uid(*target) {
                    m.flags |= SEEN;
                    m.modseq = modseq;
                }
                (marked, flags_first) = (true, true);
            }
            let Some(mailbox) = self.account.find(&name) else { break };
            let Ok(place) = mailbox.messages.binary_search_by_key(target, |m| m.uid) else { continue };
            let Some(m) = mailbox.messages.get(place) else { continue };
            if since.is_some_and(|s| m.modseq <= s) {
                continue;
            }
            some = true;
            let raw = self.account.bytes(&m.source);
            let needs = items.iter().any(|i| {
                matches!(i, Item::Structure | Item::Body | Item::Preview(_) | Item::Section(_) | Item::Binary { .. } | Item::BinarySize(_))
            });
            let root = if needs { message::parse(&raw) } else { message::Part::default() };
            wire.extend_from_slice(format!("* {seq} FETCH (").as_bytes());
            let mut first = true;
            let mut list: Vec<&Item> = items.iter().collect();
            if flags_first && !items.contains(&Item::Flags) {
                list.insert(usize::from(items.first() == Some(&Item::Uid)), &Item::Flags);
            }
            for item in list {
                if !std::mem::take(&mut first) {
                    wire.push(b' ');
                }
                match item {
                    Item::Flags => {
                        let flags = self.flags_of(mailbox, m.uid, m.flags, recent_from);
                        wire.extend_from_slice(format!("FLAGS ({flags})").as_bytes());
                        told.push((*target, m.flags, if self.condstore { 0 } else { m.modseq }));
                    }
                    Item::Uid => wire.extend_from_slice(format!("UID {}", m.uid).as_bytes()),
                    Item::InternalDate => wire.extend_from_slice(format!("INTERNALDATE \"{}\"", self.date(m.at)).as_bytes()),
                    Item::Size => wire.extend_from_slice(format!("RFC822.SIZE {}", raw.len()).as_bytes()),
                    Item::ModSeq => {
                        wire.extend_from_slice(format!("MODSEQ ({})", m.modseq).as_bytes());
                        told.push((*target, m.flags, m.modseq));
                    }
                    Item::SaveDate => match m.saved {
                        Some(at) => wire.extend_from_slice(format!("SAVEDATE \"{}\"", self.date(at)).as_bytes()),
                        None => wire.extend_from_slice(b"SAVEDATE NIL"),
                    },
                    Item::Envelope => {
                        wire.extend_from_slice(b"ENVELOPE ");
                        let end = raw.windows(4).position(|w| w == b"\r\n\r\n").map_or(raw.len(), |n| n + 2);
                        fetch::envelope(wire, raw.get(..end).unwrap_or_default());
                    }
                    Item::Structure => {
                        wire.extend_from_slice(b"BODYSTRUCTURE ");
                        fetch::structure(wire, &raw, &root, true);
                    }
                    Item::Body => {
                        wire.extend_from_slice(b"BODY ");
                        fetch::structure(wire, &raw, &root, false);
                    }
                    Item::Preview(label) => {
                        let text = message::preview(&raw, &root);
                        wire.extend_from_slice(format!("{label} ").as_bytes());
                        parse::string(wire, text.as_bytes());
                        if label.contains('(') {
                            wire.push(b')');
                        }
                    }
                    Item::Section(section) => fetch::write_section(wire, &raw, &root, section),
                    Item::Binary { path, partial, .. } => {
                        let numbers = path.iter().map(usize::to_string).collect::<Vec<_>>().join(".");
                        wire.extend_from_slice(format!("BINARY[{numbers}]").as_bytes());
                        let whole = if path.is_empty() {
                            Some(raw.to_vec())
                        } else {
                            root.at(path).and_then(|p| message::decoded(&p.encoding, raw.get(p.body.clone()).unwrap_or_default()))
                        };
                        match whole {
                            None => wire.extend_from_slice(b" NIL"),
                            Some(bytes) => {
                                let (from, count) = partial.unwrap_or((0, bytes.len()));
                                if partial.is_some() {
                                    wire.extend_from_slice(format!("<{from}>").as_bytes());
                                }
                                let end = from.saturating_add(count).min(bytes.len());
                                let cut = bytes.get(from.min(bytes.len())..end).unwrap_or_default();
                                wire.extend_from_slice(if cut.contains(&0) { b" ~" } else { b" " });
                                parse::literal_string(wire, cut);
                            }
                        }
                    }
                    Item::BinarySize(path) => {
                        let numbers = path.iter().map(usize::to_string).collect::<Vec<_>>().join(".");
                        let size = root
                            .at(path)
                            .and_then(|p| message::decoded(&p.encoding, raw.get(p.body.clone()).unwrap_or_default()))
                            .map_or(0, |b| b.len());
                        wire.extend_from_slice(format!("BINARY.SIZE[{numbers}] {size}").as_bytes());
                    }
                }
            }
            wire.extend_from_slice(b")\r\n");
            if wire.len() > MOST_ANSWER {
                break;
            }
        }
        for (target, flags, modseq) in told {
            self.heard(target, flags, modseq);
        }
        if marked {
            self.account.keep();
        }
        _ = some;
        Ok("Fetch completed".into())
    }

    /// The client knows these flags (and this modseq, unless 0) of a message now.
    pub(super) fn heard(&mut self, uid: u32, flags: u32, modseq: u64) {
        if let Some(view) = &mut self.view
            && let Ok(place) = view.known.binary_search_by_key(&uid, |k| k.0)
            && let Some(known) = view.known.get_mut(place)
        {
            known.1 = flags;
            if modseq != 0 {
                known.2 = modseq;
            }
        }
    }

    /// `03-Nov-2026 10:02:12 +0100`.
    fn date(&self, seconds: i64) -> String {
        let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned_datetime(self.zone.clone());
        jiff::fmt::strtime::format("%d-%b-%Y %H:%M:%S %z", &at).unwrap_or_default()
    }

    /// Every message of the view for a search.
    fn seen(&self) -> Vec<Seen<'_>> {
        let Some(view) = &self.view else { return Vec::new() };
        let Some(mailbox) = self.account.find(&view.name) else { return Vec::new() };
        let mut all = Vec::with_capacity(view.known.len());
        for (n, known) in view.known.iter().enumerate() {
            let Ok(place) = mailbox.messages.binary_search_by_key(&known.0, |m| m.uid) else { continue };
            let Some(m) = mailbox.messages.get(place) else { continue };
            all.push(Seen {
                seq: u32::try_from(n + 1).unwrap_or(u32::MAX),
                uid: m.uid,
                flags: m.flags,
                recent: m.uid >= view.recent_from,
                modseq: m.modseq,
                at: m.at,
                saved: m.saved,
                keywords: mailbox.names(m.flags).into_iter().filter(|n| !n.starts_with('\\')).collect(),
                raw: self.account.bytes(&m.source),
            });
        }
        all
    }

    fn matching(&self, key: &search::Key) -> Vec<Seen<'_>> {
        let view = self.view.as_ref();
        let now = jiff::Timestamp::from_microsecond(self.now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let place = Place {
            count: u32::try_from(view.map_or(0, |v| v.known.len())).unwrap_or(u32::MAX),
            last_uid: view.and_then(|v| v.known.last()).map_or(0, |k| k.0),
            saved: &self.saved,
            now: self.now.seconds(),
            offset: i64::from(self.zone.to_offset(now).seconds()),
        };
        self.seen().into_iter().filter(|m| search::fits(key, m, &place)).collect()
    }

    fn found(&self, key: &search::Key) -> Vec<u32> {
        self.matching(key).iter().map(|m| m.uid).collect()
    }

    fn search(&mut self, args: &[Arg], uid: bool, tag: &str, wire: &mut Vec<u8>) -> Answer {
        let (returns, rest) = returns(args)?;
        let rest = match rest.first().and_then(Arg::word).as_deref() {
            Some("CHARSET") => {
                let charset = rest.get(1).and_then(Arg::text).ok_or("Missing charset argument.")?;
                if !["UTF-8", "US-ASCII", "UTF8"].contains(&charset.to_ascii_uppercase().as_str()) {
                    return Ok("NO [BADCHARSET] Unknown charset".into());
                }
                rest.get(2..).unwrap_or_default()
            }
            _ => rest,
        };
        let key = search::keys(rest)?;
        let matching = self.matching(&key);
        let numbers: Vec<u32> = matching.iter().map(|m| if uid { m.uid } else { m.seq }).collect();
        let uids: Vec<u32> = matching.iter().map(|m| m.uid).collect();
        let modseq = search::wants_modseq(&key).then(|| matching.iter().map(|m| m.modseq).max()).flatten();
        drop(matching);
        self.answer_search(returns, &numbers, uids, key, uid, tag, "SEARCH", modseq, wire);
        Ok("Search completed".into())
    }

    #[expect(clippy::too_many_arguments, reason = "two callers")]
    fn answer_search(
        &mut self,
        returns: Option<Vec<Arg>>,
        numbers: &[u32],
        uids: Vec<u32>,
        key: search::Key,
        uid: bool,
        tag: &str,
        what: &str,
        modseq: Option<u64>,
        wire: &mut Vec<u8>,
    ) {
        let Some(returns) = returns else {
            wire.extend_from_slice(format!("* {what}").as_bytes());
            for n in numbers {
                wire.extend_from_slice(format!(" {n}").as_bytes());
            }
            if let Some(modseq) = modseq {
                wire.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
            }
            wire.extend_from_slice(b"\r\n");
            return;
        };
        let words: Vec<String> = returns.iter().filter_map(Arg::word).collect();
        let has = |word: &str| words.iter().any(|w| w == word);
        if has("SAVE") {
            self.saved = uids.clone();
            self.saved.sort_unstable();
            if words.len() == 1 {
                return;
            }
        }
        let mut text = format!("* ESEARCH (TAG \"{tag}\"){}", if uid { " UID" } else { "" });
        let extreme = |f: fn(&mut dyn Iterator<Item = u32>) -> Option<u32>| f(&mut numbers.iter().copied());
        if has("MIN")
            && let Some(n) = extreme(|i| i.min())
        {
            _ = write!(text, " MIN {n}");
        }
        if has("MAX")
            && let Some(n) = extreme(|i| i.max())
        {
            _ = write!(text, " MAX {n}");
        }
        let only_extra = !["MIN", "MAX", "COUNT", "ALL", "PARTIAL"].iter().any(|w| has(w)) && !has("SAVE");
        if (has("ALL") || only_extra) && !numbers.is_empty() {
            _ = write!(text, " ALL {}", shown(numbers));
        }
        if let Some(place) = returns.iter().position(|r| r.word().as_deref() == Some("PARTIAL"))
            && let Some((from, to)) = returns.get(place + 1).and_then(Arg::text).and_then(|t| {
                let (a, b) = t.split_once(':')?;
                Some((a.parse::<usize>().ok()?, b.parse::<usize>().ok()?))
            })
        {
            let (from, to) = (from.min(to).max(1), from.max(to));
            let cut: Vec<u32> = numbers.iter().copied().skip(from - 1).take(to - from + 1).collect();
            _ = write!(text, " PARTIAL ({from}:{to} {})", if cut.is_empty() { "NIL".into() } else { shown(&cut) });
        }
        if has("COUNT") {
            _ = write!(text, " COUNT {}", numbers.len());
        }
        if let Some(modseq) = modseq {
            _ = write!(text, " MODSEQ {modseq}");
        }
        wire.extend_from_slice(text.as_bytes());
        wire.extend_from_slice(b"\r\n");
        if has("UPDATE") && self.contexts.len() < 20 {
            self.contexts.push((tag.to_owned(), uid, key, uids));
        }
    }

    fn sort(&mut self, args: &[Arg], uid: bool, tag: &str, wire: &mut Vec<u8>) -> Answer {
        let (returns, rest) = returns(args)?;
        let criteria = rest.first().and_then(Arg::list).and_then(search::criteria).ok_or("Invalid sort criteria.")?;
        let charset = rest.get(1).and_then(Arg::text).ok_or("Missing charset argument.")?;
        if !["UTF-8", "US-ASCII", "UTF8"].contains(&charset.to_ascii_uppercase().as_str()) {
            return Ok("NO [BADCHARSET] Unknown charset".into());
        }
        let key = search::keys(rest.get(2..).unwrap_or_default())?;
        let mut matching = self.matching(&key);
        search::sort(&mut matching, &criteria);
        let numbers: Vec<u32> = matching.iter().map(|m| if uid { m.uid } else { m.seq }).collect();
        let uids: Vec<u32> = matching.iter().map(|m| m.uid).collect();
        drop(matching);
        self.answer_search(returns, &numbers, uids, key, uid, tag, "SORT", None, wire);
        Ok("Sort completed".into())
    }

    fn thread(&mut self, args: &[Arg], uid: bool, wire: &mut Vec<u8>) -> Answer {
        let how = args.first().and_then(Arg::word).ok_or("Invalid thread algorithm.")?;
        if !["REFERENCES", "REFS", "ORDEREDSUBJECT"].contains(&how.as_str()) {
            return Err("Unknown thread algorithm.".into());
        }
        let charset = args.get(1).and_then(Arg::text).ok_or("Missing charset argument.")?;
        if !["UTF-8", "US-ASCII", "UTF8"].contains(&charset.to_ascii_uppercase().as_str()) {
            return Ok("NO [BADCHARSET] Unknown charset".into());
        }
        let key = search::keys(args.get(2..).unwrap_or_default())?;
        let matching = self.matching(&key);
        let text = search::thread(&matching, &how, |m| if uid { m.uid } else { m.seq });
        wire.extend_from_slice(format!("* THREAD{}{text}\r\n", if text.is_empty() { "" } else { " " }).as_bytes());
        Ok("Thread completed".into())
    }
}

/// `RETURN (…)` at the front, and the rest.
fn returns(args: &[Arg]) -> Result<(Option<Vec<Arg>>, &[Arg]), String> {
    if args.first().and_then(Arg::word).as_deref() != Some("RETURN") {
        return Ok((None, args));
    }
    let list = args.get(1).and_then(Arg::list).ok_or("Invalid return options.")?;
    let known = ["MIN", "MAX", "COUNT", "ALL", "SAVE", "UPDATE", "PARTIAL", "CONTEXT", "RELEVANCY"];
    let mut partial = false;
    for arg in list {
        if std::mem::take(&mut partial) {
            continue;
        }
        let word = arg.word().unwrap_or_default();
        if !known.contains(&word.as_str()) {
            return Err(format!("Unknown search return option: {word}"));
        }
        partial = word == "PARTIAL";
    }
    Ok((Some(list.to_vec()), args.get(2..).unwrap_or_default()))
}

fn flag_list(mailbox: &Mailbox) -> String {
    let mut text = "\\Answered \\Flagged \\Deleted \\Seen \\Draft".to_owned();
    for keyword in &mailbox.keywords {
        text.push(' ');
        text.push_str(keyword);
    }
    text
}

fn permanent(mailbox: &Mailbox, readonly: bool) -> String {
    if readonly {
        return "* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n".into();
    }
    format!("* OK [PERMANENTFLAGS ({} \\*)] Flags permitted.\r\n", flag_list(mailbox))
}

fn notice(name: &str, mailbox: &Mailbox, modseq: bool) -> String {
    let unseen = mailbox.messages.iter().filter(|m| m.flags & SEEN == 0).count();
    let more = if modseq { format!(" HIGHESTMODSEQ {}", mailbox.modseq) } else { String::new() };
    format!(
        "* STATUS {} (MESSAGES {} UIDNEXT {} UIDVALIDITY {} UNSEEN {unseen}{more})\r\n",
        parse::name(name),
        mailbox.messages.len(),
        mailbox.next,
        mailbox.validity
    )
}
