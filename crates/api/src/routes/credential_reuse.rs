//! `/credential-reuse`: secrets that came back.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use store::{Page, ReuseDetail, ReuseQuery, ReuseRow};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/credential-reuse`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// Which findings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Reuses {
    /// Only those on at least so many pairs of decky and service, 2 if absent.
    #[param(minimum = 2, maximum = 2147483647, default = 2)]
    pub min_target_count: Option<i64>,
    /// Only secrets of this kind: `plaintext`, `ntlmssp_v2`, …
    pub secret_kind: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Secrets that were tried in more than one place, rare ones first: of one principal (`scope` `credential`), and the same
/// secret under several (`secret`).
#[utoipa::path(get, path = "/credential-reuse", operation_id = "listCredentialReuse", tag = "credentials", params(Reuses),
    responses((status = 200, body = Page<ReuseRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Reuses>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    let query = ReuseQuery { min_target_count: q.min_target_count.unwrap_or(2), secret_kind: q.secret_kind, limit, offset };
    api.read(&ask, Data::Stats, move |api| async move { api.store().credential_reuse(&query).await }).await
}

/// One finding: where the secret was tried, by whom, under which names.
#[utoipa::path(get, path = "/credential-reuse/{id}", operation_id = "getCredentialReuse", tag = "credentials", params(("id" = String, Path)),
    responses((status = 200, body = ReuseDetail), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn one(State(api): State<Api>, _: Viewer, ask: Ask, Path(id): Path<String>) -> Result<Response, Problem> {
    api.read(&ask, Data::Stats, move |api| async move {
        Ok::<_, Problem>(api.store().credential_reuse_detail(&id).await?.ok_or_else(|| Problem::not_found("finding"))?)
    })
    .await
}
