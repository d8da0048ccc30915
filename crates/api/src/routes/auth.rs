//! `/auth`: signing in and out.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Done;
use crate::{Anyone, Api, Body, Problem, Viewer, auth::Peer};

/// All routes of `/auth`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(logout))
        .routes(routes!(refresh))
        .routes(routes!(change_password))
        .routes(routes!(sse_ticket))
        .routes(routes!(me))
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    #[schema(max_length = 64)]
    pub username: String,
    /// At most 128 bytes.
    #[schema(max_length = 128)]
    pub password: String,
}

/// A token and what it is good for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// Send as `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `bearer`.
    pub token_type: &'static str,
    /// Seconds until it expires; ask for a new one with `refresh` before that.
    pub expires_in: u64,
    /// Seconds until the session ends for good and only signing in again helps.
    pub session_expires_in: u64,
    /// Everything but `change-password`, `logout` and `me` answers 403 until the password is changed.
    pub must_change_password: bool,
    /// `viewer` or `admin`.
    pub role: String,
    pub username: String,
}

/// Signs in.
#[utoipa::path(post, path = "/auth/login", operation_id = "login", tag = "auth", request_body = Login,
    responses((status = 200, body = Token), (status = 401, body = Problem, description = "Unknown name or wrong password"), (status = 429, body = Problem, description = "Too many failures from this address; Retry-After says how long to wait")),
    security(()), extensions(("x-role" = json!("none"))))]
async fn login(State(api): State<Api>, peer: Peer, Body(login): Body<Login>) -> Result<Json<Token>, Problem> {
    api.auth().login(&api, peer, login).await.map(Json)
}

/// Voids the token that is sent.
#[utoipa::path(post, path = "/auth/logout", operation_id = "logout", tag = "auth",
    responses((status = 200, body = Done)), extensions(("x-role" = json!("any"))))]
async fn logout(State(api): State<Api>, Anyone(who): Anyone) -> Result<Json<Done>, Problem> {
    api.auth().revoke(&api, &who).await?;
    Ok(Done::new("signed out"))
}

/// A new token for a valid one, as long as the session is not older than its limit. The old one stays
/// valid until it expires.
#[utoipa::path(post, path = "/auth/refresh", operation_id = "refreshToken", tag = "auth",
    responses((status = 200, body = Token), (status = 401, body = Problem)), extensions(("x-role" = json!("viewer"))))]
async fn refresh(State(api): State<Api>, Viewer(who): Viewer) -> Result<Json<Token>, Problem> {
    api.auth().refresh(&api, &who).map(Json)
}

/// The old password and a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    pub old_password: String,
    /// At least 12 characters and at most 128 bytes.
    #[schema(min_length = 12, max_length = 128)]
    pub new_password: String,
}

/// Changes the own password. All tokens of the account become void; the answer carries a new one.
#[utoipa::path(post, path = "/auth/change-password", operation_id = "changePassword", tag = "auth", request_body = ChangePassword,
    responses((status = 200, body = Token), (status = 401, body = Problem, description = "The old password is wrong"), (status = 422, body = Problem), (status = 429, body = Problem)),
    extensions(("x-role" = json!("any"))))]
async fn change_password(
    State(api): State<Api>,
    Anyone(who): Anyone,
    peer: Peer,
    Body(change): Body<ChangePassword>,
) -> Result<Json<Token>, Problem> {
    api.auth().change_password(&api, &who, peer, change).await.map(Json)
}

/// A key that opens one stream once.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticket {
    pub ticket: String,
    /// Seconds, 60.
    pub expires_in: u64,
}

/// A single-use key for `GET /stream?ticket=…`, for browsers whose EventSource cannot send headers.
#[utoipa::path(post, path = "/auth/sse-ticket", operation_id = "sseTicket", tag = "auth",
    responses((status = 200, body = Ticket)), extensions(("x-role" = json!("viewer"))))]
async fn sse_ticket(State(api): State<Api>, Viewer(who): Viewer) -> Result<Json<Ticket>, Problem> {
    api.auth().ticket(&who, api.now()).map(Json)
}

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    pub uuid: String,
    pub username: String,
    /// `viewer` or `admin`.
    pub role: String,
    pub must_change_password: bool,
    /// Seconds until this token expires.
    pub expires_in: u64,
    /// Seconds until the session ends for good.
    pub session_expires_in: u64,
}

/// Who the token belongs to.
#[utoipa::path(get, path = "/auth/me", operation_id = "me", tag = "auth",
    responses((status = 200, body = Me)), extensions(("x-role" = json!("any"))))]
async fn me(State(api): State<Api>, Anyone(who): Anyone) -> Json<Me> {
    Json(api.auth().me(&who, api.now()))
}
