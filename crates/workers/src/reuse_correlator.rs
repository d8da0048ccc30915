//! Finds secrets that come back: the same secret, by principal and under any, on two targets or more. Only what is new is
//! looked at: a pass costs what was added, not what is there. Parts, findings and cursor are written together.

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use insight::commonness::rarity;
use model::{Id, Micros};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};
use store::{At, ReuseGroup, ReuseRow, Touch, Use};

/// State key of the last credential looked at; emptying the house forgets it.
const CURSOR: &str = "reuse_cursor";
/// Credentials taken in one pass.
const USES: i64 = 500;
/// Targets that make a finding.
const TARGETS: i64 = 2;
/// A first count of a group stops here; from then on it is counted exactly by what is added.
const COUNTED: i64 = 1_000_000;

/// The correlator.
#[derive(Debug, Default)]
pub struct ReuseCorrelator;

/// What a pass adds to one group.
#[derive(Debug, Default)]
struct Added {
    targets: i64,
    sources: i64,
    last_seen: Micros,
    first_seen: Option<Micros>,
}

impl Worker for ReuseCorrelator {
    const NAME: &'static str = "reuse-correlator";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::CREDENTIAL_CAPTURED];
    const EVERY: Duration = Duration::from_secs(60);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        // Asked anew each time: emptying the house sets it back.
        let cursor = cx.store.state(CURSOR).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let uses = cx.store.uses_after(cursor, USES).await?;
        let Some(last) = uses.last().map(|u| u.id) else { return Ok(Pass::default()) };
        let new = cx.store.new_touches(touches(&uses)).await?;
        let mut added: BTreeMap<ReuseGroup, Added> = BTreeMap::new();
        for one in &uses {
            for group in groups(one) {
                let entry = added.entry(group).or_default();
                entry.last_seen = entry.last_seen.max(one.last_seen);
                entry.first_seen = Some(entry.first_seen.map_or(one.first_seen, |at| at.min(one.first_seen)));
            }
        }
        for touch in &new {
            if let Some(entry) = added.get_mut(touch.group()) {
                match touch {
                    Touch::Target { .. } => entry.targets += 1,
                    Touch::Source { .. } => entry.sources += 1,
                }
            }
        }
        let asked: Vec<ReuseGroup> = added.keys().cloned().collect();
        let known = cx.store.reuse_of(&asked).await?;
        let counts = cx.store.reuse_counts(&asked, COUNTED).await?;
        let all = cx.store.source_count().await?;
        let spread = spread(&asked, &counts, &added, &known);
        let principals = new_principals(&asked, &counts);
        let samples = samples(&uses);
        let now = cx.now();
        let mut findings = Vec::new();
        let mut told = Vec::new();
        for (group, (targets, sources, kept_principals)) in asked.iter().zip(&counts) {
            let Some(add) = added.get(group) else { continue };
            let before = known.get(group);
            let mut row = before.cloned().unwrap_or_else(|| fresh(group, samples.get(&key(group)).copied(), now));
            row.target_count = targets + add.targets;
            // A count that was cut is carried on by what is added.
            row.attacker_count = before.map_or(*sources, |b| b.attacker_count.max(*sources)) + add.sources;
            row.principal_count = match group.principal_key {
                Some(_) => 1,
                None => kept_principals + principals.get(&key(group)).copied().unwrap_or(0),
            };
            let found = row.target_count >= TARGETS && (group.principal_key.is_some() || row.principal_count >= 2);
            if !found {
                continue;
            }
            let secret = (row.secret_kind == "plaintext").then_some(row.secret_printable.as_deref()).flatten();
            row.rarity = rarity(secret, spread.get(&key(group)).copied().unwrap_or(1), all);
            row.first_seen = At(add.first_seen.map_or(row.first_seen.0, |at| if before.is_some() { row.first_seen.0.min(at) } else { at }));
            row.last_seen = At(row.last_seen.0.max(add.last_seen));
            row.updated_at = At(now);
            if before.is_none_or(|b| b.target_count < row.target_count) {
                told.push(row.clone());
            }
            findings.push((group.clone(), row));
        }
        cx.store.save_reuse(&new, now, &findings, (CURSOR, last)).await?;
        for row in told {
            tell(cx, &row).await;
        }
        Ok(Pass { done: uses.len() as u64, more: i64::try_from(uses.len()).unwrap_or(USES) >= USES, lag: 0 })
    }
}

/// One message per finding that is new or has grown, whatever the number of credentials behind it.
async fn tell(cx: &Cx, row: &ReuseRow) {
    let Ok(Some(detail)) = cx.store.credential_reuse_detail(&row.id).await else { return };
    let distinct = |values: Vec<String>| values.into_iter().collect::<BTreeSet<_>>();
    let said = json!({
        "id": row.id,
        "scope": row.scope,
        "secret_kind": row.secret_kind,
        "target_count": row.target_count,
        "attacker_uuids": distinct(detail.attackers.iter().filter_map(|a| a.attacker_uuid.clone()).collect()),
        "attacker_ips": distinct(detail.attackers.iter().map(|a| a.attacker_ip.clone()).collect()),
        "deckies": distinct(detail.targets.iter().map(|t| t.decky.clone()).collect()),
        "services": distinct(detail.targets.iter().map(|t| t.service.clone()).collect()),
        "rarity": row.rarity,
    });
    bus::unix::say(&cx.bus, bus::topics::CREDENTIAL_REUSE_DETECTED, said).await;
}

/// The two groups a credential belongs to: of its principal, and of any.
fn groups(one: &Use) -> [ReuseGroup; 2] {
    let group =
        |principal_key| ReuseGroup { secret_sha256: one.secret_sha256.clone(), secret_kind: one.secret_kind.clone(), principal_key };
    [group(Some(one.principal.clone().unwrap_or_default())), group(None)]
}

/// Every part that the credentials touch, each once.
fn touches(uses: &[Use]) -> Vec<Touch> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for one in uses {
        for group in groups(one) {
            let target = Touch::Target { group: group.clone(), decky: one.decky.clone(), service: one.service.clone() };
            let source = Touch::Source { group, attacker_ip: one.attacker_ip.clone() };
            for touch in [target, source] {
                if seen.insert(touch.clone()) {
                    all.push(touch);
                }
            }
        }
    }
    all
}

type Key = (String, String);

fn key(group: &ReuseGroup) -> Key {
    (group.secret_sha256.clone(), group.secret_kind.clone())
}

/// How many sources offer each secret, under whatever principal.
fn spread(
    asked: &[ReuseGroup],
    counts: &[(i64, i64, i64)],
    added: &BTreeMap<ReuseGroup, Added>,
    known: &HashMap<ReuseGroup, ReuseRow>,
) -> HashMap<Key, i64> {
    asked
        .iter()
        .zip(counts)
        .filter(|(group, _)| group.principal_key.is_none())
        .map(|(group, (_, sources, _))| {
            let kept = known.get(group).map_or(*sources, |row| row.attacker_count.max(*sources));
            (key(group), kept + added.get(group).map_or(0, |a| a.sources))
        })
        .collect()
}

/// Principals that a secret had never been tried under: their groups have no target yet.
fn new_principals(asked: &[ReuseGroup], counts: &[(i64, i64, i64)]) -> HashMap<Key, i64> {
    let mut found = HashMap::new();
    for (group, (targets, _, _)) in asked.iter().zip(counts) {
        if group.principal_key.is_some() && *targets == 0 {
            *found.entry(key(group)).or_default() += 1;
        }
    }
    found
}

/// A credential that shows each secret.
fn samples(uses: &[Use]) -> HashMap<Key, &Use> {
    uses.iter().map(|one| ((one.secret_sha256.clone(), one.secret_kind.clone()), one)).collect()
}

fn fresh(group: &ReuseGroup, sample: Option<&Use>, now: Micros) -> ReuseRow {
    ReuseRow {
        id: Id::<ReuseRow>::at(now, rand::random()).to_string(),
        scope: if group.principal_key.is_some() { "credential" } else { "secret" }.to_owned(),
        secret_sha256: group.secret_sha256.clone(),
        secret_kind: group.secret_kind.clone(),
        principal: group.principal_key.clone().filter(|p| !p.is_empty()),
        secret_printable: sample.and_then(|s| s.secret_printable.clone()),
        secret_b64: sample.and_then(|s| s.secret_b64.clone()),
        ..ReuseRow::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use sha2::{Digest, Sha256};
    use store::{Batch, NewCredential, Position, ReuseQuery, Store};

    struct World {
        cx: Cx,
        at: u64,
        _dir: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&store::Config::Sqlite(dir.path().join("decnet.db"))).await.unwrap();
            Self { cx: Cx { store, bus: bus::Bus::memory(), spools: dir.path().join("spool") }, at: 0, _dir: dir }
        }

        /// Attempts as `(address, decky, service, principal, secret)`, and a pass.
        async fn tried(&mut self, attempts: &[(&str, &str, &str, &str, &str)]) -> Vec<ReuseRow> {
            let credentials = attempts.iter().map(|(ip, decky, service, principal, secret)| NewCredential {
                at: Micros(1_000_000),
                attacker_ip: (*ip).into(),
                decky_name: (*decky).into(),
                service: (*service).into(),
                principal: Some((*principal).into()),
                secret_kind: "plaintext".into(),
                secret_sha256: Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect(),
                secret_b64: String::new(),
                secret_printable: (*secret).into(),
                outcome: "failure".into(),
                fields: "{}".into(),
            });
            let (from, to) = (Position { segment: 0, offset: self.at }, Position { segment: 0, offset: self.at + 1 });
            self.at += 1;
            self.cx
                .store
                .record(&Batch { spool: "t".into(), from, to, credentials: credentials.collect(), ..Batch::default() })
                .await
                .unwrap();
            ReuseCorrelator.pass(&self.cx).await.unwrap();
            let query = ReuseQuery { min_target_count: 2, limit: 100, ..ReuseQuery::default() };
            self.cx.store.credential_reuse(&query).await.unwrap().data
        }
    }

    #[tokio::test]
    async fn a_secret_is_found_counted_and_told_once_for_each_growth() {
        let mut world = World::new().await;
        let mut told = world.cx.bus.subscribe(bus::topics::CREDENTIAL_REUSE_DETECTED).await.unwrap();
        let one = world.tried(&[("192.0.2.1", "web", "ssh", "root", "Gr4nford!2026")]).await;
        assert!(one.is_empty() && told.try_next().is_none());
        // The same again is no second target.
        assert!(world.tried(&[("192.0.2.1", "web", "ssh", "root", "Gr4nford!2026")]).await.is_empty());
        // Five credentials of one group in one batch: one finding, one message.
        let more: Vec<_> = ["db", "mail", "files", "dev", "web"].map(|decky| ("192.0.2.2", decky, "ftp", "root", "Gr4nford!2026")).into();
        let found = world.tried(&more).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].target_count, found[0].attacker_count, found[0].scope.as_str()), (6, 2, "credential"));
        let said = told.try_next().unwrap();
        assert_eq!((said.payload["target_count"].as_i64(), said.payload["attacker_ips"].as_array().unwrap().len()), (Some(6), 2));
        assert!(told.try_next().is_none());
        // Another source on a known target: counted, not told.
        let found = world.tried(&[("192.0.2.3", "web", "ssh", "root", "Gr4nford!2026")]).await;
        assert_eq!((found[0].target_count, found[0].attacker_count), (6, 3));
        assert!(told.try_next().is_none());
        // Another name with the same secret: the secret itself is a finding.
        let found = world.tried(&[("192.0.2.3", "web", "ssh", "admin", "Gr4nford!2026")]).await;
        assert_eq!(found.len(), 2);
        let secret = found.iter().find(|f| f.scope == "secret").unwrap();
        assert_eq!((secret.target_count, secret.attacker_count, secret.principal_count, secret.principal.as_deref()), (6, 3, 2, None));
        let id = secret.id.clone();
        let detail = world.cx.store.credential_reuse_detail(&id).await.unwrap().unwrap();
        assert_eq!((detail.principals, detail.targets.len()), (vec!["admin".to_owned(), "root".to_owned()], 6));
        assert!(told.try_next().is_some() && told.try_next().is_none());
    }

    #[tokio::test]
    async fn common_secrets_rank_below_rare_ones() {
        let mut world = World::new().await;
        let found = world
            .tried(&[
                ("192.0.2.1", "web", "ssh", "root", "123456"),
                ("192.0.2.1", "db", "ssh", "root", "123456"),
                ("192.0.2.1", "mail", "ssh", "root", "123456"),
                ("192.0.2.1", "web", "ssh", "root", "Gr4nford!2026"),
                ("192.0.2.1", "db", "ssh", "root", "Gr4nford!2026"),
            ])
            .await;
        let order: Vec<_> = found.iter().map(|f| f.secret_printable.as_deref().unwrap()).collect();
        assert_eq!(order, ["Gr4nford!2026", "123456"]);
    }
}
