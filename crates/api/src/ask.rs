//! Reading a request: query strings and JSON bodies, with problems instead of plain-text rejections.

use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, Uri, header, request::Parts},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::Problem;

/// Largest JSON body that is read, in bytes.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// Rows of a page if `limit` is not given.
pub(crate) const DEFAULT_LIMIT: i64 = 50;
/// Most rows of a page.
pub(crate) const MAX_LIMIT: i64 = 1000;
/// Largest `offset`.
pub(crate) const MAX_OFFSET: i64 = 2_147_483_647;
/// Longest free-text search, in bytes.
pub(crate) const MAX_SEARCH: usize = 512;

/// The query string as `T`. Values that are empty, `null` or `undefined` count as absent; an unknown
/// name is refused (422) rather than ignored.
#[derive(Debug)]
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        params(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn params<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| match pair.split_once('=') {
            None => false,
            Some((_, value)) => !matches!(value, "" | "null" | "undefined"),
        })
        .collect();
    let uri: Uri = format!("/?{}", kept.join("&")).parse().map_err(|_| Problem::bad_request("the query string cannot be read"))?;
    Query::<T>::try_from_uri(&uri).map(|q| q.0).map_err(|e| Problem::invalid(e.body_text()))
}

/// A JSON body as `T`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json"));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|e| Problem::new(e.status(), format!("the body cannot be read: {}", e.body_text())))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| match e.classify() {
            serde_json::error::Category::Data => Problem::invalid(format!("body: {e}")),
            _ => Problem::bad_request(format!("body is not JSON: {e}")),
        })
    }
}

/// `limit` and `offset` within their bounds, or 422.
pub(crate) fn paging(limit: Option<i64>, offset: Option<i64>) -> Result<(i64, i64), Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let offset = offset.unwrap_or(0);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::invalid(format!("limit must be 1..{MAX_LIMIT}")));
    }
    if !(0..=MAX_OFFSET).contains(&offset) {
        return Err(Problem::invalid(format!("offset must be 0..{MAX_OFFSET}")));
    }
    Ok((limit, offset))
}

/// A search no longer than [`MAX_SEARCH`], or 422.
pub(crate) fn search(text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.len() > MAX_SEARCH => Err(Problem::invalid(format!("search is longer than {MAX_SEARCH} bytes"))),
        Some(text) if text.trim().is_empty() => Ok(None),
        other => Ok(other),
    }
}

/// A time of the query string (RFC 3339), or 422.
pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<model::Micros>, Problem> {
    // `+` of an offset arrives as a space if the client did not encode it.
    text.map(|t| {
        model::Micros::parse_rfc3339(&t.replace(' ', "+"))
            .ok_or_else(|| Problem::invalid(format!("{name} must be a time like 2026-11-23T21:25:37Z")))
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Q {
        limit: Option<i64>,
        search: Option<String>,
    }

    #[test]
    fn absent_means_absent_however_a_browser_spells_it() {
        for text in ["", "limit=&search=", "limit=null&search=undefined", "limit&search"] {
            assert_eq!(params::<Q>(text).unwrap(), Q { limit: None, search: None }, "{text}");
        }
        assert_eq!(params::<Q>("search=a%20b&limit=7").unwrap(), Q { limit: Some(7), search: Some("a b".into()) });
        assert_eq!(params::<Q>("limit=x").unwrap_err().status, 422);
        assert_eq!(params::<Q>("limt=3").unwrap_err().status, 422);
    }

    #[test]
    fn pages_have_bounds() {
        assert_eq!(paging(None, None).unwrap(), (50, 0));
        assert!(paging(Some(0), None).is_err());
        assert!(paging(Some(1001), None).is_err());
        assert!(paging(None, Some(-1)).is_err());
    }
}
