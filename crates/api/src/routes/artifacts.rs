//! `/artifacts`: files that attackers left.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use store::{ArtifactRow, Page};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Admin, Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/artifacts`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(download))
}

/// Which files.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    pub attacker_ip: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Sightings of kept files, newest first.
#[utoipa::path(get, path = "/artifacts", operation_id = "listArtifacts", tag = "artifacts", params(Artifacts),
    responses((status = 200, body = Page<ArtifactRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Artifacts>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    api.read(&ask, Data::Logs, move |api| async move { api.store().artifacts(q.attacker_ip.as_deref(), limit, offset).await }).await
}

/// The bytes of a kept file. Hostile by definition: always an attachment of type octet-stream named by its hash.
#[utoipa::path(get, path = "/artifacts/{sha256}/download", operation_id = "downloadArtifact", tag = "artifacts", params(("sha256" = String, Path)),
    responses((status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream"), (status = 403, body = Problem), (status = 404, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn download(State(api): State<Api>, Admin(who): Admin, Path(sha256): Path<String>) -> Result<Response, Problem> {
    crate::recordings::artifact(&api, &who, &sha256).await
}
