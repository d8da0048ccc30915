//! `/openapi.json`, `/metrics`, `/system/version`.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Api, Problem, Viewer, auth::MetricsReader};

/// The product's own routes.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(openapi)).routes(routes!(metrics)).routes(routes!(version))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "system",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)), security(()), extensions(("x-role" = json!("none"))))]
async fn openapi(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], api.document()).into_response()
}

/// Prometheus text. Without a token only from this host.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "system",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"), (status = 401, body = Problem)),
    security((), ("bearer" = [])), extensions(("x-role" = json!("metrics"))))]
async fn metrics(State(api): State<Api>, _: MetricsReader) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], api.metrics())
        .into_response()
}

/// What runs here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    pub name: &'static str,
    pub version: &'static str,
    pub started_at: store::At,
    pub uptime_seconds: u64,
    /// `sqlite` or `mysql`.
    pub database: &'static str,
}

/// Version and uptime.
#[utoipa::path(get, path = "/system/version", operation_id = "version", tag = "system",
    responses((status = 200, body = Version)), extensions(("x-role" = json!("viewer"))))]
async fn version(State(api): State<Api>, _: Viewer) -> Json<Version> {
    Json(Version {
        name: "decnet",
        version: crate::VERSION,
        started_at: store::At(api.started()),
        uptime_seconds: api.now().since(api.started()).as_secs(),
        database: api.store().kind(),
    })
}
