//! File attributes of the sftp protocol, the long lines of a listing, and the size of the disk.

use jiff::{Timestamp, tz::TimeZone};
use model::Micros;
use std::collections::HashMap;

use crate::ssh::{
    message::{Malformed, Reader, Writer},
    transfer::{Place, names},
};
use crate::{
    shell::{Kind, Meta, fs::hardware::Hardware},
    stage::derive,
};

/// What a client may say about a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    /// User and group.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    /// Access and change, seconds since the epoch.
    pub(super) times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = r.u32()?;
        let mut a = Self::default();
        if flags & 1 != 0 {
            a.size = Some(r.u64()?);
        }
        if flags & 2 != 0 {
            a.owner = Some((r.u32()?, r.u32()?));
        }
        if flags & 4 != 0 {
            a.mode = Some(r.u32()?);
        }
        if flags & 8 != 0 {
            a.times = Some((r.u32()?, r.u32()?));
        }
        if flags & 0x8000_0000 != 0 {
            let count = r.u32()?;
            if count > 0x10_0000 {
                return Err(Malformed);
            }
            for _ in 0..count {
                r.string()?;
                r.string()?;
            }
        }
        Ok(a)
    }

    /// All that `stat` tells.
    pub(super) fn of(meta: &Meta) -> Self {
        let seconds = |at: Micros| u32::try_from(at.seconds()).unwrap_or_default();
        Self {
            size: Some(meta.size),
            owner: Some((meta.uid, meta.gid)),
            mode: Some(meta.st_mode()),
            times: Some((seconds(meta.atime), seconds(meta.mtime))),
        }
    }

    pub(super) fn write(&self, w: Writer) -> Writer {
        let (uid, gid) = self.owner.unwrap_or_default();
        let (atime, mtime) = self.times.unwrap_or_default();
        w.u32(15).u64(self.size.unwrap_or_default()).u32(uid).u32(gid).u32(self.mode.unwrap_or_default()).u32(atime).u32(mtime)
    }
}

/// Makes the lines that `ls -l` would show.
pub(super) struct Lines {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
    zone: TimeZone,
    now: Micros,
}

impl Lines {
    pub(super) fn new(place: &Place, now: Micros) -> Self {
        let table = |file: &[u8]| {
            names(&place.fs, file)
                .into_iter()
                .map(|(id, line)| (id, String::from_utf8_lossy(line.split(|&b| b == b':').next().unwrap_or_default()).into_owned()))
                .collect()
        };
        Self {
            users: table(b"/etc/passwd"),
            groups: table(b"/etc/group"),
            zone: TimeZone::get(&place.timezone).unwrap_or(TimeZone::UTC),
            now,
        }
    }

    /// One line.
    pub(super) fn long(&self, name: &[u8], meta: &Meta) -> Vec<u8> {
        let label = |table: &HashMap<u32, String>, id: u32| table.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let half_year = 365 * 24 * 3600 / 2;
        let recent = self.now.seconds() - half_year < meta.mtime.seconds();
        let at = Timestamp::from_second(meta.mtime.seconds()).unwrap_or_default().to_zoned_datetime(self.zone.clone());
        let when = at.strftime(if recent { "%b %e %H:%M" } else { "%b %e  %Y" });
        let mut line = format!(
            "{}  {:>3} {:<8} {:<8} {:>8} {when} ",
            mode_text(meta),
            meta.nlink,
            label(&self.users, meta.uid),
            label(&self.groups, meta.gid),
            meta.size
        )
        .into_bytes();
        line.extend_from_slice(name);
        line
    }
}

fn mode_text(meta: &Meta) -> String {
    let mut text = String::with_capacity(10);
    text.push(match meta.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Char(..) => 'c',
        Kind::Block(..) => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    });
    for (shift, special, set) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = meta.mode >> shift & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, meta.mode & special != 0) {
            (true, true) => set,
            (false, true) => set.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// The answer to statvfs: the root file system of the machine the shell shows too.
pub(super) fn disk(id: u32, place: &Place) -> Vec<u8> {
    let persona = place.fs.persona();
    let blocks = Hardware::of(persona).root_kb() / 4;
    let own = derive(persona, "ssh/statvfs");
    let number = |at: usize| own.get(at..at + 8).map_or(0, |b| b.iter().fold(0u64, |v, b| v << 8 | u64::from(*b)));
    // Between a tenth and a third is in use, a twentieth is root's.
    let used = blocks / 1000 * (100 + number(0) % 230) + number(8) % 1000;
    let free = blocks.saturating_sub(used);
    let inodes = blocks / 4;
    let inodes_free = inodes.saturating_sub(38_000 + number(16) % 90_000);
    let w = Writer::message(201).u32(id).u64(4096).u64(4096).u64(blocks).u64(free).u64(free.saturating_sub(blocks / 20));
    w.u64(inodes).u64(inodes_free).u64(inodes_free).u64(number(24)).u64(0).u64(255).0
}
