//! The command table of Redis 7.0: arity, flags and the reply to `COMMAND`, read from a capture of a
//! genuine 7.0.15 server answering `COMMAND`.

use std::{collections::HashMap, io::Read, sync::OnceLock};

/// What the server says about one command or subcommand.
#[derive(Debug)]
pub(super) struct Entry {
    /// `get`, `config|get`.
    pub(super) name: String,
    pub(super) arity: i64,
    pub(super) write: bool,
    pub(super) readonly: bool,
    pub(super) denyoom: bool,
    pub(super) no_auth: bool,
    /// Has subcommands.
    pub(super) container: bool,
    pub(super) first_key: i64,
    pub(super) last_key: i64,
    pub(super) step: i64,
    pub(super) categories: Vec<String>,
    /// Its element of the reply to `COMMAND`, RESP2.
    raw: (usize, usize),
}

/// The whole table.
#[derive(Debug)]
pub(super) struct Table {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    top: Vec<usize>,
}

/// The table, unpacked once.
pub(super) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut bytes = Vec::new();
        let _ = flate2::read::GzDecoder::new(&include_bytes!("commands.resp.gz")[..]).read_to_end(&mut bytes);
        let mut table = Table { bytes, entries: Vec::new(), by_name: HashMap::new(), top: Vec::new() };
        table.read();
        table
    })
}

impl Table {
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).and_then(|&i| self.entries.get(i))
    }

    /// Commands without their subcommands.
    pub(super) fn top(&self) -> impl Iterator<Item = &Entry> {
        self.top.iter().filter_map(|&i| self.entries.get(i))
    }

    pub(super) fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// The element of the reply to `COMMAND` for `entry`, as RESP2.
    pub(super) fn raw(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.raw.0..entry.raw.1).unwrap_or_default()
    }

    fn read(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut at = Cursor { bytes: &bytes, at: 0 };
        let count = at.number(b'*');
        for _ in 0..count {
            if let Some(i) = self.entry(&mut at) {
                self.top.push(i);
            }
        }
        self.bytes = bytes;
    }

    fn entry(&mut self, at: &mut Cursor<'_>) -> Option<usize> {
        let start = at.at;
        at.number(b'*');
        let name = at.text();
        let arity = at.number(b':');
        let flags: Vec<String> = (0..at.number(b'*')).map(|_| at.text()).collect();
        let (first_key, last_key, step) = (at.number(b':'), at.number(b':'), at.number(b':'));
        let categories: Vec<String> = (0..at.number(b'*')).map(|_| at.text()).collect();
        at.skip();
        at.skip();
        let subs = at.number(b'*');
        let has = |flag: &str| flags.iter().any(|f| f == flag);
        let index = self.entries.len();
        self.entries.push(Entry {
            arity,
            write: has("write"),
            readonly: has("readonly"),
            denyoom: has("denyoom"),
            no_auth: has("no_auth"),
            container: subs > 0,
            first_key,
            last_key,
            step,
            categories,
            raw: (start, start),
            name: name.clone(),
        });
        self.by_name.insert(name, index);
        for _ in 0..subs {
            self.entry(at);
        }
        let end = at.at;
        if let Some(entry) = self.entries.get_mut(index) {
            entry.raw = (start, end);
        }
        (end > start).then_some(index)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn line(&mut self) -> &str {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap_or(rest.len());
        self.at = (self.at + end + 2).min(self.bytes.len());
        std::str::from_utf8(rest.get(..end).unwrap_or_default()).unwrap_or_default()
    }

    fn number(&mut self, kind: u8) -> i64 {
        let line = self.line();
        if line.as_bytes().first() == Some(&kind) { line.get(1..).and_then(|n| n.parse().ok()).unwrap_or(0) } else { 0 }
    }

    /// A bulk or simple string.
    fn text(&mut self) -> String {
        let line = self.line();
        if let Some(simple) = line.strip_prefix('+') { simple.to_owned() } else { self.line().to_owned() }
    }

    fn skip(&mut self) {
        let line = self.line().to_owned();
        match line.as_bytes().first() {
            Some(b'*') => {
                for _ in 0..line.get(1..).and_then(|n| n.parse().ok()).unwrap_or(0i64) {
                    self.skip();
                }
            }
            Some(b'$') => {
                self.line();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert_eq!(table().top().count(), 240);
        let get = table().find("get").unwrap();
        assert_eq!((get.arity, get.first_key, get.write), (2, 1, false));
        assert_eq!(table().find("config|set").unwrap().arity, -4);
        assert!(table().find("auth").unwrap().no_auth);
        assert!(table().raw(get).starts_with(b"*10\r\n$3\r\nget\r\n:2\r\n"));
    }
}
