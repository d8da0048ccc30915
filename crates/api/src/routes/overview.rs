//! `/stats` and `/health`.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use store::Stats;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem, Viewer,
    cache::{Ask, Data},
};

/// `/stats` and `/health`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stats)).routes(routes!(health))
}

/// Counts for the overview.
#[utoipa::path(get, path = "/stats", operation_id = "getStats", tag = "overview",
    responses((status = 200, body = Stats)), extensions(("x-role" = json!("viewer"))))]
async fn stats(State(api): State<Api>, _: Viewer, ask: Ask) -> Result<Response, Problem> {
    api.read(&ask, Data::Stats, move |api| async move { api.store().stats(api.now()).await }).await
}

/// How the whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Everything works.
    Healthy,
    /// Something that is not vital does not work.
    Degraded,
    /// Something vital does not work (answered with 503).
    Unhealthy,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartStatus {
    Ok,
    /// Works, but not as it should: late, degraded.
    Warning,
    Failing,
    /// Not part of this installation, or never seen: no judgement.
    Absent,
}

/// One part.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Component {
    pub status: PartStatus,
    /// One readable sentence.
    pub detail: String,
}

/// Health of the product.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    pub status: HealthStatus,
    /// `database`, `bus`, `fleet` and one `worker:<name>` for each worker.
    pub components: BTreeMap<String, Component>,
    pub version: &'static str,
}

/// Health of database, bus, fleet and workers.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "overview",
    responses((status = 200, body = Health, description = "healthy or degraded"), (status = 503, body = Health, description = "unhealthy")),
    extensions(("x-role" = json!("viewer"))))]
async fn health(State(api): State<Api>, _: Viewer) -> (StatusCode, Json<Health>) {
    let health = crate::health::look(&api).await;
    let status = if health.status == HealthStatus::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health))
}
