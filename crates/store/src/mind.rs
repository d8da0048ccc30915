//! Observations, identities, campaigns: what the two clusterers write and the dashboard reads.
//!
//! A pass writes everything it changed in one transaction, and only if nobody else wrote since it read (the state key
//! of its turn), so two workers by mistake or a pass repeated after a crash change nothing twice.

use crate::{
    At, Page, Result, Store,
    db::{Arg, Query, Row, cut, marks},
};
use model::Micros;
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

/// Rows of one statement.
const ROWS: usize = 100;
/// Merges followed from an old uuid to the one that is valid.
const HOPS: usize = 8;
/// A share of one, stored as parts in a million.
const MILLION: f64 = 1_000_000.0;

/// A number between 0 and 1, or a weight; stored as parts in a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = f64)]
pub struct Share(pub i64);

impl From<f64> for Share {
    fn from(value: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "clamped before")]
        Self((value.clamp(-1e6, 1e6) * MILLION).round() as i64)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_f64(self.0 as f64 / MILLION)
    }
}

/// One strand of one address.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ObservationRow {
    pub uuid: String,
    pub attacker_ip: String,
    pub attacker_uuid: Option<String>,
    pub ordinal: i64,
    /// What it was linked to; after a merge that identity points to another.
    pub identity_id: Option<String>,
    pub first_seen: At,
    pub last_seen: At,
    pub asn: Option<i64>,
    pub country_code: Option<String>,
    /// What was seen: fingerprints, files, call-back addresses, phases on deckies, times.
    #[schema(value_type = Object)]
    pub evidence: Value,
}

/// One actor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct IdentityRow {
    pub uuid: String,
    pub schema_version: i64,
    pub campaign_id: Option<String>,
    pub first_seen_at: Option<At>,
    pub last_seen_at: Option<At>,
    pub created_at: At,
    pub updated_at: At,
    /// Of its weakest link, 0.5 to 1.
    pub confidence: Option<Share>,
    pub observation_count: i64,
    pub ja3_hashes: Vec<String>,
    pub hassh_hashes: Vec<String>,
    /// Sha256 of files left.
    pub payload_simhashes: Vec<String>,
    pub c2_endpoints: Vec<String>,
    /// Set: it was found to be this one.
    pub merged_into_uuid: Option<String>,
    pub notes: Option<String>,
}

/// Actors who work together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct CampaignRow {
    pub uuid: String,
    pub schema_version: i64,
    pub first_seen_at: Option<At>,
    pub last_seen_at: Option<At>,
    pub created_at: At,
    pub updated_at: At,
    pub confidence: Option<Share>,
    pub identity_count: i64,
    pub ja3_hashes: Vec<String>,
    pub hassh_hashes: Vec<String>,
    pub payload_simhashes: Vec<String>,
    pub c2_endpoints: Vec<String>,
    pub merged_into_uuid: Option<String>,
    pub notes: Option<String>,
}

/// Why two observations are one identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct IdentityLinkRow {
    pub a: String,
    pub b: String,
    /// `hassh`, `ja4`, `ja3`, `payload`, `c2`, `client+credentials`, `client+commands`, `bond`.
    pub kind: String,
    pub value: String,
    /// How many observations share it.
    pub holders: i64,
    /// Sum of the tiers: high 1, commands 0.6, credentials 0.2, network 0.05.
    pub weight: Share,
    pub confidence: Share,
}

/// Why two identities are one campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct CampaignLinkRow {
    pub a: String,
    pub b: String,
    /// `hand-over` or `shared infrastructure`, whichever weighs more.
    pub kind: String,
    pub handoff: Share,
    pub infrastructure: Share,
    pub overlap: Share,
    pub cohort: Share,
    pub confidence: Share,
}

/// Something that changed among identities or campaigns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MindEventRow {
    pub id: i64,
    pub at: At,
    /// `identity.merged` and the like.
    pub topic: String,
    /// Uuid of the identity or campaign it is about first of all.
    pub subject: String,
    #[schema(value_type = Object)]
    pub payload: Value,
}

/// What an analyst says of two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct AnalystLinkRow {
    /// `identity` (of observations) or `campaign` (of identities).
    pub level: String,
    pub a: String,
    pub b: String,
    /// Whether they are the same; false: they are not.
    pub same: bool,
    pub said_by: String,
    pub said_at: At,
}

/// Everything one pass of a clusterer writes.
#[derive(Clone, Debug, Default)]
pub struct MindWrite {
    /// State key, what it must hold, what it holds afterwards.
    pub turn: (&'static str, String, String),
    pub observations: Vec<ObservationRow>,
    pub identities: Vec<IdentityRow>,
    pub campaigns: Vec<CampaignRow>,
    /// Identity and the campaign it is assigned to now.
    pub assigned: Vec<(String, String)>,
    /// Observations whose links are told anew.
    pub relinked: Vec<String>,
    pub links: Vec<IdentityLinkRow>,
    /// Whether the links of campaigns are replaced by `campaign_links`.
    pub campaign_links: Option<Vec<CampaignLinkRow>>,
    /// Address and the identity it belongs to now.
    pub attackers: Vec<(String, String)>,
    /// Time, topic, subject, payload.
    pub events: Vec<(Micros, String, String, Value)>,
}

const OBSERVATION: &str =
    "o.uuid, o.attacker_ip, a.uuid, o.ordinal, o.identity_id, o.first_seen, o.last_seen, a.asn, a.country_code, o.evidence";
const OBSERVATIONS: &str = "observations o LEFT JOIN attackers a ON a.ip = o.attacker_ip";
const IDENTITY: &str = "uuid, schema_version, campaign_id, first_seen_at, last_seen_at, created_at, updated_at, confidence, observation_count, \
    ja3_hashes, hassh_hashes, payload_simhashes, c2_endpoints, merged_into_uuid, notes";
const CAMPAIGN: &str = "uuid, schema_version, first_seen_at, last_seen_at, created_at, updated_at, confidence, identity_count, \
    ja3_hashes, hassh_hashes, payload_simhashes, c2_endpoints, merged_into_uuid, notes";

fn observation(mut row: Row) -> ObservationRow {
    ObservationRow {
        uuid: row.text(),
        attacker_ip: row.text(),
        attacker_uuid: row.opt_text(),
        ordinal: row.int(),
        identity_id: row.opt_text(),
        first_seen: row.at(),
        last_seen: row.at(),
        asn: row.opt_int(),
        country_code: row.opt_text(),
        evidence: row.json(),
    }
}

fn identity(mut row: Row) -> IdentityRow {
    IdentityRow {
        uuid: row.text(),
        schema_version: row.int(),
        campaign_id: row.opt_text(),
        first_seen_at: row.opt_at(),
        last_seen_at: row.opt_at(),
        created_at: row.at(),
        updated_at: row.at(),
        confidence: row.opt_int().map(Share),
        observation_count: row.int(),
        ja3_hashes: row.json(),
        hassh_hashes: row.json(),
        payload_simhashes: row.json(),
        c2_endpoints: row.json(),
        merged_into_uuid: row.opt_text(),
        notes: row.opt_text(),
    }
}

fn campaign(mut row: Row) -> CampaignRow {
    CampaignRow {
        uuid: row.text(),
        schema_version: row.int(),
        first_seen_at: row.opt_at(),
        last_seen_at: row.opt_at(),
        created_at: row.at(),
        updated_at: row.at(),
        confidence: row.opt_int().map(Share),
        identity_count: row.int(),
        ja3_hashes: row.json(),
        hassh_hashes: row.json(),
        payload_simhashes: row.json(),
        c2_endpoints: row.json(),
        merged_into_uuid: row.opt_text(),
        notes: row.opt_text(),
    }
}

fn list(values: &[String]) -> Arg {
    serde_json::to_string(values).unwrap_or_else(|_| "[]".into()).into()
}

/// Groups by uuid and what they were merged into.
pub type Groups = Vec<(String, Option<String>)>;

impl Store {
    /// All observations after `(ip, ordinal)`, by address and ordinal, at most `limit`; without what the addresses add.
    pub async fn observations_after(&self, after: (&str, i64), limit: i64) -> Result<Vec<ObservationRow>> {
        let sql = format!(
            "SELECT {OBSERVATION} FROM {OBSERVATIONS} WHERE o.attacker_ip > ? OR (o.attacker_ip = ? AND o.ordinal > ?) \
             ORDER BY o.attacker_ip, o.ordinal LIMIT ?"
        );
        let query = Query::new(sql).bind(after.0).bind(after.0).bind(after.1).bind(limit);
        Ok(self.db.rows("reading observations", query).await?.into_iter().map(observation).collect())
    }

    /// All observations of some addresses, by address and ordinal.
    pub async fn observations_by_ip(&self, ips: &[String]) -> Result<Vec<ObservationRow>> {
        self.observations_where("o.attacker_ip", ips).await
    }

    /// Observations by uuid.
    pub async fn observations_by_uuid(&self, uuids: &[String]) -> Result<Vec<ObservationRow>> {
        self.observations_where("o.uuid", uuids).await
    }

    async fn observations_where(&self, column: &str, values: &[String]) -> Result<Vec<ObservationRow>> {
        let queries = values.chunks(500).map(|chunk| {
            let sql = format!(
                "SELECT {OBSERVATION} FROM {OBSERVATIONS} WHERE {column} IN ({}) ORDER BY o.attacker_ip, o.ordinal",
                marks(chunk.len())
            );
            Query::new(sql).bind_all(chunk.iter().map(|v| v.as_str().into()))
        });
        Ok(self.db.read("reading observations", queries.collect()).await?.into_iter().flatten().map(observation).collect())
    }

    /// Every identity, and what it was merged into.
    pub async fn identity_groups(&self) -> Result<Groups> {
        self.groups("SELECT uuid, merged_into_uuid FROM attacker_identities").await
    }

    /// Every campaign, and what it was merged into.
    pub async fn campaign_groups(&self) -> Result<Groups> {
        self.groups("SELECT uuid, merged_into_uuid FROM campaigns").await
    }

    async fn groups(&self, sql: &'static str) -> Result<Groups> {
        Ok(self.db.rows("reading groups", Query::new(sql)).await?.into_iter().map(|mut r| (r.text(), r.opt_text())).collect())
    }

    /// Every identity that is in a campaign, with it.
    pub async fn campaign_members(&self) -> Result<Vec<(String, String)>> {
        let query = Query::new("SELECT uuid, campaign_id FROM attacker_identities WHERE campaign_id IS NOT NULL");
        Ok(self.db.rows("reading campaigns", query).await?.into_iter().map(|mut r| (r.text(), r.text())).collect())
    }

    /// Identities by uuid.
    pub async fn identities_by_uuid(&self, uuids: &[String]) -> Result<Vec<IdentityRow>> {
        let queries = uuids.chunks(500).map(|chunk| {
            Query::new(format!("SELECT {IDENTITY} FROM attacker_identities WHERE uuid IN ({})", marks(chunk.len())))
                .bind_all(chunk.iter().map(|v| v.as_str().into()))
        });
        Ok(self.db.read("reading identities", queries.collect()).await?.into_iter().flatten().map(identity).collect())
    }

    /// Campaigns by uuid.
    pub async fn campaigns_by_uuid(&self, uuids: &[String]) -> Result<Vec<CampaignRow>> {
        let queries = uuids.chunks(500).map(|chunk| {
            Query::new(format!("SELECT {CAMPAIGN} FROM campaigns WHERE uuid IN ({})", marks(chunk.len())))
                .bind_all(chunk.iter().map(|v| v.as_str().into()))
        });
        Ok(self.db.read("reading campaigns", queries.collect()).await?.into_iter().flatten().map(campaign).collect())
    }

    /// Writes a pass. False: somebody else wrote since `turn` was read, and nothing was written.
    pub async fn write_mind(&self, write: &MindWrite) -> Result<bool> {
        let (key, old, new) = &write.turn;
        let begin = Query::new(format!("{} state (`key`, value) VALUES (?, ?)", self.db.insert_new())).bind(*key).bind("");
        let turn = Query::new("UPDATE state SET value = ? WHERE `key` = ? AND value = ?").bind(new.as_str()).bind(*key).bind(old.as_str());
        self.db.write("taking a turn", vec![begin]).await?;
        let mut statements = vec![turn.must_change()];
        let mut many = |insert: &str, key: &str, set: &str, width: usize, rows: Vec<Vec<Arg>>| {
            for chunk in rows.chunks(ROWS) {
                let one = format!("({}), ", marks(width));
                let insert = format!("{insert}{}", one.repeat(chunk.len()).trim_end_matches(", "));
                let sql = if set.is_empty() { insert } else { self.db.upsert(&insert, key, set) };
                statements.push(Query::new(sql).bind_all(chunk.iter().flatten().cloned()));
            }
        };
        many(
            "INSERT INTO observations (uuid, attacker_ip, ordinal, identity_id, first_seen, last_seen, evidence) VALUES ",
            "uuid",
            "identity_id = NEW.identity_id, first_seen = NEW.first_seen, last_seen = NEW.last_seen, evidence = NEW.evidence",
            7,
            write.observations.iter().map(observation_values).collect(),
        );
        many(
            &format!("INSERT INTO attacker_identities ({IDENTITY}) VALUES "),
            "uuid",
            "first_seen_at = NEW.first_seen_at, last_seen_at = NEW.last_seen_at, updated_at = NEW.updated_at, confidence = NEW.confidence, \
             observation_count = NEW.observation_count, ja3_hashes = NEW.ja3_hashes, hassh_hashes = NEW.hassh_hashes, \
             payload_simhashes = NEW.payload_simhashes, c2_endpoints = NEW.c2_endpoints, merged_into_uuid = NEW.merged_into_uuid",
            15,
            write.identities.iter().map(identity_values).collect(),
        );
        many(
            &format!("INSERT INTO campaigns ({CAMPAIGN}) VALUES "),
            "uuid",
            "first_seen_at = NEW.first_seen_at, last_seen_at = NEW.last_seen_at, updated_at = NEW.updated_at, confidence = NEW.confidence, \
             identity_count = NEW.identity_count, ja3_hashes = NEW.ja3_hashes, hassh_hashes = NEW.hassh_hashes, \
             payload_simhashes = NEW.payload_simhashes, c2_endpoints = NEW.c2_endpoints, merged_into_uuid = NEW.merged_into_uuid",
            14,
            write.campaigns.iter().map(campaign_values).collect(),
        );
        for chunk in write.relinked.chunks(500) {
            for column in ["a", "b"] {
                let sql = format!("DELETE FROM identity_links WHERE {column} IN ({})", marks(chunk.len()));
                statements.push(Query::new(sql).bind_all(chunk.iter().map(|u| u.as_str().into())));
            }
        }
        let mut many = |insert: &str, set: &str, width: usize, rows: Vec<Vec<Arg>>| {
            for chunk in rows.chunks(ROWS) {
                let one = format!("({}), ", marks(width));
                let insert = format!("{insert}{}", one.repeat(chunk.len()).trim_end_matches(", "));
                statements.push(Query::new(self.db.upsert(&insert, "a, b", set)).bind_all(chunk.iter().flatten().cloned()));
            }
        };
        many(
            "INSERT INTO identity_links (a, b, kind, value, holders, weight, confidence) VALUES ",
            "kind = NEW.kind, value = NEW.value, holders = NEW.holders, weight = NEW.weight, confidence = NEW.confidence",
            7,
            write.links.iter().map(identity_link_values).collect(),
        );
        if let Some(links) = &write.campaign_links {
            statements.push(Query::new("DELETE FROM campaign_links"));
            for chunk in links.chunks(ROWS) {
                let insert = "INSERT INTO campaign_links (a, b, kind, handoff, infrastructure, overlap, cohort, confidence) VALUES ";
                let insert = format!("{insert}{}", format!("({}), ", marks(8)).repeat(chunk.len()).trim_end_matches(", "));
                statements.push(
                    Query::new(self.db.upsert(&insert, "a, b", "kind = NEW.kind, confidence = NEW.confidence"))
                        .bind_all(chunk.iter().flat_map(campaign_link_values)),
                );
            }
        }
        for (identity, campaign) in &write.assigned {
            let sql = "UPDATE attacker_identities SET campaign_id = ? WHERE uuid = ?";
            statements.push(Query::new(sql).bind(campaign.as_str()).bind(identity.as_str()));
        }
        for (ip, identity) in &write.attackers {
            statements.push(Query::new("UPDATE attackers SET identity_id = ? WHERE ip = ?").bind(identity.as_str()).bind(ip.as_str()));
        }
        for chunk in write.events.chunks(ROWS) {
            let insert = "INSERT INTO mind_events (at, topic, subject, payload) VALUES ";
            let insert = format!("{insert}{}", format!("({}), ", marks(4)).repeat(chunk.len()).trim_end_matches(", "));
            let values = chunk.iter().flat_map(|(at, topic, subject, payload)| {
                [(*at).into(), topic.as_str().into(), subject.as_str().into(), payload.to_string().into()]
            });
            statements.push(Query::new(insert).bind_all(values));
        }
        let written = !self.db.write("writing identities", statements).await?.is_empty();
        if written {
            self.cache.forget();
        }
        Ok(written)
    }

    /// A page of identities that are not merged away, last seen first.
    pub async fn identities(&self, limit: i64, offset: i64) -> Result<Page<IdentityRow>> {
        let (total, rows) = self.alive("attacker_identities", IDENTITY, "observation_count", limit, offset).await?;
        Ok(Page { total, limit, offset, data: rows.into_iter().map(identity).collect() })
    }

    /// A page of campaigns that are not merged away, last seen first.
    pub async fn campaigns(&self, limit: i64, offset: i64) -> Result<Page<CampaignRow>> {
        let (total, rows) = self.alive("campaigns", CAMPAIGN, "identity_count", limit, offset).await?;
        Ok(Page { total, limit, offset, data: rows.into_iter().map(campaign).collect() })
    }

    async fn alive(&self, table: &'static str, columns: &str, count: &str, limit: i64, offset: i64) -> Result<(i64, Vec<Row>)> {
        let condition = format!("merged_into_uuid IS NULL AND {count} > 0");
        let total = Query::new(format!("SELECT COUNT(*) FROM {table} WHERE {condition}"));
        let page = Query::new(format!(
            "SELECT {columns} FROM {table} WHERE {condition} ORDER BY {count} > 1 DESC, last_seen_at DESC, uuid LIMIT ? OFFSET ?"
        ));
        let mut answers = self.db.read("listing", vec![total, page.bind(limit).bind(offset)]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok((total, answers.next().unwrap_or_default()))
    }

    /// An identity by any uuid it ever had: merges are followed.
    pub async fn identity(&self, uuid: &str) -> Result<Option<IdentityRow>> {
        let mut at = uuid.to_owned();
        for _ in 0..=HOPS {
            let Some(row) = self.identities_by_uuid(std::slice::from_ref(&at)).await?.pop() else { return Ok(None) };
            match &row.merged_into_uuid {
                Some(next) => at.clone_from(next),
                None => return Ok(Some(row)),
            }
        }
        Ok(None)
    }

    /// A campaign by any uuid it ever had: merges are followed.
    pub async fn campaign(&self, uuid: &str) -> Result<Option<CampaignRow>> {
        let mut at = uuid.to_owned();
        for _ in 0..=HOPS {
            let Some(row) = self.campaigns_by_uuid(std::slice::from_ref(&at)).await?.pop() else { return Ok(None) };
            match &row.merged_into_uuid {
                Some(next) => at.clone_from(next),
                None => return Ok(Some(row)),
            }
        }
        Ok(None)
    }

    /// The uuid and those of everything that was merged into it.
    async fn with_merged(&self, table: &'static str, uuid: &str) -> Result<Vec<String>> {
        let mut all = vec![uuid.to_owned()];
        let mut last = all.clone();
        for _ in 0..HOPS {
            if last.is_empty() || all.len() > 2_000 {
                break;
            }
            let some: Vec<String> = last.drain(..).take(500).collect();
            let sql = format!("SELECT uuid FROM {table} WHERE merged_into_uuid IN ({})", marks(some.len()));
            let query = Query::new(sql).bind_all(some.iter().map(|u| u.as_str().into()));
            last = self.db.rows("following merges", query).await?.into_iter().map(|mut r| r.text()).filter(|u| !all.contains(u)).collect();
            all.extend(last.iter().cloned());
        }
        Ok(all)
    }

    /// A page of the observations of an identity, those of what was merged into it included.
    pub async fn identity_observations(&self, uuid: &str, limit: i64, offset: i64) -> Result<Page<ObservationRow>> {
        let all = self.with_merged("attacker_identities", uuid).await?;
        let uuids = || all.iter().map(|u| Arg::from(u.as_str()));
        let condition = format!("identity_id IN ({})", marks(all.len()));
        let total = Query::new(format!("SELECT COUNT(*) FROM observations WHERE {condition}")).bind_all(uuids());
        let page = format!("SELECT {OBSERVATION} FROM {OBSERVATIONS} WHERE o.{condition} ORDER BY o.first_seen, o.uuid LIMIT ? OFFSET ?");
        let page = Query::new(page).bind_all(uuids()).bind(limit).bind(offset);
        let mut answers = self.db.read("reading observations", vec![total, page]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total, limit, offset, data: answers.next().unwrap_or_default().into_iter().map(observation).collect() })
    }

    /// A page of the identities of a campaign, merged ones left away.
    pub async fn campaign_identities(&self, uuid: &str, limit: i64, offset: i64) -> Result<Page<IdentityRow>> {
        let all = self.with_merged("campaigns", uuid).await?;
        let uuids = || all.iter().map(|u| Arg::from(u.as_str()));
        let condition = format!("campaign_id IN ({}) AND merged_into_uuid IS NULL AND observation_count > 0", marks(all.len()));
        let total = Query::new(format!("SELECT COUNT(*) FROM attacker_identities WHERE {condition}")).bind_all(uuids());
        let page = Query::new(format!(
            "SELECT {IDENTITY} FROM attacker_identities WHERE {condition} ORDER BY first_seen_at, uuid LIMIT ? OFFSET ?"
        ));
        let mut answers =
            self.db.read("reading identities", vec![total, page.bind_all(uuids()).bind(limit).bind(offset)]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total, limit, offset, data: answers.next().unwrap_or_default().into_iter().map(identity).collect() })
    }

    /// Links among some observations.
    pub async fn identity_links(&self, observations: &[String]) -> Result<Vec<IdentityLinkRow>> {
        let queries = observations.chunks(500).map(|chunk| {
            let sql =
                format!("SELECT a, b, kind, value, holders, weight, confidence FROM identity_links WHERE a IN ({})", marks(chunk.len()));
            Query::new(sql).bind_all(chunk.iter().map(|u| u.as_str().into()))
        });
        let rows = self.db.read("reading links", queries.collect()).await?.into_iter().flatten();
        Ok(rows
            .map(|mut row| IdentityLinkRow {
                a: row.text(),
                b: row.text(),
                kind: row.text(),
                value: row.text(),
                holders: row.int(),
                weight: Share(row.int()),
                confidence: Share(row.int()),
            })
            .collect())
    }

    /// Links among some identities.
    pub async fn campaign_links(&self, identities: &[String]) -> Result<Vec<CampaignLinkRow>> {
        let queries = identities.chunks(500).map(|chunk| {
            let sql = format!(
                "SELECT a, b, kind, handoff, infrastructure, overlap, cohort, confidence FROM campaign_links WHERE a IN ({})",
                marks(chunk.len())
            );
            Query::new(sql).bind_all(chunk.iter().map(|u| u.as_str().into()))
        });
        let rows = self.db.read("reading links", queries.collect()).await?.into_iter().flatten();
        Ok(rows
            .map(|mut row| CampaignLinkRow {
                a: row.text(),
                b: row.text(),
                kind: row.text(),
                handoff: Share(row.int()),
                infrastructure: Share(row.int()),
                overlap: Share(row.int()),
                cohort: Share(row.int()),
                confidence: Share(row.int()),
            })
            .collect())
    }

    /// What changed after `id`, oldest first, of topics that begin with `prefix`.
    pub async fn mind_events_after(&self, id: i64, prefix: &str, limit: i64) -> Result<Vec<MindEventRow>> {
        let sql = "SELECT id, at, topic, subject, payload FROM mind_events WHERE id > ? AND topic LIKE ? ORDER BY id LIMIT ?";
        let query = Query::new(sql).bind(id).bind(format!("{prefix}%")).bind(limit);
        Ok(self.db.rows("reading changes", query).await?.into_iter().map(event).collect())
    }

    /// What happened to an identity or a campaign, newest first.
    pub async fn mind_history(&self, uuid: &str, limit: i64) -> Result<Vec<MindEventRow>> {
        let sql = "SELECT id, at, topic, subject, payload FROM mind_events WHERE subject = ? ORDER BY id DESC LIMIT ?";
        Ok(self.db.rows("reading history", Query::new(sql).bind(uuid).bind(limit)).await?.into_iter().map(event).collect())
    }

    /// Id of the newest change, 0 if there is none.
    pub async fn last_mind_event(&self) -> Result<i64> {
        self.db.number("reading changes", Query::new("SELECT COALESCE(MAX(id), 0) FROM mind_events")).await
    }

    /// All that analysts said.
    pub async fn analyst_links(&self, level: &str) -> Result<Vec<AnalystLinkRow>> {
        let query = Query::new("SELECT level, a, b, same, said_by, said_at FROM analyst_links WHERE level = ? ORDER BY a, b").bind(level);
        let rows = self.db.rows("reading what analysts said", query).await?.into_iter();
        Ok(rows
            .map(|mut row| AnalystLinkRow {
                level: row.text(),
                a: row.text(),
                b: row.text(),
                same: row.flag(),
                said_by: row.text(),
                said_at: row.at(),
            })
            .collect())
    }

    /// Writes down what an analyst says of two; says it over what was said before.
    pub async fn say_link(&self, link: &AnalystLinkRow) -> Result<()> {
        let (a, b) = if link.a <= link.b { (&link.a, &link.b) } else { (&link.b, &link.a) };
        let insert = "INSERT INTO analyst_links (level, a, b, same, said_by, said_at) VALUES (?, ?, ?, ?, ?, ?)";
        let sql = self.db.upsert(insert, "level, a, b", "same = NEW.same, said_by = NEW.said_by, said_at = NEW.said_at");
        let query = Query::new(sql).bind(link.level.as_str()).bind(a.as_str()).bind(b.as_str()).bind(link.same);
        self.db.write("writing what an analyst said", vec![query.bind(cut(&link.said_by, 255)).bind(link.said_at)]).await.map(|_| ())
    }

    /// Takes back what was said of two.
    pub async fn unsay_link(&self, level: &str, a: &str, b: &str) -> Result<()> {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        let query = Query::new("DELETE FROM analyst_links WHERE level = ? AND a = ? AND b = ?").bind(level).bind(a).bind(b);
        self.db.write("taking back what an analyst said", vec![query]).await.map(|_| ())
    }
}

fn event(mut row: Row) -> MindEventRow {
    MindEventRow { id: row.int(), at: row.at(), topic: row.text(), subject: row.text(), payload: row.json() }
}

fn observation_values(row: &ObservationRow) -> Vec<Arg> {
    vec![
        row.uuid.as_str().into(),
        cut(&row.attacker_ip, 64).into(),
        row.ordinal.into(),
        row.identity_id.clone().into(),
        row.first_seen.into(),
        row.last_seen.into(),
        row.evidence.to_string().into(),
    ]
}

fn identity_values(row: &IdentityRow) -> Vec<Arg> {
    vec![
        row.uuid.as_str().into(),
        row.schema_version.into(),
        row.campaign_id.clone().into(),
        row.first_seen_at.into(),
        row.last_seen_at.into(),
        row.created_at.into(),
        row.updated_at.into(),
        row.confidence.map(|c| c.0).into(),
        row.observation_count.into(),
        list(&row.ja3_hashes),
        list(&row.hassh_hashes),
        list(&row.payload_simhashes),
        list(&row.c2_endpoints),
        row.merged_into_uuid.clone().into(),
        row.notes.clone().into(),
    ]
}

fn campaign_values(row: &CampaignRow) -> Vec<Arg> {
    vec![
        row.uuid.as_str().into(),
        row.schema_version.into(),
        row.first_seen_at.into(),
        row.last_seen_at.into(),
        row.created_at.into(),
        row.updated_at.into(),
        row.confidence.map(|c| c.0).into(),
        row.identity_count.into(),
        list(&row.ja3_hashes),
        list(&row.hassh_hashes),
        list(&row.payload_simhashes),
        list(&row.c2_endpoints),
        row.merged_into_uuid.clone().into(),
        row.notes.clone().into(),
    ]
}

fn identity_link_values(row: &IdentityLinkRow) -> Vec<Arg> {
    vec![
        row.a.as_str().into(),
        row.b.as_str().into(),
        row.kind.as_str().into(),
        row.value.as_str().into(),
        row.holders.into(),
        row.weight.0.into(),
        row.confidence.0.into(),
    ]
}

fn campaign_link_values(row: &CampaignLinkRow) -> Vec<Arg> {
    vec![
        row.a.as_str().into(),
        row.b.as_str().into(),
        row.kind.as_str().into(),
        row.handoff.0.into(),
        row.infrastructure.0.into(),
        row.overlap.0.into(),
        row.cohort.0.into(),
        row.confidence.0.into(),
    ]
}
