-- Times are microseconds since the epoch, UTC. Ids are 16 bytes for a UUID, digests 32 bytes.

CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    event_uuid BLOB NOT NULL,
    timestamp INTEGER NOT NULL,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    event_type TEXT NOT NULL,
    attacker_ip TEXT NOT NULL,
    src_port INTEGER,
    dst_port INTEGER,
    session_id BLOB,
    fields TEXT NOT NULL,
    msg TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX logs_event ON logs (event_uuid);
CREATE INDEX logs_attacker ON logs (attacker_ip) WHERE attacker_ip <> '';
CREATE INDEX logs_session ON logs (session_id) WHERE session_id IS NOT NULL;

-- What the rows of `logs` add up to, kept in the transaction that writes them.
CREATE TABLE log_minutes (
    minute INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL
) STRICT;
-- By decky (`d`), service (`s`) and event type (`e`).
CREATE TABLE log_minute_facets (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    minute INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, value, minute)
) STRICT, WITHOUT ROWID;
CREATE TABLE log_facets (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE spool_positions (
    spool TEXT PRIMARY KEY,
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The words of each row, filled in idle time up to the id in the counter `*_words_upto`.
CREATE VIRTUAL TABLE log_words USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = "ascii tokenchars '._:@-'");
CREATE VIRTUAL TABLE credential_words USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = "ascii tokenchars '._:@-'");
CREATE VIRTUAL TABLE bounty_words USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = "ascii tokenchars '._:@-'");
-- Fewer, larger segments: the words of some ten thousand rows before each is written out.
INSERT INTO log_words (log_words, rank) VALUES ('hashsize', 16777216);
INSERT INTO log_words (log_words, rank) VALUES ('automerge', 8);
INSERT INTO log_words (log_words, rank) VALUES ('pgsz', 8000);

CREATE TABLE attackers (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    ip TEXT NOT NULL,
    identity_id TEXT,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    service_count INTEGER NOT NULL,
    decky_count INTEGER NOT NULL,
    session_count INTEGER NOT NULL,
    services TEXT NOT NULL,
    deckies TEXT NOT NULL,
    traversal_path TEXT,
    is_traversal INTEGER NOT NULL,
    bounty_count INTEGER NOT NULL,
    credential_count INTEGER NOT NULL,
    command_count INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    fingerprints TEXT NOT NULL,
    commands TEXT NOT NULL,
    interacted TEXT NOT NULL,
    country_code TEXT,
    asn INTEGER,
    as_name TEXT,
    ptr_record TEXT,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX attackers_ip ON attackers (ip);
CREATE INDEX attackers_recent ON attackers (last_seen);
CREATE INDEX attackers_active ON attackers (event_count);
CREATE INDEX attackers_traversals ON attackers (is_traversal, last_seen);
CREATE INDEX attackers_first ON attackers (first_seen);
CREATE INDEX attackers_credentials ON attackers (credential_count);
CREATE INDEX attackers_country ON attackers (country_code) WHERE country_code IS NOT NULL;
CREATE INDEX attackers_as ON attackers (as_name) WHERE as_name IS NOT NULL;
CREATE INDEX attackers_asn ON attackers (asn) WHERE asn IS NOT NULL;
CREATE TABLE attacker_tags (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    ip TEXT NOT NULL REFERENCES attackers (ip) ON DELETE CASCADE,
    PRIMARY KEY (kind, value, ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX attacker_tags_ip ON attacker_tags (ip);

CREATE TABLE credentials (
    id INTEGER PRIMARY KEY,
    attacker_ip TEXT NOT NULL,
    decky_name TEXT NOT NULL,
    service TEXT NOT NULL,
    principal TEXT,
    principal_key TEXT NOT NULL,
    secret_kind TEXT NOT NULL,
    secret_sha256 BLOB NOT NULL,
    secret_b64 TEXT,
    secret_printable TEXT,
    outcome TEXT,
    fields TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    -- The digest second: it settles almost every comparison.
    UNIQUE (attacker_ip, secret_sha256, decky_name, service, secret_kind, principal_key)
) STRICT;

CREATE TABLE bounty (
    id INTEGER PRIMARY KEY,
    timestamp INTEGER NOT NULL,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    attacker_ip TEXT NOT NULL,
    bounty_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    payload_sha256 BLOB NOT NULL,
    UNIQUE (attacker_ip, payload_sha256, bounty_type)
) STRICT;

CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY,
    event_uuid BLOB NOT NULL UNIQUE,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    attacker_ip TEXT NOT NULL,
    session_id BLOB,
    path TEXT NOT NULL,
    way TEXT NOT NULL,
    whole INTEGER NOT NULL,
    captured_at INTEGER NOT NULL
) STRICT;
CREATE INDEX artifacts_sha256 ON artifacts (sha256);
CREATE INDEX artifacts_attacker ON artifacts (attacker_ip);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    sid BLOB NOT NULL UNIQUE,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    attacker_ip TEXT NOT NULL,
    src_port INTEGER,
    dst_port INTEGER,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    duration_us INTEGER,
    bytes_in INTEGER,
    bytes_out INTEGER,
    why TEXT,
    command_count INTEGER NOT NULL,
    credential_count INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    logged_in INTEGER NOT NULL,
    recording TEXT,
    recording_truncated INTEGER NOT NULL,
    changes INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_attacker ON sessions (attacker_ip);
CREATE INDEX sessions_decky ON sessions (decky);
CREATE INDEX sessions_recorded ON sessions (attacker_ip) WHERE recording IS NOT NULL;

CREATE TABLE users (
    uuid TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    must_change_password INTEGER NOT NULL,
    tokens_valid_from INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE revoked_tokens (
    jti TEXT PRIMARY KEY,
    user_uuid TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_expires ON revoked_tokens (expires_at);

CREATE TABLE state (
    `key` TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fleet_deckies (
    host_uuid TEXT NOT NULL,
    name TEXT NOT NULL,
    services TEXT NOT NULL,
    decky_config TEXT NOT NULL,
    decky_ip TEXT,
    state TEXT NOT NULL,
    last_error TEXT,
    last_seen INTEGER,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (host_uuid, name)
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES
    ('logs', 0), ('last_log_id', 0), ('last_seen', 0), ('credentials', 0), ('sessions', 0), ('artifacts', 0), ('bounties', 0),
    ('attackers', 0), ('log_words_upto', 0), ('credential_words_upto', 0), ('bounty_words_upto', 0), ('purges', 0);
