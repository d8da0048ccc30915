//! x
mod ask; pub mod auth; mod cache; mod export; mod health; mod problem; mod recordings; pub mod routes; mod stream;
pub use ask::{Body, Params}; pub use problem::Problem; pub use auth::{Viewer, Admin, Anyone};
use std::{sync::Arc, time::Duration, future::Future};
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
pub struct Config { pub token_life: Duration, pub session_life: Duration, pub streams_per_user: usize }
#[derive(Clone)] pub struct Api(Arc<(store::Store, Config, auth::Auth)>);
impl Api {
 pub fn store(&self) -> &store::Store { &self.0.0 } pub fn config(&self) -> &Config { &self.0.1 } pub fn auth(&self) -> &auth::Auth { &self.0.2 }
 pub fn now(&self) -> model::Micros { model::Micros(0) } pub fn started(&self) -> model::Micros { model::Micros(0) } pub fn forget(&self) {}
 pub fn document(&self) -> String { routes::document() } pub fn metrics(&self) -> String { String::new() }
 pub async fn read<T: serde::Serialize, E: Into<Problem>, F: FnOnce(Api)->Fut, Fut: Future<Output=Result<T, E>>>(&self, _: &cache::Ask, _: cache::Data, f: F) -> Result<axum::response::Response, Problem> {
  let x = f(self.clone()).await.map_err(Into::into)?; Ok(axum::response::IntoResponse::into_response(axum::Json(x))) }
}
