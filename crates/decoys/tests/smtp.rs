//! The mail server under bytes nobody meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::stage::rehearse::Rehearsal;
use proptest::prelude::*;

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![
        "EHLO x",
        "HELO",
        "MAIL FROM:<a@b.c> SIZE=99",
        "MAIL FROM:<",
        "RCPT TO:<root>",
        "RCPT TO:<\"@x>",
        "RCPT TO:<@a:b>",
        "DATA",
        ".",
        "BDAT 5 LAST",
        "BDAT 0",
        "BDAT 99999999999",
        "AUTH PLAIN",
        "AUTH LOGIN cm9vdA==",
        "AUTH PLAIN AAAA",
        "*",
        "VRFY <>",
        "VRFY \"",
        "RSET",
        "ETRN x",
        "STARTTLS",
        "NOOP",
        "Subject: x",
        "\"",
    ];
    prop_oneof![4 => proptest::sample::select(known).prop_map(|l| l.as_bytes().to_vec()), 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn nothing_panics(lines in proptest::collection::vec(line(), 1..25)) {
        let mut play = Rehearsal::of("smtp").unwrap();
        for mut line in lines {
            line.extend(b"\r\n");
            play.say(&line);
            play.sent();
        }
    }
}
