//! What the standard library does not offer about sockets.

use model::Captured;
use std::{
    io,
    net::{IpAddr, TcpListener as StdListener},
    os::fd::AsRawFd,
};
use tokio::net::{TcpListener, TcpStream};

/// Makes a handed-over listener ready: not blocking, answers leave at once (accepted connections inherit
/// that), and the kernel keeps the SYN of each visitor.
pub(super) fn listener(listener: StdListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
    if let Err(e) = save_syn(&listener) {
        tracing::debug!("the kernel keeps no SYN: {e}");
    }
    TcpListener::from_std(listener)
}

fn save_syn(listener: &StdListener) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    #[expect(unsafe_code, reason = "an option that no wrapper knows")]
    // SAFETY: the descriptor is open, the value is an int and its size is given.
    let result = unsafe { libc::setsockopt(listener.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, (&raw const on).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The IP and TCP headers of the SYN that began this connection. Can be asked once.
pub(super) fn saved_syn(stream: &TcpStream) -> Option<Captured> {
    let mut buffer = [0_u8; 256];
    let mut size = libc::socklen_t::try_from(buffer.len()).ok()?;
    #[expect(unsafe_code, reason = "an option that no wrapper knows")]
    // SAFETY: the descriptor is open; the kernel writes at most `size` bytes to the buffer and sets `size`.
    let result =
        unsafe { libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_SAVED_SYN, buffer.as_mut_ptr().cast(), &raw mut size) };
    let syn = buffer.get(..size as usize).filter(|s| result == 0 && !s.is_empty())?;
    Some(Captured::copy(syn))
}

/// Whom a saved SYN was sent to (RFC 791 §3.1, RFC 8200 §3).
pub(super) fn destination(syn: &[u8]) -> Option<IpAddr> {
    match syn.first()? >> 4 {
        4 => syn.get(16..20)?.first_chunk::<4>().map(|&ip| ip.into()),
        6 => syn.get(24..40)?.first_chunk::<16>().map(|&ip| IpAddr::from(ip).to_canonical()),
        _ => None,
    }
}
