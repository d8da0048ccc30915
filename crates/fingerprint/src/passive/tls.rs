//! JA3 (md5 of the hello's numbers in order) and JA4 for TLS clients (BSD-licensed specification; the order
//! of ciphers and extensions does not matter, so shuffling them does not help).

use md5::{Digest, Md5};
use sha2::Sha256;
use std::fmt::Write;
use wire::tls::{ClientHello, ServerHello, is_grease};

/// What a ClientHello says about its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsReading {
    /// 32 hex digits.
    pub ja3: String,
    /// `t13d1516h2_8daaf6152771_e5627efa2ab1`
    pub ja4: String,
    /// Host name asked for, with U+FFFD for what is not UTF-8.
    pub server_name: Option<String>,
    pub alpn: Vec<String>,
    /// Highest version offered: `1.3`, `1.2`, … or the number in hex.
    pub version: String,
}

/// Reads a hello that came over TCP.
pub fn read(hello: &ClientHello) -> TlsReading {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    TlsReading {
        ja3: ja3(hello),
        ja4: ja4(hello, 't'),
        server_name: hello.server_name.as_ref().map(text),
        alpn: hello.alpn.iter().map(text).collect(),
        version: match highest_version(hello) {
            0x0304 => "1.3".into(),
            0x0303 => "1.2".into(),
            0x0302 => "1.1".into(),
            0x0301 => "1.0".into(),
            other => format!("{other:#06x}"),
        },
    }
}

/// The text that JA3 hashes: `version,ciphers,extensions,groups,formats`, decimal, GREASE left away.
pub fn ja3_text(hello: &ClientHello) -> String {
    let numbers = |list: &[u16]| list.iter().filter(|v| !is_grease(**v)).map(u16::to_string).collect::<Vec<_>>().join("-");
    let formats = hello.point_formats.iter().map(u8::to_string).collect::<Vec<_>>().join("-");
    format!("{},{},{},{},{}", hello.version, numbers(&hello.ciphers), numbers(&hello.extensions), numbers(&hello.groups), formats)
}

/// JA3: md5 of [`ja3_text`] in hex.
pub fn ja3(hello: &ClientHello) -> String {
    hex::encode(Md5::digest(ja3_text(hello).as_bytes()))
}

/// JA3S: md5 of `version,cipher,extensions` of the server's answer, decimal.
pub fn ja3s(hello: &ServerHello) -> String {
    let extensions = hello.extensions.iter().map(u16::to_string).collect::<Vec<_>>().join("-");
    hex::encode(Md5::digest(format!("{},{},{extensions}", hello.version, hello.cipher).as_bytes()))
}

/// JA4; `transport` is `t` for TCP, `q` for QUIC.
pub fn ja4(hello: &ClientHello, transport: char) -> String {
    let mut ciphers: Vec<u16> = hello.ciphers.iter().copied().filter(|v| !is_grease(*v)).collect();
    let mut extensions: Vec<u16> = hello.extensions.iter().copied().filter(|v| !is_grease(*v)).collect();
    let (cipher_count, extension_count) = (ciphers.len().min(99), extensions.len().min(99));
    let version = match highest_version(hello) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    };
    let name = if hello.extensions.contains(&0) { 'd' } else { 'i' };
    let head = format!("{transport}{version}{name}{cipher_count:02}{extension_count:02}{}", alpn_mark(hello));
    ciphers.sort_unstable();
    extensions.retain(|kind| *kind != 0 && *kind != 16);
    extensions.sort_unstable();
    let mut tail = hex_list(&extensions);
    if !hello.signature_algorithms.is_empty() && !tail.is_empty() {
        tail.push('_');
        let algorithms: Vec<u16> = hello.signature_algorithms.iter().copied().filter(|v| !is_grease(*v)).collect();
        tail.push_str(&hex_list(&algorithms));
    }
    format!("{head}_{}_{}", hash12(&hex_list(&ciphers)), hash12(&tail))
}

fn highest_version(hello: &ClientHello) -> u16 {
    hello.supported_versions.iter().copied().filter(|v| !is_grease(*v)).max().unwrap_or(hello.version)
}

/// First and last character of the first protocol; hex digits where they are not alphanumeric.
fn alpn_mark(hello: &ClientHello) -> String {
    let Some((first, last)) = hello.alpn.first().and_then(|p| Some((*p.first()?, *p.last()?))) else { return "00".into() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)].iter().collect();
    }
    let (first, last) = (format!("{first:02x}"), format!("{last:02x}"));
    first.chars().take(1).chain(last.chars().skip(1)).collect()
}

fn hex_list(values: &[u16]) -> String {
    values.iter().enumerate().fold(String::new(), |mut text, (at, value)| {
        let comma = if at == 0 { "" } else { "," };
        let _infallible = write!(text, "{comma}{value:04x}");
        text
    })
}

fn hash12(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".into();
    }
    let mut hash = hex::encode(Sha256::digest(text.as_bytes()));
    hash.truncate(12);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the JA4 specification (a Chrome hello).
    #[test]
    fn ja4_of_the_published_example() {
        let hello = ClientHello {
            version: 0x0303,
            ciphers: vec![
                0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f,
                0x0035,
            ],
            extensions: vec![
                0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b,
                0x000a, 0x0015,
            ],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            supported_versions: vec![0x3a3a, 0x0304, 0x0303],
            ..ClientHello::default()
        };
        assert_eq!(ja4(&hello, 't'), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    /// The example of the JA3 description.
    #[test]
    fn ja3_of_the_published_example() {
        let hello = ClientHello {
            version: 769,
            ciphers: vec![47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            extensions: vec![0, 10, 11],
            groups: vec![23, 24, 25],
            point_formats: vec![0],
            ..ClientHello::default()
        };
        assert_eq!(ja3_text(&hello), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
    }
}
