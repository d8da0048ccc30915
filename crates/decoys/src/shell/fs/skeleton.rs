//! What a distribution installs: paths, sizes and dates, shared by all deckies of one kind. The lists
//! are data (`data/*.gz`); program bytes are generated and the same on every machine of a distribution.

use bytes::Bytes;
use flate2::read::GzDecoder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha1::{Digest, Sha1};
use std::{collections::HashMap, io::Read, sync::OnceLock};

/// Which list a decky starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    Debian,
    Ubuntu,
    Rhel,
    Alpine,
}

impl Family {
    /// From `ID=` of os-release.
    pub(crate) fn of(id: &str) -> Self {
        match id {
            "ubuntu" => Self::Ubuntu,
            "alpine" => Self::Alpine,
            "rocky" | "fedora" | "centos" | "rhel" | "almalinux" | "ol" | "amzn" => Self::Rhel,
            _ => Self::Debian,
        }
    }

    /// Whether programs come in Debian packages.
    pub(crate) fn debian_like(self) -> bool {
        matches!(self, Self::Debian | Self::Ubuntu)
    }
}

/// One line of a list.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Box<[u8]>,
    /// `f` file, `x` program or library, `d` directory, `l` link.
    pub(crate) kind: u8,
    pub(crate) mode: u16,
    pub(crate) size: u32,
    /// Seconds since the epoch; 0 = when the machine was installed.
    pub(crate) mtime: u32,
    pub(crate) target: Option<Box<[u8]>>,
}

/// Entries by directory, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Skeleton {
    dirs: HashMap<Box<[u8]>, Vec<Entry>>,
}

impl Skeleton {
    /// The list of `family`, read once.
    pub(crate) fn of(family: Family) -> &'static Self {
        static DEBIAN: OnceLock<Skeleton> = OnceLock::new();
        static RHEL: OnceLock<Skeleton> = OnceLock::new();
        static ALPINE: OnceLock<Skeleton> = OnceLock::new();
        match family {
            Family::Debian | Family::Ubuntu => DEBIAN.get_or_init(|| Self::read(include_bytes!("data/debian.gz"), Family::Debian)),
            Family::Rhel => RHEL.get_or_init(|| Self::read(include_bytes!("data/debian.gz"), Family::Rhel)),
            Family::Alpine => ALPINE.get_or_init(|| Self::read(include_bytes!("data/alpine.gz"), Family::Alpine)),
        }
    }

    /// The entry at a canonical path.
    pub(crate) fn entry(&self, canon: &[u8]) -> Option<&Entry> {
        let cut = canon.iter().rposition(|&b| b == b'/')?;
        let dir = if cut == 0 { b"/".as_slice() } else { canon.get(..cut)? };
        let name = canon.get(cut + 1..)?;
        let list = self.dirs.get(dir)?;
        let at = list.binary_search_by(|e| (*e.name).cmp(name)).ok()?;
        list.get(at)
    }

    /// Entries of a directory.
    pub(crate) fn list(&self, dir: &[u8]) -> &[Entry] {
        self.dirs.get(dir).map_or(&[], Vec::as_slice)
    }

    fn read(packed: &[u8], family: Family) -> Self {
        let mut text = Vec::new();
        let _ = GzDecoder::new(packed).take(64 << 20).read_to_end(&mut text);
        let mut out = Self::default();
        for line in text.split(|&b| b == b'\n') {
            let mut parts = line.split(|&b| b == b'\t');
            let (Some(kind), Some(mode), Some(size), Some(mtime), Some(path)) =
                (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if family == Family::Rhel && !kept_on_rhel(path) {
                continue;
            }
            let number = |b: &[u8], radix| std::str::from_utf8(b).ok().and_then(|t| u32::from_str_radix(t, radix).ok()).unwrap_or(0);
            let Some(cut) = path.iter().rposition(|&b| b == b'/') else {
                continue;
            };
            let dir: &[u8] = if cut == 0 { b"/" } else { path.get(..cut).unwrap_or(b"/") };
            let entry = Entry {
                name: path.get(cut + 1..).unwrap_or_default().into(),
                kind: kind.first().copied().unwrap_or(b'f'),
                mode: u16::try_from(number(mode, 8)).unwrap_or(0o644),
                size: number(size, 10),
                mtime: number(mtime, 10),
                target: parts.next().filter(|t| !t.is_empty()).map(Into::into),
            };
            out.dirs.entry(dir.into()).or_default().push(entry);
        }
        for list in out.dirs.values_mut() {
            list.sort_by(|a, b| a.name.cmp(&b.name));
            list.dedup_by(|a, b| a.name == b.name);
        }
        out
    }
}

/// Debian's own tools and lists are not on a machine of the Red Hat family.
fn kept_on_rhel(path: &[u8]) -> bool {
    let has = |needle: &[u8]| path.windows(needle.len()).any(|w| w == needle);
    !(has(b"dpkg")
        || has(b"/apt")
        || has(b"debian")
        || has(b"debconf")
        || has(b"busybox")
        || has(b"/deb-")
        || has(b"x86_64-linux-gnu/perl"))
}

/// ELF machine number of `uname -m`.
pub(crate) fn elf_machine(machine: &str) -> u16 {
    match machine {
        "aarch64" => 183,
        "armv7l" | "armv6l" | "armv5tel" => 40,
        "i686" | "i386" => 3,
        "mips" | "mipsel" | "mips64" => 8,
        "riscv64" => 243,
        "ppc64le" => 21,
        _ => 62,
    }
}

fn build_id(name: &str) -> [u8; 20] {
    Sha1::digest(format!("build-id of {name}").as_bytes()).into()
}

/// Bytes of the program `name`, `size` long: a well-formed ELF64 header, program headers, interpreter,
/// build id, then machine-code-like filler.
pub(crate) fn elf(name: &str, machine: &str, size: usize) -> Bytes {
    let size = size.clamp(1024, 8 * 1024 * 1024);
    let mut out = vec![0u8; size];
    let mut seed = [0u8; 32];
    for (to, from) in seed.iter_mut().zip(Sha1::digest(format!("text of {name} for {machine}").as_bytes())) {
        *to = from;
    }
    ChaCha8Rng::from_seed(seed).fill_bytes(&mut out);
    // Real code is not noise: thin it with zero runs and common opcodes so that it compresses.
    for (at, b) in out.iter_mut().enumerate() {
        match at % 7 {
            0 => *b = 0x48,
            3 => *b = [0x89, 0x8b, 0x83, 0xe8].get(usize::from(*b & 3)).copied().unwrap_or(0),
            5 if *b < 0x90 => *b = 0,
            _ => {}
        }
    }
    let library = name.contains(".so");
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    head.extend_from_slice(&3u16.to_le_bytes());
    head.extend_from_slice(&elf_machine(machine).to_le_bytes());
    head.extend_from_slice(&1u32.to_le_bytes());
    let entry: u64 = if library { 0 } else { 0x1000 + u64::from(build_id(name)[0]) * 16 };
    head.extend_from_slice(&entry.to_le_bytes());
    head.extend_from_slice(&64u64.to_le_bytes());
    let sections = (size as u64).saturating_sub(28 * 64) & !7;
    head.extend_from_slice(&sections.to_le_bytes());
    head.extend_from_slice(&0u32.to_le_bytes());
    for half in [64u16, 56, 13, 64, 28, 27] {
        head.extend_from_slice(&half.to_le_bytes());
    }
    head.resize(0x318, 0);
    let mut phdr = |at: usize, kind: u32, flags: u32, offset: u64, len: u64, align: u64| {
        let mut p = Vec::with_capacity(56);
        p.extend_from_slice(&kind.to_le_bytes());
        p.extend_from_slice(&flags.to_le_bytes());
        for v in [offset, offset, offset, len, len, align] {
            p.extend_from_slice(&v.to_le_bytes());
        }
        if let Some(part) = head.get_mut(64 + at * 56..64 + at * 56 + 56) {
            part.copy_from_slice(&p);
        }
    };
    phdr(0, 6, 4, 64, 0x2d8, 8);
    phdr(1, 3, 4, 0x318, 28, 1);
    phdr(2, 1, 4, 0, 0x1000, 0x1000);
    phdr(3, 1, 5, 0x1000, size as u64 / 2, 0x1000);
    phdr(4, 1, 4, size as u64 / 2, size as u64 / 4, 0x1000);
    phdr(5, 1, 6, size as u64 / 4 * 3, size as u64 / 8, 0x1000);
    phdr(6, 4, 4, 0x358, 0x24, 4);
    let loader = match machine {
        "aarch64" => "/lib/ld-linux-aarch64.so.1",
        _ => "/lib64/ld-linux-x86-64.so.2",
    };
    head.extend_from_slice(loader.as_bytes());
    head.resize(0x358, 0);
    head.extend_from_slice(&[4, 0, 0, 0, 0x14, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0]);
    head.extend_from_slice(&build_id(name));
    if let Some(part) = out.get_mut(..head.len()) {
        part.copy_from_slice(&head);
    }
    let base = name.rsplit('/').next().unwrap_or(name);
    let strings = format!(
        "\0libc.so.6\0__libc_start_main\0__cxa_finalize\0setlocale\0bindtextdomain\0textdomain\0__stack_chk_fail\0exit\0malloc\0free\0GLIBC_2.34\0GLIBC_2.4\0{base}\0Try '%s --help' for more information.\n\0/usr/share/locale\0"
    );
    let at = head.len() + 0x40;
    if let Some(part) = out.get_mut(at..at + strings.len()) {
        part.copy_from_slice(strings.as_bytes());
    }
    let tail = b"\0.shstrtab\0.interp\0.note.gnu.build-id\0.gnu.hash\0.dynsym\0.dynstr\0.rela.dyn\0.init\0.text\0.fini\0.rodata\0.eh_frame\0.data\0.bss\0.gnu_debuglink\0";
    let at = usize::try_from(sections).unwrap_or(0).saturating_sub(tail.len() + 8);
    if at > 0x600
        && let Some(part) = out.get_mut(at..at + tail.len())
    {
        part.copy_from_slice(tail);
    }
    out.into()
}

/// The program whose generated bytes these are: a copy of `/bin/ls` under another name still lists.
pub(crate) fn program_of(bytes: &[u8]) -> Option<String> {
    let id = bytes.get(0x368..0x37c)?;
    if bytes.get(..4)? != b"\x7fELF" || bytes.get(0x364..0x368)? != b"GNU\0" {
        return None;
    }
    static NAMES: OnceLock<HashMap<[u8; 20], String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        [Family::Debian, Family::Alpine]
            .into_iter()
            .map(Skeleton::of)
            .flat_map(|s| s.dirs.values().flatten())
            .filter(|e| e.kind == b'x')
            .map(|e| String::from_utf8_lossy(&e.name).into_owned())
            .map(|name| (build_id(&name), name))
            .collect()
    });
    names.get(id).cloned()
}
