//! How Apache 2.4 judges requests and writes answers.

use super::{
    dialogue::{Conn, Verdict},
    message::{Answer, Head, escaped, normal, percent, token},
};
use crate::http::message::http_date;

/// Methods it knows, so that they are `not allowed` instead of `not implemented`.
const KNOWN: &[&str] = &[
    "GET",
    "PUT",
    "POST",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "VERSION-CONTROL",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "BASELINE-CONTROL",
    "MERGE",
    "HEAD",
];
/// What the file handler allows. The server goes round a hash table whose beginning differs from start to start.
const ALLOW: [&str; 4] = ["GET,POST,OPTIONS,HEAD", "POST,OPTIONS,HEAD,GET", "OPTIONS,HEAD,GET,POST", "HEAD,GET,POST,OPTIONS"];

/// The request line: refused at once, or to be followed by headers.
pub(super) fn request_line(line: &[u8], bare_lf: bool, head: &mut Head) -> Verdict {
    if line.len() > 8190 {
        return Verdict::Refuse(Answer::error(414));
    }
    let bad = || Verdict::Refuse(Answer { close: true, ..Answer::error(400) });
    let mut words = line.splitn(3, |&b| b == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let version = words.next().filter(|v| !v.is_empty());
    if method.is_empty() || !method.iter().all(|&b| token(b)) || target.is_empty() || bare_lf || line.iter().any(|&b| b < 0x20 || b == 0x7f)
    {
        return bad();
    }
    head.method = super::dialogue::copy(method);
    head.target = super::dialogue::copy(target);
    let Some(version) = version else {
        head.version = super::dialogue::copy(b"HTTP/0.9");
        return if method == b"GET" { Verdict::Short } else { bad() };
    };
    head.version = super::dialogue::copy(version);
    let upper = version.to_ascii_uppercase();
    match upper.as_slice() {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() && version.starts_with(b"HTTP/") =>
        {
            if *major == b'0' {
                bad()
            } else {
                Verdict::Headers
            }
        }
        _ => bad(),
    }
}

/// The head as a whole: refused, or to be answered.
pub(super) fn head(head: &Head) -> Result<(), Box<Answer>> {
    let bad = |why: &str| Box::new(Answer { close: true, ..Answer::because(400, why) });
    if head.longest > 8190 {
        return Err(bad("Size of a request header field exceeds server limit."));
    }
    if head.headers.len() > 100 {
        return Err(bad("The number of request header fields exceeds this server's limit."));
    }
    let control = head.headers.iter().any(|(_, v)| v.iter().any(|&b| b < 0x20 && b != b'\t' || b == 0x7f));
    if head.malformed || head.bare_lf || control {
        return Err(bad(""));
    }
    let old = head.version.as_ref() < b"HTTP/1.1".as_slice();
    if head.count("host") > 1
        || !old && head.count("host") == 0
        || head.header("host").is_some_and(|h| (h.is_empty() && !old) || !host_fine(h))
    {
        return Err(bad(""));
    }
    let lengths: Vec<&[u8]> =
        head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(b"content-length")).map(|(_, v)| v.as_ref()).collect();
    if lengths.len() > 1 || lengths.iter().any(|l| l.is_empty() || l.len() > 18 || !l.iter().all(u8::is_ascii_digit)) {
        return Err(bad(""));
    }
    if head.header("transfer-encoding").is_some_and(|t| !t.eq_ignore_ascii_case(b"chunked")) {
        return Err(bad(""));
    }
    let method = head.method.as_ref();
    if !(head.target.starts_with(b"/")
        || head.target.contains(&b':')
        || head.target.as_ref() == b"*" && method == b"OPTIONS"
        || method == b"CONNECT")
        || method == b"CONNECT" && head.target.starts_with(b"/")
        || head.target.contains(&b'#')
    {
        return Err(bad(""));
    }
    Ok(())
}

fn host_fine(host: &[u8]) -> bool {
    host.iter().all(|&b| b.is_ascii_alphanumeric() || b"-._:[]~!$&'()*+,;=%".contains(&b))
}

/// The decoded path, or why not.
pub(super) fn path(raw: &[u8]) -> Result<Vec<u8>, Box<Answer>> {
    let decoded = percent(raw).ok_or_else(|| Box::new(Answer { close: true, ..Answer::error(400) }))?;
    let lower = raw.to_ascii_lowercase();
    if lower.windows(3).any(|w| w == b"%2f" || w == b"%00") {
        return Err(Box::new(Answer::error(404)));
    }
    normal(&decoded).ok_or_else(|| Box::new(Answer { close: true, ..Answer::error(400) }))
}

/// What a method other than reading gets. `None`: read on.
pub(super) fn method(head: &Head, turn: u8) -> Option<Answer> {
    let allow = ALLOW.get(usize::from(turn) % ALLOW.len()).copied().unwrap_or_default();
    let name = String::from_utf8_lossy(&head.method).into_owned();
    match name.as_str() {
        "GET" | "HEAD" | "POST" => None,
        "OPTIONS" if head.target.as_ref() == b"*" => Some(Answer { status: 200, ..Answer::default() }),
        "OPTIONS" => Some(Answer { status: 200, before: vec![("Allow", allow.into())], kind: "text/html".into(), ..Answer::default() }),
        "TRACE" => Some(Answer { before: vec![("Allow", String::new())], ..Answer::because(405, name) }),
        _ if KNOWN.contains(&name.as_str()) => Some(Answer { before: vec![("Allow", allow.into())], ..Answer::because(405, name) }),
        _ => Some(Answer { before: vec![("Allow", allow.into())], close: true, ..Answer::because(501, name) }),
    }
}

/// Title and text of the product's page for a status.
fn words(status: u16, why: &str, location: Option<&str>) -> (&'static str, String) {
    match status {
        301 => ("Moved Permanently", format!("<p>The document has moved <a href=\"{}\">here</a>.</p>\n", escaped(location.unwrap_or_default().as_bytes()))),
        302 => ("Found", format!("<p>The document has moved <a href=\"{}\">here</a>.</p>\n", escaped(location.unwrap_or_default().as_bytes()))),
        400 => ("Bad Request", format!("<p>Your browser sent a request that this server could not understand.<br />\n{why}</p>\n")),
        401 => (
            "Unauthorized",
            "<p>This server could not verify that you\nare authorized to access the document\nrequested.  Either you supplied the wrong\ncredentials (e.g., bad password), or your\nbrowser doesn't understand how to supply\nthe credentials required.</p>\n".into(),
        ),
        403 => ("Forbidden", "<p>You don't have permission to access this resource.</p>\n".into()),
        404 => ("Not Found", "<p>The requested URL was not found on this server.</p>\n".into()),
        405 => ("Method Not Allowed", format!("<p>The requested method {why} is not allowed for this URL.</p>\n")),
        408 => ("Request Timeout", "<p>Server timeout waiting for the HTTP request from the client.</p>\n".into()),
        413 => (
            "Request Entity Too Large",
            "The requested resource does not allow request data with the requested method, or the amount of data provided in\nthe request exceeds the capacity limit.\n".into(),
        ),
        414 => ("Request-URI Too Long", "<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n</p>\n".into()),
        416 => ("Requested Range Not Satisfiable", "<p>None of the range-specifier values in the Range\nrequest-header field overlap the current extent\nof the selected resource.</p>\n".into()),
        417 => (
            "Expectation Failed",
            format!(
                "<p>The expectation given in the Expect request-header\nfield could not be met by this server.\nThe client sent<pre>\n    Expect: {}\n</pre>\n</p><p>Only the 100-continue expectation is supported.</p>\n",
                escaped(why.as_bytes())
            ),
        ),
        501 => ("Not Implemented", format!("<p>{} not supported for current URL.<br />\n</p>\n", escaped(why.as_bytes()))),
        503 => ("Service Unavailable", "<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems. Please try again later.</p>\n".into()),
        _ => (
            "Internal Server Error",
            "<p>The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour request.</p>\n".into(),
        ),
    }
}

/// The status line's reason.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        412 => "Precondition Failed",
        other => words(other, "", None).0,
    }
}

/// Writes the answer down.
pub(super) fn write(conn: &Conn<'_>, answer: &Answer, out: &mut Vec<u8>) {
    let mut body = answer.body.clone();
    let mut kind = answer.kind.clone();
    if answer.page {
        let location = answer.before.iter().find(|(n, _)| *n == "Location").map(|(_, v)| v.as_str());
        let (title, text) = words(answer.status, &answer.why, location);
        // The declaration changed in late 2.4 releases.
        let doctype = if conn.site.patch >= 66 {
            "-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd"
        } else {
            "-//IETF//DTD HTML 2.0//EN"
        };
        let page = format!(
            "<!DOCTYPE HTML PUBLIC \"{doctype}\">\n<html><head>\n<title>{} {title}</title>\n</head><body>\n<h1>{title}</h1>\n{text}<hr>\n<address>{} Server at {} Port {}</address>\n</body></html>\n",
            answer.status,
            conn.site.server,
            escaped(conn.host.as_bytes()),
            conn.port
        );
        body = page.into();
        kind = "text/html; charset=iso-8859-1".into();
    }
    if conn.short {
        out.extend_from_slice(&body);
        return;
    }
    let mut put = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    put(&format!("HTTP/1.1 {} {}\r\nDate", answer.status, reason(answer.status)), &http_date(conn.now));
    put("Server", &conn.site.server);
    for (name, value) in &answer.before {
        put(name, value);
    }
    for (name, value) in &conn.site.extra {
        put(name, value);
    }
    let bodiless = answer.status == 304;
    if !(bodiless || answer.chunked || conn.head && answer.page) {
        put("Content-Length", &body.len().to_string());
    }
    for (name, value) in &answer.after {
        put(name, value);
    }
    if answer.close || conn.close {
        put("Connection", "close");
    } else if conn.asked_keep_alive {
        put("Keep-Alive", &format!("timeout=5, max={}", conn.left));
        put("Connection", "Keep-Alive");
    }
    if answer.chunked && !conn.old && !conn.head && !answer.close {
        put("Transfer-Encoding", "chunked");
    }
    if !kind.is_empty() && !bodiless {
        put("Content-Type", &kind);
    }
    out.extend_from_slice(b"\r\n");
    if conn.head || bodiless {
        return;
    }
    if answer.chunked && !conn.old && !answer.close {
        out.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(b"\r\n0\r\n\r\n");
    } else {
        out.extend_from_slice(&body);
    }
}
