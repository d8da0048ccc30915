//! Bytes that an attacker sent.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, fmt};

/// Bytes an attacker sent, kept exactly. There is no `Display` on purpose; `Debug` escapes and cuts
/// at 64 bytes. Serialised as standard base64, so nothing is lost and nothing can break a line.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Captured(pub Bytes);

impl Captured {
    /// Copies `bytes`.
    pub fn copy(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Standard base64 with padding.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// Text for reading: every byte outside 0x20..=0x7e becomes `?` (the reference's
    /// `secret_printable`).
    pub fn printable(&self) -> String {
        self.0.iter().map(|&b| if (0x20..=0x7e).contains(&b) { char::from(b) } else { '?' }).collect()
    }

    /// UTF-8 with U+FFFD for what is not.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..64).unwrap_or(&self.0);
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if self.0.len() > shown.len() { write!(f, "…+{}", self.0.len() - shown.len()) } else { Ok(()) }
    }
}

impl From<&[u8]> for Captured {
    fn from(bytes: &[u8]) -> Self {
        Self::copy(bytes)
    }
}
impl From<&str> for Captured {
    fn from(text: &str) -> Self {
        Self::copy(text.as_bytes())
    }
}
impl From<String> for Captured {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}
impl From<Vec<u8>> for Captured {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::from(bytes))
    }
}
impl From<Bytes> for Captured {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Serialize for Captured {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.base64())
    }
}
impl<'de> Deserialize<'de> for Captured {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        STANDARD.decode(text.as_bytes()).map(Self::from).map_err(D::Error::custom)
    }
}
