//! `/deckies`: the fleet.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use store::{FleetDeckyRow, Page};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/deckies`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
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
