//! The player's side of the control conversation.

use decoys::{
    control::{Answer, Ask, Error, Seat, Stats},
    stage::{Places, Stage, limits::Limits},
};
use nix::sys::resource::{Resource, getrlimit};
use std::{fs::File, os::fd::OwnedFd, os::unix::fs::FileExt, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// How often the memory of the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Plays until told to stop, until the fleet has gone or until SIGTERM. `memory` is `/proc/self/statm`.
pub(crate) async fn play(control: OwnedFd, places: &Places, memory: Option<File>) -> Result<(), Box<dyn std::error::Error>> {
    let mut seat = Seat::new(control)?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Ctrl-C goes to the whole group; when to stop is for the fleet to say.
    let _interrupt = signal(SignalKind::interrupt())?;
    let stage = Stage::open(places, limits())?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ask = tokio::select! {
            ask = seat.next() => ask,
            _ = terminate.recv() => break,
            _ = look.tick() => {
                mind_memory(&stage, memory.as_ref());
                continue;
            }
        };
        let answer = match ask {
            Ok(None) => break,
            Ok(Some((Ask::Play { persona, doors }, sockets))) => outcome(stage.play(*persona, &doors, sockets)),
            Ok(Some((Ask::Drop { decky }, _))) => outcome(stage.drop_decky(&decky)),
            Ok(Some((Ask::Stats, _))) => Answer::Stats(Stats { rss: resident(memory.as_ref()), ..stage.stats() }),
            Ok(Some((Ask::Stop, _))) => {
                stage.stop().await;
                _ = seat.answer(&Answer::Ok).await;
                return Ok(());
            }
            Err(Error::Json { source }) => Answer::Err { why: source.to_string() },
            Err(e) => {
                tracing::error!("{e}");
                break;
            }
        };
        if let Err(e) = seat.answer(&answer).await {
            tracing::error!("{e}");
            break;
        }
    }
    stage.stop().await;
    Ok(())
}

/// Tells the stage what the process takes.
fn mind_memory(stage: &Stage, memory: Option<&File>) {
    let mut taken = resident(memory);
    if taken > stage.limits().memory {
        #[cfg(target_env = "gnu")]
        #[expect(unsafe_code, reason = "the C library keeps what was freed until asked")]
        // SAFETY: takes no pointer and may be called at any time from any thread.
        unsafe {
            libc::malloc_trim(0);
        }
        taken = resident(memory);
    }
    stage.mind_memory(taken);
}

fn outcome(result: Result<(), decoys::stage::Error>) -> Answer {
    match result {
        Ok(()) => Answer::Ok,
        Err(e) => Answer::Err { why: e.to_string() },
    }
}

/// The usual limits, within the descriptors this process may have.
fn limits() -> Limits {
    let mut limits = Limits::default();
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let room = u32::try_from(soft).unwrap_or(u32::MAX).saturating_sub(256).max(64) / 10 * 9;
        limits.total = limits.total.min(room);
        limits.per_decky = limits.per_decky.min(limits.total / 2);
        limits.per_source = limits.per_source.min(limits.total / 3);
    }
    limits
}

fn resident(statm: Option<&File>) -> u64 {
    let mut text = [0; 128];
    let read = statm.and_then(|f| f.read_at(&mut text, 0).ok()).unwrap_or(0);
    let text = String::from_utf8_lossy(text.get(..read).unwrap_or_default()).into_owned();
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().and_then(|n| u64::try_from(n).ok());
    pages * page.unwrap_or(4096)
}
