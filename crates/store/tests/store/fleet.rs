//! Hosts, topologies, and the view over all deckies.

use crate::world::{World, at, on_every_backend, uuid};
use serde_json::json;
use store::{
    At, DeckyShardRow, DeckySource, FleetDeckyRow, LanRow, OrchestratorEventRow, SwarmHostRow, TopologyDeckyRow, TopologyEdgeRow,
    TopologyRow,
};

fn host(uuid: &str, name: &str) -> SwarmHostRow {
    SwarmHostRow {
        uuid: uuid.into(),
        name: name.into(),
        address: "192.0.2.7".into(),
        agent_port: 8765,
        status: "active".into(),
        client_cert_fingerprint: "ab".into(),
        cert_bundle_path: "/x".into(),
        enrolled_at: At(at(1)),
        ..SwarmHostRow::default()
    }
}

fn shard(host: &str, name: &str, state: &str) -> DeckyShardRow {
    DeckyShardRow {
        host_uuid: host.into(),
        decky_name: name.into(),
        services: vec!["ssh".into()],
        state: state.into(),
        ..DeckyShardRow::default()
    }
}

fn fleet(host: &str, name: &str, state: &str) -> FleetDeckyRow {
    FleetDeckyRow {
        host_uuid: host.into(),
        name: name.into(),
        services: vec!["http".into()],
        decky_config: json!({"hostname": "web"}).as_object().unwrap().clone(),
        decky_ip: Some("10.0.0.3".into()),
        state: state.into(),
        last_error: None,
        last_seen: None,
        updated_at: At(at(2)),
    }
}

fn topology(id: &str) -> TopologyRow {
    TopologyRow {
        id: id.into(),
        name: format!("net {id}"),
        mode: "unihost".into(),
        status: "active".into(),
        version: 1,
        language_default: "en".into(),
        ..TopologyRow::default()
    }
}

on_every_backend! {
    async fn the_view_names_each_running_decky_as_events_do(world: &World) {
        let store = &world.store;
        store.upsert_swarm_host(&host("h1", "one")).await.unwrap();
        store.upsert_swarm_host(&host("h2", "two")).await.unwrap();
        for (host, state) in [("h1", "running"), ("h2", "running"), ("h1", "running")] {
            store.upsert_decky_shard(&shard(host, "web-01", state)).await.unwrap();
        }
        store.upsert_decky_shard(&shard("h2", "web-02", "failed")).await.unwrap();
        assert!(store.upsert_decky_shard(&shard("h9", "web-01", "running")).await.is_err(), "only enrolled hosts have deckies");
        store.upsert_fleet_deckies(&[fleet("local", "web-01", "running"), fleet("local", "web-02", "degraded"), fleet("other", "web-01", "running")]).await.unwrap();
        store.upsert_topology(&TopologyRow { target_host_uuid: Some("h2".into()), ..topology("t1") }).await.unwrap();
        store.upsert_lan(&LanRow { id: "l1".into(), topology_id: "t1".into(), name: "LAN-00".into(), subnet: "172.16.0.0/24".into(), is_dmz: true, ..LanRow::default() }).await.unwrap();
        let inner = TopologyDeckyRow { uuid: uuid(1), topology_id: "t1".into(), name: "decky-001".into(), state: "running".into(), ip: Some("172.16.0.2".into()), ..TopologyDeckyRow::default() };
        store.upsert_topology_decky(&inner).await.unwrap();
        let edge = TopologyEdgeRow { id: "e1".into(), topology_id: "t1".into(), decky_uuid: uuid(1), lan_id: "l1".into(), is_bridge: false, forwards_l3: true };
        store.upsert_topology_edge(&edge).await.unwrap();
        let all = store.list_running_deckies().await.unwrap();
        let seen: Vec<_> = all.iter().map(|d| (d.id.as_str(), d.source, d.topology_id.as_deref(), d.host_uuid.as_deref())).collect();
        let bare = uuid(1);
        assert_eq!(seen, [
            ("local:web-01", DeckySource::Fleet, None, Some("local")),
            ("h1:web-01", DeckySource::Shard, None, Some("h1")),
            ("h2:web-01", DeckySource::Shard, None, Some("h2")),
            (bare.as_str(), DeckySource::Topology, Some("t1"), Some("h2")),
        ]);
        assert_eq!((all[0].ip.as_deref(), all[0].decky_config["hostname"].as_str()), (Some("10.0.0.3"), Some("web")));
        assert_eq!(store.topology_edges("t1").await.unwrap(), [edge]);
        assert_eq!(store.lans("t1").await.unwrap().len(), 1);
        // A host goes with its deckies, a topology with all of it; what happened to them stays.
        let event = |n: u32, dst: &str| OrchestratorEventRow { uuid: uuid(n), ts: At(at(i64::from(n))), kind: "traffic".into(), protocol: "ssh".into(), action: "exec".into(), src_decky_uuid: Some("local:web-01".into()), dst_decky_uuid: dst.into(), success: true, payload: serde_json::Map::new() };
        let events = [event(1, &bare), event(2, &bare), event(3, "h1:web-01"), event(4, "never:was")];
        store.add_orchestrator_events(&events).await.unwrap();
        store.add_orchestrator_events(&events).await.unwrap();
        assert!(store.delete_topology("t1").await.unwrap());
        assert!(store.delete_swarm_host("h1").await.unwrap());
        assert!(store.topology_deckies("t1").await.unwrap().is_empty() && store.lans("t1").await.unwrap().is_empty());
        assert!(store.decky_shards(Some("h1")).await.unwrap().is_empty());
        assert_eq!(store.orchestrator_events(None, 10, 0).await.unwrap().len(), 4);
        assert_eq!(store.orchestrator_events(Some(&bare), 10, 0).await.unwrap()[0].uuid, uuid(2));
        assert_eq!(store.prune_orchestrator_events(&bare, 1).await.unwrap(), 1);
        assert_eq!(store.list_running_deckies().await.unwrap().len(), 2);
    }
}

#[test]
fn an_old_table_of_orchestrator_events_loses_its_two_foreign_keys() {
    use store::{Config, Store};
    crate::world::run(World::mariadb(), |world| {
        Box::pin(async move {
            let Config::MySql(url) = &world.config else { panic!("a MariaDB") };
            let name = url.split('/').nth(3).unwrap().split('?').next().unwrap();
            let sql = async |text: &str| crate::world::sql(&text.replace("DB.", &format!("{name}."))).await;
            sql("DROP TABLE DB.orchestrator_events").await;
            sql("CREATE TABLE DB.old_deckies (uuid VARCHAR(36) PRIMARY KEY)").await;
            sql("INSERT INTO DB.old_deckies VALUES ('a'), ('b')").await;
            sql("CREATE TABLE DB.orchestrator_events (uuid VARCHAR(255) PRIMARY KEY, ts DATETIME(6) NOT NULL, kind VARCHAR(16) NOT NULL, protocol VARCHAR(16) NOT NULL, \
                 action VARCHAR(64) NOT NULL, src_decky_uuid VARCHAR(36), dst_decky_uuid VARCHAR(36) NOT NULL, success BOOL NOT NULL, payload MEDIUMTEXT NOT NULL, \
                 KEY ix_dst_ts (dst_decky_uuid, ts), CONSTRAINT fk_src FOREIGN KEY (src_decky_uuid) REFERENCES DB.old_deckies (uuid), \
                 CONSTRAINT fk_dst FOREIGN KEY (dst_decky_uuid) REFERENCES DB.old_deckies (uuid))").await;
            sql("INSERT INTO DB.orchestrator_events VALUES ('e', '2026-11-23 00:00:07', 'traffic', 'ssh', 'exec', 'a', 'b', 1, '{}')")
                .await;
            sql("DELETE FROM DB.schema_version WHERE version >= 2").await;
            let store = Store::open(&world.config).await.unwrap();
            let old = store.orchestrator_events(None, 10, 0).await.unwrap();
            assert_eq!((old.len(), old[0].ts, old[0].success, old[0].dst_decky_uuid.as_str()), (1, At(at(7)), true, "b"));
            // An id that no table holds is taken, and a decky that goes takes nothing with it.
            let new = OrchestratorEventRow {
                uuid: uuid(9),
                ts: At(at(9)),
                dst_decky_uuid: "local:web-01".into(),
                ..OrchestratorEventRow::default()
            };
            store.add_orchestrator_events(&[new]).await.unwrap();
            sql("DROP TABLE DB.old_deckies").await;
            assert_eq!(store.orchestrator_events(None, 10, 0).await.unwrap().len(), 2);
            // Once more over the finished table, as after a crash in the middle.
            sql("DELETE FROM DB.schema_version WHERE version >= 2").await;
            assert_eq!(Store::open(&world.config).await.unwrap().orchestrator_events(None, 10, 0).await.unwrap().len(), 2);
        })
    });
}
