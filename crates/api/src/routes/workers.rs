//! `/workers`: what runs in the background, and the switches.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, Api, Problem, Viewer};

/// All routes of `/workers`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(start_all)).routes(routes!(start)).routes(routes!(stop))
}

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Heard of in the last 30 s.
    Ok,
    /// Heard of, but not lately: it died or hangs.
    Stale,
    /// Stopped because it was asked to.
    Stopped,
    /// Never heard of since the API started; its unit is installed and can be started.
    Installed,
    /// Never heard of since the API started.
    Unknown,
}

/// A background job.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Worker {
    pub name: String,
    pub status: WorkerState,
    /// When it was last heard of.
    pub last_heartbeat: Option<store::At>,
    pub seconds_since: Option<i64>,
    pub pid: Option<u32>,
    /// `running`, `waiting` (between passes), `failing` (backing off), `stopped`; empty if unknown.
    pub state: String,
    pub restarts: u64,
    /// How far behind its input the worker is, in rows, events or messages.
    pub lag: i64,
    /// Passes that failed since the start.
    pub errors: u64,
    /// Items done since the start.
    pub done: u64,
    /// One line for a person: the last error, or empty.
    pub detail: String,
}

/// All workers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Workers {
    /// In the order they are started.
    pub workers: Vec<Worker>,
    pub generated_at: store::At,
    pub bus_connected: bool,
}

/// The workers and when they were last heard of.
#[utoipa::path(get, path = "/workers", operation_id = "listWorkers", tag = "workers",
    responses((status = 200, body = Workers)), extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer) -> Json<Workers> {
    Json(crate::health::workers(&api))
}

/// An order that was given; the worker's state shows when it is carried out.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ordered {
    pub accepted: bool,
    pub worker: String,
    /// `start` or `stop`.
    pub action: &'static str,
}

/// Asks a stopped worker to start.
#[utoipa::path(post, path = "/workers/{name}/start", operation_id = "startWorker", tag = "workers", params(("name" = String, Path)),
    responses((status = 202, body = Ordered), (status = 404, body = Problem), (status = 503, body = Problem, description = "The bus is away")),
    extensions(("x-role" = json!("admin"))))]
async fn start(State(api): State<Api>, Admin(who): Admin, Path(name): Path<String>) -> Result<(StatusCode, Json<Ordered>), Problem> {
    crate::health::order(&api, &who, &name, "start").await
}

/// Asks a worker to finish what it does and stop. The worker `api` answers this and so cannot be stopped here (409).
#[utoipa::path(post, path = "/workers/{name}/stop", operation_id = "stopWorker", tag = "workers", params(("name" = String, Path)),
    responses((status = 202, body = Ordered), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem, description = "The bus is away")),
    extensions(("x-role" = json!("admin"))))]
async fn stop(State(api): State<Api>, Admin(who): Admin, Path(name): Path<String>) -> Result<(StatusCode, Json<Ordered>), Problem> {
    crate::health::order(&api, &who, &name, "stop").await
}

/// A worker that could not be asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotStarted {
    pub name: String,
    pub reason: String,
}

/// What became of starting all.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct StartAll {
    /// Asked to start, in this order.
    pub started: Vec<String>,
    pub already_running: Vec<String>,
    pub failed: Vec<NotStarted>,
}

/// Asks every installed worker that does not run to start, in order.
#[utoipa::path(post, path = "/workers/start-all", operation_id = "startAllWorkers", tag = "workers",
    responses((status = 200, body = StartAll)), extensions(("x-role" = json!("admin"))))]
async fn start_all(State(api): State<Api>, Admin(who): Admin) -> Json<StartAll> {
    Json(crate::health::start_all(&api, &who).await)
}
