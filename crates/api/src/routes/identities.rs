//! `/identities`: who is who.

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};
use store::{AnalystLinkRow, At, IdentityLinkRow, IdentityRow, MindEventRow, ObservationRow, Page};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Done, Paging};
use crate::{
    Admin, Api, Body, Params, Problem, Viewer,
    auth::StreamViewer,
    stream::{Level, open_mind},
};

/// Members looked at for the picture of one.
const PICTURE: i64 = 500;
/// Changes of its history.
const HISTORY: i64 = 200;

/// All routes of `/identities`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(events))
        .routes(routes!(say))
        .routes(routes!(one))
        .routes(routes!(members))
        .routes(routes!(evidence))
}

/// Actors, those seen from several addresses first, then by when they were last seen. What was merged into another is left away.
#[utoipa::path(get, path = "/identities", operation_id = "listIdentities", tag = "identities", params(Paging),
    responses((status = 200, body = Page<IdentityRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, Params(q): Params<Paging>) -> Result<Json<Page<IdentityRow>>, Problem> {
    let (limit, offset) = q.bounds()?;
    Ok(Json(api.store().identities(limit, offset).await?))
}

/// One, by any uuid it ever had: merges are followed.
#[utoipa::path(get, path = "/identities/{uuid}", operation_id = "getIdentity", tag = "identities", params(("uuid" = String, Path)),
    responses((status = 200, body = IdentityRow), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn one(State(api): State<Api>, _: Viewer, Path(uuid): Path<String>) -> Result<Json<IdentityRow>, Problem> {
    Ok(Json(found(&api, &uuid).await?))
}

async fn found(api: &Api, uuid: &str) -> Result<IdentityRow, Problem> {
    api.store().identity(uuid).await?.ok_or_else(|| Problem::not_found("identity"))
}

/// What was seen of it, address by address, oldest first; of what was merged into it too.
#[utoipa::path(get, path = "/identities/{uuid}/observations", operation_id = "identityObservations", tag = "identities", params(("uuid" = String, Path), Paging),
    responses((status = 200, body = Page<ObservationRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn members(
    State(api): State<Api>,
    _: Viewer,
    Path(uuid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Json<Page<ObservationRow>>, Problem> {
    let (limit, offset) = q.bounds()?;
    let row = found(&api, &uuid).await?;
    Ok(Json(api.store().identity_observations(&row.uuid, limit, offset).await?))
}

/// Why its members are one, what analysts said of them, and what happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityEvidence {
    pub links: Vec<IdentityLinkRow>,
    pub said: Vec<AnalystLinkRow>,
    /// Newest first.
    pub history: Vec<MindEventRow>,
}

/// Why it is one.
#[utoipa::path(get, path = "/identities/{uuid}/evidence", operation_id = "identityEvidence", tag = "identities", params(("uuid" = String, Path)),
    responses((status = 200, body = IdentityEvidence), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn evidence(State(api): State<Api>, _: Viewer, Path(uuid): Path<String>) -> Result<Json<IdentityEvidence>, Problem> {
    let row = found(&api, &uuid).await?;
    let members = api.store().identity_observations(&row.uuid, PICTURE, 0).await?.data;
    let uuids: Vec<String> = members.into_iter().map(|m| m.uuid).collect();
    let links = api.store().identity_links(&uuids).await?;
    let mut said = api.store().analyst_links("identity").await?;
    said.retain(|link| uuids.contains(&link.a) || uuids.contains(&link.b));
    Ok(Json(IdentityEvidence { links, said, history: api.store().mind_history(&row.uuid, HISTORY).await? }))
}

/// What an analyst says of two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayIdentity {
    /// Uuid of an observation.
    pub a: String,
    pub b: String,
    /// true: they are one; false: they are not; absent: what was said is taken back.
    pub same: Option<bool>,
}

/// Confirms or denies that two observations are one identity. Holds through every later pass.
#[utoipa::path(put, path = "/identities/links", operation_id = "sayIdentity", tag = "identities", request_body = SayIdentity,
    responses((status = 200, body = Done), (status = 404, body = Problem), (status = 422, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn say(State(api): State<Api>, Admin(who): Admin, Body(said): Body<SayIdentity>) -> Result<Json<Done>, Problem> {
    if said.a == said.b {
        return Err(Problem::invalid("a and b are the same"));
    }
    let known = api.store().observations_by_uuid(&[said.a.clone(), said.b.clone()]).await?;
    if known.len() != 2 {
        return Err(Problem::not_found("observation"));
    }
    match said.same {
        Some(same) => {
            let link = AnalystLinkRow {
                level: "identity".into(),
                a: said.a,
                b: said.b,
                same,
                said_by: who.username.clone(),
                said_at: At(api.now()),
            };
            api.store().say_link(&link).await?;
        }
        None => api.store().unsay_link("identity", &said.a, &said.b).await?,
    }
    // The clusterer looks at once.
    bus::unix::say(api.bus(), bus::topics::ATTACKER_SCORED, serde_json::json!({ "reason": "an analyst said something" })).await;
    Ok(Done::new("noted"))
}

/// Where to go on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct IdentityStream {
    /// Single-use key of `POST /auth/sse-ticket`.
    pub ticket: Option<String>,
    /// An access token, for clients that can send neither headers nor fetch a ticket.
    pub token: Option<String>,
    /// Id of the last change already seen; what follows is sent. The header `Last-Event-ID` wins.
    #[serde(rename = "lastEventId")]
    #[param(rename = "lastEventId")]
    pub last_event_id: Option<i64>,
}

/// Server-sent events: `snapshot` with the first 50, then `formed`, `observation.linked`, `merged`, `unmerged`, `campaign.assigned`, each with the id of the change and
/// `{topic, type, ts, payload}`. A comment every 15 s of silence.
#[utoipa::path(get, path = "/identities/events", operation_id = "identityEvents", tag = "identities", params(IdentityStream),
    responses((status = 200, description = "text/event-stream", content_type = "text/event-stream"), (status = 401, body = Problem),
        (status = 429, description = "Too many streams of this account", body = Problem)),
    extensions(("x-role" = json!("stream"))))]
async fn events(
    State(api): State<Api>,
    StreamViewer(who): StreamViewer,
    headers: HeaderMap,
    Params(q): Params<IdentityStream>,
) -> Result<Response, Problem> {
    open_mind(&api, who, &headers, Level::Identities, q.last_event_id).await
}
