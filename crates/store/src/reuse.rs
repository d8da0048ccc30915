//! Secrets that come back: where each was tried and by whom, and the findings made of it.
//!
//! Two tables of distinct parts (targets, sources) and one of findings, written by one worker. A group is one secret of
//! one kind under one principal, or under any ([`ReuseGroup::principal_key`] `None`).

use crate::{
    At, COUNTED_AT_MOST, Page, Result, Store,
    db::{Arg, Query, Row, cut},
    ids::{pack_sha256, unpack_sha256},
};
use model::Micros;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use utoipa::ToSchema;

/// The stored principal key of groups of any principal: no principal of an attacker begins with this.
const ANY: &str = "\u{1}any";
/// Principals are cut here, as they are in `credentials`.
const PRINCIPAL: usize = 256;

/// One secret of one kind, under one principal (empty: none was given) or any.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReuseGroup {
    pub secret_sha256: String,
    pub secret_kind: String,
    /// `None`: whatever the principal.
    pub principal_key: Option<String>,
}

/// A row of `credentials` as far as reuse needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// Of the credential; grows.
    pub id: i64,
    pub secret_sha256: String,
    pub secret_kind: String,
    pub principal: Option<String>,
    pub secret_printable: Option<String>,
    pub secret_b64: Option<String>,
    pub decky: String,
    pub service: String,
    pub attacker_ip: String,
    pub first_seen: Micros,
    pub last_seen: Micros,
}

/// A distinct part of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Touch {
    Target { group: ReuseGroup, decky: String, service: String },
    Source { group: ReuseGroup, attacker_ip: String },
}

/// A secret that was tried in more than one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ReuseRow {
    pub id: String,
    /// `credential`: one principal with one secret; `secret`: the same secret under several principals.
    pub scope: String,
    pub secret_sha256: String,
    pub secret_kind: String,
    /// Empty in the scope `secret`.
    pub principal: Option<String>,
    pub secret_printable: Option<String>,
    pub secret_b64: Option<String>,
    /// Distinct pairs of decky and service.
    pub target_count: i64,
    pub attacker_count: i64,
    pub principal_count: i64,
    /// 0 (everybody tries it) to 1000 (nobody else does).
    pub rarity: i64,
    pub first_seen: At,
    pub last_seen: At,
    pub updated_at: At,
}

/// Where a secret was tried.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReuseTarget {
    pub decky: String,
    pub service: String,
    pub first_seen: At,
}

/// Who tried it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReuseSource {
    pub attacker_ip: String,
    pub attacker_uuid: Option<String>,
    pub first_seen: At,
}

/// A finding with its parts; each list has at most 500.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReuseDetail {
    pub finding: ReuseRow,
    pub targets: Vec<ReuseTarget>,
    pub attackers: Vec<ReuseSource>,
    pub principals: Vec<String>,
}

/// Parts of each kind that a detail lists.
pub(crate) const PARTS: i64 = 500;

/// Which findings.
#[derive(Clone, Debug, Default)]
pub struct ReuseQuery {
    pub min_target_count: i64,
    pub secret_kind: Option<String>,
    pub limit: i64,
    pub offset: i64,
}

const COLUMNS: &str = "r.uuid, r.scope, r.secret_sha256, r.secret_kind, r.principal, r.secret_printable, r.secret_b64, r.target_count, \
                       r.attacker_count, r.principal_count, r.rarity, r.first_seen, r.last_seen, r.updated_at";

impl ReuseGroup {
    fn stored_principal(&self) -> &str {
        self.principal_key.as_deref().map_or(ANY, |p| cut(p, PRINCIPAL))
    }

    fn scope(&self) -> &'static str {
        if self.principal_key.is_some() { "credential" } else { "secret" }
    }

    fn args(&self) -> [Arg; 3] {
        [pack_sha256(&self.secret_sha256).into(), cut(&self.secret_kind, 32).into(), self.stored_principal().into()]
    }
}

impl Store {
    /// Credentials with a greater id, in order.
    pub async fn uses_after(&self, id: i64, limit: i64) -> Result<Vec<Use>> {
        let sql = "SELECT id, secret_sha256, secret_kind, principal, secret_printable, secret_b64, decky_name, service, attacker_ip, first_seen, \
                   last_seen FROM credentials WHERE id > ? ORDER BY id LIMIT ?";
        let rows = self.db.rows("reading new credentials", Query::new(sql).bind(id).bind(limit)).await?;
        Ok(rows
            .into_iter()
            .map(|mut row| Use {
                id: row.int(),
                secret_sha256: unpack_sha256(&row.opt_bytes().unwrap_or_default()),
                secret_kind: row.text(),
                principal: row.opt_text(),
                secret_printable: row.opt_text(),
                secret_b64: row.opt_text(),
                decky: row.text(),
                service: row.text(),
                attacker_ip: row.text(),
                first_seen: row.at().0,
                last_seen: row.at().0,
            })
            .collect())
    }

    /// Those of the parts that are not known yet.
    pub async fn new_touches(&self, touches: Vec<Touch>) -> Result<Vec<Touch>> {
        let queries = touches.iter().map(|touch| {
            let (table, more) = match touch {
                Touch::Target { .. } => ("credential_targets", "decky = ? AND service = ?"),
                Touch::Source { .. } => ("credential_sources", "attacker_ip = ?"),
            };
            let sql = format!("SELECT 1 FROM {table} WHERE secret_sha256 = ? AND secret_kind = ? AND principal_key = ? AND {more} LIMIT 1");
            Query::new(sql).bind_all(touch.args())
        });
        let found = self.db.read("looking for uses", queries.collect()).await?;
        Ok(touches.into_iter().zip(found).filter(|(_, rows)| rows.is_empty()).map(|(touch, _)| touch).collect())
    }

    /// The findings of these groups, as far as there are any.
    pub async fn reuse_of(&self, groups: &[ReuseGroup]) -> Result<HashMap<ReuseGroup, ReuseRow>> {
        let queries = groups.iter().map(|group| {
            let sql = format!(
                "SELECT {COLUMNS} FROM credential_reuse r WHERE r.secret_sha256 = ? AND r.secret_kind = ? AND r.principal_key = ? AND r.scope = ?"
            );
            Query::new(sql).bind_all(group.args()).bind(group.scope())
        });
        let found = self.db.read("reading findings", queries.collect()).await?;
        Ok(groups.iter().zip(found).filter_map(|(group, rows)| Some((group.clone(), read(rows.into_iter().next()?)))).collect())
    }

    /// Targets, sources and principals of a group, counted up to `most` each.
    pub async fn reuse_counts(&self, groups: &[ReuseGroup], most: i64) -> Result<Vec<(i64, i64, i64)>> {
        let mut queries = Vec::new();
        for group in groups {
            for table in ["credential_targets", "credential_sources"] {
                let sql = format!(
                    "SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE secret_sha256 = ? AND secret_kind = ? AND principal_key = ? LIMIT ?) c"
                );
                queries.push(Query::new(sql).bind_all(group.args()).bind(most));
            }
            let [sha, kind, _] = group.args();
            let sql = "SELECT COUNT(*) FROM (SELECT DISTINCT principal_key FROM credential_targets WHERE secret_sha256 = ? AND secret_kind = ? \
                       AND principal_key <> ? LIMIT ?) c";
            queries.push(Query::new(sql).bind_all([sha, kind]).bind(ANY).bind(most));
        }
        let mut numbers =
            self.db.read("counting uses", queries).await?.into_iter().map(|rows| rows.into_iter().next().map_or(0, |mut r| r.int()));
        Ok(groups.iter().map(|_| (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))).collect())
    }

    /// Writes new parts, whole findings and the state key `cursor.0`, in one transaction.
    pub async fn save_reuse(&self, new: &[Touch], at: Micros, findings: &[(ReuseGroup, ReuseRow)], cursor: (&str, i64)) -> Result<()> {
        let mut statements = Vec::new();
        for touch in new {
            let (table, more) = match touch {
                Touch::Target { .. } => ("credential_targets", "decky, service"),
                Touch::Source { .. } => ("credential_sources", "attacker_ip"),
            };
            let args = touch.args();
            let values = crate::db::marks(args.len() + 1);
            let sql = format!(
                "{} {table} (secret_sha256, secret_kind, principal_key, {more}, first_seen) VALUES ({values})",
                self.db.insert_new()
            );
            statements.push(Query::new(sql).bind_all(args).bind(at));
        }
        let insert = "INSERT INTO credential_reuse (secret_sha256, secret_kind, principal_key, scope, uuid, principal, secret_printable, secret_b64, \
                      target_count, attacker_count, principal_count, rarity, first_seen, last_seen, updated_at) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let set = "target_count = NEW.target_count, attacker_count = NEW.attacker_count, principal_count = NEW.principal_count, \
                   rarity = NEW.rarity, first_seen = NEW.first_seen, last_seen = NEW.last_seen, updated_at = NEW.updated_at";
        let upsert = self.db.upsert(insert, "secret_sha256, secret_kind, scope, principal_key", set);
        for (group, row) in findings {
            statements.push(
                Query::new(upsert.clone())
                    .bind_all(group.args())
                    .bind(group.scope())
                    .bind(cut(&row.id, 64))
                    .bind(row.principal.as_deref().map(|p| cut(p, PRINCIPAL)))
                    .bind(row.secret_printable.as_deref().map(|s| cut(s, 512)))
                    .bind(row.secret_b64.as_deref().map(|s| cut(s, 2048)))
                    .bind(row.target_count)
                    .bind(row.attacker_count)
                    .bind(row.principal_count)
                    .bind(row.rarity)
                    .bind(row.first_seen)
                    .bind(row.last_seen)
                    .bind(row.updated_at),
            );
        }
        statements.push(self.state_query(cursor.0, &cursor.1.to_string()));
        self.db.write("saving findings", statements).await.map(|_| ())
    }

    /// How many sources there are in all.
    pub async fn source_count(&self) -> Result<i64> {
        self.db.number("counting attackers", Query::new("SELECT value FROM counters WHERE name = 'attackers'")).await
    }

    /// Findings, rare secrets first, then those with most targets.
    pub async fn credential_reuse(&self, query: &ReuseQuery) -> Result<Page<ReuseRow>> {
        let (limit, offset) = (query.limit.clamp(0, crate::logs::MOST_ROWS), query.offset.max(0));
        let mut condition = "r.target_count >= ?".to_owned();
        let mut args: Vec<Arg> = vec![query.min_target_count.max(2).into()];
        if let Some(kind) = &query.secret_kind {
            condition.push_str(" AND r.secret_kind = ?");
            args.push(cut(kind, 32).into());
        }
        let total = Query::new(format!("SELECT COUNT(*) FROM (SELECT 1 FROM credential_reuse r WHERE {condition} LIMIT ?) c"));
        let sql = format!(
            "SELECT {COLUMNS} FROM credential_reuse r WHERE {condition} ORDER BY r.rarity DESC, r.target_count DESC, r.id DESC LIMIT ? OFFSET ?"
        );
        let queries = vec![total.bind_all(args.clone()).bind(COUNTED_AT_MOST), Query::new(sql).bind_all(args).bind(limit).bind(offset)];
        let mut answers = self.db.read("listing reused credentials", queries).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total, limit, offset, data: answers.next().unwrap_or_default().into_iter().map(read).collect() })
    }

    /// A finding with its parts.
    pub async fn credential_reuse_detail(&self, id: &str) -> Result<Option<ReuseDetail>> {
        let sql = format!("SELECT r.principal_key, {COLUMNS} FROM credential_reuse r WHERE r.uuid = ?");
        let Some(mut row) = self.db.row("reading a finding", Query::new(sql).bind(cut(id, 64))).await? else { return Ok(None) };
        let key = row.text();
        let finding = read(row);
        let group = [pack_sha256(&finding.secret_sha256).into(), cut(&finding.secret_kind, 32).into(), Arg::from(key.as_str())];
        let same = "secret_sha256 = ? AND secret_kind = ? AND principal_key = ?";
        let [sha, kind, _] = group.clone();
        let queries = vec![
            Query::new(format!("SELECT decky, service, first_seen FROM credential_targets WHERE {same} ORDER BY decky, service LIMIT ?"))
                .bind_all(group.clone())
                .bind(PARTS),
            Query::new(format!(
                "SELECT s.attacker_ip, (SELECT a.uuid FROM attackers a WHERE a.ip = s.attacker_ip), s.first_seen FROM credential_sources s \
                 WHERE {same} ORDER BY s.attacker_ip LIMIT ?"
            ))
            .bind_all(group)
            .bind(PARTS),
            Query::new(
                "SELECT DISTINCT principal_key FROM credential_targets WHERE secret_sha256 = ? AND secret_kind = ? AND principal_key <> ? \
                 ORDER BY principal_key LIMIT ?",
            )
            .bind_all([sha, kind])
            .bind(ANY)
            .bind(PARTS),
        ];
        let mut answers = self.db.read("reading a finding", queries).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default().into_iter();
        let targets = next().map(|mut r| ReuseTarget { decky: r.text(), service: r.text(), first_seen: r.at() }).collect();
        let attackers =
            next().map(|mut r| ReuseSource { attacker_ip: r.text(), attacker_uuid: r.opt_text(), first_seen: r.at() }).collect();
        let principals: Vec<String> = next().map(|mut r| r.text()).collect::<HashSet<_>>().into_iter().collect();
        let mut principals = if finding.scope == "secret" { principals } else { finding.principal.clone().into_iter().collect() };
        principals.sort_unstable();
        Ok(Some(ReuseDetail { finding, targets, attackers, principals }))
    }
}

impl Touch {
    fn args(&self) -> Vec<Arg> {
        match self {
            Self::Target { group, decky, service } => {
                let mut args = group.args().to_vec();
                args.extend([cut(decky, 128).into(), cut(service, 32).into()]);
                args
            }
            Self::Source { group, attacker_ip } => {
                let mut args = group.args().to_vec();
                args.push(cut(attacker_ip, 64).into());
                args
            }
        }
    }

    /// The group it is a part of.
    pub fn group(&self) -> &ReuseGroup {
        match self {
            Self::Target { group, .. } | Self::Source { group, .. } => group,
        }
    }
}

fn read(mut row: Row) -> ReuseRow {
    ReuseRow {
        id: row.text(),
        scope: row.text(),
        secret_sha256: unpack_sha256(&row.opt_bytes().unwrap_or_default()),
        secret_kind: row.text(),
        principal: row.opt_text(),
        secret_printable: row.opt_text(),
        secret_b64: row.opt_text(),
        target_count: row.int(),
        attacker_count: row.int(),
        principal_count: row.int(),
        rarity: row.int(),
        first_seen: row.at(),
        last_seen: row.at(),
        updated_at: row.at(),
    }
}
