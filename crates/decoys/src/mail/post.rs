//! What lies in the mailboxes before anybody from outside touches them.
//!
//! `IMAP_EMAIL_SEED` or `POP3_EMAIL_SEED` (a directory of `.eml` files, one for each service), else what was delivered
//! for this decky into [`folder`], else mail made up from the decky's seed. An empty or missing directory counts as
//! none. What was read is kept for [`FRESH`] and while no directory has changed.

use bytes::Bytes;
use lures::{Office, Person, company::Brief, hours};
use model::{DeckyId, Micros, Persona};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::message;
use crate::{Visit, stage::file_name};

/// How long directories are not looked at again.
const FRESH: Duration = Duration::from_secs(5);
/// Largest file that is read, most files of one directory tree, and most bytes of them.
const LARGEST: u64 = 16 * 1024 * 1024;
const MOST_FILES: usize = 20_000;
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// File of logins beside delivered mail: `{"login": "password", …}`.
pub const PEOPLE: &str = "people.json";
/// How long the made-up boxes of an account are kept after their last use.
const KEPT: usize = 8;

/// Where mail delivered for a decky lies, below the player's state directory. Inside it the paths are those of the
/// machine: `var/spool/decnet-emails/<thread>/<message>.eml`.
pub fn folder(state: &Path, decky: &DeckyId) -> PathBuf {
    state.join("mail").join(file_name(decky.as_str()))
}

/// Path of the spool in a decky's own file system.
pub const SPOOL: &str = "var/spool/decnet-emails";

/// Which folder a letter lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tray {
    Inbox,
    Sent,
}

/// A message that lies in a box from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The same for the same message, for ever.
    pub(crate) key: u64,
    pub(crate) uid: u32,
    pub(crate) at: Micros,
    pub(crate) tray: Tray,
    pub(crate) seen: bool,
    pub(crate) answered: bool,
    pub(crate) raw: Bytes,
}

/// A delivered file.
#[derive(Debug)]
struct File {
    key: u64,
    at: Micros,
    raw: Bytes,
    /// Local parts, lower case.
    from: String,
    to: Vec<String>,
}

/// The mail of one decky. Cheap to clone; all its conversations share one.
#[derive(Clone, Debug, Default)]
pub struct Post(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Directory of what was delivered for the decky; `None`: nothing ever is.
    delivered: Option<PathBuf>,
    /// Directories named for a service, by its slug.
    seeds: BTreeMap<String, PathBuf>,
    read: Mutex<HashMap<PathBuf, Arc<Read>>>,
    made: Mutex<Vec<(String, i64, Arc<Vec<Letter>>)>>,
    /// What has come so far of a list that goes on into the future.
    so_far: Mutex<HashMap<String, (Arc<Vec<Letter>>, Arc<Vec<Letter>>)>>,
}

/// A directory as it was read.
#[derive(Debug)]
struct Read {
    when: Mutex<Instant>,
    /// Every directory of the tree and its time of change.
    dirs: Vec<(PathBuf, Option<SystemTime>)>,
    files: Vec<File>,
    people: Vec<(String, String)>,
    /// Sorted out by account.
    sorted: Mutex<HashMap<String, Arc<Vec<Letter>>>>,
}

impl Post {
    /// The mail of a decky whose deliveries lie under `delivered`.
    pub fn new(delivered: PathBuf, seeds: BTreeMap<String, PathBuf>) -> Self {
        Self(Arc::new(Shared { delivered: Some(delivered), seeds, ..Shared::default() }))
    }

    /// Logins that came with delivered mail, beside the decky's own accounts.
    pub(crate) fn people(&self, visit: &Visit) -> Vec<(String, String)> {
        self.source(visit).map(|r| r.people.clone()).unwrap_or_default()
    }

    /// What lies in the boxes of `account` at `now`, oldest first.
    pub(crate) fn letters(&self, visit: &Visit, account: &str, now: Micros) -> Arc<Vec<Letter>> {
        if let Some(read) = self.source(visit)
            && !read.files.is_empty()
        {
            let mut sorted = read.sorted.lock();
            let all = sorted.entry(account.to_owned()).or_insert_with(|| Arc::new(sorted_out(&read, visit, account, now)));
            return self.until(account, Arc::clone(all), now);
        }
        let all = self.made_up(&visit.persona, account, now);
        self.until(account, all, now)
    }

    /// The letters of `all` that have come by `now`.
    fn until(&self, account: &str, all: Arc<Vec<Letter>>, now: Micros) -> Arc<Vec<Letter>> {
        let count = all.partition_point(|l| l.at <= now);
        if count == all.len() {
            return all;
        }
        let mut kept = self.0.so_far.lock();
        if let Some((of, cut)) = kept.get(account)
            && Arc::ptr_eq(of, &all)
            && cut.len() == count
        {
            return Arc::clone(cut);
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let cut = Arc::new(all.get(..count).unwrap_or_default().to_vec());
        kept.insert(account.to_owned(), (all, Arc::clone(&cut)));
        cut
    }

    fn source(&self, visit: &Visit) -> Option<Arc<Read>> {
        let path = match self.0.seeds.get(visit.service) {
            Some(path) => path.clone(),
            None => self.0.delivered.as_ref()?.join(SPOOL),
        };
        let mut kept = self.0.read.lock();
        if let Some(read) = kept.get(&path) {
            let mut when = read.when.lock();
            if when.elapsed() < FRESH {
                return Some(Arc::clone(read));
            }
            if !read.dirs.is_empty() && read.dirs.iter().all(|(dir, time)| changed(dir) == *time) {
                *when = Instant::now();
                return Some(Arc::clone(read));
            }
        }
        let read = Arc::new(read_tree(&path));
        kept.insert(path, Arc::clone(&read));
        Some(read)
    }

    fn made_up(&self, persona: &Arc<Persona>, account: &str, now: Micros) -> Arc<Vec<Letter>> {
        let zone = hours::zone(&persona.timezone);
        let day = hours::day_of(now, &zone);
        let mut made = self.0.made.lock();
        match made.iter().position(|(a, d, _)| a == account && *d == day) {
            Some(place) => {
                let found = made.remove(place);
                let all = Arc::clone(&found.2);
                made.push(found);
                all
            }
            None => {
                let all = Arc::new(make(persona, account, day));
                made.retain(|(a, _, _)| a != account);
                if made.len() >= KEPT {
                    made.remove(0);
                }
                made.push((account.to_owned(), day, Arc::clone(&all)));
                all
            }
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn read_tree(root: &Path) -> Read {
    let mut dirs = Vec::new();
    let mut found: Vec<(Micros, PathBuf)> = Vec::new();
    let mut next = vec![(root.to_owned(), 0)];
    let mut bytes = 0;
    while let Some((dir, depth)) = next.pop() {
        dirs.push((dir.clone(), changed(&dir)));
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten().take(MOST_FILES) {
            let Ok(meta) = entry.metadata() else { continue };
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if meta.is_dir() && depth < 4 && !hidden {
                next.push((path, depth + 1));
            } else if meta.is_file()
                && !hidden
                && path.extension().is_some_and(|e| e == "eml")
                && meta.len() <= LARGEST
                && found.len() < MOST_FILES
            {
                bytes += meta.len();
                if bytes <= MOST_BYTES {
                    found.push((Micros::of(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)), path));
                }
            }
        }
    }
    found.sort();
    let files = found.into_iter().filter_map(|(at, path)| file(at, &path)).collect();
    let people = std::fs::read(root.join(PEOPLE)).ok().filter(|b| b.len() < 4 * 1024 * 1024);
    let people: BTreeMap<String, String> = people.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
    Read {
        when: Mutex::new(Instant::now()),
        dirs,
        files,
        people: people.into_iter().map(|(l, p)| (l.to_lowercase(), p)).collect(),
        sorted: Mutex::default(),
    }
}

fn file(at: Micros, path: &Path) -> Option<File> {
    let bytes = std::fs::read(path).ok()?;
    let raw = crlf(&bytes);
    let part = message::parse(&raw);
    let header = raw.get(part.header)?;
    if message::fields(header).iter().filter(|(n, _)| !n.is_empty()).count() == 0 {
        return None;
    }
    let local =
        |value: Vec<u8>| message::addresses(&value).into_iter().filter_map(|a| a.mailbox).map(|m| m.to_lowercase()).collect::<Vec<_>>();
    let from = message::field(header, "From").map(local).and_then(|l| l.into_iter().next()).unwrap_or_default();
    let to = ["To", "Cc", "Bcc", "Delivered-To"].iter().flat_map(|n| message::all_fields(header, n)).flat_map(local).collect();
    Some(File { key: key(&[path.as_os_str().as_encoded_bytes()]), at, from, to, raw: raw.into() })
}

/// Lines ended by CRLF.
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 40);
    let mut last = 0;
    for &b in bytes {
        if b == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(b);
        last = b;
    }
    out
}

fn key(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize().first_chunk::<8>().map_or(0, |c| u64::from_le_bytes(*c))
}

/// The letters of `account` among delivered files. Mail for nobody who is known lies in every INBOX.
fn sorted_out(read: &Read, visit: &Visit, account: &str, now: Micros) -> Vec<Letter> {
    let account = account.split('@').next().unwrap_or(account);
    let known = |name: &String| {
        visit.persona.account(name.as_bytes()).is_some() || read.people.iter().any(|(l, _)| l.split('@').next() == Some(name))
    };
    let mut all = Vec::new();
    let mut uids = [0u32; 2];
    for file in read.files.iter() {
        let mine = file.to.iter().any(|t| t == account);
        let nobodys = !file.to.iter().any(known) && !known(&file.from);
        for (tray, here) in [(Tray::Inbox, mine || nobodys), (Tray::Sent, file.from == account)] {
            if here {
                let uid = uids.get_mut(usize::from(tray == Tray::Sent));
                let uid = uid.map_or(1, |u| {
                    *u += 1;
                    *u
                });
                let old = now.since(file.at) > Duration::from_secs(20 * 3600);
                let seen = tray == Tray::Sent || (old && file.key % 100 < 93) || file.key % 100 < 30;
                let raw = copy(&file.raw, tray, account, &visit.persona);
                all.push(Letter { key: file.key ^ u64::from(tray == Tray::Sent), uid, at: file.at, tray, seen, answered: false, raw });
            }
        }
    }
    all
}

/// A message as it lies in one person's box: with the headers of the delivery, or, in Sent, without any trace.
fn copy(raw: &Bytes, tray: Tray, account: &str, persona: &Persona) -> Bytes {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n").map_or(raw.len(), |n| n + 2);
    let header = raw.get(..end).unwrap_or_default();
    let mut out = Vec::with_capacity(raw.len() + 160);
    match tray {
        Tray::Sent => {
            for (name, bytes) in message::fields(header) {
                if !name.eq_ignore_ascii_case(b"Return-Path") && !name.eq_ignore_ascii_case(b"Received") {
                    out.extend_from_slice(bytes);
                }
            }
        }
        Tray::Inbox => {
            let mut rest = header;
            let first = message::fields(header).into_iter().next();
            if let Some((name, bytes)) = first
                && name.eq_ignore_ascii_case(b"Return-Path")
            {
                out.extend_from_slice(bytes);
                rest = header.get(bytes.len()..).unwrap_or_default();
            }
            if message::field(header, "Delivered-To").is_none() && message::field(header, "Received").is_some() {
                let to = message::all_fields(header, "To").into_iter().chain(message::all_fields(header, "Cc"));
                let mine =
                    to.flat_map(|v| message::addresses(&v)).find(|a| a.mailbox.as_deref().is_some_and(|m| m.eq_ignore_ascii_case(account)));
                let address = mine.map_or_else(
                    || format!("{account}@{}", persona.domain),
                    |a| format!("{}@{}", a.mailbox.unwrap_or_default(), a.host.unwrap_or_default()),
                );
                out.extend_from_slice(format!("X-Original-To: {address}\r\nDelivered-To: {address}\r\n").as_bytes());
            }
            out.extend_from_slice(rest);
        }
    }
    out.extend_from_slice(raw.get(end..).unwrap_or_default());
    out.into()
}

/// How people of a place write, from the zone the machine stands in.
fn language(zone: &str) -> &'static str {
    match zone {
        "Europe/Madrid" | "America/Mexico_City" | "America/Bogota" => "es",
        "Europe/Berlin" | "Europe/Vienna" | "Europe/Zurich" => "de",
        "Europe/Paris" | "Europe/Brussels" => "fr",
        "Europe/Lisbon" | "America/Sao_Paulo" => "pt",
        _ => "en",
    }
}

/// The office that the mail of a machine is made up from: those who have an account, and colleagues.
fn office(persona: &Persona) -> Office {
    let language = language(&persona.timezone);
    let domain = if persona.domain.is_empty() { "localdomain" } else { &persona.domain };
    let known: Vec<Person> = persona
        .accounts
        .iter()
        .filter_map(|a| {
            let name = a.gecos.split(',').next().unwrap_or_default().trim();
            let person = a.uid >= 1000 && name.contains(' ') && a.password.is_some();
            person.then(|| Person {
                name: name.to_owned(),
                email: format!("{}@{domain}", a.name),
                role: String::new(),
                language: Some(language.into()),
                active_hours: "08:30-17:45".into(),
                ..Person::default()
            })
        })
        .collect();
    let brief = Brief {
        company: Some(persona.company.clone()),
        domain: Some(domain.to_owned()),
        language: language.into(),
        timezone: persona.timezone.clone(),
        people: known.len() + 9,
    };
    let mut people = lures::company::people(&persona.seed, domain, &persona.company, &brief, &known);
    for person in people.iter_mut().take(known.len()) {
        person.timezone = Some(persona.timezone.clone());
    }
    Office::new(&persona.seed, &persona.company, &persona.fqdn(), persona.ipv4, language, &persona.timezone, people)
}

/// Days of mail that are kept, and most days that are counted for UIDs.
const WINDOW: i64 = 62;
const COUNTED: i64 = 900;

/// The boxes of an account up to the end of `day`.
fn make(persona: &Persona, account: &str, day: i64) -> Vec<Letter> {
    let office = office(persona);
    let zone = office.zone().clone();
    let domain = if persona.domain.is_empty() { "localdomain" } else { &persona.domain };
    let Some(me) = office.find(&format!("{account}@{domain}")) else {
        return notices(persona, account, day);
    };
    // The box is cleared out at the first of a month, down to what came in the two months before.
    let from = hours::local(hours::at_local(day - WINDOW, 0, &zone), &zone)
        .first_of_month()
        .map_or(day - WINDOW, |z| z.timestamp().as_second().div_euclid(86_400) + 1);
    let first = hours::day_of(persona.installed, &zone).max(day - COUNTED);
    let mut uids = [0u32; 2];
    let mut found: Vec<(Micros, usize, usize)> = Vec::new();
    let mut posts = Vec::new();
    for d in first.min(day)..=day {
        for post in office.threads(d) {
            if post.concerns(me) {
                let place = posts.len();
                found.extend(post.turns.iter().enumerate().map(|(turn, (_, at))| (*at, place, turn)));
                posts.push((post, None));
            }
        }
    }
    found.sort_unstable();
    let start = hours::at_local(from, 0, &zone);
    let end = hours::at_local(day + 1, 0, &zone);
    let mut all = Vec::new();
    for (at, place, turn) in found {
        let Some((post, mails)) = posts.get_mut(place) else { continue };
        if at >= end {
            continue;
        }
        let writer = post.turns.get(turn).map(|t| t.0);
        let tray = if writer == Some(me) { Tray::Sent } else { Tray::Inbox };
        let Some(uid) = uids.get_mut(usize::from(tray == Tray::Sent)) else { continue };
        *uid += 1;
        let uid = *uid;
        let key = key(&[post.thread.as_bytes(), &turn.to_le_bytes(), account.as_bytes()]);
        // Some is deleted once it was read.
        let age = end.since(at);
        if at < start || (tray == Tray::Inbox && key % 100 < 17 && age > Duration::from_secs(3 * 86_400)) {
            continue;
        }
        let mails = mails.get_or_insert_with(|| office.write(post));
        let Some(mail) = mails.get(turn) else { continue };
        let raw = copy(&Bytes::from(mail.raw()), tray, account, persona);
        let answered = tray == Tray::Inbox && post.turns.iter().skip(turn + 1).any(|t| t.0 == me && t.1 < end);
        let seen = tray == Tray::Sent || answered || age > Duration::from_secs(44 * 3600) && key % 100 < 96 || key % 100 < 35;
        all.push(Letter { key, uid, at: at.plus(Duration::from_secs(1)), tray, seen, answered, raw });
    }
    all
}

/// What programs send to the accounts that are nobody's: the nightly reports of cron.
fn notices(persona: &Persona, account: &str, day: i64) -> Vec<Letter> {
    if account != "root" && persona.account(account.as_bytes()).is_none_or(|a| a.uid < 1000) {
        return Vec::new();
    }
    let zone = hours::zone(&persona.timezone);
    let mut habit = lures::Dice::of(&persona.seed, &["cron", account]);
    let (script, minute) = (habit.word(&["backup", "db-dump", "rotate-exports", "sync-files", "report"]), habit.below(55));
    let command = format!("/usr/local/bin/{script}.sh");
    let host = persona.fqdn();
    let first = hours::day_of(persona.installed, &zone).max(day - 40);
    let mut uid = u32::try_from(habit.between(90, 800)).unwrap_or(90);
    let mut all = Vec::new();
    for d in first..=day {
        let mut dice = lures::Dice::of(&persona.seed, &["cron", account, &d.to_string()]);
        if !dice.percent(22) {
            continue;
        }
        uid += 1;
        let seconds = i64::try_from(2 * 3600 + minute * 60 + dice.between(1, 40)).unwrap_or(0);
        let at = hours::at_local(d, seconds, &zone);
        let here = hours::local(at, &zone);
        let show = |format: &str| jiff::fmt::strtime::format(format, &here).unwrap_or_default();
        let body = match dice.below(3) {
            0 => format!("{command}: line {}: warning: {} files changed while being read\r\n", dice.between(20, 90), dice.between(1, 9)),
            1 => format!(
                "tar: Removing leading `/' from member names\r\ntar: /srv/data/export-{}.tmp: file changed as we read it\r\n",
                dice.between(10, 99)
            ),
            _ => format!("{command}: target at {}% after this run\r\n", dice.between(71, 93)),
        };
        let (id, from) = (format!("{:05X}{:05X}", dice.below(1_000_000), 0x2_0000 + dice.below(0x2_0000)), "root");
        let raw = format!(
            "Return-Path: <{from}@{host}>\r\nX-Original-To: {account}\r\nDelivered-To: {account}@{host}\r\nReceived: by {host} (Postfix, from userid 0)\r\n\
             \tid {id}; {}\r\nFrom: root@{host} (Cron Daemon)\r\nTo: {account}@{host}\r\nSubject: Cron <root@{}> {command}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Cron-Env: <SHELL=/bin/sh>\r\nX-Cron-Env: <HOME=/root>\r\n\
             X-Cron-Env: <PATH=/usr/bin:/bin>\r\nX-Cron-Env: <LOGNAME=root>\r\nMessage-Id: <{}.{id}@{host}>\r\nDate: {}\r\n\r\n{body}",
            show("%a, %e %b %Y %H:%M:%S %z (%Z)"),
            persona.hostname,
            jiff::fmt::strtime::format("%Y%m%d%H%M%S", &here.with_time_zone(jiff::tz::TimeZone::UTC)).unwrap_or_default(),
            show("%a, %e %b %Y %H:%M:%S %z (%Z)"),
        );
        let key = key(&[account.as_bytes(), &d.to_le_bytes()]);
        all.push(Letter { key, uid, at, tray: Tray::Inbox, seen: key % 100 < 60, answered: false, raw: raw.into() });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::rehearse;

    #[test]
    fn made_up_boxes_stay_the_same_and_grow_at_the_end() {
        let visit = rehearse::visit(rehearse::persona(), "imap");
        let post = Post::default();
        let day = 86_400_000_000;
        let today = post.letters(&visit, "mgarcia", rehearse::NOW);
        let later = Post::default().letters(&visit, "mgarcia", Micros(rehearse::NOW.0 + 3 * day));
        assert!(today.len() > 40, "{}", today.len());
        let old: Vec<(u64, u32)> = today.iter().map(|l| (l.key, l.uid)).collect();
        let kept: Vec<(u64, u32)> = later.iter().filter(|l| old.iter().any(|o| o.0 == l.key)).map(|l| (l.key, l.uid)).collect();
        assert!(kept.iter().all(|k| old.contains(k)));
        for tray in [Tray::Inbox, Tray::Sent] {
            let uids: Vec<u32> = later.iter().filter(|l| l.tray == tray).map(|l| l.uid).collect();
            assert!(uids.is_sorted() && uids.len() > 5, "{uids:?}");
        }
        assert!(later.iter().any(|l| !old.iter().any(|o| o.0 == l.key)));
        assert!(post.letters(&visit, "root", rehearse::NOW).iter().all(|l| l.tray == Tray::Inbox));
        assert!(post.letters(&visit, "nobody", rehearse::NOW).is_empty());
    }

    #[test]
    fn a_directory_replaces_what_is_made_up_until_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let visit = rehearse::visit(rehearse::persona(), "imap");
        let post = || Post::new(dir.path().join("d"), BTreeMap::from([("imap".into(), dir.path().join("seed"))]));
        assert!(post().letters(&visit, "mgarcia", rehearse::NOW).len() > 40);
        std::fs::create_dir_all(dir.path().join("seed/t1")).unwrap();
        assert!(post().letters(&visit, "mgarcia", rehearse::NOW).len() > 40);
        let write = |name: &str, text: &str, at: u64| {
            let path = dir.path().join("seed/t1").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        };
        write("b.eml", "Return-Path: <deploy@x>\nReceived: by y\nFrom: deploy@x.y\nTo: mgarcia@x.y\nSubject: two\n\nhi\n", 1_772_000_200);
        write("a.eml", "From: mgarcia@x.y\nTo: deploy@x.y\nSubject: one\n\nhi\n", 1_772_000_100);
        write("c.eml", "From: x@x.y\nTo: admin@x.y\nSubject: three\n\nhi\n", 1_772_000_300);
        write(".d.eml", "From: x@x.y\nTo: mgarcia@x.y\n\nhalf", 1_772_000_300);
        write("e.eml", "\n\nno header", 1_772_000_300);
        let all = post().letters(&visit, "mgarcia", rehearse::NOW);
        let shown: Vec<_> = all.iter().map(|l| (l.tray, l.uid, message::field(&l.raw, "Subject").unwrap())).collect();
        assert_eq!(shown, [(Tray::Sent, 1, b"one".to_vec()), (Tray::Inbox, 1, b"two".to_vec()), (Tray::Inbox, 2, b"three".to_vec())]);
        let two = String::from_utf8_lossy(&all[1].raw).into_owned();
        assert!(
            two.starts_with("Return-Path: <deploy@x>\r\nX-Original-To: mgarcia@x.y\r\nDelivered-To: mgarcia@x.y\r\nReceived: by y\r\n"),
            "{two}"
        );
    }
}
