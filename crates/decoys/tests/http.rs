//! Web servers under bytes nobody meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::stage::rehearse::Rehearsal;
use proptest::prelude::*;

const GOOD: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,3-\r\nIf-None-Match: \"x\"\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /wp-login.php HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 60\r\n\r\n--b\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nxx\r\n--b--",
    b"GET http://a:80/%2e%2e/%zz?x=%41 HTTP/1.0\r\nIf-Modified-Since: Mon, 23 Nov 2026 22:30:54 GMT\r\nExpect: 100-continue\r\n\r\n",
];

proptest! {
    #[test]
    fn nothing_panics(pieces in proptest::collection::vec((0..GOOD.len(), proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6), proptest::collection::vec(any::<u8>(), 0..40)), 1..6)) {
        for server in ["http", "https"] {
            let mut play = Rehearsal::of(server).unwrap();
            for (which, changes, tail) in &pieces {
                let mut bytes = GOOD[*which].to_vec();
                for (at, value) in changes {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *value;
                }
                bytes.extend(tail);
                play.say(&bytes);
                play.sent();
            }
        }
    }
}
