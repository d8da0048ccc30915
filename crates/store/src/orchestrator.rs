//! What the orchestrator did. Deckies are named by opaque ids without a foreign key, so that the record outlives them.

use crate::{
    At, Result, Store,
    db::{Query, Row, cut},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One thing that was done between deckies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct OrchestratorEventRow {
    pub uuid: String,
    pub ts: At,
    /// `traffic`, `file` or `email`.
    pub kind: String,
    pub protocol: String,
    pub action: String,
    pub src_decky_uuid: Option<String>,
    pub dst_decky_uuid: String,
    pub success: bool,
    #[schema(value_type = Object)]
    pub payload: Map<String, Value>,
}

const COLUMNS: &str = "uuid, ts, kind, protocol, action, src_decky_uuid, dst_decky_uuid, success, payload";

impl Store {
    /// Writes what was done, all or nothing. An event that is there already is left alone.
    pub async fn add_orchestrator_events(&self, events: &[OrchestratorEventRow]) -> Result<()> {
        let sql = format!("{} orchestrator_events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self.db.insert_new());
        let queries = events.iter().map(|e| {
            Query::new(sql.clone())
                .bind(cut(&e.uuid, 64))
                .bind(e.ts)
                .bind(cut(&e.kind, 16))
                .bind(cut(&e.protocol, 16))
                .bind(cut(&e.action, 64))
                .bind(e.src_decky_uuid.as_deref().map(|d| cut(d, 160)))
                .bind(cut(&e.dst_decky_uuid, 160))
                .bind(e.success)
                .bind(serde_json::to_string(&e.payload).unwrap_or_else(|_| "{}".into()))
        });
        self.db.write("writing what the orchestrator did", queries.collect()).await.map(|_| ())
    }

    /// Newest first; only those done to `decky` if given.
    pub async fn orchestrator_events(&self, decky: Option<&str>, limit: i64, offset: i64) -> Result<Vec<OrchestratorEventRow>> {
        let condition = if decky.is_some() { "dst_decky_uuid = ?" } else { "1 = 1" };
        let sql = format!("SELECT {COLUMNS} FROM orchestrator_events WHERE {condition} ORDER BY ts DESC, uuid LIMIT ? OFFSET ?");
        let query = Query::new(sql).bind_all(decky.map(Into::into)).bind(limit).bind(offset);
        Ok(self.db.rows("reading what the orchestrator did", query).await?.into_iter().map(read).collect())
    }

    /// Keeps the newest `keep` events done to `decky`; how many went.
    pub async fn prune_orchestrator_events(&self, decky: &str, keep: i64) -> Result<u64> {
        let border = Query::new("SELECT ts FROM orchestrator_events WHERE dst_decky_uuid = ? ORDER BY ts DESC LIMIT 1 OFFSET ?")
            .bind(decky)
            .bind(keep);
        let Some(mut row) = self.db.row("looking for old events", border).await? else { return Ok(0) };
        let query = Query::new("DELETE FROM orchestrator_events WHERE dst_decky_uuid = ? AND ts <= ?").bind(decky).bind(row.at());
        Ok(self.db.write("forgetting old events", vec![query]).await?.first().copied().unwrap_or(0))
    }
}

fn read(mut row: Row) -> OrchestratorEventRow {
    OrchestratorEventRow {
        uuid: row.text(),
        ts: row.at(),
        kind: row.text(),
        protocol: row.text(),
        action: row.text(),
        src_decky_uuid: row.opt_text(),
        dst_decky_uuid: row.text(),
        success: row.flag(),
        payload: row.json(),
    }
}
