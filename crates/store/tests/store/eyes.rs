//! Behaviour, reuse and intelligence.

use crate::world::{World, at, credential, on_every_backend};
use store::{At, AttackerRow, Batch, IntelPart, IntelRow, NewCredential, ReuseGroup, ReuseQuery, ReuseRow, Touch};

fn group(sha: &str, principal: Option<&str>) -> ReuseGroup {
    ReuseGroup { secret_sha256: sha.into(), secret_kind: "plaintext".into(), principal_key: principal.map(str::to_owned) }
}

on_every_backend! {
    async fn behaviour_is_kept_whole(world: &World) {
        let store = &world.store;
        let rows = |n: i32| (0..n).map(|i| (format!("192.0.2.{i}"), format!("{{\"n\":{i}}}"))).collect::<Vec<_>>();
        store.save_behaviours(&rows(3), at(1), ("behaviour_cursor", 7)).await.unwrap();
        store.save_behaviours(&[("192.0.2.1".into(), "{\"n\":9}".into())], at(2), ("behaviour_cursor", 9)).await.unwrap();
        let found = store.behaviours(&["192.0.2.1".into(), "192.0.2.77".into()]).await.unwrap();
        assert_eq!((found.len(), found[0].behaviour.as_str(), found[0].updated_at), (1, "{\"n\":9}", At(at(2))));
        assert_eq!(store.state("behaviour_cursor").await.unwrap().unwrap(), "9");
    }

    async fn reuse_is_kept_and_listed(world: &World) {
        let store = &world.store;
        let credentials = ["web-01", "db-01"].map(|decky| NewCredential { decky_name: decky.into(), ..credential("192.0.2.1", "root", "hunter2") });
        world.record(Batch { credentials: credentials.into(), ..Batch::default() }).await;
        let uses = store.uses_after(0, 10).await.unwrap();
        assert_eq!((uses.len(), uses[0].principal.as_deref(), uses[1].decky.as_str()), (2, Some("root"), "db-01"));
        assert!(store.uses_after(uses[1].id, 10).await.unwrap().is_empty());
        let sha = uses[0].secret_sha256.clone();
        let (one, any) = (group(&sha, Some("root")), group(&sha, None));
        let touches: Vec<Touch> = [&one, &any]
            .into_iter()
            .flat_map(|group| {
                let source = Touch::Source { group: group.clone(), attacker_ip: "192.0.2.1".into() };
                let targets = uses.iter().map(|u| Touch::Target { group: group.clone(), decky: u.decky.clone(), service: u.service.clone() });
                targets.chain([source]).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(store.new_touches(touches.clone()).await.unwrap().len(), 6);
        let row = ReuseRow {
            id: "0193a2b4-0000-7000-8000-000000000001".into(), scope: "credential".into(), secret_sha256: sha.clone(), secret_kind: "plaintext".into(),
            principal: Some("root".into()), secret_printable: Some("hunter2".into()), target_count: 2, attacker_count: 1, principal_count: 1, rarity: 900,
            first_seen: At(at(1)), last_seen: At(at(2)), updated_at: At(at(3)), ..ReuseRow::default()
        };
        store.save_reuse(&touches, at(1), &[(one.clone(), row.clone())], ("reuse_cursor", uses[1].id)).await.unwrap();
        assert!(store.new_touches(touches).await.unwrap().is_empty());
        assert_eq!(store.reuse_counts(&[one.clone(), any.clone()], 100).await.unwrap(), [(2, 1, 1), (2, 1, 1)]);
        let found = store.reuse_of(&[one, any]).await.unwrap();
        assert_eq!(found.values().collect::<Vec<_>>(), [&row]);
        let list = |least, kind: Option<&str>| ReuseQuery { min_target_count: least, secret_kind: kind.map(str::to_owned), limit: 10, offset: 0 };
        assert_eq!(store.credential_reuse(&list(2, None)).await.unwrap().data, [row.clone()]);
        assert_eq!(store.credential_reuse(&list(3, None)).await.unwrap().total, 0);
        assert_eq!(store.credential_reuse(&list(2, Some("ntlmssp_v2"))).await.unwrap().total, 0);
        let detail = store.credential_reuse_detail(&row.id).await.unwrap().unwrap();
        assert_eq!((detail.targets.len(), detail.attackers.len(), detail.principals), (2, 1, vec!["root".to_owned()]));
        assert_eq!(store.credential_reuse_detail("nothing").await.unwrap(), None);
        store.purge().await.unwrap();
        assert_eq!(store.credential_reuse(&list(2, None)).await.unwrap().total, 0);
        assert_eq!(store.state("reuse_cursor").await.unwrap(), None);
    }

    async fn intelligence_keeps_the_last_good_word(world: &World) {
        let store = &world.store;
        let attacker = AttackerRow { uuid: "u1".into(), ip: "192.0.2.1".into(), last_seen: At(at(10)), ..AttackerRow::default() };
        store.save_attackers(&[attacker], ("profile_cursor", 1)).await.unwrap();
        assert_eq!(store.unasked(at(20), 10).await.unwrap()[0].ip, "192.0.2.1");
        let part = |provider: &str, verdict: Option<&str>| IntelPart { provider: provider.into(), verdict: verdict.map(str::to_owned), ..IntelPart::default() };
        let row = IntelRow {
            attacker_uuid: "u1".into(), schema_version: 1, cached_at: At(at(20)), expires_at: At(at(50)),
            providers: vec![part("abuseipdb", Some("suspicious")), part("feodo", None), part("greynoise", Some("malicious"))],
            ..IntelRow::default()
        };
        store.save_intel(&row).await.unwrap();
        assert!(store.unasked(at(30), 10).await.unwrap().is_empty());
        // Stale, but not seen since: the quota is not spent on it.
        assert!(store.unasked(at(60), 10).await.unwrap().is_empty());
        let found = store.intel("u1").await.unwrap().unwrap();
        assert_eq!((found.aggregate_verdict.as_deref(), found.providers.len()), (Some("malicious"), 3));
        let failed = IntelRow { providers: vec![IntelPart { error: Some("down".into()), ..part("abuseipdb", Some("suspicious")) }], ..row };
        store.save_intel(&failed).await.unwrap();
        let found = store.intel("u1").await.unwrap().unwrap();
        assert_eq!((found.aggregate_verdict.as_deref(), found.providers[0].error.as_deref()), (Some("malicious"), Some("down")));
        assert_eq!(store.intel("u2").await.unwrap(), None);
    }
}
