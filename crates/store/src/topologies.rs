//! Networks of networks: a topology, its LANs, its deckies, and which decky stands in which LAN.

use crate::{
    At, Result, Store,
    db::{Query, Row, cut},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// A topology. `version` grows with each change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TopologyRow {
    pub id: String,
    pub name: String,
    /// `unihost` or `agent`.
    pub mode: String,
    pub target_host_uuid: Option<String>,
    pub config_snapshot: Map<String, Value>,
    /// `pending`, `deploying`, `active`, `degraded`, `failed`, `tearing_down` or `torn_down`.
    pub status: String,
    pub status_changed_at: At,
    pub created_at: At,
    pub version: i64,
    pub needs_resync: bool,
    pub email_personas: Vec<Value>,
    pub language_default: String,
}

/// A network of a topology.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LanRow {
    pub id: String,
    pub topology_id: String,
    pub name: String,
    pub docker_network_id: Option<String>,
    pub subnet: String,
    pub is_dmz: bool,
}

/// A decky of a topology.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TopologyDeckyRow {
    pub uuid: String,
    pub topology_id: String,
    pub name: String,
    pub services: Vec<String>,
    pub decky_config: Map<String, Value>,
    pub ip: Option<String>,
    pub state: String,
    pub last_error: Option<String>,
    pub compose_hash: Option<String>,
    pub last_seen: Option<At>,
    pub updated_at: At,
}

/// A decky stands in a LAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TopologyEdgeRow {
    pub id: String,
    pub topology_id: String,
    pub decky_uuid: String,
    pub lan_id: String,
    /// It stands in other LANs too.
    pub is_bridge: bool,
    /// It passes packets on between them.
    pub forwards_l3: bool,
}

const TOPOLOGY: &str = "id, name, mode, target_host_uuid, config_snapshot, status, status_changed_at, created_at, version, \
                        needs_resync, email_personas, language_default";
const LAN: &str = "id, topology_id, name, docker_network_id, subnet, is_dmz";
const DECKY: &str = "uuid, topology_id, name, services, decky_config, ip, state, last_error, compose_hash, last_seen, updated_at";
const EDGE: &str = "id, topology_id, decky_uuid, lan_id, is_bridge, forwards_l3";

impl Store {
    /// All topologies, by name.
    pub async fn topologies(&self) -> Result<Vec<TopologyRow>> {
        let query = Query::new(format!("SELECT {TOPOLOGY} FROM topologies ORDER BY name"));
        Ok(self.db.rows("listing topologies", query).await?.into_iter().map(topology).collect())
    }

    /// Writes a topology, by id.
    pub async fn upsert_topology(&self, row: &TopologyRow) -> Result<()> {
        let insert = format!("INSERT INTO topologies ({TOPOLOGY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let set = "name = NEW.name, mode = NEW.mode, target_host_uuid = NEW.target_host_uuid, config_snapshot = NEW.config_snapshot, \
                   status = NEW.status, status_changed_at = NEW.status_changed_at, version = NEW.version, \
                   needs_resync = NEW.needs_resync, email_personas = NEW.email_personas, language_default = NEW.language_default";
        let query = Query::new(self.db.upsert(&insert, "id", set))
            .bind(cut(&row.id, 64))
            .bind(cut(&row.name, 128))
            .bind(cut(&row.mode, 16))
            .bind(row.target_host_uuid.as_deref().map(|h| cut(h, 64)))
            .bind(serde_json::to_string(&row.config_snapshot).unwrap_or_else(|_| "{}".into()))
            .bind(cut(&row.status, 32))
            .bind(row.status_changed_at)
            .bind(row.created_at)
            .bind(row.version)
            .bind(row.needs_resync)
            .bind(serde_json::to_string(&row.email_personas).unwrap_or_else(|_| "[]".into()))
            .bind(cut(&row.language_default, 8));
        self.db.write("writing a topology", vec![query]).await.map(|_| ())
    }

    /// Takes a topology away with its LANs, deckies and edges; events that name its deckies stay. Whether there was one.
    pub async fn delete_topology(&self, id: &str) -> Result<bool> {
        self.changed("deleting a topology", Query::new("DELETE FROM topologies WHERE id = ?").bind(id)).await
    }

    /// LANs of a topology, by name.
    pub async fn lans(&self, topology_id: &str) -> Result<Vec<LanRow>> {
        let query = Query::new(format!("SELECT {LAN} FROM lans WHERE topology_id = ? ORDER BY name")).bind(topology_id);
        Ok(self.db.rows("listing LANs", query).await?.into_iter().map(lan).collect())
    }

    /// Writes a LAN, by id.
    pub async fn upsert_lan(&self, row: &LanRow) -> Result<()> {
        let insert = format!("INSERT INTO lans ({LAN}) VALUES (?, ?, ?, ?, ?, ?)");
        let set = "name = NEW.name, docker_network_id = NEW.docker_network_id, subnet = NEW.subnet, is_dmz = NEW.is_dmz";
        let query = Query::new(self.db.upsert(&insert, "id", set))
            .bind(cut(&row.id, 64))
            .bind(cut(&row.topology_id, 64))
            .bind(cut(&row.name, 128))
            .bind(row.docker_network_id.as_deref().map(|d| cut(d, 128)))
            .bind(cut(&row.subnet, 64))
            .bind(row.is_dmz);
        self.db.write("writing a LAN", vec![query]).await.map(|_| ())
    }

    /// Deckies of a topology, by name.
    pub async fn topology_deckies(&self, topology_id: &str) -> Result<Vec<TopologyDeckyRow>> {
        let query = Query::new(format!("SELECT {DECKY} FROM topology_deckies WHERE topology_id = ? ORDER BY name")).bind(topology_id);
        Ok(self.db.rows("listing deckies of a topology", query).await?.into_iter().map(decky).collect())
    }

    /// Writes a decky of a topology, by uuid.
    pub async fn upsert_topology_decky(&self, row: &TopologyDeckyRow) -> Result<()> {
        let insert = format!("INSERT INTO topology_deckies ({DECKY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let set = "name = NEW.name, services = NEW.services, decky_config = NEW.decky_config, ip = NEW.ip, state = NEW.state, \
                   last_error = NEW.last_error, compose_hash = NEW.compose_hash, last_seen = NEW.last_seen, updated_at = NEW.updated_at";
        let query = Query::new(self.db.upsert(&insert, "uuid", set))
            .bind(cut(&row.uuid, 64))
            .bind(cut(&row.topology_id, 64))
            .bind(cut(&row.name, 128))
            .bind(serde_json::to_string(&row.services).unwrap_or_else(|_| "[]".into()))
            .bind(serde_json::to_string(&row.decky_config).unwrap_or_else(|_| "{}".into()))
            .bind(row.ip.as_deref().map(|ip| cut(ip, 64)))
            .bind(cut(&row.state, 32))
            .bind(row.last_error.as_deref().map(|error| cut(error, 1 << 16)))
            .bind(row.compose_hash.as_deref().map(|h| cut(h, 255)))
            .bind(row.last_seen)
            .bind(row.updated_at);
        self.db.write("writing a decky of a topology", vec![query]).await.map(|_| ())
    }

    /// Edges of a topology.
    pub async fn topology_edges(&self, topology_id: &str) -> Result<Vec<TopologyEdgeRow>> {
        let query = Query::new(format!("SELECT {EDGE} FROM topology_edges WHERE topology_id = ? ORDER BY id")).bind(topology_id);
        Ok(self.db.rows("listing edges", query).await?.into_iter().map(edge).collect())
    }

    /// Writes an edge, by id.
    pub async fn upsert_topology_edge(&self, row: &TopologyEdgeRow) -> Result<()> {
        let insert = format!("INSERT INTO topology_edges ({EDGE}) VALUES (?, ?, ?, ?, ?, ?)");
        let query = Query::new(self.db.upsert(&insert, "id", "is_bridge = NEW.is_bridge, forwards_l3 = NEW.forwards_l3"))
            .bind(cut(&row.id, 64))
            .bind(cut(&row.topology_id, 64))
            .bind(cut(&row.decky_uuid, 64))
            .bind(cut(&row.lan_id, 64))
            .bind(row.is_bridge)
            .bind(row.forwards_l3);
        self.db.write("writing an edge", vec![query]).await.map(|_| ())
    }
}

fn topology(mut row: Row) -> TopologyRow {
    TopologyRow {
        id: row.text(),
        name: row.text(),
        mode: row.text(),
        target_host_uuid: row.opt_text(),
        config_snapshot: row.json(),
        status: row.text(),
        status_changed_at: row.at(),
        created_at: row.at(),
        version: row.int(),
        needs_resync: row.flag(),
        email_personas: row.json(),
        language_default: row.text(),
    }
}

fn lan(mut row: Row) -> LanRow {
    LanRow {
        id: row.text(),
        topology_id: row.text(),
        name: row.text(),
        docker_network_id: row.opt_text(),
        subnet: row.text(),
        is_dmz: row.flag(),
    }
}

fn decky(mut row: Row) -> TopologyDeckyRow {
    TopologyDeckyRow {
        uuid: row.text(),
        topology_id: row.text(),
        name: row.text(),
        services: row.json(),
        decky_config: row.json(),
        ip: row.opt_text(),
        state: row.text(),
        last_error: row.opt_text(),
        compose_hash: row.opt_text(),
        last_seen: row.opt_at(),
        updated_at: row.at(),
    }
}

fn edge(mut row: Row) -> TopologyEdgeRow {
    TopologyEdgeRow {
        id: row.text(),
        topology_id: row.text(),
        decky_uuid: row.text(),
        lan_id: row.text(),
        is_bridge: row.flag(),
        forwards_l3: row.flag(),
    }
}
