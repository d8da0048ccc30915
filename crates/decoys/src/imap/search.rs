//! SEARCH, SORT and THREAD: which messages fit, in which order, and how they hang together.

use std::collections::{BTreeMap, HashMap};

use super::parse::{Arg, set};
use crate::mail::{boxes, message};

/// A message as a search sees it.
pub(super) struct Seen<'a> {
    pub(super) seq: u32,
    pub(super) uid: u32,
    pub(super) flags: u32,
    pub(super) recent: bool,
    pub(super) modseq: u64,
    /// Arrival and when it came into this box, seconds since 1970.
    pub(super) at: i64,
    pub(super) saved: Option<i64>,
    pub(super) keywords: Vec<&'a str>,
    pub(super) raw: bytes::Bytes,
}

impl Seen<'_> {
    fn header(&self) -> &[u8] {
        let end = self.raw.windows(4).position(|w| w == b"\r\n\r\n").map_or(self.raw.len(), |n| n + 2);
        self.raw.get(..end).unwrap_or_default()
    }

    fn sent(&self) -> i64 {
        message::date(self.header()).unwrap_or(self.at)
    }
}

/// What to look for.
#[derive(Debug)]
pub(super) enum Key {
    All,
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    And(Vec<Key>),
    Set(Vec<(u32, u32)>),
    Uids(Vec<(u32, u32)>),
    /// The result of the last saved search.
    Saved,
    Flag(u32, bool),
    Keyword(String, bool),
    Recent(bool),
    New,
    /// Arrival (internal date), by local day.
    Before(i64),
    On(i64),
    Since(i64),
    SentBefore(i64),
    SentOn(i64),
    SentSince(i64),
    SavedBefore(i64),
    SavedSince(i64),
    Larger(usize),
    Smaller(usize),
    Header(String, Vec<u8>),
    Body(Vec<u8>),
    Text(Vec<u8>),
    Older(i64),
    Younger(i64),
    ModSeq(u64),
}

/// Longest program of keys.
const MOST: usize = 1000;

/// Reads search keys. `Err`: what to say after `Error in IMAP command SEARCH: `.
pub(super) fn keys(args: &[Arg]) -> Result<Key, String> {
    let mut args = args.iter();
    let mut all = Vec::new();
    let mut left = MOST;
    while args.len() > 0 {
        all.push(key(&mut args, &mut left, 0)?);
    }
    if all.is_empty() {
        return Err("Missing search parameters".into());
    }
    Ok(Key::And(all))
}

fn key(args: &mut std::slice::Iter<'_, Arg>, left: &mut usize, depth: usize) -> Result<Key, String> {
    *left = left.saturating_sub(1);
    if *left == 0 || depth > 30 {
        return Err("Too deep search parameters".into());
    }
    let arg = args.next().ok_or("Missing argument")?;
    if let Arg::List(list) = arg {
        let mut inner = list.iter();
        let mut all = Vec::new();
        while inner.len() > 0 {
            all.push(key(&mut inner, left, depth + 1)?);
        }
        return if all.is_empty() { Err("Empty list not allowed".into()) } else { Ok(Key::And(all)) };
    }
    let text = arg.text().unwrap_or_default();
    let word = text.to_ascii_uppercase();
    let mut string =
        |what: &str| args.next().and_then(Arg::bytes).map(<[u8]>::to_vec).ok_or(format!("Missing parameter for argument {what}"));
    let day = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        day_of(&text).ok_or("Invalid search date parameter".to_owned())
    };
    let number = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.parse::<u64>().map_err(|_| "Invalid search size parameter".to_owned())
    };
    Ok(match word.as_str() {
        "ALL" => Key::All,
        "ANSWERED" => Key::Flag(boxes::ANSWERED, true),
        "DELETED" => Key::Flag(boxes::DELETED, true),
        "DRAFT" => Key::Flag(boxes::DRAFT, true),
        "FLAGGED" => Key::Flag(boxes::FLAGGED, true),
        "SEEN" => Key::Flag(boxes::SEEN, true),
        "UNANSWERED" => Key::Flag(boxes::ANSWERED, false),
        "UNDELETED" => Key::Flag(boxes::DELETED, false),
        "UNDRAFT" => Key::Flag(boxes::DRAFT, false),
        "UNFLAGGED" => Key::Flag(boxes::FLAGGED, false),
        "UNSEEN" => Key::Flag(boxes::SEEN, false),
        "RECENT" => Key::Recent(true),
        "OLD" => Key::Recent(false),
        "NEW" => Key::New,
        "KEYWORD" => Key::Keyword(String::from_utf8_lossy(&string(&word)?).into_owned(), true),
        "UNKEYWORD" => Key::Keyword(String::from_utf8_lossy(&string(&word)?).into_owned(), false),
        "BEFORE" => Key::Before(day(string(&word)?)?),
        "ON" => Key::On(day(string(&word)?)?),
        "SINCE" => Key::Since(day(string(&word)?)?),
        "SENTBEFORE" => Key::SentBefore(day(string(&word)?)?),
        "SENTON" => Key::SentOn(day(string(&word)?)?),
        "SENTSINCE" => Key::SentSince(day(string(&word)?)?),
        "SAVEDBEFORE" => Key::SavedBefore(day(string(&word)?)?),
        "SAVEDSINCE" | "SAVEDON" => Key::SavedSince(day(string(&word)?)?),
        "SAVEDATESUPPORTED" => Key::All,
        "LARGER" => Key::Larger(usize::try_from(number(string(&word)?)?).unwrap_or(usize::MAX)),
        "SMALLER" => Key::Smaller(usize::try_from(number(string(&word)?)?).unwrap_or(usize::MAX)),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => Key::Header(word.clone(), string(&word)?),
        "HEADER" => {
            let name = String::from_utf8_lossy(&string(&word)?).to_ascii_uppercase();
            Key::Header(name, string(&word)?)
        }
        "BODY" => Key::Body(string(&word)?),
        "TEXT" => Key::Text(string(&word)?),
        "OLDER" => Key::Older(i64::try_from(number(string(&word)?)?).unwrap_or(i64::MAX)),
        "YOUNGER" => Key::Younger(i64::try_from(number(string(&word)?)?).unwrap_or(i64::MAX)),
        "MODSEQ" => {
            let mut value = string(&word)?;
            if value.first().is_none_or(|b| !b.is_ascii_digit()) {
                // An entry name and type may come first.
                string(&word)?;
                value = string(&word)?;
            }
            Key::ModSeq(number(value)?)
        }
        "UID" => Key::Uids(set(&string(&word)?).ok_or("Invalid UID messageset")?),
        "NOT" => Key::Not(Box::new(key(args, left, depth + 1)?)),
        "OR" => Key::Or(Box::new(key(args, left, depth + 1)?), Box::new(key(args, left, depth + 1)?)),
        "FUZZY" => key(args, left, depth + 1)?,
        "$" => Key::Saved,
        _ => match arg {
            Arg::Atom(bytes) if bytes.first().is_some_and(|b| b.is_ascii_digit() || *b == b'*') => {
                Key::Set(set(bytes).ok_or("Invalid messageset")?)
            }
            _ => return Err(format!("Unknown argument {word}")),
        },
    })
}

/// `3-Nov-2026` as days since 1970.
fn day_of(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = months.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    let date = jiff::civil::Date::new(year.parse().ok()?, i8::try_from(month).ok()? + 1, day.trim().parse().ok()?).ok()?;
    let start = jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(start.as_second() / 86_400)
}

/// What a search is done in.
pub(super) struct Place<'a> {
    /// Number of messages and highest UID, for `*`.
    pub(super) count: u32,
    pub(super) last_uid: u32,
    pub(super) saved: &'a [u32],
    /// Seconds since 1970 and what to add for local time.
    pub(super) now: i64,
    pub(super) offset: i64,
}

fn within(sets: &[(u32, u32)], number: u32, last: u32) -> bool {
    sets.iter().any(|(a, b)| {
        let (a, b) = (if *a == u32::MAX { last } else { *a }, if *b == u32::MAX { last.max(*a) } else { *b });
        (a.min(b)..=a.max(b)).contains(&number)
    })
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
    lower(haystack).contains(&lower(needle))
}

/// Whether `m` fits.
pub(super) fn fits(key: &Key, m: &Seen<'_>, place: &Place<'_>) -> bool {
    let day = |seconds: i64| (seconds + place.offset).div_euclid(86_400);
    match key {
        Key::All => true,
        Key::Not(inner) => !fits(inner, m, place),
        Key::Or(a, b) => fits(a, m, place) || fits(b, m, place),
        Key::And(all) => all.iter().all(|k| fits(k, m, place)),
        Key::Set(sets) => within(sets, m.seq, place.count),
        Key::Uids(sets) => within(sets, m.uid, place.last_uid),
        Key::Saved => place.saved.binary_search(&m.uid).is_ok(),
        Key::Flag(bit, on) => (m.flags & bit != 0) == *on,
        Key::Keyword(name, on) => m.keywords.iter().any(|k| k.eq_ignore_ascii_case(name)) == *on,
        Key::Recent(on) => m.recent == *on,
        Key::New => m.recent && m.flags & boxes::SEEN == 0,
        Key::Before(d) => day(m.at) < *d,
        Key::On(d) => day(m.at) == *d,
        Key::Since(d) => day(m.at) >= *d,
        Key::SentBefore(d) => day(m.sent()) < *d,
        Key::SentOn(d) => day(m.sent()) == *d,
        Key::SentSince(d) => day(m.sent()) >= *d,
        Key::SavedBefore(d) => day(m.saved.unwrap_or(m.at)) < *d,
        Key::SavedSince(d) => day(m.saved.unwrap_or(m.at)) >= *d,
        Key::Larger(n) => m.raw.len() > *n,
        Key::Smaller(n) => m.raw.len() < *n,
        Key::Header(name, text) => {
            message::all_fields(m.header(), name).iter().any(|v| text.is_empty() || holds(message::words(v).as_bytes(), text))
        }
        Key::Body(text) => in_parts(&m.raw, &message::parse(&m.raw), text),
        Key::Text(text) => holds(message::words(m.header()).as_bytes(), text) || in_parts(&m.raw, &message::parse(&m.raw), text),
        Key::Older(seconds) => m.at <= place.now.saturating_sub(*seconds),
        Key::Younger(seconds) => m.at > place.now.saturating_sub(*seconds),
        Key::ModSeq(n) => m.modseq >= *n,
    }
}

fn in_parts(raw: &[u8], part: &message::Part, text: &[u8]) -> bool {
    if part.kind == "text" {
        let body = message::decoded(&part.encoding, raw.get(part.body.clone()).unwrap_or_default()).unwrap_or_default();
        let charset = part.params.iter().find(|(n, _)| n == "charset").map_or("utf-8", |(_, v)| v.as_str());
        return holds(message::text_of(charset, &body).as_bytes(), text);
    }
    part.children.iter().any(|c| in_parts(raw, c, text))
}

/// Whether a program asks for modification sequences.
pub(super) fn wants_modseq(key: &Key) -> bool {
    match key {
        Key::ModSeq(_) => true,
        Key::Not(k) => wants_modseq(k),
        Key::Or(a, b) => wants_modseq(a) || wants_modseq(b),
        Key::And(all) => all.iter().any(wants_modseq),
        _ => false,
    }
}

/// Reads the criteria of SORT.
pub(super) fn criteria(args: &[Arg]) -> Option<Vec<(String, bool)>> {
    const KNOWN: &[&str] = &["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO", "RELEVANCY"];
    let mut all = Vec::new();
    let mut reverse = false;
    for arg in args.iter().take(50) {
        let word = arg.word()?;
        if word == "REVERSE" {
            reverse = true;
        } else if KNOWN.contains(&word.as_str()) {
            all.push((word, std::mem::take(&mut reverse)));
        } else {
            return None;
        }
    }
    (!all.is_empty() && !reverse).then_some(all)
}

/// Sorts by `criteria`; equal messages stay in their order.
pub(super) fn sort(messages: &mut [Seen<'_>], criteria: &[(String, bool)]) {
    let text = |m: &Seen<'_>, what: &str| -> String {
        let header = m.header();
        let first = |name: &str| message::field(header, name).map(|v| message::addresses(&v)).and_then(|a| a.into_iter().next());
        match what {
            "FROM" | "TO" | "CC" => first(what).and_then(|a| a.mailbox).unwrap_or_default().to_lowercase(),
            "DISPLAYFROM" | "DISPLAYTO" => first(what.strip_prefix("DISPLAY").unwrap_or(what))
                .map(|a| {
                    a.name
                        .map(|n| message::words(n.as_bytes()))
                        .unwrap_or_else(|| format!("{}@{}", a.mailbox.unwrap_or_default(), a.host.unwrap_or_default()))
                })
                .unwrap_or_default()
                .to_lowercase(),
            "SUBJECT" => message::base_subject(&message::words(&message::field(header, "Subject").unwrap_or_default())).0,
            "DATE" => format!("{:020}", m.sent()),
            "ARRIVAL" => format!("{:020}", m.at),
            "SIZE" => format!("{:020}", m.raw.len()),
            _ => String::new(),
        }
    };
    let keys: HashMap<u32, Vec<String>> = messages.iter().map(|m| (m.uid, criteria.iter().map(|(c, _)| text(m, c)).collect())).collect();
    let none = Vec::new();
    messages.sort_by(|a, b| {
        let (ka, kb) = (keys.get(&a.uid).unwrap_or(&none), keys.get(&b.uid).unwrap_or(&none));
        let order = criteria.iter().zip(ka.iter().zip(kb)).map(|((_, reverse), (x, y))| if *reverse { y.cmp(x) } else { x.cmp(y) });
        order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(a.seq.cmp(&b.seq))
    });
}

/// A node of a thread: a message (by its place in the list) or a missing one, and its answers.
#[derive(Debug, Default)]
struct Node {
    message: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

/// The answer of THREAD: `(1 2)(3 (4)(5))`.
pub(super) fn thread(messages: &[Seen<'_>], how: &str, number: impl Fn(&Seen<'_>) -> u32) -> String {
    if how == "ORDEREDSUBJECT" {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (n, m) in messages.iter().enumerate() {
            groups
                .entry(message::base_subject(&message::words(&message::field(m.header(), "Subject").unwrap_or_default())).0)
                .or_default()
                .push(n);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        let sent = |n: &usize| messages.get(*n).map_or(0, Seen::sent);
        groups.iter_mut().for_each(|g| g.sort_by_key(sent));
        groups.sort_by_key(|g| g.first().map_or(0, sent));
        let shown = |g: &Vec<usize>| {
            let numbers: Vec<String> = g.iter().filter_map(|n| messages.get(*n)).map(|m| number(m).to_string()).collect();
            match numbers.split_first() {
                Some((first, rest)) if rest.len() > 1 => format!("({first} {})", rest.iter().map(|r| format!("({r})")).collect::<String>()),
                _ => format!("({})", numbers.join(" ")),
            }
        };
        return groups.iter().map(shown).collect();
    }
    let mut nodes: Vec<Node> = Vec::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for (n, m) in messages.iter().enumerate() {
        let header = m.header();
        let ids = |name: &str| message::field(header, name).map(|v| identifiers(&v)).unwrap_or_default();
        let own = ids("Message-ID").into_iter().next().unwrap_or_else(|| format!("<{n}>"));
        let mut parents = ids("References");
        if parents.is_empty() {
            parents.extend(ids("In-Reply-To").into_iter().next());
        }
        let mut node = |id: String| {
            *by_id.entry(id).or_insert_with(|| {
                nodes.push(Node::default());
                nodes.len() - 1
            })
        };
        let chain: Vec<usize> = parents.into_iter().take(50).map(&mut node).collect();
        let mut me = node(own);
        if nodes.get(me).is_some_and(|x| x.message.is_some()) {
            nodes.push(Node::default());
            me = nodes.len() - 1;
        }
        if let Some(x) = nodes.get_mut(me) {
            x.message = Some(n);
        }
        let links: Vec<usize> = chain.iter().copied().chain([me]).collect();
        for pair in links.windows(2) {
            if let [parent, child] = pair {
                // The last link is this message's own word on its parent and replaces a guess.
                link(&mut nodes, *parent, *child, *child == me);
            }
        }
    }
    let mut roots: Vec<usize> = (0..nodes.len()).filter(|n| nodes.get(*n).is_some_and(|x| x.parent.is_none())).collect();
    let mut memo = vec![None; nodes.len()];
    let order = |memo: &mut Vec<Option<i64>>, nodes: &[Node], n: usize| earliest(nodes, messages, n, memo, 0);
    let mut dated: Vec<(i64, usize)> = roots.drain(..).map(|n| (order(&mut memo, &nodes, n), n)).filter(|(d, _)| *d < i64::MAX).collect();
    dated.sort_unstable();
    let mut out = String::new();
    for (_, root) in dated {
        let has = nodes.get(root).is_some_and(|n| n.message.is_some());
        let children = nodes.get(root).map(|n| n.children.clone()).unwrap_or_default();
        out.push('(');
        if has {
            show(&nodes, messages, root, &number, &mut memo, &mut out, 0);
        } else {
            branch(&nodes, messages, &children, &number, &mut memo, &mut out, 0, false);
        }
        out.push(')');
    }
    out
}

fn identifiers(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.split('<').skip(1).filter_map(|p| p.split_once('>')).map(|(id, _)| format!("<{id}>")).collect()
}

fn link(nodes: &mut [Node], parent: usize, child: usize, firm: bool) {
    if parent == child {
        return;
    }
    let old = nodes.get(child).and_then(|n| n.parent);
    if old == Some(parent) || (old.is_some() && !firm) {
        return;
    }
    // Never a circle.
    let mut above = Some(parent);
    let mut steps = 0;
    while let Some(n) = above {
        steps += 1;
        if n == child || steps > nodes.len() {
            return;
        }
        above = nodes.get(n).and_then(|x| x.parent);
    }
    if let Some(old) = old.and_then(|o| nodes.get_mut(o)) {
        old.children.retain(|c| *c != child);
    }
    if let Some(n) = nodes.get_mut(child) {
        n.parent = Some(parent);
    }
    if let Some(n) = nodes.get_mut(parent) {
        n.children.push(child);
    }
}

fn earliest(nodes: &[Node], messages: &[Seen<'_>], n: usize, memo: &mut Vec<Option<i64>>, depth: usize) -> i64 {
    if let Some(Some(known)) = memo.get(n) {
        return *known;
    }
    let Some(node) = nodes.get(n).filter(|_| depth < 200) else { return i64::MAX };
    let own = node.message.and_then(|m| messages.get(m)).map(Seen::sent);
    let date =
        own.unwrap_or_else(|| node.children.iter().map(|c| earliest(nodes, messages, *c, memo, depth + 1)).min().unwrap_or(i64::MAX));
    if let Some(slot) = memo.get_mut(n) {
        *slot = Some(date);
    }
    date
}

fn show(
    nodes: &[Node],
    messages: &[Seen<'_>],
    n: usize,
    number: &impl Fn(&Seen<'_>) -> u32,
    memo: &mut Vec<Option<i64>>,
    out: &mut String,
    depth: usize,
) {
    let Some(node) = nodes.get(n).filter(|_| depth < 200) else { return };
    let own = node.message.and_then(|m| messages.get(m));
    if let Some(m) = own {
        out.push_str(&number(m).to_string());
    }
    let children = node.children.clone();
    branch(nodes, messages, &children, number, memo, out, depth, own.is_some());
}

#[expect(clippy::too_many_arguments, reason = "one walk")]
fn branch(
    nodes: &[Node],
    messages: &[Seen<'_>],
    children: &[usize],
    number: &impl Fn(&Seen<'_>) -> u32,
    memo: &mut Vec<Option<i64>>,
    out: &mut String,
    depth: usize,
    space: bool,
) {
    let mut dated: Vec<(i64, usize)> =
        children.iter().map(|c| (earliest(nodes, messages, *c, memo, 0), *c)).filter(|(d, _)| *d < i64::MAX).collect();
    dated.sort_unstable();
    match dated.as_slice() {
        [] => {}
        [(_, only)] => {
            if space {
                out.push(' ');
            }
            show(nodes, messages, *only, number, memo, out, depth + 1);
        }
        many => {
            if space {
                out.push(' ');
            }
            for (_, child) in many {
                out.push('(');
                show(nodes, messages, *child, number, memo, out, depth + 1);
                out.push(')');
            }
        }
    }
}
