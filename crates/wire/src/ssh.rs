//! The SSH key exchange offer (RFC 4253 §7.1).

use crate::{Malformed, cursor::Cursor};

/// SSH_MSG_KEXINIT: what one side offers, in its order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KexInit {
    pub kex: Vec<u8>,
    pub host_key: Vec<u8>,
    pub cipher_to_server: Vec<u8>,
    pub cipher_to_client: Vec<u8>,
    pub mac_to_server: Vec<u8>,
    pub mac_to_client: Vec<u8>,
    pub compression_to_server: Vec<u8>,
    pub compression_to_client: Vec<u8>,
    pub language_to_server: Vec<u8>,
    pub language_to_client: Vec<u8>,
    pub first_follows: bool,
}

impl KexInit {
    /// Reads the payload of the packet, message number 20 first. The lists stay as they were sent:
    /// names joined by commas.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut body = Cursor::new(payload);
        if body.u8("message number")? != 20 {
            return Err(Malformed { what: "message number", at: 0 });
        }
        body.take(16, "cookie")?;
        let mut list = |what| {
            let len = body.u32(what)?;
            let len = usize::try_from(len).map_err(|_| Malformed { what, at: 0 })?;
            body.take(len, what).map(<[u8]>::to_vec)
        };
        Ok(Self {
            kex: list("kex algorithms")?,
            host_key: list("host key algorithms")?,
            cipher_to_server: list("ciphers to server")?,
            cipher_to_client: list("ciphers to client")?,
            mac_to_server: list("macs to server")?,
            mac_to_client: list("macs to client")?,
            compression_to_server: list("compression to server")?,
            compression_to_client: list("compression to client")?,
            language_to_server: list("languages to server")?,
            language_to_client: list("languages to client")?,
            first_follows: body.u8("first_kex_packet_follows")? != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = KexInit::parse(&bytes);
            bytes.insert(0, 20);
            let _ = KexInit::parse(&bytes);
        }
    }
}
