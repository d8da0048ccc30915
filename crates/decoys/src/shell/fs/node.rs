//! What a path leads to, and how what an attacker changed is kept.
#![expect(clippy::cast_possible_truncation, reason = "device numbers are packed into one field")]

use bytes::Bytes;
use model::Micros;

/// Credentials of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

impl Who {
    /// The superuser.
    pub fn root() -> Self {
        Self { uid: 0, gid: 0, groups: vec![0] }
    }

    /// Whether `gid` is among its groups.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// Type of a file. Devices carry major and minor numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Dir,
    Link,
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    Socket,
}

/// What `stat(2)` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub kind: Kind,
    /// Permission bits, 0o7777.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    pub mtime: Micros,
    pub atime: Micros,
    pub nlink: u32,
    pub ino: u64,
}

impl Meta {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }

    /// `st_mode`: type and permission bits.
    pub fn st_mode(&self) -> u32 {
        let kind = match self.kind {
            Kind::File => 0o100_000,
            Kind::Dir => 0o040_000,
            Kind::Link => 0o120_000,
            Kind::Char(..) => 0o020_000,
            Kind::Block(..) => 0o060_000,
            Kind::Fifo => 0o010_000,
            Kind::Socket => 0o140_000,
        };
        kind | self.mode
    }

    /// Whether `who` may do what `want` says: 4 read, 2 write, 1 execute or search.
    pub fn allows(&self, who: &Who, want: u32) -> bool {
        if who.uid == 0 {
            return want & 1 == 0 || self.is_dir() || self.mode & 0o111 != 0;
        }
        let bits = if who.uid == self.uid {
            self.mode >> 6
        } else if who.in_group(self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        bits & want == want
    }
}

/// Where the bytes of a file come from.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    Bytes(Bytes),
    /// The bytes, then zeros up to the size.
    Sparse(Bytes),
    /// Generated program: its name.
    Elf(String),
    /// Generated filler text or binary by path.
    Filler(String),
    /// Made from the running machine when read (`/proc`, `/sys`).
    Live,
    /// Made when read: what `image` makes of this path.
    Made(Made),
    Link(Vec<u8>),
}

/// Files whose content costs something to make and is made when first read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Made {
    Shadow,
    AuthLog,
    Syslog,
    DpkgLog,
    DpkgStatus,
    KernLog,
    Wtmp,
    Lastlog,
    AptHistory,
    HostKey(u8),
}

/// A file of the base image or the overlay.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) meta: Meta,
    pub(crate) body: Body,
}

/// What an attacker did to one path.
#[derive(Clone, Debug)]
pub(crate) enum Left {
    /// Removed from the base image.
    Gone,
    /// Attributes changed, the base image's bytes stay.
    Touched(Meta),
    /// New or rewritten.
    Written(Meta, Body),
}

impl Left {
    /// As it is kept in the attacker's memory.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Gone => out.push(b'w'),
            Self::Touched(meta) => {
                out.push(b'm');
                put_meta(&mut out, meta);
            }
            Self::Written(meta, body) => {
                out.push(match meta.kind {
                    Kind::Dir => b'd',
                    Kind::Link => b'l',
                    Kind::Fifo => b'p',
                    Kind::Socket => b's',
                    Kind::Char(..) => b'c',
                    Kind::Block(..) => b'b',
                    Kind::File => b'f',
                });
                put_meta(&mut out, meta);
                match body {
                    Body::Bytes(bytes) | Body::Sparse(bytes) => out.extend_from_slice(bytes),
                    Body::Link(target) => out.extend_from_slice(target),
                    _ => {}
                }
            }
        }
        out.into()
    }

    /// Reads what [`Left::encode`] made.
    pub(crate) fn decode(value: &Bytes) -> Option<Self> {
        let (&tag, _) = value.split_first()?;
        if tag == b'w' {
            return Some(Self::Gone);
        }
        let mut meta = take_meta(value.get(1..1 + META)?)?;
        let rest = value.slice(1 + META..);
        let (kind, body) = match tag {
            b'm' => return Some(Self::Touched(meta)),
            b'd' => (Kind::Dir, Body::None),
            b'l' => (Kind::Link, Body::Link(rest.to_vec())),
            b'p' => (Kind::Fifo, Body::None),
            b's' => (Kind::Socket, Body::None),
            b'c' => (Kind::Char((meta.size >> 20) as u32, (meta.size & 0xf_ffff) as u32), Body::None),
            b'b' => (Kind::Block((meta.size >> 20) as u32, (meta.size & 0xf_ffff) as u32), Body::None),
            _ => (Kind::File, Body::Sparse(rest)),
        };
        meta.kind = kind;
        if matches!(kind, Kind::Char(..) | Kind::Block(..)) {
            meta.size = 0;
        }
        Some(Self::Written(meta, body))
    }
}

const META: usize = 4 + 4 + 4 + 8 + 8 + 8 + 4 + 8;

fn put_meta(out: &mut Vec<u8>, meta: &Meta) {
    let size = match meta.kind {
        Kind::Char(a, b) | Kind::Block(a, b) => (u64::from(a) << 20) | u64::from(b & 0xf_ffff),
        _ => meta.size,
    };
    out.extend_from_slice(&meta.mode.to_le_bytes());
    out.extend_from_slice(&meta.uid.to_le_bytes());
    out.extend_from_slice(&meta.gid.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&meta.mtime.0.to_le_bytes());
    out.extend_from_slice(&meta.atime.0.to_le_bytes());
    out.extend_from_slice(&meta.nlink.to_le_bytes());
    out.extend_from_slice(&meta.ino.to_le_bytes());
}

fn take_meta(bytes: &[u8]) -> Option<Meta> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    Some(Meta {
        kind: Kind::File,
        mode: u32_at(0)?,
        uid: u32_at(4)?,
        gid: u32_at(8)?,
        size: u64_at(12)?,
        mtime: Micros(u64_at(20)?.cast_signed()),
        atime: Micros(u64_at(28)?.cast_signed()),
        nlink: u32_at(36)?,
        ino: u64_at(40)?,
    })
}
