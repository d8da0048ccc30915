//! The base image of one persona: the distribution's list, and over it the files that make this machine
//! itself. Built once per decky and kept; costly contents are made when first read.

use bytes::Bytes;
use model::{Micros, Persona};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, OnceLock},
};

use super::{
    Kind, Meta,
    live::Boot,
    logs,
    node::{Body, Made, Node},
    parent, people,
    skeleton::{self, Family, Skeleton},
};

/// The base image of one persona.
pub(crate) struct Image {
    persona: Arc<Persona>,
    pub(crate) family: Family,
    skeleton: &'static Skeleton,
    dirs: HashMap<Vec<u8>, BTreeMap<Vec<u8>, Node>>,
    made: Mutex<HashMap<Made, Bytes>>,
    /// What runs from boot on.
    pub(super) boot: OnceLock<Boot>,
}

/// Most images kept ready at once.
const MOST_KEPT: usize = 2048;

/// Images by the persona's secret and boot time.
type Kept = Mutex<HashMap<([u8; 32], i64, String), Arc<Image>>>;
static KEPT: LazyLock<Kept> = LazyLock::new(Kept::default);

/// A stable inode number for a path of this decky.
pub(crate) fn inode(persona: &Persona, path: &[u8]) -> u64 {
    let mut h = u64::from_le_bytes([
        persona.seed[8],
        persona.seed[9],
        persona.seed[10],
        persona.seed[11],
        persona.seed[12],
        persona.seed[13],
        persona.seed[14],
        persona.seed[15],
    ]);
    for &b in path {
        h = (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    match path {
        b"/" => 2,
        _ => 131_073 + (h ^ (h >> 31)) % 1_048_576,
    }
}

impl Image {
    /// The image of `persona`.
    pub(crate) fn of(persona: &Arc<Persona>) -> Arc<Self> {
        let key = (persona.seed, persona.booted.0, persona.hostname.clone());
        let mut kept = KEPT.lock();
        if let Some(image) = kept.get(&key)
            && (Arc::ptr_eq(&image.persona, persona) || *image.persona == **persona)
        {
            return Arc::clone(image);
        }
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        let image = Arc::new(Self::build(persona));
        kept.insert(key, Arc::clone(&image));
        image
    }

    pub(crate) fn persona(&self) -> &Arc<Persona> {
        &self.persona
    }

    fn build(persona: &Arc<Persona>) -> Self {
        let family = Family::of(&persona.distro.id);
        let mut image = Self {
            persona: Arc::clone(persona),
            family,
            skeleton: Skeleton::of(family),
            dirs: HashMap::new(),
            made: Mutex::default(),
            boot: OnceLock::new(),
        };
        people::furnish(&mut Furnish { image: &mut image });
        image
    }

    pub(crate) fn node(&self, canon: &[u8]) -> Option<Node> {
        if canon == b"/" {
            return Some(Node { meta: self.meta(b"/", Kind::Dir, 0o755, 0, 0, 4096, self.persona.installed.seconds()), body: Body::None });
        }
        let name = canon.rsplit(|&b| b == b'/').next()?;
        if let Some(node) = self.dirs.get(parent(canon)).and_then(|d| d.get(name)) {
            return Some(node.clone());
        }
        let entry = self.skeleton.entry(canon)?;
        let mtime =
            if entry.mtime == 0 { self.persona.installed.seconds() } else { i64::from(entry.mtime).min(self.persona.installed.seconds()) };
        let text = || String::from_utf8_lossy(canon).into_owned();
        let (kind, body) = match entry.kind {
            b'd' => (Kind::Dir, Body::None),
            b'l' => (Kind::Link, Body::Link(entry.target.as_deref().unwrap_or_default().to_vec())),
            b'x' => (Kind::File, Body::Elf(String::from_utf8_lossy(&entry.name).into_owned())),
            _ => (Kind::File, Body::Filler(text())),
        };
        let size = if kind == Kind::Link { entry.target.as_ref().map_or(0, |t| t.len() as u64) } else { u64::from(entry.size) };
        Some(Node { meta: self.meta(canon, kind, u32::from(entry.mode), 0, 0, size, mtime), body })
    }

    pub(crate) fn names(&self, dir: &[u8]) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = self.skeleton.list(dir).iter().map(|e| e.name.to_vec()).collect();
        if let Some(own) = self.dirs.get(dir) {
            names.extend(own.keys().cloned());
        }
        names
    }

    pub(crate) fn bytes(&self, canon: &[u8], node: &Node, now: Micros) -> Bytes {
        match &node.body {
            Body::Elf(name) => skeleton::elf(name, &self.persona.distro.machine, usize::try_from(node.meta.size).unwrap_or(0)),
            Body::Filler(path) => people::filler(path, usize::try_from(node.meta.size).unwrap_or(0)),
            Body::Made(made) => {
                if let Some(bytes) = self.made.lock().get(made) {
                    return bytes.clone();
                }
                let bytes = logs::make(&self.persona, self.family, *made, now);
                // What grows with time is made anew each time.
                if matches!(made, Made::Shadow | Made::HostKey(_) | Made::DpkgStatus) {
                    self.made.lock().insert(*made, bytes.clone());
                }
                bytes
            }
            _ => {
                let _ = canon;
                Bytes::new()
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of stat")]
    fn meta(&self, canon: &[u8], kind: Kind, mode: u32, uid: u32, gid: u32, size: u64, mtime: i64) -> Meta {
        let at = Micros(mtime * 1_000_000 + i64::try_from(inode(&self.persona, canon) % 999_983).unwrap_or(0));
        let nlink = if kind == Kind::Dir { 2 } else { 1 };
        Meta { kind, mode, uid, gid, size, mtime: at, atime: at, nlink, ino: inode(&self.persona, canon) }
    }
}

/// Puts a persona's own files into its image.
pub(crate) struct Furnish<'a> {
    image: &'a mut Image,
}

impl Furnish<'_> {
    pub(crate) fn persona(&self) -> Arc<Persona> {
        Arc::clone(&self.image.persona)
    }

    pub(crate) fn family(&self) -> Family {
        self.image.family
    }

    /// A directory; its parents come to be too.
    pub(crate) fn dir(&mut self, path: &str, mode: u32, own: (u32, u32), mtime: i64) {
        self.parents(path, mtime);
        self.put(path, Kind::Dir, mode, own, 4096, mtime, Body::None);
    }

    /// A text file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, own: (u32, u32), mtime: i64, text: impl Into<Bytes>) {
        let text = text.into();
        self.parents(path, mtime);
        self.put(path, Kind::File, mode, own, text.len() as u64, mtime, Body::Bytes(text));
    }

    /// A file whose bytes are made when read.
    pub(crate) fn made(&mut self, path: &str, mode: u32, own: (u32, u32), mtime: i64, size: u64, made: Made) {
        self.parents(path, mtime);
        self.put(path, Kind::File, mode, own, size, mtime, Body::Made(made));
    }

    /// Generated filler of a size.
    pub(crate) fn filler(&mut self, path: &str, mode: u32, own: (u32, u32), mtime: i64, size: u64) {
        self.parents(path, mtime);
        self.put(path, Kind::File, mode, own, size, mtime, Body::Filler(path.to_owned()));
    }

    /// A program that the distribution's list does not have.
    pub(crate) fn program(&mut self, path: &str, size: u64, mtime: i64) {
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        self.parents(path, mtime);
        self.put(path, Kind::File, 0o755, (0, 0), size, mtime, Body::Elf(name));
    }

    /// A symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str, mtime: i64) {
        self.parents(path, mtime);
        self.put(path, Kind::Link, 0o777, (0, 0), target.len() as u64, mtime, Body::Link(target.as_bytes().to_vec()));
    }

    /// A device, socket or pipe.
    pub(crate) fn special(&mut self, path: &str, kind: Kind, mode: u32, own: (u32, u32), mtime: i64) {
        self.parents(path, mtime);
        self.put(path, kind, mode, own, 0, mtime, Body::None);
    }

    fn parents(&mut self, path: &str, mtime: i64) {
        let dir = parent(path.as_bytes()).to_vec();
        if dir != b"/" && self.image.node(&dir).is_none() {
            let text = String::from_utf8_lossy(&dir).into_owned();
            self.dir(&text, 0o755, (0, 0), mtime);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of stat")]
    fn put(&mut self, path: &str, kind: Kind, mode: u32, own: (u32, u32), size: u64, mtime: i64, body: Body) {
        let canon = path.as_bytes();
        let meta = self.image.meta(canon, kind, mode, own.0, own.1, size, mtime);
        let name = canon.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
        self.image.dirs.entry(parent(canon).to_vec()).or_default().insert(name, Node { meta, body });
    }
}
