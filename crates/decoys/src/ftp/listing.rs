//! Directory listings in vsftpd's form.

use jiff::{Timestamp, tz::TimeZone};
use model::Micros;
use std::fmt::Write;

use crate::shell::fs::{Fs, Kind, Meta, Who};

/// What LIST, NLST and STAT were asked to show.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) all: bool,
    by_time: bool,
    reverse: bool,
    /// Directory or file, absolute.
    path: Vec<u8>,
    /// Pattern for names, if the last part has one.
    pattern: Option<Vec<u8>>,
}

impl Wanted {
    /// Reads `-la path`.
    pub(super) fn read(argument: &[u8], cwd: &[u8], all: bool) -> Self {
        let mut rest = argument.trim_ascii_start();
        let mut wanted = Self { all, by_time: false, reverse: false, path: cwd.to_vec(), pattern: None };
        if rest.starts_with(b"-") {
            let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
            for &b in rest.get(..end).unwrap_or_default() {
                match b {
                    b'a' => wanted.all = true,
                    b't' => wanted.by_time = true,
                    b'r' => wanted.reverse = true,
                    _ => {}
                }
            }
            rest = rest.get(end..).unwrap_or_default().trim_ascii_start();
        }
        if !rest.is_empty() {
            wanted.path = absolute(cwd, rest);
            let last = wanted.path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
            if last.iter().any(|b| matches!(b, b'*' | b'?' | b'{')) {
                wanted.path.truncate(wanted.path.len() - last.len());
                if wanted.path.len() > 1 {
                    wanted.path.pop();
                }
                wanted.pattern = Some(last);
            }
        }
        wanted
    }

    /// Names and what they are, in the order they are shown.
    pub(super) fn entries(&self, fs: &Fs, who: &Who, root: &[u8]) -> Vec<(Vec<u8>, Meta)> {
        let path = [root, &self.path[..]].concat();
        let path = if path.is_empty() { b"/".to_vec() } else { path };
        let mut list = match fs.stat(who, &path) {
            Ok(meta) if !meta.is_dir() => vec![(self.path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec(), meta)],
            Ok(meta) => {
                let mut list = fs.list(who, &path).unwrap_or_default();
                if self.all {
                    let up = fs.stat(who, &[&path[..], b"/.."].concat()).unwrap_or_else(|_| meta.clone());
                    list.push((b".".to_vec(), meta));
                    list.push((b"..".to_vec(), up));
                } else {
                    list.retain(|(name, _)| !name.starts_with(b"."));
                }
                list
            }
            Err(_) => Vec::new(),
        };
        if let Some(pattern) = &self.pattern {
            list.retain(|(name, _)| fits(pattern, name));
        }
        list.sort_by(|a, b| if self.by_time { b.1.mtime.cmp(&a.1.mtime) } else { a.0.cmp(&b.0) });
        if self.reverse {
            list.reverse();
        }
        list
    }
}

/// A pattern with `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    loop {
        match (pattern.get(p), name.get(n)) {
            (Some(b'*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (None, None) => return true,
            (Some(b'?'), Some(_)) => (p, n) = (p + 1, n + 1),
            (Some(a), Some(b)) if a == b => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((sp, sn)) if sn < name.len() => {
                    star = Some((sp, sn + 1));
                    (p, n) = (sp + 1, sn + 1);
                }
                _ => return false,
            },
        }
    }
}

/// `path` seen from `cwd`, without `.` and `..`; never above the root.
pub(super) fn absolute(cwd: &[u8], path: &[u8]) -> Vec<u8> {
    let joined = if path.starts_with(b"/") { path.to_vec() } else { [cwd, b"/", path].concat() };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in joined.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    [b"/", &parts.join(&b'/')[..]].concat()
}

/// One line of LIST.
pub(super) fn line(out: &mut Vec<u8>, name: &[u8], meta: &Meta, link: Option<&[u8]>, now: Micros, zone: &TimeZone) {
    let kind = match meta.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Char(..) => 'c',
        Kind::Block(..) => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    };
    let mut text = String::new();
    text.push(kind);
    for (shift, special, mark) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = meta.mode >> shift & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, meta.mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => mark,
            (false, true) => mark.to_ascii_uppercase(),
        });
    }
    let _ = write!(text, " {:4} {:<8} {:<8} {:8} {} ", meta.nlink, meta.uid, meta.gid, meta.size, date(meta.mtime, now, zone));
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(name);
    if let Some(target) = link {
        out.extend_from_slice(b" -> ");
        out.extend_from_slice(target);
    }
    out.extend_from_slice(b"\r\n");
}

/// `Nov 23 23:05`, or `May 05  2020` for what is older than half a year or in the future.
fn date(at: Micros, now: Micros, zone: &TimeZone) -> String {
    let Ok(stamp) = Timestamp::from_microsecond(at.0) else { return "Jan 01  1970".into() };
    let recent = at <= now && now.seconds() - at.seconds() < 60 * 60 * 24 * 182;
    zone.to_datetime(stamp).strftime(if recent { "%b %d %H:%M" } else { "%b %d  %Y" }).to_string()
}
