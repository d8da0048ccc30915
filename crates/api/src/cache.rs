//! x
use crate::*;
use axum::{extract::FromRequestParts, http::request::Parts};
pub struct Ask;
impl FromRequestParts<Api> for Ask { type Rejection = Problem; async fn from_request_parts(_: &mut Parts, _: &Api) -> Result<Self, Problem> { Ok(Self) } }
#[derive(Clone, Copy)]
pub enum Data { Logs, Attackers, Stats, Fleet }
