//! A capture on one interface: an AF_PACKET socket with a ring of blocks shared with the kernel (TPACKET_V3), so that
//! a block of packets costs one wake and no copy.

use super::filter::Instruction;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

/// Bytes of a block and how many there are: 16 MiB, half a second at 200,000 packets a second.
const BLOCK: u32 = 256 * 1024;
const BLOCKS: u32 = 64;
/// A block that is not full is handed over after so long, milliseconds.
const HAND_OVER: u32 = 40;
/// Bytes of the header before each packet's link-layer address.
const HEADER: usize = 48;

/// An open capture.
#[derive(Debug)]
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    length: usize,
    next: u32,
}

// SAFETY: the mapping belongs to this value alone; nothing of it is tied to the thread that made it.
#[expect(unsafe_code, reason = "the mapping is a raw pointer")]
unsafe impl Send for Ring {}

/// A captured frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Microseconds since the epoch, by the kernel.
    pub(super) at_us: i64,
    pub(super) bytes: &'a [u8],
    /// Sent by this host itself.
    pub(super) outgoing: bool,
}

impl Ring {
    /// Opens a capture on the interface with this index. `promiscuous`: take what is meant for others too (bridges).
    pub(super) fn open(interface: u32, filter: &[Instruction], promiscuous: bool) -> io::Result<Self> {
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as libc::c_int))?;
        attach(&socket, filter)?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK,
            tp_block_nr: BLOCKS,
            tp_frame_size: 2_048,
            tp_frame_nr: BLOCK / 2_048 * BLOCKS,
            tp_retire_blk_tov: HAND_OVER,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let length = (BLOCK * BLOCKS) as usize;
        let memory = map(&socket, length)?;
        let ring = Self { socket, memory, length, next: 0 };
        ring.bind(interface)?;
        if promiscuous {
            let index = i32::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
            let request = libc::packet_mreq { mr_ifindex: index, mr_type: libc::PACKET_MR_PROMISC as u16, mr_alen: 0, mr_address: [0; 8] };
            set(&ring.socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)?;
        }
        Ok(ring)
    }

    /// Another filter from now on.
    pub(super) fn filter(&self, filter: &[Instruction]) -> io::Result<()> {
        attach(&self.socket, filter)
    }

    /// Waits for a block, at most `milliseconds`. An error: the interface is gone or down.
    pub(super) fn wait(&self, milliseconds: u16) -> io::Result<()> {
        if self.is_ready() {
            return Ok(());
        }
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN | PollFlags::POLLERR)];
        match poll(&mut polled, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [polled] = polled;
        if polled.revents().is_some_and(|found| found.intersects(PollFlags::POLLERR | PollFlags::POLLHUP)) {
            let code = nix::sys::socket::getsockopt(&self.socket, nix::sys::socket::sockopt::SocketError)?;
            if code != 0 {
                return Err(io::Error::from_raw_os_error(code));
            }
        }
        Ok(())
    }

    /// Gives every packet of the next block to `take`, if the kernel has handed one over; whether it had.
    pub(super) fn block(&mut self, mut take: impl FnMut(Frame<'_>)) -> bool {
        if !self.is_ready() {
            return false;
        }
        let block = self.handed_over();
        let count = number(block, 12);
        let mut at = number(block, 16) as usize;
        for _ in 0..count {
            let Some(head) = block.get(at..).filter(|head| head.len() >= HEADER + 20) else { break };
            let kept = number(head, 12) as usize;
            let mac = usize::from(short(head, 24));
            if let Some(bytes) = head.get(mac..mac.saturating_add(kept)) {
                let at_us = i64::from(number(head, 4)) * 1_000_000 + i64::from(number(head, 8)) / 1_000;
                // sockaddr_ll stands behind the header; its packet type is the eleventh byte.
                let outgoing = head.get(HEADER + 10) == Some(&libc::PACKET_OUTGOING);
                take(Frame { at_us, bytes, outgoing });
            }
            match number(head, 0) as usize {
                0 => break,
                next => at = at.saturating_add(next),
            }
        }
        self.give_back();
        true
    }

    /// Packets the kernel dropped for want of room since the last call.
    pub(super) fn dropped(&self) -> u64 {
        let mut stats = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        let mut length = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
        #[expect(unsafe_code, reason = "nix knows no PACKET_STATISTICS")]
        // SAFETY: both pointers are to live values of the size given.
        let code = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                ptr::from_mut(&mut stats).cast(),
                &raw mut length,
            )
        };
        if code == 0 { u64::from(stats.tp_drops) } else { 0 }
    }

    fn bind(&self, interface: u32) -> io::Result<()> {
        let index = i32::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        #[expect(unsafe_code, reason = "nix makes no sockaddr_ll from parts")]
        // SAFETY: the address is a live sockaddr_ll and its size is given.
        let code = unsafe {
            libc::bind(self.socket.as_raw_fd(), ptr::from_ref(&address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t)
        };
        if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn status(&self) -> &AtomicU32 {
        let offset = self.next as usize * BLOCK as usize + 8;
        #[expect(unsafe_code, reason = "shared with the kernel")]
        // SAFETY: `next` is below BLOCKS, so the word lies within the mapping, which lives as long as self; it is
        // aligned to four bytes, and the kernel changes it only as a whole word.
        unsafe {
            AtomicU32::from_ptr(self.memory.as_ptr().add(offset).cast())
        }
    }

    fn is_ready(&self) -> bool {
        self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The block that [`is_ready`](Self::is_ready).
    fn handed_over(&self) -> &[u8] {
        let offset = self.next as usize * BLOCK as usize;
        #[expect(unsafe_code, reason = "shared with the kernel")]
        // SAFETY: the block lies within the mapping; its status says that it is ours, so the kernel does not write to it
        // until `give_back`, which takes self mutably and so ends this borrow.
        unsafe {
            std::slice::from_raw_parts(self.memory.as_ptr().add(offset), BLOCK as usize)
        }
    }

    fn give_back(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "ends the mapping")]
        // SAFETY: the mapping was made by `map` with this length and nothing borrows from it any more.
        let _code = unsafe { libc::munmap(self.memory.as_ptr().cast(), self.length) };
    }
}

fn map(socket: &OwnedFd, length: usize) -> io::Result<NonNull<u8>> {
    #[expect(unsafe_code, reason = "maps the ring")]
    // SAFETY: a fresh mapping of the length that the ring was asked to have.
    let memory =
        unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, socket.as_raw_fd(), 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

fn attach(socket: &OwnedFd, filter: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel only reads it.
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn set<T>(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    #[expect(unsafe_code, reason = "nix knows none of these options")]
    // SAFETY: the value lives through the call and its size is given.
    let code = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk::<4>()).map_or(0, |b| u32::from_ne_bytes(*b))
}

fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk::<2>()).map_or(0, |b| u16::from_ne_bytes(*b))
}
