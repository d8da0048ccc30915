-- The same tables as for SQLite. Definitions commit by themselves here, so each can be applied again.
-- Times are microseconds since the epoch, UTC. Ids are 16 bytes for a UUID, digests 32 bytes.

CREATE TABLE IF NOT EXISTS logs (
    id BIGINT PRIMARY KEY,
    event_uuid VARBINARY(257) NOT NULL,
    timestamp BIGINT NOT NULL,
    decky VARCHAR(128) NOT NULL,
    service VARCHAR(32) NOT NULL,
    event_type VARCHAR(64) NOT NULL,
    attacker_ip VARCHAR(64) NOT NULL,
    src_port BIGINT,
    dst_port BIGINT,
    session_id VARBINARY(257),
    fields LONGTEXT NOT NULL,
    msg LONGTEXT NOT NULL,
    UNIQUE KEY logs_event (event_uuid),
    KEY logs_attacker (attacker_ip),
    KEY logs_session (session_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What the rows of `logs` add up to, kept in the transaction that writes them.
CREATE TABLE IF NOT EXISTS log_minutes (
    minute BIGINT PRIMARY KEY,
    count BIGINT NOT NULL,
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
-- By decky (`d`), service (`s`) and event type (`e`).
CREATE TABLE IF NOT EXISTS log_minute_facets (
    kind VARCHAR(8) NOT NULL,
    value VARCHAR(128) NOT NULL,
    minute BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (kind, value, minute)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS log_facets (
    kind VARCHAR(8) NOT NULL,
    value VARCHAR(128) NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (kind, value)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS counters (
    name VARCHAR(64) PRIMARY KEY,
    value BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS spool_positions (
    spool VARCHAR(190) PRIMARY KEY,
    segment BIGINT NOT NULL,
    position BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The words of each row, filled in idle time up to the id in the counter `*_words_upto`.
CREATE TABLE IF NOT EXISTS log_words (
    word VARBINARY(72) NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (word, id)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS credential_words (
    word VARBINARY(72) NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (word, id)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS bounty_words (
    word VARBINARY(72) NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (word, id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS attackers (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    uuid VARCHAR(64) NOT NULL UNIQUE,
    ip VARCHAR(64) NOT NULL,
    identity_id VARCHAR(64),
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    event_count BIGINT NOT NULL,
    service_count BIGINT NOT NULL,
    decky_count BIGINT NOT NULL,
    session_count BIGINT NOT NULL,
    services LONGTEXT NOT NULL,
    deckies LONGTEXT NOT NULL,
    traversal_path LONGTEXT,
    is_traversal BIGINT NOT NULL,
    bounty_count BIGINT NOT NULL,
    credential_count BIGINT NOT NULL,
    command_count BIGINT NOT NULL,
    file_count BIGINT NOT NULL,
    fingerprints LONGTEXT NOT NULL,
    commands LONGTEXT NOT NULL,
    interacted LONGTEXT NOT NULL,
    country_code VARCHAR(2),
    asn BIGINT,
    as_name VARCHAR(128),
    ptr_record VARCHAR(256),
    updated_at BIGINT NOT NULL,
    UNIQUE KEY attackers_ip (ip),
    KEY attackers_recent (last_seen),
    KEY attackers_active (event_count),
    KEY attackers_traversals (is_traversal, last_seen),
    KEY attackers_first (first_seen),
    KEY attackers_credentials (credential_count),
    KEY attackers_country (country_code),
    KEY attackers_as (as_name),
    KEY attackers_asn (asn)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS attacker_tags (
    kind VARCHAR(8) NOT NULL,
    value VARCHAR(128) NOT NULL,
    ip VARCHAR(64) NOT NULL,
    PRIMARY KEY (kind, value, ip),
    CONSTRAINT attacker_tags_of FOREIGN KEY (ip) REFERENCES attackers (ip) ON DELETE CASCADE,
    KEY attacker_tags_ip (ip)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS credentials (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    attacker_ip VARCHAR(64) NOT NULL,
    decky_name VARCHAR(128) NOT NULL,
    service VARCHAR(32) NOT NULL,
    principal VARCHAR(256),
    principal_key VARBINARY(1024) NOT NULL,
    secret_kind VARCHAR(32) NOT NULL,
    secret_sha256 VARBINARY(257) NOT NULL,
    secret_b64 VARCHAR(2048),
    secret_printable VARCHAR(512),
    outcome VARCHAR(16),
    fields LONGTEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    attempt_count BIGINT NOT NULL,
    UNIQUE (attacker_ip, secret_sha256, decky_name, service, secret_kind, principal_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS bounty (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    timestamp BIGINT NOT NULL,
    decky VARCHAR(128) NOT NULL,
    service VARCHAR(32) NOT NULL,
    attacker_ip VARCHAR(64) NOT NULL,
    bounty_type VARCHAR(32) NOT NULL,
    payload LONGTEXT NOT NULL,
    payload_sha256 BINARY(32) NOT NULL,
    UNIQUE (attacker_ip, payload_sha256, bounty_type)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS artifacts (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    event_uuid VARBINARY(257) NOT NULL UNIQUE,
    sha256 VARBINARY(257) NOT NULL,
    size BIGINT NOT NULL,
    decky VARCHAR(128) NOT NULL,
    service VARCHAR(32) NOT NULL,
    attacker_ip VARCHAR(64) NOT NULL,
    session_id VARBINARY(257),
    path LONGTEXT NOT NULL,
    way VARCHAR(16) NOT NULL,
    whole BIGINT NOT NULL,
    captured_at BIGINT NOT NULL,
    KEY artifacts_sha256 (sha256),
    KEY artifacts_attacker (attacker_ip)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sessions (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    sid VARBINARY(257) NOT NULL UNIQUE,
    decky VARCHAR(128) NOT NULL,
    service VARCHAR(32) NOT NULL,
    attacker_ip VARCHAR(64) NOT NULL,
    src_port BIGINT,
    dst_port BIGINT,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    duration_us BIGINT,
    bytes_in BIGINT,
    bytes_out BIGINT,
    why VARCHAR(32),
    command_count BIGINT NOT NULL,
    credential_count BIGINT NOT NULL,
    file_count BIGINT NOT NULL,
    logged_in BIGINT NOT NULL,
    recording VARCHAR(255),
    recording_truncated BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    KEY sessions_attacker (attacker_ip),
    KEY sessions_decky (decky)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS users (
    uuid VARCHAR(64) PRIMARY KEY,
    username VARBINARY(512) NOT NULL UNIQUE,
    password_hash VARCHAR(512) NOT NULL,
    role VARCHAR(16) NOT NULL,
    must_change_password BIGINT NOT NULL,
    tokens_valid_from BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS revoked_tokens (
    jti VARCHAR(128) PRIMARY KEY,
    user_uuid VARCHAR(64) NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    KEY revoked_tokens_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS state (
    `key` VARCHAR(190) PRIMARY KEY,
    value LONGTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS fleet_deckies (
    host_uuid VARCHAR(64) NOT NULL,
    name VARCHAR(64) NOT NULL,
    services LONGTEXT NOT NULL,
    decky_config LONGTEXT NOT NULL,
    decky_ip VARCHAR(64),
    state VARCHAR(32) NOT NULL,
    last_error LONGTEXT,
    last_seen BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (host_uuid, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO counters (name, value) VALUES
    ('logs', 0), ('last_log_id', 0), ('last_seen', 0), ('credentials', 0), ('sessions', 0), ('artifacts', 0), ('bounties', 0),
    ('attackers', 0), ('log_words_upto', 0), ('credential_words_upto', 0), ('bounty_words_upto', 0), ('purges', 0);
