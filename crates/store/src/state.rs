//! Small values by key, and emptying the house.

use crate::{Result, Store, db::Query, text};

impl Store {
    /// The value of a key.
    pub async fn state(&self, key: &str) -> Result<Option<String>> {
        let query = Query::new("SELECT value FROM state WHERE `key` = ?").bind(key);
        Ok(self.db.row("reading state", query).await?.map(|mut row| row.text()))
    }

    /// Sets the value of a key.
    pub async fn set_state(&self, key: &str, value: &str) -> Result<()> {
        self.db.write("writing state", vec![self.state_query(key, value)]).await.map(|_| ())
    }

    pub(crate) fn state_query(&self, key: &str, value: &str) -> Query {
        Query::new(self.db.upsert("INSERT INTO state (`key`, value) VALUES (?, ?)", "`key`", "value = NEW.value")).bind(key).bind(value)
    }

    /// Deletes everything attackers left (logs, credentials, sessions, …), keeps users, fleet, state and spool positions;
    /// counts by table. Ids of logs go on where they were, so cursors of streams and workers stay good.
    pub async fn purge(&self) -> Result<Vec<(String, i64)>> {
        const TABLES: [&str; 6] = ["logs", "credentials", "bounty", "artifacts", "sessions", "attackers"];
        let mut statements: Vec<Query> = TABLES
            .iter()
            .map(|table| match *table {
                // The tags go with their attackers, but one by one; all at once is faster.
                "attackers" => Query::new("DELETE FROM attackers"),
                table => Query::new(format!("DELETE FROM {table}")),
            })
            .collect();
        statements.insert(0, Query::new("DELETE FROM attacker_tags"));
        for table in [
            "attacker_behaviour",
            "credential_targets",
            "credential_sources",
            "credential_reuse",
            "attacker_intel_providers",
            "attacker_intel",
        ] {
            statements.push(Query::new(format!("DELETE FROM {table}")));
        }
        // Ids of credentials may begin anew, so what was read of them is forgotten.
        statements.push(Query::new("DELETE FROM state WHERE `key` = 'reuse_cursor'"));
        for table in ["log_minutes", "log_minute_facets", "log_facets"] {
            statements.push(Query::new(format!("DELETE FROM {table}")));
        }
        for table in ["observations", "attacker_identities", "campaigns", "identity_links", "campaign_links", "mind_events"] {
            statements.push(Query::new(format!("DELETE FROM {table}")));
        }
        // Whoever clusters sees that its turn is over and begins anew.
        statements.push(Query::new("DELETE FROM state WHERE `key` IN ('clusterer', 'campaign-clusterer')"));
        statements.extend(text::ALL.iter().map(|index| self.db.clear_words(*index)));
        statements.push(Query::new("UPDATE counters SET value = 0 WHERE name NOT IN ('last_log_id', 'log_words_upto', 'purges')"));
        statements.push(Query::new("UPDATE counters SET value = value + 1 WHERE name = 'purges'"));
        let changed = self.db.write("purging", statements).await?;
        self.cache.forget();
        let counts = changed.into_iter().skip(1).map(|rows| i64::try_from(rows).unwrap_or(i64::MAX));
        Ok(TABLES.iter().map(|table| (*table).to_owned()).zip(counts).collect())
    }
}
