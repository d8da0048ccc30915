//! The bytes of a record: magic, length, checksum, payload. All numbers little-endian.
//!
//! ```text
//! 0      4        8        12
//! +------+--------+--------+------------------+
//! | 00 9d 53 31 | length | crc32  | payload (JSON) … |
//! +------+--------+--------+------------------+
//! ```
//! The checksum covers length and payload. The magic begins with NUL, which JSON never contains, so after damage
//! the next record is found by looking for it.

/// First bytes of every record.
pub const MAGIC: [u8; 4] = [0x00, 0x9d, b'S', b'1'];

/// Bytes before the payload.
pub const HEADER: usize = 12;

/// Longest payload in bytes (16 MiB).
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// What stands at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front<'a> {
    /// A whole record; it takes [`HEADER`] plus the payload's length.
    Record(&'a [u8]),
    /// Perhaps the beginning of a record that needs at least this many bytes in all.
    Short(usize),
    Damaged,
}

/// Looks at the front of `bytes`.
pub fn front(bytes: &[u8]) -> Front<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEADER) else {
        let same = bytes.iter().zip(MAGIC).all(|(a, b)| *a == b);
        return if same { Front::Short(HEADER) } else { Front::Damaged };
    };
    let [a, b, c, d, l0, l1, l2, l3, c0, c1, c2, c3] = *head else {
        return Front::Damaged;
    };
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if [a, b, c, d] != MAGIC || length > MAX_PAYLOAD {
        return Front::Damaged;
    }
    let Some(payload) = rest.get(..length) else {
        return Front::Short(HEADER + length);
    };
    if checksum(payload) == u32::from_le_bytes([c0, c1, c2, c3]) { Front::Record(payload) } else { Front::Damaged }
}

/// How long the record at the front of `bytes` says it is, header included. Nothing is checked.
pub fn size(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(4..8)?.try_into().ok().map(u32::from_le_bytes)?;
    Some(HEADER + length as usize)
}

/// Appends a record to `out`, with the payload that `fill` writes. Undoes it all if `fill` fails or the
/// payload is longer than [`MAX_PAYLOAD`].
pub fn push<E>(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), PushError<E>> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    if let Err(e) = fill(out) {
        out.truncate(start);
        return Err(PushError::Fill(e));
    }
    let payload = out.get(start + HEADER..).unwrap_or_default();
    let bytes = payload.len();
    let (Ok(length), true) = (u32::try_from(bytes), bytes <= MAX_PAYLOAD) else {
        out.truncate(start);
        return Err(PushError::TooLarge(bytes));
    };
    let crc = checksum(payload);
    let header = MAGIC.into_iter().chain(length.to_le_bytes()).chain(crc.to_le_bytes());
    out.iter_mut().skip(start).zip(header).for_each(|(slot, byte)| *slot = byte);
    Ok(())
}

/// Why a record could not be made.
#[derive(Debug, PartialEq, Eq)]
pub enum PushError<E> {
    Fill(E),
    TooLarge(usize),
}

/// Distance to the next place at or after `from` where [`MAGIC`] stands or may begin at the end of `bytes`.
pub fn next_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|&b| b == 0)?;
        if bytes.iter().skip(at).zip(MAGIC).all(|(a, b)| *a == b) {
            return Some(at);
        }
        at += 1;
    }
}

fn checksum(payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_every_flipped_bit_is_seen() {
        let mut bytes = Vec::new();
        push(&mut bytes, |o| {
            o.extend_from_slice(b"{\"a\":1}");
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(front(&bytes), Front::Record(b"{\"a\":1}"));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(front(&bad), Front::Record(_)), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(matches!(front(&bytes[..cut]), Front::Short(_)), "cut {cut}");
        }
    }
}
