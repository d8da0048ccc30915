//! The whole chain on a story, without a database: events become the rows that the recorder writes, rows become
//! evidence, evidence becomes identities and campaigns, by the same functions the workers call. The truth of the story
//! is only looked at afterwards, to say how well it went.

use crate::observe::{Source, line, uuid};
use insight::{
    baseline,
    campaign::{self, Actor},
    cluster::{Clusters, Node},
    reconcile::Book,
    score::{self, Scores},
    story::{Played, Truth},
};
use model::{Id, Session};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Events turned into rows in one go.
const BATCH: usize = 4_000;

/// What became of one row of a story: an actor at an address.
#[derive(Clone, Debug, Serialize)]
pub struct Assignment {
    pub observation: String,
    pub ip: String,
    pub row: String,
    pub truth_campaign: String,
    pub truth_identity: String,
    pub truth_actor: String,
    pub identity: String,
    pub campaign: String,
}

/// How well a story was understood.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub identities: Scores,
    pub campaigns: Scores,
    /// The reference's rules on the same rows.
    pub reference: Reference,
    pub events: usize,
    pub sessions: u64,
    pub observations: usize,
    #[serde(skip)]
    pub assignments: Vec<Assignment>,
}

/// What the reference's rules make of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reference {
    pub identities: Scores,
    pub campaigns: Scores,
}

/// Everything seen of a story, by address.
#[derive(Debug, Default)]
pub struct Seen {
    pub sources: BTreeMap<String, Source>,
    /// The observation each connection belongs to.
    sessions: HashMap<Id<Session>, u128>,
}

/// Reads the rows that the recorder would write of `events`.
pub fn see(played: &Played) -> Seen {
    let mut seen = Seen::default();
    let mut touched = BTreeSet::new();
    for events in played.events.chunks(BATCH) {
        let batch = crate::record::rows::batch("story", store::Position::default(), store::Position::default(), events);
        for (log, event) in batch.logs.iter().zip(events) {
            let fields: Map<String, Value> = serde_json::from_str(&log.fields).unwrap_or_default();
            let source = seen
                .sources
                .entry(log.attacker_ip.clone())
                .or_insert_with(|| Source { asn: event.source.and_then(|s| played.asns.get(&s.ip()).copied()), ..Source::default() });
            let row = line(log.at, &log.decky, &log.service, &log.event_type, log.session_id.as_deref(), &fields);
            touched.clear();
            let strand = source.take(&row, &log.event_uuid, &mut touched).and_then(|at| source.keys.get(at).copied());
            if let (Some(strand), Some(session)) = (strand, event.session) {
                seen.sessions.insert(session, strand);
            }
        }
    }
    seen
}

/// Plays the whole chain and compares with the truth.
pub fn rehearse(played: &Played) -> Outcome {
    let seen = see(played);
    let nodes: Vec<Node> = seen.sources.values().flat_map(Source::nodes).collect();
    let observations = nodes.len();
    let keys: Vec<u128> = nodes.iter().map(|n| n.key).collect();
    let clusters = Clusters::of(nodes);
    let mut identities = Book::new("identity");
    identities.reconcile(keys, &|key| clusters.component(key));
    let campaigns = campaigns(&seen, &identities);
    outcome(played, &seen, &identities, &campaigns, observations)
}

/// The campaigns of what was seen.
fn campaigns(seen: &Seen, identities: &Book) -> Book {
    let mut actors: BTreeMap<u128, Actor> = BTreeMap::new();
    for source in seen.sources.values() {
        for (key, strand) in source.keys.iter().zip(&source.address.strands) {
            if let Some(identity) = identities.group_of(*key) {
                actors.entry(identity).or_insert_with(|| Actor::new(identity)).add(strand, source.asn);
            }
        }
    }
    let mut actors: Vec<Actor> = actors.into_values().collect();
    actors.iter_mut().for_each(Actor::finish);
    let division = campaign::divide(&actors, &[], &[]);
    let mut component: HashMap<u128, Vec<u128>> = HashMap::new();
    for members in division.components {
        let members: Vec<u128> = members.into_iter().collect();
        component.extend(members.iter().map(|m| (*m, members.clone())));
    }
    let mut book = Book::new("campaign");
    book.reconcile(actors.iter().map(|a| a.key), &|key| component.get(&key).cloned().unwrap_or_else(|| vec![key]));
    book
}

fn outcome(played: &Played, seen: &Seen, identities: &Book, campaigns: &Book, observations: usize) -> Outcome {
    // A row that was divided between identities counts once for each: dividing is an error of completeness.
    let mut items: BTreeMap<(&str, u128), (&Truth, u128)> = BTreeMap::new();
    for (session, observation) in &seen.sessions {
        let (Some(truth), Some(identity)) = (played.truth.get(session), identities.group_of(*observation)) else { continue };
        let item = items.entry((&truth.row, identity)).or_insert((truth, *observation));
        item.1 = item.1.min(*observation);
    }
    let rows: Vec<(&String, baseline::Row)> =
        seen.sources.iter().map(|(ip, source)| (ip, baseline::Row::of(&source.address.strands, source.asn))).collect();
    let place: HashMap<&str, usize> = rows.iter().enumerate().map(|(i, (ip, _))| (ip.as_str(), i)).collect();
    let rows: Vec<baseline::Row> = rows.into_iter().map(|(_, row)| row).collect();
    let old_identities = baseline::identities(&rows);
    let old_campaigns = baseline::campaigns(&rows, &old_identities);
    let old =
        |of: &[usize], truth: &Truth| place.get(truth.ip.to_string().as_str()).and_then(|i| of.get(*i)).copied().unwrap_or(usize::MAX);
    let campaign = |identity: u128| campaigns.group_of(identity).unwrap_or(identity);

    let by = |truth: fn(&Truth) -> &str, found: &dyn Fn(u128, &Truth) -> u128| {
        let pairs: Vec<(&str, u128)> = items.iter().map(|((_, identity), (t, _))| (truth(t), found(*identity, t))).collect();
        score::compare(&pairs)
    };
    let identity_of: fn(&Truth) -> &str = |t| &t.identity;
    let campaign_of: fn(&Truth) -> &str = |t| &t.campaign;
    Outcome {
        identities: by(identity_of, &|identity, _| identity),
        campaigns: by(campaign_of, &|identity, _| campaign(identity)),
        reference: Reference {
            identities: by(identity_of, &|_, t| old(&old_identities, t) as u128),
            campaigns: by(campaign_of, &|_, t| old(&old_campaigns, t) as u128),
        },
        events: played.events.len(),
        sessions: played.sessions,
        observations,
        assignments: items
            .iter()
            .map(|((row, identity), (truth, observation))| Assignment {
                observation: uuid(*observation),
                ip: truth.ip.to_string(),
                row: (*row).to_owned(),
                truth_campaign: truth.campaign.clone(),
                truth_identity: truth.identity.clone(),
                truth_actor: truth.actor.clone(),
                identity: uuid(*identity),
                campaign: uuid(campaign(*identity)),
            })
            .collect(),
    }
}
