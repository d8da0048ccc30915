-- Hosts of a swarm, what stands on each, and networks of networks. Ids of deckies in events are opaque texts
-- without a foreign key: events outlive their decky.

CREATE TABLE IF NOT EXISTS swarm_hosts (
    uuid VARCHAR(64) PRIMARY KEY,
    name VARCHAR(128) NOT NULL UNIQUE,
    address VARCHAR(255) NOT NULL,
    agent_port BIGINT NOT NULL,
    status VARCHAR(32) NOT NULL,
    last_heartbeat BIGINT,
    client_cert_fingerprint VARCHAR(255) NOT NULL,
    updater_cert_fingerprint VARCHAR(255),
    cert_bundle_path VARCHAR(1024) NOT NULL,
    enrolled_at BIGINT NOT NULL,
    notes LONGTEXT,
    use_ipvlan BIGINT NOT NULL,
    KEY swarm_hosts_status (status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decky_shards (
    host_uuid VARCHAR(64) NOT NULL,
    decky_name VARCHAR(64) NOT NULL,
    services LONGTEXT NOT NULL,
    decky_config LONGTEXT NOT NULL,
    decky_ip VARCHAR(64),
    state VARCHAR(32) NOT NULL,
    last_error LONGTEXT,
    compose_hash VARCHAR(255),
    last_seen BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (host_uuid, decky_name),
    KEY decky_shards_state (state),
    CONSTRAINT decky_shards_host FOREIGN KEY (host_uuid) REFERENCES swarm_hosts (uuid) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS topologies (
    id VARCHAR(64) PRIMARY KEY,
    name VARCHAR(128) NOT NULL UNIQUE,
    mode VARCHAR(16) NOT NULL,
    target_host_uuid VARCHAR(64),
    config_snapshot LONGTEXT NOT NULL,
    status VARCHAR(32) NOT NULL,
    status_changed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    needs_resync BIGINT NOT NULL,
    email_personas LONGTEXT NOT NULL,
    language_default VARCHAR(8) NOT NULL,
    KEY topologies_status (status),
    CONSTRAINT topologies_host FOREIGN KEY (target_host_uuid) REFERENCES swarm_hosts (uuid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS lans (
    id VARCHAR(64) PRIMARY KEY,
    topology_id VARCHAR(64) NOT NULL,
    name VARCHAR(128) NOT NULL,
    docker_network_id VARCHAR(128),
    subnet VARCHAR(64) NOT NULL,
    is_dmz BIGINT NOT NULL,
    x DOUBLE,
    y DOUBLE,
    UNIQUE KEY lans_name (topology_id, name),
    CONSTRAINT lans_topology FOREIGN KEY (topology_id) REFERENCES topologies (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS topology_deckies (
    uuid VARCHAR(64) PRIMARY KEY,
    topology_id VARCHAR(64) NOT NULL,
    name VARCHAR(128) NOT NULL,
    services LONGTEXT NOT NULL,
    decky_config LONGTEXT NOT NULL,
    ip VARCHAR(64),
    state VARCHAR(32) NOT NULL,
    last_error LONGTEXT,
    compose_hash VARCHAR(255),
    last_seen BIGINT,
    updated_at BIGINT NOT NULL,
    x DOUBLE,
    y DOUBLE,
    UNIQUE KEY topology_deckies_name (topology_id, name),
    KEY topology_deckies_state (state),
    CONSTRAINT topology_deckies_topology FOREIGN KEY (topology_id) REFERENCES topologies (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS topology_edges (
    id VARCHAR(64) PRIMARY KEY,
    topology_id VARCHAR(64) NOT NULL,
    decky_uuid VARCHAR(64) NOT NULL,
    lan_id VARCHAR(64) NOT NULL,
    is_bridge BIGINT NOT NULL,
    forwards_l3 BIGINT NOT NULL,
    UNIQUE KEY topology_edges_pair (decky_uuid, lan_id),
    KEY topology_edges_topology (topology_id),
    KEY topology_edges_lan (lan_id),
    CONSTRAINT topology_edges_of FOREIGN KEY (topology_id) REFERENCES topologies (id) ON DELETE CASCADE,
    CONSTRAINT topology_edges_decky FOREIGN KEY (decky_uuid) REFERENCES topology_deckies (uuid) ON DELETE CASCADE,
    CONSTRAINT topology_edges_in FOREIGN KEY (lan_id) REFERENCES lans (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS orchestrator_events (
    uuid VARCHAR(64) PRIMARY KEY,
    ts BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    protocol VARCHAR(16) NOT NULL,
    action VARCHAR(64) NOT NULL,
    src_decky_uuid VARCHAR(160),
    dst_decky_uuid VARCHAR(160) NOT NULL,
    success BIGINT NOT NULL,
    payload LONGTEXT NOT NULL,
    KEY orchestrator_events_target (dst_decky_uuid, ts),
    KEY orchestrator_events_source (src_decky_uuid),
    KEY orchestrator_events_time (ts)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A table made by an older program: its two foreign keys go (the indices stay), ids are widened, and a time that was a
-- date becomes microseconds. Each step looks whether there is anything to do, so half of it can be done again.
SET @old = (SELECT GROUP_CONCAT(CONCAT('DROP FOREIGN KEY `', CONSTRAINT_NAME, '`') SEPARATOR ', ') FROM information_schema.TABLE_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = 'orchestrator_events' AND CONSTRAINT_TYPE = 'FOREIGN KEY');
SET @step = IF(@old IS NULL, 'DO 0', CONCAT('ALTER TABLE orchestrator_events ', @old));
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;

ALTER TABLE orchestrator_events MODIFY uuid VARCHAR(64) NOT NULL, MODIFY src_decky_uuid VARCHAR(160) NULL, MODIFY dst_decky_uuid VARCHAR(160) NOT NULL;

SET @old = (SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'orchestrator_events' AND COLUMN_NAME = 'ts' AND DATA_TYPE IN ('datetime', 'timestamp'));
SET @new = (SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'orchestrator_events' AND COLUMN_NAME = 'ts_micros');
SET @step = IF(@old = 1 AND @new = 0, 'ALTER TABLE orchestrator_events ADD COLUMN ts_micros BIGINT NOT NULL DEFAULT 0', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
SET @step = IF(@old = 1, 'UPDATE orchestrator_events SET ts_micros = TIMESTAMPDIFF(MICROSECOND, ''1970-01-01 00:00:00'', ts)', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
SET @step = IF(@old = 1, 'ALTER TABLE orchestrator_events DROP COLUMN ts, CHANGE ts_micros ts BIGINT NOT NULL, ADD KEY orchestrator_events_when (dst_decky_uuid, ts)', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
