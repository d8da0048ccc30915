//! Runs a worker: wakes, coalesces, beats, obeys control, backs off, drains. Written once for all.

use crate::{Cx, Error};
use bus::{
    registry::{BEAT, Heartbeat},
    topics,
};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

/// A background job.
pub trait Worker: Send + 'static {
    /// Registry key, command, unit and heartbeat.
    const NAME: &'static str;
    /// Subjects that wake it.
    const WAKES_ON: &'static [&'static str];
    /// The slow tick.
    const EVERY: Duration;
    /// Shortest time from one pass to the next that is only woken: what comes within it is done in one pass.
    const BREATH: Duration = Duration::ZERO;

    /// Does what there is to do. Idempotent; catches up by itself.
    fn pass(&mut self, cx: &Cx) -> impl Future<Output = Result<Pass, Error>> + Send;

    /// What the operator should know while it works, for the heartbeat: `None` says nothing.
    fn says(&self) -> Option<String> {
        None
    }

    /// Resolves when something other than the bus gives it work. Must be safe to drop at any point.
    fn stirred(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Items done.
    pub done: u64,
    /// Whether there is more: the next pass follows at once.
    pub more: bool,
    /// Items still waiting, as far as known.
    pub lag: i64,
}

impl Pass {
    /// Done, nothing left.
    pub fn did(done: usize) -> Self {
        Self { done: done as u64, more: false, lag: 0 }
    }
}

/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// First wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Runs `worker` until `stop` is cancelled. A stop by control leaves it idle, still beating, until it is started again.
pub async fn run<W: Worker>(worker: W, cx: Cx, stop: CancellationToken) {
    let span = info_span!("worker", name = W::NAME);
    Running { worker, cx, stop, beat: Heartbeat { worker: W::NAME.into(), pid: std::process::id(), ..Heartbeat::default() } }
        .go()
        .instrument(span)
        .await;
}

struct Running<W> {
    worker: W,
    cx: Cx,
    stop: CancellationToken,
    beat: Heartbeat,
}

enum Woke {
    /// It is time.
    Work,
    /// There is something to do, now or as soon as the breath is over.
    Asked,
    Beat,
    Control(String),
    Stop,
}

impl<W: Worker> Running<W> {
    async fn go(mut self) {
        let mut wakes = Vec::new();
        for pattern in W::WAKES_ON {
            match self.cx.bus.subscribe(pattern).await {
                Ok(subscription) => wakes.push(subscription),
                Err(error) => error!(%error, pattern, "cannot listen; the slow tick will do"),
            }
        }
        let mut control = self.cx.bus.subscribe(&topics::control(W::NAME)).await.ok();
        let (mut next_beat, mut next_tick) = (Instant::now(), Instant::now());
        let (mut wait, mut active) = (FIRST_WAIT, true);
        // After a failure wakes are not heeded until the wait is over.
        let mut resting = false;
        // Not before this does a wake lead to a pass; once one came within, no more are needed.
        let (mut earliest, mut asked) = (Instant::now(), false);
        self.beat.state = "running".into();
        info!("started");
        loop {
            let woke = tokio::select! {
                biased;
                () = self.stop.cancelled() => Woke::Stop,
                () = sleep_until(next_beat) => Woke::Beat,
                action = next_action(&mut control) => Woke::Control(action),
                () = sleep_until(next_tick), if active => Woke::Work,
                () = any(&mut wakes), if active && !resting && !asked => Woke::Asked,
                () = self.worker.stirred(), if active && !resting && !asked => Woke::Asked,
            };
            match woke {
                Woke::Stop => break,
                Woke::Beat => {
                    self.say().await;
                    next_beat = Instant::now() + BEAT;
                }
                Woke::Control(action) => {
                    match action.as_str() {
                        "stop" => active = false,
                        "start" => (active, resting, next_tick) = (true, false, Instant::now()),
                        other => warn!(action = other, "asked for something unknown"),
                    }
                    self.beat.state = if active { "running" } else { "stopped" }.into();
                    info!(state = self.beat.state, "asked to {action}");
                    self.say().await;
                }
                Woke::Asked => {
                    asked = true;
                    next_tick = next_tick.min(earliest.max(Instant::now()));
                }
                Woke::Work => {
                    asked = false;
                    for subscription in &mut wakes {
                        while subscription.try_next().is_some() {}
                    }
                    match self.worker.pass(&self.cx).await {
                        Ok(pass) => {
                            if resting {
                                info!("works again");
                                self.beat.detail.clear();
                                self.beat.restarts += 1;
                                self.beat.state = "running".into();
                                next_beat = Instant::now();
                            }
                            (resting, wait) = (false, FIRST_WAIT);
                            if let Some(said) = self.worker.says() {
                                self.beat.detail = said;
                            }
                            self.beat.done += pass.done;
                            self.beat.lag = pass.lag;
                            metrics::counter!("decnet_worker_done_total", "worker" => W::NAME).increment(pass.done);
                            next_tick = Instant::now() + if pass.more { Duration::ZERO } else { W::EVERY };
                            earliest = Instant::now() + W::BREATH;
                        }
                        Err(failure) => {
                            if !resting {
                                error!(error = %failure, "failed; trying again");
                            }
                            self.beat.errors += 1;
                            self.beat.detail = failure.to_string();
                            self.beat.state = "failing".into();
                            metrics::counter!("decnet_worker_errors_total", "worker" => W::NAME).increment(1);
                            if !resting {
                                next_beat = Instant::now();
                            }
                            resting = true;
                            next_tick = Instant::now() + wait;
                            wait = (wait * 2).min(LONGEST_WAIT);
                        }
                    }
                }
            }
        }
        // Draining: what came in until now is still done; what can be done after the next start is not.
        if active && !resting {
            while let Ok(Pass { more: true, done: 1.., .. }) = self.worker.pass(&self.cx).await {}
        }
        self.beat.state = "stopped".into();
        self.say().await;
        info!("stopped");
    }

    async fn say(&self) {
        if let Ok(payload) = serde_json::to_value(&self.beat) {
            bus::unix::say(&self.cx.bus, &topics::health(W::NAME), payload).await;
        }
    }
}

async fn next_action(control: &mut Option<bus::Subscription>) -> String {
    loop {
        let Some(subscription) = control else { return std::future::pending().await };
        match subscription.next().await {
            Some(message) => {
                if let Some(action) = message.payload.get("action").and_then(|a| a.as_str()) {
                    return action.to_owned();
                }
            }
            None => *control = None,
        }
    }
}

async fn any(wakes: &mut [bus::Subscription]) {
    if wakes.is_empty() {
        return std::future::pending().await;
    }
    let _woken = futures::future::select_all(wakes.iter_mut().map(|w| Box::pin(w.next()))).await;
}
