//! Who is visiting: established connections as the kernel lists them.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

/// The local address of each established TCP connection listed under `net` (`/proc/.../net`), IPv4 written as IPv4. The
/// bound is the kernel's own: one line for each socket.
pub(super) fn established(net: &Path) -> io::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for file in ["tcp", "tcp6"] {
        match fs::read_to_string(net.join(file)) {
            Ok(text) => found.extend(text.lines().skip(1).filter_map(local)),
            // A kernel without IPv6.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

/// `  0: 0100007F:1F90 0200007F:C350 01 …`: the local address if the state is 01, established.
fn local(line: &str) -> Option<IpAddr> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
    if state != "01" {
        return None;
    }
    let hex = local.split(':').next()?;
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let bytes: Vec<u8> = (0..4).filter_map(word).flatten().collect();
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let v4 = "   1: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0";
        assert_eq!(local(v4), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(local(&v4.replace(" 01 ", " 0A ")), None);
        let mapped = "   0: 0000000000000000FFFF00000A0AA8C0:0016 0000000000000000FFFF00000100007F:1F90 01 0";
        assert_eq!(local(mapped), Some("192.168.10.10".parse().unwrap()));
        let v6 = "   0: 000000FD000000000000000001000000:0016 0:0 01 0";
        assert_eq!(local(v6), Some("fd00::1".parse().unwrap()));
        for line in ["", "x", "0: zz:1 0:1 01", "0: 0100:1 0:1 01"] {
            assert_eq!(local(line), None);
        }
    }
}
