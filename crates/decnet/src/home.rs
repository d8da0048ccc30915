//! The data directory: what a first start makes, and the secrets kept there.

use crate::config::Config;
use anyhow::Context;
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Makes the directories that are missing. Others of the system may not look in.
pub(crate) fn prepare(config: &Config) -> anyhow::Result<()> {
    for (dir, mode) in [("", 0o711), ("run", 0o700), ("spool", 0o711), ("artifacts", 0o711), ("transcripts", 0o711), ("memory", 0o711)] {
        let path = if dir.is_empty() { config.data_dir.clone() } else { config.data_dir.join(dir) };
        fs::DirBuilder::new().recursive(true).mode(mode).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    hand_over(config)
}

/// Where root runs only a part, what it makes belongs to the owner of the data directory like everything else there.
pub(crate) fn hand_over(config: &Config) -> anyhow::Result<()> {
    let owner = fs::metadata(&config.data_dir)?;
    if owner.uid() == 0 || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    for name in ["run", "spool", "artifacts", "transcripts", "memory", "secret", "decnet.db", "decnet.db-wal", "decnet.db-shm"] {
        let path = config.data_dir.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.uid() == 0 && !meta.is_symlink()) {
            std::os::unix::fs::lchown(&path, Some(owner.uid()), Some(owner.gid()))
                .with_context(|| format!("cannot hand over {}", path.display()))?;
        }
    }
    Ok(())
}

/// The deployment secret: 32 random bytes made on the first start, readable by the owner alone. Every decky's
/// seed derives from it, so losing it changes every decky.
pub(crate) fn secret(config: &Config) -> anyhow::Result<[u8; 32]> {
    let path = config.data_dir.join("secret");
    match fs::read(&path) {
        Ok(bytes) => {
            let mode = fs::metadata(&path)?.permissions().mode() & 0o077;
            anyhow::ensure!(mode == 0, "{} can be read by others than its owner: chmod 600 it", path.display());
            bytes.try_into().map_err(|_| anyhow::anyhow!("{} does not hold 32 bytes; restore it from a backup", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret: [u8; 32] = rand::random();
            write_new(&path, &secret)?;
            hand_over(config)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes whole or not at all; an existing file is not touched.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let _leftover = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .with_context(|| format!("cannot write {}", new.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::hard_link(&new, path).with_context(|| format!("cannot make {}", path.display()))?;
    fs::remove_file(&new)?;
    Ok(())
}

/// A password for one use: 20 characters of an alphabet without look-alikes, about 114 bits.
pub(crate) fn one_time_password() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut text = String::new();
    while text.len() < 20 {
        let byte: u8 = rand::random();
        // Bytes past the last whole multiple are thrown away, so every character is equally likely.
        if usize::from(byte) < 256 / ALPHABET.len() * ALPHABET.len()
            && let Some(c) = ALPHABET.get(usize::from(byte) % ALPHABET.len())
        {
            text.push(char::from(*c));
        }
    }
    text
}
