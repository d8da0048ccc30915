//! How nginx 1.22 judges requests and writes answers.

use super::{
    dialogue::{Conn, Verdict},
    message::{Answer, Head, http_date, normal, percent},
};

/// The request line: refused at once, or to be followed by headers.
pub(super) fn request_line(line: &[u8], head: &mut Head) -> Verdict {
    if line.len() > 8190 {
        return Verdict::Refuse(Answer { close: true, ..Answer::error(414) });
    }
    let bad = || Verdict::Refuse(Answer { close: true, ..Answer::error(400) });
    let mut words = line.split(|&b| b == b' ').filter(|w| !w.is_empty());
    let (method, target, version, more) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next(), words.next());
    if method.is_empty() || !method.iter().all(|&b| b.is_ascii_uppercase() || b == b'_' || b == b'-') || target.is_empty() || more.is_some()
    {
        return bad();
    }
    if line.iter().any(|&b| b < 0x20 || b == 0x7f) || method == b"CONNECT" {
        return bad();
    }
    if !target.starts_with(b"/") && !target.windows(3).any(|w| w == b"://") {
        return bad();
    }
    head.method = super::dialogue::copy(method);
    head.target = super::dialogue::copy(target);
    let Some(version) = version else {
        head.version = super::dialogue::copy(b"HTTP/0.9");
        return if method == b"GET" { Verdict::Short } else { bad() };
    };
    head.version = super::dialogue::copy(version);
    let Some(digits) = version.strip_prefix(b"HTTP/") else { return bad() };
    if digits.first() == Some(&b'1') && digits.get(1).is_some_and(u8::is_ascii_digit) {
        return Verdict::Refuse(Answer { close: true, ..Answer::error(505) });
    }
    let mut parts = digits.splitn(2, |&b| b == b'.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next());
    let number = |t: &[u8]| t.iter().all(u8::is_ascii_digit) && !t.is_empty() && t.len() < 4;
    match (number(major), minor) {
        (true, Some(minor)) if number(minor) => match major {
            b"1" => Verdict::Headers,
            b"0" => bad(),
            _ => Verdict::Refuse(Answer { close: true, ..Answer::error(505) }),
        },
        (false, _) if major.first().is_some_and(|b| (b'2'..=b'9').contains(b)) => {
            Verdict::Refuse(Answer { close: true, ..Answer::error(505) })
        }
        (true, None) if major.len() > 1 || major > b"1".as_slice() => Verdict::Refuse(Answer { close: true, ..Answer::error(505) }),
        _ => bad(),
    }
}

/// The head as a whole: refused, or to be answered.
pub(super) fn head(head: &Head) -> Result<(), Box<Answer>> {
    let bad = || Box::new(Answer { close: true, ..Answer::error(400) });
    if head.longest > 8190 {
        return Err(Box::new(Answer { close: true, ..Answer::because(400, "Request Header Or Cookie Too Large") }));
    }
    let hidden = head.headers.iter().any(|(n, v)| v.contains(&0) || n.iter().any(|&b| b <= 0x20 || b == 0x7f));
    if hidden
        || head.folded
        || head.headers.is_empty() && head.malformed
        || head.malformed && head.headers.iter().all(|(n, _)| n.iter().all(|&b| super::message::token(b)))
    {
        return Err(bad());
    }
    let host = head.header("host");
    if head.count("host") > 1 || host.is_some_and(|h| h.is_empty() || h.iter().any(|&b| b <= 0x20 || b == b'/' || b == 0x7f)) {
        return Err(bad());
    }
    if host.is_none() && head.version.as_ref() >= b"HTTP/1.1".as_slice() {
        return Err(bad());
    }
    let lengths: Vec<&[u8]> =
        head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(b"content-length")).map(|(_, v)| v.as_ref()).collect();
    if lengths.len() > 1 || lengths.iter().any(|l| l.is_empty() || l.len() > 18 || !l.iter().all(u8::is_ascii_digit)) {
        return Err(bad());
    }
    if let Some(coding) = head.header("transfer-encoding") {
        if !lengths.is_empty() {
            return Err(bad());
        }
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Box::new(Answer { close: true, ..Answer::error(501) }));
        }
    }
    if lengths.iter().any(|l| std::str::from_utf8(l).ok().and_then(|l| l.parse::<u64>().ok()).is_some_and(|n| n > 1024 * 1024)) {
        return Err(Box::new(Answer { close: true, ..Answer::error(413) }));
    }
    if head.method.as_ref() == b"TRACE" {
        return Err(Box::new(Answer { close: true, ..Answer::error(405) }));
    }
    Ok(())
}

/// The decoded path, or why not.
pub(super) fn path(raw: &[u8]) -> Result<Vec<u8>, Box<Answer>> {
    let bad = || Box::new(Answer { close: true, ..Answer::error(400) });
    let decoded = percent(raw).ok_or_else(bad)?;
    if decoded.contains(&0) {
        return Err(bad());
    }
    normal(&decoded).ok_or_else(bad)
}

/// What a method other than reading gets. `None`: read on.
pub(super) fn method(head: &Head) -> Option<Answer> {
    match head.method.as_ref() {
        b"GET" | b"HEAD" => None,
        _ => Some(Answer::error(405)),
    }
}

/// The status line's reason, also the page's title.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        408 => "Request Time-out",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        501 => "Not Implemented",
        503 => "Service Temporarily Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// Writes the answer down.
pub(super) fn write(conn: &Conn<'_>, answer: &Answer, out: &mut Vec<u8>) {
    let mut body = answer.body.clone();
    let mut kind = answer.kind.clone();
    if answer.page {
        let (title, line) = if answer.why.is_empty() || answer.status != 400 {
            (
                format!("{} {}", answer.status, reason(answer.status)),
                format!("<center><h1>{} {}</h1></center>\r\n", answer.status, reason(answer.status)),
            )
        } else {
            (format!("400 {}", answer.why), format!("<center><h1>400 Bad Request</h1></center>\r\n<center>{}</center>\r\n", answer.why))
        };
        body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n{line}<hr><center>{}</center>\r\n</body>\r\n</html>\r\n",
            conn.site.server
        )
        .into();
        kind = "text/html".into();
    }
    if conn.short {
        out.extend_from_slice(&body);
        return;
    }
    let take = |name: &str| answer.before.iter().chain(&answer.after).find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    let mut put = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    put(&format!("HTTP/1.1 {} {}\r\nServer", answer.status, reason(answer.status)), &conn.site.server);
    put("Date", &http_date(conn.now));
    let bodiless = answer.status == 304;
    if !kind.is_empty() && !bodiless {
        put("Content-Type", &kind);
    }
    if !answer.chunked && !bodiless {
        put("Content-Length", &body.len().to_string());
    }
    for name in ["Last-Modified", "Location"] {
        if let Some(value) = take(name) {
            put(name, value);
        }
    }
    let chunk = answer.chunked && !conn.old;
    if chunk {
        put("Transfer-Encoding", "chunked");
    }
    put("Connection", if answer.close || conn.close || answer.chunked && conn.old { "close" } else { "keep-alive" });
    for (name, value) in answer.before.iter().chain(&answer.after) {
        if !matches!(*name, "Last-Modified" | "Location" | "Vary" | "Accept-Ranges" | "Allow")
            || *name == "Vary" && !answer.page && kind.contains("charset")
        {
            put(name, value);
        }
    }
    if let (Some(value), 200) = (take("Accept-Ranges"), answer.status)
        && !answer.chunked
    {
        put("Accept-Ranges", value);
    }
    for (name, value) in &conn.site.extra {
        put(name, value);
    }
    out.extend_from_slice(b"\r\n");
    if conn.head || bodiless {
        return;
    }
    if chunk {
        out.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(b"\r\n0\r\n\r\n");
    } else {
        out.extend_from_slice(&body);
    }
}
