//! Hosts of a swarm, and the deckies that stand on each.

use crate::{
    At, Result, Store,
    db::{Query, Row, cut},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// An enrolled host.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SwarmHostRow {
    pub uuid: String,
    pub name: String,
    pub address: String,
    pub agent_port: u16,
    /// `enrolled`, `active`, `unreachable` or `decommissioned`.
    pub status: String,
    pub last_heartbeat: Option<At>,
    /// SHA-256 of the certificate its agent must show.
    pub client_cert_fingerprint: String,
    pub updater_cert_fingerprint: Option<String>,
    pub cert_bundle_path: String,
    pub enrolled_at: At,
    pub notes: Option<String>,
    pub use_ipvlan: bool,
}

/// A decky of a swarm host, by host and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeckyShardRow {
    pub host_uuid: String,
    pub decky_name: String,
    pub services: Vec<String>,
    pub decky_config: Map<String, Value>,
    pub decky_ip: Option<String>,
    pub state: String,
    pub last_error: Option<String>,
    pub compose_hash: Option<String>,
    pub last_seen: Option<At>,
    pub updated_at: At,
}

const HOST: &str = "uuid, name, address, agent_port, status, last_heartbeat, client_cert_fingerprint, updater_cert_fingerprint, \
                    cert_bundle_path, enrolled_at, notes, use_ipvlan";
const SHARD: &str = "host_uuid, decky_name, services, decky_config, decky_ip, state, last_error, compose_hash, last_seen, updated_at";

impl Store {
    /// All enrolled hosts, by name.
    pub async fn swarm_hosts(&self) -> Result<Vec<SwarmHostRow>> {
        let rows = self.db.rows("listing hosts", Query::new(format!("SELECT {HOST} FROM swarm_hosts ORDER BY name"))).await?;
        Ok(rows.into_iter().map(host).collect())
    }

    /// Writes a host, by uuid.
    pub async fn upsert_swarm_host(&self, row: &SwarmHostRow) -> Result<()> {
        let insert = format!("INSERT INTO swarm_hosts ({HOST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let set = "name = NEW.name, address = NEW.address, agent_port = NEW.agent_port, status = NEW.status, \
                   last_heartbeat = NEW.last_heartbeat, client_cert_fingerprint = NEW.client_cert_fingerprint, \
                   updater_cert_fingerprint = NEW.updater_cert_fingerprint, cert_bundle_path = NEW.cert_bundle_path, \
                   notes = NEW.notes, use_ipvlan = NEW.use_ipvlan";
        let query = Query::new(self.db.upsert(&insert, "uuid", set))
            .bind(cut(&row.uuid, 64))
            .bind(cut(&row.name, 128))
            .bind(cut(&row.address, 255))
            .bind(row.agent_port)
            .bind(cut(&row.status, 32))
            .bind(row.last_heartbeat)
            .bind(cut(&row.client_cert_fingerprint, 255))
            .bind(row.updater_cert_fingerprint.as_deref().map(|f| cut(f, 255)))
            .bind(cut(&row.cert_bundle_path, 1024))
            .bind(row.enrolled_at)
            .bind(row.notes.as_deref().map(|n| cut(n, 1 << 16)))
            .bind(row.use_ipvlan);
        self.db.write("writing a host", vec![query]).await.map(|_| ())
    }

    /// Takes a host away, and with it the record of its deckies. Whether there was one.
    pub async fn delete_swarm_host(&self, uuid: &str) -> Result<bool> {
        self.changed("deleting a host", Query::new("DELETE FROM swarm_hosts WHERE uuid = ?").bind(uuid)).await
    }

    /// Deckies of one host or of all.
    pub async fn decky_shards(&self, host_uuid: Option<&str>) -> Result<Vec<DeckyShardRow>> {
        let condition = if host_uuid.is_some() { "host_uuid = ?" } else { "1 = 1" };
        let sql = format!("SELECT {SHARD} FROM decky_shards WHERE {condition} ORDER BY host_uuid, decky_name");
        let rows = self.db.rows("listing shards", Query::new(sql).bind_all(host_uuid.map(Into::into))).await?;
        Ok(rows.into_iter().map(shard).collect())
    }

    /// Writes a decky of a swarm host, by host and name. The host must be enrolled.
    pub async fn upsert_decky_shard(&self, row: &DeckyShardRow) -> Result<()> {
        let insert = format!("INSERT INTO decky_shards ({SHARD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let set = "services = NEW.services, decky_config = NEW.decky_config, decky_ip = NEW.decky_ip, state = NEW.state, \
                   last_error = NEW.last_error, compose_hash = NEW.compose_hash, last_seen = NEW.last_seen, updated_at = NEW.updated_at";
        let query = Query::new(self.db.upsert(&insert, "host_uuid, decky_name", set))
            .bind(cut(&row.host_uuid, 64))
            .bind(cut(&row.decky_name, 64))
            .bind(serde_json::to_string(&row.services).unwrap_or_else(|_| "[]".into()))
            .bind(serde_json::to_string(&row.decky_config).unwrap_or_else(|_| "{}".into()))
            .bind(row.decky_ip.as_deref().map(|ip| cut(ip, 64)))
            .bind(cut(&row.state, 32))
            .bind(row.last_error.as_deref().map(|error| cut(error, 1 << 16)))
            .bind(row.compose_hash.as_deref().map(|h| cut(h, 255)))
            .bind(row.last_seen)
            .bind(row.updated_at);
        self.db.write("writing a shard", vec![query]).await.map(|_| ())
    }

    /// Whether there was such a decky.
    pub async fn delete_decky_shard(&self, host_uuid: &str, name: &str) -> Result<bool> {
        let query = Query::new("DELETE FROM decky_shards WHERE host_uuid = ? AND decky_name = ?").bind(host_uuid).bind(name);
        self.changed("deleting a shard", query).await
    }
}

fn host(mut row: Row) -> SwarmHostRow {
    SwarmHostRow {
        uuid: row.text(),
        name: row.text(),
        address: row.text(),
        agent_port: u16::try_from(row.int()).unwrap_or_default(),
        status: row.text(),
        last_heartbeat: row.opt_at(),
        client_cert_fingerprint: row.text(),
        updater_cert_fingerprint: row.opt_text(),
        cert_bundle_path: row.text(),
        enrolled_at: row.at(),
        notes: row.opt_text(),
        use_ipvlan: row.flag(),
    }
}

fn shard(mut row: Row) -> DeckyShardRow {
    DeckyShardRow {
        host_uuid: row.text(),
        decky_name: row.text(),
        services: row.json(),
        decky_config: row.json(),
        decky_ip: row.opt_text(),
        state: row.text(),
        last_error: row.opt_text(),
        compose_hash: row.opt_text(),
        last_seen: row.opt_at(),
        updated_at: row.at(),
    }
}
