//! `/campaigns`: who works together.

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};
use store::{AnalystLinkRow, At, CampaignLinkRow, CampaignRow, IdentityRow, MindEventRow, Page};
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

/// All routes of `/campaigns`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(events))
        .routes(routes!(say))
        .routes(routes!(one))
        .routes(routes!(members))
        .routes(routes!(evidence))
}

/// Operations, those of several actors first, then by when they were last seen. What was merged into another is left away.
#[utoipa::path(get, path = "/campaigns", operation_id = "listCampaigns", tag = "campaigns", params(Paging),
    responses((status = 200, body = Page<CampaignRow>), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, Params(q): Params<Paging>) -> Result<Json<Page<CampaignRow>>, Problem> {
    let (limit, offset) = q.bounds()?;
    Ok(Json(api.store().campaigns(limit, offset).await?))
}

/// One, by any uuid it ever had: merges are followed.
#[utoipa::path(get, path = "/campaigns/{uuid}", operation_id = "getCampaign", tag = "campaigns", params(("uuid" = String, Path)),
    responses((status = 200, body = CampaignRow), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn one(State(api): State<Api>, _: Viewer, Path(uuid): Path<String>) -> Result<Json<CampaignRow>, Problem> {
    Ok(Json(found(&api, &uuid).await?))
}

async fn found(api: &Api, uuid: &str) -> Result<CampaignRow, Problem> {
    api.store().campaign(uuid).await?.ok_or_else(|| Problem::not_found("campaign"))
}

/// Its actors, oldest first.
#[utoipa::path(get, path = "/campaigns/{uuid}/identities", operation_id = "campaignIdentities", tag = "campaigns", params(("uuid" = String, Path), Paging),
    responses((status = 200, body = Page<IdentityRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn members(
    State(api): State<Api>,
    _: Viewer,
    Path(uuid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Json<Page<IdentityRow>>, Problem> {
    let (limit, offset) = q.bounds()?;
    let row = found(&api, &uuid).await?;
    Ok(Json(api.store().campaign_identities(&row.uuid, limit, offset).await?))
}

/// Why its members are one, what analysts said of them, and what happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignEvidence {
    pub links: Vec<CampaignLinkRow>,
    pub said: Vec<AnalystLinkRow>,
    /// Newest first.
    pub history: Vec<MindEventRow>,
}

/// Why it is one.
#[utoipa::path(get, path = "/campaigns/{uuid}/evidence", operation_id = "campaignEvidence", tag = "campaigns", params(("uuid" = String, Path)),
    responses((status = 200, body = CampaignEvidence), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn evidence(State(api): State<Api>, _: Viewer, Path(uuid): Path<String>) -> Result<Json<CampaignEvidence>, Problem> {
    let row = found(&api, &uuid).await?;
    let members = api.store().campaign_identities(&row.uuid, PICTURE, 0).await?.data;
    let uuids: Vec<String> = members.into_iter().map(|m| m.uuid).collect();
    let links = api.store().campaign_links(&uuids).await?;
    let mut said = api.store().analyst_links("campaign").await?;
    said.retain(|link| uuids.contains(&link.a) || uuids.contains(&link.b));
    Ok(Json(CampaignEvidence { links, said, history: api.store().mind_history(&row.uuid, HISTORY).await? }))
}

/// What an analyst says of two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayCampaign {
    /// Uuid of an identity.
    pub a: String,
    pub b: String,
    /// true: they are one; false: they are not; absent: what was said is taken back.
    pub same: Option<bool>,
}

/// Confirms or denies that two identities are one campaign. Holds through every later pass.
#[utoipa::path(put, path = "/campaigns/links", operation_id = "sayCampaign", tag = "campaigns", request_body = SayCampaign,
    responses((status = 200, body = Done), (status = 404, body = Problem), (status = 422, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn say(State(api): State<Api>, Admin(who): Admin, Body(said): Body<SayCampaign>) -> Result<Json<Done>, Problem> {
    if said.a == said.b {
        return Err(Problem::invalid("a and b are the same"));
    }
    let known = api.store().identities_by_uuid(&[said.a.clone(), said.b.clone()]).await?;
    if known.len() != 2 {
        return Err(Problem::not_found("identity"));
    }
    match said.same {
        Some(same) => {
            let link = AnalystLinkRow {
                level: "campaign".into(),
                a: said.a,
                b: said.b,
                same,
                said_by: who.username.clone(),
                said_at: At(api.now()),
            };
            api.store().say_link(&link).await?;
        }
        None => api.store().unsay_link("campaign", &said.a, &said.b).await?,
    }
    // The clusterer looks at once.
    bus::unix::say(api.bus(), "identity.said", serde_json::json!({ "reason": "an analyst said something" })).await;
    Ok(Done::new("noted"))
}

/// Where to go on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CampaignStream {
    /// Single-use key of `POST /auth/sse-ticket`.
    pub ticket: Option<String>,
    /// An access token, for clients that can send neither headers nor fetch a ticket.
    pub token: Option<String>,
    /// Id of the last change already seen; what follows is sent. The header `Last-Event-ID` wins.
    #[serde(rename = "lastEventId")]
    #[param(rename = "lastEventId")]
    pub last_event_id: Option<i64>,
}

/// Server-sent events: `snapshot` with the first 50, then `formed`, `identity.assigned`, `merged`, `unmerged`, each with the id of the change and
/// `{topic, type, ts, payload}`. A comment every 15 s of silence.
#[utoipa::path(get, path = "/campaigns/events", operation_id = "campaignEvents", tag = "campaigns", params(CampaignStream),
    responses((status = 200, description = "text/event-stream", content_type = "text/event-stream"), (status = 401, body = Problem),
        (status = 429, description = "Too many streams of this account", body = Problem)),
    extensions(("x-role" = json!("stream"))))]
async fn events(
    State(api): State<Api>,
    StreamViewer(who): StreamViewer,
    headers: HeaderMap,
    Params(q): Params<CampaignStream>,
) -> Result<Response, Problem> {
    open_mind(&api, who, &headers, Level::Campaigns, q.last_event_id).await
}
