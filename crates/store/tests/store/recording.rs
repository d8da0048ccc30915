//! Exactly once, whatever the bytes.

use crate::world::{World, at, bounty, credential, log, on_every_backend, uuid};
use store::{Batch, LogQuery, NewArtifact, NewLog, Position, Recorded, SessionChange};

fn place(offset: u64) -> Position {
    Position { segment: 3, offset }
}

fn session(n: u32) -> SessionChange {
    SessionChange {
        sid: uuid(n),
        decky: "local:web-01".into(),
        service: "ssh".into(),
        attacker_ip: "192.0.2.1".into(),
        src_port: Some(4_000),
        first_at: at(5),
        commands: 2,
        credentials: 1,
        ..SessionChange::default()
    }
}

on_every_backend! {
    async fn a_replayed_batch_changes_nothing(world: &World) {
        let batch = Batch {
            spool: "one".into(),
            from: Position::default(),
            to: place(100),
            logs: (0..10).map(log).collect(),
            credentials: vec![credential("192.0.2.1", "root", "toor"), credential("192.0.2.1", "root", "toor")],
            bounties: vec![bounty("192.0.2.1", "url", r#"{"url":"x"}"#)],
            artifacts: vec![NewArtifact { event_uuid: uuid(77), sha256: "ab".repeat(32), size: 5, whole: true, path: "/tmp/x".into(), ..NewArtifact::default() }],
            sessions: vec![session(1)],
        };
        assert_eq!(world.store.record(&batch).await.unwrap(), Recorded::Now { first_log: 1, last_log: 10 });
        let before = world.store.stats(at(0)).await.unwrap();
        for _ in 0..3 {
            assert_eq!(world.store.record(&batch).await.unwrap(), Recorded::StandsAt(place(100)));
        }
        let after = world.store.stats(at(0)).await.unwrap();
        assert_eq!((after.total_logs, after.total_credentials, after.total_sessions, after.total_artifacts), (10, 1, 1, 1));
        assert_eq!(before.last_log_id, after.last_log_id);
        assert_eq!(world.store.spool_position("one").await.unwrap(), place(100));
        assert_eq!(world.store.spool_position("two").await.unwrap(), Position::default());
        assert_eq!(world.store.credentials(None, None, None, 10, 0).await.unwrap().data[0].attempt_count, 2);
        assert_eq!(world.store.session(&uuid(1)).await.unwrap().unwrap().command_count, 2);
    }

    async fn a_batch_from_elsewhere_is_refused(world: &World) {
        let batch = Batch { spool: "one".into(), from: place(7), to: place(9), logs: vec![log(1)], ..Batch::default() };
        assert_eq!(world.store.record(&batch).await.unwrap(), Recorded::StandsAt(Position::default()));
        assert_eq!(world.store.last_log_id().await.unwrap(), 0);
    }

    async fn ids_rise_by_one_across_spools_and_repeated_events(world: &World) {
        let batch = |spool: &str, from, to, logs| Batch { spool: spool.into(), from, to, logs, ..Batch::default() };
        world.store.record(&batch("a", Position::default(), place(1), vec![log(1), log(2)])).await.unwrap();
        // Two events that are there already, one that is twice in the batch.
        let again = batch("b", Position::default(), place(1), vec![log(2), log(3), log(3), log(1), log(4)]);
        assert_eq!(world.store.record(&again).await.unwrap(), Recorded::Now { first_log: 3, last_log: 4 });
        let empty = batch("b", place(1), place(2), vec![]);
        assert_eq!(world.store.record(&empty).await.unwrap(), Recorded::Now { first_log: 5, last_log: 4 });
        world.store.record(&batch("a", place(1), place(2), vec![log(5)])).await.unwrap();
        let rows = world.store.logs_after(0, 100).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(rows.iter().map(|row| row.event_uuid.clone()).collect::<Vec<_>>(), [1, 2, 3, 4, 5].map(uuid));
        assert_eq!(world.store.stats(at(0)).await.unwrap().total_logs, 5);
    }

    /// Many rows go in with one statement: an event that is known already, wherever it stands, costs no other one its place.
    async fn a_known_event_among_many_takes_no_id(world: &World) {
        let batch = |spool: &str, logs| Batch { spool: spool.into(), from: Position::default(), to: place(1), logs, ..Batch::default() };
        for (n, known) in [0_u32, 1, 31, 32, 40, 95, 96].into_iter().enumerate() {
            let base = u32::try_from(n).unwrap() * 1_000;
            let had = world.store.last_log_id().await.unwrap();
            world.store.record(&batch(&format!("a{n}"), vec![log(base + known)])).await.unwrap();
            let mut logs: Vec<NewLog> = (base..base + 100).map(log).collect();
            logs.push(log(base + 3));
            assert_eq!(world.store.record(&batch(&format!("b{n}"), logs)).await.unwrap(), Recorded::Now { first_log: had + 2, last_log: had + 100 });
            let rows = world.store.logs_after(had, 1_000).await.unwrap();
            assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), (had + 1..=had + 100).collect::<Vec<_>>());
            let order = [known].into_iter().chain((0..100).filter(|n| *n != known)).map(|n| uuid(base + n));
            assert_eq!(rows.iter().map(|row| row.event_uuid.clone()).collect::<Vec<_>>(), order.collect::<Vec<_>>());
        }
        assert_eq!(world.store.stats(at(0)).await.unwrap().total_logs, 700);
        let sum: i64 = world.store.histogram(&LogQuery::default(), 60).await.unwrap().iter().map(|bar| bar.count).sum();
        assert_eq!(sum, 700);
    }

    async fn attackers_text_is_kept_as_it_is(world: &World) {
        let long = "A".repeat(1 << 20);
        let texts = [
            "", "\0", "a\0b", "\u{1b}[2J", "]", "\\", "'; DROP TABLE logs; --", "\" OR 1=1", "<script>alert(1)</script>", "line\r\nline",
            "\u{fffd}\u{10ffff}", "😀 ünïcode \u{202e}", "?1 ? :x @x $x %s", "trailing  ", &long,
        ];
        let logs: Vec<NewLog> = texts
            .iter()
            .zip(0..)
            .map(|(text, n)| NewLog {
                fields: serde_json::json!({ "text": text, (*text).chars().take(50).collect::<String>(): 1 }).to_string(),
                msg: (*text).to_owned(),
                service: text.chars().take(32).collect(),
                ..log(n)
            })
            .collect();
        let credentials = texts.iter().map(|text| credential("192.0.2.9", text, text)).collect();
        let bounties = texts.iter().map(|text| bounty("192.0.2.9", "url", &serde_json::json!({ "url": text }).to_string())).collect();
        let sessions = vec![SessionChange { why: Some("x".repeat(500)), recording: Some(long.clone()), ..session(1) }];
        let artifacts = texts
            .iter()
            .zip(0..)
            .map(|(text, n)| NewArtifact { event_uuid: uuid(n), sha256: (*text).into(), path: (*text).into(), way: (*text).into(), ..NewArtifact::default() })
            .collect();
        world.record(Batch { logs, credentials, bounties, sessions, artifacts, ..Batch::default() }).await;
        for (row, text) in world.store.logs_after(0, 100).await.unwrap().iter().zip(texts) {
            assert!(row.msg == text, "{:?}", text.get(..20));
            assert!(row.fields["text"] == text);
            assert_eq!(row.service, text.chars().take(32).collect::<String>());
        }
        let kept = world.store.credentials(None, None, None, 100, 0).await.unwrap();
        assert_eq!(kept.total, i64::try_from(texts.len()).unwrap(), "two principals that differ are two rows");
        for (row, text) in kept.data.iter().rev().zip(texts) {
            assert_eq!(row.principal.as_deref().unwrap(), text.chars().take(256).collect::<String>());
            assert_eq!(row.secret_printable.as_deref().unwrap(), text.chars().take(512).collect::<String>());
        }
        for (row, text) in world.store.bounties(None, None, None, 100, 0).await.unwrap().data.iter().rev().zip(texts) {
            assert!(row.payload["url"] == text);
        }
        for (row, text) in world.store.artifacts(None, 100, 0).await.unwrap().data.iter().rev().zip(texts) {
            assert_eq!(row.path, text.chars().take(4_096).collect::<String>());
        }
        world.index().await;
        for text in texts {
            let page = world.store.logs(&LogQuery { search: Some(text.into()), limit: 50, ..LogQuery::default() }).await.unwrap();
            assert!(page.data.len() <= texts.len());
        }
    }

    async fn credentials_add_up_and_success_wins(world: &World) {
        let tries = |outcome: &str, second: i64| {
            let mut row = credential("192.0.2.1", "root", "toor");
            row.outcome = outcome.into();
            row.at = at(second);
            row
        };
        world.record(Batch { credentials: vec![tries("failure", 5), tries("failure", 3)], ..Batch::default() }).await;
        world.record(Batch { credentials: vec![tries("success", 9)], ..Batch::default() }).await;
        world.record(Batch { credentials: vec![tries("failure", 11), tries("failure", 4)], ..Batch::default() }).await;
        let mut anonymous = tries("observed", 1);
        anonymous.principal = None;
        world.record(Batch { credentials: vec![anonymous], ..Batch::default() }).await;
        let page = world.store.credentials(None, None, Some("192.0.2.1"), 10, 0).await.unwrap();
        assert_eq!(page.total, 2);
        let (newest, oldest) = (&page.data[0], &page.data[1]);
        assert_eq!((newest.principal.as_deref(), newest.outcome.as_deref()), (None, Some("observed")));
        assert_eq!(oldest.attempt_count, 5);
        assert_eq!(oldest.outcome.as_deref(), Some("success"));
        assert_eq!((oldest.first_seen.0, oldest.last_seen.0), (at(3), at(11)));
        assert_eq!(world.store.stats(at(0)).await.unwrap().total_credentials, 2);
    }

    async fn sessions_add_up(world: &World) {
        world.record(Batch { sessions: vec![session(1), session(2)], ..Batch::default() }).await;
        let end = SessionChange {
            first_at: at(1),
            ended_at: Some(at(60)),
            duration_us: Some(59_000_000),
            bytes_in: Some(10),
            bytes_out: Some(u64::MAX),
            why: Some("visitor".into()),
            files: 1,
            logged_in: true,
            recording: Some("a.cast".into()),
            ..session(1)
        };
        world.record(Batch { sessions: vec![end], ..Batch::default() }).await;
        world.record(Batch { sessions: vec![SessionChange { sid: uuid(1), first_at: at(70), ..SessionChange::default() }], ..Batch::default() }).await;
        let row = world.store.session(&uuid(1)).await.unwrap().unwrap();
        assert_eq!((row.command_count, row.credential_count, row.file_count), (4, 2, 1));
        assert_eq!((row.started_at.0, row.ended_at.unwrap().0, row.duration_us), (at(1), at(60), Some(59_000_000)));
        assert_eq!((row.bytes_in, row.bytes_out, row.logged_in), (10, i64::MAX, true));
        assert_eq!((row.why.as_deref(), row.recording.as_deref(), row.src_port), (Some("visitor"), Some("a.cast"), Some(4_000)));
        assert_eq!(world.store.stats(at(0)).await.unwrap().total_sessions, 2);
        let recorded = world.store.sessions(Some("192.0.2.1"), Some("local:web-01"), true, 10, 0).await.unwrap();
        assert_eq!((recorded.total, recorded.data[0].sid.clone()), (1, uuid(1)));
        assert_eq!(world.store.sessions(None, None, false, 10, 1).await.unwrap().data[0].sid, uuid(1));
        assert!(world.store.session("none").await.unwrap().is_none());
    }

    async fn two_recorders_at_once_lose_nothing(world: &World) {
        let work = |spool: &'static str, first: u32| {
            let store = world.store.clone();
            async move {
                for step in 0..20_u32 {
                    let batch = Batch {
                        spool: spool.into(),
                        from: Position { segment: 0, offset: u64::from(step) },
                        to: Position { segment: 0, offset: u64::from(step) + 1 },
                        logs: (0..10).map(|n| log(first + step * 10 + n)).collect(),
                        credentials: vec![credential("192.0.2.1", "root", "toor")],
                        sessions: vec![session(1)],
                        ..Batch::default()
                    };
                    assert!(matches!(store.record(&batch).await.unwrap(), Recorded::Now { .. }));
                }
            }
        };
        tokio::join!(work("a", 0), work("b", 10_000));
        let rows = world.store.logs_after(0, 10_000).await.unwrap();
        assert!(rows.iter().map(|row| row.id).eq(1..=400));
        assert_eq!(world.store.credentials(None, None, None, 1, 0).await.unwrap().data[0].attempt_count, 40);
        assert_eq!(world.store.session(&uuid(1)).await.unwrap().unwrap().command_count, 80);
    }
}
