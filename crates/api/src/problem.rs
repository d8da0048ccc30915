//! How the API says no: RFC 9457 `application/problem+json`.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// An error answer (RFC 9457). `type` is `about:blank` unless a client is meant to act on it:
/// `urn:decnet:must-change-password` (403: only changing the password is allowed) and
/// `urn:decnet:slow-down` (429, with `Retry-After`).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// URI that names the kind of problem.
    pub r#type: &'static str,
    /// The same for every problem of this kind.
    pub title: &'static str,
    /// The HTTP status, repeated.
    #[schema(value_type = u16)]
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// What went wrong this time.
    pub detail: String,
    /// Seconds to wait, sent as `Retry-After` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u16(status.as_u16())
}

/// `type` of the 403 that only a change of password ends.
pub(crate) const MUST_CHANGE: &str = "urn:decnet:must-change-password";
/// `type` of a 429.
pub(crate) const SLOW_DOWN: &str = "urn:decnet:slow-down";

impl Problem {
    /// Any problem without a type of its own.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: no token, or not a valid one.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 403 until the password is changed.
    pub fn must_change() -> Self {
        Self {
            r#type: MUST_CHANGE,
            title: "Password change required",
            ..Self::forbidden("change the password first: POST /api/v1/auth/change-password")
        }
    }

    /// 404
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no such {what}"))
    }

    /// 409
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 422: readable, but not acceptable.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 429 with the seconds to wait.
    pub fn slow_down(detail: impl Into<String>, seconds: u64) -> Self {
        Self { r#type: SLOW_DOWN, retry_after: Some(seconds.max(1)), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// 503: what is needed for the answer is away.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(2), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// 500. What happened goes to the log under `error_id`, not to the client.
    pub fn internal(why: &dyn std::fmt::Display) -> Self {
        let id = uuid::Uuid::now_v7();
        tracing::error!(error_id = %id, "request failed: {why}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("internal error {id}; see the log of the service"))
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable { .. } | store::Error::Full { .. } => {
                tracing::warn!("{error}");
                Self::unavailable("the database does not answer now; capture goes on, try again shortly")
            }
            store::Error::Taken { what } => Self::conflict(format!("{what} is already taken")),
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
