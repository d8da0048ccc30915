//! Delivery against a directory and a store in memory.

use super::*;
use crate::Cx;
use bus::Bus;
use lures::company::{Brief, generate};
use store::Store;

fn people(count: usize) -> Vec<Person> {
    generate(
        b"tests",
        &Brief { company: None, domain: Some("acme.lan".into()), language: "en".into(), timezone: "Europe/Madrid".into(), people: count },
    )
    .people
}

fn mails(count: usize) -> Vec<lures::Mail> {
    let office = Office::new(b"tests", "Acme", "mail.acme.lan", None, "en", "Europe/Madrid", people(count));
    let to = Micros(1_795_000_000_000_000);
    office.between(Micros(to.0 - 14 * 86_400_000_000), to, 0)
}

#[test]
fn files_are_whole_dated_and_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let mails = mails(6);
    for mail in &mails {
        let path = deliver(dir.path(), mail).unwrap().unwrap();
        assert!(path.starts_with("/var/spool/decnet-emails/") && path.ends_with(".eml"));
        let file = dir.path().join(path.strip_prefix("/var/spool/decnet-emails/").unwrap());
        let meta = std::fs::metadata(&file).unwrap();
        let date = mail.date.timestamp().as_second();
        assert_eq!(i64::try_from(meta.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap(), date);
        assert_eq!(std::fs::read(&file).unwrap(), mail.raw());
        assert_eq!(deliver(dir.path(), mail).unwrap(), None);
    }
    let half = walk(dir.path()).into_iter().filter(|p| p.to_string_lossy().contains("half")).count();
    assert_eq!((half, mails.len() > 20), (0, true));
}

#[test]
fn a_spool_that_cannot_be_written_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let failed = deliver(&dir.path().join("file"), &mails(4)[0]).unwrap_err();
    assert!(failed.to_string().contains("file"), "{failed}");
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all
}

async fn cx(dir: &Path) -> Cx {
    let store = Store::open(&store::Config::Sqlite(dir.join("x.db"))).await.unwrap();
    Cx { store, bus: Bus::memory(), spools: dir.join("spool") }
}

#[tokio::test]
async fn nothing_is_done_without_a_mail_decky() {
    let dir = tempfile::tempdir().unwrap();
    let cx = cx(dir.path()).await;
    let settings = Settings::beside(&cx.spools, |_| None);
    assert_eq!(settings.state, dir.path().join("memory"));
    let mut worker = Emailgen::new(settings);
    assert_eq!(worker.pass(&cx).await.unwrap(), Pass::did(0));
}

#[tokio::test]
async fn weeks_of_mail_come_once_and_again_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let cx = cx(dir.path()).await;
    let row = store::FleetDeckyRow {
        host_uuid: model::LOCAL_HOST.into(),
        name: "mail-01".into(),
        services: vec!["smtp".into(), "imap".into()],
        state: "running".into(),
        decky_config: Map::new(),
        decky_ip: Some("10.3.0.9".into()),
        last_error: None,
        last_seen: None,
        updated_at: At(cx.now()),
    };
    cx.store.upsert_fleet_decky(&row).await.unwrap();
    let pool = dir.path().join("personas.json");
    let settings = || Settings::beside(&cx.spools, |name| (name == "DECNET_EMAILGEN_PERSONAS").then(|| pool.display().to_string()));
    let mut worker = Emailgen::new(settings());
    assert_eq!(worker.pass(&cx).await.unwrap(), Pass::did(0), "no personas, no mail");
    std::fs::write(&pool, serde_json::to_string(&people(12)).unwrap()).unwrap();
    let first = worker.pass(&cx).await.unwrap().done;
    assert!(first > 300, "{first}");
    let spool = spool(&dir.path().join("memory"), "local:mail-01");
    let before = walk(&spool);
    assert_eq!(before.len() as u64, first + 1, "and people.json");
    // Killed before it could remember: the same again finds everything there.
    let memory: Memory = serde_json::from_slice(&std::fs::read(dir.path().join("emailgen.json")).unwrap()).unwrap();
    keep(&dir.path().join("emailgen.json"), &Memory { delivered: BTreeMap::new(), ..memory });
    Emailgen::new(settings()).pass(&cx).await.unwrap();
    assert!(walk(&spool).len() <= before.len() + 3);
    let rows = cx.store.orchestrator_events(Some("local:mail-01"), 10, 0).await.unwrap();
    assert!(rows.iter().any(|r| r.action == "email:history" && r.success && r.kind == "email"), "{rows:?}");
}

#[test]
fn logins_are_one_word_and_never_change() {
    let people = people(20);
    let all = logins("seed", &people);
    assert_eq!(all.len(), 20);
    assert_eq!(all, logins("seed", &people));
    assert_ne!(all, logins("other", &people));
}
