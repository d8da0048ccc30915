//! The nouns everything else speaks about: deckies, personas, events, ids, time.
//!
//! Never here: I/O, a clock, randomness, SQL. Times and random bytes are arguments.
//! Start reading at [`Event`] (what was seen) and [`Persona`] (who a decky is).
//! To add something that can be seen: one variant of [`Saw`], its name in [`Saw::event_type`] and
//! its fields in [`Saw::fields`].

mod captured;
mod envelope;
mod event;
mod id;
mod persona;
mod phase;
mod time;

pub use captured::Captured;
pub use envelope::Envelope;
pub use event::{Event, FileWay, HttpRequest, Outcome, Passive, Saw, ScanKind, SecretKind, Sequence, Why};
pub use id::{Attacker, Decky, DeckyId, Id, LOCAL_HOST, Session, User};
pub use persona::{Account, Distro, OsFamily, Persona, Service, Software};
pub use phase::{NoSuchPhase, Phase, Stage};
pub use time::Micros;
