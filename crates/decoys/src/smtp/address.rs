//! Addresses as Postfix takes them apart.

use model::Persona;

/// Accounts every Debian machine has beside the persona's own.
const SYSTEM: &[&str] = &[
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "_apt",
    "nobody",
    "systemd-network",
    "systemd-timesync",
    "messagebus",
    "sshd",
    "postfix",
    "postmaster",
    "mailer-daemon",
    "hostmaster",
    "webmaster",
    "abuse",
];

/// What an address comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An account of this machine.
    Local(String),
    /// This machine's domain, but nobody there.
    Unknown,
    /// Somewhere else.
    Elsewhere,
    Malformed,
}

/// Takes the address out of `FROM:<…>` or `TO:…`: the address without brackets and what follows it.
/// `None`: the brackets do not close or text is stuck to them.
pub(super) fn split(text: &[u8]) -> Option<(Vec<u8>, Vec<&[u8]>)> {
    let text = text.trim_ascii_start();
    let (address, rest) = if let Some(inner) = text.strip_prefix(b"<") {
        let mut quoted = false;
        let end = inner.iter().position(|&b| {
            quoted ^= b == b'"';
            b == b'>' && !quoted
        })?;
        (inner.get(..end)?, inner.get(end + 1..)?)
    } else {
        let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
        (text.get(..end)?, text.get(end..)?)
    };
    if rest.first().is_some_and(|&b| b != b' ' && b != b'\t') {
        return None;
    }
    // A source route is dropped (RFC 5321 appendix C).
    let address = if address.starts_with(b"@") {
        address.iter().position(|&b| b == b':').and_then(|n| address.get(n + 1..)).unwrap_or(address)
    } else {
        address
    };
    Some((address.to_vec(), rest.split(|&b| b == b' ' || b == b'\t').filter(|w| !w.is_empty()).collect()))
}

/// Whether the form of an address is acceptable.
pub(super) fn well_formed(address: &[u8]) -> bool {
    if address.is_empty() {
        return true;
    }
    let (local, domain) = parts(address);
    let local_fine = !local.is_empty()
        && (local.starts_with(b"\"") && local.ends_with(b"\"") && local.len() > 1
            || !local.iter().any(|&b| b <= b' ' || b"<>,;:\"[]()\\".contains(&b)));
    local_fine && domain.is_none_or(domain_fine)
}

fn domain_fine(domain: &[u8]) -> bool {
    if domain.starts_with(b"[") {
        return domain.ends_with(b"]") && domain.len() > 2;
    }
    !domain.is_empty()
        && domain.len() <= 255
        && domain.split(|&b| b == b'.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with(b"-")
                && !label.ends_with(b"-")
                && label.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b >= 0x80)
        })
}

fn parts(address: &[u8]) -> (&[u8], Option<&[u8]>) {
    match address.iter().rposition(|&b| b == b'@') {
        Some(n) => (address.get(..n).unwrap_or_default(), address.get(n + 1..)),
        None => (address, None),
    }
}

/// Where mail for `address` would go.
pub(super) fn place(persona: &Persona, address: &[u8]) -> Place {
    if address.is_empty() || !well_formed(address) {
        return Place::Malformed;
    }
    let (local, domain) = parts(address);
    let unquoted = if local.starts_with(b"\"") { local.get(1..local.len() - 1).unwrap_or_default() } else { local };
    let domain = domain.map(|d| String::from_utf8_lossy(d).to_ascii_lowercase());
    let here = domain.as_ref().is_none_or(|d| {
        let literal = d.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
        let own = persona.ipv4.map(|ip| ip.to_string());
        *d == persona.fqdn()
            || *d == persona.hostname
            || d == "localhost"
            || *d == format!("localhost.{}", persona.domain)
            || literal.is_some_and(|l| l == "127.0.0.1" || own.as_deref() == Some(l))
    });
    let routed = local.iter().any(|&b| b == b'%' || b == b'!' || b == b'@');
    if !here || routed {
        return Place::Elsewhere;
    }
    let user = String::from_utf8_lossy(unquoted).to_ascii_lowercase();
    let plain = user.split('+').next().unwrap_or_default();
    if SYSTEM.contains(&plain) || persona.account(plain.as_bytes()).is_some() { Place::Local(plain.to_owned()) } else { Place::Unknown }
}

/// The address as it is shown in answers.
pub(super) fn shown(address: &[u8]) -> Vec<u8> {
    match (address.strip_prefix(b"\""), address.iter().rposition(|&b| b == b'@')) {
        (Some(_), Some(at)) => {
            let local = address.get(1..at.saturating_sub(1)).unwrap_or_default();
            [local, address.get(at..).unwrap_or_default()].concat()
        }
        _ => address.to_vec(),
    }
}
