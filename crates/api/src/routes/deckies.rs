//! `/deckies`: the fleet.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use store::{FleetDeckyRow, Page, RunningDecky};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Admin, Api, Body, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
    hands::{self, FleetReport, Wish},
};

/// All routes of `/deckies`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(running))
        .routes(routes!(deploy))
        .routes(routes!(reconcile))
        .routes(routes!(one, tear_down))
        .routes(routes!(add_service))
        .routes(routes!(remove_service))
        .routes(routes!(configure))
        .routes(routes!(mutate))
        .routes(routes!(mutate_interval))
}

/// Which deckies.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Deckies {
    /// Part of a name, an address, an archetype or a service.
    #[param(max_length = 512)]
    pub search: Option<String>,
    /// `pending`, `running`, `degraded`, `failed` or `torn_down`.
    pub state: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

impl Deckies {
    fn wants(&self, row: &FleetDeckyRow) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        let state = self.state.as_ref().is_none_or(|s| *s == row.state);
        let search = self.search.as_ref().is_none_or(|s| {
            let part = s.to_lowercase();
            has(&row.name, &part)
                || row.decky_ip.as_deref().is_some_and(|ip| has(ip, &part))
                || row.services.iter().any(|service| has(service, &part))
                || row.decky_config.values().any(|v| v.as_str().is_some_and(|v| has(v, &part)))
        });
        state && search
    }
}

/// The deckies that should exist and how they are, by name.
#[utoipa::path(get, path = "/deckies", operation_id = "listDeckies", tag = "deckies", params(Deckies),
    responses((status = 200, body = Page<FleetDeckyRow>)), extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(q): Params<Deckies>) -> Result<Response, Problem> {
    let (limit, offset) = ask::paging(q.limit, q.offset)?;
    api.read(&ask, Data::Fleet, move |api| async move {
        let mut rows = api.store().fleet_deckies(None).await?;
        rows.retain(|row| q.wants(row));
        rows.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.host_uuid.cmp(&b.host_uuid)));
        let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let take = usize::try_from(limit).unwrap_or(0);
        let data: Vec<_> = rows.into_iter().skip(skip).take(take).collect();
        Ok::<_, Problem>(Page { total, limit, offset, data })
    })
    .await
}

/// One decky, by id (`local:web-01`) or by name.
#[utoipa::path(get, path = "/deckies/{id}", operation_id = "getDecky", tag = "deckies", params(("id" = String, Path)),
    responses((status = 200, body = FleetDeckyRow), (status = 404, body = Problem)), extensions(("x-role" = json!("viewer"))))]
async fn one(State(api): State<Api>, _: Viewer, ask: Ask, Path(id): Path<String>) -> Result<Response, Problem> {
    api.read(&ask, Data::Fleet, move |api| async move {
        let (host, name) = id.split_once(':').unwrap_or((model::LOCAL_HOST, &id));
        let rows = api.store().fleet_deckies(Some(host)).await?;
        rows.into_iter().find(|row| row.name == name).ok_or_else(|| Problem::not_found("decky"))
    })
    .await
}

/// Every decky that runs, wherever it is planned: this host's fleet, hosts of the swarm, topologies.
#[utoipa::path(get, path = "/deckies/running", operation_id = "listRunningDeckies", tag = "deckies",
    responses((status = 200, body = Vec<RunningDecky>)), extensions(("x-role" = json!("viewer"))))]
async fn running(State(api): State<Api>, _: Viewer, ask: Ask) -> Result<Response, Problem> {
    api.read(&ask, Data::Fleet, move |api| async move { Ok::<_, Problem>(api.store().list_running_deckies().await?) }).await
}

/// Deckies to deploy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// A configuration file, TOML or INI.
    pub text: String,
    /// Takes away the deckies that the file does not name.
    #[serde(default)]
    pub replace: bool,
    /// Only checks the file and answers with the plan.
    #[serde(default)]
    pub dry_run: bool,
}

/// Makes the deckies of a file; what is there already and unchanged is not touched.
#[utoipa::path(post, path = "/deckies/deploy", operation_id = "deployDeckies", tag = "deckies", request_body = Deploy,
    responses((status = 200, body = FleetReport), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn deploy(State(api): State<Api>, Admin(who): Admin, Body(wish): Body<Deploy>) -> Result<Json<FleetReport>, Problem> {
    tracing::info!(by = who.username, replace = wish.replace, dry_run = wish.dry_run, "deploy");
    hands::ask(&api, Wish::Deploy { text: wish.text, replace: wish.replace, dry_run: wish.dry_run }).await.map(Json)
}

/// How to reconcile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// Makes what should exist and does not, and takes away what should not.
    #[serde(default)]
    pub repair: bool,
}

/// Makes what should exist, what the table says and what is there agree.
#[utoipa::path(post, path = "/deckies/reconcile", operation_id = "reconcileDeckies", tag = "deckies", request_body = Reconcile,
    responses((status = 200, body = FleetReport), (status = 503, body = Problem)), extensions(("x-role" = json!("admin"))))]
async fn reconcile(State(api): State<Api>, Admin(who): Admin, Body(wish): Body<Reconcile>) -> Result<Json<FleetReport>, Problem> {
    tracing::info!(by = who.username, repair = wish.repair, "reconcile");
    hands::ask(&api, Wish::Reconcile { repair: wish.repair }).await.map(Json)
}

/// The name of a decky of this host, from its id or name; deckies of other hosts are changed there.
fn here(id: &str) -> Result<String, Problem> {
    match id.split_once(':') {
        None => Ok(id.to_owned()),
        Some((model::LOCAL_HOST, name)) => Ok(name.to_owned()),
        Some(_) => Err(Problem::conflict("this decky stands on another host and is changed there")),
    }
}

/// Takes a decky away.
#[utoipa::path(delete, path = "/deckies/{id}", operation_id = "tearDownDecky", tag = "deckies", params(("id" = String, Path)),
    responses((status = 200, body = FleetReport), (status = 404, body = Problem), (status = 503, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn tear_down(State(api): State<Api>, Admin(who): Admin, Path(id): Path<String>) -> Result<Json<FleetReport>, Problem> {
    tracing::info!(by = who.username, decky = id, "tear down");
    hands::ask(&api, Wish::TearDown { decky: here(&id)? }).await.map(Json)
}

/// A service to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    pub service: String,
    /// Settings, as in a configuration file.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// Adds a service to a decky that runs; its other services go on undisturbed.
#[utoipa::path(post, path = "/deckies/{id}/services", operation_id = "addDeckyService", tag = "deckies", params(("id" = String, Path)),
    request_body = NewService, responses((status = 200, body = FleetReport), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-role" = json!("admin"))))]
async fn add_service(
    State(api): State<Api>,
    _: Admin,
    Path(id): Path<String>,
    Body(new): Body<NewService>,
) -> Result<Json<FleetReport>, Problem> {
    hands::ask(&api, Wish::AddService { decky: here(&id)?, service: new.service, config: new.config }).await.map(Json)
}

/// Takes a service of a decky away; the last one stays (409).
#[utoipa::path(delete, path = "/deckies/{id}/services/{service}", operation_id = "removeDeckyService", tag = "deckies",
    params(("id" = String, Path), ("service" = String, Path)), responses((status = 200, body = FleetReport), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-role" = json!("admin"))))]
async fn remove_service(
    State(api): State<Api>,
    _: Admin,
    Path((id, service)): Path<(String, String)>,
) -> Result<Json<FleetReport>, Problem> {
    hands::ask(&api, Wish::RemoveService { decky: here(&id)?, service }).await.map(Json)
}

/// Settings of a service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// All of them; what is left out goes back to what the decky chose itself.
    pub config: BTreeMap<String, String>,
}

/// Sets a service anew. New visitors meet it so; running sessions go on as they were.
#[utoipa::path(put, path = "/deckies/{id}/services/{service}/config", operation_id = "configureDeckyService", tag = "deckies",
    params(("id" = String, Path), ("service" = String, Path)), request_body = ServiceConfig, responses((status = 200, body = FleetReport),
    (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-role" = json!("admin"))))]
async fn configure(
    State(api): State<Api>,
    _: Admin,
    Path((id, service)): Path<(String, String)>,
    Body(new): Body<ServiceConfig>,
) -> Result<Json<FleetReport>, Problem> {
    hands::ask(&api, Wish::SetConfig { decky: here(&id)?, service, config: new.config }).await.map(Json)
}

/// How a decky shall change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mutate {
    /// `services`: one more or less; `drift`: updated and booted again; absent: either.
    #[serde(default)]
    pub strategy: Option<String>,
}

/// Lets a decky change now, or as soon as its visitors have left.
#[utoipa::path(post, path = "/deckies/{id}/mutate", operation_id = "mutateDecky", tag = "deckies", params(("id" = String, Path)),
    request_body = Mutate, responses((status = 200, body = FleetReport), (status = 404, body = Problem), (status = 422, body = Problem),
    (status = 503, body = Problem)), extensions(("x-role" = json!("admin"))))]
async fn mutate(
    State(api): State<Api>,
    Admin(who): Admin,
    Path(id): Path<String>,
    Body(wish): Body<Mutate>,
) -> Result<Json<FleetReport>, Problem> {
    let decky = here(&id)?;
    let report = hands::ask(&api, Wish::Mutate { decky: decky.clone(), strategy: wish.strategy }).await?;
    let said = serde_json::json!({ "requested_by": who.username });
    bus::unix::say(api.bus(), &bus::topics::mutate_request(model::DeckyId::local(&decky).as_str()), said).await;
    Ok(Json(report))
}

/// How often a decky changes by itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MutateInterval {
    /// 1 to 525600; `null`: never.
    pub minutes: Option<u32>,
}

/// Sets how often a decky changes by itself.
#[utoipa::path(put, path = "/deckies/{id}/mutate-interval", operation_id = "setMutateInterval", tag = "deckies", params(("id" = String, Path)),
    request_body = MutateInterval, responses((status = 200, body = FleetReport), (status = 404, body = Problem), (status = 422, body = Problem),
    (status = 503, body = Problem)), extensions(("x-role" = json!("admin"))))]
async fn mutate_interval(
    State(api): State<Api>,
    _: Admin,
    Path(id): Path<String>,
    Body(wish): Body<MutateInterval>,
) -> Result<Json<FleetReport>, Problem> {
    hands::ask(&api, Wish::MutateEvery { decky: here(&id)?, minutes: wish.minutes }).await.map(Json)
}
