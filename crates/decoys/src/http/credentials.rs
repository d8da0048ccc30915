//! Secrets in requests: the Authorization header and urlencoded forms.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use model::{Captured, Outcome, Saw, SecretKind};

use super::message::{Head, percent};

/// What a request offers, the header before the body.
pub(super) fn offered(head: &Head, body: &[u8]) -> Option<Saw> {
    header(head).or_else(|| {
        let kind = head.header("content-type").unwrap_or_default();
        kind.get(..33).is_some_and(|k| k.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")).then(|| form(body)).flatten()
    })
}

fn attempt(principal: Option<&[u8]>, secret: &[u8], kind: SecretKind) -> Saw {
    Saw::AuthAttempt {
        principal: principal.map(Captured::copy),
        secret: Captured::copy(secret),
        secret_kind: kind,
        outcome: Outcome::Observed,
        challenge: None,
    }
}

fn header(head: &Head) -> Option<Saw> {
    let value = head.header("authorization")?;
    let space = value.iter().position(|&b| b == b' ')?;
    let (scheme, rest) = value.split_at(space);
    let rest = rest.trim_ascii();
    match scheme.to_ascii_lowercase().as_slice() {
        b"basic" => {
            let plain = STANDARD.decode(rest).ok()?;
            let colon = plain.iter().position(|&b| b == b':')?;
            Some(attempt(plain.get(..colon), plain.get(colon + 1..)?, SecretKind::Plaintext))
        }
        b"bearer" | b"token" => Some(attempt(None, rest, SecretKind::HttpBearer)),
        b"digest" => {
            let text = String::from_utf8_lossy(rest).into_owned();
            let field = |name: &str| {
                text.split(',').find_map(|p| {
                    let (k, v) = p.split_once('=')?;
                    k.trim().eq_ignore_ascii_case(name).then(|| v.trim().trim_matches('"').to_owned())
                })
            };
            let mut saw =
                attempt(field("username").as_deref().map(str::as_bytes), field("response")?.as_bytes(), SecretKind::HttpDigestMd5);
            if let Saw::AuthAttempt { challenge, .. } = &mut saw {
                // Everything a cracker needs beside the response.
                *challenge = Some(Captured::copy(rest));
            }
            Some(saw)
        }
        _ => None,
    }
}

/// Fields of an urlencoded form, decoded, at most 200.
pub(super) fn fields(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |t: &[u8]| {
        let spaced: Vec<u8> = t.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
        percent(&spaced).unwrap_or(spaced)
    };
    body.split(|&b| b == b'&')
        .take(200)
        .filter(|p| !p.is_empty())
        .map(|p| {
            let n = p.iter().position(|&b| b == b'=').unwrap_or(p.len());
            (decode(p.get(..n).unwrap_or_default()), decode(p.get(n + 1..).unwrap_or_default()))
        })
        .collect()
}

fn form(body: &[u8]) -> Option<Saw> {
    const WHO: &[&str] = &["username", "user", "email", "login", "userid", "account", "log", "user_login", "uname", "pma_username"];
    const WHAT: &[&str] = &["password", "pass", "pwd", "passwd", "passwort", "mot_de_passe", "user_password", "pma_password"];
    let fields = fields(body);
    let find =
        |names: &[&str]| fields.iter().find(|(k, _)| names.iter().any(|n| k.eq_ignore_ascii_case(n.as_bytes()))).map(|(_, v)| v.as_slice());
    Some(attempt(find(WHO), find(WHAT)?, SecretKind::Plaintext))
}

/// Files of a multipart body: name and bytes, at most 32.
pub(super) fn uploads(head: &Head, body: &Bytes) -> Vec<(Vec<u8>, Bytes)> {
    let kind = head.header("content-type").unwrap_or_default();
    let text = String::from_utf8_lossy(kind).into_owned();
    let Some(boundary) = text.to_ascii_lowercase().starts_with("multipart/").then(|| text.split("boundary=").nth(1)).flatten() else {
        return Vec::new();
    };
    let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
    if boundary.is_empty() || boundary.len() > 200 {
        return Vec::new();
    }
    let mark = format!("--{boundary}");
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(begin) = find(body.get(at..).unwrap_or_default(), mark.as_bytes()).map(|n| n + at + mark.len()) {
        let rest = body.get(begin..).unwrap_or_default();
        let Some(gap) = find(rest, b"\r\n\r\n") else { break };
        let name = file_name(rest.get(..gap).unwrap_or_default());
        let data = begin + gap + 4;
        let end = find(body.get(data..).unwrap_or_default(), format!("\r\n{mark}").as_bytes()).map_or(body.len(), |n| n + data);
        if let (Some(name), true) = (name, out.len() < 32) {
            out.push((name, body.slice(data.min(body.len())..end)));
        }
        at = end;
    }
    out
}

fn file_name(headers: &[u8]) -> Option<Vec<u8>> {
    let at = find(headers, b"filename=\"")? + 10;
    let rest = headers.get(at..)?;
    Some(rest.split(|&b| b == b'"').next()?.to_vec())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = what.first()?;
    let mut at = 0;
    loop {
        at += text.get(at..)?.iter().position(|b| b == first)?;
        if text.get(at..)?.starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
}
