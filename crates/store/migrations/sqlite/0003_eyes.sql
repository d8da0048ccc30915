-- What a source does: its whole state, so that absorbing goes on after any restart.
CREATE TABLE attacker_behaviour (
    ip TEXT PRIMARY KEY,
    behaviour TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where each secret was tried, and by whom: the distinct parts that reuse counts.
CREATE TABLE credential_targets (
    secret_sha256 BLOB NOT NULL,
    secret_kind TEXT NOT NULL,
    principal_key TEXT NOT NULL,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    PRIMARY KEY (secret_sha256, secret_kind, principal_key, decky, service)
) STRICT, WITHOUT ROWID;
CREATE TABLE credential_sources (
    secret_sha256 BLOB NOT NULL,
    secret_kind TEXT NOT NULL,
    principal_key TEXT NOT NULL,
    attacker_ip TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    PRIMARY KEY (secret_sha256, secret_kind, principal_key, attacker_ip)
) STRICT, WITHOUT ROWID;
CREATE TABLE credential_reuse (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    -- `credential`: one principal; `secret`: the same secret under several.
    scope TEXT NOT NULL,
    secret_sha256 BLOB NOT NULL,
    secret_kind TEXT NOT NULL,
    principal TEXT,
    principal_key TEXT NOT NULL,
    secret_printable TEXT,
    secret_b64 TEXT,
    target_count INTEGER NOT NULL,
    attacker_count INTEGER NOT NULL,
    principal_count INTEGER NOT NULL,
    rarity INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (secret_sha256, secret_kind, scope, principal_key)
) STRICT;
CREATE INDEX credential_reuse_rank ON credential_reuse (rarity, target_count, id);

-- What others know of a source. One row for each provider, and one that says when to ask again.
CREATE TABLE attacker_intel (
    attacker_uuid TEXT PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    -- Why nobody is asked, if so.
    held_back TEXT,
    cached_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attacker_intel_expires ON attacker_intel (expires_at);
CREATE TABLE attacker_intel_providers (
    attacker_uuid TEXT NOT NULL,
    provider TEXT NOT NULL,
    verdict TEXT,
    fields TEXT NOT NULL,
    error TEXT,
    queried_at INTEGER,
    failed_at INTEGER,
    PRIMARY KEY (attacker_uuid, provider)
) STRICT, WITHOUT ROWID;
