//! Files and extracted evidence: each once.

use crate::world::{World, at, bounty, on_every_backend, uuid};
use store::{Batch, NewArtifact};

fn artifact(n: u32, ip: &str, digest: &str) -> NewArtifact {
    NewArtifact {
        event_uuid: uuid(n),
        at: at(i64::from(n)),
        sha256: digest.into(),
        size: 10,
        decky: "local:web-01".into(),
        service: "ssh".into(),
        attacker_ip: ip.into(),
        session_id: Some(uuid(500)),
        path: "/tmp/.x/\u{0}ä".into(),
        way: "upload".into(),
        whole: true,
    }
}

on_every_backend! {
    async fn a_sighting_is_stored_once(world: &World) {
        let digest = "0f".repeat(32);
        let batch = Batch { artifacts: vec![artifact(1, "10.0.0.1", &digest), artifact(1, "10.0.0.1", &digest), artifact(2, "10.0.0.2", &digest)], ..Batch::default() };
        world.record(batch.clone()).await;
        world.record(batch).await;
        assert_eq!(world.store.stats(at(0)).await.unwrap().total_artifacts, 2);
        let page = world.store.artifacts(None, 10, 0).await.unwrap();
        assert_eq!((page.total, page.data.len()), (2, 2));
        let row = &page.data[1];
        assert_eq!((row.event_uuid.clone(), row.sha256.clone(), row.session_id.clone()), (uuid(1), digest.clone(), Some(uuid(500))));
        assert_eq!((row.path.as_str(), row.whole, row.captured_at.0), ("/tmp/.x/\u{0}ä", true, at(1)));
        assert_eq!(world.store.artifacts(Some("10.0.0.2"), 10, 0).await.unwrap().total, 1);
        assert_eq!(world.store.artifact_by_sha256(&digest).await.unwrap().unwrap().event_uuid, uuid(2));
        assert!(world.store.artifact_by_sha256("nothing").await.unwrap().is_none());
    }

    async fn the_same_evidence_is_stored_once(world: &World) {
        let long = format!(r#"{{"url":"{}"}}"#, "a".repeat(100_000));
        let some = || vec![
            bounty("10.0.0.1", "url", r#"{"url":"a"}"#), bounty("10.0.0.1", "url", r#"{"url":"a"}"#), bounty("10.0.0.1", "url", r#"{"url":"a "}"#),
            bounty("10.0.0.1", "ip_leak", r#"{"url":"a"}"#), bounty("10.0.0.2", "url", r#"{"url":"a"}"#), bounty("10.0.0.2", "url", &long),
        ];
        for _ in 0..2 {
            world.record(Batch { bounties: some(), ..Batch::default() }).await;
        }
        let page = world.store.bounties(None, None, None, 10, 0).await.unwrap();
        assert_eq!((page.total, page.data.len()), (5, 5));
        assert_eq!(page.data[0].payload["url"].as_str().unwrap().len(), 100_000);
        assert_eq!((page.data[4].timestamp.0, page.data[4].bounty_type.as_str()), (at(2), "url"));
    }
}
