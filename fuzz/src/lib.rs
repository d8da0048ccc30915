//! Plays hostile bytes to a decoy without sockets. One target for each decoy and each parser: three lines each.

use decoys::stage::rehearse::Rehearsal;

/// Input is cut into messages at 0xff 0xfe; between them time passes.
pub fn converse(decoy: &str, input: &[u8]) {
    converse_cut(decoy, input, [0xff, 0xfe]);
}

/// The same with another cut, for protocols in which 0xff 0xfe means something.
pub fn converse_cut(decoy: &str, input: &[u8], cut: [u8; 2]) {
    let mut talk = Rehearsal::of(decoy).expect("a decoy of the table");
    let mut rest = input;
    loop {
        let end = rest.windows(2).position(|pair| pair == cut);
        let (message, next) = match end {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        if !message.is_empty() {
            talk.say(message);
        }
        talk.wake();
        if talk.wants_tls() {
            talk.secure();
        }
        let said: usize = talk.sent().len();
        assert!(said < 64 * 1024 * 1024, "an answer without bound: {said} bytes");
        let _noted = talk.saws();
        match next {
            Some(next) if !talk.hung_up() => rest = next,
            _ => break,
        }
    }
    talk.half_close();
    talk.close();
}
