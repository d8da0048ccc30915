//! x
pub mod password;
use crate::*; use crate::routes::{auth::*, config::*};
use axum::{extract::FromRequestParts, http::request::Parts};
pub struct Who { pub username: String, pub role: Role }
impl Who { pub fn is_admin(&self)->bool {self.role==Role::Admin} }
macro_rules! gate { ($($n:ident),*) => {$( pub struct $n(pub Who); impl FromRequestParts<Api> for $n { type Rejection = Problem; async fn from_request_parts(_: &mut Parts, _: &Api) -> Result<Self, Problem> { Err(Problem::unauthorized("no")) } } )*} }
gate!(Viewer, Admin, Anyone, StreamViewer, MetricsReader, Peer);
pub struct Auth;
impl Auth {
 pub async fn login(&self, _: &Api, _: Peer, _: Login) -> Result<Token, Problem> { Err(Problem::unauthorized("no")) }
 pub async fn revoke(&self, _: &Api, _: &Who) -> Result<(), Problem> { Err(Problem::unauthorized("no")) }
 pub fn refresh(&self, _: &Api, _: &Who) -> Result<Token, Problem> { Err(Problem::unauthorized("no")) }
 pub async fn change_password(&self, _: &Api, _: &Who, _: Peer, _: ChangePassword) -> Result<Token, Problem> { Err(Problem::unauthorized("no")) }
 pub fn ticket(&self, _: &Who, _: model::Micros) -> Result<Ticket, Problem> { Err(Problem::unauthorized("no")) }
 pub fn me(&self, _: &Who, _: model::Micros) -> Me { unimplemented!() }
 pub async fn add_user(&self, _: &Api, _: &Who, _: NewUser) -> Result<store::UserRow, Problem> { Err(Problem::unauthorized("no")) }
 pub async fn remove_user(&self, _: &Api, _: &Who, _: &str) -> Result<(), Problem> { Err(Problem::unauthorized("no")) }
 pub async fn reset_password(&self, _: &Api, _: &Who, _: &str, _: &str) -> Result<(), Problem> { Err(Problem::unauthorized("no")) }
 pub async fn set_role(&self, _: &Api, _: &Who, _: &str, _: Role) -> Result<(), Problem> { Err(Problem::unauthorized("no")) }
}
