//! The world outside: nothing is reached. Names do not resolve, addresses do not answer; each tool says so
//! in its own words after the time it would have taken.

use std::{net::IpAddr, time::Duration};

use crate::shell::{Errno, kernel::Kernel};

/// Why a host is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Name,
    TimedOut,
    Unreachable,
    Refused,
}

impl Why {
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::Refused => Errno::ECONNREFUSED,
            Self::Unreachable => Errno::ENETUNREACH,
            _ => Errno::ETIMEDOUT,
        }
    }
}

/// An address written as curl and the C library take it: `1.2.3.4`, `0x7f.1`, `[::1]`.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse() {
        return Some(ip);
    }
    let parts: Option<Vec<u64>> = host
        .split('.')
        .map(|p| match p.strip_prefix("0x").or_else(|| p.strip_prefix("0X")) {
            Some(h) => u64::from_str_radix(h, 16).ok(),
            None if p.len() > 1 && p.starts_with('0') => u64::from_str_radix(p, 8).ok(),
            None => p.parse().ok(),
        })
        .collect();
    let parts = parts.filter(|p| !p.is_empty() && p.len() <= 4)?;
    let (last, head) = parts.split_last()?;
    let mut value = 0u64;
    for (n, part) in head.iter().enumerate() {
        if *part > 255 {
            return None;
        }
        value |= part << (24 - 8 * n);
    }
    let room = 32 - 8 * head.len();
    (*last < 1u64 << room).then(|| IpAddr::V4(u32::try_from(value | last).unwrap_or(0).into()))
}

/// What a name means on this machine without asking anybody.
pub(crate) fn resolve(k: &Kernel, host: &str) -> Option<IpAddr> {
    if let Some(ip) = address(host) {
        return Some(ip);
    }
    let text = k.fs.read(&crate::shell::Who::root(), b"/etc/hosts").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().take(2000).find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|w| w.eq_ignore_ascii_case(host)).then_some(ip)
    })
}

/// Whether an address is this machine's own.
pub(crate) fn is_own(k: &Kernel, ip: IpAddr) -> bool {
    let p = k.fs.persona();
    ip.is_loopback() || matches!(ip, IpAddr::V4(v4) if Some(v4) == p.ipv4) || matches!(ip, IpAddr::V6(v6) if p.ipv6.contains(&v6))
}

/// Tries to reach a host as long as a real machine behind a firewall would, and says why not.
pub(crate) async fn reach(k: &Kernel, host: &str) -> Why {
    match resolve(k, host) {
        None => {
            k.sleep(name_wait(k)).await;
            Why::Name
        }
        Some(ip) if is_own(k, ip) => Why::Refused,
        Some(ip) => {
            let why = fate(k, ip);
            k.sleep(match why {
                Why::TimedOut => Duration::from_millis(129_000 + u64::from(k.random_u32() % 2500)),
                _ => Duration::from_millis(2),
            })
            .await;
            why
        }
    }
}

/// How long the resolver asks a name server that does not answer: two tries of five seconds.
pub(crate) fn name_wait(k: &Kernel) -> Duration {
    Duration::from_millis(10_010 + u64::from(k.random_u32() % 40))
}

/// What becomes of a connection to an address.
pub(crate) fn fate(k: &Kernel, ip: IpAddr) -> Why {
    match ip {
        IpAddr::V4(_) if k.fs.persona().gateway.is_some() => Why::TimedOut,
        IpAddr::V4(v4) => {
            let p = k.fs.persona();
            let mask = u32::MAX.checked_shl(32 - u32::from(p.ipv4_prefix.min(32))).unwrap_or(0);
            if p.ipv4.is_some_and(|own| u32::from(own) & mask == u32::from(v4) & mask) { Why::TimedOut } else { Why::Unreachable }
        }
        IpAddr::V6(_) => Why::Unreachable,
    }
}
