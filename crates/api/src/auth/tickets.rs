//! Single-use keys that open a stream.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::Micros;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::token::Claims;
use crate::Problem;

/// How long a ticket is good.
pub(crate) const LIFE: Duration = Duration::from_secs(60);
/// Tickets that may be out at the same time.
const MOST: usize = 4_096;
/// Tickets one account may have out.
const MOST_OF_ONE: usize = 64;
/// Why a ticket is refused.
pub(crate) const SPENT: &str = "the ticket is unknown, used or older than 60 s; fetch a new one: POST /api/v1/auth/sse-ticket";

/// The tickets that are out. Kept by hash: a dump of memory opens nothing.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<HashMap<[u8; 32], (Claims, Micros)>>);

impl Tickets {
    /// A ticket for whoever holds `claims`.
    pub(crate) fn issue(&self, claims: Claims, now: Micros, random: [u8; 32]) -> Result<String, Problem> {
        let mut out = self.0.lock();
        out.retain(|_, (_, until)| *until > now);
        if out.len() >= MOST || out.values().filter(|(c, _)| c.sub == claims.sub).count() >= MOST_OF_ONE {
            return Err(Problem::slow_down("too many unused tickets", LIFE.as_secs()));
        }
        let ticket = URL_SAFE_NO_PAD.encode(random);
        out.insert(Sha256::digest(ticket.as_bytes()).into(), (claims, now.plus(LIFE)));
        Ok(ticket)
    }

    /// Spends a ticket.
    pub(crate) fn redeem(&self, ticket: &str, now: Micros) -> Option<Claims> {
        let key: [u8; 32] = Sha256::digest(ticket.as_bytes()).into();
        let (claims, until) = self.0.lock().remove(&key)?;
        (until > now).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_once_and_not_for_long() {
        let now = Micros(1_795_000_000_000_000);
        let claims = Claims::new("u", "viewer", ("s".into(), now), now, LIFE, [1; 16]);
        let tickets = Tickets::default();
        let ticket = tickets.issue(claims.clone(), now, [3; 32]).unwrap();
        assert_eq!(ticket.len(), 43);
        assert_eq!(tickets.redeem("x", now), None);
        assert_eq!(tickets.redeem(&ticket, now), Some(claims.clone()));
        assert_eq!(tickets.redeem(&ticket, now), None);
        let late = tickets.issue(claims.clone(), now, [4; 32]).unwrap();
        assert_eq!(tickets.redeem(&late, now.plus(LIFE)), None);
        for n in 0..64 {
            tickets.issue(claims.clone(), now, [n; 32]).unwrap();
        }
        assert_eq!(tickets.issue(claims, now, [99; 32]).unwrap_err().status, 429);
    }
}
