/** Names of the rows the page works with. Shapes come from the OpenAPI document. */

export type Page<T> = { total: number; limit: number; offset: number; data: T[] };
export type Fields = Record<string, unknown>;

export type LogRow = {
  id: number; event_uuid: string; timestamp: string; decky: string; service: string; event_type: string; attacker_ip: string;
  src_port?: number | null; dst_port?: number | null; session_id?: string | null; fields: Fields; msg: string;
};
export type CredentialRow = {
  id: number; attacker_ip: string; attacker_uuid?: string | null; decky_name: string; service: string; principal?: string | null;
  secret_kind: string; secret_sha256: string; secret_b64?: string | null; secret_printable?: string | null; outcome?: string | null;
  fields: Fields; first_seen: string; last_seen: string; attempt_count: number;
};
export type AttackerRow = {
  uuid: string; ip: string; identity_id?: string | null; first_seen: string; last_seen: string; event_count: number;
  service_count: number; decky_count: number; session_count: number; services: string[]; deckies: string[];
  traversal_path?: string | null; is_traversal: boolean; bounty_count: number; credential_count: number; command_count: number;
  file_count: number; fingerprints: Fields[]; commands: string[]; interacted: string[]; country_code?: string | null;
  asn?: number | null; as_name?: string | null; ptr_record?: string | null; updated_at: string;
};
export type SessionRow = {
  sid: string; decky: string; service: string; attacker_ip: string; src_port?: number | null; dst_port?: number | null;
  started_at: string; ended_at?: string | null; duration_us?: number | null; bytes_in: number; bytes_out: number; why?: string | null;
  command_count: number; credential_count: number; file_count: number; logged_in: boolean; recording?: string | null;
  recording_truncated: boolean;
};
export type ArtifactRow = {
  id: number; event_uuid: string; sha256: string; size: number; decky: string; service: string; attacker_ip: string;
  session_id?: string | null; path: string; way: string; whole: boolean; captured_at: string;
};
export type BountyRow = {
  id: number; timestamp: string; decky: string; service: string; attacker_ip: string; bounty_type: string; payload: Fields;
};
export type UserRow = { uuid: string; username: string; role: string; must_change_password: boolean };
export type FleetDeckyRow = {
  host_uuid: string; name: string; services: string[]; decky_config: Fields; decky_ip?: string | null; state: string;
  last_error?: string | null; last_seen?: string | null; updated_at: string;
};
export type Bar = { time: string; count: number };
export type Histogram = { bucket_seconds: number; start: string; end: string; data: Bar[] };
export type Stats = {
  total_logs: number; unique_attackers: number; active_deckies: number; deployed_deckies: number; total_credentials: number;
  total_sessions: number; total_artifacts: number; logs_today: number; attackers_today: number; attackers_now: number;
  last_log_id: number; last_seen?: string | null;
};
export type Transcript = {
  sid: string; service: string; header: Fields; events: unknown[]; offset: number; limit: number; total: number; has_more: boolean;
  truncated: boolean;
};
export type PartStatus = 'ok' | 'warning' | 'failing' | 'absent';
export type Health = { status: 'healthy' | 'degraded' | 'unhealthy'; components: Record<string, { status: PartStatus; detail: string }>; version: string };
export type Worker = {
  name: string; status: 'ok' | 'stale' | 'stopped' | 'unknown'; last_heartbeat?: string | null; seconds_since?: number | null; pid?: number | null;
  state: string; restarts: number; lag: number; errors: number; done: number; detail: string;
};
export type Workers = { workers: Worker[]; generated_at: string; bus_connected: boolean };
export type StartAll = { started: string[]; already_running: string[]; failed: { name: string; reason: string }[] };
export type Settings = {
  role: string; version: string; database: string; token_seconds: number; session_seconds: number; streams_per_user: number;
  password_min_chars: number; password_max_bytes: number; users?: UserRow[] | null;
};
export type Version = { name: string; version: string; started_at: string; uptime_seconds: number; database: string };
