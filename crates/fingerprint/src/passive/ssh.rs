//! HASSH: md5 of what an SSH client offers.

use md5::{Digest, Md5};
use wire::ssh::KexInit;

/// What an SSH client's offer says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshReading {
    /// 32 hex digits.
    pub hassh: String,
    /// The text hashed: `kex;ciphers;macs;compressions`, client to server.
    pub hassh_algorithms: String,
}

/// Reads a client's KEXINIT.
pub fn read(offer: &KexInit) -> SshReading {
    let lists = [&offer.kex, &offer.cipher_to_server, &offer.mac_to_server, &offer.compression_to_server];
    let joined = lists.map(Vec::as_slice).join(&b';');
    SshReading { hassh: hex::encode(Md5::digest(&joined)), hassh_algorithms: String::from_utf8_lossy(&joined).into_owned() }
}

/// What stands at the beginning of a client's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The identification line without its end, and the payload of KEXINIT.
    Whole { banner: Vec<u8>, kexinit: Vec<u8> },
    /// More is needed.
    Partial,
    /// Not SSH.
    Other,
}

/// Longest identification line (RFC 4253 §4.2).
const LINE: usize = 255;
/// Longest first packet that is waited for, bytes.
const PACKET: usize = 16 * 1024;

/// Takes the identification line and KEXINIT from the beginning of a stream (before encryption).
pub fn opening(bytes: &[u8]) -> Opening {
    let known = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    if !b"SSH-".starts_with(known) {
        return Opening::Other;
    }
    let Some(end) = bytes.iter().take(LINE).position(|b| *b == b'\n') else {
        return if bytes.len() >= LINE { Opening::Other } else { Opening::Partial };
    };
    let line = bytes.get(..end).unwrap_or_default();
    let banner = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let packet = bytes.get(end + 1..).unwrap_or_default();
    let Some((length, rest)) = packet.split_first_chunk::<4>() else { return Opening::Partial };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if !(2..=PACKET).contains(&length) {
        return Opening::Other;
    }
    let Some(body) = rest.get(..length) else { return Opening::Partial };
    match body.split_first() {
        Some((padding, payload)) if payload.first() == Some(&20) && usize::from(*padding) < payload.len() => {
            Opening::Whole { banner, kexinit: payload.get(..payload.len() - usize::from(*padding)).unwrap_or_default().to_vec() }
        }
        _ => Opening::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hassh_is_the_md5_of_the_four_lists() {
        let offer = KexInit {
            kex: b"curve25519-sha256,ext-info-c".to_vec(),
            cipher_to_server: b"aes128-ctr".to_vec(),
            mac_to_server: b"hmac-sha2-256".to_vec(),
            compression_to_server: b"none".to_vec(),
            ..KexInit::default()
        };
        let reading = read(&offer);
        assert_eq!(reading.hassh_algorithms, "curve25519-sha256,ext-info-c;aes128-ctr;hmac-sha2-256;none");
        assert_eq!(reading.hassh.len(), 32);
    }
}
