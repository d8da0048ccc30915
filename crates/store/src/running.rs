//! All deckies that run, wherever they stand, under the id that events carry.

use crate::{
    Result, Store,
    db::{Query, Row},
};
use model::LOCAL_HOST;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Where a decky is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeckySource {
    /// The flat fleet of this host.
    Fleet,
    /// A host of the swarm.
    Shard,
    /// A network of networks.
    Topology,
}

/// A decky that runs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RunningDecky {
    /// `local:web-01`, `<host uuid>:web-01`, or the bare uuid of a topology's decky.
    pub id: String,
    pub source: DeckySource,
    /// Only of a topology's decky.
    pub topology_id: Option<String>,
    /// The host it stands on; `None` if the topology is not bound to a host of the swarm.
    pub host_uuid: Option<String>,
    pub name: String,
    pub services: Vec<String>,
    pub ip: Option<String>,
    #[schema(value_type = Object)]
    pub decky_config: Map<String, Value>,
}

impl Store {
    /// Every decky in the state `running`, of all three sources, by source and id. Rows of `fleet_deckies` that another
    /// host left in a shared database are not this host's fleet and are left out.
    pub async fn list_running_deckies(&self) -> Result<Vec<RunningDecky>> {
        let queries = vec![
            Query::new(
                "SELECT NULL, host_uuid, name, services, decky_ip, decky_config, NULL FROM fleet_deckies \
                 WHERE state = 'running' AND host_uuid = ? ORDER BY name",
            )
            .bind(LOCAL_HOST),
            Query::new(
                "SELECT NULL, host_uuid, decky_name, services, decky_ip, decky_config, NULL FROM decky_shards \
                 WHERE state = 'running' ORDER BY host_uuid, decky_name",
            ),
            Query::new(
                "SELECT d.uuid, t.target_host_uuid, d.name, d.services, d.ip, d.decky_config, d.topology_id \
                 FROM topology_deckies d JOIN topologies t ON t.id = d.topology_id WHERE d.state = 'running' ORDER BY d.uuid",
            ),
        ];
        let sources = [DeckySource::Fleet, DeckySource::Shard, DeckySource::Topology];
        let lists = self.db.read("listing running deckies", queries).await?;
        Ok(sources.into_iter().zip(lists).flat_map(|(source, rows)| rows.into_iter().map(move |row| read(source, row))).collect())
    }
}

fn read(source: DeckySource, mut row: Row) -> RunningDecky {
    let uuid = row.opt_text();
    let host_uuid = row.opt_text();
    let name = row.text();
    let id = uuid.unwrap_or_else(|| model::DeckyId::fleet(host_uuid.as_deref().unwrap_or(LOCAL_HOST), &name).to_string());
    RunningDecky {
        id,
        source,
        host_uuid,
        name,
        services: row.json(),
        ip: row.opt_text(),
        decky_config: row.json(),
        topology_id: row.opt_text(),
    }
}
