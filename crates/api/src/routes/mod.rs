//! One file per resource; the folder mirrors the addresses. To add one: a file and a line in [`all`].

#![allow(unused_qualifications, reason = "the path macro repeats the names of parameter types")]

pub mod artifacts;
pub mod attackers;
pub mod auth;
pub mod bounty;
pub mod campaigns;
pub mod config;
pub mod credential_reuse;
pub mod credentials;
pub mod deckies;
pub mod histogram;
pub mod identities;
pub mod logs;
pub mod overview;
pub mod sessions;
pub mod stream;
pub mod system;
pub mod transcripts;
pub mod workers;

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{Api, Problem, ask};

/// A page of something.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

impl Paging {
    /// Checked, or 422.
    pub fn bounds(&self) -> Result<(i64, i64), Problem> {
        ask::paging(self.limit, self.offset)
    }
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    pub message: &'static str,
}

impl Done {
    fn new(message: &'static str) -> Json<Self> {
        Json(Self { message })
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "decnet",
        description = "Everything a dashboard needs. Times are RFC 3339 in UTC with microseconds; lists are {total, limit, offset, data}; errors are RFC 9457 problems; text that attackers sent is data, never markup. `x-role` says who may call: none, any (even before a forced password change), viewer, admin, stream (viewer by header, ticket or token), metrics (loopback or viewer).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
    components(schemas(Problem, store::LogRow, store::Stats, workers::Workers, stream_schema::AttackerNews, stream_schema::Mark)),
)]
struct Document;

/// What only streams carry.
pub mod stream_schema {
    pub use crate::stream::{AttackerNews, Mark};
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.bearer_format = Some("JWT".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(http));
    }
}

/// Every route, and the document that describes them.
pub fn all() -> (axum::Router<Api>, utoipa::openapi::OpenApi) {
    let v1 = OpenApiRouter::new()
        .merge(artifacts::routes())
        .merge(attackers::routes())
        .merge(auth::routes())
        .merge(bounty::routes())
        .merge(campaigns::routes())
        .merge(config::routes())
        .merge(credential_reuse::routes())
        .merge(credentials::routes())
        .merge(deckies::routes())
        .merge(identities::routes())
        .merge(logs::routes())
        .merge(overview::routes())
        .merge(sessions::routes())
        .merge(stream::routes())
        .merge(system::routes())
        .merge(transcripts::routes())
        .merge(workers::routes());
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", v1).split_for_parts()
}

/// The OpenAPI document as pretty JSON with a newline at the end.
pub fn document() -> String {
    let (_, document) = all();
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}
