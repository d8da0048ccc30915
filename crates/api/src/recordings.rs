//! What lies on disk: recorded terminals and captured files.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use model::DeckyId;
use serde_json::{Map, Value};
use store::SessionRow;
use tokio_util::io::ReaderStream;

use crate::{
    Api, Problem,
    auth::Who,
    files,
    routes::transcripts::{Part, Transcript},
};

/// Events of a page if `limit` is not given.
const DEFAULT_EVENTS: usize = 500;
/// Most events of a page.
const MOST_EVENTS: usize = 5_000;
/// Longest line of a recording that is read; longer ones are left out.
const MOST_LINE: usize = 1024 * 1024;

/// A page of a recording.
pub(crate) async fn page(api: &Api, decky: &str, sid: &str, part: Part) -> Result<Response, Problem> {
    let limit = part.limit.unwrap_or(DEFAULT_EVENTS);
    let offset = part.offset.unwrap_or(0);
    if !(1..=MOST_EVENTS).contains(&limit) {
        return Err(Problem::invalid(format!("limit must be 1..{MOST_EVENTS}")));
    }
    let (session, path) = find(api, decky, sid).await?;
    let root = api.config().transcripts.clone();
    let read = blocking(move || {
        let file = files::open_below(&root, &path).map_err(|e| missing(&path, &e))?;
        read_page(BufReader::with_capacity(128 * 1024, file), offset, limit).map_err(|e| Problem::internal(&e))
    });
    let read = read.await?;
    let has_more = read.total > offset.saturating_add(read.events.len());
    Ok(Json(Transcript {
        sid: session.sid,
        service: session.service,
        header: read.header,
        events: read.events,
        offset,
        limit,
        total: read.total,
        has_more,
        truncated: session.recording_truncated,
    })
    .into_response())
}

/// The whole recording.
pub(crate) async fn cast(api: &Api, decky: &str, sid: &str) -> Result<Response, Problem> {
    let (session, path) = find(api, decky, sid).await?;
    let root = api.config().transcripts.clone();
    let file = blocking(move || files::open_below(&root, &path).map_err(|e| missing(&path, &e))).await?;
    let name = files::name(&format!("{}.cast", session.sid)).unwrap_or_else(|| PathBuf::from("session.cast"));
    attachment(file, "application/x-asciicast", &name)
}

/// The bytes of a captured file.
pub(crate) async fn artifact(api: &Api, who: &Who, sha256: &str) -> Result<Response, Problem> {
    let plain = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !plain {
        return Err(Problem::invalid("sha256 must be 64 lower-case hexadecimal digits"));
    }
    api.store().artifact_by_sha256(sha256).await?.ok_or_else(|| Problem::not_found("file"))?;
    let root = api.config().artifacts.clone();
    let hash = sha256.to_owned();
    let file = blocking(move || {
        let place = Path::new("sha256").join(hash.get(..2).unwrap_or_default()).join(&hash);
        files::open_below(&root, &place).map_err(|error| {
            tracing::warn!("captured file {hash} cannot be opened: {error}");
            Problem::not_found("file on this host: it may have been pruned")
        })
    })
    .await?;
    tracing::warn!(by = who.username, sha256, "captured file downloaded");
    attachment(file, "application/octet-stream", Path::new(sha256))
}

async fn find(api: &Api, decky: &str, sid: &str) -> Result<(SessionRow, PathBuf), Problem> {
    let nothing = || Problem::not_found("recording");
    let session = api.store().session(sid).await?.ok_or_else(nothing)?;
    let id = DeckyId::from_stored(session.decky.clone());
    if decky != id.as_str() && decky != id.name() {
        return Err(nothing());
    }
    let folder = files::name(id.name()).ok_or_else(nothing)?;
    let file = session.recording.as_deref().and_then(files::name).ok_or_else(nothing)?;
    Ok((session, folder.join(file)))
}

fn missing(path: &Path, error: &std::io::Error) -> Problem {
    tracing::warn!("recording {} cannot be opened: {error}", path.display());
    Problem::not_found("recording on this host: it may have been pruned")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Problem::internal(&e))?
}

fn attachment(file: File, kind: &'static str, name: &Path) -> Result<Response, Problem> {
    let size = file.metadata().map_err(|e| Problem::internal(&e))?.len();
    let body = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), 64 * 1024));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", name.display())) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[derive(Debug, Default)]
struct Read {
    header: Map<String, Value>,
    events: Vec<Value>,
    total: usize,
}

/// Reads an asciicast. A last line that is still being written, and lines that are not events, are left out.
fn read_page(mut input: impl BufRead, offset: usize, limit: usize) -> std::io::Result<Read> {
    let mut read = Read::default();
    let mut line = Vec::new();
    let mut first = true;
    while next_line(&mut input, &mut line)? {
        if std::mem::take(&mut first) {
            read.header = serde_json::from_slice(&line).unwrap_or_default();
            continue;
        }
        if line.first() != Some(&b'[') {
            continue;
        }
        if read.total >= offset && read.events.len() < limit {
            let Ok(event @ Value::Array(_)) = serde_json::from_slice::<Value>(&line) else { continue };
            read.events.push(event);
        }
        read.total += 1;
    }
    Ok(read)
}

/// The next whole line without its end; lines over [`MOST_LINE`] come back empty.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut dropped = false;
    loop {
        let part = input.fill_buf()?;
        if part.is_empty() {
            return Ok(false);
        }
        let end = part.iter().position(|b| *b == b'\n');
        let taken = end.unwrap_or(part.len());
        if line.len() + taken > MOST_LINE {
            dropped = true;
            line.clear();
        } else if !dropped {
            line.extend_from_slice(part.get(..taken).unwrap_or_default());
        }
        input.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_recording_and_its_torn_tail() {
        let mut text = String::from("{\"version\":2,\"width\":80,\"height\":24}\n");
        for n in 0..10 {
            text.push_str(&format!("[{n}.5,\"o\",\"x\\u001b[0m{n}\"]\n"));
        }
        text.push_str("garbage\n[11.0,\"o\",\"not yet who");
        let read = read_page(text.as_bytes(), 4, 3).unwrap();
        assert_eq!((read.total, read.events.len()), (10, 3));
        assert_eq!(read.events[0], serde_json::json!([4.5, "o", "x\u{1b}[0m4"]));
        assert_eq!(read.header["width"], 80);
        assert_eq!(read_page(&b""[..], 0, 10).unwrap().total, 0);
        let long = format!("{{}}\n[0,\"o\",\"{}\"]\n[1,\"o\",\"y\"]\n", "x".repeat(2 * MOST_LINE));
        assert_eq!(read_page(long.as_bytes(), 0, 10).unwrap().events, [serde_json::json!([1, "o", "y"])]);
    }
}
