//! Special characters of line mode (RFC 1184 §2.4): what the server agrees to.

use super::message::option::LINEMODE;

/// `SLC` among the messages of LINEMODE.
pub(super) const SLC: u8 = 3;
const MOST: usize = 18;
const LEVEL: u8 = 3;
const ACK: u8 = 0x80;

/// Functions the terminal has a character for: IP, AO, ABORT, EOF, SUSP, EC, EL, EW, RP, LNEXT, XON, XOFF.
const OURS: [usize; 12] = [3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// What both sides last agreed on, by function: flags and character.
#[derive(Debug, Default)]
pub(super) struct Characters([(u8, u8); MOST + 1]);

impl Characters {
    /// The answer to a list of triples, as the body of a subnegotiation.
    pub(super) fn hear(&mut self, triples: &[u8]) -> Option<Vec<u8>> {
        let mut answer = vec![LINEMODE, SLC];
        for triple in triples.chunks_exact(3) {
            let &[function, flags, value] = triple else { continue };
            let at = usize::from(function);
            if at > MOST {
                answer.extend_from_slice(&[function, 0, 0]);
                continue;
            }
            let Some(mine) = self.0.get_mut(at).filter(|_| at > 0) else { continue };
            let agreed = flags & LEVEL == mine.0 & LEVEL && (value == mine.1 || flags & ACK != 0);
            if agreed || flags & ACK != 0 {
                continue;
            }
            if flags & LEVEL == 0 || OURS.contains(&at) {
                *mine = (flags, value);
                answer.extend_from_slice(&[function, flags | ACK, value]);
            } else {
                answer.extend_from_slice(&[function, 0, value]);
            }
        }
        (answer.len() > 2).then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_list_is_acknowledged_as_inetutils_does() {
        let mut slc = Characters::default();
        let asked = hex::decode("010000036203 04020f 050000 07621c 080204 09421a 0a027f 110000".replace(' ', "")).unwrap();
        let said = slc.hear(&asked).unwrap();
        assert_eq!(hex::encode(said), "220303e20304820f07e21c08820409c21a0a827f");
        assert_eq!(slc.hear(&asked), None);
    }
}
