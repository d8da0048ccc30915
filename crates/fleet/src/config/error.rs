//! What was wrong with a file: one message that says where, what and what would have been right.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// `file:line: key: message (allowed: …)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub file: PathBuf,
    /// 1-based; 0 when the file as a whole is meant.
    pub line: u32,
    /// Empty when no key is meant.
    pub key: String,
    pub message: String,
    /// What is allowed instead; empty when there is nothing to list.
    pub allowed: String,
}

impl ConfigError {
    pub(super) fn new(file: &Path, line: u32, key: impl Into<String>, message: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, key: key.into(), message: message.into(), allowed: allowed.into() }
    }
}

impl ConfigError {
    /// What was wrong, without the place: for what did not come from a file.
    pub fn what(&self) -> String {
        if self.allowed.is_empty() { self.message.clone() } else { format!("{} (allowed: {})", self.message, self.allowed) }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, " (allowed: {})", self.allowed) }
    }
}
