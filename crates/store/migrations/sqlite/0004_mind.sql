-- Who is who and who works together. Times are microseconds, confidences and weights parts in a million.

CREATE TABLE campaigns (
    uuid TEXT PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    first_seen_at INTEGER,
    last_seen_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    confidence INTEGER,
    identity_count INTEGER NOT NULL,
    ja3_hashes TEXT,
    hassh_hashes TEXT,
    payload_simhashes TEXT,
    c2_endpoints TEXT,
    merged_into_uuid TEXT,
    notes TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX campaigns_recent ON campaigns (merged_into_uuid, last_seen_at);

CREATE TABLE attacker_identities (
    uuid TEXT PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    campaign_id TEXT,
    first_seen_at INTEGER,
    last_seen_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    confidence INTEGER,
    observation_count INTEGER NOT NULL,
    ja3_hashes TEXT,
    hassh_hashes TEXT,
    payload_simhashes TEXT,
    c2_endpoints TEXT,
    merged_into_uuid TEXT,
    notes TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX attacker_identities_recent ON attacker_identities (merged_into_uuid, last_seen_at);
CREATE INDEX attacker_identities_campaign ON attacker_identities (campaign_id);

-- One strand of one address: nearly every address has one.
CREATE TABLE observations (
    uuid TEXT PRIMARY KEY,
    attacker_ip TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    identity_id TEXT,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    UNIQUE (attacker_ip, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX observations_identity ON observations (identity_id);

-- Why two observations are one identity, and two identities one campaign.
CREATE TABLE identity_links (
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    holders INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    confidence INTEGER NOT NULL,
    PRIMARY KEY (a, b)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_links_b ON identity_links (b);
CREATE TABLE campaign_links (
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    kind TEXT NOT NULL,
    handoff INTEGER NOT NULL,
    infrastructure INTEGER NOT NULL,
    overlap INTEGER NOT NULL,
    cohort INTEGER NOT NULL,
    confidence INTEGER NOT NULL,
    PRIMARY KEY (a, b)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_links_b ON campaign_links (b);

-- What analysts say: two are the same, or are not. Holds through every later pass.
CREATE TABLE analyst_links (
    level TEXT NOT NULL,
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    same INTEGER NOT NULL,
    said_by TEXT NOT NULL,
    said_at INTEGER NOT NULL,
    PRIMARY KEY (level, a, b)
) STRICT, WITHOUT ROWID;

-- What changed, in the order it did: history, and what streams read.
CREATE TABLE mind_events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX mind_events_subject ON mind_events (subject);
