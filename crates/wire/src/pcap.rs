//! Capture files: pcap in both byte orders with micro- and nanoseconds, and pcapng (its section, interface and packet
//! blocks). A file is read as a whole slice; records are borrowed from it.

use crate::{Malformed, packet::Link};

/// One captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
    /// `None`: a link type we do not read.
    pub link: Option<Link>,
    pub bytes: &'a [u8],
    /// Length on the wire.
    pub length: usize,
}

/// Reads a capture file frame by frame.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
    big_endian: bool,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Pcap {
        nanoseconds: bool,
        link: Option<Link>,
    },
    /// Interfaces of the section so far: link and clock ticks in a second.
    Next {
        interfaces: Vec<(Option<Link>, u64)>,
    },
}

/// Interfaces of a section that are remembered; frames of later ones are skipped.
const INTERFACES: usize = 256;
/// Largest frame that is believed, bytes.
const LARGEST: usize = 1 << 24;

impl<'a> Frames<'a> {
    /// Begins with the bytes of the whole file.
    pub fn new(file: &'a [u8]) -> Result<Self, Malformed> {
        let magic = file.first_chunk::<4>().ok_or(Malformed { what: "capture file", at: file.len() })?;
        let (big_endian, nanoseconds) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            [0x0a, 0x0d, 0x0d, 0x0a] => return Ok(Self { rest: file, big_endian: false, form: Form::Next { interfaces: Vec::new() } }),
            _ => return Err(Malformed { what: "capture file's magic", at: 0 }),
        };
        let (head, rest) = file.split_at_checked(24).ok_or(Malformed { what: "capture file's header", at: file.len() })?;
        let link = number(head, 20, big_endian).and_then(|n| Link::of_number(n & 0x0fff_ffff));
        Ok(Self { rest, big_endian, form: Form::Pcap { nanoseconds, link } })
    }

    fn pcap(&mut self, nanoseconds: bool, link: Option<Link>) -> Option<Frame<'a>> {
        let (head, rest) = self.rest.split_at_checked(16)?;
        let field = |at| number(head, at, self.big_endian);
        let (seconds, fraction, kept, length) = (field(0)?, field(4)?, field(8)?, field(12)?);
        let kept = usize::try_from(kept).ok().filter(|n| *n <= LARGEST)?;
        let (bytes, rest) = rest.split_at_checked(kept)?;
        self.rest = rest;
        let micros = if nanoseconds { fraction / 1000 } else { fraction };
        let at_us = i64::from(seconds) * 1_000_000 + i64::from(micros);
        Some(Frame { at_us, link, bytes, length: usize::try_from(length).unwrap_or(kept) })
    }

    /// The next block that is a frame.
    fn block(&mut self) -> Option<Frame<'a>> {
        loop {
            let kind = number(self.rest, 0, self.big_endian)?;
            if kind == 0x0a0d_0d0a {
                self.big_endian = self.rest.get(8..12)? == [0x1a, 0x2b, 0x3c, 0x4d];
                if let Form::Next { interfaces } = &mut self.form {
                    interfaces.clear();
                }
            }
            let length = usize::try_from(number(self.rest, 4, self.big_endian)?).ok()?;
            if length < 12 || length % 4 != 0 {
                return None;
            }
            let (block, rest) = self.rest.split_at_checked(length)?;
            self.rest = rest;
            let body = block.get(8..length - 4)?;
            let Form::Next { interfaces } = &mut self.form else { return None };
            match kind {
                1 if interfaces.len() < INTERFACES => {
                    let link =
                        body.first_chunk::<2>().map(|b| if self.big_endian { u16::from_be_bytes(*b) } else { u16::from_le_bytes(*b) });
                    let ticks = resolution(body.get(8..).unwrap_or_default(), self.big_endian);
                    interfaces.push((link.and_then(|n| Link::of_number(n.into())), ticks));
                }
                6 => {
                    let field = |at| number(body, at, self.big_endian);
                    let (interface, high, low, kept, length) = (field(0)?, field(4)?, field(8)?, field(12)?, field(16)?);
                    let Some((link, ticks)) = usize::try_from(interface).ok().and_then(|i| interfaces.get(i)) else { continue };
                    let Some(bytes) = usize::try_from(kept).ok().and_then(|kept| body.get(20..20usize.checked_add(kept)?)) else {
                        continue;
                    };
                    let time = u128::from(high) << 32 | u128::from(low);
                    let at_us = i64::try_from(time * 1_000_000 / u128::from(*ticks)).unwrap_or(i64::MAX);
                    return Some(Frame { at_us, link: *link, bytes, length: usize::try_from(length).unwrap_or(bytes.len()) });
                }
                _ => {}
            }
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    /// The next whole frame; a torn one ends the file.
    fn next(&mut self) -> Option<Frame<'a>> {
        match self.form {
            Form::Pcap { nanoseconds, link } => self.pcap(nanoseconds, link),
            Form::Next { .. } => self.block(),
        }
    }
}

/// Ticks per second of an interface: option 9, a power of ten or (high bit set) of two; a million if it is absent.
fn resolution(mut options: &[u8], big_endian: bool) -> u64 {
    let short = |bytes: &[u8], at: usize| {
        let pair = bytes.get(at..)?.first_chunk::<2>()?;
        Some(if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) })
    };
    while let (Some(kind), Some(length)) = (short(options, 0), short(options, 2)) {
        if kind == 9 {
            let exponent = options.get(4).copied().unwrap_or(6);
            let ticks =
                if exponent & 0x80 != 0 { 1_u64.checked_shl(u32::from(exponent & 0x7f)) } else { 10_u64.checked_pow(exponent.into()) };
            return ticks.filter(|t| *t > 0).unwrap_or(1_000_000);
        }
        let padded = usize::from(length).next_multiple_of(4) + 4;
        match options.get(padded..) {
            Some(rest) if kind != 0 => options = rest,
            _ => break,
        }
    }
    1_000_000
}

fn number(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(if big_endian { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) })
}

/// A pcap file (little-endian, microseconds) of frames with their times in microseconds.
pub fn write<'a>(link: u32, frames: impl IntoIterator<Item = (i64, &'a [u8])>) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(0x0004_0000_u32.to_le_bytes());
    file.extend(link.to_le_bytes());
    for (at, bytes) in frames {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let part = |value: i64| u32::try_from(value).unwrap_or(0).to_le_bytes();
        file.extend(part(at.div_euclid(1_000_000)));
        file.extend(part(at.rem_euclid(1_000_000)));
        file.extend(length);
        file.extend(length);
        file.extend_from_slice(bytes);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_in_every_order_and_unit() {
        let file = write(1, [(1_700_000_000_000_007, &b"one"[..]), (1_700_000_001_500_000, b"three")]);
        let frames: Vec<_> = Frames::new(&file).unwrap().collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].at_us, frames[0].bytes, frames[1].bytes), (1_700_000_000_000_007, &b"one"[..], &b"three"[..]));
        // The same file from a big-endian machine with nanoseconds.
        let mut swapped = vec![0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4];
        swapped.extend([0; 8]);
        swapped.extend(65535_u32.to_be_bytes());
        swapped.extend(101_u32.to_be_bytes());
        for number in [1_700_000_000_u32, 7_999, 2, 2] {
            swapped.extend(number.to_be_bytes());
        }
        swapped.extend(b"hi!");
        let frames: Vec<_> = Frames::new(&swapped).unwrap().collect();
        assert_eq!((frames.len(), frames[0].at_us, frames[0].link), (1, 1_700_000_000_000_007, Some(Link::Raw)));
    }

    #[test]
    fn pcapng_with_nanoseconds() {
        let mut file = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let length = u32::try_from(body.len() + 12).unwrap();
            file.extend([kind.to_le_bytes(), length.to_le_bytes()].concat());
            file.extend_from_slice(body);
            file.extend(length.to_le_bytes());
        };
        block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        block(1, &[1, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        block(0xbad, &[1, 2, 3, 4]);
        let time = 1_700_000_000_000_007_123_u64;
        let (high, low) = ((time >> 32) as u32, time as u32);
        let head: Vec<u8> = [0, high, low, 3, 3].into_iter().flat_map(u32::to_le_bytes).collect();
        block(6, &[&head[..], b"abc\0"].concat());
        let frames: Vec<_> = Frames::new(&file).unwrap().collect();
        assert_eq!(
            (frames.len(), frames[0].at_us, frames[0].bytes, frames[0].link),
            (1, 1_700_000_000_000_007, &b"abc"[..], Some(Link::Ethernet))
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0usize..5) {
            let magics: [&[u8]; 5] = [&[0xa1, 0xb2, 0xc3, 0xd4], &[0xd4, 0xc3, 0xb2, 0xa1], &[0x4d, 0x3c, 0xb2, 0xa1], &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0], &[]];
            let magic = magics[which];
            bytes.splice(0..magic.len().min(bytes.len()), magic.iter().copied());
            if let Ok(frames) = Frames::new(&bytes) { let _ = frames.take(100).count(); }
        }
    }
}
