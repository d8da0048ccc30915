//! `/bounty`: extracted evidence.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use store::{BountyRow, Page};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/bounty`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which evidence.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Bounty {
    /// `fingerprint`, `ip_leak` or `url`.
    pub bounty_type: Option<String>,
    #[param(max_length = 512)]
    pub search: Option<String>,
    pub attacker_ip: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Fingerprints, leaked addresses and URLs, newest first.
#[utoipa::path(get, path = "/bounty", operation_id = "listBounty", tag = "credentials", params(Bounty),
    responses((status = 200, body = Page<BountyRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Bounty>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    let search = ask::search(q.search)?;
    api.read(&ask, Data::Logs, move |api| async move {
        api.store().bounties(q.bounty_type.as_deref(), search.as_deref(), q.attacker_ip.as_deref(), limit, offset).await
    })
    .await
}
