//! Logs as a file. Attacker text must neither break the format nor act in the program that opens it.

use std::fmt::Write;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use model::DeckyId;
use serde_json::Value;
use store::{LogQuery, LogRow};

use crate::{
    Api, Problem, ask,
    routes::logs::{ExportParams, Format},
};

/// Rows read at once.
const CHUNK: i64 = 1_000;
/// Rows if `limit` is not given.
const DEFAULT_ROWS: i64 = 1_000_000;
/// Most rows.
const MOST_ROWS: i64 = 10_000_000;

const CSV_HEAD: &str = "id,timestamp,decky,service,event_type,attacker_ip,src_port,dst_port,session_id,event_uuid,msg,fields\r\n";

/// Begins to stream an export.
pub(crate) fn respond(api: &Api, params: ExportParams) -> Result<Response, Problem> {
    let limit = params.limit.unwrap_or(DEFAULT_ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(Problem::invalid(format!("limit must be 1..{MOST_ROWS}")));
    }
    let query = LogQuery {
        search: ask::search(params.search)?,
        start: ask::time("start_time", params.start_time.as_deref())?,
        end: ask::time("end_time", params.end_time.as_deref())?,
        after_id: Some(0),
        limit: CHUNK,
        offset: 0,
    };
    let format = params.format;
    let (kind, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Json => ("application/x-ndjson", "ndjson"),
        Format::Syslog => ("text/plain; charset=utf-8", "log"),
    };
    let head = (format == Format::Csv).then(|| Bytes::from_static(CSV_HEAD.as_bytes()));
    let state = Export { api: api.clone(), query, format, left: limit, head };
    let body = Body::from_stream(futures::stream::unfold(Some(state), |state| async move { state?.next().await }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = format!("attachment; filename=\"decnet-logs-{}.{ending}\"", api.now().seconds());
    if let Ok(value) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

struct Export {
    api: Api,
    query: LogQuery,
    format: Format,
    left: i64,
    head: Option<Bytes>,
}

/// Why a file ends before its end. The connection breaks then: it must not look whole.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Store(#[from] store::Error),
    #[error("the service stops")]
    Stopping,
}

type Step = Option<(Result<Bytes, Broken>, Option<Export>)>;

impl Export {
    async fn next(mut self) -> Step {
        if let Some(head) = self.head.take() {
            return Some((Ok(head), Some(self)));
        }
        if self.left <= 0 {
            return None;
        }
        if self.api.stopping().is_cancelled() {
            return Some((Err(Broken::Stopping), None));
        }
        self.query.limit = CHUNK.min(self.left);
        let plain = self.query.search.is_none() && self.query.start.is_none() && self.query.end.is_none();
        let after = self.query.after_id.unwrap_or(0);
        let read = if plain {
            self.api.store().logs_after(after, self.query.limit).await
        } else {
            self.api.store().logs(&self.query).await.map(|page| page.data)
        };
        match read {
            Err(error) => {
                tracing::warn!("an export broke off: {error}");
                Some((Err(error.into()), None))
            }
            Ok(rows) => {
                let last = rows.last()?.id;
                let mut out = String::with_capacity(rows.len() * 400);
                for row in &rows {
                    match self.format {
                        Format::Csv => csv(row, &mut out),
                        Format::Json => json(row, &mut out),
                        Format::Syslog => syslog(row, &mut out),
                    }
                }
                self.left -= i64::try_from(rows.len()).unwrap_or(i64::MAX);
                self.query.after_id = Some(last);
                Some((Ok(Bytes::from(out)), Some(self)))
            }
        }
    }
}

/// Whether a character could act in a terminal, move the text or end the line.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` with acting characters written as `\u001b`.
fn tame(text: &str, out: &mut String) {
    for c in text.chars() {
        if acts(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

/// A cell: RFC 4180 quoting, and a leading `'` before what a spreadsheet would take for a formula.
fn cell(text: &str, out: &mut String) {
    let mut tamed = String::with_capacity(text.len());
    tame(text, &mut tamed);
    let first = tamed.trim_start().chars().next();
    let runs = matches!(first, Some('=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}'));
    if !runs && !tamed.contains(['"', ',', ' ']) {
        out.push_str(&tamed);
        return;
    }
    out.push('"');
    if runs {
        out.push('\'');
    }
    out.push_str(&tamed.replace('"', "\"\""));
    out.push('"');
}

fn csv(row: &LogRow, out: &mut String) {
    let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
    let fields = serde_json::to_string(&row.fields).unwrap_or_default();
    let _ = write!(out, "{},{}", row.id, row.timestamp.0.rfc3339());
    let ports = (number(row.src_port), number(row.dst_port));
    let cells = [
        &row.decky,
        &row.service,
        &row.event_type,
        &row.attacker_ip,
        &ports.0,
        &ports.1,
        row.session_id.as_deref().unwrap_or_default(),
        &row.event_uuid,
        &row.msg,
        &fields,
    ];
    for text in cells {
        out.push(',');
        cell(text, out);
    }
    out.push_str("\r\n");
}

fn json(row: &LogRow, out: &mut String) {
    let text = serde_json::to_string(row).unwrap_or_default();
    // Control characters are escaped by JSON; the rest that acts stands in strings, where \u is the same.
    tame(&text, out);
    out.push('\n');
}

/// A header field of RFC 5424: printable ASCII without blanks, `-` if nothing is left.
fn header_field(text: &str, most: usize, out: &mut String) {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    out.push_str(if kept.is_empty() { "-" } else { &kept });
}

/// The name of a parameter: header field without `=`, `]` and `"`.
fn param_name(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"')).take(32).collect()
}

fn param(name: &str, value: &str, out: &mut String) {
    let name = param_name(name);
    if name.is_empty() {
        return;
    }
    let mut tamed = String::with_capacity(value.len());
    tame(value, &mut tamed);
    let _ = write!(out, " {name}=\"");
    for c in tamed.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Facility local0, severity informational; one structured element with every field.
fn syslog(row: &LogRow, out: &mut String) {
    let _ = write!(out, "<134>1 {} ", row.timestamp.0.rfc3339());
    header_field(DeckyId::from_stored(row.decky.as_str()).name(), 255, out);
    out.push(' ');
    header_field(&row.service, 48, out);
    out.push_str(" - ");
    header_field(&row.event_type, 32, out);
    out.push_str(" [relay@55555");
    param("id", &row.id.to_string(), out);
    param("event_uuid", &row.event_uuid, out);
    param("decky", &row.decky, out);
    if !row.attacker_ip.is_empty() {
        param("src_ip", &row.attacker_ip, out);
    }
    for (name, port) in [("src_port", row.src_port), ("dst_port", row.dst_port)] {
        if let Some(port) = port {
            param(name, &port.to_string(), out);
        }
    }
    if let Some(sid) = &row.session_id {
        param("sid", sid, out);
    }
    for (name, value) in &row.fields {
        match value {
            Value::Null => {}
            Value::String(text) => param(name, text, out),
            other => param(name, &other.to_string(), out),
        }
    }
    out.push(']');
    if !row.msg.is_empty() {
        out.push_str(" \u{feff}");
        tame(&row.msg, out);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Micros;
    use store::At;

    fn row(msg: &str) -> LogRow {
        let mut fields = serde_json::Map::new();
        fields.insert("user\"]=x".into(), msg.into());
        fields.insert("n".into(), 3.into());
        LogRow {
            id: 1,
            event_uuid: "u".into(),
            timestamp: At(Micros(1_795_469_137_000_001)),
            decky: "local:web-01".into(),
            service: "ssh".into(),
            event_type: "command".into(),
            attacker_ip: "192.0.2.7".into(),
            src_port: Some(4444),
            dst_port: None,
            session_id: None,
            fields,
            msg: msg.into(),
        }
    }

    const HOSTILE: [&str; 9] = [
        "=cmd|'/c calc'!A1",
        "  @SUM(1)",
        "a\"b,c\r\nd",
        "x]\" y=\"z",
        "back\\slash\\]",
        "\u{1b}[2J\u{7}\0",
        "<script>alert(1)</script>",
        "\u{202e}gpj.exe",
        "-2+3",
    ];

    #[test]
    fn a_row_is_one_line_whatever_it_holds() {
        for msg in HOSTILE {
            for (form, end) in [(csv as fn(&LogRow, &mut String), "\r\n"), (json, "\n"), (syslog, "\n")] {
                let mut out = String::new();
                form(&row(msg), &mut out);
                let line = out.strip_suffix(end).unwrap();
                assert!(!line.chars().any(|c| acts(c) && c != '\u{feff}'), "{line:?}");
            }
        }
    }

    /// RFC 4180, as a spreadsheet reads it.
    fn cells(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let (mut quoted, mut chars) = (false, line.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    cells.last_mut().unwrap().push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    }

    #[test]
    fn no_cell_is_a_formula_and_the_text_survives() {
        for msg in HOSTILE {
            let mut out = String::new();
            csv(&row(msg), &mut out);
            let cells = cells(out.trim_end());
            assert_eq!(cells.len(), CSV_HEAD.trim_end().split(',').count(), "{out}");
            assert!(!cells.iter().any(|c| c.trim_start().starts_with(['=', '+', '-', '@'])), "{out}");
        }
        let mut out = String::new();
        cell("say \"hi\", now", &mut out);
        assert_eq!(out, "\"say \"\"hi\"\", now\"");
    }

    #[test]
    fn json_lines_read_back_as_they_were() {
        for msg in HOSTILE {
            let mut out = String::new();
            json(&row(msg), &mut out);
            let value: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(value["msg"], msg);
        }
    }

    /// The value of a parameter, read as RFC 5424 says.
    fn param_of(line: &str, name: &str) -> String {
        let start = line.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        let mut value = String::new();
        let mut chars = line[start..].chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => value.push(chars.next().unwrap()),
                '"' => return value,
                c => value.push(c),
            }
        }
        panic!("no end: {line}");
    }

    #[test]
    fn syslog_is_rfc_5424() {
        let mut out = String::new();
        syslog(&row("x]\" y=\"z\\"), &mut out);
        assert_eq!(
            out,
            "<134>1 2026-11-23T21:25:37.000001Z web-01 ssh - command [relay@55555 id=\"1\" event_uuid=\"u\" decky=\"local:web-01\" \
             src_ip=\"192.0.2.7\" src_port=\"4444\" n=\"3\" userx=\"x\\]\\\" y=\\\"z\\\\\"] \u{feff}x]\" y=\"z\\\n"
        );
        assert_eq!(param_of(&out, "userx"), "x]\" y=\"z\\");
    }
}
