//! The engine's API over its UNIX socket, as much of it as is needed. HTTP/1.0: one request for a connection, and the answer
//! ends with it, so nothing has to be taken apart.

use serde_json::Value;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::Error;

/// Longest answer in bytes.
const LONGEST: u64 = 32 * 1024 * 1024;
/// How long the engine may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// The engine behind a socket.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    socket: PathBuf,
}

impl Engine {
    pub(super) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Asks; the status and what was answered.
    async fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Vec<u8>), Error> {
        let failed = |source: io::Error| {
            Error::Unsupported(format!("the container engine at {} cannot be reached: {source}", self.socket.display()))
        };
        let talk = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            let head =
                format!("{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await?;
            let mut answer = Vec::new();
            stream.take(LONGEST).read_to_end(&mut answer).await?;
            Ok::<_, io::Error>(answer)
        };
        let answer = tokio::time::timeout(PATIENCE, talk).await.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
        parse(&answer).ok_or_else(|| failed(io::Error::other("its answer is not HTTP")))
    }

    /// Asks for JSON with JSON. `Ok(None)`: there is no such thing (404).
    pub(super) async fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Option<Value>, Error> {
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let (status, answer) = self.call(method, path, "application/json", bytes.as_bytes()).await?;
        match status {
            200..=299 | 304 => Ok(Some(serde_json::from_slice(&answer).unwrap_or(Value::Null))),
            404 => Ok(None),
            _ => Err(Error::Refused(format!("the container engine refused {method} {path}: {}", message(&answer)))),
        }
    }

    /// Makes an image of a tar archive, without asking any registry.
    pub(super) async fn import(&self, repository: &str, tag: &str, archive: &[u8]) -> Result<(), Error> {
        let path = format!("/images/create?fromSrc=-&repo={repository}&tag={tag}");
        let (status, answer) = self.call("POST", &path, "application/x-tar", archive).await?;
        if !(200..300).contains(&status) || String::from_utf8_lossy(&answer).contains("\"error\"") {
            return Err(Error::Refused(format!("the container engine refused the image: {}", message(&answer))));
        }
        Ok(())
    }
}

fn message(answer: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(answer).ok().and_then(|v| v.get("message").and_then(Value::as_str).map(str::to_owned));
    said.unwrap_or_else(|| String::from_utf8_lossy(answer).chars().take(300).collect())
}

/// Status and body of an answer.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.lines().next()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.get(end + 4..)?.to_vec()))
}

/// Text as it stands in a query.
pub(super) fn quoted(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{message, parse, quoted};

    #[test]
    fn answers_are_read_to_their_end() {
        assert_eq!(parse(b"HTTP/1.0 201 Created\r\nX: y\r\n\r\n{\"Id\":1}"), Some((201, b"{\"Id\":1}".to_vec())));
        assert_eq!(parse(b"HTTP/1.0 204 No Content\r\n\r\n"), Some((204, Vec::new())));
        for bad in [&b""[..], b"hello", b"HTTP/1.0 x\r\n\r\n", b"HTTP/1.0 200 OK\r\n"] {
            assert_eq!(parse(bad), None);
        }
        assert_eq!(message(br#"{"message":"no such image"}"#), "no such image");
        assert_eq!(quoted(r#"{"a":["b=c"]}"#), "%7B%22a%22%3A%5B%22b%3Dc%22%5D%7D");
    }
}
