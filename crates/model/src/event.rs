//! What was seen: one closed enum for the whole product.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, net::SocketAddr};

use crate::{Captured, DeckyId, Id, Micros, Session};

/// One thing that was seen on one decky. Never changes once written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: Id<Event>,
    /// When the bytes arrived, not when they were stored.
    pub at: Micros,
    pub decky: DeckyId,
    /// Slug of the decoy: `ssh`.
    pub service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Id<Session>>,
    /// Who sent it. An IPv4 address is never written in mapped IPv6 form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SocketAddr>,
    /// The decky's own address and port it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    pub saw: Saw,
}

/// How a secret was offered. Names are the stored `secret_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    Plaintext,
    HttpBearer,
    HttpDigestMd5,
    MysqlNativePassword,
    CachingSha2Password,
    SshPublickey,
    NtlmsspV1,
    NtlmsspV2,
    VncDesResponse,
    PostgresMd5Challenge,
    ScramSha1,
    ScramSha256,
    SnmpCommunity,
}

impl SecretKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::HttpBearer => "http_bearer",
            Self::HttpDigestMd5 => "http_digest_md5",
            Self::MysqlNativePassword => "mysql_native_password",
            Self::CachingSha2Password => "caching_sha2_password",
            Self::SshPublickey => "ssh_publickey",
            Self::NtlmsspV1 => "ntlmssp_v1",
            Self::NtlmsspV2 => "ntlmssp_v2",
            Self::VncDesResponse => "vnc_des_response",
            Self::PostgresMd5Challenge => "postgres_md5_challenge",
            Self::ScramSha1 => "scram_sha1",
            Self::ScramSha256 => "scram_sha256",
            Self::SnmpCommunity => "snmp_community",
        }
    }
}

/// What became of an attempt to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failure,
    /// Seen, but the protocol decides nothing on it (a form field, a community string).
    Observed,
}

impl Outcome {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Observed => "observed",
        }
    }
}

/// How a file came to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileWay {
    /// Sent by a transfer protocol (scp, sftp, ftp, tftp, http upload, mail).
    Upload,
    /// Written from inside a shell or a database.
    Written,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The visitor closed.
    Visitor,
    /// The dialogue was over.
    Done,
    /// Silent for longer than the service allows.
    Idle,
    /// A limit was reached (bytes, time, buffer).
    Limit,
    /// The transport failed (reset, TLS alert).
    Broken,
    /// The decky was stopped.
    Stopped,
}

/// What kind of packets somebody tries doors with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanKind {
    Syn,
    /// No flag set.
    Null,
    Fin,
    /// FIN, PSH and URG.
    Xmas,
    /// ACK out of nowhere.
    Ack,
    Udp,
    /// Echo requests.
    Ping,
}

impl ScanKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [Self::Syn, Self::Null, Self::Fin, Self::Xmas, Self::Ack, Self::Udp, Self::Ping];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Null => "null",
            Self::Fin => "fin",
            Self::Xmas => "xmas",
            Self::Ack => "ack",
            Self::Udp => "udp",
            Self::Ping => "ping",
        }
    }
}

/// The class of a sequence of numbers (`unknown`, `zero`, `constant`, `incremental`, `random`), the kind of counter
/// (`up`, `down`, `step`, `swapped`) and how many values it rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    pub class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manner: Option<String>,
    pub samples: u8,
}

/// What was read off the wire by the sniffer, without the decky's doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reading", rename_all = "snake_case")]
pub enum Passive {
    /// The stack behind a source, or a change of what it looks like. `syn`: IP and TCP headers of its newest SYN.
    Syn {
        syn: Captured,
        /// `None` in IPv6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip_id: Option<Sequence>,
        isn: Sequence,
        /// Ticks per second of its TCP time stamps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_hz: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_skew_ppm: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_since_zero_s: Option<u64>,
    },
    /// A scan began (`over` false) or ended.
    Scan {
        scan: ScanKind,
        over: bool,
        /// Distinct pairs of decky and port; an estimate past some dozens.
        targets: u32,
        deckies: u32,
        packets: u64,
        /// The first 64 ports, in the order they were tried.
        ports: Vec<u16>,
        in_order: bool,
        duration_us: u64,
    },
    /// Connections were asked for by more sources than are told one by one; their addresses are probably made up.
    Flood { packets: u64, untold: u64, window_us: u64 },
    /// A TLS handshake: first messages of both sides with their four-byte headers.
    TlsSession { client: Captured, server: Captured },
    /// The ClientHello of a QUIC client, with its four-byte header.
    QuicHello { version: u32, hello: Captured },
    /// How a connection went in time.
    FlowTiming {
        packets: u64,
        bytes_in: u64,
        bytes_out: u64,
        duration_us: u64,
        mean_gap_us: u64,
        min_gap_us: u64,
        max_gap_us: u64,
        retransmits: u32,
    },
    /// A name was asked for.
    DnsQuery { name: Captured, qtype: String },
    /// An ICMP message other than an error: `echo`, `timestamp`, `address_mask`.
    Icmp { what: String, ttl: u8, ident: u16, sequence: u16, payload: Captured },
}

/// One HTTP request as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: Captured,
    pub target: Captured,
    /// `HTTP/1.1`.
    pub version: Captured,
    /// In the order and letter case they came.
    pub headers: Vec<(Captured, Captured)>,
    /// The first 64 KiB of the body; the whole body is kept as a file if it is an upload.
    pub body: Captured,
    /// Whole length of the body in bytes.
    pub body_len: u64,
    /// Status that was answered.
    pub status: u16,
}

/// Everything that can be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Saw {
    /// A connection was accepted. `syn`: the IP and TCP headers of the SYN as the kernel saved them.
    Connect {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        syn: Option<Captured>,
    },
    Disconnect {
        duration_us: u64,
        bytes_in: u64,
        bytes_out: u64,
        why: Why,
    },
    /// The raw TLS record(s) with the ClientHello.
    TlsClientHello {
        hello: Captured,
    },
    /// SSH identification line (without CR LF) and KEXINIT payload of the client.
    SshClient {
        banner: Captured,
        kexinit: Captured,
    },
    /// A secret was offered. For challenge-response kinds `challenge` is what we had sent, so that the
    /// pair can be cracked offline.
    AuthAttempt {
        principal: Option<Captured>,
        secret: Captured,
        secret_kind: SecretKind,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<Captured>,
    },
    /// A command line (shell) or a command of the protocol (redis, ftp, smtp, mysql query).
    Command {
        line: Captured,
        /// Account it ran as, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
    },
    Request(HttpRequest),
    /// A file was kept in the artifact store under its sha256.
    FileCaptured {
        sha256: String,
        size: u64,
        /// Full path or name as the attacker gave it.
        path: Captured,
        way: FileWay,
        /// False if only the head was kept because a quota was reached.
        whole: bool,
    },
    /// A download command named this address. It is never fetched.
    UrlSeen {
        url: Captured,
        tool: String,
    },
    /// A terminal session ended and its recording is complete.
    SessionRecorded {
        /// File name under `transcripts/<decky>/`.
        recording: String,
        duration_us: u64,
        bytes: u64,
        truncated: bool,
    },
    /// A message was taken by a mail decoy. The whole message is the file `sha256`.
    MessageStored {
        sha256: String,
        size: u64,
        mail_from: Captured,
        rcpt_to: Vec<Captured>,
        subject: Captured,
    },
    /// Read off the wire by the sniffer.
    Passive(Passive),
    /// Anything else a protocol has to say; `what` is the stored event type (`ehlo`, `rcpt_to`, `query`).
    Noted {
        what: String,
        fields: BTreeMap<String, Captured>,
    },
}

impl Saw {
    /// Shorthand for [`Saw::Noted`].
    pub fn noted<const N: usize>(what: &str, fields: [(&str, &[u8]); N]) -> Self {
        Self::Noted { what: what.to_owned(), fields: fields.into_iter().map(|(k, v)| (k.to_owned(), Captured::copy(v))).collect() }
    }

    /// The stored `event_type`, at most 32 characters.
    pub fn event_type(&self) -> &str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Disconnect { .. } => "disconnect",
            Self::TlsClientHello { .. } => "tls_client_hello",
            Self::SshClient { .. } => "ssh_client",
            Self::AuthAttempt { .. } => "auth_attempt",
            Self::Command { .. } => "command",
            Self::Request(_) => "request",
            Self::FileCaptured { .. } => "file_captured",
            Self::UrlSeen { .. } => "url_seen",
            Self::SessionRecorded { .. } => "session_recorded",
            Self::MessageStored { .. } => "message_stored",
            Self::Passive(passive) => passive.event_type(),
            Self::Noted { what, .. } => what,
        }
    }

    /// The stored `fields`: what a person searches and reads. Text is UTF-8 with U+FFFD for what is not;
    /// secrets carry a lossless base64 form beside the printable one.
    pub fn fields(&self) -> Map<String, Value> {
        let value = match self {
            Self::Connect { syn } => match syn {
                Some(syn) => json!({ "syn": hex::encode(syn.as_bytes()) }),
                None => json!({}),
            },
            Self::Disconnect { duration_us, bytes_in, bytes_out, why } => {
                json!({ "duration_us": duration_us, "bytes_in": bytes_in, "bytes_out": bytes_out, "why": why })
            }
            Self::TlsClientHello { hello } => json!({ "client_hello": hello.base64() }),
            Self::SshClient { banner, kexinit } => json!({ "banner": banner.lossy(), "kexinit": kexinit.base64() }),
            Self::AuthAttempt { principal, secret, secret_kind, outcome, challenge } => {
                let mut map = json!({
                    "secret_printable": secret.printable(),
                    "secret_b64": secret.base64(),
                    "secret_kind": secret_kind.as_str(),
                    "outcome": outcome.as_str(),
                });
                if let (Some(principal), Some(map)) = (principal, map.as_object_mut()) {
                    map.insert("principal".into(), principal.lossy().into());
                }
                if let (Some(challenge), Some(map)) = (challenge, map.as_object_mut()) {
                    map.insert("challenge_hex".into(), hex::encode(challenge.as_bytes()).into());
                }
                map
            }
            Self::Command { line, user, cwd } => {
                let mut map = json!({ "command": line.lossy() });
                if let Some(object) = map.as_object_mut() {
                    if let Some(user) = user {
                        object.insert("user".into(), user.as_str().into());
                    }
                    if let Some(cwd) = cwd {
                        object.insert("cwd".into(), cwd.as_str().into());
                    }
                }
                map
            }
            Self::Request(r) => json!({
                "method": r.method.lossy(),
                "path": r.target.lossy(),
                "version": r.version.lossy(),
                "headers": r.headers.iter().map(|(k, v)| json!([k.lossy(), v.lossy()])).collect::<Vec<_>>(),
                "body": r.body.lossy(),
                "body_len": r.body_len,
                "status": r.status,
            }),
            Self::FileCaptured { sha256, size, path, way, whole } => {
                json!({ "sha256": sha256, "size": size, "path": path.lossy(), "way": way, "whole": whole })
            }
            Self::UrlSeen { url, tool } => json!({ "url": url.lossy(), "tool": tool }),
            Self::SessionRecorded { recording, duration_us, bytes, truncated } => {
                json!({ "recording": recording, "duration_us": duration_us, "bytes": bytes, "truncated": truncated })
            }
            Self::MessageStored { sha256, size, mail_from, rcpt_to, subject } => json!({
                "sha256": sha256,
                "size": size,
                "mail_from": mail_from.lossy(),
                "rcpt_to": rcpt_to.iter().map(|r| r.lossy().into_owned()).collect::<Vec<_>>(),
                "subject": subject.lossy(),
            }),
            Self::Passive(passive) => passive.fields(),
            Self::Noted { fields, .. } => Value::Object(fields.iter().map(|(k, v)| (k.clone(), v.lossy().into_owned().into())).collect()),
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

impl Passive {
    /// The stored `event_type`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Syn { .. } => "tcp_syn_fingerprint",
            Self::Scan { .. } => "port_scan",
            Self::Flood { .. } => "syn_flood",
            Self::TlsSession { .. } => "tls_session",
            Self::QuicHello { .. } => "quic_client_hello",
            Self::FlowTiming { .. } => "tcp_flow_timing",
            Self::DnsQuery { .. } => "dns_query",
            Self::Icmp { .. } => "icmp_probe",
        }
    }

    fn fields(&self) -> Value {
        match self {
            Self::Syn { syn, ip_id, isn, clock_hz, clock_skew_ppm, clock_since_zero_s } => json!({
                "syn": hex::encode(syn.as_bytes()),
                "ipid_class": ip_id.as_ref().map(|s| &s.class),
                "ipid_manner": ip_id.as_ref().and_then(|s| s.manner.as_ref()),
                "ipid_samples": ip_id.as_ref().map(|s| s.samples),
                "isn_class": isn.class,
                "isn_manner": isn.manner,
                "isn_samples": isn.samples,
                "clock_hz": clock_hz,
                "clock_skew_ppm": clock_skew_ppm,
                "clock_since_zero_s": clock_since_zero_s,
            }),
            Self::Scan { scan, over, targets, deckies, packets, ports, in_order, duration_us } => json!({
                "scan": scan.as_str(), "over": over, "targets": targets, "deckies": deckies, "packets": packets,
                "ports": ports, "in_order": in_order, "duration_us": duration_us,
            }),
            Self::Flood { packets, untold, window_us } => json!({ "packets": packets, "untold": untold, "window_us": window_us }),
            Self::TlsSession { client, server } => json!({ "client_hello": client.base64(), "server_hello": server.base64() }),
            Self::QuicHello { version, hello } => json!({ "quic_version": format!("{version:#010x}"), "client_hello": hello.base64() }),
            Self::FlowTiming { packets, bytes_in, bytes_out, duration_us, mean_gap_us, min_gap_us, max_gap_us, retransmits } => json!({
                "packets": packets, "bytes_in": bytes_in, "bytes_out": bytes_out, "duration_us": duration_us,
                "mean_gap_us": mean_gap_us, "min_gap_us": min_gap_us, "max_gap_us": max_gap_us, "retransmits": retransmits,
            }),
            Self::DnsQuery { name, qtype } => json!({ "name": name.lossy(), "qtype": qtype }),
            Self::Icmp { what, ttl, ident, sequence, payload } => json!({
                "what": what, "ttl": ttl, "ident": ident, "sequence": sequence, "payload": payload.base64(),
            }),
        }
    }
}

impl From<HttpRequest> for Saw {
    fn from(request: HttpRequest) -> Self {
        Self::Request(request)
    }
}

impl Event {
    /// JSON on one line, as the spool stores it.
    pub fn to_json(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_spool_byte_for_byte() {
        let event = Event {
            id: Id::at(Micros(1_700_000_000_123_456), [7; 10]),
            at: Micros(1_700_000_000_123_456),
            decky: DeckyId::local("web-01"),
            service: "ssh".into(),
            session: None,
            source: Some("192.0.2.1:4444".parse().unwrap()),
            local: None,
            saw: Saw::AuthAttempt {
                principal: Some("ro\0ot]\"\n".into()),
                secret: Captured::copy(&[0xff, 0, b'<', 0x1b]),
                secret_kind: SecretKind::Plaintext,
                outcome: Outcome::Failure,
                challenge: None,
            },
        };
        let line = event.to_json();
        assert!(!line.contains(&b'\n'));
        assert_eq!(serde_json::from_slice::<Event>(&line).unwrap(), event);
        assert_eq!(event.saw.fields()["secret_printable"], "??<?");
    }
}
