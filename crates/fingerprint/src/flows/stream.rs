//! One direction of a TCP connection put in order: its first 16 KiB, whatever order, overlap or repetition they come in.

/// Bytes kept of each direction.
pub const KEPT: usize = 16 * 1024;
/// Pieces that wait for one before them.
const WAITING: usize = 16;

/// The beginning of a stream. What came first stays when pieces overlap and differ.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Sequence number of the first byte.
    base: Option<u32>,
    have: Vec<u8>,
    waiting: Vec<(usize, Vec<u8>)>,
    /// Nobody is interested in more.
    closed: bool,
}

impl Stream {
    /// A stream whose first byte will have this sequence number.
    pub fn from(base: u32) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    /// Takes in a segment; whether there is more in order than before.
    pub fn push(&mut self, sequence: u32, payload: &[u8]) -> bool {
        if self.closed || payload.is_empty() {
            return false;
        }
        let base = *self.base.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(base);
        // More than half way round is behind the base: what reaches past it still counts.
        let (at, payload) = if ahead > u32::MAX / 2 {
            let behind = usize::try_from(base.wrapping_sub(sequence)).unwrap_or(usize::MAX);
            (0, payload.get(behind..).unwrap_or_default())
        } else {
            (usize::try_from(ahead).unwrap_or(usize::MAX), payload)
        };
        if at >= KEPT || payload.is_empty() {
            return false;
        }
        let before = self.have.len();
        if at > before {
            if self.waiting.len() < WAITING && !self.waiting.iter().any(|(start, bytes)| *start == at && bytes.len() >= payload.len()) {
                let room = KEPT - at;
                self.waiting.push((at, payload.get(..payload.len().min(room)).unwrap_or_default().to_vec()));
            }
            return false;
        }
        self.append(at, payload);
        while let Some(next) = self.waiting.iter().position(|(at, _)| *at <= self.have.len()) {
            let (at, bytes) = self.waiting.swap_remove(next);
            self.append(at, &bytes);
        }
        self.have.len() > before
    }

    fn append(&mut self, at: usize, payload: &[u8]) {
        let new = payload.get(self.have.len() - at..).unwrap_or_default();
        let room = KEPT - self.have.len();
        self.have.extend_from_slice(new.get(..new.len().min(room)).unwrap_or_default());
    }

    /// What is there in order.
    pub fn bytes(&self) -> &[u8] {
        &self.have
    }

    /// Whether nothing more will be kept.
    pub fn is_full(&self) -> bool {
        self.closed || self.have.len() >= KEPT
    }

    /// Forgets everything and takes nothing more.
    pub fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    /// Bytes of memory held.
    pub fn held(&self) -> usize {
        self.have.capacity() + self.waiting.iter().map(|(_, bytes)| bytes.capacity() + 32).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlaps_keep_what_came_first() {
        let mut stream = Stream::from(u32::MAX - 1);
        assert!(!stream.push(2, b"efgh"));
        assert!(stream.push(u32::MAX - 1, b"ab"));
        assert!(stream.push(0, b"cdXX"));
        assert_eq!(stream.bytes(), b"abcdXXgh");
        assert!(!stream.push(u32::MAX - 9, b"old bytes"));
        stream.close();
        assert!(!stream.push(6, b"more") && stream.bytes().is_empty() && stream.held() == 0);
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same(start in any::<u32>(), text in proptest::collection::vec(any::<u8>(), 1..200), cuts in proptest::collection::vec((0usize..200, 1usize..60), 1..12)) {
            let mut stream = Stream::from(start);
            for (at, length) in cuts {
                let at = at % text.len();
                let piece = &text[at..(at + length).min(text.len())];
                stream.push(start.wrapping_add(at as u32), piece);
            }
            stream.push(start, &text);
            prop_assert_eq!(stream.bytes(), &text[..]);
            prop_assert!(stream.held() < 64 * 1024);
        }
    }
}
