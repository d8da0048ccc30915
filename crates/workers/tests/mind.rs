//! The clusterers on a database: the same stories, whatever is killed when.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use insight::{
    score,
    story::{Corpus, Played, play::play},
};
use std::{collections::BTreeMap, path::Path};
use store::{AnalystLinkRow, At, Config, Store};
use workers::{
    Cx, campaign_clusterer::CampaignClusterer, clusterer::Clusterer, profile::Profiler, record::Recorder, rehearse::rehearse,
    runner::Worker,
};

const STORY: &str = "A04_nat";

fn story(name: &str) -> Corpus {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stories");
    let text = |name: &str| std::fs::read_to_string(dir.join(format!("{name}.yaml"))).ok();
    Corpus::read(&text(name).unwrap(), &text).unwrap()
}

struct World {
    cx: Cx,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Config::Sqlite(dir.path().join("db"))).await.unwrap();
        Self { cx: Cx { store, bus: bus::Bus::memory(), spools: dir.path().join("spool") }, _dir: dir }
    }

    async fn record(&self, spool: &str, events: &[model::Event]) {
        let open = spool::Spool::open(self.cx.spools.join(spool), spool::Options::default()).unwrap();
        open.append(events).unwrap();
        drop(open);
        let (mut recorder, mut profiler) = (Recorder::new(), Profiler::new());
        while recorder.pass(&self.cx).await.unwrap().done > 0 {}
        while profiler.pass(&self.cx).await.unwrap().done > 0 {}
    }

    async fn identities(&self, clusterer: &mut Clusterer) {
        while clusterer.pass(&self.cx).await.unwrap().more {}
    }

    /// Observation and the identity it is in now.
    async fn division(&self) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for row in self.cx.store.observations_after(("", -1), 10_000).await.unwrap() {
            let identity = self.cx.store.identity(row.identity_id.as_deref().unwrap()).await.unwrap().unwrap();
            out.insert(row.uuid, identity.uuid);
        }
        out
    }

    async fn campaigns(&self) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (observation, identity) in self.division().await {
            let row = self.cx.store.identity(&identity).await.unwrap().unwrap();
            let campaign = self.cx.store.campaign(row.campaign_id.as_deref().unwrap()).await.unwrap().unwrap();
            out.insert(observation, campaign.uuid);
        }
        out
    }
}

fn played(seed: u64) -> Played {
    play(&story(STORY), seed, 0)
}

/// Groups without their names.
fn same(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let pairs: Vec<(&String, &String)> = a.values().zip(b.values()).collect();
    assert!((score::compare(&pairs).bcubed_f1 - 1.0).abs() < 1e-12);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_understood_like_the_story_and_a_second_pass_changes_nothing() {
    for name in ["F2_vpn_hopping", "F5_multi_operator", "F6_noise_floor", STORY] {
        let played = play(&story(name), 1, 0);
        let world = World::new().await;
        world.record("one", &played.events).await;
        let (mut identities, mut campaigns) = (Clusterer::new(), CampaignClusterer::new());
        world.identities(&mut identities).await;
        campaigns.pass(&world.cx).await.unwrap();
        let outcome = rehearse(&played);
        let expect = |of: fn(&workers::rehearse::Assignment) -> &String| {
            outcome.assignments.iter().map(|a| (a.observation.clone(), of(a).clone())).collect::<BTreeMap<_, _>>()
        };
        let division = world.division().await;
        let known: BTreeMap<_, _> = expect(|a| &a.identity).into_iter().filter(|(o, _)| division.contains_key(o)).collect();
        let ours: BTreeMap<_, _> = division.iter().filter(|(o, _)| known.contains_key(*o)).map(|(o, i)| (o.clone(), i.clone())).collect();
        assert_eq!(ours, known, "{name}");
        let campaign: BTreeMap<_, _> = world.campaigns().await.into_iter().filter(|(o, _)| known.contains_key(o)).collect();
        same(&campaign, &expect(|a| &a.campaign));
        let told = world.cx.store.last_mind_event().await.unwrap();
        assert!(told > 0);
        world.identities(&mut Clusterer::new()).await;
        world.identities(&mut identities).await;
        campaigns.pass(&world.cx).await.unwrap();
        assert_eq!(world.cx.store.last_mind_event().await.unwrap(), told, "{name}: told twice");
        assert_eq!(world.division().await, division);
        for row in world.cx.store.identities(1_000, 0).await.unwrap().data {
            assert!(row.confidence.is_some() && row.first_seen_at <= row.last_seen_at, "{row:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_doubled_and_with_garbage_ends_like_undisturbed() {
    let played = played(2);
    let calm = World::new().await;
    for (n, events) in played.events.chunks(40).enumerate() {
        calm.record(&format!("s{n}"), events).await;
    }
    calm.identities(&mut Clusterer::new()).await;

    let rough = World::new().await;
    let (mut a, mut b) = (Clusterer::new(), Clusterer::new());
    for (n, events) in played.events.chunks(40).enumerate() {
        rough.record(&format!("s{n}"), events).await;
        match n % 4 {
            // Killed within a pass: whatever it had done is gone.
            0 => {
                let mut dying = Clusterer::new();
                let pass = dying.pass(&rough.cx);
                let _cut = tokio::time::timeout(std::time::Duration::from_micros(200), pass).await;
            }
            1 => rough.identities(&mut a).await,
            2 => rough.identities(&mut b).await,
            _ => {
                let (x, y) = tokio::join!(a.pass(&rough.cx), b.pass(&rough.cx));
                x.unwrap();
                y.unwrap();
            }
        }
    }
    rough.identities(&mut b).await;
    rough.identities(&mut a).await;
    same(&rough.division().await, &calm.division().await);
    // Nothing was told twice.
    let formed: Vec<_> = rough.cx.store.mind_events_after(0, "identity.formed", 10_000).await.unwrap();
    let mut subjects: Vec<_> = formed.iter().map(|e| e.subject.clone()).collect();
    let all = subjects.len();
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_analyst_says_is_obeyed_and_taken_back() {
    let played = play(&story("F2_vpn_hopping"), 0, 0);
    let world = World::new().await;
    world.record("one", &played.events).await;
    let mut clusterer = Clusterer::new();
    world.identities(&mut clusterer).await;
    let before = world.division().await;
    let keys: Vec<String> = before.keys().cloned().collect();
    let said = |same| AnalystLinkRow {
        level: "identity".into(),
        a: keys[0].clone(),
        b: keys[4].clone(),
        same,
        said_by: "me".into(),
        said_at: At::default(),
    };
    world.cx.store.say_link(&said(false)).await.unwrap();
    world.identities(&mut clusterer).await;
    let apart = world.division().await;
    assert_ne!(apart[&keys[0]], apart[&keys[4]]);
    // It holds when everything is read anew.
    world.identities(&mut Clusterer::new()).await;
    assert_eq!(world.division().await, apart);
    world.cx.store.unsay_link("identity", &keys[4], &keys[0]).await.unwrap();
    world.identities(&mut clusterer).await;
    same(&world.division().await, &before);
}
