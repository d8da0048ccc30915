//! How the kernel of a decky is set so that its TCP/IP answers look like the family it claims.

use model::OsFamily;

/// Names an operator may write for `nmap_os`.
pub const NAMES: &[&str] = &["linux", "windows", "windows_server", "bsd", "embedded", "cisco"];

/// The family called `name`.
pub fn find(name: &str) -> Option<OsFamily> {
    Some(match name {
        "linux" => OsFamily::Linux,
        "windows" => OsFamily::Windows,
        "windows_server" => OsFamily::WindowsServer,
        "bsd" => OsFamily::Bsd,
        "embedded" => OsFamily::Embedded,
        "cisco" => OsFamily::Cisco,
        _ => return None,
    })
}

/// The configuration's name of `family`.
pub fn name(family: OsFamily) -> &'static str {
    match family {
        OsFamily::Linux => "linux",
        OsFamily::Windows => "windows",
        OsFamily::WindowsServer => "windows_server",
        OsFamily::Bsd => "bsd",
        OsFamily::Embedded => "embedded",
        OsFamily::Cisco => "cisco",
    }
}

/// Settings of one family.
struct Family {
    ttl: u8,
    syn_retries: u8,
    synack_retries: u8,
    timestamps: u8,
    window_scaling: u8,
    sack: u8,
    ecn: u8,
    no_pmtu_disc: u8,
    fin_timeout: u8,
    icmp_ratelimit: u16,
    icmp_ratemask: u16,
}

fn family(os: OsFamily) -> Family {
    let linux = Family {
        ttl: 64,
        syn_retries: 6,
        synack_retries: 5,
        timestamps: 1,
        window_scaling: 1,
        sack: 1,
        ecn: 2,
        no_pmtu_disc: 0,
        fin_timeout: 60,
        icmp_ratelimit: 1000,
        icmp_ratemask: 6168,
    };
    let windows =
        Family { ttl: 128, syn_retries: 2, synack_retries: 2, ecn: 0, fin_timeout: 30, icmp_ratelimit: 0, icmp_ratemask: 0, ..linux };
    let embedded = Family {
        ttl: 255,
        syn_retries: 3,
        synack_retries: 3,
        timestamps: 0,
        window_scaling: 0,
        sack: 0,
        ecn: 0,
        no_pmtu_disc: 1,
        fin_timeout: 15,
        icmp_ratelimit: 0,
        icmp_ratemask: 0,
    };
    match os {
        OsFamily::Linux => linux,
        OsFamily::Windows => windows,
        OsFamily::WindowsServer => Family { ecn: 1, ..windows },
        OsFamily::Bsd => Family { ecn: 0, icmp_ratelimit: 250, ..linux },
        OsFamily::Embedded => embedded,
        OsFamily::Cisco => Family { syn_retries: 2, synack_retries: 2, ..embedded },
    }
}

/// Initial TTL and hop limit of packets from a host of `os`.
pub fn ttl(os: OsFamily) -> u8 {
    family(os).ttl
}

/// What to write, relative to `/proc/sys/net`, in the decky's own namespace.
pub fn sysctls(os: OsFamily) -> Vec<(&'static str, String)> {
    let f = family(os);
    vec![
        ("ipv4/ip_default_ttl", f.ttl.to_string()),
        ("ipv6/conf/all/hop_limit", f.ttl.to_string()),
        ("ipv6/conf/default/hop_limit", f.ttl.to_string()),
        ("ipv4/tcp_syn_retries", f.syn_retries.to_string()),
        ("ipv4/tcp_synack_retries", f.synack_retries.to_string()),
        ("ipv4/tcp_timestamps", f.timestamps.to_string()),
        ("ipv4/tcp_window_scaling", f.window_scaling.to_string()),
        ("ipv4/tcp_sack", f.sack.to_string()),
        ("ipv4/tcp_ecn", f.ecn.to_string()),
        ("ipv4/ip_no_pmtu_disc", f.no_pmtu_disc.to_string()),
        ("ipv4/tcp_fin_timeout", f.fin_timeout.to_string()),
        ("ipv4/icmp_ratelimit", f.icmp_ratelimit.to_string()),
        ("ipv4/icmp_ratemask", f.icmp_ratemask.to_string()),
    ]
}
