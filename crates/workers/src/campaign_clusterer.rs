//! Finds out who works together: puts identities into campaigns. Woken by identities that changed; looks at all of them
//! anew, writes only what changed.

use crate::{
    Cx, Error, clusterer,
    observe::{key_of, uuid},
    runner::{Pass, Worker},
};
use insight::{
    campaign::{self, Actor, Tie},
    evidence::Strand,
    reconcile::{Book, Change},
};
use model::Micros;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};
use store::{At, CampaignLinkRow, CampaignRow, MindWrite, Share};

/// State key of the turn: `<turn>:<turn of the clusterer>`.
const TURN: &str = "campaign-clusterer";
/// Observations read at once.
const PAGE: i64 = 5_000;
/// Values listed in a campaign's row.
const LISTED: usize = 64;
/// A pass over everything rests at least so many times as long as it took.
const REST: u32 = 5;

/// The campaign clusterer.
#[derive(Debug, Default)]
pub struct CampaignClusterer {
    rests_until: Option<Instant>,
}

impl CampaignClusterer {
    /// Starts; everything it needs is in the store.
    pub fn new() -> Self {
        Self::default()
    }
}

/// What the rows of a campaign are made of.
#[derive(Default)]
struct Lists {
    first: Option<Micros>,
    last: Option<Micros>,
    ja3: BTreeSet<String>,
    hassh: BTreeSet<String>,
    payloads: BTreeSet<String>,
    c2: BTreeSet<String>,
}

impl Lists {
    fn add(&mut self, strand: &Strand) {
        self.first = Some(self.first.map_or(strand.first, |f| f.min(strand.first)));
        self.last = Some(self.last.map_or(strand.last, |l| l.max(strand.last)));
        for (to, from) in [
            (&mut self.ja3, &strand.ja3),
            (&mut self.hassh, &strand.hassh),
            (&mut self.payloads, &strand.payloads),
            (&mut self.c2, &strand.c2),
        ] {
            let room = LISTED.saturating_sub(to.len());
            to.extend(from.iter().take(room).cloned());
        }
    }
}

impl Worker for CampaignClusterer {
    const NAME: &'static str = "campaign-clusterer";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::ALL_IDENTITIES];
    const EVERY: Duration = Duration::from_secs(15);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(Pass::default());
        }
        let stands = cx.store.state(TURN).await?.unwrap_or_default();
        let (turn, seen) = stands.split_once(':').map_or((0_u64, ""), |(t, s)| (t.parse().unwrap_or(0), s));
        let said = cx.store.analyst_links("campaign").await?;
        // What it looked at last: the clusterer's turn, and what analysts said.
        let others = cx.store.state(clusterer::TURN).await?.unwrap_or_default();
        let last_said = said.iter().map(|l| l.said_at.0.0).max().unwrap_or(0);
        let now_seen = format!("{}/{}/{last_said}", others.replace(':', "."), said.len());
        if now_seen == seen || others.is_empty() {
            return Ok(Pass::default());
        }
        let began = Instant::now();
        let (mut actors, lists) = actors(cx).await?;
        let said_pairs = |same: bool| {
            said.iter().filter(|l| l.same == same).filter_map(|l| Some((key_of(&l.a)?, key_of(&l.b)?))).collect::<Vec<(u128, u128)>>()
        };
        let division = tokio::task::block_in_place(|| {
            actors.iter_mut().for_each(Actor::finish);
            campaign::divide(&actors, &said_pairs(true), &said_pairs(false))
        });
        let mut component: HashMap<u128, Vec<u128>> = HashMap::new();
        for members in &division.components {
            let members: Vec<u128> = members.iter().copied().collect();
            component.extend(members.iter().map(|m| (*m, members.clone())));
        }
        let mut book = Book::new("campaign");
        for (group, into) in cx.store.campaign_groups().await? {
            if let Some(group) = key_of(&group) {
                book.restore_group(group, into.as_deref().and_then(key_of));
            }
        }
        let alive: BTreeSet<u128> = actors.iter().map(|a| a.key).collect();
        for (identity, group) in cx.store.campaign_members().await? {
            if let (Some(identity), Some(group)) = (key_of(&identity).filter(|i| alive.contains(i)), key_of(&group)) {
                book.restore_link(identity, group);
            }
        }
        let before: BTreeMap<u128, u128> = alive.iter().filter_map(|a| Some((*a, book.group_of(*a)?))).collect();
        let changes = book.reconcile(alive.iter().copied(), &|key| component.get(&key).cloned().unwrap_or_else(|| vec![key]));
        let view = View { book: &book, ties: &division.ties, now: cx.now() };
        let mut write = MindWrite { turn: (TURN, stands.clone(), format!("{}:{now_seen}", turn + 1)), ..MindWrite::default() };
        view.rows(cx, &lists, &mut write).await?;
        write.campaign_links = Some(division.ties.iter().map(link_row).collect());
        for change in &changes {
            write.events.push(view.told(change));
        }
        for identity in &alive {
            let (old, new) = (before.get(identity).copied(), book.group_of(*identity));
            if let Some(new) = new.filter(|n| old != Some(*n)) {
                write.events.push(view.assigned(*identity, new, old));
            }
            if let Some(direct) = book.of.get(identity)
                && changes.iter().any(|c| {
                    matches!(c, Change::Formed { members, .. } if members.contains(identity))
                        || matches!(c, Change::Linked { member, .. } if member == identity)
                })
            {
                write.assigned.push((uuid(*identity), uuid(*direct)));
            }
        }
        if !cx.store.write_mind(&write).await? {
            tracing::warn!("another campaign clusterer was here; reading anew");
            return Ok(Pass { done: 0, more: true, lag: 0 });
        }
        for (_, topic, _, payload) in &write.events {
            bus::unix::say(&cx.bus, topic, payload.clone()).await;
        }
        let took = began.elapsed();
        if took > Duration::from_secs(1) {
            self.rests_until = Some(Instant::now() + took * REST);
        }
        Ok(Pass::did(changes.len()))
    }
}

/// Every identity that is not merged away, with its evidence.
async fn actors(cx: &Cx) -> Result<(Vec<Actor>, BTreeMap<u128, Lists>), Error> {
    let mut identities = Book::new("identity");
    for (group, into) in cx.store.identity_groups().await? {
        if let Some(group) = key_of(&group) {
            identities.restore_group(group, into.as_deref().and_then(key_of));
        }
    }
    let mut actors: BTreeMap<u128, Actor> = BTreeMap::new();
    let mut lists: BTreeMap<u128, Lists> = BTreeMap::new();
    let mut at = (String::new(), -1);
    loop {
        let rows = cx.store.observations_after((&at.0, at.1), PAGE).await?;
        let Some(last) = rows.last() else { break };
        at = (last.attacker_ip.clone(), last.ordinal);
        for row in rows {
            let Some(identity) = row.identity_id.as_deref().and_then(key_of).map(|i| identities.resolve(i)) else { continue };
            let strand: Strand = serde_json::from_value(row.evidence).unwrap_or_default();
            let asn = row.asn.and_then(|n| u32::try_from(n).ok());
            actors.entry(identity).or_insert_with(|| Actor::new(identity)).add(&strand, asn);
            lists.entry(identity).or_default().add(&strand);
        }
    }
    Ok((actors.into_values().collect(), lists))
}

fn link_row(tie: &Tie) -> CampaignLinkRow {
    CampaignLinkRow {
        a: uuid(tie.a),
        b: uuid(tie.b),
        kind: tie.reason().to_owned(),
        handoff: tie.handoff.into(),
        infrastructure: tie.infrastructure.into(),
        overlap: tie.overlap.into(),
        cohort: tie.cohort.into(),
        confidence: tie.confidence().into(),
    }
}

struct View<'a> {
    book: &'a Book,
    ties: &'a [Tie],
    now: Micros,
}

impl View<'_> {
    /// Rows of campaigns that differ from what is stored.
    async fn rows(&self, cx: &Cx, lists: &BTreeMap<u128, Lists>, write: &mut MindWrite) -> Result<(), Error> {
        let names: Vec<String> = self.book.groups.keys().copied().map(uuid).collect();
        let mut known: HashMap<String, CampaignRow> = HashMap::new();
        for chunk in names.chunks(5_000) {
            known.extend(cx.store.campaigns_by_uuid(chunk).await?.into_iter().map(|r| (r.uuid.clone(), r)));
        }
        let mut weakest: HashMap<u128, f64> = HashMap::new();
        for tie in self.ties {
            if let Some(group) = self.book.group_of(tie.a) {
                let slot = weakest.entry(group).or_insert(1.0);
                *slot = slot.min(tie.confidence());
            }
        }
        for (group, entry) in &self.book.groups {
            let name = uuid(*group);
            let old = known.get(&name).cloned();
            let mut row = old.clone().unwrap_or_else(|| CampaignRow {
                uuid: name,
                schema_version: 1,
                created_at: At(self.now),
                ..CampaignRow::default()
            });
            row.merged_into_uuid = entry.merged_into.map(uuid);
            if entry.merged_into.is_none() {
                let members = self.book.all_members(*group);
                let mut sum = Lists::default();
                for list in members.iter().filter_map(|m| lists.get(m)) {
                    sum.first = [sum.first, list.first].into_iter().flatten().min();
                    sum.last = [sum.last, list.last].into_iter().flatten().max();
                    sum.ja3.extend(list.ja3.iter().cloned());
                    sum.hassh.extend(list.hassh.iter().cloned());
                    sum.payloads.extend(list.payloads.iter().cloned());
                    sum.c2.extend(list.c2.iter().cloned());
                }
                let listed = |set: BTreeSet<String>| set.into_iter().take(LISTED).collect::<Vec<_>>();
                row.identity_count = i64::try_from(members.len()).unwrap_or(i64::MAX);
                row.first_seen_at = sum.first.map(At);
                row.last_seen_at = sum.last.map(At);
                row.ja3_hashes = listed(sum.ja3);
                row.hassh_hashes = listed(sum.hassh);
                row.payload_simhashes = listed(sum.payloads);
                row.c2_endpoints = listed(sum.c2);
                row.confidence = Some(Share::from(weakest.get(group).copied().unwrap_or(1.0)));
            }
            if old.as_ref() != Some(&row) {
                row.updated_at = At(self.now);
                write.campaigns.push(row);
            }
        }
        Ok(())
    }

    fn why(&self, identity: u128) -> (f64, &'static str) {
        let tie = self.ties.iter().find(|t| t.a == identity || t.b == identity);
        tie.map_or((1.0, "seen for the first time"), |t| (t.confidence(), t.reason()))
    }

    fn assigned(&self, identity: u128, campaign: u128, prior: Option<u128>) -> (Micros, String, String, Value) {
        let (confidence, reason) = self.why(identity);
        let payload = json!({
            "identity_uuid": uuid(identity),
            "campaign_uuid": uuid(campaign),
            "prior_campaign_uuid": prior.map(uuid),
            "confidence": confidence,
            "reason": reason,
        });
        (self.now, bus::topics::IDENTITY_ASSIGNED.into(), uuid(identity), payload)
    }

    fn told(&self, change: &Change) -> (Micros, String, String, Value) {
        let of_group = |group: u128| self.book.groups.get(&group).and_then(|g| g.members.first().copied()).unwrap_or(group);
        match change {
            Change::Formed { group, members } => {
                let (confidence, reason) = self.why(members.last().copied().unwrap_or_default());
                let payload = json!({
                    "campaign_uuid": uuid(*group),
                    "identity_uuids": members.iter().copied().map(uuid).collect::<Vec<_>>(),
                    "confidence": confidence,
                    "reason": reason,
                });
                (self.now, bus::topics::CAMPAIGN_FORMED.into(), uuid(*group), payload)
            }
            Change::Linked { group, member, from } => {
                let (confidence, reason) = self.why(*member);
                let payload = json!({
                    "campaign_uuid": uuid(*group),
                    "identity_uuid": uuid(*member),
                    "prior_campaign_uuid": from.map(uuid),
                    "confidence": confidence,
                    "reason": reason,
                });
                (self.now, bus::topics::CAMPAIGN_ASSIGNED.into(), uuid(*group), payload)
            }
            Change::Merged { winner, loser } => {
                let (confidence, reason) = self.why(of_group(*loser));
                let payload =
                    json!({ "winner_uuid": uuid(*winner), "loser_uuid": uuid(*loser), "confidence": confidence, "reason": reason });
                (self.now, bus::topics::CAMPAIGN_MERGED.into(), uuid(*winner), payload)
            }
            Change::Unmerged { group, former } => {
                let (confidence, _) = self.why(of_group(*group));
                let payload = json!({
                    "resurrected_uuid": uuid(*group),
                    "former_winner_uuid": uuid(*former),
                    "confidence": confidence,
                    "reason": "what joined them proves nothing any more",
                });
                (self.now, bus::topics::CAMPAIGN_UNMERGED.into(), uuid(*group), payload)
            }
        }
    }
}
