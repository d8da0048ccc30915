//! x
use crate::*; use axum::{http::HeaderMap, response::Response};
use serde::Serialize; use utoipa::ToSchema;
/// Data of the stream's `attacker` event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttackerNews {
    /// Absent if the attacker is too new to have a row.
    pub uuid: Option<String>,
    pub ip: String,
}
/// Data of the stream's `hello` and `resync` events.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Mark {
    /// Id of the log row to go on after.
    pub last_log_id: i64,
}
pub async fn open(_: &Api, _: auth::Who, _: &HeaderMap, _: routes::stream::Stream) -> Result<Response, Problem> { Err(Problem::not_found("x")) }
