//! The little of netlink (RFC 3549) that is needed, as batches: many requests in one system call.

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, socket},
};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

pub(super) const REQUEST: u16 = 0x01;
pub(super) const ACK: u16 = 0x04;
pub(super) const DUMP: u16 = 0x300;
pub(super) const REPLACE: u16 = 0x100;
pub(super) const EXCL: u16 = 0x200;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NESTED: u16 = 0x8000;

/// A netlink socket; belongs for ever to the network namespace it was opened in.
#[derive(Debug)]
pub(super) struct Line(OwnedFd);

impl Line {
    /// To the routing tables and links.
    pub(super) fn route() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute)
    }

    /// To the packet filter.
    pub(super) fn filter() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkNetFilter)
    }

    fn open(protocol: SockProtocol) -> io::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(fd))
    }

    /// Sends all of `messages` and waits for what became of each that asked for it; `None` is success.
    pub(super) fn batch(&self, messages: Vec<Message>) -> io::Result<Vec<Option<Errno>>> {
        let mut bytes = Vec::new();
        let mut awaited = Vec::new();
        for (number, mut message) in messages.into_iter().enumerate() {
            let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
            awaited.push(message.flags & ACK != 0);
            message.finish(number, &mut bytes);
        }
        self.send(&bytes)?;
        let mut results: Vec<Option<Errno>> = vec![None; awaited.len()];
        let mut left = awaited.iter().filter(|a| **a).count();
        let mut buffer = vec![0; 32 * 1024];
        while left > 0 {
            let length = self.receive(&mut buffer)?;
            for (kind, number, body) in messages_of(buffer.get(..length).unwrap_or_default()) {
                if kind != NLMSG_ERROR {
                    continue;
                }
                let code = body.first_chunk::<4>().map_or(0, |b| i32::from_ne_bytes(*b));
                let Some(at) = usize::try_from(number).ok().and_then(|n| n.checked_sub(1)) else { continue };
                // A broken batch of the packet filter is answered on its first message, whether asked for or not.
                if awaited.get(at).copied().unwrap_or(false) {
                    left -= 1;
                } else if code != 0 {
                    return Err(Errno::from_raw(-code).into());
                }
                if let Some(slot) = results.get_mut(at)
                    && code != 0
                {
                    *slot = Some(Errno::from_raw(-code));
                }
            }
        }
        Ok(results)
    }

    /// Sends one message and fails if it fails.
    pub(super) fn one(&self, message: Message) -> io::Result<()> {
        match self.batch(vec![message])?.into_iter().flatten().next() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// The bodies of all answers to a dump.
    pub(super) fn dump(&self, mut message: Message) -> io::Result<Vec<Vec<u8>>> {
        let mut bytes = Vec::new();
        message.flags |= DUMP;
        message.finish(1, &mut bytes);
        self.send(&bytes)?;
        let mut bodies = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = self.receive(&mut buffer)?;
            for (kind, _, body) in messages_of(buffer.get(..length).unwrap_or_default()) {
                match kind {
                    NLMSG_DONE => return Ok(bodies),
                    NLMSG_ERROR => {
                        let code = body.first_chunk::<4>().map_or(0, |b| i32::from_ne_bytes(*b));
                        return Err(Errno::from_raw(-code).into());
                    }
                    _ => bodies.push(body.to_vec()),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        sendto(self.0.as_raw_fd(), bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.0.as_raw_fd(), buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// One request being written.
#[derive(Clone, Debug)]
pub(super) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A request of type `kind` that begins with the fixed `header`.
    pub(super) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        Self { kind, flags: flags | REQUEST, body: header.to_vec() }
    }

    /// Adds an attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        put(&mut self.body, kind, value);
        self
    }

    /// Adds a 32-bit number in host order.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// Adds text with its final NUL.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// Adds attributes within an attribute.
    pub(super) fn nest(self, kind: u16, inner: Attributes) -> Self {
        self.with(kind | NESTED, &inner.0)
    }

    fn finish(&mut self, number: u32, into: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        into.extend(length.to_ne_bytes());
        into.extend(self.kind.to_ne_bytes());
        into.extend(self.flags.to_ne_bytes());
        into.extend(number.to_ne_bytes());
        into.extend(0_u32.to_ne_bytes());
        into.extend(&self.body);
        into.resize(into.len().next_multiple_of(4), 0);
    }
}

/// Attributes to be nested.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<u8>);

impl Attributes {
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        put(&mut self.0, kind, value);
        self
    }

    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// A 32-bit number in network order, as the packet filter has them.
    pub(super) fn big(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    pub(super) fn nest(self, kind: u16, inner: Self) -> Self {
        self.with(kind | NESTED, &inner.0)
    }
}

fn put(into: &mut Vec<u8>, kind: u16, value: &[u8]) {
    into.extend(u16::try_from(value.len() + 4).unwrap_or(u16::MAX).to_ne_bytes());
    into.extend(kind.to_ne_bytes());
    into.extend(value);
    into.resize(into.len().next_multiple_of(4), 0);
}

/// Type, sequence number and body of each message in a datagram.
fn messages_of(mut bytes: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut found = Vec::new();
    while let Some((header, _)) = bytes.split_first_chunk::<HEADER>() {
        let [a, b, c, d, k0, k1, _, _, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(0);
        let Some(body) = bytes.get(HEADER..length) else { break };
        found.push((u16::from_ne_bytes([k0, k1]), u32::from_ne_bytes([s0, s1, s2, s3]), body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The attributes after a fixed header of `skip` bytes.
pub(super) fn attributes(body: &[u8], skip: usize) -> Vec<(u16, &[u8])> {
    let mut rest = body.get(skip.next_multiple_of(4)..).unwrap_or_default();
    let mut found = Vec::new();
    while let Some((header, _)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = *header;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = rest.get(4..length) else { break };
        found.push((u16::from_ne_bytes([c, d]) & 0x3fff, value));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}
