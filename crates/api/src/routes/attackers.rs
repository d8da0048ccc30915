//! `/attackers`: the sources, and what hangs on each.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use store::{ArtifactRow, At, AttackerQuery, AttackerRow, AttackerSort, BountyRow, CredentialRow, IntelRow, LogRow, Page, SessionRow};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Paging;
use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/attackers`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(commands))
        .routes(routes!(sessions))
        .routes(routes!(credentials))
        .routes(routes!(artifacts))
        .routes(routes!(events))
        .routes(routes!(fingerprints))
        .routes(routes!(timeline))
        .routes(routes!(behaviour))
        .routes(routes!(intel))
}

/// Which attackers, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Attackers {
    /// Part of an address, a country code or the name of a network.
    #[param(max_length = 512)]
    pub search: Option<String>,
    #[param(inline)]
    pub sort_by: Option<SortBy>,
    /// Only those who touched this service.
    pub service: Option<String>,
    /// Only those who touched this decky.
    pub decky: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Order of attackers, greatest first: last seen, number of events, movement between deckies, first
/// seen, number of credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SortBy {
    #[default]
    Recent,
    Active,
    Traversals,
    First,
    Credentials,
}

impl From<SortBy> for AttackerSort {
    fn from(by: SortBy) -> Self {
        match by {
            SortBy::Recent => Self::Recent,
            SortBy::Active => Self::Active,
            SortBy::Traversals => Self::Traversals,
            SortBy::First => Self::First,
            SortBy::Credentials => Self::Credentials,
        }
    }
}

/// Sources of hostile traffic.
#[utoipa::path(get, path = "/attackers", operation_id = "listAttackers", tag = "attackers", params(Attackers),
    responses((status = 200, body = Page<AttackerRow>), (status = 304, description = "Unchanged (If-None-Match)"), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Attackers>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    let query = AttackerQuery {
        search: ask::search(q.search)?,
        sort: q.sort_by.unwrap_or_default().into(),
        service: q.service,
        decky: q.decky,
        limit,
        offset,
    };
    api.read(&ask, Data::Attackers, move |api| async move { api.store().attackers(&query).await }).await
}

/// One attacker.
#[utoipa::path(get, path = "/attackers/{uuid}", operation_id = "getAttacker", tag = "attackers", params(("uuid" = String, Path)),
    responses((status = 200, body = AttackerRow), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn one(State(api): State<Api>, _: Viewer, ask: Ask, Path(uuid): Path<String>) -> Result<Response, Problem> {
    api.read(&ask, Data::Attackers, move |api| async move { found(&api, &uuid).await }).await
}

async fn found(api: &Api, uuid: &str) -> Result<AttackerRow, Problem> {
    api.store().attacker(uuid).await?.ok_or_else(|| Problem::not_found("attacker"))
}

/// A filter on one kind of thing of an attacker.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OfService {
    /// Only of this service.
    pub service: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Commands of an attacker (`event_type` `command`), newest first. `fields.command` is the line.
#[utoipa::path(get, path = "/attackers/{uuid}/commands", operation_id = "attackerCommands", tag = "attackers", params(("uuid" = String, Path), OfService),
    responses((status = 200, body = Page<LogRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn commands(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<OfService>,
) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        Ok::<_, Problem>(api.store().attacker_logs(&ip, Some("command"), q.service.as_deref(), limit, offset).await?)
    })
    .await
}

/// Conversations of an attacker, newest first.
#[utoipa::path(get, path = "/attackers/{uuid}/sessions", operation_id = "attackerSessions", tag = "attackers", params(("uuid" = String, Path), Paging),
    responses((status = 200, body = Page<SessionRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn sessions(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Response, Problem> {
    let (limit, offset) = q.bounds()?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        Ok::<_, Problem>(api.store().sessions(Some(&ip), None, false, limit, offset).await?)
    })
    .await
}

/// Secrets an attacker offered, newest first.
#[utoipa::path(get, path = "/attackers/{uuid}/credentials", operation_id = "attackerCredentials", tag = "attackers", params(("uuid" = String, Path), OfService),
    responses((status = 200, body = Page<CredentialRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn credentials(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<OfService>,
) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        Ok::<_, Problem>(api.store().credentials(None, q.service.as_deref(), Some(&ip), limit, offset).await?)
    })
    .await
}

/// Files kept from an attacker, newest first.
#[utoipa::path(get, path = "/attackers/{uuid}/artifacts", operation_id = "attackerArtifacts", tag = "attackers", params(("uuid" = String, Path), Paging),
    responses((status = 200, body = Page<ArtifactRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn artifacts(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Response, Problem> {
    let (limit, offset) = q.bounds()?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        Ok::<_, Problem>(api.store().artifacts(Some(&ip), limit, offset).await?)
    })
    .await
}

/// Which events of an attacker.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Only this type: `connect`, `auth_attempt`, `command`, `request`, `file_captured`, …
    pub event_type: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

/// Everything an attacker did, newest first.
#[utoipa::path(get, path = "/attackers/{uuid}/events", operation_id = "attackerEvents", tag = "attackers", params(("uuid" = String, Path), Events),
    responses((status = 200, body = Page<LogRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn events(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<Events>,
) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        Ok::<_, Problem>(api.store().attacker_logs(&ip, q.event_type.as_deref(), q.service.as_deref(), limit, offset).await?)
    })
    .await
}

/// Fingerprints of an attacker (JA3, JA4, HASSH, SYN, user agents), newest first; `payload` says which and where seen.
#[utoipa::path(get, path = "/attackers/{uuid}/fingerprints", operation_id = "attackerFingerprints", tag = "attackers", params(("uuid" = String, Path), Paging),
    responses((status = 200, body = Page<BountyRow>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn fingerprints(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Response, Problem> {
    let (limit, offset) = q.bounds()?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        Ok::<_, Problem>(api.store().bounties(Some("fingerprint"), None, Some(&ip), limit, offset).await?)
    })
    .await
}

/// What a moment of the timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MomentKind {
    /// A connection was opened.
    Contact,
    /// A secret was offered; `outcome` says whether it opened an account.
    Login,
    /// A command was run.
    Command,
    /// An HTTP request.
    Request,
    /// A file or a mail was kept.
    File,
    /// A download command named an address.
    Url,
    /// The client told what software it is.
    Fingerprint,
    /// A terminal recording is complete and can be replayed.
    Replay,
    /// The connection ended.
    End,
    /// Anything else; see `event_type`.
    Other,
}

impl MomentKind {
    fn of(event_type: &str) -> Self {
        match event_type {
            "connect" => Self::Contact,
            "auth_attempt" => Self::Login,
            "command" => Self::Command,
            "request" => Self::Request,
            "file_captured" | "message_stored" => Self::File,
            "url_seen" => Self::Url,
            "tls_client_hello" | "ssh_client" => Self::Fingerprint,
            "session_recorded" => Self::Replay,
            "disconnect" => Self::End,
            _ => Self::Other,
        }
    }
}

/// One thing that happened, ready to be drawn.
#[derive(Debug, Serialize, ToSchema)]
pub struct Moment {
    pub log_id: i64,
    pub at: At,
    pub kind: MomentKind,
    pub event_type: String,
    pub decky: String,
    pub service: String,
    pub session_id: Option<String>,
    /// One readable sentence. Attacker text: show as text.
    pub text: String,
    /// `success`, `failure` or `observed` of a login.
    pub outcome: Option<String>,
    /// SHA-256 of a kept file.
    pub sha256: Option<String>,
}

impl From<LogRow> for Moment {
    fn from(row: LogRow) -> Self {
        let field = |name: &str| row.fields.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        Self {
            log_id: row.id,
            at: row.timestamp,
            kind: MomentKind::of(&row.event_type),
            outcome: field("outcome"),
            sha256: field("sha256"),
            event_type: row.event_type,
            decky: row.decky,
            service: row.service,
            session_id: row.session_id,
            text: row.msg,
        }
    }
}

/// What an attacker did across all deckies and services, newest first, without the raw fields.
#[utoipa::path(get, path = "/attackers/{uuid}/timeline", operation_id = "attackerTimeline", tag = "attackers", params(("uuid" = String, Path), Paging),
    responses((status = 200, body = Page<Moment>), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn timeline(
    State(api): State<Api>,
    _: Viewer,
    ask: Ask,
    Path(uuid): Path<String>,
    Params(q): Params<Paging>,
) -> Result<Response, Problem> {
    let (limit, offset) = q.bounds()?;
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        let page = api.store().attacker_logs(&ip, None, None, limit, offset).await?;
        let data = page.data.into_iter().map(Moment::from).collect();
        Ok::<_, Problem>(Page { total: page.total, limit: page.limit, offset: page.offset, data })
    })
    .await
}

/// What an attacker does, as far as it could be concluded from everything it did.
#[derive(Debug, Serialize, ToSchema)]
pub struct BehaviourView {
    pub attacker_uuid: String,
    /// `class` and `class_why`; `services_scanned`, `services_used`, `ports_scanned`, `scans`; `path`; `rhythm` (`median_s`,
    /// `jitter`, `autocorrelation`, `beacon`) and `hours`; `phases` of the kill chain; `tools`, `user_agents`, `leaks`,
    /// `mail_domains`, `names_asked`.
    #[schema(value_type = Object)]
    pub behaviour: serde_json::Value,
    pub updated_at: At,
}

/// What an attacker does: doors tried and used, path, rhythm, phases, tools, what it let slip.
#[utoipa::path(get, path = "/attackers/{uuid}/behaviour", operation_id = "attackerBehaviour", tag = "attackers", params(("uuid" = String, Path)),
    responses((status = 200, body = BehaviourView), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn behaviour(State(api): State<Api>, _: Viewer, ask: Ask, Path(uuid): Path<String>) -> Result<Response, Problem> {
    api.read(&ask, Data::Logs, move |api| async move {
        let ip = found(&api, &uuid).await?.ip;
        let row = api.store().behaviours(&[ip]).await?.into_iter().next().ok_or_else(|| Problem::not_found("behaviour"))?;
        let kept: serde_json::Value = serde_json::from_str(&row.behaviour).unwrap_or_default();
        let behaviour = kept.get("view").cloned().unwrap_or_default();
        Ok::<_, Problem>(BehaviourView { attacker_uuid: uuid, behaviour, updated_at: row.updated_at })
    })
    .await
}

/// What outside providers know of an attacker. 404 until somebody was asked.
#[utoipa::path(get, path = "/attackers/{uuid}/intel", operation_id = "attackerIntel", tag = "attackers", params(("uuid" = String, Path)),
    responses((status = 200, body = IntelRow), (status = 404, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn intel(State(api): State<Api>, _: Viewer, ask: Ask, Path(uuid): Path<String>) -> Result<Response, Problem> {
    api.read(&ask, Data::Stats, move |api| async move {
        found(&api, &uuid).await?;
        Ok::<_, Problem>(api.store().intel(&uuid).await?.ok_or_else(|| Problem::not_found("intelligence"))?)
    })
    .await
}
