//! The table of stacks: what the SYNs of systems and tools look like. Each line says where it is known from.
//!
//! `seen`: packets of the program were captured and looked at; `published`: from descriptions by its authors or from
//! long-standing measurements. The first line that fits wins, so narrower ones stand above wider ones. To add a stack:
//! one line.

use wire::ip::Syn;

/// A stack or tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// What people call it.
    pub name: &'static str,
    /// A program that makes packets of its own, not an operating system's stack.
    pub tool: bool,
    /// Initial TTLs it uses.
    ttl: &'static [u8],
    /// Its options in order; any of these.
    options: &'static [&'static str],
    window: Window,
    /// Window scales; empty: any or none.
    scale: &'static [u8],
    /// Whether "don't fragment" is set (IPv4).
    dont_fragment: Option<bool>,
    /// How it is known.
    pub known: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Any,
    OneOf(&'static [u16]),
    AtLeast(u16),
    /// The MSS times this.
    Mss(u16),
}

const fn tool(name: &'static str, ttl: &'static [u8], options: &'static [&'static str], window: Window, known: &'static str) -> Stack {
    Stack { name, tool: true, ttl, options, window, scale: &[], dont_fragment: Some(false), known }
}

const fn system(
    name: &'static str,
    ttl: &'static [u8],
    options: &'static [&'static str],
    window: Window,
    scale: &'static [u8],
    known: &'static str,
) -> Stack {
    Stack { name, tool: false, ttl, options, window, scale, dont_fragment: Some(true), known }
}

/// Every stack, narrowest first.
pub static ALL: &[Stack] = &[
    // --- tools that write their own packets
    tool(
        "nmap OS probe",
        &[64],
        &["ws,nop,mss,ts,sok", "mss,ws,sok,ts,eol+0", "ts,nop,nop,ws,nop,mss", "sok,ts,ws,eol+0", "mss,sok,ts,ws,eol+0", "mss,sok,ts"],
        Window::OneOf(&[1, 3, 4, 16, 63, 128, 256, 512, 1024, 31337, 32768]),
        "published (nmap book, OS detection); first probe seen, nmap 7.93",
    ),
    tool(
        "nmap SYN scan",
        &[64],
        &["mss"],
        Window::OneOf(&[1024, 2048, 3072, 4096]),
        "seen, nmap 7.93: TTL drawn from 37..59, one sequence number for all ports",
    ),
    tool("masscan", &[255], &["", "mss"], Window::OneOf(&[1024]), "seen, masscan 1.3.2"),
    tool("zmap", &[255], &["", "mss"], Window::OneOf(&[65535]), "seen, zmap 2.1.1: identification 54321"),
    tool("scapy", &[64], &[""], Window::OneOf(&[8192]), "seen, scapy 2.5: identification 1, sequence number 0"),
    tool("hping3", &[64], &[""], Window::OneOf(&[512]), "seen, hping3 3.0.0-alpha-2"),
    tool("Mirai-like scanner", &[64, 255], &[""], Window::Any, "published: no options, random window"),
    // --- stacks inside programs
    Stack {
        name: "Go (gVisor network stack)",
        tool: false,
        ttl: &[64],
        options: &["mss,sok,ts,nop,ws"],
        window: Window::AtLeast(29_000),
        scale: &[5, 6, 7],
        dont_fragment: Some(false),
        known: "published (its source follows Linux's order of options) but leaves fragmentation allowed",
    },
    Stack {
        name: "lwIP",
        tool: false,
        ttl: &[255],
        options: &["mss", "mss,nop,ws", "mss,sok,eol+1"],
        window: Window::Any,
        scale: &[],
        dont_fragment: Some(false),
        known: "published (its source): TTL 255, fragmentation allowed",
    },
    // --- operating systems
    system("Linux", &[64], &["mss,sok,ts,nop,ws"], Window::Mss(44), &[], "seen, Linux 5 and newer: 44 segments"),
    system(
        "Linux",
        &[64],
        &["mss,sok,ts,nop,ws", "mss,nop,nop,sok,nop,ws", "mss,nop,nop,ts,nop,ws", "mss,sok,ts", "mss,nop,ws"],
        Window::AtLeast(1000),
        &[],
        "published: 4, 10 or 20 segments in older kernels; options switched off by sysctl change the order",
    ),
    system(
        "Windows",
        &[128],
        &["mss,nop,ws,nop,nop,sok"],
        Window::OneOf(&[8192, 64240, 65535, 65392, 62727]),
        &[0, 2, 3, 7, 8],
        "published: Vista and newer",
    ),
    system(
        "Windows",
        &[128],
        &["mss,nop,ws,nop,nop,sok", "mss,nop,ws,sok,ts", "mss,nop,nop,sok", "mss,nop,ws,nop,nop,ts,nop,nop,sok"],
        Window::AtLeast(8192),
        &[],
        "published: XP, 2003, and newer with time stamps",
    ),
    system(
        "macOS or iOS",
        &[64],
        &["mss,nop,ws,nop,nop,ts,sok,eol+1", "mss,nop,ws,nop,nop,ts,sok,eol+0"],
        Window::OneOf(&[65535]),
        &[3, 4, 5, 6, 7, 8],
        "published",
    ),
    system("FreeBSD", &[64], &["mss,nop,ws,sok,ts"], Window::AtLeast(16_384), &[3, 6, 7, 8, 9], "published: FreeBSD 9 and newer"),
    system("OpenBSD", &[64], &["mss,nop,nop,sok,nop,ws,nop,nop,ts"], Window::OneOf(&[16_384, 16_960, 65_535]), &[3, 4, 5, 6], "published"),
    system(
        "NetBSD",
        &[64],
        &["mss,nop,ws,sok,nop,nop,ts", "mss,nop,ws,nop,nop,ts,sok,nop,nop"],
        Window::OneOf(&[32_768, 65_535]),
        &[0, 3, 4],
        "published",
    ),
    system(
        "Solaris",
        &[64, 255],
        &["sok,ts,mss,nop,ws", "nop,ws,nop,nop,ts,nop,nop,sok,mss", "nop,nop,ts,mss,nop,ws,nop,nop,sok"],
        Window::AtLeast(24_000),
        &[],
        "published",
    ),
    Stack {
        name: "Cisco IOS",
        tool: false,
        ttl: &[255],
        options: &["mss"],
        window: Window::OneOf(&[4128]),
        scale: &[],
        dont_fragment: None,
        known: "published",
    },
];

/// The stack a SYN fits.
pub fn find(syn: &Syn, initial_ttl: u8, order: &str) -> Option<&'static Stack> {
    ALL.iter().find(|stack| stack.fits(syn, initial_ttl, order))
}

impl Stack {
    fn fits(&self, syn: &Syn, initial_ttl: u8, order: &str) -> bool {
        let window = match self.window {
            Window::Any => true,
            Window::OneOf(values) => values.contains(&syn.window),
            Window::AtLeast(least) => syn.window >= least,
            Window::Mss(times) => syn.mss().is_some_and(|mss| u32::from(mss) * u32::from(times) == u32::from(syn.window)),
        };
        window
            && self.ttl.contains(&initial_ttl)
            && self.options.contains(&order)
            && (self.scale.is_empty() || syn.window_scale().is_some_and(|scale| self.scale.contains(&scale)))
            && self.dont_fragment.is_none_or(|df| syn.version == 6 || df == syn.dont_fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_how_it_is_known_and_can_be_reached() {
        for stack in ALL {
            assert!(!stack.known.is_empty() && !stack.ttl.is_empty() && !stack.options.is_empty(), "{stack:?}");
            assert!(stack.ttl.iter().all(|ttl| [32, 64, 128, 255].contains(ttl)), "{stack:?}");
        }
    }
}
