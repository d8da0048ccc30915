//! `/stream`: what happens, as it happens (server-sent events).

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Api, Params, Problem, auth::StreamViewer};

/// `/stream`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Where to go on, and what to see.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Single-use key of `POST /auth/sse-ticket`.
    pub ticket: Option<String>,
    /// An access token, for clients that can send neither headers nor fetch a ticket.
    pub token: Option<String>,
    /// Id of the last log row already seen; rows after it are sent first. The header `Last-Event-ID` wins.
    /// Absent: only what happens from now on.
    #[serde(rename = "lastEventId")]
    #[param(rename = "lastEventId")]
    pub last_event_id: Option<i64>,
    /// Only rows that match, in the language of `listLogs`.
    #[param(max_length = 512)]
    pub search: Option<String>,
}

/// Server-sent events.
///
/// - `hello` first: `{"last_log_id": n}`, the newest row when the stream began.
/// - `logs`, `id: <id of the last row>`: a JSON array of 1 to 256 `LogRow`, oldest first, ids growing.
/// - `stats`: a `Stats` object, at the start and every 5 s if something changed.
/// - `attacker`: `{"uuid": …|null, "ip": …}`: this attacker's row changed (at most once a second for each).
/// - `workers`: a `Workers` object, at the start and when a worker's status or state changed.
/// - `resync`: `{"last_log_id": n}`: this client was too slow; go on by reconnecting with
///   `lastEventId=n`, which the browser does by itself; the stream ends after it.
/// - a comment every 15 s of silence.
///
/// Reconnecting with `Last-Event-ID` continues without a gap and without a repeated row. More than
/// 10,000 rows behind, the stream says `resync` with the newest id and starts from there: page through
/// `listLogs` for the rest.
#[utoipa::path(get, path = "/stream", operation_id = "stream", tag = "stream", params(Stream, ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream"), (status = 401, body = Problem), (status = 429, body = Problem, description = "Too many streams of this account")),
    security((), ("bearer" = [])), extensions(("x-role" = json!("stream"))))]
async fn stream(
    State(api): State<Api>,
    StreamViewer(who): StreamViewer,
    headers: HeaderMap,
    Params(q): Params<Stream>,
) -> Result<Response, Problem> {
    crate::stream::open(&api, who, &headers, q).await
}
