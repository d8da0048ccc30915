//! Spools as things in a directory: which there are, how much waits in them, taking away what is done.

use std::path::{Path, PathBuf};

use crate::{Error, Position, segment_path, segments};

/// A spool found under a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The directory's own name; it names the writer.
    pub name: String,
    pub path: PathBuf,
}

/// The spools under `root`, by name. A root that does not exist has none.
pub fn list(root: impl AsRef<Path>) -> Result<Vec<Listed>, Error> {
    let root = root.as_ref();
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(Error::Io { doing: "list", path: root.to_owned(), source });
        }
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("list", root))?;
        if entry.file_type().is_ok_and(|t| t.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            all.push(Listed { name, path: entry.path() });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Deletes the segments of `dir` that lie wholly before `position`; the last one always stays. Returns
/// how many bytes were freed.
pub fn retire(dir: impl AsRef<Path>, position: Position) -> Result<u64, Error> {
    let dir = dir.as_ref();
    let all = segments(dir)?;
    let mut freed = 0;
    for &segment in all.iter().rev().skip(1).rev().filter(|&&s| s < position.segment) {
        let path = segment_path(dir, segment);
        freed += path.metadata().map_or(0, |m| m.len());
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(freed)
}

/// Bytes in `dir` that a reader at `position` has not seen.
pub fn backlog(dir: impl AsRef<Path>, position: Position) -> Result<u64, Error> {
    let dir = dir.as_ref();
    let mut bytes = 0;
    for segment in segments(dir)?.into_iter().filter(|&s| s >= position.segment) {
        let length = segment_path(dir, segment).metadata().map_or(0, |m| m.len());
        bytes += if segment == position.segment { length.saturating_sub(position.offset) } else { length };
    }
    Ok(bytes)
}
