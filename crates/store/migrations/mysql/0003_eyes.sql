-- What a source does: its whole state, so that absorbing goes on after any restart.
CREATE TABLE IF NOT EXISTS attacker_behaviour (
    ip VARCHAR(64) PRIMARY KEY,
    behaviour LONGTEXT NOT NULL,
    updated_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Where each secret was tried, and by whom: the distinct parts that reuse counts.
CREATE TABLE IF NOT EXISTS credential_targets (
    secret_sha256 VARBINARY(257) NOT NULL,
    secret_kind VARCHAR(32) NOT NULL,
    principal_key VARBINARY(1024) NOT NULL,
    decky VARCHAR(128) NOT NULL,
    service VARCHAR(32) NOT NULL,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (secret_sha256, secret_kind, principal_key, decky, service)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS credential_sources (
    secret_sha256 VARBINARY(257) NOT NULL,
    secret_kind VARCHAR(32) NOT NULL,
    principal_key VARBINARY(1024) NOT NULL,
    attacker_ip VARCHAR(64) NOT NULL,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (secret_sha256, secret_kind, principal_key, attacker_ip)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS credential_reuse (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    uuid VARCHAR(64) NOT NULL UNIQUE,
    -- `credential`: one principal; `secret`: the same secret under several.
    scope VARCHAR(16) NOT NULL,
    secret_sha256 VARBINARY(257) NOT NULL,
    secret_kind VARCHAR(32) NOT NULL,
    principal VARCHAR(256),
    principal_key VARBINARY(1024) NOT NULL,
    secret_printable VARCHAR(512),
    secret_b64 VARCHAR(2048),
    target_count BIGINT NOT NULL,
    attacker_count BIGINT NOT NULL,
    principal_count BIGINT NOT NULL,
    rarity BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (secret_sha256, secret_kind, scope, principal_key),
    KEY credential_reuse_rank (rarity, target_count, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What others know of a source. One row for each provider, and one that says when to ask again.
CREATE TABLE IF NOT EXISTS attacker_intel (
    attacker_uuid VARCHAR(64) PRIMARY KEY,
    schema_version BIGINT NOT NULL,
    -- Why nobody is asked, if so.
    held_back VARCHAR(128),
    cached_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY attacker_intel_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS attacker_intel_providers (
    attacker_uuid VARCHAR(64) NOT NULL,
    provider VARCHAR(32) NOT NULL,
    verdict VARCHAR(16),
    fields LONGTEXT NOT NULL,
    error VARCHAR(512),
    queried_at BIGINT,
    failed_at BIGINT,
    PRIMARY KEY (attacker_uuid, provider)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
