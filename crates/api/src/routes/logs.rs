//! `/logs`: what was recorded, its histogram and its export.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use store::{Bar, LogQuery, LogRow, Page};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Params, Problem, Viewer, ask,
    cache::{Ask, Data},
};

/// All routes of `/logs`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(histogram)).routes(routes!(export))
}

/// Which logs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// `decky:web-01 service:ssh event:command attacker:192.0.2.7 user:root word "two words"`: terms are
    /// joined by and; unknown keys look into `fields`; bare words are free text.
    #[param(max_length = 512)]
    pub search: Option<String>,
    /// Not older than this (RFC 3339).
    pub start_time: Option<String>,
    /// Older than this (RFC 3339); not including it.
    pub end_time: Option<String>,
    /// Rows of the page, 50 if absent.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<i64>,
    /// Rows to skip.
    #[param(minimum = 0, maximum = 2147483647, default = 0)]
    pub offset: Option<i64>,
}

impl Logs {
    fn query(self) -> Result<LogQuery, Problem> {
        let (limit, offset) = ask::paging(self.limit, self.offset)?;
        Ok(LogQuery {
            search: ask::search(self.search)?,
            start: ask::time("start_time", self.start_time.as_deref())?,
            end: ask::time("end_time", self.end_time.as_deref())?,
            after_id: None,
            limit,
            offset,
        })
    }
}

/// Recorded events, newest first.
#[utoipa::path(get, path = "/logs", operation_id = "listLogs", tag = "logs", params(Logs),
    responses((status = 200, body = Page<LogRow>), (status = 304, description = "Unchanged (If-None-Match)"), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn list(State(api): State<Api>, _: Viewer, ask: Ask, Params(params): Params<Logs>) -> Result<Response, Problem> {
    let query = params.query()?;
    api.read(&ask, Data::Logs, move |api| async move { api.store().logs_text(&query).await }).await
}

/// Which logs to count, and how finely.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistogramParams {
    /// As for `listLogs`.
    #[param(max_length = 512)]
    pub search: Option<String>,
    /// Not older than this (RFC 3339); 24 hours ago if absent.
    pub start_time: Option<String>,
    /// Older than this (RFC 3339); now if absent.
    pub end_time: Option<String>,
    /// Width of a bar in minutes. Absent: chosen so that the span makes about 60 bars.
    #[param(minimum = 1, maximum = 525600)]
    pub interval_minutes: Option<i64>,
}

/// Events per interval. Every interval of the span has a bar, empty ones too.
#[derive(Debug, serde::Serialize, ToSchema)]
pub struct Histogram {
    /// Width of a bar in seconds.
    pub bucket_seconds: i64,
    pub start: store::At,
    pub end: store::At,
    /// Oldest first; `time` is where the bar starts.
    pub data: Vec<Bar>,
}

/// Events per interval of time.
#[utoipa::path(get, path = "/logs/histogram", operation_id = "logHistogram", tag = "logs", params(HistogramParams),
    responses((status = 200, body = Histogram), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn histogram(State(api): State<Api>, _: Viewer, ask: Ask, Params(params): Params<HistogramParams>) -> Result<Response, Problem> {
    let plan = super::histogram::Plan::of(params, api.now())?;
    api.read(&ask, Data::Logs, move |api| async move { Ok::<_, Problem>(plan.fill(api.store().histogram(&plan.query, plan.width).await?)) })
        .await
}

/// What to export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportParams {
    /// `csv` (RFC 4180, cells that a spreadsheet would run are made harmless by a leading `'`),
    /// `json` (one object per line) or `syslog` (RFC 5424).
    #[param(inline)]
    pub format: Format,
    /// As for `listLogs`.
    #[param(max_length = 512)]
    pub search: Option<String>,
    /// Not older than this (RFC 3339).
    pub start_time: Option<String>,
    /// Older than this (RFC 3339); not including it.
    pub end_time: Option<String>,
    /// Most rows to write, oldest first; a million if absent.
    #[param(minimum = 1, maximum = 10000000)]
    pub limit: Option<i64>,
}

/// Form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Json,
    Syslog,
}

/// Recorded events as a file, streamed, oldest first.
#[utoipa::path(get, path = "/logs/export", operation_id = "exportLogs", tag = "logs", params(ExportParams),
    responses((status = 200, description = "The file, as an attachment", content((String = "text/csv"), (String = "application/x-ndjson"), (String = "text/plain"))), (status = 422, body = Problem)),
    extensions(("x-role" = json!("viewer"))))]
async fn export(State(api): State<Api>, _: Viewer, Params(params): Params<ExportParams>) -> Result<Response, Problem> {
    crate::export::respond(&api, params)
}
