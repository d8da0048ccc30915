//! Bytes of RFC 854 to values: what the servers of the BSD line understand, a byte at a time.

/// Interpret as command.
pub(super) const IAC: u8 = 255;
pub(super) const DONT: u8 = 254;
pub(super) const DO: u8 = 253;
pub(super) const WONT: u8 = 252;
pub(super) const WILL: u8 = 251;
pub(super) const SB: u8 = 250;
pub(super) const SE: u8 = 240;

/// A data mark (RFC 854, the SYNCH signal).
pub(super) const DM_FRAME: [u8; 2] = [IAC, 242];

/// Commands of RFC 854 and RFC 1184.
pub(super) mod command {
    pub(crate) const EOF: u8 = 236;
    pub(crate) const SUSP: u8 = 237;
    pub(crate) const ABORT: u8 = 238;
    pub(crate) const BREAK: u8 = 243;
    pub(crate) const IP: u8 = 244;
    pub(crate) const AO: u8 = 245;
    pub(crate) const AYT: u8 = 246;
    pub(crate) const EC: u8 = 247;
    pub(crate) const EL: u8 = 248;
}

/// Options the servers know.
pub(super) mod option {
    pub(crate) const BINARY: u8 = 0;
    pub(crate) const ECHO: u8 = 1;
    pub(crate) const SGA: u8 = 3;
    pub(crate) const STATUS: u8 = 5;
    pub(crate) const TM: u8 = 6;
    pub(crate) const LOGOUT: u8 = 18;
    pub(crate) const TTYPE: u8 = 24;
    pub(crate) const NAWS: u8 = 31;
    pub(crate) const TSPEED: u8 = 32;
    pub(crate) const LFLOW: u8 = 33;
    pub(crate) const LINEMODE: u8 = 34;
    pub(crate) const XDISPLOC: u8 = 35;
    pub(crate) const OLD_ENVIRON: u8 = 36;
    pub(crate) const AUTHENTICATION: u8 = 37;
    pub(crate) const ENCRYPT: u8 = 38;
    pub(crate) const NEW_ENVIRON: u8 = 39;
}

/// One thing the visitor said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Data(u8),
    Command(u8),
    /// WILL, WONT, DO or DONT, and the option.
    Verb(u8, u8),
    /// A subnegotiation, without its frame.
    Sub(Vec<u8>),
}

/// Longest subnegotiation kept, as the products have it; what is longer is cut.
const MOST_SUB: usize = 512;

/// Where the decoder stands between two bytes.
#[derive(Debug, Default)]
pub(super) struct Ear {
    state: State,
    sub: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Data,
    /// After a carriage return outside binary mode: a line feed or NUL belongs to it.
    Return,
    Iac,
    Verb(u8),
    Sub,
    SubIac,
}

impl Ear {
    /// Takes one byte. `binary`: the visitor sends in binary mode.
    pub(super) fn hear(&mut self, byte: u8, binary: bool) -> Option<Item> {
        match self.state {
            State::Return if matches!(byte, 0 | b'\n') => {
                self.state = State::Data;
                None
            }
            State::Data | State::Return => {
                self.state = match byte {
                    IAC => State::Iac,
                    b'\r' if !binary => State::Return,
                    _ => State::Data,
                };
                (byte != IAC).then_some(Item::Data(byte))
            }
            State::Iac => self.command(byte),
            State::Verb(verb) => {
                self.state = State::Data;
                Some(Item::Verb(verb, byte))
            }
            State::Sub => {
                if byte == IAC {
                    self.state = State::SubIac;
                } else {
                    self.keep(byte);
                }
                None
            }
            State::SubIac => match byte {
                IAC => {
                    self.keep(IAC);
                    self.state = State::Sub;
                    None
                }
                SE => {
                    self.state = State::Data;
                    Some(Item::Sub(std::mem::take(&mut self.sub)))
                }
                // The frame is broken: what came is taken, and this byte is a command.
                _ => {
                    let sub = Item::Sub(std::mem::take(&mut self.sub));
                    let _none = self.command(byte);
                    Some(sub)
                }
            },
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.sub.len() < MOST_SUB {
            self.sub.push(byte);
        }
    }

    fn command(&mut self, byte: u8) -> Option<Item> {
        self.state = State::Data;
        match byte {
            IAC => return Some(Item::Data(IAC)),
            SB => {
                self.sub.clear();
                self.state = State::Sub;
            }
            WILL | WONT | DO | DONT => self.state = State::Verb(byte),
            _ => return Some(Item::Command(byte)),
        }
        None
    }
}

/// A subnegotiation in its frame.
pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    let mut all = vec![IAC, SB];
    for &b in body {
        if b == IAC {
            all.push(IAC);
        }
        all.push(b);
    }
    all.extend_from_slice(&[IAC, SE]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expect: &[Item]) {
        let mut ear = Ear::default();
        let items: Vec<Item> = input.iter().filter_map(|&b| ear.hear(b, false)).collect();
        assert_eq!(items, expect, "{}", input.escape_ascii());
    }

    #[test]
    fn bytes_become_items() {
        use Item::{Command, Data, Sub, Verb};
        check(b"a\r\nb\r\0c\rd", &[Data(b'a'), Data(b'\r'), Data(b'b'), Data(b'\r'), Data(b'c'), Data(b'\r'), Data(b'd')]);
        check(b"\xff\xff\xff\xf6", &[Data(255), Command(246)]);
        check(b"\xff\xfd\xff", &[Verb(DO, 255)]);
        check(b"\xff\xfa\x1f\0\xff\xff\0\x20\xff\xf0", &[Sub(vec![31, 0, 255, 0, 32])]);
        check(b"\xff\xfa\x18\0x\xff\xfb\x01y", &[Sub(vec![24, 0, b'x']), Verb(WILL, 1), Data(b'y')]);
        check(&[b"\xff\xfa".as_slice(), &[1; 9000], b"\xff\xf0"].concat(), &[Sub(vec![1; MOST_SUB])]);
    }
}
