//! Handshakes for the fingerprints that stories name. A story writes `ja3: abc`; what goes over the wire is a ClientHello
//! made from that text: equal texts give equal fingerprints and different texts different ones, by whatever method they
//! are taken later.

use super::Print;
use crate::dice::{Dice, digest};

/// Cipher suites that real clients offer (IANA registry).
const CIPHERS: [u16; 32] = [
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0xc009, 0xc00a, 0x009c, 0x009d, 0x002f, 0x0035,
    0xc023, 0xc027, 0xc024, 0xc028, 0x003c, 0x003d, 0x009e, 0x009f, 0xccaa, 0x0033, 0x0039, 0x0067, 0x006b, 0x000a, 0xc012,
];
const GROUPS: [u16; 8] = [0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x0100, 0x0101, 0x11ec];
const SIGNATURES: [u16; 12] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0807, 0x0808, 0x0203, 0x0201];
const KEX: [&str; 14] = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group1-sha1",
    "sntrup761x25519-sha512@openssh.com",
    "diffie-hellman-group-exchange-sha1",
    "mlkem768x25519-sha256",
];
const SSH_CIPHERS: [&str; 12] = [
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "3des-cbc",
    "blowfish-cbc",
    "arcfour256",
];
const MACS: [&str; 10] = [
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
];
const HOST_KEYS: &str = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const BANNERS: [&str; 10] = [
    "SSH-2.0-Go",
    "SSH-2.0-libssh2_1.10.0",
    "SSH-2.0-libssh_0.9.6",
    "SSH-2.0-paramiko_2.12.0",
    "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
    "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.10",
    "SSH-2.0-PuTTY_Release_0.78",
    "SSH-2.0-JSCH-0.1.54",
    "SSH-2.0-libssh2_1.4.3",
    "SSH-2.0-AsyncSSH_2.14.0",
];

fn name(print: &Print) -> &str {
    match print {
        Print::Fixed(name) | Print::Shuffled(name) => name,
    }
}

/// Some of `from`, in an order that `dice` chose.
fn some<T: Clone>(from: &[T], least: usize, dice: &mut Dice) -> Vec<T> {
    let mut all = from.to_vec();
    dice.shuffle(&mut all);
    let more = dice.below((from.len() - least.min(from.len())) as u64 + 1);
    all.truncate(least + usize::try_from(more).unwrap_or(0));
    all
}

/// A TLS record with the ClientHello of `print`. `each` is the dice of this one connection.
pub(super) fn client_hello(print: &Print, each: &mut Dice) -> Vec<u8> {
    let mut dice = Dice::new(digest(name(print).as_bytes()) ^ 0x715);
    let ciphers = some(&CIPHERS, 10, &mut dice);
    let groups = some(&GROUPS, 3, &mut dice);
    let signatures = some(&SIGNATURES, 5, &mut dice);
    let mut extensions: Vec<(u16, Vec<u8>)> = vec![
        (10, list16(&groups)),
        (11, vec![1, 0]),
        (13, list16(&signatures)),
        (16, vec![0, 12, 2, b'h', b'2', 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1']),
        (23, Vec::new()),
        (35, Vec::new()),
        (43, vec![4, 3, 4, 3, 3]),
        (45, vec![1, 1]),
        (0xff01, vec![0]),
    ];
    for (kind, data) in [(5, vec![1, 0, 0, 0, 0]), (18, Vec::new()), (22, Vec::new()), (27, vec![2, 0, 2])] {
        if dice.chance(0.5) {
            extensions.push((kind, data));
        }
    }
    dice.shuffle(&mut extensions);
    if matches!(print, Print::Shuffled(_)) {
        each.shuffle(&mut extensions);
    }
    let mut body = vec![3, 3];
    for _ in 0..4 {
        body.extend_from_slice(&each.bits().to_be_bytes());
    }
    body.push(0);
    body.extend(list16(&ciphers));
    body.extend([1, 0]);
    let mut all = Vec::new();
    for (kind, data) in extensions {
        all.extend(kind.to_be_bytes());
        all.extend(short(data.len()).to_be_bytes());
        all.extend(data);
    }
    body.extend(short(all.len()).to_be_bytes());
    body.extend(all);
    let mut message = vec![1, 0];
    message.extend(short(body.len()).to_be_bytes());
    message.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(short(message.len()).to_be_bytes());
    record.extend(message);
    record
}

/// The identification line and KEXINIT payload of `print`.
pub(super) fn ssh_client(print: &Print, each: &mut Dice) -> (String, Vec<u8>) {
    let mut dice = Dice::new(digest(name(print).as_bytes()) ^ 0x22);
    let banner = dice.pick(&BANNERS).copied().unwrap_or("SSH-2.0-Go").to_owned();
    let mut kex = some(&KEX, 4, &mut dice);
    let mut ciphers = some(&SSH_CIPHERS, 3, &mut dice);
    let mut macs = some(&MACS, 3, &mut dice);
    if matches!(print, Print::Shuffled(_)) {
        each.shuffle(&mut kex);
        each.shuffle(&mut ciphers);
        each.shuffle(&mut macs);
    }
    let mut out = vec![20];
    out.extend_from_slice(&each.bits().to_be_bytes());
    out.extend_from_slice(&each.bits().to_be_bytes());
    let (kex, ciphers, macs) = (kex.join(","), ciphers.join(","), macs.join(","));
    for list in [&*kex, HOST_KEYS, &ciphers, &ciphers, &macs, &macs, "none", "none", "", ""] {
        out.extend(u32::from(short(list.len())).to_be_bytes());
        out.extend(list.as_bytes());
    }
    out.extend([0; 5]);
    (banner, out)
}

fn list16(values: &[u16]) -> Vec<u8> {
    let mut out = short(values.len() * 2).to_be_bytes().to_vec();
    out.extend(values.iter().flat_map(|v| v.to_be_bytes()));
    out
}

fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
