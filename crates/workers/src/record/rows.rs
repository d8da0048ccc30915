//! An event as rows. Pure: the same event always gives the same rows.

use fingerprint::passive;
use insight::profile::cut;
use model::{Captured, Event, HttpRequest, Outcome, Passive, Saw};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use store::{Batch, NewArtifact, NewBounty, NewCredential, NewLog, SessionChange};

/// Longest sentence in bytes.
const SENTENCE: usize = 300;

/// Turns events into the rows of a batch.
pub(crate) fn batch(spool: &str, from: store::Position, to: store::Position, events: &[Event]) -> Batch {
    let mut rows = Rows { batch: Batch { spool: spool.to_owned(), from, to, ..Batch::default() }, sessions: HashMap::new() };
    rows.batch.logs.reserve(events.len());
    for event in events {
        rows.take(event);
    }
    rows.batch
}

struct Rows {
    batch: Batch,
    /// Where a session's change stands in the batch.
    sessions: HashMap<String, usize>,
}

impl Rows {
    fn take(&mut self, event: &Event) {
        let mut fields = event.saw.fields();
        let ip = event.source.map(|s| s.ip().to_string()).unwrap_or_default();
        let sid = event.session.map(|s| s.to_string());
        self.read(event, &ip, &mut fields);
        self.session(event, &ip, sid.as_deref());
        match &event.saw {
            Saw::AuthAttempt { principal, secret, secret_kind, outcome, challenge } => {
                self.batch.credentials.push(NewCredential {
                    at: event.at,
                    attacker_ip: ip.clone(),
                    decky_name: event.decky.as_str().to_owned(),
                    service: event.service.clone(),
                    principal: principal.as_ref().map(|p| p.lossy().into_owned()),
                    secret_kind: secret_kind.as_str().into(),
                    secret_sha256: hex(&Sha256::digest(secret.as_bytes())),
                    secret_b64: secret.base64(),
                    secret_printable: secret.printable(),
                    outcome: outcome.as_str().into(),
                    fields: match challenge {
                        Some(challenge) => json!({ "challenge_hex": hex(challenge.as_bytes()) }).to_string(),
                        None => "{}".into(),
                    },
                });
            }
            Saw::FileCaptured { sha256, size, path, way, whole } => {
                let way = serde_json::to_value(way).ok().and_then(|w| w.as_str().map(str::to_owned)).unwrap_or_default();
                self.artifact(event, &ip, sid.clone(), sha256, *size, path.lossy().into_owned(), way, *whole);
            }
            Saw::MessageStored { sha256, size, subject, .. } => {
                self.artifact(event, &ip, sid.clone(), sha256, *size, subject.lossy().into_owned(), "mail".into(), true);
            }
            _ => {}
        }
        self.batch.logs.push(NewLog {
            event_uuid: event.id.to_string(),
            at: event.at,
            decky: event.decky.as_str().to_owned(),
            service: event.service.clone(),
            event_type: event.saw.event_type().to_owned(),
            attacker_ip: ip,
            src_port: event.source.map(|s| s.port()),
            dst_port: event.local.map(|l| l.port()),
            session_id: sid,
            msg: sentence(&event.saw, &fields),
            fields: Value::Object(fields).to_string(),
        });
    }

    /// Fingerprints and other evidence that the event holds: into its fields, and into the bounty.
    fn read(&mut self, event: &Event, ip: &str, fields: &mut Map<String, Value>) {
        match &event.saw {
            Saw::Connect { syn: Some(syn) } => self.stack(event, ip, syn, fields),
            Saw::Passive(passive) => self.passive(event, ip, passive, fields),
            Saw::TlsClientHello { hello } => {
                if let Ok(hello) = wire::tls::ClientHello::from_records(hello.as_bytes()) {
                    let reading = passive::tls::read(&hello);
                    self.fingerprint(event, ip, "ja3", &reading.ja3);
                    self.fingerprint(event, ip, "ja4", &reading.ja4);
                    fields.insert("ja3".into(), reading.ja3.into());
                    fields.insert("ja4".into(), reading.ja4.into());
                    fields.insert("sni".into(), reading.server_name.into());
                    fields.insert("alpn".into(), reading.alpn.into());
                    fields.insert("tls_version".into(), reading.version.into());
                }
            }
            Saw::SshClient { banner, kexinit } => {
                fields.insert("ssh_banner".into(), banner.lossy().into_owned().into());
                self.fingerprint(event, ip, "ssh_banner", &banner.lossy());
                if let Ok(offer) = wire::ssh::KexInit::parse(kexinit.as_bytes()) {
                    let reading = passive::ssh::read(&offer);
                    self.fingerprint(event, ip, "hassh", &reading.hassh);
                    fields.insert("hassh".into(), reading.hassh.into());
                    fields.insert("hassh_algorithms".into(), reading.hassh_algorithms.into());
                }
            }
            Saw::Request(request) => self.request(event, ip, request, fields),
            Saw::UrlSeen { url, tool } => {
                self.bounty(event, ip, "url", &json!({ "tool": tool, "url": cut(&url.lossy(), 2048) }));
            }
            _ => {}
        }
    }

    /// The stack that the headers of a SYN betray.
    fn stack(&mut self, event: &Event, ip: &str, syn: &Captured, fields: &mut Map<String, Value>) {
        let Some(reading) = passive::syn::read_headers(syn.as_bytes()) else { return };
        fields.insert("tcp_signature".into(), reading.signature.as_str().into());
        fields.insert(
            "tcp".into(),
            json!({
                "ttl": reading.ttl, "initial_ttl": reading.initial_ttl, "hops": reading.hops,
                "window": reading.window, "window_scale": reading.window_scale, "mss": reading.mss,
                "options": reading.option_order, "df": reading.dont_fragment, "quirks": reading.quirks,
                "tos": reading.tos, "dscp": reading.dscp, "ecn": reading.ecn,
                "looks_like": reading.looks_like, "tool": reading.tool,
            }),
        );
        self.fingerprint(event, ip, "tcp_signature", &reading.signature);
    }

    /// What the sniffer read.
    fn passive(&mut self, event: &Event, ip: &str, passive: &Passive, fields: &mut Map<String, Value>) {
        match passive {
            Passive::Syn { syn, .. } => self.stack(event, ip, syn, fields),
            Passive::TlsSession { client, server } => {
                self.hello(event, ip, client, 't', fields);
                if let Ok(server) = wire::tls::ServerHello::from_handshake(server.as_bytes()) {
                    let ja3s = passive::tls::ja3s(&server);
                    self.fingerprint(event, ip, "ja3s", &ja3s);
                    fields.insert("ja3s".into(), ja3s.into());
                }
            }
            Passive::QuicHello { hello, .. } => self.hello(event, ip, hello, 'q', fields),
            Passive::Scan { .. } | Passive::Flood { .. } | Passive::FlowTiming { .. } | Passive::DnsQuery { .. } | Passive::Icmp { .. } => {
            }
        }
    }

    /// Fingerprints of a ClientHello with its handshake header, sent over TCP (`t`) or QUIC (`q`).
    fn hello(&mut self, event: &Event, ip: &str, hello: &Captured, transport: char, fields: &mut Map<String, Value>) {
        let Ok(hello) = wire::tls::ClientHello::from_handshake(hello.as_bytes()) else { return };
        let reading = passive::tls::read(&hello);
        let ja4 = if transport == 't' { reading.ja4 } else { passive::tls::ja4(&hello, transport) };
        self.fingerprint(event, ip, "ja4", &ja4);
        if transport == 't' {
            self.fingerprint(event, ip, "ja3", &reading.ja3);
            fields.insert("ja3".into(), reading.ja3.into());
        }
        fields.insert("ja4".into(), ja4.into());
        fields.insert("sni".into(), reading.server_name.into());
        fields.insert("alpn".into(), reading.alpn.into());
        fields.insert("tls_version".into(), reading.version.into());
    }

    fn request(&mut self, event: &Event, ip: &str, request: &HttpRequest, fields: &mut Map<String, Value>) {
        for (name, value) in &request.headers {
            let name = name.lossy().to_ascii_lowercase();
            match name.as_str() {
                "user-agent" => {
                    let agent = cut(&value.lossy(), 512).to_owned();
                    self.fingerprint(event, ip, "user_agent", &agent);
                    fields.insert("user_agent".into(), agent.into());
                }
                "forwarded" | "x-forwarded-for" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip" => {
                    let claim = cut(&value.lossy(), 256).to_owned();
                    self.bounty(event, ip, "ip_leak", &json!({ "real_ip_claim": claim, "source_header": name, "source_ip": ip }));
                }
                _ => {}
            }
        }
    }

    fn fingerprint(&mut self, event: &Event, ip: &str, kind: &str, value: &str) {
        if !value.is_empty() {
            self.bounty(event, ip, "fingerprint", &json!({ "kind": kind, "value": value }));
        }
    }

    fn bounty(&mut self, event: &Event, ip: &str, bounty_type: &str, payload: &Value) {
        let payload = payload.to_string();
        self.batch.bounties.push(NewBounty {
            at: event.at,
            decky: event.decky.as_str().to_owned(),
            service: event.service.clone(),
            attacker_ip: ip.to_owned(),
            bounty_type: bounty_type.into(),
            payload,
        });
    }

    #[expect(clippy::too_many_arguments, reason = "one row's columns")]
    fn artifact(
        &mut self,
        event: &Event,
        ip: &str,
        session_id: Option<String>,
        sha256: &str,
        size: u64,
        path: String,
        way: String,
        whole: bool,
    ) {
        self.batch.artifacts.push(NewArtifact {
            event_uuid: event.id.to_string(),
            at: event.at,
            sha256: sha256.to_owned(),
            size,
            decky: event.decky.as_str().to_owned(),
            service: event.service.clone(),
            attacker_ip: ip.to_owned(),
            session_id,
            path,
            way,
            whole,
        });
    }

    fn session(&mut self, event: &Event, ip: &str, sid: Option<&str>) {
        let Some(sid) = sid else { return };
        let at = match self.sessions.get(sid) {
            Some(at) => *at,
            None => {
                self.batch.sessions.push(SessionChange {
                    sid: sid.to_owned(),
                    decky: event.decky.as_str().to_owned(),
                    service: event.service.clone(),
                    attacker_ip: ip.to_owned(),
                    src_port: event.source.map(|s| s.port()),
                    dst_port: event.local.map(|l| l.port()),
                    first_at: event.at,
                    ..SessionChange::default()
                });
                self.sessions.insert(sid.to_owned(), self.batch.sessions.len() - 1);
                self.batch.sessions.len() - 1
            }
        };
        let Some(change) = self.batch.sessions.get_mut(at) else { return };
        change.first_at = change.first_at.min(event.at);
        match &event.saw {
            Saw::Disconnect { duration_us, bytes_in, bytes_out, why } => {
                change.ended_at = Some(event.at);
                change.duration_us = Some(*duration_us);
                change.bytes_in = Some(*bytes_in);
                change.bytes_out = Some(*bytes_out);
                change.why = serde_json::to_value(why).ok().and_then(|w| w.as_str().map(str::to_owned));
            }
            Saw::AuthAttempt { outcome, .. } => {
                change.credentials += 1;
                change.logged_in |= *outcome == Outcome::Success;
            }
            Saw::Command { .. } => change.commands += 1,
            Saw::FileCaptured { .. } | Saw::MessageStored { .. } => change.files += 1,
            Saw::SessionRecorded { recording, truncated, .. } => {
                change.recording = Some(recording.clone());
                change.recording_truncated = *truncated;
            }
            _ => {}
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    })
}

/// One line for a person. Control characters are shown, not acted on.
fn sentence(saw: &Saw, fields: &Map<String, Value>) -> String {
    let text = |bytes: &Captured| cut(&bytes.lossy(), 160).to_owned();
    let line = match saw {
        Saw::Connect { .. } => match fields.get("tcp").and_then(|t| t.get("looks_like")).and_then(Value::as_str) {
            Some(stack) => format!("connected (looks like {stack})"),
            None => "connected".into(),
        },
        Saw::Disconnect { duration_us, bytes_in, bytes_out, .. } => {
            format!("disconnected after {:.1} s, {bytes_in} B in, {bytes_out} B out", *duration_us as f64 / 1e6)
        }
        Saw::TlsClientHello { .. } => format!("TLS hello {}", fields.get("ja4").and_then(Value::as_str).unwrap_or("(malformed)")),
        Saw::SshClient { banner, .. } => format!("SSH client {}", text(banner)),
        Saw::AuthAttempt { principal, secret, secret_kind, outcome, .. } => {
            let who = principal.as_ref().map(text).unwrap_or_default();
            let what =
                if secret_kind.as_str() == "plaintext" { cut(&secret.printable(), 80).to_owned() } else { secret_kind.as_str().into() };
            format!("{who} / {what}: {}", outcome.as_str())
        }
        Saw::Command { line, .. } => text(line),
        Saw::Request(r) => format!("{} {} → {}", text(&r.method), text(&r.target), r.status),
        Saw::FileCaptured { size, path, .. } => format!("file {} ({size} B)", text(path)),
        Saw::UrlSeen { url, tool } => format!("{tool} names {}", text(url)),
        Saw::SessionRecorded { duration_us, .. } => format!("session recorded, {:.0} s", *duration_us as f64 / 1e6),
        Saw::MessageStored { mail_from, rcpt_to, subject, .. } => {
            format!("mail from {} to {} recipients: {}", text(mail_from), rcpt_to.len(), text(subject))
        }
        Saw::Passive(passive) => passive_sentence(passive, fields),
        Saw::Noted { what, fields } => {
            fields.iter().take(4).fold(what.clone(), |line, (name, value)| format!("{line} {name}={}", text(value)))
        }
    };
    let shown: String = line.chars().map(|c| if c.is_control() { control_picture(c) } else { c }).collect();
    cut(&shown, SENTENCE).to_owned()
}

fn passive_sentence(passive: &Passive, fields: &Map<String, Value>) -> String {
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("?");
    match passive {
        Passive::Syn { ip_id, isn, .. } => {
            let stack = fields.get("tcp").and_then(|t| t.get("looks_like")).and_then(Value::as_str).unwrap_or("an unknown stack");
            let ip_id = ip_id.as_ref().map_or("none", |s| &s.class);
            format!("SYN of {stack}; identifications {ip_id}, sequence numbers {}", isn.class)
        }
        Passive::Scan { scan, over, targets, deckies, ports, in_order, duration_us, .. } => {
            let verb = if *over { "ended" } else { "begins" };
            let order = if *in_order { "in order" } else { "in no order" };
            let first = ports.iter().take(8).map(u16::to_string).collect::<Vec<_>>().join(", ");
            format!(
                "{} scan {verb}: {targets} ports on {deckies} deckies in {:.1} s, {order} ({first} …)",
                scan.as_str(),
                *duration_us as f64 / 1e6
            )
        }
        Passive::Flood { packets, untold, .. } => format!("flood of SYNs: {packets} packets, {untold} sources not told one by one"),
        Passive::TlsSession { .. } => format!("TLS session {} / {}", field("ja4"), field("ja3s")),
        Passive::QuicHello { .. } => format!("QUIC hello {}", field("ja4")),
        Passive::FlowTiming { packets, duration_us, retransmits, .. } => {
            format!("connection of {packets} packets in {:.1} s, {retransmits} sent again", *duration_us as f64 / 1e6)
        }
        Passive::DnsQuery { name, qtype } => format!("asks for {qtype} {}", cut(&name.lossy(), 160)),
        Passive::Icmp { what, ttl, .. } => format!("ICMP {what}, TTL {ttl}"),
    }
}

/// The visible picture of a control character (U+2400 block).
fn control_picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{DeckyId, Id, Micros, SecretKind, Why};

    fn event(n: u8, saw: Saw) -> Event {
        Event {
            id: Id::at(Micros(1_700_000_000_000_000), [n; 10]),
            at: Micros(1_700_000_000_000_000 + i64::from(n)),
            decky: DeckyId::local("web-01"),
            service: "ssh".into(),
            session: Some(Id::at(Micros(0), [9; 10])),
            source: Some("192.0.2.7:5555".parse().unwrap()),
            local: Some("10.0.0.2:22".parse().unwrap()),
            saw,
        }
    }

    #[test]
    fn a_session_becomes_rows() {
        let attempt = |secret: &[u8], outcome| Saw::AuthAttempt {
            principal: Some("root".into()),
            secret: Captured::copy(secret),
            secret_kind: SecretKind::Plaintext,
            outcome,
            challenge: None,
        };
        let events = [
            event(1, Saw::Connect { syn: None }),
            event(2, attempt(b"\xff\0", Outcome::Failure)),
            event(3, attempt(b"toor", Outcome::Success)),
            event(4, Saw::Command { line: "wget http://x/\u{1b}[2J".into(), user: Some("root".into()), cwd: Some("/root".into()) }),
            event(5, Saw::UrlSeen { url: "http://x/".into(), tool: "wget".into() }),
            event(6, Saw::Disconnect { duration_us: 5, bytes_in: 100, bytes_out: 200, why: Why::Visitor }),
        ];
        let batch = batch("decoy", store::Position::default(), store::Position { segment: 1, offset: 9 }, &events);
        assert_eq!((batch.logs.len(), batch.credentials.len(), batch.bounties.len(), batch.sessions.len()), (6, 2, 1, 1));
        let session = &batch.sessions[0];
        assert_eq!((session.credentials, session.commands, session.logged_in, session.bytes_out), (2, 1, true, Some(200)));
        assert_eq!(batch.credentials[0].secret_sha256, hex(&Sha256::digest(b"\xff\0")));
        assert_eq!(batch.credentials[0].secret_printable, "??");
        assert_eq!(batch.logs[3].msg, "wget http://x/␛[2J");
        assert_eq!(batch.logs[3].attacker_ip, "192.0.2.7");
    }
}
