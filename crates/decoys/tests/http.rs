//! Web servers under bytes nobody meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::stage::rehearse::Rehearsal;
use proptest::prelude::*;
use std::time::Duration;

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

#[test]
fn a_request_that_comes_in_drops_ends_in_time() {
    for head in [&b"GET / HTTP/1.1\r\n"[..], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n"] {
        let mut play = Rehearsal::of("http").unwrap();
        play.say(head);
        let mut waited = 0;
        while !play.hung_up() {
            play.say(b"a");
            play.wait(Duration::from_secs(5));
            waited += 5;
            assert!(waited <= 60, "a byte now and then keeps it open");
        }
        let said = String::from_utf8_lossy(&play.sent()).into_owned();
        let nginx = said.is_empty();
        assert!(nginx || said.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{said}");
        assert!(waited >= 20);
    }
    // One that keeps a fair rate is waited for.
    let mut play = Rehearsal::of("http").unwrap();
    play.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for _ in 0..10 {
        play.say(&[b'x'; 10_000]).wait(Duration::from_secs(10));
    }
    assert!(play.sent().starts_with(b"HTTP/1.1 "));
}
