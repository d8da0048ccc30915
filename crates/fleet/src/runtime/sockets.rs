//! Listening sockets, made in the network namespace of the calling thread.

use decoys::control::{Handed, Kind};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use crate::catalogue::Port;

/// Connections the kernel keeps waiting, for the moment a player is being replaced.
const BACKLOG: i32 = 1024;

/// A socket that a decky listens on. Lives as long as the decky: a player that dies is replaced on it.
#[derive(Debug)]
pub struct Door {
    pub handed: Handed,
    /// The port of the decoy's table; differs from `handed.port` where ports had to be shifted.
    pub wanted: Port,
    fd: OwnedFd,
}

impl Door {
    /// The socket, to be handed over.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens what `port` asks for. On `[::]` the sockets take IPv4 too; `shift` is added to ports that the
/// system reserves.
pub(super) fn open(service: &str, port: Port, at: IpAddr, shift: u16) -> io::Result<Vec<Door>> {
    let door = |kind, wanted: u16, shift: u16| {
        let number = if wanted == 0 { 0 } else { wanted.saturating_add(shift) };
        let socket = bind(at, number, kind == Kind::Udp)?;
        let number = socket.local_addr()?.as_socket().map_or(number, |a| a.port());
        let handed = Handed { service: service.to_owned(), kind, port: number };
        Ok(Door { handed, wanted: port, fd: socket.into() })
    };
    match port {
        Port::Tcp(number) => Ok(vec![door(Kind::Plain, number, shift)?]),
        Port::Tls(number) => Ok(vec![door(Kind::Tls, number, shift)?]),
        Port::Udp(number) => Ok(vec![door(Kind::Udp, number, shift)?]),
        Port::Side(count) => (0..count).map(|_| door(Kind::Side, 0, 0)).collect(),
    }
}

fn bind(at: IpAddr, port: u16, udp: bool) -> io::Result<Socket> {
    let (domain, at) = match at {
        // A kernel without IPv6 still serves IPv4.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if !has_v6() => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(_) => (Domain::IPV6, at),
        IpAddr::V4(_) => (Domain::IPV4, at),
    };
    let (kind, protocol) = if udp { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(SocketAddr::new(at, port)))?;
    if !udp {
        save_syn(&socket)?;
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

fn has_v6() -> bool {
    Socket::new(Domain::IPV6, Type::DGRAM, None).is_ok()
}

/// `TCP_SAVE_SYN`: connections of this listener remember the headers of their SYN.
fn save_syn(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    #[expect(unsafe_code, reason = "no crate offers TCP_SAVE_SYN")]
    // SAFETY: the pointer is to a c_int that lives through the call and the length is its size.
    let result = unsafe {
        let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, (&raw const on).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
