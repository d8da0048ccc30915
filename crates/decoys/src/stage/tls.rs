//! TLS as the distribution's OpenSSL speaks it, and the certificate each decky has from its installation.

use bytes::{Buf, BytesMut};
use model::Persona;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    dh::Dh,
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    ssl::{ErrorCode, ShutdownResult, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslStream, SslVersion},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName, SubjectKeyIdentifier},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use std::{
    ffi::{c_long, c_void},
    fs::{DirBuilder, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use super::{derive, file_name, keys};

/// The key and certificate of a decky: RSA 2048, self-signed for its full name at installation, valid ten
/// years, as Debian's `make-ssl-cert` leaves them. Made from the decky's seed; the key is cached under `state`.
pub fn identity(persona: &Persona, state: &Path) -> Result<(PKey<Private>, X509), ErrorStack> {
    let seed = derive(persona, "tls/key");
    let folder = state.join("keys");
    let path = folder.join(file_name(persona.decky.as_str()));
    let cached = std::fs::read(&path).ok().filter(|b| b.len() > 32 && b.starts_with(&derive(persona, "tls/cache")));
    let key = match cached.and_then(|b| PKey::private_key_from_pem(b.get(32..).unwrap_or_default()).ok()) {
        Some(key) => key,
        None => {
            let key = keys::rsa(&seed, 2048)?;
            let mut bytes = derive(persona, "tls/cache").to_vec();
            bytes.extend(key.private_key_to_pem_pkcs8()?);
            let stored = DirBuilder::new().recursive(true).mode(0o700).create(&folder).and_then(|()| {
                let temporary = folder.join(format!("{}.new", file_name(persona.decky.as_str())));
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?.write_all(&bytes)?;
                std::fs::rename(temporary, &path)
            });
            if let Err(e) = stored {
                tracing::warn!(path = %path.display(), "a key is not cached and will be made again: {e}");
            }
            key
        }
    };
    let certificate = certificate(persona, &key)?;
    Ok((key, certificate))
}

fn certificate(persona: &Persona, key: &PKey<Private>) -> Result<X509, ErrorStack> {
    let mut rng = ChaCha12Rng::from_seed(derive(persona, "tls/certificate"));
    let fqdn = persona.fqdn();
    let common = if fqdn.len() <= 64 { &fqdn } else { &persona.hostname };
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", common)?;
    let name = name.build();
    let mut serial = [0; 20];
    rng.fill_bytes(&mut serial);
    serial[0] = serial[0] & 0x7f | 0x01;
    // Made a minute or two after the installation was over.
    let from = persona.installed.seconds() + i64::from(rng.next_u32() % 90) + 30;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*BigNum::from_slice(&serial)?.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(&*Asn1Time::from_unix(from)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(from + 3650 * 86_400)?)?;
    builder.set_pubkey(key)?;
    builder.append_extension(BasicConstraints::new().build()?)?;
    let alternative = SubjectAlternativeName::new().dns(&fqdn).build(&builder.x509v3_context(None, None))?;
    builder.append_extension(alternative)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// A server context set as the product behind `service` sets it on Debian: TLS 1.2 and 1.3, the
/// system's security level, the client's cipher order.
pub fn context(persona: &Persona, service: &str, state: &Path) -> Result<SslContext, ErrorStack> {
    let (key, certificate) = identity(persona, state)?;
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    builder.set_security_level(2);
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION);
    builder.set_mode(SslMode::RELEASE_BUFFERS | SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
    // What OpenSSL's automatic choice comes to with a 2048-bit key: RFC 3526 group 14.
    builder.set_tmp_dh(&*Dh::from_pqg(BigNum::get_rfc3526_prime_2048()?, None, BigNum::from_u32(2)?)?)?;
    if service.starts_with("http") {
        // Apache enables TLS 1.0 and the security level then leaves no way to speak it, which ends in another alert
        // than a version that is switched off. It picks http/1.1 whatever was offered.
        builder.set_min_proto_version(Some(SslVersion::TLS1))?;
        builder.set_cipher_list("HIGH:!aNULL")?;
        builder.set_alpn_select_callback(|_, _| Ok(b"http/1.1"));
        set_session_timeout(&mut builder, 300);
        builder.set_session_id_context(derive(persona, "tls/session").get(..16).unwrap_or_default())?;
    }
    builder.set_private_key(&key)?;
    builder.set_certificate(&certificate)?;
    builder.check_private_key()?;
    Ok(builder.build())
}

/// How long a session may be resumed, in seconds; also the lifetime that tickets tell.
fn set_session_timeout(builder: &mut SslContextBuilder, seconds: c_long) {
    #[expect(unsafe_code, reason = "a function of libssl that the binding lacks")]
    // SAFETY: the declaration is that of OpenSSL's ssl.h; the context is alive and borrowed exclusively.
    unsafe {
        unsafe extern "C" {
            fn SSL_CTX_set_timeout(context: *mut c_void, seconds: c_long) -> c_long;
        }
        SSL_CTX_set_timeout(builder.as_ptr().cast(), seconds);
    }
}

/// How long the records with the ClientHello at the front of `raw` are, as far as can be told: `None` if
/// this is no TLS handshake.
pub fn hello_length(raw: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut message = Vec::new();
    loop {
        let header = match raw.get(at..at + 5) {
            Some(header) => header,
            None if raw.get(at).is_none_or(|&b| b == 22) => return Some(at + 5),
            None => return None,
        };
        let [22, 3, _, high, low] = *header else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = at + 5 + length;
        message.extend_from_slice(raw.get(at + 5..end.min(raw.len())).unwrap_or_default());
        at = end;
        if let [kind, a, b, c, ..] = *message.as_slice() {
            if kind != 1 {
                return None;
            }
            let whole = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if message.len() >= whole || at > raw.len() {
                return Some(at.min(65_536));
            }
        } else if message.first().is_some_and(|&kind| kind != 1) {
            return None;
        } else if at > raw.len() || length == 0 {
            return Some(at.min(65_536));
        }
    }
}

/// The raw records of the ClientHello at the front of `raw`, if it is whole.
pub fn hello(raw: &[u8]) -> Option<&[u8]> {
    let length = hello_length(raw)?;
    raw.get(..length)
}

/// TLS between two heaps of bytes.
#[derive(Debug)]
pub struct Pipe(SslStream<Heaps>);

#[derive(Debug, Default)]
struct Heaps {
    incoming: BytesMut,
    outgoing: Vec<u8>,
}

impl Pipe {
    /// The server's side of `ssl`.
    pub fn new(ssl: Ssl) -> io::Result<Self> {
        SslStream::new(ssl, Heaps::default()).map(Self).map_err(io::Error::other)
    }

    /// Gives it what came over the wire.
    pub fn feed(&mut self, cipher: &[u8]) {
        self.0.get_mut().incoming.extend_from_slice(cipher);
    }

    /// Takes what must go over the wire.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.get_mut().outgoing)
    }

    /// Goes on with the handshake. `true`: it is done. After an error there may be an alert to send.
    pub fn accept(&mut self) -> io::Result<bool> {
        match self.0.accept() {
            Ok(()) => Ok(true),
            Err(e) if wants_more(e.code()) => Ok(false),
            Err(e) => Err(io::Error::other(e)),
        }
    }

    /// Adds what can be read to `input`. `true`: the visitor said it sends no more.
    pub fn decipher(&mut self, input: &mut BytesMut) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        loop {
            match self.0.ssl_read(&mut chunk) {
                Ok(n) => input.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(e) if wants_more(e.code()) => break,
                Err(e) if e.code() == ErrorCode::ZERO_RETURN => return Ok(true),
                Err(e) => return Err(io::Error::other(e)),
            }
        }
        let heaps = self.0.get_mut();
        if heaps.incoming.is_empty() {
            heaps.incoming = BytesMut::new();
        }
        Ok(false)
    }

    /// Enciphers all of `plain`.
    pub fn encipher(&mut self, mut plain: &[u8]) -> io::Result<()> {
        while !plain.is_empty() {
            let n = self.0.ssl_write(plain).map_err(io::Error::other)?;
            plain = plain.get(n..).unwrap_or_default();
        }
        Ok(())
    }

    /// Says close_notify.
    pub fn close(&mut self) {
        if !matches!(self.0.shutdown(), Ok(ShutdownResult::Sent | ShutdownResult::Received)) {
            tracing::trace!("no close_notify");
        }
    }
}

fn wants_more(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}

impl Read for Heaps {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = buffer.len().min(self.incoming.len());
        self.incoming.copy_to_slice(buffer.get_mut(..n).unwrap_or_default());
        Ok(n)
    }
}

impl Write for Heaps {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::rehearse;

    #[test]
    fn the_certificate_is_the_same_after_a_restart_and_looks_local() {
        let dir = tempfile::tempdir().unwrap();
        let persona = rehearse::persona();
        let (key, certificate) = identity(&persona, dir.path()).unwrap();
        let (_, again) = identity(&persona, dir.path()).unwrap();
        assert_eq!(certificate.to_der().unwrap(), again.to_der().unwrap());
        let (_, elsewhere) = identity(&persona, tempfile::tempdir().unwrap().path()).unwrap();
        assert_eq!(certificate.to_der().unwrap(), elsewhere.to_der().unwrap(), "the cache changes nothing");
        assert!(certificate.verify(&key).unwrap());
        let text = String::from_utf8(certificate.to_text().unwrap()).unwrap();
        assert!(text.replace(" = ", "=").contains("Subject: CN=files02.corp.kestrel-logistics.com"), "{text}");
        assert!(text.contains("Not Before: May 20 10:"), "{text}");
    }

    #[test]
    fn the_hello_is_found_over_records_and_nothing_panics() {
        let mut raw = vec![22, 3, 1, 0, 3, 1, 0, 0, 22, 3, 1, 0, 3, 2, 9, 9];
        assert_eq!(hello_length(&raw), Some(16));
        assert_eq!(hello(&raw).unwrap().len(), 16);
        raw.extend_from_slice(b"tail");
        assert_eq!(hello(&raw).unwrap().len(), 16);
        for cut in 0..16 {
            assert!(hello(&raw[..cut]).is_none(), "{cut}");
            assert!(hello_length(&raw[..cut]).is_some_and(|n| n > cut), "{cut}");
        }
        assert_eq!(hello_length(b"GET / HTTP/1.1"), None);
        assert_eq!(hello_length(&[22, 3, 1, 255, 255, 2]), None);
    }
}
