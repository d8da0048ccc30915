//! How the parts are, and the switches of the workers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use axum::{Json, http::StatusCode};
use bus::{registry, topics};
use serde_json::json;
use store::At;

use crate::{
    Api, Problem,
    auth::Who,
    routes::{
        overview::{Component, Health, HealthStatus, PartStatus},
        workers::{NotStarted, Ordered, StartAll, Worker, WorkerState, Workers},
    },
};

/// The worker that turns spools into rows; without it nothing new is seen.
const RECORDER: &str = "record";
/// Events that may wait for the recorder before that is worth a warning.
const LATE: i64 = 20_000;
/// How long the database may take for a round trip.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a look at everything is good.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last look, shared by all who ask within a second.
#[derive(Debug, Default)]
pub(crate) struct Kept(tokio::sync::Mutex<Option<(Instant, Health)>>);

/// Looks at everything, at most once a second.
pub(crate) async fn look(api: &Api) -> Health {
    let mut kept = api.health().0.lock().await;
    if let Some((_, health)) = kept.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR) {
        return health.clone();
    }
    let health = look_now(api).await;
    *kept = Some((Instant::now(), health.clone()));
    health
}

async fn look_now(api: &Api) -> Health {
    let mut components = BTreeMap::new();
    components.insert("database".to_owned(), database(api).await);
    components.insert("bus".to_owned(), bus(api));
    components.insert("fleet".to_owned(), fleet(api).await);
    for one in workers(api).workers {
        components.insert(format!("worker:{}", one.name), worker(&one));
    }
    let is = |name: &str, status| components.get(name).is_some_and(|c: &Component| c.status == status);
    let vital = is("database", PartStatus::Failing) || is("worker:record", PartStatus::Failing);
    let any = components.values().any(|c| matches!(c.status, PartStatus::Failing | PartStatus::Warning));
    let status = match (vital, any) {
        (true, _) => HealthStatus::Unhealthy,
        (false, true) => HealthStatus::Degraded,
        (false, false) => HealthStatus::Healthy,
    };
    Health { status, components, version: crate::VERSION }
}

fn part(status: PartStatus, detail: impl Into<String>) -> Component {
    Component { status, detail: detail.into() }
}

async fn database(api: &Api) -> Component {
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE, api.store().ping()).await {
        Ok(Ok(())) => part(PartStatus::Ok, format!("{} answers in {:.1} ms", api.store().kind(), began.elapsed().as_secs_f64() * 1e3)),
        Ok(Err(error)) => {
            tracing::warn!("health: {error}");
            part(PartStatus::Failing, "does not answer; capture goes on into the spool")
        }
        Err(_) => part(PartStatus::Failing, format!("no answer within {} s; capture goes on into the spool", PATIENCE.as_secs())),
    }
}

fn bus(api: &Api) -> Component {
    if api.bus().connected() {
        part(PartStatus::Ok, "connected")
    } else {
        part(PartStatus::Warning, "away: live updates come up to a second late, workers cannot be switched")
    }
}

async fn fleet(api: &Api) -> Component {
    let Ok(Ok(rows)) = tokio::time::timeout(PATIENCE, api.store().fleet_deckies(None)).await else {
        return part(PartStatus::Warning, "not known while the database is away");
    };
    let wanted: Vec<_> = rows.iter().filter(|r| r.state != "torn_down").collect();
    let running = wanted.iter().filter(|r| r.state == "running").count();
    let bad: Vec<_> = wanted.iter().filter(|r| matches!(r.state.as_str(), "failed" | "degraded")).map(|r| r.name.as_str()).collect();
    match (wanted.len(), bad.as_slice()) {
        (0, _) => part(PartStatus::Absent, "no deckies are deployed"),
        (all, []) => part(PartStatus::Ok, format!("{running} of {all} deckies run")),
        (all, bad) => {
            let named: Vec<_> = bad.iter().take(5).copied().collect();
            part(PartStatus::Warning, format!("{running} of {all} deckies run; look at {}", named.join(", ")))
        }
    }
}

fn worker(one: &Worker) -> Component {
    let quiet = one.seconds_since.unwrap_or(0);
    match one.status {
        WorkerState::Unknown => part(PartStatus::Absent, "never heard of"),
        WorkerState::Installed => part(PartStatus::Warning, "installed and not heard of"),
        WorkerState::Stopped if one.name == RECORDER => part(PartStatus::Failing, "stopped: events stay in the spool until it is started"),
        WorkerState::Stopped => part(PartStatus::Warning, "stopped"),
        WorkerState::Stale => part(PartStatus::Failing, format!("not heard of for {quiet} s")),
        WorkerState::Ok if one.state == "failing" => part(PartStatus::Failing, one.detail.clone()),
        WorkerState::Ok if one.name == RECORDER && one.lag > LATE => {
            part(PartStatus::Warning, format!("{} events wait to be recorded", one.lag))
        }
        WorkerState::Ok if one.lag > 0 => part(PartStatus::Ok, format!("{}; {} wait", one.state, one.lag)),
        WorkerState::Ok => part(PartStatus::Ok, one.state.clone()),
    }
}

/// The workers as the registry knows them.
pub(crate) fn workers(api: &Api) -> Workers {
    let now = api.now();
    let list = api.registry().list(now).into_iter().map(|w| {
        let beat = w.heartbeat.unwrap_or_default();
        Worker {
            status: match w.status.as_str() {
                "ok" => WorkerState::Ok,
                "stale" => WorkerState::Stale,
                "stopped" => WorkerState::Stopped,
                _ if installed(api, &w.name) => WorkerState::Installed,
                _ => WorkerState::Unknown,
            },
            name: w.name,
            last_heartbeat: w.last_heartbeat.map(At),
            seconds_since: w.seconds_since,
            pid: (beat.pid != 0).then_some(beat.pid),
            state: beat.state,
            restarts: beat.restarts,
            lag: beat.lag,
            errors: beat.errors,
            done: beat.done,
            detail: beat.detail,
        }
    });
    Workers { workers: list.collect(), generated_at: At(now), bus_connected: api.bus().connected() }
}

/// Whether somebody who looks at workers would see another picture: heartbeats and counts alone do not count.
pub(crate) fn differ(before: &Workers, now: &Workers) -> bool {
    let seen = |w: &Workers| -> Vec<_> {
        w.workers.iter().map(|w| (w.status, w.state == "failing", w.pid, w.restarts, w.errors, w.detail.clone())).collect()
    };
    before.bus_connected != now.bus_connected || seen(before) != seen(now)
}

/// Tells a worker to start or stop.
pub(crate) async fn order(api: &Api, who: &Who, name: &str, action: &'static str) -> Result<(StatusCode, Json<Ordered>), Problem> {
    if !registry::KNOWN.contains(&name) {
        return Err(Problem::not_found("worker"));
    }
    if action == "stop" && matches!(name, "api" | "bus") {
        return Err(Problem::conflict(format!("{name} carries this request and cannot be stopped from here; stop it on the host")));
    }
    if action == "stop" && name == "fleet" {
        return Err(Problem::conflict("fleet holds the deckies' sockets; take deckies down instead, or stop it on the host"));
    }
    if action == "start" && silent(api, name) {
        start_unit(api, who, name).await?;
    } else {
        say(api, who, name, action).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(Ordered { accepted: true, worker: name.to_owned(), action })))
}

fn installed(api: &Api, name: &str) -> bool {
    api.cx().units.as_ref().is_some_and(|units| units.installed(name))
}

/// Whether nobody would hear an order, and the service manager knows the worker.
fn silent(api: &Api, name: &str) -> bool {
    let heard = workers(api).workers.iter().any(|w| w.name == name && matches!(w.status, WorkerState::Ok | WorkerState::Stopped));
    !heard && installed(api, name)
}

async fn start_unit(api: &Api, who: &Who, name: &str) -> Result<(), Problem> {
    let Some(units) = &api.cx().units else { return Err(Problem::unavailable("there is no service manager")) };
    tracing::info!(by = who.username, worker = name, "unit started");
    units.start(name).await.map_err(|why| Problem::unavailable(format!("the unit of {name} could not be started: {why}")))
}

async fn say(api: &Api, who: &Who, name: &str, action: &str) -> Result<(), Problem> {
    if !api.bus().connected() {
        return Err(Problem::unavailable("the bus is away; nobody would hear it"));
    }
    let payload = json!({ "action": action, "requested_by": who.username });
    api.bus().publish(&topics::control(name), payload).await.map_err(|e| Problem::unavailable(format!("the bus refused: {e}")))?;
    tracing::info!(by = who.username, worker = name, action, "worker switched");
    Ok(())
}

/// Tells every worker that does not run to start, in order.
pub(crate) async fn start_all(api: &Api, who: &Who) -> StartAll {
    let mut all = StartAll::default();
    for worker in workers(api).workers {
        if worker.status == WorkerState::Ok {
            all.already_running.push(worker.name);
            continue;
        }
        let asked = match worker.status {
            WorkerState::Installed | WorkerState::Stale if installed(api, &worker.name) => start_unit(api, who, &worker.name).await,
            _ => say(api, who, &worker.name, "start").await,
        };
        match asked {
            Ok(()) => all.started.push(worker.name),
            Err(problem) => all.failed.push(NotStarted { name: worker.name, reason: problem.detail }),
        }
    }
    all
}
