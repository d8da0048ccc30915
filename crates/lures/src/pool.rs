//! Where the personas of a host come from.
//!
//! A topology has a list of its own; fleet and shard deckies share one pool: the file `DECNET_EMAILGEN_PERSONAS` names,
//! else `/etc/decnet/email_personas.json`, else `~/.decnet/email_personas.json`. Reading it is for the caller.

use std::path::{Path, PathBuf};

/// The system's pool.
pub const SYSTEM: &str = "/etc/decnet/email_personas.json";

/// The pool to read. `named` is what the environment says, `home` the user's directory.
pub fn path(named: Option<&str>, home: Option<&Path>, exists: impl Fn(&Path) -> bool) -> PathBuf {
    if let Some(named) = named.map(str::trim).filter(|n| !n.is_empty()) {
        return named.into();
    }
    let own = home.map(|h| h.join(".decnet/email_personas.json"));
    match own {
        Some(own) if !exists(Path::new(SYSTEM)) => own,
        _ => SYSTEM.into(),
    }
}

/// Where an import writes. Like [`path`], but the system's pool is chosen too when its directory can be written.
pub fn destination(named: Option<&str>, home: Option<&Path>, exists: impl Fn(&Path) -> bool, system_writable: bool) -> PathBuf {
    if named.is_none_or(|n| n.trim().is_empty()) && system_writable { SYSTEM.into() } else { path(named, home, exists) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_then_system_then_own() {
        let home = Path::new("/home/u");
        assert_eq!(path(Some(" /x/p.json "), Some(home), |_| true), Path::new("/x/p.json"));
        assert_eq!(path(Some(" "), Some(home), |_| true), Path::new(SYSTEM));
        assert_eq!(path(None, Some(home), |_| false), Path::new("/home/u/.decnet/email_personas.json"));
        assert_eq!(path(None, None, |_| false), Path::new(SYSTEM));
        assert_eq!(destination(None, Some(home), |_| false, true), Path::new(SYSTEM));
        assert_eq!(destination(Some("/y"), Some(home), |_| false, true), Path::new("/y"));
    }
}
