//! `/config`: settings, accounts, and forgetting everything.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use store::UserRow;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Done;
use crate::{Admin, Api, Body, Params, Problem, Viewer};

/// All routes of `/config`.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get))
        .routes(routes!(users))
        .routes(routes!(add_user))
        .routes(routes!(remove_user))
        .routes(routes!(reset_password))
        .routes(routes!(set_role))
        .routes(routes!(reinit))
}

/// Settings that matter to a client.
#[derive(Debug, Serialize, ToSchema)]
pub struct Settings {
    /// Of the asker: `viewer` or `admin`.
    pub role: String,
    pub version: &'static str,
    /// `sqlite` or `mysql`.
    pub database: &'static str,
    /// Seconds a token lives.
    pub token_seconds: u64,
    /// Seconds a session can be refreshed.
    pub session_seconds: u64,
    /// Streams one account may have open.
    pub streams_per_user: usize,
    pub password_min_chars: usize,
    pub password_max_bytes: usize,
    /// Only told to admins.
    pub users: Option<Vec<UserRow>>,
}

/// Settings; admins are told the accounts too.
#[utoipa::path(get, path = "/config", operation_id = "getConfig", tag = "config",
    responses((status = 200, body = Settings)), extensions(("x-role" = json!("viewer"))))]
async fn get(State(api): State<Api>, Viewer(who): Viewer) -> Result<Json<Settings>, Problem> {
    let users = if who.is_admin() { Some(api.store().users().await?) } else { None };
    let config = api.config();
    Ok(Json(Settings {
        role: who.role.as_str().to_owned(),
        version: crate::VERSION,
        database: api.store().kind(),
        token_seconds: config.token_life.as_secs(),
        session_seconds: config.session_life.as_secs(),
        streams_per_user: config.streams_per_user,
        password_min_chars: crate::auth::password::MIN_CHARS,
        password_max_bytes: crate::auth::password::MAX_BYTES,
        users,
    }))
}

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything but the bytes of captured files.
    #[default]
    Viewer,
    /// Viewer, and accounts, workers, captured files, purge.
    Admin,
}

impl Role {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    /// From its stored form; anything unknown is the least.
    pub fn from_stored(text: &str) -> Self {
        if text == "admin" { Self::Admin } else { Self::Viewer }
    }
}

/// All accounts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Users {
    pub data: Vec<UserRow>,
}

/// The accounts.
#[utoipa::path(get, path = "/config/users", operation_id = "listUsers", tag = "config",
    responses((status = 200, body = Users)), extensions(("x-role" = json!("admin"))))]
async fn users(State(api): State<Api>, _: Admin) -> Result<Json<Users>, Problem> {
    Ok(Json(Users { data: api.store().users().await? }))
}

/// A new account. Its password must be changed at the first sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 64 of letters, digits, `.`, `_`, `-`, `@`.
    #[schema(min_length = 1, max_length = 64)]
    pub username: String,
    /// At least 12 characters and at most 128 bytes.
    #[schema(min_length = 12, max_length = 128)]
    pub password: String,
    #[serde(default)]
    pub role: Role,
}

/// Adds an account.
#[utoipa::path(post, path = "/config/users", operation_id = "addUser", tag = "config", request_body = NewUser,
    responses((status = 201, body = UserRow), (status = 409, body = Problem), (status = 422, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn add_user(State(api): State<Api>, Admin(who): Admin, Body(new): Body<NewUser>) -> Result<(StatusCode, Json<UserRow>), Problem> {
    let user = api.auth().add_user(&api, &who, new).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Removes an account and voids its tokens. Not the own one (403).
#[utoipa::path(delete, path = "/config/users/{uuid}", operation_id = "removeUser", tag = "config", params(("uuid" = String, Path)),
    responses((status = 200, body = Done), (status = 403, body = Problem), (status = 404, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn remove_user(State(api): State<Api>, Admin(who): Admin, Path(uuid): Path<String>) -> Result<Json<Done>, Problem> {
    api.auth().remove_user(&api, &who, &uuid).await?;
    Ok(Done::new("account removed"))
}

/// A password set by an admin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// At least 12 characters and at most 128 bytes.
    #[schema(min_length = 12, max_length = 128)]
    pub new_password: String,
}

/// Sets another account's password; it must be changed at the next sign-in. All its tokens become void.
#[utoipa::path(put, path = "/config/users/{uuid}/reset-password", operation_id = "resetPassword", tag = "config",
    params(("uuid" = String, Path)), request_body = ResetPassword,
    responses((status = 200, body = Done), (status = 404, body = Problem), (status = 422, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn reset_password(
    State(api): State<Api>,
    Admin(who): Admin,
    Path(uuid): Path<String>,
    Body(reset): Body<ResetPassword>,
) -> Result<Json<Done>, Problem> {
    api.auth().reset_password(&api, &who, &uuid, &reset.new_password).await?;
    Ok(Done::new("password set; it must be changed at the next sign-in"))
}

/// A role to give.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    pub role: Role,
}

/// Changes an account's role. Not the own one (403). All its tokens become void.
#[utoipa::path(put, path = "/config/users/{uuid}/role", operation_id = "setRole", tag = "config",
    params(("uuid" = String, Path)), request_body = SetRole,
    responses((status = 200, body = Done), (status = 403, body = Problem), (status = 404, body = Problem)),
    extensions(("x-role" = json!("admin"))))]
async fn set_role(
    State(api): State<Api>,
    Admin(who): Admin,
    Path(uuid): Path<String>,
    Body(set): Body<SetRole>,
) -> Result<Json<Done>, Problem> {
    api.auth().set_role(&api, &who, &uuid, set.role).await?;
    Ok(Done::new("role changed"))
}

/// To be sure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Must be `purge`.
    pub confirm: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub struct Purged {
    pub message: &'static str,
    /// Rows deleted by table.
    pub deleted: BTreeMap<String, i64>,
}

/// Deletes everything attackers left in the database (logs, credentials, sessions, attackers, …). Keeps accounts and fleet.
#[utoipa::path(delete, path = "/config/reinit", operation_id = "purge", tag = "config", params(Confirm),
    responses((status = 200, body = Purged), (status = 422, body = Problem, description = "`confirm=purge` is missing")),
    extensions(("x-role" = json!("admin"))))]
async fn reinit(State(api): State<Api>, Admin(who): Admin, Params(q): Params<Confirm>) -> Result<Json<Purged>, Problem> {
    if q.confirm.as_deref() != Some("purge") {
        return Err(Problem::invalid("this deletes every recorded event; add ?confirm=purge if that is meant"));
    }
    let deleted = api.store().purge().await?.into_iter().collect();
    api.forget();
    tracing::warn!(by = who.username, "recorded data purged");
    Ok(Json(Purged { message: "recorded data deleted", deleted }))
}
