//! `/sessions`: conversations.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use store::{LogRow, Page, SessionRow};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Paging;
use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/sessions`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(events))
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    pub attacker_ip: Option<String>,
    pub decky: Option<String>,
    /// Only those that can be replayed.
    pub recorded: Option<bool>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Conversations, newest first.
#[utoipa::path(get, path = "/sessions", operation_id = "listSessions", tag = "sessions", params(Sessions),
    responses((status = 200, body = Page<SessionRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Sessions>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    api.read(&ask, Data::Logs, move |api| async move {
        api.store().sessions(q.attacker_ip.as_deref(), q.decky.as_deref(), q.recorded.unwrap_or(false), limit, offset).await
    })
    .await
}

/// One conversation.
#[utoipa::path(get, path = "/sessions/{sid}", operation_id = "getSession", tag = "sessions", params(("sid" = String, Path)),
    responses((status = 200, body = SessionRow), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn one(State(api): State<Api>, _: Viewer, ask: Ask, Path(sid): Path<String>) -> Result<Response, Problem> {
    api.read(&ask, Data::Logs, move |api| async move { api.store().session(&sid).await?.ok_or_else(|| Problem::not_found("session")) })
        .await
}

/// Events of one conversation, oldest first.
#[utoipa::path(get, path = "/sessions/{sid}/events", operation_id = "sessionEvents", tag = "sessions", params(("sid" = String, Path), Paging),
    responses((status = 200, body = Page<LogRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn events(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(sid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Response, Problem> {
    let (limit, offset) = q.bounds()?;
    api.read(&ask, Data::Logs, move |api| async move { api.store().session_logs(&sid, limit, offset).await }).await
}
