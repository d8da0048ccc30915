//! What each source does, as the `behaviour` worker left it.

use crate::{
    At, Result, Store,
    db::{Query, cut, marks},
};
use model::Micros;
use serde::Serialize;

/// The state of one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BehaviourRow {
    pub ip: String,
    /// JSON of whoever wrote it.
    pub behaviour: String,
    pub updated_at: At,
}

/// Rows of one statement.
const ROWS: usize = 200;

impl Store {
    /// Those of the addresses that are known.
    pub async fn behaviours(&self, ips: &[String]) -> Result<Vec<BehaviourRow>> {
        let queries = ips
            .chunks(500)
            .map(|chunk| {
                let sql = format!("SELECT ip, behaviour, updated_at FROM attacker_behaviour WHERE ip IN ({})", marks(chunk.len()));
                Query::new(sql).bind_all(chunk.iter().map(|ip| cut(ip, 64).into()))
            })
            .collect();
        let rows = self.db.read("reading behaviour", queries).await?.into_iter().flatten();
        Ok(rows.map(|mut row| BehaviourRow { ip: row.text(), behaviour: row.text(), updated_at: row.at() }).collect())
    }

    /// Writes whole rows and the state key `cursor.0`, in one transaction.
    pub async fn save_behaviours(&self, rows: &[(String, String)], now: Micros, cursor: (&str, i64)) -> Result<()> {
        let mut statements = Vec::new();
        for chunk in rows.chunks(ROWS) {
            let insert = format!("INSERT INTO attacker_behaviour (ip, behaviour, updated_at) VALUES {}", "(?, ?, ?), ".repeat(chunk.len()));
            let set = "behaviour = NEW.behaviour, updated_at = NEW.updated_at";
            let values = chunk.iter().flat_map(|(ip, behaviour)| [cut(ip, 64).into(), behaviour.as_str().into(), now.into()]);
            statements.push(Query::new(self.db.upsert(insert.trim_end_matches(", "), "ip", set)).bind_all(values));
        }
        statements.push(self.state_query(cursor.0, &cursor.1.to_string()));
        self.db.write("saving behaviour", statements).await.map(|_| ())
    }
}
