//! What outside providers know of a source, by provider, and when to ask again.

use crate::{
    At, Result, Store,
    db::{Query, cut},
};
use model::Micros;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Version of what `fields` hold.
pub(crate) const SCHEMA: i64 = 1;

/// One provider's word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct IntelPart {
    pub provider: String,
    /// `malicious`, `suspicious`, `benign`, `unknown`; `None`: it says nothing of this address.
    pub verdict: Option<String>,
    /// What it said, in its own names.
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
    /// Why the last question failed; what it said before still stands.
    pub error: Option<String>,
    /// When it last answered.
    pub queried_at: Option<At>,
    pub failed_at: Option<At>,
}

/// Everything known of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct IntelRow {
    pub attacker_uuid: String,
    pub schema_version: i64,
    /// The strongest verdict of all providers.
    pub aggregate_verdict: Option<String>,
    /// Why nobody was asked: `private address`, `an address of this host`.
    pub held_back: Option<String>,
    pub cached_at: At,
    pub expires_at: At,
    pub providers: Vec<IntelPart>,
}

/// A source to ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    pub attacker_uuid: String,
    pub ip: String,
}

impl Store {
    /// Sources never asked about, and those seen since the last answer went stale; newest first.
    pub async fn unasked(&self, now: Micros, limit: i64) -> Result<Vec<Unasked>> {
        let sql = "SELECT a.uuid, a.ip FROM attackers a LEFT JOIN attacker_intel i ON i.attacker_uuid = a.uuid \
                   WHERE i.attacker_uuid IS NULL OR (i.expires_at < ? AND (a.last_seen > i.cached_at OR i.cached_at = 0)) \
                   ORDER BY a.last_seen DESC LIMIT ?";
        let rows = self.db.rows("looking for attackers to ask about", Query::new(sql).bind(now).bind(limit)).await?;
        Ok(rows.into_iter().map(|mut row| Unasked { attacker_uuid: row.text(), ip: row.text() }).collect())
    }

    /// Everything known of a source; its aggregate is made from the parts.
    pub async fn intel(&self, attacker_uuid: &str) -> Result<Option<IntelRow>> {
        let whole = "SELECT attacker_uuid, schema_version, held_back, cached_at, expires_at FROM attacker_intel WHERE attacker_uuid = ?";
        let parts = "SELECT provider, verdict, fields, error, queried_at, failed_at FROM attacker_intel_providers WHERE attacker_uuid = ? ORDER BY provider";
        let queries = [whole, parts].map(|sql| Query::new(sql).bind(cut(attacker_uuid, 64)));
        let mut answers = self.db.read("reading intelligence", queries.into()).await?.into_iter();
        let Some(mut row) = answers.next().unwrap_or_default().into_iter().next() else { return Ok(None) };
        let mut found = IntelRow {
            attacker_uuid: row.text(),
            schema_version: row.int(),
            aggregate_verdict: None,
            held_back: row.opt_text(),
            cached_at: row.at(),
            expires_at: row.at(),
            providers: Vec::new(),
        };
        found.providers = answers
            .next()
            .unwrap_or_default()
            .into_iter()
            .map(|mut row| IntelPart {
                provider: row.text(),
                verdict: row.opt_text(),
                fields: row.json(),
                error: row.opt_text(),
                queried_at: row.opt_at(),
                failed_at: row.opt_at(),
            })
            .collect();
        found.aggregate_verdict =
            found.providers.iter().filter_map(|p| p.verdict.as_deref()).max_by_key(|v| strength(v)).map(str::to_owned);
        Ok(Some(found))
    }

    /// Writes what a round came to: the parts given (whole, by provider) and when to ask again.
    pub async fn save_intel(&self, row: &IntelRow) -> Result<()> {
        let insert = "INSERT INTO attacker_intel (attacker_uuid, schema_version, held_back, cached_at, expires_at) VALUES (?, ?, ?, ?, ?)";
        let set = "schema_version = NEW.schema_version, held_back = NEW.held_back, cached_at = NEW.cached_at, expires_at = NEW.expires_at";
        let mut statements = vec![
            Query::new(self.db.upsert(insert, "attacker_uuid", set))
                .bind(cut(&row.attacker_uuid, 64))
                .bind(SCHEMA)
                .bind(row.held_back.as_deref().map(|why| cut(why, 128)))
                .bind(row.cached_at)
                .bind(row.expires_at),
        ];
        let insert = "INSERT INTO attacker_intel_providers (attacker_uuid, provider, verdict, fields, error, queried_at, failed_at) \
                      VALUES (?, ?, ?, ?, ?, ?, ?)";
        let set = "verdict = NEW.verdict, fields = NEW.fields, error = NEW.error, queried_at = NEW.queried_at, failed_at = NEW.failed_at";
        let upsert = self.db.upsert(insert, "attacker_uuid, provider", set);
        for part in &row.providers {
            statements.push(
                Query::new(upsert.clone())
                    .bind(cut(&row.attacker_uuid, 64))
                    .bind(cut(&part.provider, 32))
                    .bind(part.verdict.as_deref().map(|v| cut(v, 16)))
                    .bind(serde_json::to_string(&part.fields).unwrap_or_else(|_| "{}".into()))
                    .bind(part.error.as_deref().map(|e| cut(e, 512)))
                    .bind(part.queried_at)
                    .bind(part.failed_at),
            );
        }
        self.db.write("saving intelligence", statements).await.map(|_| ())
    }
}

/// How much a verdict weighs against others.
fn strength(verdict: &str) -> u8 {
    match verdict {
        "malicious" => 4,
        "suspicious" => 3,
        "benign" => 2,
        "unknown" => 1,
        _ => 0,
    }
}
