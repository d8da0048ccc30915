//! What is left lying about: people, the mail they write to each other, and the style it is measured by.
//!
//! Pure: the same seed, people and time give the same mail, byte for byte, on every host and after every restart.
//! Never here: a socket, a file, a clock, a secret of the deployment, a language model (those are `voices`).
//! Start reading at [`Person`] (who somebody is), then [`Office`] (who writes to whom, and when), then
//! [`Mail`] (what stands in the file). To add a language: one file in `text/` and one line in [`grammar::LANGUAGES`],
//! one table in [`names`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

pub mod attach;
pub mod check;
pub mod company;
mod dice;
pub mod grammar;
pub mod hours;
pub mod mail;
pub mod names;
mod office;
mod persona;
pub mod pool;
pub mod style;
pub mod words;

pub use dice::Dice;
pub use mail::Mail;
pub use office::{Bait, Box as Folder, Office, Post, client_of};
pub use persona::{Latency, MOST, Person, Problem, Tone, address_problem, check as check_personas, parse};
