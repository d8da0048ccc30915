//! Users, fleet, state, migrations, errors.

use crate::server::Server;
use crate::world::{World, at, bounty, credential, log, on_every_backend, uuid};
use model::Micros;
use std::time::SystemTime;
use store::{Batch, Config, Error, FleetDeckyRow, LogQuery, SessionChange, Store, UserRow};

fn user(n: u32, name: &str) -> UserRow {
    UserRow { uuid: uuid(n), username: name.into(), role: "viewer".into(), must_change_password: true }
}

fn decky(host: &str, name: &str) -> FleetDeckyRow {
    FleetDeckyRow {
        host_uuid: host.into(),
        name: name.into(),
        services: vec!["ssh".into(), "http".into()],
        decky_config: serde_json::json!({ "os": "Debian 'x'" }).as_object().unwrap().clone(),
        decky_ip: Some("10.0.0.1".into()),
        state: "running".into(),
        last_error: None,
        last_seen: Some(store::At(at(1))),
        updated_at: store::At(at(2)),
    }
}

on_every_backend! {
    async fn a_name_belongs_to_one_user(world: &World) {
        let store = &world.store;
        store.add_user(&user(1, "admin"), "$argon2id$a").await.unwrap();
        assert!(matches!(store.add_user(&user(2, "admin"), "x").await, Err(Error::Taken { .. })));
        store.add_user(&user(3, "Admin"), "x").await.unwrap();
        store.add_user(&user(4, "admin "), "x").await.unwrap();
        assert_eq!(store.users().await.unwrap().len(), 3);
        let found = store.user_by_name("admin").await.unwrap().unwrap();
        assert_eq!((found.user.uuid.clone(), found.password_hash.as_str(), found.tokens_valid_from), (uuid(1), "$argon2id$a", None));
        assert!(found.user.must_change_password);
        assert!(store.user_by_name("nobody' OR '1'='1").await.unwrap().is_none());
        assert!(store.set_password(&uuid(1), "$argon2id$b", false, at(5)).await.unwrap());
        assert!(store.set_password(&uuid(1), "$argon2id$b", false, at(5)).await.unwrap(), "the same again is still a user");
        assert!(store.set_role(&uuid(1), "admin", at(6)).await.unwrap());
        let found = store.user(&uuid(1)).await.unwrap().unwrap();
        assert_eq!((found.user.role.as_str(), found.password_hash.as_str(), found.user.must_change_password), ("admin", "$argon2id$b", false));
        assert_eq!(found.tokens_valid_from.unwrap().0, at(6));
        assert!(!store.set_role(&uuid(9), "admin", at(6)).await.unwrap());
        assert!(store.remove_user(&uuid(1)).await.unwrap());
        assert!(!store.remove_user(&uuid(1)).await.unwrap());
    }

    async fn a_revoked_token_is_forgotten_when_it_has_expired(world: &World) {
        let store = &world.store;
        let later = Micros(Micros::of(SystemTime::now()).0 + 3_600_000_000);
        store.revoke_token("old", &uuid(1), Micros(1)).await.unwrap();
        store.revoke_token("new", &uuid(1), later).await.unwrap();
        store.revoke_token("new", &uuid(1), later).await.unwrap();
        assert!(store.token_revoked("new").await.unwrap());
        assert!(!store.token_revoked("old").await.unwrap());
        assert!(!store.token_revoked("other").await.unwrap());
    }

    async fn state_is_kept_by_key(world: &World) {
        let store = &world.store;
        assert_eq!(store.state("k").await.unwrap(), None);
        store.set_state("k", "{\"a\":\"\u{0}\"}").await.unwrap();
        store.set_state("k", "two").await.unwrap();
        assert_eq!(store.state("k").await.unwrap().as_deref(), Some("two"));
    }

    async fn a_fleet_is_kept_by_host_and_name(world: &World) {
        let store = &world.store;
        for row in [decky("local", "web-01"), decky("local", "db-02"), decky("agent", "web-01")] {
            store.upsert_fleet_decky(&row).await.unwrap();
        }
        store.upsert_fleet_decky(&FleetDeckyRow { state: "failed".into(), last_error: Some("no address".into()), ..decky("local", "web-01") }).await.unwrap();
        let rows = store.fleet_deckies(Some("local")).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.name.as_str(), row.state.as_str())).collect::<Vec<_>>(), [("db-02", "running"), ("web-01", "failed")]);
        assert_eq!((rows[0].services.len(), rows[0].decky_config["os"].as_str(), rows[0].last_seen.unwrap().0), (2, Some("Debian 'x'"), at(1)));
        assert_eq!(store.fleet_deckies(None).await.unwrap().len(), 3);
        assert_eq!(store.stats(at(0)).await.unwrap().deployed_deckies, 3);
        assert!(store.delete_fleet_decky("local", "web-01").await.unwrap());
        assert!(!store.delete_fleet_decky("local", "web-01").await.unwrap());
    }

    async fn purging_leaves_users_and_fleet_and_goes_on(world: &World) {
        let store = &world.store;
        store.add_user(&user(1, "admin"), "x").await.unwrap();
        store.upsert_fleet_decky(&decky("local", "web-01")).await.unwrap();
        let session = SessionChange { sid: uuid(1), attacker_ip: "192.0.2.1".into(), ..SessionChange::default() };
        let batch = |first: u32| Batch {
            logs: (first..first + 5).map(log).collect(),
            credentials: vec![credential("192.0.2.1", "root", "x")],
            bounties: vec![bounty("192.0.2.1", "url", "{}")],
            sessions: vec![session.clone()],
            ..Batch::default()
        };
        world.record(batch(0)).await;
        world.index().await;
        let attacker = store::AttackerRow { uuid: uuid(7), ip: "192.0.2.1".into(), services: vec!["ssh".into()], ..Default::default() };
        store.save_attackers(std::slice::from_ref(&attacker), ("c", 1)).await.unwrap();
        let counts = store.purge().await.unwrap();
        let expect = [("logs", 5), ("credentials", 1), ("bounty", 1), ("artifacts", 0), ("sessions", 1), ("attackers", 1)];
        assert_eq!(counts, expect.map(|(table, count)| (table.to_owned(), count)));
        let stats = store.stats(at(0)).await.unwrap();
        assert_eq!((stats.total_logs, stats.total_credentials, stats.unique_attackers, stats.logs_today, stats.active_deckies), (0, 0, 0, 0, 0));
        assert!(store.logs(&LogQuery { search: Some("wget".into()), limit: 10, ..LogQuery::default() }).await.unwrap().data.is_empty());
        assert_eq!((store.users().await.unwrap().len(), store.fleet_deckies(None).await.unwrap().len()), (1, 1));
        assert_eq!(world.record(batch(100)).await, (6, 10), "ids go on");
        world.index().await;
        for search in ["wget", "service:ssh", ""] {
            assert_eq!(store.logs(&LogQuery { search: Some(search.into()), limit: 10, ..LogQuery::default() }).await.unwrap().total, 5);
        }
        assert_eq!(store.credentials(Some("root"), None, None, 10, 0).await.unwrap().total, 1);
    }

    async fn opening_again_changes_nothing(world: &World) {
        world.logs(vec![log(1)]).await;
        let (one, two) = tokio::join!(Store::open(&world.config), Store::open(&world.config));
        for store in [one.unwrap(), two.unwrap()] {
            store.ping().await.unwrap();
            assert_eq!(store.last_log_id().await.unwrap(), 1);
            assert_eq!(store.kind(), world.store.kind());
        }
    }

    async fn lost_connections_are_made_again(world: &World) {
        world.logs(vec![log(1)]).await;
        world.kill_connections().await;
        world.store.ping().await.unwrap();
        world.logs(vec![log(2)]).await;
        assert_eq!(world.store.last_log_id().await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_says_so() {
    let nowhere = Store::open(&Config::Sqlite("/nonexistent/dir/decnet.db".into())).await;
    assert!(matches!(nowhere, Err(Error::Unavailable { .. })), "{nowhere:?}");
    let secret = "mysql://user:geheim@127.0.0.1:1/decnet";
    let refused = Store::open(&Config::MySql(secret.into())).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused:?}");
    let nonsense = Store::open(&Config::MySql("mysql://user:geheim@:x/".into())).await.unwrap_err();
    assert!(!format!("{refused} {nonsense}").contains("geheim"));
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    let mut server = Server::start();
    let store = Store::open(&Config::MySql(format!("mysql://root@localhost/mysql?socket={}", server.socket.display()))).await.unwrap();
    let from = store.spool_position("s").await.unwrap();
    let batch = |to| Batch { spool: "s".into(), from, to, logs: vec![log(1)], ..Batch::default() };
    let to = store::Position { segment: 0, offset: 1 };
    server.order("stop");
    assert!(matches!(store.ping().await, Err(Error::Unavailable { .. })));
    assert!(matches!(store.record(&batch(to)).await, Err(Error::Unavailable { .. })));
    server.order("start");
    assert_eq!(store.record(&batch(to)).await.unwrap(), store::Recorded::Now { first_log: 1, last_log: 1 });
    assert_eq!(store.record(&batch(to)).await.unwrap(), store::Recorded::StandsAt(to));
}
