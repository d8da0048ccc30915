//! Puts a mail into a decky's spool: whole or not at all, dated as its Date header says.

use lures::Mail;
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Why a mail is not there.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct Failed {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Writes `mail` to `<spool>/<thread>/<message>.eml` and gives the path inside the decky; `None` if it is there
/// already. The file appears under its name only when it is complete, dated and owned by who owns the spool.
pub fn deliver(spool: &Path, mail: &Mail) -> Result<Option<String>, Failed> {
    let dir = spool.join(plain(&mail.thread));
    let name = format!("{}.eml", plain(mail.message_id.trim_matches(['<', '>'])));
    let path = dir.join(&name);
    let failed = |source| Failed { path: path.clone(), source };
    if path.exists() {
        return Ok(None);
    }
    directory(&dir).map_err(failed)?;
    let half = dir.join(format!(".{name}.half"));
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(mail.date.timestamp().as_second()).unwrap_or(0));
    let done = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&half)?;
        io::Write::write_all(&mut file, &mail.raw())?;
        owned_like(&dir, &half);
        file.set_times(fs::FileTimes::new().set_modified(date).set_accessed(date))?;
        drop(file);
        fs::rename(&half, &path)?;
        // The directory changed when the mail came, not when it was written here.
        fs::File::open(&dir)?.set_times(fs::FileTimes::new().set_modified(date).set_accessed(date))
    })();
    if let Err(source) = done {
        _ = fs::remove_file(&half);
        return Err(Failed { path, source });
    }
    Ok(Some(format!("/var/spool/decnet-emails/{}/{name}", plain(&mail.thread))))
}

/// Writes the logins of the spool's people, if they changed.
pub fn people(spool: &Path, logins: &BTreeMap<String, String>) -> Result<(), Failed> {
    let path = spool.join("people.json");
    let failed = |source| Failed { path: path.clone(), source };
    let bytes = serde_json::to_vec(logins).unwrap_or_default();
    if fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    directory(spool).map_err(failed)?;
    let new = spool.join(".people.new");
    write_private(&new, &bytes).map_err(failed)?;
    owned_like(spool, &new);
    fs::rename(&new, &path).map_err(failed)
}

/// A file that its owner alone can read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// Makes the directories that are missing, owned like the first that is there.
fn directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        directory(parent)?;
        match fs::create_dir(path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o750))?;
        owned_like(parent, path);
    }
    Ok(())
}

/// Gives `path` the owner of `model`; without the right to, it stays ours.
fn owned_like(model: &Path, path: &Path) {
    if let Ok(meta) = fs::metadata(model) {
        _ = chown(path, Some(meta.uid()), Some(meta.gid()));
    }
}

/// A name that is safe as one part of a path.
fn plain(name: &str) -> String {
    let safe: String =
        name.chars().take(150).map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }).collect();
    safe.trim_start_matches('.').to_owned()
}
