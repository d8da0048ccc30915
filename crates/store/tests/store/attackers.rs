//! Attackers: written whole, sorted, searched.

use crate::world::{World, at, credential, on_every_backend, uuid};
use store::{At, AttackerQuery, AttackerRow, AttackerSort, Batch};

fn attacker(n: u32) -> AttackerRow {
    AttackerRow {
        uuid: uuid(n),
        ip: format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256),
        first_seen: At(at(i64::from(n))),
        last_seen: At(at(i64::from(n) + 100)),
        event_count: i64::from(n * 7_919 % 1_000),
        services: vec![if n.is_multiple_of(2) { "ssh".into() } else { "http".into() }],
        deckies: vec!["local:web-01".into(), format!("local:db-{}", n % 10)],
        is_traversal: n.is_multiple_of(5),
        credential_count: i64::from(n % 13),
        fingerprints: vec![serde_json::json!({ "kind": "ja4", "value": "t13d\u{0}'" })],
        commands: vec!["id\u{0}; ls '".into()],
        country_code: Some(if n.is_multiple_of(3) { "NL".into() } else { "DE".into() }),
        asn: Some(i64::from(n % 4)),
        as_name: Some(format!("Example Net {}", n % 4)),
        updated_at: At(at(0)),
        ..AttackerRow::default()
    }
}

fn ask(search: &str) -> AttackerQuery {
    AttackerQuery { search: Some(search.into()), limit: 5, ..AttackerQuery::default() }
}

on_every_backend! {
    async fn an_address_is_one_row_and_keeps_its_uuid(world: &World) {
        world.store.save_attackers(&[attacker(1), attacker(2)], ("cursor", 5)).await.unwrap();
        let again = AttackerRow { uuid: uuid(900), event_count: 77, deckies: vec!["local:new".into()], ..attacker(1) };
        world.store.save_attackers(&[again], ("cursor", 9)).await.unwrap();
        let row = world.store.attacker(&uuid(1)).await.unwrap().unwrap();
        assert_eq!((row.event_count, row.ip.as_str(), row.deckies), (77, "10.0.0.1", vec!["local:new".to_owned()]));
        assert_eq!((row.fingerprints, row.commands), (attacker(1).fingerprints, attacker(1).commands));
        assert!(world.store.attacker(&uuid(900)).await.unwrap().is_none());
        assert_eq!(world.store.state("cursor").await.unwrap().as_deref(), Some("9"));
        assert_eq!(world.store.stats(at(0)).await.unwrap().unique_attackers, 2);
        let known = world.store.attackers_by_ip(&["10.0.0.2".into(), "10.0.0.1".into(), "10.9.9.9".into()]).await.unwrap();
        assert_eq!(known.len(), 2);
        assert!(world.store.attackers_by_ip(&[]).await.unwrap().is_empty());
        world.store.save_attackers(&[], ("cursor", 11)).await.unwrap();
        assert_eq!(world.store.state("cursor").await.unwrap().as_deref(), Some("11"));
    }

    async fn credentials_know_their_attacker(world: &World) {
        world.record(Batch { credentials: vec![credential("10.0.0.1", "root", "a"), credential("10.9.9.9", "root", "a")], ..Batch::default() }).await;
        world.store.save_attackers(&[attacker(1)], ("c", 1)).await.unwrap();
        let rows = world.store.credentials(None, None, None, 10, 0).await.unwrap().data;
        assert_eq!((rows[1].attacker_uuid.clone(), rows[0].attacker_uuid.clone()), (Some(uuid(1)), None));
    }

    /// Far down, pages begin at remembered rows: the same rows as when each is walked to.
    async fn pages_far_down_are_exact(world: &World) {
        let rows: Vec<AttackerRow> = (0..1_700).map(attacker).collect();
        for some in rows.chunks(400) {
            world.store.save_attackers(some, ("c", 1)).await.unwrap();
        }
        assert_eq!(world.store.stats(at(0)).await.unwrap().unique_attackers, 1_700);
        for sort in [AttackerSort::Recent, AttackerSort::Active, AttackerSort::Traversals, AttackerSort::First, AttackerSort::Credentials] {
            let page = async |offset, limit| {
                let page = world.store.attackers(&AttackerQuery { sort, limit, offset, ..AttackerQuery::default() }).await.unwrap();
                assert_eq!(page.total, 1_700);
                page.data.into_iter().map(|row| row.ip).collect::<Vec<_>>()
            };
            let all = page(0, 2_000).await;
            assert_eq!(all.len(), 1_700);
            for offset in [1_000_i64, 499, 500, 501, 999, 1_001, 1_499, 1_500, 1_690, 1_699, 1_700, 5_000] {
                let expect: Vec<String> = all.iter().skip(usize::try_from(offset).unwrap()).take(50).cloned().collect();
                assert_eq!(page(offset, 50).await, expect, "{sort:?} {offset}");
            }
        }
        // What is written moves rows at once.
        let newest = AttackerRow { last_seen: At(at(1_000_000)), ..attacker(3) };
        let before = world.store.attackers(&AttackerQuery { limit: 1, offset: 600, ..AttackerQuery::default() }).await.unwrap();
        world.store.save_attackers(&[newest], ("c", 1)).await.unwrap();
        let after = world.store.attackers(&AttackerQuery { limit: 1, offset: 601, ..AttackerQuery::default() }).await.unwrap();
        assert_eq!(before.data[0].ip, after.data[0].ip);
    }

    async fn lists_are_sorted_and_paged(world: &World) {
        let rows: Vec<AttackerRow> = (0..120).map(attacker).collect();
        world.store.save_attackers(&rows, ("c", 1)).await.unwrap();
        let key = |sort, row: &AttackerRow| match sort {
            AttackerSort::Recent => (row.last_seen.0.0, 0),
            AttackerSort::Active => (row.event_count, 0),
            AttackerSort::Traversals => (i64::from(row.is_traversal), row.last_seen.0.0),
            AttackerSort::First => (row.first_seen.0.0, 0),
            AttackerSort::Credentials => (row.credential_count, 0),
        };
        for sort in [AttackerSort::Recent, AttackerSort::Active, AttackerSort::Traversals, AttackerSort::First, AttackerSort::Credentials] {
            let mut seen = Vec::new();
            for offset in [0, 50, 100] {
                let page = world.store.attackers(&AttackerQuery { sort, limit: 50, offset, ..AttackerQuery::default() }).await.unwrap();
                assert_eq!(page.total, 120);
                seen.extend(page.data);
            }
            assert_eq!(seen.len(), 120);
            assert!(seen.is_sorted_by(|a, b| key(sort, a) >= key(sort, b)), "{sort:?}");
            let mut ips: Vec<&str> = seen.iter().map(|row| row.ip.as_str()).collect();
            ips.sort_unstable();
            ips.dedup();
            assert_eq!(ips.len(), 120);
        }
    }

    async fn lists_are_narrowed(world: &World) {
        // More than a page finds by sorting, so both ways of finding it are taken.
        let rows: Vec<AttackerRow> = (0..2_600).map(attacker).collect();
        world.store.save_attackers(&rows, ("c", 1)).await.unwrap();
        let name = |row: &AttackerRow, part: &str| row.as_name.as_deref().is_some_and(|name| name.to_lowercase().contains(part));
        type Test<'a> = (AttackerQuery, &'a dyn Fn(&AttackerRow) -> bool);
        let tests: [Test<'_>; 15] = [
            (ask("10.0."), &|r| r.ip.starts_with("10.0.")),
            (ask("10.0.1"), &|r| r.ip.starts_with("10.0.1")),
            (ask("10.0.3.7"), &|r| r.ip.starts_with("10.0.3.7")),
            (ask(".9.9"), &|r| r.ip.contains(".9.9")),
            (ask("99.99"), &|r| r.ip.contains("99.99")),
            (ask("nl"), &|r| r.country_code.as_deref() == Some("NL")),
            (ask("fr"), &|_| false),
            (ask("as3"), &|r| r.asn == Some(3)),
            (ask("net 2"), &|r| name(r, "net 2")),
            (ask("EXAMPLE"), &|r| name(r, "example")),
            (ask("nobody"), &|_| false),
            (AttackerQuery { service: Some("ssh".into()), limit: 5, ..AttackerQuery::default() }, &|r| r.services == ["ssh"]),
            (AttackerQuery { decky: Some("local:web-01".into()), limit: 5, ..AttackerQuery::default() }, &|_| true),
            (AttackerQuery { service: Some("http".into()), decky: Some("local:db-3".into()), ..ask("de") }, &|r| {
                r.services == ["http"] && r.deckies[1] == "local:db-3" && r.country_code.as_deref() == Some("DE")
            }),
            (AttackerQuery { decky: Some("local:web-01".into()), ..ask("10.") }, &|_| true),
        ];
        for (query, test) in tests {
            let mut expect: Vec<&AttackerRow> = rows.iter().filter(|row| test(row)).collect();
            expect.sort_by_key(|row| -row.last_seen.0.0);
            for offset in [0, 3, 5_000] {
                let page = world.store.attackers(&AttackerQuery { offset, ..query.clone() }).await.unwrap();
                assert_eq!(usize::try_from(page.total).unwrap(), expect.len(), "{query:?}");
                let skip = usize::try_from(offset).unwrap();
                let ips: Vec<&str> = expect.iter().skip(skip).take(5).map(|row| row.ip.as_str()).collect();
                assert_eq!(page.data.iter().map(|row| row.ip.as_str()).collect::<Vec<_>>(), ips, "{query:?} from {offset}");
            }
        }
    }

    async fn stats_count_attackers_by_when_they_were_seen(world: &World) {
        let seen = |n: u32, second: i64| AttackerRow { last_seen: At(at(second)), ..attacker(n) };
        world.store.save_attackers(&[seen(1, -5), seen(2, 10), seen(3, 9_990), seen(4, 9_700)], ("c", 1)).await.unwrap();
        let stats = world.store.stats(at(10_000)).await.unwrap();
        assert_eq!((stats.unique_attackers, stats.attackers_today, stats.attackers_now), (4, 3, 2));
        world.store.save_attackers(&[seen(1, 9_999)], ("c", 2)).await.unwrap();
        let stats = world.store.stats(at(10_000)).await.unwrap();
        assert_eq!((stats.unique_attackers, stats.attackers_today, stats.attackers_now), (4, 4, 3));
    }
}
