//! User authentication (RFC 4252, RFC 4256) as the product does it with PAM: which methods, what counts
//! as a failure, and how long each answer takes.

use hmac::{Hmac, KeyInit, Mac};
use model::{Account, Captured, Outcome, Saw, SecretKind};
use rand::Rng;
use sha2::Sha256;
use std::time::Duration;

use super::{
    message::{Bye, Reader, Writer, msg},
    profile::Profile,
};
use crate::decoy::{Reply, Visit};

/// `MaxAuthTries`.
const MAX_TRIES: u32 = 6;
/// Longest password the product hands to PAM.
const MAX_PASSWORD: usize = 1024;
/// Longest user name or secret that is put into an event; longer ones are cut.
const MAX_NOTED: usize = 64 * 1024;

/// What became of a request.
pub(super) enum Verdict {
    /// Authenticated. The answer has not been sent.
    Accepted(Box<Account>),
    /// Answer with this payload and go on.
    Answer(Vec<u8>),
}

/// Authentication of one connection.
#[derive(Debug, Default)]
pub(super) struct Auth {
    /// User and service of the first request; they may not change.
    who: Option<(Vec<u8>, Vec<u8>)>,
    attempts: u32,
    failures: u32,
    dialog: Dialog,
}

/// Where a keyboard-interactive exchange stands.
#[derive(Debug, Default)]
enum Dialog {
    #[default]
    None,
    Asked,
    /// The password was right; the product asks nothing once more before it says so.
    Passed(Box<Account>),
}

/// Where an attempt happens.
pub(super) struct Scene<'a> {
    pub(super) visit: &'a Visit,
    pub(super) profile: &'a Profile,
    /// Public key this connection's first key exchange was signed with.
    pub(super) host_key: &'a [u8],
}

impl Auth {
    /// A USERAUTH_REQUEST.
    pub(super) fn request(&mut self, payload: &[u8], scene: &Scene<'_>, out: &mut Reply) -> Result<Verdict, Bye> {
        let mut r = Reader(payload);
        r.u8()?;
        let (full, service, method) = (r.cstring()?, r.cstring()?, r.cstring()?);
        let user = full.split(|&b| b == b':').next().unwrap_or_default();
        self.attempts += 1;
        match &self.who {
            None => self.who = Some((user.to_vec(), service.to_vec())),
            Some((u, s)) if u == user && s == service => {}
            Some((u, s)) => {
                let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
                return Err(Bye::Say(format!(
                    "Change of username or service not allowed: ({},{}) -> ({},{})",
                    text(u),
                    text(s),
                    text(user),
                    text(service)
                )));
            }
        }
        self.dialog = Dialog::None;
        let unit = delay_unit(scene.visit, user);
        match method {
            b"password" => {
                let change = r.bool()?;
                let secret = r.string()?;
                let parsed = (|| {
                    let mut whole = Reader(payload.get(payload.len() - r.0.len() - secret.len() - 4..).unwrap_or_default());
                    whole.cstring()?;
                    if change {
                        whole.cstring()?;
                    }
                    whole.end()
                })();
                let account = if change || parsed.is_err() { None } else { opens(scene.visit, user, service, secret) };
                attempt(user, secret, SecretKind::Plaintext, account.is_some(), out);
                parsed?;
                if let Some(account) = account {
                    let time = success_time(unit, out.rng());
                    out.pause(time);
                    return Ok(Verdict::Accepted(Box::new(account)));
                }
                let quick = change || secret.len() > MAX_PASSWORD;
                let spent = if quick { Duration::from_micros(900) } else { pam_failure(out.rng()) };
                self.failed(unit, spent, method, scene, out)
            }
            b"publickey" | b"publickey-hostbound-v00@openssh.com" => {
                let signed = r.bool()?;
                let algorithm = r.string()?;
                let blob = r.string()?;
                let bound = if method == b"publickey" { None } else { Some(r.string()?) };
                if signed {
                    r.string()?;
                }
                attempt(user, blob, SecretKind::SshPublickey, false, out);
                if bound.is_some_and(|key| key != scene.host_key) {
                    return Err(Bye::Silent);
                }
                r.end()?;
                let known = scene.visit.persona.account(user).is_some() && !algorithm.is_empty();
                let spent = Duration::from_micros(if known { 1_800 } else { 700 });
                self.failed(unit, spent, method, scene, out)
            }
            b"keyboard-interactive" if scene.profile.keyboard_interactive() => {
                r.cstring()?;
                r.cstring()?;
                r.end()?;
                self.dialog = Dialog::Asked;
                let ask = Writer::message(msg::USERAUTH_INFO_REQUEST).string(b"").string(b"").string(b"");
                Ok(Verdict::Answer(ask.u32(1).string(b"Password: ").bool(false).0))
            }
            _ => {
                let spent = Duration::from_micros(if self.attempts == 1 { 3_500 } else { 400 });
                self.failed(unit, spent, method, scene, out)
            }
        }
    }

    /// A USERAUTH_INFO_RESPONSE. `None`: there was no question, the message is not expected.
    pub(super) fn response(&mut self, payload: &[u8], scene: &Scene<'_>, out: &mut Reply) -> Result<Option<Verdict>, Bye> {
        let dialog = std::mem::take(&mut self.dialog);
        let Some((user, service)) = self.who.clone() else { return Ok(None) };
        let unit = delay_unit(scene.visit, &user);
        let mut r = Reader(payload);
        r.u8()?;
        match dialog {
            // Once a request has come the product takes this for a violation of the protocol.
            Dialog::None => Err(Bye::Silent),
            Dialog::Passed(account) => {
                if r.u32()? != 0 {
                    return self.failed(unit, Duration::from_millis(1), b"keyboard-interactive", scene, out).map(Some);
                }
                Ok(Some(Verdict::Accepted(account)))
            }
            Dialog::Asked => {
                if r.u32()? != 1 {
                    return self.failed(unit, Duration::from_millis(1), b"keyboard-interactive", scene, out).map(Some);
                }
                let secret = r.string()?;
                let account = opens(scene.visit, &user, &service, secret);
                attempt(&user, secret, SecretKind::Plaintext, account.is_some(), out);
                if let Some(account) = account {
                    let time = success_time(unit, out.rng());
                    out.pause(time);
                    self.dialog = Dialog::Passed(Box::new(account));
                    let ask = Writer::message(msg::USERAUTH_INFO_REQUEST).string(b"").string(b"").string(b"");
                    return Ok(Some(Verdict::Answer(ask.u32(0).0)));
                }
                let spent = pam_failure(out.rng());
                self.failed(unit, spent, b"keyboard-interactive", scene, out).map(Some)
            }
        }
    }

    /// Counts a failure, lets the time pass that the product takes, and answers.
    fn failed(&mut self, unit: Duration, spent: Duration, method: &[u8], scene: &Scene<'_>, out: &mut Reply) -> Result<Verdict, Bye> {
        out.pause(rounded_up(unit, spent));
        if self.attempts > 1 || method != b"none" {
            self.failures += 1;
        }
        if self.failures >= MAX_TRIES {
            return Err(Bye::Say("Too many authentication failures".into()));
        }
        let answer = Writer::message(msg::USERAUTH_FAILURE).string(scene.profile.methods.as_bytes()).bool(false);
        Ok(Verdict::Answer(answer.0))
    }
}

/// The account that user and password open, if any.
fn opens(visit: &Visit, user: &[u8], service: &[u8], secret: &[u8]) -> Option<Account> {
    let account = visit.persona.account(user)?;
    let right = account.password.as_ref()?;
    let same = right.len() == secret.len() && openssl::memcmp::eq(right.as_bytes(), secret);
    (same && !right.is_empty() && service == b"ssh-connection").then(|| account.clone())
}

fn attempt(user: &[u8], secret: &[u8], secret_kind: SecretKind, success: bool, out: &mut Reply) {
    let cut = |b: &[u8]| Captured::copy(b.get(..MAX_NOTED).unwrap_or(b));
    let outcome = if success { Outcome::Success } else { Outcome::Failure };
    out.note(Saw::AuthAttempt { principal: Some(cut(user)), secret: cut(secret), secret_kind, outcome, challenge: None });
}

/// The product answers failures at multiples (1, 2, 4, …) of a time between 5 and 9.3 ms that depends on
/// the user name and a secret, so that users cannot be told apart by timing.
fn delay_unit(visit: &Visit, user: &[u8]) -> Duration {
    let keyed = Hmac::<Sha256>::new_from_slice(&visit.derive("ssh/timing")).map(|mac| mac.chain_update(user).finalize().into_bytes());
    let first = keyed.map_or(0, |bytes| bytes.iter().take(4).fold(0u64, |v, &b| v << 8 | u64::from(b)));
    Duration::from_nanos(5_000_000 + first / 1000)
}

/// The smallest doubling of `unit` that is not below `spent`, and the moment it takes to wake up.
fn rounded_up(unit: Duration, spent: Duration) -> Duration {
    let mut total = unit;
    while total < spent {
        total *= 2;
    }
    total
}

/// What PAM's failure delay makes of two seconds: the mean of three uniform values, a half to one and a half times.
fn pam_failure(rng: &mut impl Rng) -> Duration {
    let sum: u64 = (0..3).map(|_| u64::from(rng.next_u32() >> 17)).sum();
    // 2 s * (0.5 + sum / 3 / 32768), and the hashing before it.
    Duration::from_micros(1_000_000 + sum * 2_000_000 / 3 / 32_768 + 14_000 + u64::from(rng.next_u32() % 6_000))
}

/// Hashing the password and the account check, until the product says that the login is good. It waits
/// here too.
fn success_time(unit: Duration, rng: &mut impl Rng) -> Duration {
    let jitter = (0..3).map(|_| u64::from(rng.next_u32() % 6_500)).sum::<u64>();
    rounded_up(unit, Duration::from_micros(33_000 + jitter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn failures_take_a_power_of_two_of_the_users_unit() {
        let unit = Duration::from_micros(7_860);
        assert_eq!(rounded_up(unit, Duration::from_millis(1)), unit);
        assert_eq!(rounded_up(unit, Duration::from_millis(1_900)), unit * 256);
        assert_eq!(rounded_up(unit, Duration::from_millis(2_100)), unit * 512);
        let mut rng = rand_chacha::ChaCha12Rng::from_seed([1; 32]);
        for _ in 0..1000 {
            let spent = pam_failure(&mut rng);
            assert!(spent >= Duration::from_secs(1) && spent < Duration::from_millis(3_050));
        }
    }
}
