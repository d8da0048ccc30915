//! Ids and hashes in few bytes: 16 for a UUID, 32 for a sha256, instead of 36 and 64 characters.

use std::borrow::Cow;
use uuid::Uuid;

/// First byte of anything that is not in the short form. No UTF-8 text begins with it, no UUIDv7 before the year 10889.
const PLAIN: u8 = 0xff;
/// Longest id kept, in bytes.
pub(crate) const MOST: usize = 64;

/// The stored form of an id: 16 bytes for a UUID in its usual form, else a mark and the text.
pub(crate) fn pack(id: &str) -> Vec<u8> {
    if id.len() == 36
        && let Ok(uuid) = Uuid::try_parse(id)
        && uuid.as_bytes().first() != Some(&PLAIN)
        && !id.bytes().any(|b| b.is_ascii_uppercase())
    {
        return uuid.as_bytes().to_vec();
    }
    plain(id)
}

/// The text of an id stored by [`pack`].
pub(crate) fn unpack(bytes: &[u8]) -> String {
    match <[u8; 16]>::try_from(bytes) {
        Ok(short) if short.first() != Some(&PLAIN) => Uuid::from_bytes(short).hyphenated().to_string(),
        _ => unplain(bytes),
    }
}

/// The stored form of a sha256 given as 64 lower-case hexadecimal digits.
pub(crate) fn pack_sha256(digest: &str) -> Vec<u8> {
    if digest.len() == 64 && !digest.bytes().any(|b| b.is_ascii_uppercase()) {
        match hex::decode(digest) {
            Ok(bytes) if bytes.first() != Some(&PLAIN) => return bytes,
            _ => {}
        }
    }
    plain(digest)
}

/// The digits of a digest stored by [`pack_sha256`].
pub(crate) fn unpack_sha256(bytes: &[u8]) -> String {
    if bytes.len() == 32 && bytes.first() != Some(&PLAIN) { hex::encode(bytes) } else { unplain(bytes) }
}

fn plain(text: &str) -> Vec<u8> {
    let mut bytes = vec![PLAIN];
    bytes.extend_from_slice(crate::db::cut(text, MOST).as_bytes());
    bytes
}

fn unplain(bytes: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes.strip_prefix(&[PLAIN]).unwrap_or(bytes));
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_comes_back_as_it_was() {
        for id in [
            "018f4e2a-7b1c-7def-8123-456789abcdef",
            "018F4E2A-7B1C-7DEF-8123-456789ABCDEF",
            "ffffffff-7b1c-7def-8123-456789abcdef",
            "s-1",
            "fifteen bytes..",
            "",
        ] {
            assert_eq!(unpack(&pack(id)), id);
        }
        assert_eq!(pack("018f4e2a-7b1c-7def-8123-456789abcdef").len(), 16);
    }

    #[test]
    fn every_digest_comes_back_as_it_was() {
        for digest in ["00".repeat(32), "ff".repeat(32), "AB".repeat(32), "none".to_owned(), "x".repeat(31), "é".to_owned()] {
            assert_eq!(unpack_sha256(&pack_sha256(&digest)), digest);
        }
        assert_eq!(pack_sha256(&"0a".repeat(32)).len(), 32);
    }
}
