//! `/credentials`: the secrets that were offered.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use store::{CredentialRow, Page};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/credentials`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which credentials.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Part of a principal, a secret or an address.
    #[param(max_length = 512)]
    pub search: Option<String>,
    pub service: Option<String>,
    pub attacker_ip: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Offered secrets, each once with how often, newest first. `secret_b64` holds the exact bytes.
#[utoipa::path(get, path = "/credentials", operation_id = "listCredentials", tag = "credentials", params(Credentials),
    responses((status = 200, body = Page<CredentialRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Credentials>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    let search = ask::search(q.search)?;
    api.read(&ask, Data::Logs, move |api| async move {
        api.store().credentials(search.as_deref(), q.service.as_deref(), q.attacker_ip.as_deref(), limit, offset).await
    })
    .await
}
