//! The image: the `decoy` program and the libraries it is linked with, nothing else. No shell, no package, no download.

use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// The archive, and the tag that names its contents.
pub(super) fn build(decoy: &Path) -> Result<(Vec<u8>, String), Error> {
    let mut files: Vec<(String, PathBuf)> = vec![("decoy".into(), decoy.to_owned())];
    files.extend(libraries(decoy)?.into_iter().map(|path| (path.to_string_lossy().trim_start_matches('/').to_owned(), path)));
    let mut dirs: BTreeSet<String> =
        ["control", "data", "data/spool", "data/artifacts", "data/transcripts", "data/memory", "proc", "dev", "sys", "etc"]
            .map(String::from)
            .into();
    for (name, _) in &files {
        let mut at = Path::new(name);
        while let Some(parent) = at.parent().filter(|p| !p.as_os_str().is_empty()) {
            dirs.insert(parent.to_string_lossy().into_owned());
            at = parent;
        }
    }
    let mut archive = Vec::new();
    for dir in dirs {
        entry(&mut archive, &format!("{dir}/"), b'5', 0o755, &[]);
    }
    for (name, path) in files {
        let bytes = fs::read(&path).map_err(Error::file(&path))?;
        entry(&mut archive, &name, b'0', 0o755, &bytes);
    }
    archive.extend([0; 1024]);
    let tag = hex::encode(Sha256::digest(&archive)).chars().take(16).collect();
    Ok((archive, tag))
}

/// What the loader would load, by its own word.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let out = Command::new(program).env_clear().env("LD_TRACE_LOADED_OBJECTS", "1").output();
    let out = out.map_err(Error::kernel(format!("cannot ask what {} is linked with", program.display())))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    Ok(text.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).filter(|p| p.is_file()).collect())
}

/// One entry of a ustar archive.
fn entry(archive: &mut Vec<u8>, name: &str, kind: u8, mode: u32, bytes: &[u8]) {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| {
        for (slot, byte) in header.iter_mut().skip(at).zip(text.bytes()) {
            *slot = byte;
        }
    };
    put(0, name.get(..name.len().min(99)).unwrap_or_default());
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", bytes.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(257, "ustar");
    put(263, "00");
    if let Some(slot) = header.get_mut(156) {
        *slot = kind;
    }
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    for (slot, byte) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *slot = byte;
    }
    archive.extend(header);
    archive.extend(bytes);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

#[cfg(test)]
mod tests {
    use super::{build, entry};
    use std::{io::Write, path::Path, process::Stdio};

    #[test]
    fn tar_reads_what_is_written() {
        let mut archive = Vec::new();
        entry(&mut archive, "a/", b'5', 0o755, &[]);
        entry(&mut archive, "a/b", b'0', 0o644, b"hello");
        archive.extend([0; 1024]);
        let mut tar = std::process::Command::new("tar").args(["-xO", "a/b"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&archive).unwrap();
        assert_eq!(tar.wait_with_output().unwrap().stdout, b"hello");
    }

    #[test]
    fn the_loader_and_libraries_come_along_and_the_tag_is_of_the_contents() {
        let (archive, tag) = build(Path::new("/bin/sh")).unwrap();
        assert!(archive.windows(9).any(|w| w == b"libc.so.6") && archive.windows(8).any(|w| w == b"ld-linux"));
        assert_eq!(build(Path::new("/bin/sh")).unwrap().1, tag);
    }
}
