//! `/transcripts`: recorded terminals (asciicast v2).

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Api, Params, Problem, Viewer};

/// All routes of `/transcripts`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(page)).routes(routes!(cast))
}

/// Which part of a recording.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Events of the page, 500 if absent.
    #[param(minimum = 1, maximum = 5000, default = 500)]
    pub limit: Option<usize>,
    /// Events to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<usize>,
}

/// A page of a recording.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transcript {
    pub sid: String,
    pub service: String,
    /// Header of the asciicast: `version`, `width`, `height`, `timestamp`, `env`.
    #[schema(value_type = Object)]
    pub header: Map<String, Value>,
    /// `[seconds since the start, "o" | "i" | "r" | "m", text]` each.
    #[schema(value_type = Vec<Vec<Value>>)]
    pub events: Vec<Value>,
    pub offset: usize,
    pub limit: usize,
    /// Events in all.
    pub total: usize,
    pub has_more: bool,
    /// Whether recording stopped at a limit.
    pub truncated: bool,
}

/// A page of a recorded terminal. `decky` is the decky's name or id.
#[utoipa::path(get, path = "/transcripts/{decky}/{sid}", operation_id = "getTranscript", tag = "sessions",
    params(("decky" = String, Path), ("sid" = String, Path), Part),
    responses((status = 200, body = Transcript), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn page(
    State(api): State<Api>,
    _: Viewer,
    Path((decky, sid)): Path<(String, String)>,
    Params(part): Params<Part>,
) -> Result<Response, Problem> {
    crate::recordings::page(&api, &decky, &sid, part).await
}

/// The whole recording as an asciicast v2 file.
#[utoipa::path(get, path = "/transcripts/{decky}/{sid}/cast", operation_id = "downloadTranscript", tag = "sessions",
    params(("decky" = String, Path), ("sid" = String, Path)),
    responses((status = 200, description = "asciicast v2", body = String, content_type = "application/x-asciicast"), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn cast(State(api): State<Api>, _: Viewer, Path((decky, sid)): Path<(String, String)>) -> Result<Response, Problem> {
    crate::recordings::cast(&api, &decky, &sid).await
}
