//! Opening files that a decoy wrote. The decoy process is what attackers touch: a link it left must not lead
//! anywhere, and a pipe it left must not hang us.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::Mode,
};

/// Opens `root/inner` for reading if it is a plain file below `root` reached without any link.
pub(crate) fn open_below(root: &Path, inner: &Path) -> io::Result<File> {
    let dir: OwnedFd = open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(openat2(&dir, inner, how)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    Ok(file)
}

/// A single harmless path component, or nothing.
pub(crate) fn name(text: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (!text.is_empty() && text.len() <= 255 && !text.starts_with('.') && text.chars().all(plain)).then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_pipes_and_ways_out_are_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::create_dir(root.path().join("web-01")).unwrap();
        std::fs::write(root.path().join("web-01/a.cast"), "x").unwrap();
        symlink(secret.path(), root.path().join("web-01/link")).unwrap();
        symlink("/", root.path().join("dir")).unwrap();
        nix::unistd::mkfifo(&root.path().join("web-01/pipe"), Mode::S_IRWXU).unwrap();
        assert!(open_below(root.path(), Path::new("web-01/a.cast")).is_ok());
        for bad in ["web-01/link", "dir/etc/passwd", "web-01/pipe", "web-01", "../x", "/etc/passwd", "web-01/../../etc/passwd"] {
            assert!(open_below(root.path(), Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_one_plain_component() {
        assert!(name("web-01").is_some());
        for bad in ["", ".", "..", ".hidden", "a/b", "a\0", "ä", &"x".repeat(256)] {
            assert!(name(bad).is_none(), "{bad}");
        }
    }
}
