//! The host's pool of personas: read again when the file changes.

use lures::{Person, Problem};
use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tracing::warn;

/// The pool and what was read of it last.
#[derive(Debug)]
pub struct Pool {
    path: PathBuf,
    read: Option<(SystemTime, u64)>,
    people: Vec<Person>,
}

impl Pool {
    /// The pool in `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: None, people: Vec::new() }
    }

    /// Its people; none if there is no file. A file that is wrong is told once, and the last good ones stay.
    pub fn people(&mut self) -> Vec<Person> {
        let stamp = std::fs::metadata(&self.path).and_then(|m| Ok((m.modified()?, m.len()))).ok();
        if stamp != self.read || stamp.is_none() {
            self.read = stamp;
            match (stamp, read_pool(&self.path)) {
                (None, _) => self.people.clear(),
                (_, Ok(Ok(people))) => self.people = people,
                (_, Ok(Err(problems))) => {
                    let first = problems.first().map(ToString::to_string).unwrap_or_default();
                    warn!(path = %self.path.display(), problems = problems.len(), "the personas are wrong and not used: {first}");
                }
                (_, Err(error)) => warn!(path = %self.path.display(), %error, "the personas cannot be read"),
            }
        }
        self.people.clone()
    }
}

/// Reads and checks a file of personas.
pub fn read_pool(path: &Path) -> io::Result<Result<Vec<Person>, Vec<Problem>>> {
    std::fs::read_to_string(path).map(|text| lures::parse(&text))
}
