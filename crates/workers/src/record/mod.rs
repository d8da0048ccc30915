//! Takes events out of the spools and into the store: rows and spool position in one transaction, so each event is
//! there exactly once whatever is killed when. Woken by the spool itself (inotify).

mod reader;
pub(crate) mod rows;

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use reader::Reader;
use serde_json::json;
use spool::Follower;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use store::{NewCredential, Position, Recorded};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Most events in one transaction. Every transaction writes the pages of the indexes it touched once, so a long spool
/// goes in the faster the more events share one; what waits for a few milliseconds only is a small transaction anyway.
const EVENTS: usize = 12_000;
/// Most bytes of events read for one transaction.
const BYTES: usize = 8 * 1024 * 1024;
/// Rows taken into the text index at once: so long may new events wait for it.
const TEXT_ROWS: i64 = 2_000;
/// Credentials of one transaction that are told one by one.
const MOST_TOLD: usize = 256;
/// While events come in, the text index follows this often: a search looks at the rows between by itself.
const TEXT_EVERY: Duration = Duration::from_secs(1);
/// As long as it is further behind than [`TEXT_ROWS`], this often.
const TEXT_SOON: Duration = Duration::from_millis(100);

/// The recorder.
#[derive(Debug)]
pub struct Recorder {
    spools: BTreeMap<String, Followed>,
    stirs: (mpsc::Sender<()>, mpsc::Receiver<()>),
    /// When the directory was last looked through for new spools.
    looked: Option<Instant>,
    /// Whether the text index may be behind.
    unindexed: bool,
    /// While events come in, not before this is it brought nearer.
    index_at: Instant,
}

#[derive(Debug)]
struct Followed {
    dir: PathBuf,
    reader: Reader,
    /// Tells `stirs` of new data; ends with this.
    watch: tokio::task::JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Recorder {
    /// Starts without knowing any spool; they are looked for.
    pub fn new() -> Self {
        Self { spools: BTreeMap::new(), stirs: mpsc::channel(1), looked: None, unindexed: true, index_at: Instant::now() }
    }

    async fn look(&mut self, cx: &Cx) -> Result<(), Error> {
        if self.looked.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
            return Ok(());
        }
        let failed = |spool: &str| {
            let spool = spool.to_owned();
            move |source| Error::Spool { spool, source }
        };
        for listed in spool::list(&cx.spools).map_err(failed("(all)"))? {
            if self.spools.contains_key(&listed.name) {
                continue;
            }
            let stored = cx.store.spool_position(&listed.name).await?;
            let follower = Follower::open(&listed.path, place(stored)).map_err(failed(&listed.name))?;
            info!(spool = listed.name, ?stored, "following");
            let watch = tokio::spawn(watch(listed.path.clone(), self.stirs.0.clone()));
            let reader = Reader::new(listed.name.clone(), follower);
            self.spools.insert(listed.name, Followed { dir: listed.path, reader, watch });
        }
        // Only now: a look that failed is due again at once, or the next pass would find nothing to do and call it well.
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Brings the text index nearer, when no events wait; whether there is more to do at once.
    async fn index(&mut self, cx: &Cx, flowing: bool) -> Result<bool, Error> {
        if !self.unindexed || (flowing && Instant::now() < self.index_at) {
            return Ok(false);
        }
        let taken = cx.store.index_text(TEXT_ROWS).await?;
        let full = taken >= TEXT_ROWS;
        self.index_at = Instant::now() + if full { TEXT_SOON } else { TEXT_EVERY };
        self.unindexed = taken > 0;
        // While events come in they wake the recorder, and the rest is left to a later pass.
        Ok(full && !flowing)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Worker for Recorder {
    const NAME: &'static str = "record";
    const WAKES_ON: &'static [&'static str] = &[];
    const EVERY: Duration = Duration::from_millis(500);
    const BREATH: Duration = Duration::from_millis(10);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        self.look(cx).await?;
        let mut pass = Pass::default();
        let names: Vec<String> = self.spools.keys().cloned().collect();
        for name in names {
            // A spool that fails is opened anew at the stored position next time.
            let Some(mut followed) = self.spools.remove(&name) else { continue };
            let (done, more) = match record(cx, &name, &mut followed).await {
                Ok(did) => did,
                Err(error) => {
                    self.looked = None;
                    return Err(error);
                }
            };
            if more {
                pass.lag += i64::try_from(spool::backlog(&followed.dir, followed.reader.position()).unwrap_or(0)).unwrap_or(i64::MAX);
            }
            self.spools.insert(name, followed);
            pass.done += done;
            pass.more |= more;
        }
        self.unindexed |= pass.done > 0;
        if !pass.more {
            pass.more = self.index(cx, pass.done > 0).await?;
        }
        Ok(pass)
    }

    async fn stirred(&mut self) {
        let _stir = self.stirs.1.recv().await;
    }
}

fn place(position: Position) -> spool::Position {
    spool::Position { segment: position.segment, offset: position.offset }
}

async fn watch(dir: PathBuf, stirs: mpsc::Sender<()>) {
    let mut watch = match spool::Watch::new(&dir) {
        Ok(watch) => watch,
        Err(error) => {
            warn!(%error, dir = %dir.display(), "cannot watch the spool; the slow tick will do");
            return;
        }
    };
    while watch.changed().await.is_ok() {
        // One waiting stir is enough.
        let _full = stirs.try_send(());
        if stirs.is_closed() {
            return;
        }
    }
}

/// Records one batch; how many events, and whether there are more.
async fn record(cx: &Cx, name: &str, followed: &mut Followed) -> Result<(u64, bool), Error> {
    let failed = |source| Error::Spool { spool: name.to_owned(), source };
    let read = followed.reader.next().await.map_err(failed)?;
    if read.skipped > 0 {
        warn!(spool = name, bytes = read.skipped, at = ?read.from, "damaged part of the spool skipped");
        metrics::counter!("decnet_spool_skipped_bytes_total").increment(read.skipped);
    }
    if read.from == read.to {
        return Ok((0, false));
    }
    let count = read.rows.logs.len() as u64;
    match cx.store.record_shared(&read.rows).await? {
        Recorded::Now { first_log, last_log } => {
            metrics::counter!("decnet_events_recorded_total").increment(count);
            if count > 0 {
                let said = json!({ "first_id": first_log, "last_id": last_log, "count": count });
                bus::unix::say(&cx.bus, bus::topics::SYSTEM_LOG, said).await;
            }
            for credential in read.rows.credentials.iter().take(MOST_TOLD) {
                bus::unix::say(&cx.bus, bus::topics::CREDENTIAL_CAPTURED, captured(credential)).await;
            }
            retire(&followed.dir, read.from, read.to);
            Ok((count, read.more))
        }
        Recorded::StandsAt(position) => {
            // Another recorder was here, or an earlier commit's answer was lost.
            warn!(spool = name, ?position, "the store stands elsewhere; going on from there");
            let follower = Follower::open(&followed.dir, place(position)).map_err(failed)?;
            followed.reader = Reader::new(name.to_owned(), follower);
            Ok((0, true))
        }
    }
}

fn captured(credential: &NewCredential) -> serde_json::Value {
    json!({
        "secret_sha256": credential.secret_sha256,
        "secret_kind": credential.secret_kind,
        "attacker_ip": credential.attacker_ip,
        "decky": credential.decky_name,
        "service": credential.service,
    })
}

/// Deletes segments that are wholly recorded.
fn retire(dir: &Path, from: spool::Position, to: spool::Position) {
    if from.segment != to.segment
        && let Err(error) = spool::retire(dir, to)
    {
        warn!(%error, "a recorded segment stays on disk");
    }
}
