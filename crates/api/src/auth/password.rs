//! Passwords: argon2id, never faster for a name that does not exist.

use std::sync::{Arc, OnceLock};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;

use crate::Problem;

/// Fewest characters of a password.
pub const MIN_CHARS: usize = 12;
/// Most bytes of a password.
pub const MAX_BYTES: usize = 128;

/// A password could not be hashed: the system has no randomness or no memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash a password: {why}")]
pub struct HashError {
    why: String,
}

/// The PHC string of `password` (argon2id, 19 MiB, 2 passes). Takes about 30 ms: not on an async thread.
pub fn hash(password: &str) -> Result<String, HashError> {
    let hash: PasswordHash = argon2().hash_password(password.as_bytes()).map_err(|e| HashError { why: e.to_string() })?;
    Ok(hash.to_string())
}

fn argon2() -> Argon2<'static> {
    Argon2::default()
}

/// Whether `password` may be used for an account named `username`, or 422.
pub fn check_rules(username: &str, password: &str) -> Result<(), Problem> {
    if password.len() > MAX_BYTES {
        return Err(Problem::invalid(format!("the password is longer than {MAX_BYTES} bytes")));
    }
    if password.chars().count() < MIN_CHARS {
        return Err(Problem::invalid(format!("the password needs at least {MIN_CHARS} characters")));
    }
    let mut letters = password.chars();
    let first = letters.next();
    if letters.all(|c| Some(c) == first) || password.eq_ignore_ascii_case(username) {
        return Err(Problem::invalid("that password is too easily guessed"));
    }
    Ok(())
}

/// Checks and makes hashes, a few at a time, off the async threads.
#[derive(Debug, Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

/// What unknown names are checked against, so that they take as long as known ones.
static NOBODY: OnceLock<String> = OnceLock::new();

impl Hasher {
    /// At most `at_once` at the same time.
    pub fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// Whether `password` fits `kept`; `None` takes as long and is false.
    pub async fn fits(&self, password: String, kept: Option<String>) -> Result<bool, Problem> {
        self.run(move || {
            let nobody = NOBODY.get_or_init(|| hash("nobody has this one").unwrap_or_default());
            let against = kept.as_deref().unwrap_or(nobody);
            let fits = PasswordVerifier::<str>::verify_password(&argon2(), password.as_bytes(), against).is_ok();
            Ok(fits && kept.is_some())
        })
        .await
    }

    /// The PHC string of `password`.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        self.run(move || hash(&password).map_err(|e| Problem::internal(&e))).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|e| Problem::internal(&e))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|e| Problem::internal(&e))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_nobody_has_none() {
        let hasher = Hasher::new(1);
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(hasher.fits("correct horse battery".into(), Some(kept.clone())).await.unwrap());
        assert!(!hasher.fits("correct horse batterx".into(), Some(kept)).await.unwrap());
        assert!(!hasher.fits("nobody has this one".into(), None).await.unwrap());
        assert!(!hasher.fits("x".into(), Some("not a hash".into())).await.unwrap());
    }

    #[test]
    fn rules() {
        assert!(check_rules("ann", "long enough now").is_ok());
        for bad in ["short", "aaaaaaaaaaaaaaaa", "administrator", &"x1".repeat(65)] {
            assert!(check_rules("Administrator", bad).is_err(), "{bad}");
        }
        // Characters count, not bytes; bytes bound.
        assert!(check_rules("ann", "ñandú-ñandú!").is_ok());
    }
}
