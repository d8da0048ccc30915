//! A client made of the server's own parts, for conversations behind encryption, and what it finds out.

use model::{Outcome, Saw};
use openssl::{derive::Deriver, pkey::Id as KeyId, pkey::PKey};
use proptest::prelude::*;
use std::time::Duration;

use super::{
    kex::{self, Choice, Proposal, Transcript},
    message::{Reader, Writer, msg},
    packet::{Inbound, Outbound},
    profile::Profile,
};
use crate::{
    decoy::{Act, Reply},
    stage::rehearse::{self, Rehearsal},
};

const BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3";

/// The visitor's side of a rehearsed connection.
struct Client {
    play: Rehearsal,
    inbound: Inbound,
    outbound: Outbound,
    /// Collects what the client's half wants sent.
    wire: Reply,
    heard: Vec<u8>,
    session: Vec<u8>,
}

impl Client {
    /// Connects and exchanges keys with curve25519 and the given cipher and MAC.
    fn connect(cipher: &str, mac: &str) -> Self {
        let mut me = Self {
            play: Rehearsal::of("ssh").unwrap(),
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            wire: Reply::new(rehearse::NOW, [9; 32]),
            heard: Vec::new(),
            session: Vec::new(),
        };
        let greeting = me.play.sent();
        let banner = greeting.strip_suffix(b"\r\n").unwrap().to_vec();
        me.play.say(&[BANNER, b"\r\n"].concat());
        me.exchange(cipher, mac, &banner);
        me
    }

    fn exchange(&mut self, cipher: &str, mac: &str, banner: &[u8]) {
        let mut init = Writer::message(msg::KEXINIT).raw(&[7; 16]);
        let first = self.session.is_empty();
        let kex = "curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com";
        for list in [kex, "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""] {
            init = init.string(list.as_bytes());
        }
        let init = init.u8(0).u32(0).0;
        self.say(&init);
        let server_init = self.expect(msg::KEXINIT);
        let mine = PKey::generate_x25519().unwrap();
        let public = mine.raw_public_key().unwrap();
        self.say(&Writer::message(msg::KEX_INIT).string(&public).0);
        let reply = self.expect(msg::KEX_REPLY);
        let mut r = Reader(&reply[1..]);
        let (host_key, theirs) = (r.string().ok().unwrap(), r.string().ok().unwrap());
        let peer = PKey::public_key_from_raw_bytes(theirs, KeyId::X25519).unwrap();
        let mut deriver = Deriver::new(&mine).unwrap();
        deriver.set_peer(&peer).unwrap();
        let secret = deriver.derive_to_vec().unwrap();
        let told = Transcript { client_banner: BANNER, server_banner: banner, client_init: &init, server_init: &server_init, host_key };
        let agreed = kex::rehearsed(&told, &public, theirs, &secret);
        if first {
            self.session = agreed.hash.clone();
        }
        let profile = Profile::of(&rehearse::persona());
        let choice = Choice::between(&Proposal::read(&init).ok().unwrap(), &profile).unwrap();
        let (send, receive) = choice.keys_of_client(&agreed, &self.session);
        self.expect(msg::NEWKEYS);
        self.inbound.rekey(receive, true, !first);
        self.say(&[msg::NEWKEYS]);
        self.outbound.rekey(send, true, !first);
    }

    /// Sends a payload and takes what comes back off the wire.
    fn say(&mut self, payload: &[u8]) {
        self.outbound.send(payload, &mut self.wire);
        for act in self.wire.take() {
            if let Act::Send(bytes) = act {
                self.play.say(&bytes);
            }
        }
        self.heard.extend(self.play.sent());
    }

    /// The next payload, if there is one.
    fn next(&mut self) -> Option<Vec<u8>> {
        let (used, packet) = self.inbound.open(&self.heard).ok()??;
        self.heard.drain(..used);
        Some(packet.payload)
    }

    fn expect(&mut self, kind: u8) -> Vec<u8> {
        let payload = self.next().unwrap();
        assert_eq!(payload[0], kind, "{}", payload.escape_ascii());
        payload
    }

    fn login(&mut self, user: &str, password: &str) -> u8 {
        self.say(&Writer::message(msg::SERVICE_REQUEST).string(b"ssh-userauth").0);
        let try_it = Writer::message(msg::USERAUTH_REQUEST).string(user.as_bytes()).string(b"ssh-connection");
        self.say(&try_it.string(b"password").bool(false).string(password.as_bytes()).0);
        self.expect(msg::EXT_INFO);
        self.expect(msg::SERVICE_ACCEPT);
        self.next().unwrap()[0]
    }

    fn logged_in() -> Self {
        let mut me = Self::connect("aes128-gcm@openssh.com", "hmac-sha2-256");
        assert_eq!(me.login("deploy", "deploy123"), msg::USERAUTH_SUCCESS);
        me.expect(msg::GLOBAL_REQUEST);
        me
    }

    fn open_sftp(&mut self) {
        self.say(&Writer::message(msg::CHANNEL_OPEN).string(b"session").u32(5).u32(1 << 20).u32(32768).0);
        self.expect(msg::CHANNEL_OPEN_CONFIRMATION);
        self.say(&Writer::message(msg::CHANNEL_REQUEST).u32(0).string(b"subsystem").bool(true).string(b"sftp").0);
        self.expect(msg::CHANNEL_WINDOW_ADJUST);
        self.expect(msg::CHANNEL_SUCCESS);
    }

    fn disconnect_text(&mut self) -> String {
        let payload = self.expect(msg::DISCONNECT);
        String::from_utf8(Reader(&payload[5..]).string().ok().unwrap().to_vec()).unwrap()
    }
}

#[test]
fn every_cipher_and_mac_carries_a_login() {
    let ciphers = ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes192-ctr", "aes256-ctr"];
    for cipher in ciphers {
        assert_eq!(Client::connect(cipher, "hmac-sha1").login("root", "Winter2025"), msg::USERAUTH_SUCCESS, "{cipher}");
    }
    let macs = "umac-64-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com \
                hmac-sha1-etm@openssh.com umac-64@openssh.com umac-128@openssh.com hmac-sha2-256 hmac-sha2-512";
    for mac in macs.split_whitespace() {
        assert_eq!(Client::connect("aes128-ctr", mac).login("root", "Winter2025"), msg::USERAUTH_SUCCESS, "{mac}");
    }
}

#[test]
fn only_an_accounts_own_password_opens_it() {
    let first = |user: &str, password: &str| Client::connect("aes128-ctr", "hmac-sha2-256").login(user, password);
    assert_eq!(first("root", "Winter2026"), msg::USERAUTH_FAILURE);
    assert_eq!(first("root", ""), msg::USERAUTH_FAILURE);
    assert_eq!(first("backup", ""), msg::USERAUTH_FAILURE);
    assert_eq!(first("nobody-here", "Winter2025"), msg::USERAUTH_FAILURE);
    assert_eq!(first("mgarcia", "summer19"), msg::USERAUTH_SUCCESS);
}

#[test]
fn attempts_are_noted_and_six_failures_are_enough() {
    let mut c = Client::connect("aes128-ctr", "hmac-sha2-256");
    assert_eq!(c.login("root", "a\u{e9}"), msg::USERAUTH_FAILURE);
    for _ in 0..5 {
        let again = Writer::message(msg::USERAUTH_REQUEST).string(b"root").string(b"ssh-connection");
        c.say(&again.string(b"password").bool(false).string(b"\xff\x01").0);
    }
    for _ in 0..4 {
        c.expect(msg::USERAUTH_FAILURE);
    }
    assert_eq!(c.disconnect_text(), "Too many authentication failures");
    assert!(c.play.hung_up());
    let saws = c.play.saws();
    let tried: Vec<_> = saws
        .iter()
        .filter_map(|s| match s {
            Saw::AuthAttempt { secret, outcome: Outcome::Failure, .. } => Some(secret.as_bytes().to_vec()),
            _ => None,
        })
        .collect();
    assert_eq!(tried.len(), 6);
    assert_eq!(tried[0], "a\u{e9}".as_bytes());
    assert_eq!(tried[5], b"\xff\x01");
    assert!(saws.iter().any(|s| matches!(s, Saw::SshClient { banner, .. } if banner.as_bytes() == BANNER)));
}

#[test]
fn a_visitor_may_ask_for_new_keys() {
    let mut c = Client::logged_in();
    c.exchange("chacha20-poly1305@openssh.com", "hmac-sha1", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3");
    c.open_sftp();
}

#[test]
fn nobody_may_take_longer_than_the_grace_time() {
    let mut c = Client::connect("aes128-ctr", "hmac-sha2-256");
    c.play.wait(Duration::from_secs(119));
    assert!(!c.play.hung_up());
    c.play.wait(Duration::from_secs(2));
    assert!(c.play.hung_up());
    let mut c = Client::logged_in();
    c.play.wait(Duration::from_secs(600));
    assert!(!c.play.hung_up());
}

#[test]
fn an_upload_is_kept_even_if_the_visitor_vanishes() {
    let mut c = Client::logged_in();
    c.open_sftp();
    let sftp = |kind: u8, body: Writer| Writer::new().string(&Writer::message(kind).raw(&body.0).0).0;
    let data = |bytes: &[u8]| Writer::message(msg::CHANNEL_DATA).u32(0).string(bytes).0;
    c.say(&data(&sftp(1, Writer::new().u32(3))));
    c.say(&data(&sftp(3, Writer::new().u32(1).string(b"/tmp/x.sh").u32(0x1a).u32(0))));
    c.say(&data(&sftp(6, Writer::new().u32(2).string(&[0; 4]).u64(0).string(b"#!/bin/sh\n"))));
    c.play.close();
    let kept = c
        .play
        .acts()
        .into_iter()
        .any(|act| matches!(act, Act::Keep(k) if k.path.as_bytes() == b"/tmp/x.sh" && &k.bytes[..] == b"#!/bin/sh\n"));
    assert!(kept);
}

fn random_payload() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        "session",
        "direct-tcpip",
        "pty-req",
        "env",
        "exec",
        "shell",
        "subsystem",
        "sftp",
        "window-change",
        "signal",
        "tcpip-forward",
        "scp -t /tmp",
        "scp -rf /etc",
        "x11-req",
        "hostkeys-prove-00@openssh.com",
        "ssh-userauth",
        "password",
        "publickey",
        "LANG",
        "/tmp/q",
    ];
    let piece = prop_oneof![
        proptest::sample::select(names.to_vec()).prop_map(|n| Writer::new().string(n.as_bytes()).0),
        prop_oneof![Just(0u32), Just(1), Just(3), Just(80), Just(32768), Just(u32::MAX), any::<u32>()].prop_map(|n| Writer::new().u32(n).0),
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| Writer::new().string(&b).0),
        any::<bool>().prop_map(|b| vec![u8::from(b)]),
    ];
    let kind = prop_oneof![
        Just(msg::CHANNEL_OPEN),
        Just(msg::CHANNEL_REQUEST),
        Just(msg::CHANNEL_DATA),
        Just(msg::CHANNEL_WINDOW_ADJUST),
        Just(msg::GLOBAL_REQUEST),
        Just(msg::KEXINIT),
        Just(msg::KEX_INIT),
        Just(msg::NEWKEYS),
        Just(msg::USERAUTH_REQUEST),
        any::<u8>()
    ];
    (kind, proptest::collection::vec(piece, 0..7)).prop_map(|(kind, pieces)| [vec![kind], pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_before_encryption_panic(line in prop_oneof![Just(b"SSH-2.0-x\r\n".to_vec()), proptest::collection::vec(any::<u8>(), 0..40)], payloads in proptest::collection::vec(random_payload(), 0..8), noise in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut play = Rehearsal::of("ssh").unwrap();
        play.say(&line);
        let mut outbound = Outbound::default();
        let mut wire = Reply::new(rehearse::NOW, [9; 32]);
        for payload in payloads {
            outbound.send(&payload, &mut wire);
        }
        for act in wire.take() {
            if let Act::Send(bytes) = act {
                play.say(&bytes);
            }
        }
        play.say(&noise).wake().close();
    }

    #[test]
    fn no_messages_before_login_panic(payloads in proptest::collection::vec(random_payload(), 0..12)) {
        let mut c = Client::connect("aes128-gcm@openssh.com", "hmac-sha2-256");
        c.say(&Writer::message(msg::SERVICE_REQUEST).string(b"ssh-userauth").0);
        for payload in payloads {
            c.say(&payload);
        }
        c.play.wake().close();
    }

    #[test]
    fn no_messages_after_login_panic(payloads in proptest::collection::vec(random_payload(), 0..24)) {
        let mut c = Client::logged_in();
        c.open_sftp();
        for payload in payloads {
            c.say(&payload);
        }
        c.play.wake().close();
    }

    #[test]
    fn no_sftp_requests_panic(requests in proptest::collection::vec((any::<u8>(), proptest::collection::vec(prop_oneof![
        Just(Writer::new().string(b"/tmp/a").0), Just(Writer::new().string(&[0; 4]).0), Just(Writer::new().string(&[0, 0, 0, 1]).0),
        any::<u32>().prop_map(|n| Writer::new().u32(n).0), any::<u64>().prop_map(|n| Writer::new().u64(n).0),
        Just(Writer::new().u64(3).0), Just(Writer::new().u32(0x1a).0), Just(Writer::new().string(b"copy-data").0), Just(Writer::new().string(b"statvfs@openssh.com").0)], 0..6)), 0..24)) {
        let mut c = Client::logged_in();
        c.open_sftp();
        let start = Writer::new().string(&Writer::message(1).u32(3).0).0;
        c.say(&Writer::message(msg::CHANNEL_DATA).u32(0).string(&start).0);
        for (kind, pieces) in requests {
            let kind = if kind < 200 { kind % 21 } else { 200 };
            let request = Writer::new().string(&Writer::message(kind).u32(9).raw(&pieces.concat()).0).0;
            c.say(&Writer::message(msg::CHANNEL_DATA).u32(0).string(&request).0);
        }
        c.play.close();
    }
}
