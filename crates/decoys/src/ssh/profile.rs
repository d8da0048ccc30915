//! What each version of the product announces: identification, algorithm lists, extensions. Debian 12's
//! were read from the running server; the others are the defaults of those releases.

use model::{Persona, Software};

const CURVES: &str = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521";
const SNTRUP_OLD: &str = "sntrup761x25519-sha512@openssh.com";
const SNTRUP: &str = "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com";
const MLKEM: &str = "mlkem768x25519-sha256";
const MODP: &str =
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256";
const MODP_REDHAT: &str =
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512";
const STRICT: &str = "kex-strict-s-v00@openssh.com";

const HOST_KEYS: &str = "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519";
const HOST_KEYS_SHA1: &str = "rsa-sha2-512,rsa-sha2-256,ssh-rsa,ecdsa-sha2-nistp256,ssh-ed25519";

const CIPHERS: &str = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com";
const CIPHERS_10: &str = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr";
const CIPHERS_REDHAT: &str = "aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr";

const MACS: &str = "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1";
const MACS_REDHAT: &str = "hmac-sha2-256-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha1,umac-128@openssh.com,hmac-sha2-512";

const SIGNATURES_OLD: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ssh-rsa,rsa-sha2-256,rsa-sha2-512,ssh-dss,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com";
const SIGNATURES_8: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ssh-rsa,rsa-sha2-256,rsa-sha2-512,ssh-dss,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
const SIGNATURES_9: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-rsa,rsa-sha2-256,rsa-sha2-512";
const SIGNATURES_96: &str = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/// How the imitated server presents itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// Identification line without CR LF.
    pub(super) banner: String,
    /// `(9, 2)`.
    pub(super) version: (u8, u8),
    pub(super) kex: String,
    pub(super) host_keys: &'static str,
    pub(super) ciphers: &'static str,
    pub(super) macs: &'static str,
    pub(super) signatures: &'static str,
    /// Authentication methods that can continue.
    pub(super) methods: &'static str,
    /// Where the sftp server is configured to be.
    pub(super) debian: bool,
}

/// Compression is the same in all versions.
pub(super) const COMPRESSION: &str = "none,zlib@openssh.com";

impl Profile {
    /// The profile of a persona's `ssh` service; without one, of its distribution's usual version.
    pub(super) fn of(persona: &Persona) -> Self {
        let fallback = Software { product: "OpenSSH".into(), version: "9.2p1".into(), package: "Debian-2+deb12u7".into() };
        let software = persona.service("ssh").map_or(&fallback, |s| if s.software.version.is_empty() { &fallback } else { &s.software });
        Self::imitating(software, &persona.distro.id)
    }

    fn imitating(software: &Software, distro: &str) -> Self {
        let version = parse(&software.version);
        let package = software.package.as_str();
        let red_hat = package.is_empty() && matches!(distro, "rocky" | "rhel" | "centos" | "almalinux" | "fedora" | "ol");
        // Only Debian and its derivatives show the portable suffix and the package.
        let banner = if package.is_empty() {
            let plain = software.version.split('p').next().unwrap_or_default();
            format!("SSH-2.0-OpenSSH_{plain}")
        } else {
            format!("SSH-2.0-OpenSSH_{} {package}", software.version)
        };
        let mut kex = Vec::new();
        let modp = if red_hat { MODP_REDHAT } else { MODP };
        match version {
            (10.., _) => kex.extend([MLKEM, SNTRUP, CURVES]),
            (9, 9..) => kex.extend([SNTRUP, MLKEM, CURVES, modp]),
            (9, _) if red_hat => kex.extend([CURVES, SNTRUP_OLD, modp]),
            (9, _) if alias_backported(package) => kex.extend([SNTRUP, CURVES, modp]),
            (9, _) => kex.extend([SNTRUP_OLD, CURVES, modp]),
            (8, 9) if !red_hat => kex.extend([CURVES, SNTRUP_OLD, modp]),
            _ => kex.extend([CURVES, modp]),
        }
        if version >= (9, 6) {
            kex.push("ext-info-s");
        }
        if strict(version, package, red_hat) {
            kex.push(STRICT);
        }
        Self {
            banner,
            version,
            kex: kex.join(","),
            host_keys: if version < (8, 8) && !red_hat { HOST_KEYS_SHA1 } else { HOST_KEYS },
            ciphers: if red_hat {
                CIPHERS_REDHAT
            } else if version.0 >= 10 {
                CIPHERS_10
            } else {
                CIPHERS
            },
            macs: if red_hat { MACS_REDHAT } else { MACS },
            signatures: match version {
                v if v >= (9, 6) => SIGNATURES_96,
                v if v >= (9, 2) => SIGNATURES_9,
                v if v >= (8, 3) => SIGNATURES_8,
                _ => SIGNATURES_OLD,
            },
            methods: if red_hat {
                "publickey,gssapi-keyex,gssapi-with-mic,password"
            } else if package.is_empty() {
                "publickey,password,keyboard-interactive"
            } else {
                "publickey,password"
            },
            debian: !package.is_empty(),
        }
    }

    /// Whether strict key exchange is offered.
    pub(super) fn strict(&self) -> bool {
        self.kex.ends_with(STRICT)
    }

    /// Whether keyboard-interactive is offered.
    pub(super) fn keyboard_interactive(&self) -> bool {
        self.methods.contains("keyboard-interactive")
    }

    /// Extensions sent after the first NEWKEYS (RFC 8308).
    pub(super) fn extensions(&self) -> Vec<(&'static str, &'static str)> {
        let mut list = vec![("server-sig-algs", self.signatures)];
        if self.version >= (8, 9) {
            list.push(("publickey-hostbound@openssh.com", "0"));
        }
        if self.version >= (9, 5) {
            list.push(("ping@openssh.com", "0"));
        }
        list
    }
}

fn parse(version: &str) -> (u8, u8) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(9), parts.next().unwrap_or(2))
}

/// The number after `marker` in a package revision.
fn revision(package: &str, marker: &str) -> Option<u32> {
    let tail = package.split(marker).nth(1)?;
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Debian 12 offers the standardised name beside the old one since its fourth update.
fn alias_backported(package: &str) -> bool {
    revision(package, "deb12u").is_some_and(|n| n >= 4)
}

/// Strict key exchange came in 9.6 and was brought to older packages at the end of 2023.
fn strict(version: (u8, u8), package: &str, red_hat: bool) -> bool {
    if version >= (9, 6) || red_hat {
        return true;
    }
    let since = [("deb12u", 2), ("deb11u", 3), ("Ubuntu-3ubuntu0.", 5), ("Ubuntu-4ubuntu0.", 10)];
    since.iter().any(|(marker, first)| revision(package, marker).is_some_and(|n| n >= *first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(version: &str, package: &str, distro: &str) -> Profile {
        Profile::imitating(&Software { product: "OpenSSH".into(), version: version.into(), package: package.into() }, distro)
    }

    #[test]
    fn debian_12_announces_what_its_server_does() {
        let p = profile("9.2p1", "Debian-2+deb12u10", "debian");
        assert_eq!(p.banner, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10");
        assert!(p.kex.starts_with("sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,"));
        assert!(p.kex.ends_with(",diffie-hellman-group14-sha256,kex-strict-s-v00@openssh.com"));
        assert_eq!(p.methods, "publickey,password");
    }

    #[test]
    fn older_packages_lack_what_came_later() {
        assert!(!profile("9.2p1", "Debian-2+deb12u1", "debian").kex.contains("kex-strict"));
        assert!(profile("8.9p1", "Ubuntu-3ubuntu0.10", "ubuntu").kex.contains("kex-strict"));
        assert_eq!(profile("8.7p1", "", "rocky").banner, "SSH-2.0-OpenSSH_8.7");
        assert!(profile("9.6p1", "Ubuntu-3ubuntu13.5", "ubuntu").kex.contains("ext-info-s"));
    }
}
