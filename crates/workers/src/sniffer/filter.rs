//! The kernel's packet filter (classic BPF): only packets from or to the watched addresses are copied at all.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// One instruction as the kernel takes it.
pub(super) type Instruction = libc::sock_filter;

/// Most instructions of a program.
const MOST: usize = 4_000;
/// Bytes copied of a packet that passes.
const SNAP: u32 = 0xffff;
/// IPv6 addresses that are compared whole; of more only their networks.
const WHOLE_V6: usize = 64;

const LOAD_HALF: u16 = 0x28;
const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// A program for Ethernet frames. Too many addresses to name pass as "everything of IP".
pub(super) fn program(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Instruction> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(ip) => v4.push(Ipv4Net::from(ip)),
            IpAddr::V6(ip) => v6.push(Ipv6Net::from(ip)),
        }
    }
    let v4 = Ipv4Net::aggregate(&v4);
    if v6.len() > WHOLE_V6 {
        v6 = v6.iter().filter_map(|net| Ipv6Net::new(net.addr(), 64).ok().map(|n| n.trunc())).collect();
    }
    let v6 = Ipv6Net::aggregate(&v6);
    let mut four = Vec::new();
    for at in [26, 30] {
        for net in &v4 {
            four.push(plain(LOAD_WORD, at));
            if net.prefix_len() < 32 {
                four.push(plain(AND, net.netmask().into()));
            }
            four.extend([equal(net.network().into(), 0, 1), plain(RETURN, SNAP)]);
        }
    }
    four.push(plain(RETURN, 0));
    let mut six = Vec::new();
    for at in [22, 38] {
        for net in &v6 {
            let (address, mask) = (u128::from(net.network()), u128::from(net.netmask()));
            let mut tests = Vec::new();
            for word in (0..4_u32).rev() {
                let part = |value: u128| u32::try_from(value >> (word * 32) & 0xffff_ffff).unwrap_or(0);
                if part(mask) != 0 {
                    tests.push((at + (3 - word) * 4, part(address), part(mask)));
                }
            }
            let mut code = Vec::new();
            for (at, value, mask) in tests {
                code.push(plain(LOAD_WORD, at));
                if mask != u32::MAX {
                    code.push(plain(AND, mask));
                }
                code.push(equal(value, 0, u8::MAX));
            }
            code.push(plain(RETURN, SNAP));
            // What does not fit goes on behind the return.
            let end = code.len();
            for (place, instruction) in code.iter_mut().enumerate() {
                if instruction.code == JUMP_EQUAL {
                    instruction.jf = u8::try_from(end - place - 1).unwrap_or(0);
                }
            }
            six.extend(code);
        }
    }
    six.push(plain(RETURN, 0));
    if four.len() + six.len() > MOST {
        (four, six) = (vec![plain(RETURN, SNAP)], vec![plain(RETURN, SNAP)]);
    }
    let mut program = vec![
        plain(LOAD_HALF, 12),
        equal(0x0800, 0, 1),
        plain(JUMP, 3),
        equal(0x86dd, 0, 1),
        plain(JUMP, u32::try_from(four.len()).unwrap_or(0) + 1),
        plain(RETURN, 0),
    ];
    program.extend(four);
    program.extend(six);
    program
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn equal(k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: JUMP_EQUAL, jt, jf, k }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    /// What the kernel would do.
    fn run(program: &[Instruction], frame: &[u8]) -> u32 {
        let (mut a, mut at) = (0_u32, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let from = k as usize;
            match code {
                LOAD_HALF => a = frame.get(from..from + 2).map_or(0, |b| u32::from(u16::from_be_bytes(b.try_into().unwrap()))),
                LOAD_WORD => match frame.get(from..from + 4) {
                    Some(b) => a = u32::from_be_bytes(b.try_into().unwrap()),
                    None => return 0,
                },
                AND => a &= k,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += usize::from(if a == k { jt } else { jf }),
                RETURN => return k,
                other => panic!("{other}"),
            }
        }
    }

    fn frame(from: &str, to: &str) -> Vec<u8> {
        let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let mut frame = vec![0; 12];
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame.extend([8, 0]);
                frame.extend([0; 12]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x86, 0xdd]);
                frame.extend([0; 8]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            _ => panic!("mixed"),
        }
        frame
    }

    #[test]
    fn only_the_watched_pass() {
        let watched = ["10.0.0.4", "10.0.0.5", "10.0.0.9", "fd00::5", "fd00:1::9"].map(|ip| ip.parse().unwrap());
        let program = program(watched);
        for (from, to, passes) in [
            ("192.0.2.1", "10.0.0.4", true),
            ("10.0.0.5", "192.0.2.1", true),
            ("192.0.2.1", "10.0.0.9", true),
            ("192.0.2.1", "10.0.0.6", false),
            ("192.0.2.1", "10.0.0.3", false),
            ("2001:db8::1", "fd00::5", true),
            ("fd00:1::9", "2001:db8::1", true),
            ("2001:db8::1", "fd00::6", false),
        ] {
            assert_eq!(run(&program, &frame(from, to)) > 0, passes, "{from} to {to}");
        }
        let mut arp = frame("192.0.2.1", "10.0.0.4");
        arp[13] = 6;
        assert_eq!(run(&program, &arp), 0);
    }

    #[test]
    fn too_many_to_name_means_all_of_ip() {
        let program = program((0..3_000_u32).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n * 3).into()));
        assert!(program.len() < 4_096);
        assert!(run(&program, &frame("192.0.2.1", "10.99.0.1")) > 0);
    }

    #[test]
    fn many_ipv6_addresses_pass_by_their_networks() {
        let program = program((0..200_u128).map(|n| std::net::Ipv6Addr::from(0xfd00_u128 << 112 | n).into()));
        assert!(program.len() < 60);
        assert!(run(&program, &frame("2001:db8::1", "fd00::7")) > 0);
        assert_eq!(run(&program, &frame("2001:db8::1", "fd00:0:0:1::7")), 0);
    }
}
