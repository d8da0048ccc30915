//! The bytes of one server-sent event.

use bytes::Bytes;
use serde::Serialize;
use store::LogRow;

/// One event. JSON never holds a raw line break, so one `data:` line is enough.
pub(crate) fn event(name: &str, id: Option<i64>, data: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    if let Some(id) = id {
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(id.to_string().as_bytes());
    }
    out.extend_from_slice(b"\ndata: ");
    if let Err(error) = serde_json::to_writer(&mut out, data) {
        tracing::error!("a stream frame cannot be encoded: {error}");
        return Bytes::new();
    }
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

/// Log rows; `id` is how far the database has been looked at.
pub(crate) fn logs(id: i64, rows: &[impl std::borrow::Borrow<LogRow> + Serialize]) -> Bytes {
    event("logs", Some(id), &rows)
}

/// Keeps the connection and the client's last event id fresh; dispatches nothing.
pub(crate) fn alive(id: i64) -> Bytes {
    Bytes::from(format!(": \nid: {id}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_end_a_frame() {
        let bytes = event("logs", Some(7), &["a\nid: 9\r\n\ndata: x\u{2028}\0"]);
        let text = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(text, "event: logs\nid: 7\ndata: [\"a\\nid: 9\\r\\n\\ndata: x\u{2028}\\u0000\"]\n\n");
    }
}
