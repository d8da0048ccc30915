//! How BusyBox reads the line: it skips what it does not know by its length alone and never answers an offer.

use super::message::{IAC, SB, SE, command, option};

/// What BusyBox takes from its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Data(u8),
    /// A command was skipped: what came before goes to the terminal first.
    Skipped,
    Present,
    Size(u16, u16),
}

const NAWS_LENGTH: usize = 7;

/// Splits what one read brought. The start of an unfinished command at its end is lost.
pub(super) fn hear(input: &[u8], take: &mut impl FnMut(Item)) {
    let mut at = 0;
    while let Some(rest) = input.get(at..).filter(|r| !r.is_empty()) {
        at += match *rest {
            [IAC, IAC, ..] => {
                take(Item::Data(IAC));
                2
            }
            [IAC, command::AYT, ..] => {
                take(Item::Present);
                2
            }
            [IAC, SB, option::NAWS, a, b, c, d, ..] => {
                take(Item::Size(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
                NAWS_LENGTH
            }
            // What is too short is lost.
            [IAC, SB, option::NAWS, ..] => rest.len(),
            [IAC, command, ..] => {
                take(Item::Skipped);
                if (SE..SB).contains(&command) { 2 } else { 3 }
            }
            [IAC] => 1,
            [b'\r', b'\n' | 0, ..] => {
                take(Item::Data(b'\r'));
                2
            }
            [b, ..] => {
                take(Item::Data(b));
                1
            }
            [] => break,
        };
    }
}
