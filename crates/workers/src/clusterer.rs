//! Finds out who is who: puts what was seen of each address under the identity behind it. Woken by profiles that
//! changed; reads what the profiler has read, writes rows, links and its own place in one transaction.

use crate::{
    Cx, Error,
    observe::{Source, key_of, line, uuid},
    runner::{Pass, Worker},
};
use insight::{
    cluster::{Clusters, Link, Node, Tiers, named},
    evidence::{Address, Strand},
    reconcile::{Book, Change},
};
use model::Micros;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use store::{AnalystLinkRow, At, IdentityLinkRow, IdentityRow, LogRow, MindWrite, ObservationRow, Share};

/// State key of the turn: `<turn>:<last row read>`.
pub const TURN: &str = "clusterer";
/// Rows taken in one pass.
const ROWS: i64 = 5_000;
/// Observations read at once when starting.
const PAGE: i64 = 5_000;
/// Members whose evidence is put together for an identity's row, and whose links are written anew when one joins.
const MEMBERS: usize = 500;
/// Values listed in an identity's row.
const LISTED: usize = 64;

/// The clusterer.
#[derive(Debug, Default)]
pub struct Clusterer {
    /// `None` until read from the store, and after every failure.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    turn: u64,
    cursor: i64,
    clusters: Clusters,
    book: Book,
    said: Vec<AnalystLinkRow>,
    /// What analysts bound together, by observation.
    bonds: HashMap<u128, Vec<u128>>,
    /// Whether everything is to be reconciled: after a start.
    fresh: bool,
}

impl State {
    fn written(turn: u64, cursor: i64) -> String {
        if turn == 0 { String::new() } else { format!("{turn}:{cursor}") }
    }
}

impl Clusterer {
    /// Starts from what the store remembers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Worker for Clusterer {
    const NAME: &'static str = "clusterer";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::ATTACKER_OBSERVED, bus::topics::ATTACKER_SCORED];
    const EVERY: Duration = Duration::from_secs(60);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let said = cx.store.analyst_links("identity").await?;
        let mut state = match self.state.take() {
            Some(state) if state.said == said => state,
            _ => load(cx, said).await?,
        };
        // Not ahead of the profiler, so that an address has its row when it is given an identity.
        let upto = cx.store.state(crate::profile::CURSOR).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut logs = cx.store.logs_after(state.cursor, ROWS).await?;
        let full = i64::try_from(logs.len()).unwrap_or(ROWS) >= ROWS;
        let read = logs.len();
        logs.retain(|log| log.id <= upto);
        if logs.is_empty() && !state.fresh {
            self.state = Some(state);
            return Ok(Pass::default());
        }
        let cursor = logs.last().map_or(state.cursor, |log| log.id);
        let mut sources = sources(cx, &logs).await?;
        let mut touched: BTreeSet<u128> = BTreeSet::new();
        let changed = absorb(&mut sources, &logs);
        if state.fresh {
            touched.extend(state.clusters.division().into_keys());
        }
        for ip in &changed {
            let Some(source) = sources.get(ip) else { continue };
            for node in source.nodes_with(&state.bonds) {
                let key = node.key;
                touched.extend(state.clusters.absorb(node));
                touched.insert(key);
            }
        }
        let clusters = &state.clusters;
        let changes = state.book.reconcile(touched.iter().copied(), &|key| clusters.component(key));
        let write = write(cx, &state, &sources, &changed, &touched, &changes, cursor).await?;
        if !cx.store.write_mind(&write).await? {
            tracing::warn!("another clusterer was here; reading anew");
            return Ok(Pass { done: 0, more: true, lag: 0 });
        }
        for (_, topic, _, payload) in &write.events {
            bus::unix::say(&cx.bus, topic, payload.clone()).await;
        }
        state.turn += 1;
        state.cursor = cursor;
        state.fresh = false;
        self.state = Some(state);
        let more = full && logs.len() == read;
        let lag = if more { (cx.store.last_log_id().await? - cursor).max(0) } else { 0 };
        Ok(Pass { done: u64::try_from(logs.len()).unwrap_or(0), more, lag })
    }
}

/// Everything known, read from the store.
async fn load(cx: &Cx, said: Vec<AnalystLinkRow>) -> Result<State, Error> {
    let stands = cx.store.state(TURN).await?.unwrap_or_default();
    let (turn, cursor) = stands.split_once(':').map_or((0, 0), |(t, c)| (t.parse().unwrap_or(0), c.parse().unwrap_or(0)));
    let mut bonds: HashMap<u128, Vec<u128>> = HashMap::new();
    let mut apart = Vec::new();
    for link in &said {
        let (Some(a), Some(b)) = (key_of(&link.a), key_of(&link.b)) else { continue };
        if link.same {
            let bond = a ^ b.rotate_left(1);
            bonds.entry(a).or_default().push(bond);
            bonds.entry(b).or_default().push(bond);
        } else {
            apart.push((a, b));
        }
    }
    let mut book = Book::new("identity");
    for (group, into) in cx.store.identity_groups().await? {
        if let Some(group) = key_of(&group) {
            book.restore_group(group, into.as_deref().and_then(key_of));
        }
    }
    let mut nodes: Vec<Node> = Vec::new();
    let mut at = (String::new(), -1);
    let mut one: (String, Source) = Default::default();
    loop {
        let rows = cx.store.observations_after((&at.0, at.1), PAGE).await?;
        let Some(last) = rows.last() else { break };
        at = (last.attacker_ip.clone(), last.ordinal);
        for row in rows {
            if one.0 != row.attacker_ip {
                nodes.extend(one.1.nodes_with(&bonds));
                one = (row.attacker_ip.clone(), Source::default());
            }
            let Some(key) = key_of(&row.uuid) else { continue };
            if let Some(identity) = row.identity_id.as_deref().and_then(key_of) {
                book.restore_link(key, identity);
            }
            push(&mut one.1, key, row);
        }
    }
    nodes.extend(one.1.nodes_with(&bonds));
    let fresh = !nodes.is_empty();
    let clusters = tokio::task::block_in_place(|| Clusters::with_apart(nodes, apart));
    Ok(State { turn, cursor, clusters, book, said, bonds, fresh })
}

fn push(source: &mut Source, key: u128, row: ObservationRow) {
    source.asn = row.asn.and_then(|n| u32::try_from(n).ok());
    source.keys.push(key);
    // Garbage in the row reads as nothing known, and the address goes on from there.
    source.address.strands.push(serde_json::from_value::<Strand>(row.evidence).unwrap_or_default());
}

/// The addresses of these rows, as far as they are known.
async fn sources(cx: &Cx, logs: &[LogRow]) -> Result<BTreeMap<String, Source>, Error> {
    let ips: BTreeSet<&str> = logs.iter().map(|log| log.attacker_ip.as_str()).filter(|ip| !ip.is_empty()).collect();
    let ips: Vec<String> = ips.into_iter().map(str::to_owned).collect();
    let mut sources: BTreeMap<String, Source> =
        ips.iter().map(|ip| (ip.clone(), Source { address: Address::default(), keys: Vec::new(), asn: None })).collect();
    for row in cx.store.observations_by_ip(&ips).await? {
        if let (Some(key), Some(source)) = (key_of(&row.uuid), sources.get_mut(&row.attacker_ip)) {
            push(source, key, row);
        }
    }
    Ok(sources)
}

/// Takes the rows in; the addresses that changed.
fn absorb(sources: &mut BTreeMap<String, Source>, logs: &[LogRow]) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    let mut touched = BTreeSet::new();
    for log in logs {
        let Some(source) = sources.get_mut(&log.attacker_ip) else { continue };
        let row = line(log.timestamp.0, &log.decky, &log.service, &log.event_type, log.session_id.as_deref(), &log.fields);
        source.take(&row, &log.event_uuid, &mut touched);
        if !changed.contains(&log.attacker_ip) {
            changed.insert(log.attacker_ip.clone());
        }
    }
    changed
}

/// An observation at hand.
struct Seen {
    ip: String,
    ordinal: i64,
    asn: Option<i64>,
    strand: Strand,
}

async fn write(
    cx: &Cx,
    state: &State,
    sources: &BTreeMap<String, Source>,
    changed: &BTreeSet<String>,
    touched: &BTreeSet<u128>,
    changes: &[Change],
    cursor: i64,
) -> Result<MindWrite, Error> {
    let now = cx.now();
    let mut seen: HashMap<u128, Seen> = HashMap::new();
    for ip in changed {
        let Some(source) = sources.get(ip) else { continue };
        for (at, (key, strand)) in source.keys.iter().zip(&source.address.strands).enumerate() {
            let ordinal = i64::try_from(at).unwrap_or(i64::MAX);
            seen.insert(*key, Seen { ip: ip.clone(), ordinal, asn: source.asn.map(i64::from), strand: strand.clone() });
        }
    }
    let own: BTreeSet<u128> = seen.keys().copied().collect();
    let moved: BTreeSet<u128> = changes
        .iter()
        .flat_map(|change| match change {
            Change::Formed { members, .. } => members.clone(),
            Change::Linked { member, .. } => vec![*member],
            _ => Vec::new(),
        })
        .collect();
    let mut groups: BTreeSet<u128> =
        if state.fresh { BTreeSet::new() } else { touched.iter().filter_map(|k| state.book.group_of(*k)).collect() };
    groups.extend(own.iter().filter_map(|k| state.book.group_of(*k)));
    for change in changes {
        match change {
            Change::Formed { group, .. } => groups.extend([*group]),
            Change::Linked { group, from, .. } => groups.extend([*group].into_iter().chain(*from)),
            Change::Merged { winner, loser } => groups.extend([*winner, *loser]),
            Change::Unmerged { group, former } => groups.extend([*group, *former]),
        }
    }
    let roots: BTreeSet<u128> = groups.iter().map(|g| state.book.resolve(*g)).collect();
    groups.extend(roots);
    // Evidence of members that is not at hand.
    let mut wanted: BTreeSet<u128> = moved.difference(&own).copied().collect();
    for group in &groups {
        wanted.extend(state.book.all_members(*group).into_iter().take(MEMBERS).filter(|m| !own.contains(m)));
    }
    let wanted: Vec<String> = wanted.into_iter().map(uuid).collect();
    for row in cx.store.observations_by_uuid(&wanted).await? {
        if let Some(key) = key_of(&row.uuid) {
            let strand = serde_json::from_value(row.evidence).unwrap_or_default();
            seen.insert(key, Seen { ip: row.attacker_ip, ordinal: row.ordinal, asn: row.asn, strand });
        }
    }
    let names: Vec<String> = groups.iter().copied().map(uuid).collect();
    let known: HashMap<String, IdentityRow> = cx.store.identities_by_uuid(&names).await?.into_iter().map(|r| (r.uuid.clone(), r)).collect();

    let mut out = MindWrite {
        turn: (TURN, State::written(state.turn, state.cursor), State::written(state.turn + 1, cursor)),
        ..MindWrite::default()
    };
    for key in own.iter().chain(moved.difference(&own)) {
        let Some(seen) = seen.get(key) else { continue };
        let identity = state.book.of.get(key).copied().map(uuid);
        if seen.ordinal == 0
            && moved.contains(key)
            && let Some(identity) = &identity
        {
            out.attackers.push((seen.ip.clone(), identity.clone()));
        }
        out.observations.push(ObservationRow {
            uuid: uuid(*key),
            attacker_ip: seen.ip.clone(),
            ordinal: seen.ordinal,
            identity_id: identity,
            first_seen: At(seen.strand.first),
            last_seen: At(seen.strand.last),
            evidence: serde_json::to_value(&seen.strand).unwrap_or(Value::Null),
            ..ObservationRow::default()
        });
    }
    for group in &groups {
        let row = known.get(&uuid(*group)).cloned();
        out.identities.push(identity_row(state, *group, row, &seen, now));
    }
    let told_of: BTreeSet<u128> = if state.fresh {
        own.iter()
            .chain(&moved)
            .copied()
            .chain(groups.iter().flat_map(|g| state.book.groups.get(g)).filter_map(|g| g.members.first().copied()))
            .collect()
    } else {
        touched.clone()
    };
    links(state, &told_of, &own, &seen, &mut out);
    for change in changes {
        out.events.push(told(state, change, now));
    }
    Ok(out)
}

fn identity_row(state: &State, group: u128, row: Option<IdentityRow>, seen: &HashMap<u128, Seen>, now: Micros) -> IdentityRow {
    let fresh = || IdentityRow { uuid: uuid(group), schema_version: 1, created_at: At(now), ..IdentityRow::default() };
    let known = row.is_some();
    let mut row = row.unwrap_or_else(fresh);
    row.updated_at = At(now);
    let entry = state.book.groups.get(&group);
    row.merged_into_uuid = entry.and_then(|g| g.merged_into).map(uuid);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    if row.merged_into_uuid.is_some() && known {
        row.observation_count = count(entry.map_or(0, |g| g.members.len()));
        return row;
    }
    let members = state.book.all_members(group);
    row.observation_count = count(members.len());
    let whole = members.len() <= MEMBERS;
    let strands: Vec<&Strand> = members.iter().filter_map(|m| seen.get(m)).map(|s| &s.strand).collect();
    let first = strands.iter().map(|s| s.first).min().into_iter().chain(row.first_seen_at.filter(|_| !whole).map(|a| a.0)).min();
    let last = strands.iter().map(|s| s.last).max().into_iter().chain(row.last_seen_at.filter(|_| !whole).map(|a| a.0)).max();
    row.first_seen_at = first.map(At);
    row.last_seen_at = last.map(At);
    let values = |old: &[String], of: fn(&Strand) -> &BTreeSet<String>| {
        let old = old.iter().filter(|_| !whole).cloned();
        let all: BTreeSet<String> = strands.iter().flat_map(|s| of(s).iter().cloned()).chain(old).collect();
        all.into_iter().take(LISTED).collect::<Vec<String>>()
    };
    row.ja3_hashes = values(&row.ja3_hashes, |s| &s.ja3);
    row.hassh_hashes = values(&row.hassh_hashes, |s| &s.hassh);
    row.payload_simhashes = values(&row.payload_simhashes, |s| &s.payloads);
    row.c2_endpoints = values(&row.c2_endpoints, |s| &s.c2);
    row.confidence = members.first().map(|m| confidence(state, *m)).map(Share::from);
    row
}

/// Of the weakest link; 1 for somebody who is alone.
fn confidence(state: &State, member: u128) -> f64 {
    state.clusters.links(member).iter().map(|l| l.verdict.confidence()).fold(1.0, f64::min)
}

fn links(state: &State, touched: &BTreeSet<u128>, own: &BTreeSet<u128>, seen: &HashMap<u128, Seen>, out: &mut MindWrite) {
    let mut done: BTreeSet<u128> = BTreeSet::new();
    for key in touched {
        if done.contains(key) {
            continue;
        }
        let members = state.clusters.component(*key);
        done.extend(members.iter().copied());
        let all = state.clusters.links(*key);
        if members.len() <= MEMBERS {
            out.relinked.extend(members.iter().copied().map(uuid));
            out.links.extend(all.iter().map(|link| link_row(link, seen)));
        } else {
            out.links.extend(all.iter().filter(|l| own.contains(&l.a) || own.contains(&l.b)).map(|link| link_row(link, seen)));
        }
    }
}

fn link_row(link: &Link, seen: &HashMap<u128, Seen>) -> IdentityLinkRow {
    let (a, b) = (seen.get(&link.a), seen.get(&link.b));
    let value = [a, b].into_iter().flatten().flat_map(|s| named(&s.strand)).find(|n| n.item == link.item).map(|n| n.value);
    let tiers = match (a, b) {
        (Some(a), Some(b)) => Tiers::of(&a.strand, &b.strand, (a.asn, b.asn)),
        _ => Tiers { high: 1.0, ..Tiers::default() },
    };
    IdentityLinkRow {
        a: uuid(link.a),
        b: uuid(link.b),
        kind: link.item.kind().as_str().to_owned(),
        value: value.unwrap_or_default(),
        holders: i64::from(link.verdict.holders),
        weight: tiers.weight().into(),
        confidence: link.verdict.confidence().into(),
    }
}

/// Why a member is where it is, in words.
fn reason(state: &State, member: u128) -> String {
    let link = state.clusters.links(member).iter().find(|l| l.a == member || l.b == member);
    link.map_or_else(
        || "seen for the first time".into(),
        |l| format!("shares a {} that {} hold", l.item.kind().as_str(), l.verdict.holders),
    )
}

fn told(state: &State, change: &Change, now: Micros) -> (Micros, String, String, Value) {
    let of_group = |group: u128| state.book.groups.get(&group).and_then(|g| g.members.first().copied()).unwrap_or(group);
    match change {
        Change::Formed { group, members } => {
            let member = members.last().copied().unwrap_or_default();
            let payload = json!({
                "identity_uuid": uuid(*group),
                "observation_uuids": members.iter().copied().map(uuid).collect::<Vec<_>>(),
                "confidence": confidence(state, member),
                "reason": reason(state, member),
            });
            (now, bus::topics::IDENTITY_FORMED.into(), uuid(*group), payload)
        }
        Change::Linked { group, member, from } => {
            let payload = json!({
                "identity_uuid": uuid(*group),
                "observation_uuid": uuid(*member),
                "prior_identity_uuid": from.map(uuid),
                "confidence": confidence(state, *member),
                "reason": if from.is_some() { "no longer shares what joined it".to_owned() } else { reason(state, *member) },
            });
            (now, bus::topics::IDENTITY_LINKED.into(), uuid(*group), payload)
        }
        Change::Merged { winner, loser } => {
            let member = of_group(*loser);
            let payload = json!({
                "winner_uuid": uuid(*winner),
                "loser_uuid": uuid(*loser),
                "confidence": confidence(state, member),
                "reason": reason(state, member),
            });
            (now, bus::topics::IDENTITY_MERGED.into(), uuid(*winner), payload)
        }
        Change::Unmerged { group, former } => {
            let payload = json!({
                "resurrected_uuid": uuid(*group),
                "former_winner_uuid": uuid(*former),
                "confidence": confidence(state, of_group(*group)),
                "reason": "what joined them proves nothing any more",
            });
            (now, bus::topics::IDENTITY_UNMERGED.into(), uuid(*group), payload)
        }
    }
}
