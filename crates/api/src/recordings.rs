//! x
use crate::*; use axum::response::Response;
pub async fn page(_: &Api, _: &str, _: &str, _: routes::transcripts::Part) -> Result<Response, Problem> { Err(Problem::not_found("x")) }
pub async fn cast(_: &Api, _: &str, _: &str) -> Result<Response, Problem> { Err(Problem::not_found("x")) }
pub async fn artifact(_: &Api, _: &auth::Who, _: &str) -> Result<Response, Problem> { Err(Problem::not_found("x")) }
