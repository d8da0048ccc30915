//! Programs about the network: what is configured, what listens, and reaching out, which fails.
#![expect(clippy::cast_possible_truncation, reason = "seconds given by the visitor become milliseconds by saturation")]

use model::Saw;
use std::{net::IpAddr, time::Duration};

use super::{
    net::{self, Why, address, reach, resolve},
    opts::{parse, text},
};
use crate::shell::{
    Errno,
    fs::{live::Socket, proc as kernel_files},
    proc::Proc,
};

fn see(p: &Proc, url: &str, tool: &str) {
    let url = url.get(..4096).unwrap_or(url);
    p.k.note(Saw::UrlSeen { url: url.into(), tool: tool.into() });
}

fn link_local(mac: &str) -> String {
    let b: Vec<u16> = mac.split(':').filter_map(|x| u16::from_str_radix(x, 16).ok()).collect();
    match b.as_slice() {
        [a, b, c, d, e, f] => {
            let ip = std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f);
            ip.to_string()
        }
        _ => "fe80::1".into(),
    }
}

/// `ip`.
pub(crate) async fn ip(p: &mut Proc) -> i32 {
    let persona = std::sync::Arc::clone(p.fs().persona());
    let nic = p.fs().live.lock().hw.nic;
    let mut words = p.words();
    let brief = words.iter().any(|w| w == "-br" || w == "-brief");
    let six_only = words.iter().any(|w| w == "-6");
    let four_only = words.iter().any(|w| w == "-4");
    words.retain(|w| !w.starts_with('-'));
    let object = words.first().cloned().unwrap_or_default();
    let verb = words.get(1).cloned().unwrap_or_default();
    let is = |full: &str| !object.is_empty() && full.starts_with(&object);
    if object.is_empty() {
        p.err("Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n       ip [ -force ] -batch filename\nwhere  OBJECT := { address | addrlabel | fou | help | ila | ioam | l2tp | link |\n                   macsec | maddress | monitor | mptcp | mroute | mrule |\n                   neighbor | neighbour | netconf | netns | nexthop | ntable |\n                   ntbl | route | rule | sr | tap | tcpmetrics |\n                   token | tunnel | tuntap | vrf | xfrm }\n").await;
        return 255;
    }
    if matches!(verb.as_str(), "add" | "del" | "delete" | "set" | "flush" | "replace" | "change") {
        if p.who.uid != 0 {
            p.err("RTNETLINK answers: Operation not permitted\n").await;
            return 2;
        }
        return 0;
    }
    let wanted = words
        .iter()
        .position(|w| w == "dev")
        .and_then(|n| words.get(n + 1))
        .or_else(|| words.get(2).filter(|w| !matches!(w.as_str(), "dev" | "up")))
        .or_else(|| words.get(1).filter(|w| *w == "lo" || *w == nic))
        .cloned();
    if let Some(w) = &wanted
        && (is("address") || is("link"))
        && w != "lo"
        && w != nic
    {
        p.err(format!("Device \"{w}\" does not exist.\n")).await;
        return 1;
    }
    let show = |n: &str| wanted.as_ref().is_none_or(|w| w == n);
    if is("address") || is("link") {
        let addr = is("address");
        let ll = link_local(&persona.mac);
        if brief {
            if show("lo") {
                p.out(if addr {
                    "lo               UNKNOWN        127.0.0.1/8 ::1/128 \n".to_owned()
                } else {
                    "lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> \n".into()
                });
            }
            if show(nic) {
                let v4 = persona.ipv4.map_or_else(String::new, |ip| format!("{ip}/{} ", persona.ipv4_prefix));
                p.out(if addr {
                    format!("{nic:<16} UP             {v4}{ll}/64 \n")
                } else {
                    format!("{nic:<16} UP             {} <BROADCAST,MULTICAST,UP,LOWER_UP> \n", persona.mac)
                });
            }
            return 0;
        }
        if show("lo") {
            p.out("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN ");
            p.out(if addr { "group default qlen 1000\n" } else { "mode DEFAULT group default qlen 1000\n" });
            if !six_only {
                p.out("    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n");
            }
            if addr {
                if !six_only {
                    p.out("    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n");
                }
                if !four_only {
                    p.out("    inet6 ::1/128 scope host noprefixroute \n       valid_lft forever preferred_lft forever\n");
                }
            }
        }
        if show(nic) {
            p.out(format!(
                "2: {nic}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc {} state UP ",
                if p.fs().live.lock().hw.cores > 1 && p.fs().live.lock().hw.hypervisor.is_none() { "mq" } else { "fq_codel" }
            ));
            p.out(if addr { "group default qlen 1000\n" } else { "mode DEFAULT group default qlen 1000\n" });
            if !six_only {
                p.out(format!("    link/ether {} brd ff:ff:ff:ff:ff:ff\n", persona.mac));
                if let Some(alt) = nic.strip_prefix("ens") {
                    p.out(format!("    altname enp{}s{alt}\n", if alt == "192" { 11 } else { 0 }));
                }
            }
            if addr {
                if let (Some(ip), false) = (persona.ipv4, six_only) {
                    let mask = u32::MAX.checked_shl(32 - u32::from(persona.ipv4_prefix.min(32))).unwrap_or(0);
                    let broadcast = std::net::Ipv4Addr::from(u32::from(ip) | !mask);
                    let fixed = persona.seed[1] & 1 == 0;
                    if fixed {
                        p.out(format!(
                            "    inet {ip}/{} brd {broadcast} scope global {nic}\n       valid_lft forever preferred_lft forever\n",
                            persona.ipv4_prefix
                        ));
                    } else {
                        let left = 86_400 - p.fs().live.lock().uptime().0 % 43_200;
                        p.out(format!("    inet {ip}/{} brd {broadcast} scope global dynamic {nic}\n       valid_lft {left}sec preferred_lft {left}sec\n", persona.ipv4_prefix));
                    }
                }
                if !four_only {
                    for ip in &persona.ipv6 {
                        p.out(format!("    inet6 {ip}/64 scope global \n       valid_lft forever preferred_lft forever\n"));
                    }
                    p.out(format!("    inet6 {ll}/64 scope link \n       valid_lft forever preferred_lft forever\n"));
                }
            }
        }
        return 0;
    }
    if is("route") {
        if verb == "get" {
            let to = words.get(2).cloned().unwrap_or_default();
            let src = persona.ipv4.map_or_else(String::new, |i| i.to_string());
            match (address(&to), persona.gateway) {
                (Some(t), _) if net::is_own(&p.k, t) => p.out(format!("local {t} dev lo src {t} uid {} \n    cache <local> \n", p.who.uid)),
                (Some(t), Some(gw)) => p.out(format!("{t} via {gw} dev {nic} src {src} uid {} \n    cache \n", p.who.uid)),
                _ => {
                    p.err("RTNETLINK answers: Network is unreachable\n").await;
                    return 2;
                }
            }
            return 0;
        }
        if six_only {
            p.out(format!("::1 dev lo proto kernel metric 256 pref medium\nfe80::/64 dev {nic} proto kernel metric 256 pref medium\n"));
            return 0;
        }
        if let Some(gw) = persona.gateway {
            p.out(format!("default via {gw} dev {nic} {}\n", if persona.seed[1] & 1 == 0 { "onlink " } else { "" }));
        }
        if let Some(ip) = persona.ipv4 {
            let mask = u32::MAX.checked_shl(32 - u32::from(persona.ipv4_prefix.min(32))).unwrap_or(0);
            p.out(format!(
                "{}/{} dev {nic} proto kernel scope link src {ip} \n",
                std::net::Ipv4Addr::from(u32::from(ip) & mask),
                persona.ipv4_prefix
            ));
        }
        return 0;
    }
    if is("neighbour") || is("neighbor") {
        let list = kernel_files::neighbours(&p.fs().live.lock());
        for (n, (ip, mac)) in list.into_iter().enumerate() {
            p.out(format!("{ip} dev {nic} lladdr {mac} {}\n", if n == 0 { "STALE" } else { "REACHABLE" }));
        }
        return 0;
    }
    if is("rule") {
        p.out("0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n");
        return 0;
    }
    if is("netns") || is("maddress") || is("tunnel") || is("monitor") {
        return 0;
    }
    p.err(format!("Object \"{object}\" is unknown, try \"ip help\".\n")).await;
    1
}

/// `ifconfig`.
pub(crate) async fn ifconfig(p: &mut Proc) -> i32 {
    let persona = std::sync::Arc::clone(p.fs().persona());
    let (nic, t) = {
        let live = p.fs().live.lock();
        (live.hw.nic, kernel_files::traffic(&live))
    };
    let [rx, rxp, tx, txp] = t;
    let words: Vec<String> = p.words().into_iter().filter(|w| !w.starts_with('-')).collect();
    if let Some(w) = words.first()
        && w != nic
        && w != "lo"
    {
        p.err(format!("{w}: error fetching interface information: Device not found\n")).await;
        return 1;
    }
    if words.len() > 1 {
        if p.who.uid != 0 {
            p.err("SIOCSIFFLAGS: Operation not permitted\n").await;
            return 255;
        }
        return 0;
    }
    let show = |n: &str| words.first().is_none_or(|w| w == n);
    let size = |b: u64| {
        let (mut v, mut u) = (b as f64, 0);
        while v >= 1024.0 && u < 4 {
            v /= 1024.0;
            u += 1;
        }
        format!("{v:.1} {}", ["B", "KiB", "MiB", "GiB", "TiB"].get(u).copied().unwrap_or("TiB"))
    };
    let mask = u32::MAX.checked_shl(32 - u32::from(persona.ipv4_prefix.min(32))).unwrap_or(0);
    if show(nic) {
        p.out(format!("{nic}: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n"));
        if let Some(ip) = persona.ipv4 {
            p.out(format!(
                "        inet {ip}  netmask {}  broadcast {}\n",
                std::net::Ipv4Addr::from(mask),
                std::net::Ipv4Addr::from(u32::from(ip) | !mask)
            ));
        }
        p.out(format!("        inet6 {}  prefixlen 64  scopeid 0x20<link>\n        ether {}  txqueuelen 1000  (Ethernet)\n        RX packets {rxp}  bytes {rx} ({})\n        RX errors 0  dropped 0  overruns 0  frame 0\n        TX packets {txp}  bytes {tx} ({})\n        TX errors 0  dropped 0 overruns 0  carrier 0  collisions 0\n\n", link_local(&persona.mac), persona.mac, size(rx), size(tx)));
    }
    if show("lo") {
        let lo = rx / 190;
        p.out(format!("lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536\n        inet 127.0.0.1  netmask 255.0.0.0\n        inet6 ::1  prefixlen 128  scopeid 0x10<host>\n        loop  txqueuelen 1000  (Local Loopback)\n        RX packets {0}  bytes {lo} ({1})\n        RX errors 0  dropped 0  overruns 0  frame 0\n        TX packets {0}  bytes {lo} ({1})\n        TX errors 0  dropped 0 overruns 0  carrier 0  collisions 0\n\n", lo / 90, size(lo)));
    }
    0
}

/// `route`, `arp`.
pub(crate) async fn route(p: &mut Proc) -> i32 {
    let persona = std::sync::Arc::clone(p.fs().persona());
    let nic = p.fs().live.lock().hw.nic;
    if p.name() == "arp" {
        let list = kernel_files::neighbours(&p.fs().live.lock());
        if p.words().iter().any(|w| w.contains('a')) {
            for (ip, mac) in list {
                p.out(format!("? ({ip}) at {mac} [ether] on {nic}\n"));
            }
        } else {
            p.out("Address                  HWtype  HWaddress           Flags Mask            Iface\n");
            for (ip, mac) in list {
                p.out(format!("{ip:<24} ether   {mac}   C                     {nic}\n"));
            }
        }
        return 0;
    }
    let numeric = p.words().iter().any(|w| w.starts_with('-') && w.contains('n'));
    p.out("Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n");
    if let Some(gw) = persona.gateway {
        let (d, g) = if numeric { ("0.0.0.0".to_owned(), gw.to_string()) } else { ("default".to_owned(), gw.to_string()) };
        p.out(format!("{d:<15} {g:<15} 0.0.0.0         UG    0      0        0 {nic}\n"));
    }
    if let Some(ip) = persona.ipv4 {
        let mask = u32::MAX.checked_shl(32 - u32::from(persona.ipv4_prefix.min(32))).unwrap_or(0);
        p.out(format!(
            "{:<15} 0.0.0.0         {:<15} U     0      0        0 {nic}\n",
            std::net::Ipv4Addr::from(u32::from(ip) & mask).to_string(),
            std::net::Ipv4Addr::from(mask).to_string()
        ));
    }
    0
}

fn service_name(port: u16, proto: &str) -> Option<&'static str> {
    Some(match (port, proto) {
        (21, "tcp") => "ftp",
        (22, "tcp") => "ssh",
        (23, "tcp") => "telnet",
        (25, "tcp") => "smtp",
        (53, _) => "domain",
        (80, "tcp") => "http",
        (110, "tcp") => "pop3",
        (143, "tcp") => "imap2",
        (161, "udp") => "snmp",
        (389, "tcp") => "ldap",
        (443, "tcp") => "https",
        (445, "tcp") => "microsoft-ds",
        (3306, "tcp") => "mysql",
        (5060, _) => "sip",
        (5432, "tcp") => "postgresql",
        (6379, "tcp") => "redis",
        _ => return None,
    })
}

/// `ss`.
pub(crate) async fn ss(p: &mut Proc) -> i32 {
    let words = p.words();
    let mut flags: String =
        words.iter().filter(|w| w.starts_with('-') && !w.starts_with("--")).map(|w| w.trim_start_matches('-')).collect();
    for (long, short) in
        [("--listening", 'l'), ("--tcp", 't'), ("--udp", 'u'), ("--numeric", 'n'), ("--processes", 'p'), ("--all", 'a'), ("--summary", 's')]
    {
        if words.iter().any(|w| w == long) {
            flags.push(short);
        }
    }
    if let Some(bad) = flags.chars().find(|c| !"hVHOnraleompiKsEbZNzt1uwxSdM0T460fABDFQ".contains(*c) && !c.is_ascii_digit()) {
        p.err(format!("ss: invalid option -- '{bad}'\nUsage: ss [ OPTIONS ]\n       ss [ OPTIONS ] [ FILTER ]\n")).await;
        return 255;
    }
    let sockets: Vec<Socket> = p.fs().live.lock().sockets.clone();
    if flags.contains('s') {
        p.out(format!("Total: 131\nTCP:   {} (estab {}, closed 0, orphaned 0, timewait 0)\n\nTransport Total     IP        IPv6\nRAW\t  1         0         1        \nUDP\t  2         1         1        \nTCP\t  {0}         {0}         0        \nINET\t  5         4         1        \nFRAG\t  0         0         0        \n\n", sockets.len(), sockets.iter().filter(|s| s.peer.is_some()).count()));
        return 0;
    }
    let (tcp, udp) = (flags.contains('t'), flags.contains('u'));
    let both = !(tcp || udp || flags.contains('x') || flags.contains('w'));
    let (listen, all) = (flags.contains('l'), flags.contains('a'));
    let names = flags.contains('p');
    let numeric = flags.contains('n');
    let root = p.who.uid == 0;
    let mut rows = Vec::new();
    for s in &sockets {
        if !(both || (s.proto == "tcp" && tcp) || (s.proto == "udp" && udp)) {
            continue;
        }
        let listening = s.peer.is_none();
        if !all && listening != listen {
            continue;
        }
        let port = |n: u16| if numeric { n.to_string() } else { service_name(n, s.proto).map_or_else(|| n.to_string(), str::to_owned) };
        let state = if !listening {
            "ESTAB"
        } else if s.proto == "udp" {
            "UNCONN"
        } else {
            "LISTEN"
        };
        let local = format!("{}:{}", if s.v6 && s.peer.is_some() { format!("[{}]", s.addr) } else { s.addr.clone() }, port(s.port));
        let peer = match s.peer {
            Some(a) => match a.ip() {
                IpAddr::V6(v) => format!("[{v}]:{}", port(a.port())),
                IpAddr::V4(v) => format!("{v}:{}", port(a.port())),
            },
            None if s.addr == "*" => "*:*".into(),
            None if s.v6 => "[::]:*".into(),
            None => "0.0.0.0:*".into(),
        };
        let process = if names && root { format!("users:((\"{}\",pid={},fd={}))", s.name, s.pid, s.fd) } else { String::new() };
        rows.push((s.proto, state, 0, if listening { s.backlog } else { 0 }, local, peer, process));
    }
    let with_id = both || (tcp && udp);
    let w_local = rows.iter().map(|r| r.4.rfind(':').unwrap_or(0)).max().unwrap_or(0).max(13);
    let w_peer = rows.iter().map(|r| r.5.rfind(':').unwrap_or(0)).max().unwrap_or(0).max(12);
    let w_lp = rows.iter().map(|r| r.4.len() - r.4.rfind(':').unwrap_or(0) - 1).max().unwrap_or(0).max(4);
    let w_pp = rows.iter().map(|r| r.5.len() - r.5.rfind(':').unwrap_or(0) - 1).max().unwrap_or(0).max(4);
    if !flags.contains('H') {
        let id = if with_id { "Netid " } else { "" };
        p.out(format!(
            "{id}{:<6} {:<6} {:<6} {:>wl$}:{:<wlp$} {:>wp$}:{:<wpp$}{}\n",
            "State",
            "Recv-Q",
            "Send-Q",
            "Local Address",
            "Port",
            "Peer Address",
            "Port",
            if names { "Process" } else { "" },
            wl = w_local,
            wlp = w_lp,
            wp = w_peer,
            wpp = w_pp
        ));
    }
    for (proto, state, rq, sq, local, peer, process) in rows {
        let (la, lp) = local.rsplit_once(':').unwrap_or((&local, ""));
        let (pa, pp) = peer.rsplit_once(':').unwrap_or((&peer, ""));
        let id = if with_id { format!("{proto:<5} ") } else { String::new() };
        p.out(format!("{id}{state:<6} {rq:<6} {sq:<6} {la:>w_local$}:{lp:<w_lp$} {pa:>w_peer$}:{pp:<w_pp$}{process}\n"));
    }
    0
}

/// `netstat`.
pub(crate) async fn netstat(p: &mut Proc) -> i32 {
    let words = p.words();
    let mut flags: String =
        words.iter().filter(|w| w.starts_with('-') && !w.starts_with("--")).map(|w| w.trim_start_matches('-')).collect();
    for (long, short) in [
        ("--listening", 'l'),
        ("--tcp", 't'),
        ("--udp", 'u'),
        ("--numeric", 'n'),
        ("--programs", 'p'),
        ("--all", 'a'),
        ("--route", 'r'),
        ("--interfaces", 'i'),
    ] {
        if words.iter().any(|w| w == long) {
            flags.push(short);
        }
    }
    if flags.contains('r') {
        p.args = vec![b"route".to_vec(), b"-n".to_vec()];
        let mut out = Box::pin(route(p));
        let status = (&mut out).await;
        return status;
    }
    if flags.contains('i') {
        let (nic, [rx, rxp, tx, txp]) = {
            let live = p.fs().live.lock();
            (live.hw.nic, kernel_files::traffic(&live))
        };
        let _ = (rx, tx);
        p.out(format!("Kernel Interface table\nIface      MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n{nic:<8}  1500 {rxp:>8}      0      0 0      {txp:>8}      0      0      0 BMRU\nlo       65536 {0:>8}      0      0 0      {0:>8}      0      0      0 LRU\n", rxp / 60));
        return 0;
    }
    let sockets: Vec<Socket> = p.fs().live.lock().sockets.clone();
    let (tcp, udp, listen, all) = (flags.contains('t'), flags.contains('u'), flags.contains('l'), flags.contains('a'));
    let names = flags.contains('p');
    let numeric = flags.contains('n');
    let root = p.who.uid == 0;
    if names && !root {
        p.err("(Not all processes could be identified, non-owned process info\n will not be shown, you would have to be root to see it all.)\n").await;
    }
    let kind = if listen {
        "(only servers)"
    } else if all {
        "(servers and established)"
    } else {
        "(w/o servers)"
    };
    p.out(format!(
        "Active Internet connections {kind}\nProto Recv-Q Send-Q Local Address           Foreign Address         State       {}\n",
        if names { "PID/Program name    " } else { "" }
    ));
    let mut list: Vec<&Socket> = sockets
        .iter()
        .filter(|s| (tcp == udp) || (s.proto == "tcp" && tcp) || (s.proto == "udp" && udp))
        .filter(|s| all || (s.peer.is_none() == listen))
        .collect();
    list.sort_by_key(|s| (s.proto, s.v6));
    for s in list {
        let port = |n: u16| if numeric { n.to_string() } else { service_name(n, s.proto).map_or_else(|| n.to_string(), str::to_owned) };
        let addr = match s.addr.as_str() {
            "*" | "[::]" => "::".to_owned(),
            a => a.split('%').next().unwrap_or(a).to_owned(),
        };
        let peer = match s.peer {
            Some(a) => format!("{}:{}", a.ip(), a.port()),
            None if s.v6 => ":::*".into(),
            None => "0.0.0.0:*".into(),
        };
        let state = if s.peer.is_some() {
            "ESTABLISHED"
        } else if s.proto == "tcp" {
            "LISTEN"
        } else {
            ""
        };
        let proto = format!("{}{}", s.proto, if s.v6 { "6" } else { "" });
        let process = if !names {
            String::new()
        } else if root {
            format!("{:<20}", format!("{}/{}", s.pid, s.name.chars().take(17).collect::<String>()))
        } else {
            format!("{:<20}", "-")
        };
        p.out(format!("{proto:<5} {:>6} {:>6} {:<23} {peer:<23} {state:<11} {process}\n", 0, 0, format!("{addr}:{}", port(s.port))));
    }
    0
}

/// Host, port and path of a URL.
fn parts(url: &str, default: u16) -> (String, u16, String) {
    let rest = url.split_once("://").map_or(url, |(_, r)| r);
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => (rest.get(..at).unwrap_or(rest), rest.get(at..).unwrap_or("/")),
        None => (rest, "/"),
    };
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = match host.rsplit_once(':') {
        Some((h, n)) if !h.ends_with(':') && n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty() => (h, n.parse().unwrap_or(default)),
        _ => (host, default),
    };
    (host.to_owned(), port, path.to_owned())
}

/// `wget`.
pub(crate) async fn wget(p: &mut Proc) -> i32 {
    let busybox = p.fs().program(&p.who, b"/usr/bin/wget").ok().flatten().as_deref() == Some("busybox");
    let o = match parse(
        p,
        "bcqvVdo:a:e:i:B:t:O:T:w:Q:P:U:rl:kpHnsSNhx",
        &[
            ("output-document", 'O', 1),
            ("quiet", 'q', 0),
            ("no-check-certificate", '1', 0),
            ("tries", 't', 1),
            ("timeout", 'T', 1),
            ("user-agent", 'U', 1),
            ("continue", 'c', 0),
            ("no-verbose", '2', 0),
            ("post-data", '3', 1),
            ("header", '4', 1),
            ("directory-prefix", 'P', 1),
            ("background", 'b', 0),
            ("recursive", 'r', 0),
            ("spider", '5', 0),
            ("connect-timeout", '6', 1),
            ("dns-timeout", '7', 1),
            ("read-timeout", '8', 1),
            ("user", '9', 1),
            ("password", '0', 1),
            ("mirror", 'm', 0),
            ("no-parent", '!', 0),
            ("show-progress", '@', 0),
            ("method", '#', 1),
            ("output-file", 'o', 1),
            ("input-file", 'i', 1),
            ("no-cache", '$', 0),
            ("inet4-only", '%', 0),
        ],
        2,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        p.err("wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n").await;
        return 1;
    }
    let quiet = o.has('q');
    let tries: u32 = o.text('t').and_then(|t| t.parse().ok()).unwrap_or(20);
    let seconds: Option<f64> = o.text('T').or_else(|| o.text('6')).and_then(|t| t.parse().ok());
    let mut status = 0;
    for raw in &o.rest {
        let given = text(raw);
        see(p, &given, "wget");
        let https = given.starts_with("https://");
        let ftp = given.starts_with("ftp://");
        let url = if given.contains("://") { given.clone() } else { format!("http://{given}") };
        let (host, port, path) = parts(
            &url,
            if https {
                443
            } else if ftp {
                21
            } else {
                80
            },
        );
        let shown = if url.split("://").nth(1).is_some_and(|r| !r.contains('/')) { format!("{url}/") } else { url.clone() };
        if busybox {
            let status_now = match resolve(&p.k, &host) {
                None => {
                    let wait = net::name_wait(&p.k);
                    p.k.sleep(wait).await;
                    p.err(format!("wget: bad address '{host}'\n")).await;
                    1
                }
                Some(ip) => {
                    if !quiet {
                        p.err(format!("Connecting to {host} ({ip}:{port})\n")).await;
                    }
                    let why = reach(&p.k, &host).await;
                    p.err(format!(
                        "wget: can't connect to remote host ({ip}): {}\n",
                        why.errno().text().replace("Connection timed out", "Operation timed out")
                    ))
                    .await;
                    1
                }
            };
            return status_now;
        }
        let now = |p: &Proc| crate::shell::interp::run::local(&p.k, "%Y-%m-%d %H:%M:%S");
        if !quiet {
            let stamp = now(p);
            p.err(format!("--{stamp}--  {shown}\n")).await;
            if ftp {
                let base = path.rsplit('/').next().unwrap_or("").to_owned();
                p.err(format!("           => ‘{}’\n", if base.is_empty() { ".listing".into() } else { base }).replace(['‘', '’'], "'"))
                    .await;
            }
        }
        let numeric = address(&host).is_some();
        if !numeric {
            if !quiet {
                p.err(format!("Resolving {host} ({host})... ")).await;
            }
            match resolve(&p.k, &host) {
                None => {
                    let wait = net::name_wait(&p.k);
                    p.k.sleep(wait).await;
                    if !quiet {
                        p.err("failed: Temporary failure in name resolution.\n").await;
                        p.err(format!("wget: unable to resolve host address '{host}'\n")).await;
                    }
                    status = 4;
                    continue;
                }
                Some(ip) => {
                    if !quiet {
                        p.err(format!("{ip}\n")).await;
                    }
                }
            }
        }
        let ip = resolve(&p.k, &host);
        let target = match ip {
            Some(ip) if numeric => format!("{ip}:{port}"),
            Some(ip) => format!("{host} ({host})|{ip}|:{port}"),
            None => host.clone(),
        };
        let mut attempt = 1;
        loop {
            if !quiet {
                p.err(format!("Connecting to {target}... ")).await;
            }
            let fate = ip.map_or(Why::Name, |ip| if net::is_own(&p.k, ip) { Why::Refused } else { net::fate(&p.k, ip) });
            if fate == Why::TimedOut {
                let wait = seconds.filter(|s| *s > 0.0).map_or_else(
                    || Duration::from_millis(129_500 + u64::from(p.k.random_u32() % 2500)),
                    |s| Duration::from_secs_f64(s.min(900.0)),
                );
                p.k.sleep(wait).await;
            }
            if !quiet {
                p.err(format!("failed: {}.\n", fate.errno())).await;
            }
            if fate != Why::TimedOut || attempt >= tries {
                if fate == Why::TimedOut && !quiet {
                    p.err("Giving up.\n\n").await;
                }
                break;
            }
            if !quiet {
                p.err("Retrying.\n\n").await;
            }
            p.k.sleep(Duration::from_secs(u64::from(attempt.min(10)))).await;
            attempt += 1;
            if !quiet {
                let stamp = now(p);
                p.err(format!("--{stamp}--  (try:{attempt:>2})  {shown}\n")).await;
            }
        }
        status = 4;
    }
    status
}

/// `curl`.
pub(crate) async fn curl(p: &mut Proc) -> i32 {
    let words = p.words();
    let mut urls = Vec::new();
    let (mut silent, mut show_error, mut timeout, mut verbose) = (false, false, None, false);
    let mut it = words.into_iter();
    let mut version = false;
    while let Some(w) = it.next() {
        if let Some(long) = w.strip_prefix("--") {
            match long {
                "silent" => silent = true,
                "show-error" => show_error = true,
                "verbose" => verbose = true,
                "version" => version = true,
                "connect-timeout" | "max-time" => timeout = it.next().and_then(|v| v.parse::<f64>().ok()),
                "url" => urls.extend(it.next()),
                "output" | "data" | "header" | "user-agent" | "request" | "user" | "proxy" | "retry" | "data-binary" | "data-raw"
                | "form" | "cookie" | "referer" | "upload-file" | "resolve" | "cacert" | "interface" | "data-urlencode" | "max-redirs"
                | "retry-delay" | "socks5" | "limit-rate" | "write-out" | "dump-header" | "cookie-jar" | "config" | "key" | "cert" => {
                    it.next();
                }
                "insecure" | "location" | "fail" | "head" | "include" | "get" | "compressed" | "progress-bar" | "remote-name" | "ipv4"
                | "ipv6" | "http1.1" | "http2" | "globoff" | "no-progress-meter" | "remote-time" | "create-dirs" | "path-as-is"
                | "tlsv1.2" | "ssl" | "anyauth" | "basic" | "digest" | "raw" | "tr-encoding" | "remote-header-name" => {}
                "help" => {
                    p.out("Usage: curl [options...] <url>\n -d, --data <data>          HTTP POST data\n -f, --fail                 Fail fast with no output on HTTP errors\n -h, --help <category>      Get help for commands\n -i, --include              Include protocol response headers in the output\n -o, --output <file>        Write to file instead of stdout\n -O, --remote-name          Write output to a file named as the remote file\n -s, --silent               Silent mode\n -T, --upload-file <file>   Transfer local FILE to destination\n -u, --user <user:password> Server user and password\n -A, --user-agent <name>    Send User-Agent <name> to server\n -v, --verbose              Make the operation more talkative\n -V, --version              Show version number and quit\n\nThis is not the full help, this menu is stripped into categories.\nUse \"--help category\" to get an overview of all categories.\nFor all options use the manual or \"--help all\".\n");
                    return 0;
                }
                _ => {
                    p.err(format!("curl: option --{long}: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n"))
                        .await;
                    return 2;
                }
            }
            continue;
        }
        if let Some(flags) = w.strip_prefix('-').filter(|f| !f.is_empty()) {
            for (at, c) in flags.char_indices() {
                if "oAdHXuxTFebmrCEKQtUwYyzcDP".contains(c) {
                    let rest = flags.get(at + 1..).unwrap_or_default();
                    let value = if rest.is_empty() { it.next() } else { Some(rest.to_owned()) };
                    if c == 'm' {
                        timeout = value.and_then(|v| v.parse::<f64>().ok());
                    }
                    break;
                }
                match c {
                    's' => silent = true,
                    'S' => show_error = true,
                    'v' => verbose = true,
                    'V' => version = true,
                    'k' | 'L' | 'f' | 'I' | 'i' | 'G' | '#' | 'O' | '4' | '6' | 'g' | 'J' | 'R' | 'n' | 'N' | 'q' | 'j' | 'l' | 'a'
                    | 'B' | 'p' | '0' | '1' | '2' | '3' | 'Z' => {}
                    _ => {
                        p.err(format!("curl: option -{c}: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n"))
                            .await;
                        return 2;
                    }
                }
            }
            continue;
        }
        urls.push(w);
    }
    if version {
        p.out("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.15 zlib/1.2.13 brotli/1.0.9 zstd/1.5.4 libidn2/2.3.3 libpsl/0.21.2 (+libidn2/2.3.3) libssh2/1.10.0 nghttp2/1.52.0 librtmp/2.3 OpenLDAP/2.5.13\nRelease-Date: 2023-02-20, security patched: 7.88.1-10+deb12u8\nProtocols: dict file ftp ftps gopher gophers http https imap imaps ldap ldaps mqtt pop3 pop3s rtmp rtsp scp sftp smb smbs smtp smtps telnet tftp\nFeatures: alt-svc AsynchDNS brotli GSS-API HSTS HTTP2 HTTPS-proxy IDN IPv6 Kerberos Largefile libz NTLM NTLM_WB PSL SPNEGO SSL threadsafe TLS-SRP UnixSockets zstd\n");
        return 0;
    }
    if urls.is_empty() {
        p.err("curl: try 'curl --help' or 'curl --manual' for more information\n").await;
        return 2;
    }
    let mut status = 0;
    for url in urls {
        see(p, &url, "curl");
        if let Some(path) = url.strip_prefix("file://") {
            match p.slurp(path.as_bytes()).await {
                Ok(b) => p.out(&b[..]),
                Err(_) => {
                    p.err(format!("curl: (37) Couldn't open file {path}\n")).await;
                    status = 37;
                }
            }
            continue;
        }
        if let Some((scheme, _)) = url.split_once("://")
            && !matches!(
                scheme.to_ascii_lowercase().as_str(),
                "http"
                    | "https"
                    | "ftp"
                    | "ftps"
                    | "tftp"
                    | "telnet"
                    | "scp"
                    | "sftp"
                    | "gopher"
                    | "dict"
                    | "ldap"
                    | "smb"
                    | "smtp"
                    | "imap"
                    | "pop3"
                    | "rtsp"
                    | "mqtt"
            )
        {
            p.err(format!("curl: (1) Protocol \"{scheme}\" not supported or disabled in libcurl\n")).await;
            status = 1;
            continue;
        }
        let default = match url.split("://").next() {
            Some("https") => 443,
            Some("ftp") => 21,
            Some("tftp") => 69,
            Some("telnet") => 23,
            _ => 80,
        };
        let (host, port, _) = parts(&url, default);
        if host.is_empty() {
            p.err("curl: (3) URL using bad/illegal format or missing URL\n").await;
            status = 3;
            continue;
        }
        let loud = !silent || show_error;
        let began = p.k.now();
        let line = match resolve(&p.k, &host) {
            None => {
                let wait = net::name_wait(&p.k);
                let cut = timeout.filter(|t| *t > 0.0 && Duration::from_secs_f64(t.min(900.0)) < wait);
                if let Some(t) = cut {
                    p.k.sleep(Duration::from_secs_f64(t)).await;
                    status = 28;
                    format!("curl: (28) Resolving timed out after {} milliseconds", (t * 1000.0) as u64 + u64::from(p.k.random_u32() % 4))
                } else {
                    p.k.sleep(wait).await;
                    status = 6;
                    format!("curl: (6) Could not resolve host: {host}")
                }
            }
            Some(ip) => {
                if verbose {
                    p.err(format!("*   Trying {}:{port}...\n", if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() })).await;
                }
                let fate = if net::is_own(&p.k, ip) { Why::Refused } else { net::fate(&p.k, ip) };
                match (fate, timeout.filter(|t| *t > 0.0)) {
                    (Why::TimedOut, Some(t)) if t < 130.0 => {
                        p.k.sleep(Duration::from_secs_f64(t)).await;
                        status = 28;
                        let ms = (t * 1000.0) as u64 + u64::from(p.k.random_u32() % 4);
                        format!("curl: (28) Failed to connect to {host} port {port} after {ms} ms: Timeout was reached")
                            .replace("Failed to connect", "Connection timeout")
                            .replace("Connection timeout to", "Failed to connect to")
                    }
                    (Why::TimedOut, _) => {
                        p.k.sleep(Duration::from_millis(129_600 + u64::from(p.k.random_u32() % 2600))).await;
                        status = 28;
                        let ms = p.k.now().since(began).as_millis();
                        format!("curl: (28) Failed to connect to {host} port {port} after {ms} ms: Couldn't connect to server")
                    }
                    _ => {
                        status = 7;
                        format!(
                            "curl: (7) Failed to connect to {host} port {port} after {} ms: Couldn't connect to server",
                            p.k.random_u32() % 3
                        )
                    }
                }
            }
        };
        if !silent
            && (p.fds.get(&1).is_some_and(|f| !f.is_tty(&p.k)) || p.args.iter().any(|a| a == b"-o" || a == b"-O" || a == b"-LO"))
            && p.tty(2)
        {
            p.err("  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\n").await;
        }
        if loud {
            p.err(format!("{line}\n")).await;
        }
    }
    status
}

/// `tftp`, `ftpget`, `ftp`, `nc`, `telnet`, `ssh`, `scp`, `sftp`, `rsync`.
pub(crate) async fn connect(p: &mut Proc) -> i32 {
    let name = p.name();
    let words = p.words();
    let plain: Vec<String> = {
        let mut out = Vec::new();
        let mut it = words.iter();
        while let Some(w) = it.next() {
            let takes = match name.as_str() {
                "ssh" | "scp" | "sftp" => w.len() == 2 && "-p-i-l-o-P-F-D-L-R-b-c-E-e-J-m-S-W-w".contains(w.as_str()) && w.starts_with('-'),
                "tftp" => matches!(w.as_str(), "-l" | "-r" | "-b" | "-m"),
                "ftpget" | "ftpput" => matches!(w.as_str(), "-u" | "-p" | "-P"),
                "nc" | "netcat" | "nc.traditional" => {
                    matches!(w.as_str(), "-p" | "-w" | "-s" | "-e" | "-c" | "-q" | "-i" | "-g" | "-G" | "-o")
                }
                _ => false,
            };
            if takes {
                it.next();
            } else if !w.starts_with('-') {
                out.push(w.clone());
            }
        }
        out
    };
    match name.as_str() {
        "ssh" => {
            let Some(target) = plain.first() else {
                p.err("usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface]\n           [-b bind_address] [-c cipher_spec] [-D [bind_address:]port]\n           [-E log_file] [-e escape_char] [-F configfile] [-I pkcs11]\n           [-i identity_file] [-J [user@]host[:port]] [-L address]\n           [-l login_name] [-m mac_spec] [-O ctl_cmd] [-o option] [-p port]\n           [-Q query_option] [-R address] [-S ctl_path] [-W host:port]\n           [-w local_tun[:remote_tun]] destination [command [argument ...]]\n").await;
                return if words.iter().any(|w| w == "-V") { 0 } else { 255 };
            };
            let host = target.rsplit('@').next().unwrap_or(target).to_owned();
            let port = words.iter().position(|w| w == "-p").and_then(|n| words.get(n + 1)).cloned().unwrap_or_else(|| "22".into());
            see(p, &format!("ssh://{target}:{port}"), "ssh");
            let why = reach(&p.k, &host).await;
            let line = match why {
                Why::Name => format!("ssh: Could not resolve hostname {host}: Temporary failure in name resolution\n"),
                other => format!("ssh: connect to host {host} port {port}: {}\n", other.errno()),
            };
            p.err(line).await;
            255
        }
        "scp" | "sftp" | "rsync" => {
            let Some(target) = plain.iter().find(|w| w.contains(':') || (name == "sftp")).cloned() else {
                if name == "scp" && plain.len() < 2 {
                    p.err("usage: scp [-346ABCOpqRrsTv] [-c cipher] [-D sftp_server_path] [-F ssh_config]\n           [-i identity_file] [-J destination] [-l limit] [-o ssh_option]\n           [-P port] [-S program] [-X sftp_option] source ... target\n").await;
                    return 1;
                }
                return 1;
            };
            let host = target.split(':').next().unwrap_or_default().rsplit('@').next().unwrap_or_default().to_owned();
            see(p, &format!("{name}://{target}"), &name);
            let why = reach(&p.k, &host).await;
            let line = match why {
                Why::Name => format!("ssh: Could not resolve hostname {host}: Temporary failure in name resolution\n"),
                other => format!("ssh: connect to host {host} port 22: {}\n", other.errno()),
            };
            p.err(line).await;
            p.err(if name == "rsync" { "rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]\nrsync error: unexplained error (code 255) at io.c(228) [Receiver=3.2.7]\n" } else if name == "sftp" { "Connection closed.  \nConnection closed\n" } else { "scp: Connection closed\n" }).await;
            255
        }
        "tftp" => {
            let host = plain.first().cloned();
            let file = words
                .iter()
                .position(|w| w == "-r")
                .and_then(|n| words.get(n + 1))
                .cloned()
                .or_else(|| words.iter().position(|w| w == "get").and_then(|n| words.get(n + 1)).cloned())
                .unwrap_or_default();
            let Some(host) = host else {
                p.err("BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary.\n\nUsage: tftp [OPTIONS] HOST [PORT]\n\nTransfer a file from/to tftp server\n").await;
                return 1;
            };
            see(p, &format!("tftp://{host}/{file}"), "tftp");
            if resolve(&p.k, &host).is_none() {
                let wait = net::name_wait(&p.k);
                p.k.sleep(wait).await;
                p.err(format!("tftp: bad address '{host}'\n")).await;
                return 1;
            }
            p.k.sleep(Duration::from_millis(23_200)).await;
            p.err("tftp: timeout\n").await;
            1
        }
        "ftpget" | "ftpput" => {
            let (Some(host), file) = (plain.first().cloned(), plain.last().cloned().unwrap_or_default()) else {
                p.err(format!("BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary.\n\nUsage: {name} [OPTIONS] HOST [LOCAL_FILE] REMOTE_FILE\n\nDownload a file via FTP\n")).await;
                return 1;
            };
            see(p, &format!("ftp://{host}/{file}"), &name);
            let why = reach(&p.k, &host).await;
            let line = match (why, resolve(&p.k, &host)) {
                (Why::Name, _) | (_, None) => format!("{name}: bad address '{host}'\n"),
                (w, Some(ip)) => format!("{name}: can't connect to remote host ({ip}): {}\n", w.errno()),
            };
            p.err(line).await;
            1
        }
        "telnet" | "inetutils-telnet" | "ftp" => {
            let Some(host) = plain.first().cloned() else {
                return prompt(p, if name == "ftp" { "ftp> " } else { "telnet> " }).await;
            };
            see(
                p,
                &format!(
                    "{}://{host}:{}",
                    if name == "ftp" { "ftp" } else { "telnet" },
                    plain.get(1).map_or(if name == "ftp" { "21" } else { "23" }, String::as_str)
                ),
                &name,
            );
            if let Some(ip) = resolve(&p.k, &host) {
                p.out(format!("Trying {ip}...\n"));
                let _ = p.flush().await;
            }
            let why = reach(&p.k, &host).await;
            let line = match why {
                Why::Name => format!("telnet: could not resolve {host}/telnet: Temporary failure in name resolution\n"),
                w => format!("telnet: Unable to connect to remote host: {}\n", w.errno()),
            };
            p.err(line).await;
            1
        }
        _ => {
            // nc
            let listen = words.iter().any(|w| w.starts_with('-') && w.contains('l') && !w.starts_with("--"));
            if listen {
                p.k.sleep(Duration::from_secs(86_400)).await;
                return 1;
            }
            let Some(host) = plain.first().cloned() else {
                if p.tty(0) {
                    p.err("Cmd line: ").await;
                    p.line().await;
                }
                p.err("no destination\n").await;
                return 1;
            };
            let port = plain.get(1).cloned().unwrap_or_default();
            if port.is_empty() {
                p.err("no port[s] to connect to\n").await;
                return 1;
            }
            see(p, &format!("tcp://{host}:{port}"), "nc");
            let wait = words.iter().position(|w| w == "-w").and_then(|n| words.get(n + 1)).and_then(|s| s.parse::<u64>().ok());
            let verbose = words.iter().any(|w| w.starts_with('-') && w.contains('v'));
            match resolve(&p.k, &host) {
                None => {
                    let t = net::name_wait(&p.k);
                    p.k.sleep(t).await;
                    p.err(format!("{host}: forward host lookup failed: Host name lookup failure : Resource temporarily unavailable\n"))
                        .await;
                }
                Some(ip) => {
                    let fate = if net::is_own(&p.k, ip) { Why::Refused } else { net::fate(&p.k, ip) };
                    if fate == Why::TimedOut {
                        p.k.sleep(Duration::from_secs(wait.unwrap_or(130).min(131))).await;
                    }
                    if verbose || wait.is_none() {
                        p.err(format!(
                            "(UNKNOWN) [{ip}] {port} (?) : {}\n",
                            if fate == Why::TimedOut && wait.is_some() { Errno::ETIMEDOUT } else { fate.errno() }
                        ))
                        .await;
                    }
                }
            }
            1
        }
    }
}

async fn prompt(p: &mut Proc, mark: &str) -> i32 {
    loop {
        p.out(mark);
        if p.flush().await.is_err() {
            return 141;
        }
        let Some(line) = p.line().await else { return 0 };
        let line = text(&line);
        match line.trim() {
            "" => {}
            "quit" | "q" | "exit" | "bye" => return 0,
            l if l.starts_with("open") => {
                let host = l.split_whitespace().nth(1).unwrap_or_default().to_owned();
                see(p, &format!("tcp://{host}"), "telnet");
                let why = reach(&p.k, &host).await;
                p.err(format!("{}\n", why.errno())).await;
            }
            _ => p.out("?Invalid command\n"),
        }
    }
}

/// `ping`.
pub(crate) async fn ping(p: &mut Proc) -> i32 {
    let o = match parse(p, "aAbBc:dDfhi:I:l:Lm:M:nOp:qrRs:S:t:T:UvVw:W:46", &[("count", 'c', 1)], 2).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let Some(host) = o.rest.last().map(|h| text(h)) else {
        p.err("ping: usage error: Destination address required\n").await;
        return 1;
    };
    let Some(ip) = resolve(&p.k, &host) else {
        let wait = net::name_wait(&p.k);
        p.k.sleep(wait).await;
        p.err(format!("ping: {host}: Temporary failure in name resolution\n")).await;
        return 2;
    };
    let count = o.text('c').and_then(|c| c.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let gap = o.text('i').and_then(|c| c.parse::<f64>().ok()).unwrap_or(1.0).clamp(0.2, 3600.0);
    let size: u64 = o.text('s').and_then(|c| c.parse().ok()).unwrap_or(56);
    let deadline = o.text('w').and_then(|c| c.parse::<u64>().ok());
    let own = net::is_own(&p.k, ip);
    let persona = std::sync::Arc::clone(p.fs().persona());
    let peer = p.fs().live.lock().peer.ip();
    let near = own || persona.gateway.is_some_and(|g| IpAddr::V4(g) == ip) || peer == ip;
    p.out(format!("PING {host} ({ip}) {size}({}) bytes of data.\n", size + 28));
    let began = p.k.now();
    let (mut sent, mut got) = (0u64, 0u64);
    let mut times: Vec<f64> = Vec::new();
    let k = std::sync::Arc::clone(&p.k);
    while sent < count && sent < 100_000 {
        sent += 1;
        if near {
            got += 1;
            let r = f64::from(k.random_u32() % 1000) / 1000.0;
            let ms = if own { 0.02 + r * 0.04 } else { 0.25 + r * 0.4 };
            times.push(ms);
            if !o.has('q') {
                p.out(format!(
                    "{} bytes from {ip}: icmp_seq={sent} ttl=64 time={} ms\n",
                    size + 8,
                    if ms < 1.0 { format!("{ms:.3}") } else { format!("{ms:.2}") }
                ));
            }
        }
        if p.flush().await.is_err() {
            return 141;
        }
        if sent < count {
            k.sleep(Duration::from_secs_f64(gap)).await;
        } else if !near {
            k.sleep(Duration::from_secs(10)).await;
        }
        if deadline.is_some_and(|d| k.now().since(began).as_secs() >= d) {
            break;
        }
    }
    let total = k.now().since(began).as_millis();
    let loss = ((sent - got) * 100).checked_div(sent).unwrap_or(0);
    p.out(format!("\n--- {host} ping statistics ---\n{sent} packets transmitted, {got} received, {loss}% packet loss, time {total}ms\n"));
    if let (Some(min), Some(max)) = (times.iter().copied().reduce(f64::min), times.iter().copied().reduce(f64::max)) {
        let avg = times.iter().sum::<f64>() / times.len() as f64;
        let dev = (times.iter().map(|t| (t - avg).powi(2)).sum::<f64>() / times.len() as f64).sqrt();
        p.out(format!("rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{dev:.3} ms\n"));
    } else {
        p.out("\n");
    }
    i32::from(got == 0)
}

/// `nslookup`, `dig`, `host`, `traceroute`.
pub(crate) async fn lookup(p: &mut Proc) -> i32 {
    let name = p.name();
    let words: Vec<String> = p.words().into_iter().filter(|w| !w.starts_with('-') && !w.starts_with('+')).collect();
    let server = p.fs().persona().gateway.map_or_else(|| "192.168.1.1".to_owned(), |g| g.to_string());
    let server = words.iter().find_map(|w| w.strip_prefix('@')).map_or(server, str::to_owned);
    let host = words.iter().find(|w| !w.starts_with('@')).cloned().unwrap_or_default();
    match name.as_str() {
        "traceroute" | "tracepath" | "traceroute.db" => {
            let Some(ip) = resolve(&p.k, &host) else {
                let t = net::name_wait(&p.k);
                p.k.sleep(t).await;
                p.err(format!(
                    "{host}: Temporary failure in name resolution\nCannot handle \"host\" cmdline arg `{host}' on position 1 (argc 1)\n"
                ))
                .await;
                return 2;
            };
            p.out(format!("traceroute to {host} ({ip}), 30 hops max, 60 byte packets\n"));
            for hop in 1..=30 {
                if hop == 1
                    && let Some(gw) = p.fs().persona().gateway
                {
                    p.out(format!(" 1  {gw} ({gw})  0.412 ms  0.377 ms  0.36{} ms\n", p.k.random_u32() % 10));
                } else {
                    p.k.sleep(Duration::from_millis(1700)).await;
                    p.out(format!("{hop:>2}  * * *\n"));
                }
                if p.flush().await.is_err() {
                    return 141;
                }
            }
            0
        }
        "dig" => {
            p.k.sleep(Duration::from_secs(15)).await;
            p.out(format!("\n; <<>> DiG 9.18.28-1~deb12u2-Debian <<>> {}\n;; global options: +cmd\n;; no servers could be reached\n\n", p.words().join(" ")).replacen("\n;; global", &format!("\n;; communications error to {server}#53: timed out\n;; communications error to {server}#53: timed out\n;; communications error to {server}#53: timed out\n;; global"), 0));
            9
        }
        "host" => {
            p.k.sleep(Duration::from_secs(10)).await;
            p.out(format!(";; communications error to {server}#53: timed out\n;; communications error to {server}#53: timed out\n;; no servers could be reached\n\n"));
            1
        }
        _ => {
            p.k.sleep(Duration::from_secs(15)).await;
            p.out(format!(";; communications error to {server}#53: timed out\n;; communications error to {server}#53: timed out\n;; communications error to {server}#53: timed out\n;; no servers could be reached\n\n\n"));
            1
        }
    }
}

/// `iptables`, `nft`, `ufw`.
pub(crate) async fn iptables(p: &mut Proc) -> i32 {
    let name = p.name();
    let words = p.words();
    if p.who.uid != 0 {
        let line = match name.as_str() {
            "ufw" => "ERROR: You need to be root to run this script\n".to_owned(),
            "nft" => "Operation not permitted (you must be root)\n".into(),
            _ => format!("{name} v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\n"),
        };
        p.err(line).await;
        return 4;
    }
    if words.iter().any(|w| w == "-V" || w == "--version") {
        p.out(format!("{} v1.8.9 (nf_tables)\n", name.replace("xtables-nft-multi", "iptables")));
        return 0;
    }
    if name.ends_with("-save") {
        return 0;
    }
    if words.iter().any(|w| w == "-S" || w == "--list-rules") {
        p.out("-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n");
        return 0;
    }
    if words.iter().any(|w| w.starts_with("-L") || w.contains('L') && w.starts_with('-')) {
        let verbose = words.iter().any(|w| w.starts_with('-') && w.contains('v'));
        let nat = words.iter().position(|w| w == "-t").and_then(|n| words.get(n + 1)).map(String::as_str) == Some("nat");
        let chains: &[&str] = if nat { &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"] } else { &["INPUT", "FORWARD", "OUTPUT"] };
        for (n, c) in chains.iter().enumerate() {
            if n > 0 {
                p.out("\n");
            }
            if verbose {
                p.out(format!("Chain {c} (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target     prot opt in     out     source               destination         \n"))
            } else {
                p.out(format!("Chain {c} (policy ACCEPT)\ntarget     prot opt source               destination         \n"))
            }
        }
        return 0;
    }
    if words.is_empty() && name != "nft" {
        p.err(format!("{name} v1.8.9 (nf_tables): no command specified\nTry `{name} -h' or '{name} --help' for more information.\n")).await;
        return 2;
    }
    0
}
