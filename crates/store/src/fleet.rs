//! What should exist and how it stands, by host and name.

use crate::{
    At, FleetDeckyRow, Result, Store,
    db::{Query, Row, cut},
};

const COLUMNS: &str = "host_uuid, name, services, decky_config, decky_ip, state, last_error, last_seen, updated_at";

impl Store {
    /// The fleet of one host or of all, by name.
    pub async fn fleet_deckies(&self, host_uuid: Option<&str>) -> Result<Vec<FleetDeckyRow>> {
        let condition = if host_uuid.is_some() { "host_uuid = ?" } else { "1 = 1" };
        let sql = format!("SELECT {COLUMNS} FROM fleet_deckies WHERE {condition} ORDER BY host_uuid, name");
        let rows = self.db.rows("listing deckies", Query::new(sql).bind_all(host_uuid.map(Into::into))).await?;
        Ok(rows.into_iter().map(read).collect())
    }

    /// Writes a whole row, by host and name.
    pub async fn upsert_fleet_decky(&self, row: &FleetDeckyRow) -> Result<()> {
        self.upsert_fleet_deckies(std::slice::from_ref(row)).await
    }

    /// Writes whole rows, by host and name, all or none.
    pub async fn upsert_fleet_deckies(&self, rows: &[FleetDeckyRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let insert = format!("INSERT INTO fleet_deckies ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let set = "services = NEW.services, decky_config = NEW.decky_config, decky_ip = NEW.decky_ip, state = NEW.state, \
                   last_error = NEW.last_error, last_seen = NEW.last_seen, updated_at = NEW.updated_at";
        let sql = self.db.upsert(&insert, "host_uuid, name", set);
        let queries = rows.iter().map(|row| {
            Query::new(sql.clone())
                .bind(cut(&row.host_uuid, 64))
                .bind(cut(&row.name, 64))
                .bind(serde_json::to_string(&row.services).unwrap_or_else(|_| "[]".into()))
                .bind(serde_json::to_string(&row.decky_config).unwrap_or_else(|_| "{}".into()))
                .bind(row.decky_ip.as_deref().map(|ip| cut(ip, 64)))
                .bind(cut(&row.state, 32))
                .bind(row.last_error.as_deref().map(|error| cut(error, 1 << 16)))
                .bind(row.last_seen)
                .bind(row.updated_at)
        });
        self.db.write("writing deckies", queries.collect()).await.map(|_| ())
    }

    /// Says that all deckies of a host that run, or some services of them, were seen at `at`.
    pub async fn fleet_deckies_seen(&self, host_uuid: &str, at: At) -> Result<()> {
        let sql = "UPDATE fleet_deckies SET last_seen = ? WHERE host_uuid = ? AND state IN ('running', 'degraded')";
        self.db.write("saying that deckies were seen", vec![Query::new(sql).bind(at).bind(host_uuid)]).await.map(|_| ())
    }

    /// Whether there was such a decky.
    pub async fn delete_fleet_decky(&self, host_uuid: &str, name: &str) -> Result<bool> {
        let query = Query::new("DELETE FROM fleet_deckies WHERE host_uuid = ? AND name = ?").bind(host_uuid).bind(name);
        self.changed("deleting a decky", query).await
    }
}

fn read(mut row: Row) -> FleetDeckyRow {
    FleetDeckyRow {
        host_uuid: row.text(),
        name: row.text(),
        services: row.json(),
        decky_config: row.json(),
        decky_ip: row.opt_text(),
        state: row.text(),
        last_error: row.opt_text(),
        last_seen: row.opt_at(),
        updated_at: row.at(),
    }
}
