//! What a row looks like to everybody who asks the store. Serialised as they stand in API answers.

use model::Micros;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;

/// A stored time; RFC 3339 with six digits in JSON, `BIGINT` microseconds in SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct At(pub Micros);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0.rfc3339())
    }
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// Rows that match in all, not only on this page.
    pub total: i64,
    pub limit: i64,
    pub offset: i64,
    pub data: Vec<T>,
}

/// One recorded event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogRow {
    /// Grows by one with each row; the cursor of streams and of the profiler.
    pub id: i64,
    /// UUIDv7 of the event; unique.
    pub event_uuid: String,
    pub timestamp: At,
    /// `local:web-01`
    pub decky: String,
    pub service: String,
    pub event_type: String,
    /// Empty if the event has no source.
    pub attacker_ip: String,
    pub src_port: Option<i64>,
    pub dst_port: Option<i64>,
    pub session_id: Option<String>,
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
    /// One readable sentence.
    pub msg: String,
}

/// A [`LogRow`] for those who only pass it on: its fields stay the text they are stored as. Reads as the same JSON.
#[derive(Clone, Debug, Serialize)]
pub struct LogText {
    pub id: i64,
    pub event_uuid: String,
    pub timestamp: At,
    pub decky: String,
    pub service: String,
    pub event_type: String,
    pub attacker_ip: String,
    pub src_port: Option<i64>,
    pub dst_port: Option<i64>,
    pub session_id: Option<String>,
    pub fields: Box<RawValue>,
    pub msg: String,
}

impl From<LogText> for LogRow {
    fn from(row: LogText) -> Self {
        let LogText { id, event_uuid, timestamp, decky, service, event_type, attacker_ip, src_port, dst_port, session_id, fields, msg } =
            row;
        let fields = serde_json::from_str(fields.get()).unwrap_or_default();
        Self { id, event_uuid, timestamp, decky, service, event_type, attacker_ip, src_port, dst_port, session_id, fields, msg }
    }
}

/// One offered secret, deduplicated; `attempt_count` says how often.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CredentialRow {
    pub id: i64,
    pub attacker_ip: String,
    pub attacker_uuid: Option<String>,
    pub decky_name: String,
    pub service: String,
    pub principal: Option<String>,
    pub secret_kind: String,
    pub secret_sha256: String,
    pub secret_b64: Option<String>,
    pub secret_printable: Option<String>,
    pub outcome: Option<String>,
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
    pub first_seen: At,
    pub last_seen: At,
    pub attempt_count: i64,
}

/// One source address and what is known of it.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct AttackerRow {
    pub uuid: String,
    pub ip: String,
    pub identity_id: Option<String>,
    pub first_seen: At,
    pub last_seen: At,
    pub event_count: i64,
    pub service_count: i64,
    pub decky_count: i64,
    pub session_count: i64,
    pub services: Vec<String>,
    /// Deckies in the order they were first touched.
    pub deckies: Vec<String>,
    /// `a → b → c`, set when more than one decky was touched.
    pub traversal_path: Option<String>,
    pub is_traversal: bool,
    pub bounty_count: i64,
    pub credential_count: i64,
    pub command_count: i64,
    pub file_count: i64,
    /// `{"kind":"ja4","value":"…"}` and the like, each once.
    #[schema(value_type = Vec<Object>)]
    pub fingerprints: Vec<Value>,
    /// The newest 50 command lines, newest first.
    pub commands: Vec<String>,
    /// Services that were spoken to beyond a connection: the rest were only scanned.
    pub interacted: Vec<String>,
    pub country_code: Option<String>,
    pub asn: Option<i64>,
    pub as_name: Option<String>,
    pub ptr_record: Option<String>,
    pub updated_at: At,
}

/// One conversation.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SessionRow {
    pub sid: String,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub src_port: Option<i64>,
    pub dst_port: Option<i64>,
    pub started_at: At,
    pub ended_at: Option<At>,
    pub duration_us: Option<i64>,
    pub bytes_in: i64,
    pub bytes_out: i64,
    /// `visitor`, `done`, `idle`, `limit`, `broken`, `stopped`.
    pub why: Option<String>,
    pub command_count: i64,
    pub credential_count: i64,
    pub file_count: i64,
    /// Whether a password opened an account.
    pub logged_in: bool,
    /// File name of the asciicast under `transcripts/<decky name>/`.
    pub recording: Option<String>,
    pub recording_truncated: bool,
}

/// One sighting of a kept file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ArtifactRow {
    pub id: i64,
    pub event_uuid: String,
    pub sha256: String,
    pub size: i64,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub session_id: Option<String>,
    pub path: String,
    /// `upload`, `written` or `mail`.
    pub way: String,
    pub whole: bool,
    pub captured_at: At,
}

/// Extracted evidence: `fingerprint`, `ip_leak`, `url`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BountyRow {
    pub id: i64,
    pub timestamp: At,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub bounty_type: String,
    #[schema(value_type = Object)]
    pub payload: Map<String, Value>,
}

/// A dashboard account, without its hash.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserRow {
    pub uuid: String,
    pub username: String,
    /// `viewer` or `admin`.
    pub role: String,
    pub must_change_password: bool,
}

/// A dashboard account with what authentication needs.
#[derive(Clone, Debug)]
pub struct UserSecret {
    pub user: UserRow,
    /// PHC string (argon2id).
    pub password_hash: String,
    /// Tokens issued before this are void.
    pub tokens_valid_from: Option<At>,
}

/// A decky of a host's fleet.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FleetDeckyRow {
    pub host_uuid: String,
    pub name: String,
    pub services: Vec<String>,
    /// What is shown of the persona and the placement; holds no secret.
    #[schema(value_type = Object)]
    pub decky_config: Map<String, Value>,
    pub decky_ip: Option<String>,
    /// `pending`, `running`, `degraded`, `failed`, `torn_down`.
    pub state: String,
    pub last_error: Option<String>,
    pub last_seen: Option<At>,
    pub updated_at: At,
}

/// Where a spool reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

/// A batch of events as rows, taken from one spool between two positions.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Name of the spool.
    pub spool: String,
    pub from: Position,
    pub to: Position,
    pub logs: Vec<NewLog>,
    pub credentials: Vec<NewCredential>,
    pub bounties: Vec<NewBounty>,
    pub artifacts: Vec<NewArtifact>,
    pub sessions: Vec<SessionChange>,
}

#[derive(Clone, Debug, Default)]
pub struct NewLog {
    pub event_uuid: String,
    pub at: Micros,
    pub decky: String,
    pub service: String,
    pub event_type: String,
    pub attacker_ip: String,
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    pub session_id: Option<String>,
    /// Compact JSON object.
    pub fields: String,
    pub msg: String,
}

#[derive(Clone, Debug, Default)]
pub struct NewCredential {
    pub at: Micros,
    pub attacker_ip: String,
    pub decky_name: String,
    pub service: String,
    pub principal: Option<String>,
    pub secret_kind: String,
    pub secret_sha256: String,
    pub secret_b64: String,
    pub secret_printable: String,
    pub outcome: String,
    pub fields: String,
}

#[derive(Clone, Debug, Default)]
pub struct NewBounty {
    pub at: Micros,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub bounty_type: String,
    /// Compact JSON object with sorted keys: part of the unique key.
    pub payload: String,
}

#[derive(Clone, Debug, Default)]
pub struct NewArtifact {
    pub event_uuid: String,
    pub at: Micros,
    pub sha256: String,
    pub size: u64,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub session_id: Option<String>,
    pub path: String,
    pub way: String,
    pub whole: bool,
}

/// What a batch adds to one session. Counts are added, `Some` replaces.
#[derive(Clone, Debug, Default)]
pub struct SessionChange {
    pub sid: String,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    /// Earliest event of the session in this batch.
    pub first_at: Micros,
    pub ended_at: Option<Micros>,
    pub duration_us: Option<u64>,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    pub why: Option<String>,
    pub commands: u32,
    pub credentials: u32,
    pub files: u32,
    pub logged_in: bool,
    pub recording: Option<String>,
    pub recording_truncated: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Written; the ids its logs got, if it had any.
    Now { first_log: i64, last_log: i64 },
    /// The stored position was not `from`: nothing written. Go on from here.
    StandsAt(Position),
}

/// A filter over logs.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// The search language: `key:value` and bare words, see [`crate::search`].
    pub search: Option<String>,
    pub start: Option<Micros>,
    pub end: Option<Micros>,
    /// Only rows with a greater id, oldest first (streams). Otherwise newest first.
    pub after_id: Option<i64>,
    pub limit: i64,
    pub offset: i64,
}

/// How a list of attackers is asked for.
#[derive(Clone, Debug, Default)]
pub struct AttackerQuery {
    /// Part of an address, a country code, an AS name.
    pub search: Option<String>,
    pub sort: AttackerSort,
    pub service: Option<String>,
    pub decky: Option<String>,
    pub limit: i64,
    pub offset: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttackerSort {
    #[default]
    Recent,
    Active,
    Traversals,
    First,
    Credentials,
}

/// A bar of the histogram.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Bar {
    pub time: At,
    pub count: i64,
}

/// Counts for the overview.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Stats {
    pub total_logs: i64,
    pub unique_attackers: i64,
    pub active_deckies: i64,
    pub deployed_deckies: i64,
    pub total_credentials: i64,
    pub total_sessions: i64,
    pub total_artifacts: i64,
    /// Since midnight UTC.
    pub logs_today: i64,
    pub attackers_today: i64,
    /// Attackers seen in the last five minutes.
    pub attackers_now: i64,
    pub last_log_id: i64,
    pub last_seen: Option<At>,
}
