//! x
use crate::*; use axum::response::Response;
pub fn respond(_: &Api, _: routes::logs::ExportParams) -> Result<Response, Problem> { Err(Problem::not_found("x")) }
