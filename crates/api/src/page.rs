//! The dashboard's files, embedded at build time.

use std::{borrow::Cow, collections::HashMap, sync::OnceLock};

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rust_embed::RustEmbed;

use crate::{Problem, cache};

/// What `npm run build` made; a page that says so if it did not run.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Dist;

struct File {
    bytes: Bytes,
    gzip: OnceLock<Option<Bytes>>,
    etag: HeaderValue,
    kind: HeaderValue,
    /// Named by its content: never changes.
    hashed: bool,
}

static FILES: OnceLock<HashMap<String, File>> = OnceLock::new();

fn files() -> &'static HashMap<String, File> {
    FILES.get_or_init(|| Dist::iter().filter_map(|path| Some((path.to_string(), file(&path)?))).collect())
}

fn file(path: &str) -> Option<File> {
    let bytes = match Dist::get(path)?.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == mime_guess::mime::TEXT || kind.subtype() == mime_guess::mime::JAVASCRIPT {
        format!("{}; charset=utf-8", kind.essence_str())
    } else {
        kind.essence_str().to_owned()
    };
    Some(File {
        etag: cache::etag(&bytes),
        kind: HeaderValue::from_str(&kind).unwrap_or(HeaderValue::from_static("application/octet-stream")),
        hashed: path.starts_with("assets/"),
        gzip: OnceLock::new(),
        bytes,
    })
}

/// Nothing from anywhere else, nothing inline, nothing framed.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Answers everything that is not a route: a file, the page (which has routes of its own), or 404.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return Problem::not_found("route").into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD here").into_response();
    }
    let found = files().get(path).filter(|_| !path.is_empty());
    let last = path.rsplit('/').next().unwrap_or_default();
    match found {
        Some(file) => answer(file, &headers),
        // A missing file is missing; an address of the page is the page.
        None if last.contains('.') && !last.starts_with(|c: char| c.is_ascii_digit()) || path.starts_with("assets/") => {
            Problem::not_found("file").into_response()
        }
        None => files().get("index.html").map_or_else(|| Problem::not_found("dashboard").into_response(), |page| answer(page, &headers)),
    }
}

fn answer(file: &File, headers: &HeaderMap) -> Response {
    let unchanged = cache::matches(headers.get(header::IF_NONE_MATCH), &file.etag);
    let zipped = cache::takes_gzip(headers)
        .then(|| file.gzip.get_or_init(|| Some(cache::gzip(&file.bytes, 9)).filter(|z| z.len() + 64 < file.bytes.len())).clone())
        .flatten();
    let coded = zipped.is_some();
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { zipped.unwrap_or_else(|| file.bytes.clone()).into_response() };
    let out = response.headers_mut();
    out.insert(header::ETAG, file.etag.clone());
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let keep = if file.hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if !unchanged {
        out.insert(header::CONTENT_TYPE, file.kind.clone());
        if coded {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            // Another representation, another weak tag.
            let weak = format!("W/{}", file.etag.to_str().unwrap_or("\"\""));
            if let Ok(weak) = HeaderValue::from_str(&weak) {
                out.insert(header::ETAG, weak);
            }
        }
    }
    response
}
