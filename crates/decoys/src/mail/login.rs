//! Who may read mail, and how long a refusal takes.

use rand::RngExt;
use std::time::Duration;
use subtle::ConstantTimeEq;

use crate::{Reply, Visit, mail::Post};

/// What is kept under this key: failures so far and when the last was, of this attacker on this decky.
const PENALTY: &str = "mail-penalty";
/// Dovecot doubles the wait after each failure of an address, up to this.
const LONGEST: u64 = 15;
/// A failure is forgotten after this, in seconds.
const FORGET: i64 = 60;

/// The account that `user` and `secret` open, by its mailbox name.
pub(crate) fn account(visit: &Visit, post: &Post, user: &[u8], secret: &[u8]) -> Option<String> {
    let name = String::from_utf8(user.to_vec()).ok()?.to_lowercase();
    let bare = name.split('@').next().unwrap_or(&name).to_owned();
    let same = |password: &str| bool::from(password.as_bytes().ct_eq(secret));
    if let Some(account) = visit.persona.account(bare.as_bytes()) {
        return account.password.as_deref().is_some_and(same).then_some(bare);
    }
    let (login, password) = post.people(visit).into_iter().find(|(login, _)| *login == bare || *login == name)?;
    same(&password).then_some(login)
}

/// How long the service thinks before it looks at a login: nothing at first, then longer and longer.
pub(crate) fn penalty(visit: &Visit, out: &mut Reply) -> Duration {
    let Some((failures, last)) = read(visit) else { return Duration::ZERO };
    let seconds = (2u64 << failures.min(4)).min(LONGEST);
    let passed = u64::try_from(out.now().seconds().saturating_sub(last)).unwrap_or(0);
    if failures == 0 { Duration::ZERO } else { Duration::from_secs(seconds.saturating_sub(passed)) }
}

/// Counts a failure; how long its answer is held back.
pub(crate) fn failed(visit: &Visit, out: &mut Reply) -> Duration {
    let (failures, _) = read(visit).unwrap_or((0, 0));
    visit.memory.set(PENALTY, format!("{} {}", failures.saturating_add(1).min(8), out.now().seconds()));
    // Failures are answered together, at the next beat of a clock that runs every two seconds.
    Duration::from_millis(2000 + out.rng().random_range(0..25u64))
}

/// Forgets failures.
pub(crate) fn succeeded(visit: &Visit) {
    if visit.memory.get(PENALTY).is_some() {
        visit.memory.remove(PENALTY);
    }
}

fn read(visit: &Visit) -> Option<(u32, i64)> {
    let kept = visit.memory.get(PENALTY)?;
    let text = std::str::from_utf8(&kept).ok()?;
    let (failures, last) = text.split_once(' ')?;
    let (failures, last): (u32, i64) = (failures.parse().ok()?, last.parse().ok()?);
    (visit.at.seconds() - last < FORGET).then_some((failures, last))
}
