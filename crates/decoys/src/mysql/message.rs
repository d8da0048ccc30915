//! Packets of the client protocol, version 10.

/// Types of columns on the wire.
pub(super) mod kind {
    pub(in crate::mysql) const LONG: u8 = 3;
    pub(in crate::mysql) const NULL: u8 = 6;
    pub(in crate::mysql) const LONGLONG: u8 = 8;
    pub(in crate::mysql) const DATETIME: u8 = 12;
    pub(in crate::mysql) const DECIMAL: u8 = 246;
    pub(in crate::mysql) const DOUBLE: u8 = 5;
    pub(in crate::mysql) const BLOB: u8 = 252;
    pub(in crate::mysql) const VARCHAR: u8 = 253;
}

/// Description of a result's column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Col {
    pub(super) db: String,
    pub(super) table: String,
    pub(super) org_table: String,
    pub(super) name: String,
    pub(super) org_name: String,
    /// Text in the client's character set; otherwise binary (63).
    pub(super) text: bool,
    /// In characters for text, in bytes otherwise.
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u16,
    pub(super) decimals: u8,
}

impl Col {
    /// A computed text.
    pub(super) fn text(name: &str, len: u32, not_null: bool) -> Self {
        Self { name: name.into(), text: true, len, kind: kind::VARCHAR, flags: u16::from(not_null), decimals: 39, ..Self::default() }
    }

    /// A computed whole number.
    pub(super) fn int(name: &str, len: u32) -> Self {
        Self { name: name.into(), len, kind: if len > 11 { kind::LONGLONG } else { kind::LONG }, flags: 0x81, ..Self::default() }
    }

    /// A column of a schema table, as SHOW gives it.
    pub(super) fn schema(table: &str, name: &str, org_name: &str, len: u32, flags: u16) -> Self {
        Self {
            db: "information_schema".into(),
            table: table.into(),
            org_table: table.into(),
            name: name.into(),
            org_name: org_name.into(),
            text: true,
            len,
            kind: kind::VARCHAR,
            flags: flags | 0x1000,
            decimals: 0,
        }
    }
}

/// A value as text; `None` is NULL.
pub(super) type Cell = Option<Vec<u8>>;

/// What a command came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Done { rows: u64, id: u64, warnings: u16, info: String, track: Vec<u8>, flags: u16 },
    Rows { cols: Vec<Col>, rows: Vec<Vec<Cell>>, flags: u16 },
    Error { code: u16, state: &'static str, text: String },
}

impl Outcome {
    pub(super) fn ok() -> Self {
        Self::Done { rows: 0, id: 0, warnings: 0, info: String::new(), track: Vec::new(), flags: 0 }
    }

    pub(super) fn changed(rows: u64) -> Self {
        Self::Done { rows, id: 0, warnings: 0, info: String::new(), track: Vec::new(), flags: 0 }
    }

    pub(super) fn error(code: u16, state: &'static str, text: impl Into<String>) -> Self {
        Self::Error { code, state, text: text.into() }
    }
}

/// Writes packets with their sequence numbers.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    pub(super) seq: u8,
    /// The client wants no end markers between columns and rows.
    pub(super) no_eof: bool,
    /// The client takes more about a column's type.
    pub(super) extended: bool,
    /// The client may keep descriptions of columns.
    pub(super) cached: bool,
}

impl Out {
    /// One packet. Longer than 16 MiB never happens here.
    pub(super) fn packet(&mut self, body: &[u8]) {
        let n = u32::try_from(body.len()).unwrap_or(0).to_le_bytes();
        self.bytes.extend_from_slice(n.get(..3).unwrap_or_default());
        self.bytes.push(self.seq);
        self.bytes.extend_from_slice(body);
        self.seq = self.seq.wrapping_add(1);
    }

    pub(super) fn ok(&mut self, rows: u64, id: u64, status: u16, warnings: u16, info: &str, track: &[u8]) {
        let mut body = vec![0];
        lenenc(&mut body, rows);
        lenenc(&mut body, id);
        let status = if track.is_empty() { status } else { status | 0x4000 };
        body.extend_from_slice(&status.to_le_bytes());
        body.extend_from_slice(&warnings.to_le_bytes());
        if !info.is_empty() || !track.is_empty() {
            text(&mut body, info.as_bytes());
        }
        if !track.is_empty() {
            text(&mut body, track);
        }
        self.packet(&body);
    }

    pub(super) fn eof(&mut self, status: u16) {
        let s = status.to_le_bytes();
        self.packet(&[0xfe, 0, 0, s[0], s[1]]);
    }

    /// The marker between columns and rows.
    pub(super) fn middle(&mut self, status: u16) {
        if !self.no_eof {
            self.eof(status);
        }
    }

    /// The marker after the last row.
    pub(super) fn last(&mut self, status: u16) {
        let s = status.to_le_bytes();
        if self.no_eof { self.packet(&[0xfe, 0, 0, s[0], s[1], 0, 0]) } else { self.eof(status) }
    }

    pub(super) fn error(&mut self, code: u16, state: &str, text: &str) {
        let mut body = vec![0xff];
        body.extend_from_slice(&code.to_le_bytes());
        if !state.is_empty() {
            body.push(b'#');
            body.extend_from_slice(state.as_bytes());
        }
        body.extend_from_slice(text.as_bytes());
        self.packet(&body);
    }

    pub(super) fn column(&mut self, col: &Col, charset: (u16, u32), default: Option<&Cell>) {
        let mut body = Vec::new();
        text(&mut body, b"def");
        for part in [&col.db, &col.table, &col.org_table, &col.name, &col.org_name] {
            text(&mut body, part.as_bytes());
        }
        if self.extended {
            body.push(0);
        }
        body.push(12);
        let (set, width) = if col.text { charset } else { (63, 1) };
        body.extend_from_slice(&set.to_le_bytes());
        body.extend_from_slice(&col.len.saturating_mul(width).to_le_bytes());
        body.push(col.kind);
        body.extend_from_slice(&col.flags.to_le_bytes());
        body.extend_from_slice(&[col.decimals, 0, 0]);
        match default {
            Some(Some(value)) => text(&mut body, value),
            Some(None) => body.push(0xfb),
            None => {}
        }
        self.packet(&body);
    }

    /// A whole result; `binary`: as a prepared statement gives it.
    pub(super) fn rows(&mut self, cols: &[Col], rows: &[Vec<Cell>], status: u16, charset: (u16, u32), binary: bool) {
        let mut body = Vec::new();
        lenenc(&mut body, cols.len() as u64);
        if self.cached && binary {
            body.push(1);
        }
        self.packet(&body);
        for col in cols {
            self.column(col, charset, None);
        }
        self.middle(status);
        for row in rows {
            let mut body = Vec::new();
            if binary {
                body.push(0);
                let mut nulls = vec![0u8; (cols.len() + 9) / 8];
                for (i, cell) in row.iter().enumerate() {
                    if let (None, Some(b)) = (cell, nulls.get_mut((i + 2) / 8)) {
                        *b |= 1 << ((i + 2) % 8);
                    }
                }
                body.extend_from_slice(&nulls);
            }
            for (cell, col) in row.iter().zip(cols) {
                match (cell, binary) {
                    (None, true) => {}
                    (None, false) => body.push(0xfb),
                    (Some(v), true) => binary_value(&mut body, v, col.kind),
                    (Some(v), false) => text(&mut body, v),
                }
            }
            self.packet(&body);
        }
        self.last(status);
    }
}

fn binary_value(body: &mut Vec<u8>, value: &[u8], of: u8) {
    let shown = String::from_utf8_lossy(value).into_owned();
    match of {
        kind::LONG => body.extend_from_slice(&shown.parse::<i64>().unwrap_or(0).to_le_bytes()[..4]),
        kind::LONGLONG => body.extend_from_slice(&shown.parse::<i64>().unwrap_or(0).to_le_bytes()),
        kind::DOUBLE => body.extend_from_slice(&shown.parse::<f64>().unwrap_or(0.0).to_le_bytes()),
        kind::DATETIME => {
            let n: Vec<u16> = shown.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0)).collect();
            let at = |i: usize| n.get(i).copied().unwrap_or(0);
            let byte = |i: usize| u8::try_from(at(i)).unwrap_or(0);
            let y = at(0).to_le_bytes();
            body.extend_from_slice(&[7, y[0], y[1], byte(1), byte(2), byte(3), byte(4), byte(5)]);
        }
        _ => text(body, value),
    }
}

/// A length-encoded integer.
pub(super) fn lenenc(out: &mut Vec<u8>, n: u64) {
    let b = n.to_le_bytes();
    match n {
        0..251 => out.push(b[0]),
        251..65_536 => {
            out.push(0xfc);
            out.extend_from_slice(&b[..2]);
        }
        65_536..16_777_216 => {
            out.push(0xfd);
            out.extend_from_slice(&b[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&b);
        }
    }
}

/// A length-encoded string.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    lenenc(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what a client sent, piece by piece.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn lenenc(&mut self) -> Option<u64> {
        match self.u8()? {
            0xfc => self.u16().map(u64::from),
            0xfd => self.take(3).map(|b| b.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))),
            0xfe => self.u64(),
            n => Some(u64::from(n)),
        }
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.lenenc()?).ok()?;
        self.take(n)
    }

    /// Up to a NUL, which is taken too.
    pub(super) fn zero(&mut self) -> Option<&'a [u8]> {
        let n = self.0.iter().position(|&b| b == 0)?;
        let found = self.take(n)?;
        self.take(1)?;
        Some(found)
    }
}
