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
