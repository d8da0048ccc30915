//! x
use crate::*; use axum::{Json, http::StatusCode}; use routes::{overview::Health, workers::*};
pub async fn look(_: &Api) -> Health { unimplemented!() }
pub fn workers(_: &Api) -> Workers { unimplemented!() }
pub async fn order(_: &Api, _: &auth::Who, _: &str, _: &'static str) -> Result<(StatusCode, Json<Ordered>), Problem> { Err(Problem::not_found("x")) }
pub async fn start_all(_: &Api, _: &auth::Who) -> StartAll { unimplemented!() }
