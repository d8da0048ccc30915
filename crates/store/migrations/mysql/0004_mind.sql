-- Who is who and who works together. Times are microseconds, confidences and weights parts in a million.

CREATE TABLE IF NOT EXISTS campaigns (
    uuid VARCHAR(64) PRIMARY KEY,
    schema_version BIGINT NOT NULL,
    first_seen_at BIGINT,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    confidence BIGINT,
    identity_count BIGINT NOT NULL,
    ja3_hashes LONGTEXT,
    hassh_hashes LONGTEXT,
    payload_simhashes LONGTEXT,
    c2_endpoints LONGTEXT,
    merged_into_uuid VARCHAR(64),
    notes LONGTEXT,
    KEY campaigns_recent (merged_into_uuid, last_seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS attacker_identities (
    uuid VARCHAR(64) PRIMARY KEY,
    schema_version BIGINT NOT NULL,
    campaign_id VARCHAR(64),
    first_seen_at BIGINT,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    confidence BIGINT,
    observation_count BIGINT NOT NULL,
    ja3_hashes LONGTEXT,
    hassh_hashes LONGTEXT,
    payload_simhashes LONGTEXT,
    c2_endpoints LONGTEXT,
    merged_into_uuid VARCHAR(64),
    notes LONGTEXT,
    KEY attacker_identities_recent (merged_into_uuid, last_seen_at),
    KEY attacker_identities_campaign (campaign_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One strand of one address: nearly every address has one.
CREATE TABLE IF NOT EXISTS observations (
    uuid VARCHAR(64) PRIMARY KEY,
    attacker_ip VARCHAR(64) NOT NULL,
    ordinal BIGINT NOT NULL,
    identity_id VARCHAR(64),
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    evidence LONGTEXT NOT NULL,
    UNIQUE (attacker_ip, ordinal),
    KEY observations_identity (identity_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Why two observations are one identity, and two identities one campaign.
CREATE TABLE IF NOT EXISTS identity_links (
    a VARCHAR(64) NOT NULL,
    b VARCHAR(64) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    value LONGTEXT NOT NULL,
    holders BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    confidence BIGINT NOT NULL,
    PRIMARY KEY (a, b),
    KEY identity_links_b (b)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE IF NOT EXISTS campaign_links (
    a VARCHAR(64) NOT NULL,
    b VARCHAR(64) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    handoff BIGINT NOT NULL,
    infrastructure BIGINT NOT NULL,
    overlap BIGINT NOT NULL,
    cohort BIGINT NOT NULL,
    confidence BIGINT NOT NULL,
    PRIMARY KEY (a, b),
    KEY campaign_links_b (b)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What analysts say: two are the same, or are not. Holds through every later pass.
CREATE TABLE IF NOT EXISTS analyst_links (
    level VARCHAR(64) NOT NULL,
    a VARCHAR(64) NOT NULL,
    b VARCHAR(64) NOT NULL,
    same BIGINT NOT NULL,
    said_by VARCHAR(255) NOT NULL,
    said_at BIGINT NOT NULL,
    PRIMARY KEY (level, a, b)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What changed, in the order it did: history, and what streams read.
CREATE TABLE IF NOT EXISTS mind_events (
    id BIGINT PRIMARY KEY AUTO_INCREMENT,
    at BIGINT NOT NULL,
    topic VARCHAR(64) NOT NULL,
    subject VARCHAR(64) NOT NULL,
    payload LONGTEXT NOT NULL,
    KEY mind_events_subject (subject)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
