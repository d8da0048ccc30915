//! The file server under bytes nobody meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::{decoy::Side, stage::rehearse::Rehearsal};
use proptest::prelude::*;

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![
        "USER mgarcia",
        "PASS summer19",
        "PASV",
        "EPSV",
        "LIST -la *",
        "LIST /",
        "NLST ..",
        "RETR .bashrc",
        "STOR a",
        "APPE a",
        "STOU",
        "SIZE a",
        "MDTM a",
        "MDTM 20209999000000 a",
        "REST 99999999999999999999",
        "MKD x",
        "RMD x",
        "RNFR a",
        "RNTO ../b",
        "DELE b",
        "CWD ~",
        "CWD ..",
        "SITE CHMOD 999 a",
        "SITE UMASK 7777777",
        "STAT -",
        "TYPE I",
        "ABOR",
        "QUIT",
        "OPTS",
        "CDUP",
    ];
    prop_oneof![4 => proptest::sample::select(known).prop_map(|l| l.as_bytes().to_vec()), 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_panics(lines in proptest::collection::vec((line(), 0..8u8), 1..25)) {
        let mut play = Rehearsal::of("ftp").unwrap();
        play.say(b"USER mgarcia\r\nPASS summer19\r\n");
        for (mut line, event) in lines {
            line.extend(b"\r\n");
            play.say(&line);
            match event {
                0 => { play.side(Side::Opened { same_host: true }); }
                1 => { play.side(Side::Data(b"abc")); }
                2 => { play.side(Side::Drained); }
                3 => { play.side(Side::Closed); }
                4 => { play.side(Side::Opened { same_host: false }); }
                _ => {}
            }
            play.sent();
        }
    }
}
