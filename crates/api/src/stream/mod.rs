//! Live events for dashboards: one task reads what is new and everybody shares the encoded frames.
//! What a client sees is written down in `docs/stream.md`.

mod feed;
mod follow;
mod frame;
mod hub;
mod mind;

pub(crate) use feed::feed;
pub(crate) use hub::Hub;
pub(crate) use mind::Level;

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use store::search::Search;
use utoipa::ToSchema;

use crate::{Api, Problem, ask, auth::Who, routes};
use follow::Follow;

/// Data of the stream's `attacker` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttackerNews {
    /// Absent if the attacker is too new to have a row.
    pub uuid: Option<String>,
    pub ip: String,
}

/// Data of the stream's `hello` and `resync` events.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Mark {
    /// Id of the log row to go on after.
    pub last_log_id: i64,
}

/// Opens a stream, or refuses before the first byte of it.
pub(crate) async fn open(api: &Api, who: Arc<Who>, headers: &HeaderMap, q: routes::stream::Stream) -> Result<Response, Problem> {
    let resume = match headers.get("last-event-id") {
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|v| v.trim().parse::<i64>().ok())
                .ok_or_else(|| Problem::bad_request("Last-Event-ID must be the id of a log row"))?,
        ),
        None => q.last_event_id,
    };
    let search = ask::search(q.search)?.map(|text| Search::parse(&text)).filter(|s| !s.is_empty());
    let seat = api.hub().seat(&who.uuid, api.config())?;
    let follow = Follow::begin(api.clone(), who, seat, resume, search).await;
    let frames = futures::stream::unfold(follow, |mut follow| async move {
        let frame = follow.next().await?;
        Some((Ok::<_, Infallible>(frame), follow))
    });
    let mut response = Body::from_stream(frames).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Opens the stream of identities or campaigns, or refuses before the first byte of it.
pub(crate) async fn open_mind(
    api: &Api,
    who: Arc<Who>,
    headers: &HeaderMap,
    level: Level,
    resume: Option<i64>,
) -> Result<Response, Problem> {
    let resume = match headers.get("last-event-id") {
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|v| v.trim().parse::<i64>().ok())
                .ok_or_else(|| Problem::bad_request("Last-Event-ID must be the id of a change"))?,
        ),
        None => resume,
    };
    let seat = api.hub().seat(&who.uuid, api.config())?;
    let follow = mind::MindFollow::begin(api.clone(), who, seat, level, resume).await;
    let frames = futures::stream::unfold(follow, |mut follow| async move {
        let frame = follow.next().await?;
        Some((Ok::<_, Infallible>(frame), follow))
    });
    let mut response = Body::from_stream(frames).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
