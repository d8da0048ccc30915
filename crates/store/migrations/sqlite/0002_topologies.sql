-- Hosts of a swarm, what stands on each, and networks of networks. Ids of deckies in events are opaque texts
-- (`local:web-01`, `host:web-01`, a bare uuid) without a foreign key: events outlive their decky.

CREATE TABLE swarm_hosts (
    uuid TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL,
    agent_port INTEGER NOT NULL,
    status TEXT NOT NULL,
    last_heartbeat INTEGER,
    client_cert_fingerprint TEXT NOT NULL,
    updater_cert_fingerprint TEXT,
    cert_bundle_path TEXT NOT NULL,
    enrolled_at INTEGER NOT NULL,
    notes TEXT,
    use_ipvlan INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX swarm_hosts_status ON swarm_hosts (status);

-- By host and name: two hosts may each have a `web-01`.
CREATE TABLE decky_shards (
    host_uuid TEXT NOT NULL REFERENCES swarm_hosts (uuid) ON DELETE CASCADE,
    decky_name TEXT NOT NULL,
    services TEXT NOT NULL,
    decky_config TEXT NOT NULL,
    decky_ip TEXT,
    state TEXT NOT NULL,
    last_error TEXT,
    compose_hash TEXT,
    last_seen INTEGER,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (host_uuid, decky_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX decky_shards_state ON decky_shards (state);

CREATE TABLE topologies (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    mode TEXT NOT NULL,
    target_host_uuid TEXT REFERENCES swarm_hosts (uuid),
    config_snapshot TEXT NOT NULL,
    status TEXT NOT NULL,
    status_changed_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    needs_resync INTEGER NOT NULL,
    email_personas TEXT NOT NULL,
    language_default TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX topologies_status ON topologies (status);

CREATE TABLE lans (
    id TEXT PRIMARY KEY,
    topology_id TEXT NOT NULL REFERENCES topologies (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    docker_network_id TEXT,
    subnet TEXT NOT NULL,
    is_dmz INTEGER NOT NULL,
    x REAL,
    y REAL,
    UNIQUE (topology_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE topology_deckies (
    uuid TEXT PRIMARY KEY,
    topology_id TEXT NOT NULL REFERENCES topologies (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    services TEXT NOT NULL,
    decky_config TEXT NOT NULL,
    ip TEXT,
    state TEXT NOT NULL,
    last_error TEXT,
    compose_hash TEXT,
    last_seen INTEGER,
    updated_at INTEGER NOT NULL,
    x REAL,
    y REAL,
    UNIQUE (topology_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX topology_deckies_state ON topology_deckies (state);

CREATE TABLE topology_edges (
    id TEXT PRIMARY KEY,
    topology_id TEXT NOT NULL REFERENCES topologies (id) ON DELETE CASCADE,
    decky_uuid TEXT NOT NULL REFERENCES topology_deckies (uuid) ON DELETE CASCADE,
    lan_id TEXT NOT NULL REFERENCES lans (id) ON DELETE CASCADE,
    is_bridge INTEGER NOT NULL,
    forwards_l3 INTEGER NOT NULL,
    UNIQUE (decky_uuid, lan_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX topology_edges_topology ON topology_edges (topology_id);
CREATE INDEX topology_edges_lan ON topology_edges (lan_id);

CREATE TABLE orchestrator_events (
    uuid TEXT PRIMARY KEY,
    ts INTEGER NOT NULL,
    kind TEXT NOT NULL,
    protocol TEXT NOT NULL,
    action TEXT NOT NULL,
    src_decky_uuid TEXT,
    dst_decky_uuid TEXT NOT NULL,
    success INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX orchestrator_events_target ON orchestrator_events (dst_decky_uuid, ts);
CREATE INDEX orchestrator_events_source ON orchestrator_events (src_decky_uuid) WHERE src_decky_uuid IS NOT NULL;
CREATE INDEX orchestrator_events_time ON orchestrator_events (ts);
