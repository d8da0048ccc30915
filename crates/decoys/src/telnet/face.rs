//! Which product answers, and what it prints before and around the login.

use model::Persona;

/// A telnet server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// GNU inetutils 2.4. `kerberos`: built with authentication and encryption, as Debian does.
    Inetutils { kerberos: bool },
    /// netkit 0.17.
    Netkit,
    /// BusyBox's applet.
    BusyBox,
}

/// What asks for name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// `login` of the shadow suite with PAM: Debian, Ubuntu.
    Shadow,
    /// `login` of util-linux with PAM: Red Hat, Arch.
    UtilLinux,
    BusyBox,
}

impl Face {
    /// The server of the persona's `telnet` service; without one, of its distribution.
    pub(super) fn of(persona: &Persona) -> Self {
        let product = persona.service("telnet").map_or("", |s| s.software.product.as_str()).to_ascii_lowercase();
        let id = persona.distro.id.as_str();
        if product.contains("busybox") || (product.is_empty() && id == "alpine") {
            Self::BusyBox
        } else if product.contains("netkit") || (product.is_empty() && !matches!(id, "debian" | "kali" | "arch")) {
            Self::Netkit
        } else {
            Self::Inetutils { kerberos: matches!(id, "debian" | "kali" | "ubuntu") }
        }
    }

    /// What is printed before `login` starts, as it goes over the line.
    pub(super) fn banner(self, persona: &Persona) -> Vec<u8> {
        let d = &persona.distro;
        match self {
            Self::Inetutils { .. } => format!("\r\nLinux {} ({}) (pts/0)\r\n\r\n", d.kernel_release, persona.fqdn()),
            Self::Netkit => match d.id.as_str() {
                "debian" | "kali" => format!("{}\r\n", d.pretty_name.split(" (").next().unwrap_or_default()),
                "ubuntu" => format!("{}\r\n", d.pretty_name),
                _ => format!("\r\nKernel {} on an {}\r\n", d.kernel_release, d.machine),
            },
            // Through the terminal: the carriage return of the text and that of the line discipline.
            Self::BusyBox => "\r\r\n".into(),
        }
        .into_bytes()
    }

    /// The answer to ARE YOU THERE.
    pub(super) fn present(self, persona: &Persona) -> Vec<u8> {
        match self {
            Self::Inetutils { .. } => b"\r\n[Yes]\r\n".to_vec(),
            Self::Netkit => format!("\r\n[{} : yes]\r\n", persona.fqdn()).into_bytes(),
            // Meant as NO OPERATION, but it goes through what doubles 255.
            Self::BusyBox => b"\xff\xff\xf1".to_vec(),
        }
    }
}

impl Asker {
    /// The `login` of the persona's distribution.
    pub(super) fn of(face: Face, persona: &Persona) -> Self {
        match persona.distro.id.as_str() {
            _ if face == Face::BusyBox => Self::BusyBox,
            "debian" | "ubuntu" | "kali" => Self::Shadow,
            _ => Self::UtilLinux,
        }
    }
}
