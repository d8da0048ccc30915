//! The conversation: greeting, authentication, commands.

use bytes::Bytes;
use model::{Captured, FileWay, Outcome as Result_, Saw, SecretKind};
use rand::RngExt;
use sha1::{Digest, Sha1};
use std::{collections::BTreeMap, time::Duration};

use super::{
    engine::Engine,
    expr::Val,
    message::{Cell, Col, Out, Outcome, Reader, kind},
    scene,
    sql::Parser,
};
use crate::{Dialogue, Heard, Reply, Visit};

/// Largest packet that is waited for; the product's own limit is 16 MiB.
const PACKET_MAX: usize = 4 * 1024 * 1024;
const NATIVE: &[u8] = b"mysql_native_password";
const SESSION_TRACK: u32 = 0x80_0000;
const PLUGIN_AUTH: u32 = 0x8_0000;

#[derive(Debug)]
enum State {
    /// The client's answer to the greeting is next.
    Greeted,
    /// The client's answer to a change of method is next.
    Switched {
        user: Bytes,
        db: Option<Bytes>,
    },
    Inside,
}

/// A prepared statement.
#[derive(Debug)]
struct Prepared {
    sql: Bytes,
    params: usize,
    types: Vec<(u8, bool)>,
}

/// One visitor of the database server.
#[derive(Debug)]
pub(super) struct Mysql {
    visit: Visit,
    engine: Engine,
    state: State,
    salt: [u8; 20],
    capabilities: u32,
    /// Collation of results and bytes a character takes.
    charset: (u16, u32),
    prepared: BTreeMap<u32, Prepared>,
    next_statement: u32,
    out: Out,
}

/// `*…`, as the server keeps passwords.
pub(super) fn password_hash(password: &[u8]) -> String {
    if password.is_empty() {
        return String::new();
    }
    format!("*{}", hex::encode_upper(Sha1::digest(Sha1::digest(password))))
}

/// Whether `response` answers `salt` with `password` (mysql_native_password).
fn answers(password: &[u8], salt: &[u8], response: &[u8]) -> bool {
    let one = Sha1::digest(password);
    let two = Sha1::digest(one);
    let mix = Sha1::new().chain_update(salt).chain_update(two).finalize();
    let right: Vec<u8> = one.iter().zip(mix.iter()).map(|(a, b)| a ^ b).collect();
    subtle::ConstantTimeEq::ct_eq(&right[..], response).into()
}

impl Mysql {
    pub(super) fn new(visit: &Visit) -> Self {
        // Ids follow the time since start, and this visitor's own connections.
        let count = visit
            .memory
            .get("mysql/connections")
            .and_then(|b| std::str::from_utf8(&b).ok().and_then(|t| t.parse::<u32>().ok()))
            .unwrap_or(0)
            + 1;
        visit.memory.set("mysql/connections", count.to_string());
        let up = u32::try_from(visit.at.since(visit.persona.booted).as_secs() / 61).unwrap_or(0);
        let id = 30 + up + count;
        Self {
            engine: Engine::new(visit, id),
            visit: visit.clone(),
            state: State::Greeted,
            salt: [0; 20],
            capabilities: 0,
            charset: (45, 4),
            prepared: BTreeMap::new(),
            next_statement: 1,
            out: Out::default(),
        }
    }

    fn fresh_salt(&mut self, out: &mut Reply) {
        for b in &mut self.salt {
            *b = out.rng().random_range(33..127u8);
        }
    }

    fn flush(&mut self, out: &mut Reply) {
        out.send(&self.out.bytes);
        self.out.bytes.clear();
        for saw in self.engine.notes.drain(..) {
            out.note(saw);
        }
        for (path, bytes, way) in self.engine.files.drain(..) {
            let way: FileWay = way;
            out.keep(path, bytes, way);
        }
    }

    /// The first answer of the client.
    fn handshake(&mut self, body: &[u8], out: &mut Reply) -> bool {
        let mut r = Reader(body);
        let bad = |s: &mut Self| {
            s.out.error(1043, "08S01", "Bad handshake");
            false
        };
        let Some(low) = r.u16() else { return bad(self) };
        if low & 0x200 == 0 {
            self.out.error(
                1251,
                "",
                "Client does not support authentication protocol requested by server; consider upgrading MariaDB client",
            );
            return false;
        }
        let mut r = Reader(body);
        let (Some(capabilities), Some(_), Some(set), Some(_)) = (r.u32(), r.u32(), r.u8(), r.take(23)) else { return bad(self) };
        self.capabilities = capabilities;
        // Clients of the product's own kind leave the first bit free and say more in the padding.
        let more = if capabilities & 1 == 0 { body.get(28..32).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) } else { 0 };
        self.out.no_eof = capabilities & 0x100_0000 != 0;
        self.out.extended = more & 8 != 0;
        self.out.cached = more & 16 != 0;
        self.charset = match set {
            8 | 5 | 15 | 31 | 47..=49 => (u16::from(set), 1),
            33 | 83 | 192..=215 => (u16::from(set), 3),
            45 | 46 | 224..=247 => (u16::from(set), 4),
            63 | 11 | 65 => (u16::from(set), 1),
            _ => (45, 4),
        };
        let Some(user) = r.zero() else { return bad(self) };
        let user = Bytes::copy_from_slice(user.get(..128).unwrap_or(user));
        let response = if capabilities & 0x20_0000 != 0 { r.text() } else { r.u8().and_then(|n| r.take(usize::from(n))) };
        let Some(response) = response else { return bad(self) };
        let db = if capabilities & 8 != 0 { r.zero().filter(|d| !d.is_empty()).map(Bytes::copy_from_slice) } else { None };
        let plugin = if capabilities & PLUGIN_AUTH != 0 { r.zero().unwrap_or(r.0) } else { NATIVE };
        if capabilities & 0x10_0000 != 0 {
            self.note_attributes(&mut r, out);
        }
        if plugin != NATIVE && capabilities & PLUGIN_AUTH != 0 {
            out.note(Saw::noted("auth_method", [("plugin", plugin), ("user", &user), ("response", response)]));
            self.fresh_salt(out);
            let body = [&[0xfe], NATIVE, &[0], &self.salt, &[0]].concat();
            self.out.packet(&body);
            self.state = State::Switched { user, db };
            return true;
        }
        if !response.is_empty() && response.len() != 20 {
            out.note(Saw::noted("auth_malformed", [("user", &user), ("response", response)]));
            return bad(self);
        }
        self.decide(user, response, db, out)
    }

    /// What the client says about itself.
    fn note_attributes(&self, r: &mut Reader<'_>, out: &mut Reply) {
        let Some(all) = r.text() else { return };
        let mut inner = Reader(all);
        let mut text = Vec::new();
        while let (Some(k), Some(v)) = (inner.text(), inner.text()) {
            text.extend_from_slice(k);
            text.push(b'=');
            text.extend_from_slice(v);
            text.push(b' ');
            if text.len() > 2048 {
                break;
            }
        }
        out.note(Saw::noted("client_attributes", [("attributes", &text)]));
    }

    fn decide(&mut self, user: Bytes, response: &[u8], db: Option<Bytes>, out: &mut Reply) -> bool {
        let right = self
            .visit
            .persona
            .account(&user)
            .and_then(|a| a.password.as_ref())
            .is_some_and(|p| answers(p.as_bytes(), &self.salt, response));
        out.note(Saw::AuthAttempt {
            principal: Some(user.clone().into()),
            secret: Captured::copy(response),
            secret_kind: SecretKind::MysqlNativePassword,
            outcome: if right { Result_::Success } else { Result_::Failure },
            challenge: Some(Captured::copy(&self.salt)),
        });
        let name = String::from_utf8_lossy(&user).into_owned();
        if !right {
            let word = if response.is_empty() { "NO" } else { "YES" };
            self.out.error(1045, "28000", &format!("Access denied for user '{name}'@'{}' (using password: {word})", self.visit.peer.ip()));
            return false;
        }
        self.engine.root = name == "root";
        self.engine.user = name;
        self.engine.track = self.capabilities & SESSION_TRACK != 0;
        self.engine.now = out.now();
        self.engine.refresh();
        self.state = State::Inside;
        let mut track = Vec::new();
        if let Some(db) = db {
            match self.engine.use_db(&String::from_utf8_lossy(&db)) {
                Outcome::Error { code, state, text } => {
                    self.out.error(code, state, &text);
                    return false;
                }
                Outcome::Done { track: t, .. } => track = t,
                Outcome::Rows { .. } => {}
            }
        }
        self.out.ok(0, 0, 2, 0, "", &track);
        true
    }

    fn send(&mut self, outcome: Outcome, binary: bool) {
        let status = self.engine.status();
        match outcome {
            Outcome::Done { rows, id, warnings, info, track, flags } => self.out.ok(rows, id, status | flags, warnings, &info, &track),
            Outcome::Rows { cols, rows, flags } => self.out.rows(&cols, &rows, status | flags, self.charset, binary),
            Outcome::Error { code, state, text } => self.out.error(code, state, &text),
        }
    }

    /// One command. Whether the conversation goes on.
    fn command(&mut self, body: &[u8], out: &mut Reply) -> bool {
        let (code, rest) = body.split_first().map_or((0, &[][..]), |(c, r)| (*c, r));
        self.engine.now = out.now();
        match code {
            1 => return false,
            2 => {
                out.note(Saw::noted("init_db", [("database", rest)]));
                let outcome = self.engine.use_db(&String::from_utf8_lossy(rest));
                // This command counts as a change even where USE does not.
                self.send(outcome, false);
            }
            3 => {
                self.note(rest, out);
                let outcome = self.engine.run(rest, Vec::new());
                let slow = std::mem::take(&mut self.engine.sleep);
                if slow > 0.0 {
                    self.flush(out);
                    out.pause(Duration::from_secs_f64(slow));
                }
                self.send(outcome, false);
            }
            4 => self.fields(rest),
            9 => {
                let up = self.engine.uptime().max(1);
                let questions = up / 3 + self.engine.questions;
                let text = format!(
                    "Uptime: {up}  Threads: 2  Questions: {questions}  Slow queries: 0  Opens: {}  Open tables: 21  Queries per second avg: {:.3}",
                    33 + up / 90_000,
                    questions as f64 / up as f64
                );
                self.out.packet(text.as_bytes());
            }
            10 => self.send_sql(b"show full processlist", out),
            12 => {
                let id = Reader(rest).u32().unwrap_or(0);
                self.out.error(1094, "HY000", &format!("Unknown thread id: {id}"));
            }
            13 => {
                if self.engine.root {
                    self.out.eof(2)
                } else {
                    self.out.error(1227, "42000", "Access denied; you need (at least one of) the SUPER privilege(s) for this operation")
                }
            }
            14 | 31 => self.out.ok(0, 0, self.engine.status(), 0, "", &[]),
            17 => {
                let mut r = Reader(rest);
                let user = r.zero().map(Bytes::copy_from_slice);
                match user.and_then(|u| r.u8().and_then(|n| r.take(usize::from(n))).map(|x| (u, x.to_vec()))) {
                    Some((user, response)) if r.0.len() > 1 => {
                        let db = r.zero().filter(|d| !d.is_empty()).map(Bytes::copy_from_slice);
                        return self.decide(user, &response, db, out);
                    }
                    _ => self.out.error(1047, "08S01", "Unknown command"),
                }
            }
            18 => self.out.error(1236, "HY000", "Binary log is not open"),
            22 => self.prepare(rest, out),
            23 => self.execute(rest, out),
            24 => {}
            25 => {
                if let Some(id) = Reader(rest).u32() {
                    self.prepared.remove(&id);
                }
            }
            26 => self.out.ok(0, 0, self.engine.status(), 0, "", &[]),
            27 => self.out.eof(self.engine.status()),
            _ => {
                out.note(Saw::noted("unknown_command", [("packet", body.get(..256).unwrap_or(body))]));
                self.out.error(1047, "08S01", "Unknown command");
            }
        }
        true
    }

    fn note(&self, sql: &[u8], out: &mut Reply) {
        out.note(Saw::Command {
            line: Captured::copy(sql.get(..65_536).unwrap_or(sql)),
            user: Some(self.engine.user.clone()),
            cwd: self.engine.db.clone(),
        });
    }

    fn send_sql(&mut self, sql: &[u8], out: &mut Reply) {
        self.note(sql, out);
        let outcome = self.engine.run(sql, Vec::new());
        self.send(outcome, false);
    }

    fn fields(&mut self, rest: &[u8]) {
        let table = String::from_utf8_lossy(rest.split(|&b| b == 0).next().unwrap_or_default()).into_owned();
        self.engine.refresh();
        let Some(db) = self.engine.db.clone() else {
            return self.out.error(1046, "3D000", "No database selected");
        };
        let Some(found) = self.engine.data.get(&db).and_then(|d| d.get(&table)) else {
            return self.out.error(1146, "42S02", &format!("Table '{db}.{table}' doesn't exist"));
        };
        let cols: Vec<(Col, Cell)> = found
            .columns
            .iter()
            .map(|c| {
                let empty = if c.of.contains("int") || c.of.contains("decimal") { "0" } else { "" };
                let default = if c.nullable {
                    c.default.clone().map(String::into_bytes)
                } else {
                    Some(c.default.clone().unwrap_or_else(|| empty.into()).into_bytes())
                };
                (c.shown(&db, &table, &table), default)
            })
            .collect();
        for (col, default) in cols {
            self.out.column(&col, self.charset, Some(&default));
        }
        self.out.last(2);
    }

    fn prepare(&mut self, sql: &[u8], out: &mut Reply) {
        self.note(sql, out);
        let params = Parser::new(sql).map(|p| p.tokens.iter().filter(|(t, _)| *t == super::sql::Token::Param).count()).unwrap_or(0);
        let dry = sql.trim_ascii_start().get(..6).is_some_and(|s| s.eq_ignore_ascii_case(b"select"))
            || sql.trim_ascii_start().get(..4).is_some_and(|s| s.eq_ignore_ascii_case(b"show"));
        let mut cols = Vec::new();
        let known = [
            &b"insert"[..],
            b"update",
            b"delete",
            b"create",
            b"drop",
            b"set",
            b"replace",
            b"do",
            b"begin",
            b"commit",
            b"call",
            b"alter",
            b"truncate",
            b"rollback",
            b"use",
        ];
        if dry {
            match self.engine.run(sql, vec![Val::Null; params]) {
                Outcome::Rows { cols: c, .. } => cols = c,
                Outcome::Error { code, state, text } => return self.out.error(code, state, &text),
                Outcome::Done { .. } => {}
            }
            self.engine.sleep = 0.0;
        } else if !known.iter().any(|k| sql.trim_ascii_start().get(..k.len()).is_some_and(|s| s.eq_ignore_ascii_case(k))) {
            let outcome = self.engine.run(sql, Vec::new());
            return self.send(outcome, false);
        }
        if self.prepared.len() > 200 {
            return self.out.error(1461, "42000", "Can't create more than max_prepared_stmt_count statements (current value: 16382)");
        }
        let id = self.next_statement;
        self.next_statement += 1;
        let mut body = vec![0];
        body.extend_from_slice(&id.to_le_bytes());
        body.extend_from_slice(&u16::try_from(cols.len()).unwrap_or(0).to_le_bytes());
        body.extend_from_slice(&u16::try_from(params).unwrap_or(0).to_le_bytes());
        body.extend_from_slice(&[0, 0, 0]);
        self.out.packet(&body);
        if params > 0 {
            for _ in 0..params {
                self.out.column(&Col { name: "?".into(), kind: kind::NULL, flags: 0x80, ..Col::default() }, self.charset, None);
            }
            self.out.middle(2);
        }
        if !cols.is_empty() {
            for col in &cols {
                self.out.column(col, self.charset, None);
            }
            self.out.middle(2);
        }
        self.prepared.insert(id, Prepared { sql: Bytes::copy_from_slice(sql), params, types: Vec::new() });
    }

    fn execute(&mut self, rest: &[u8], out: &mut Reply) {
        let mut r = Reader(rest);
        let id = r.u32().unwrap_or(0);
        let _ = r.take(5);
        let Some(mut statement) = self.prepared.remove(&id) else {
            return self.out.error(1243, "HY000", &format!("Unknown prepared statement handler ({id}) given to mysqld_stmt_execute"));
        };
        let mut values = Vec::new();
        if statement.params > 0 {
            let nulls = r.take(statement.params.div_ceil(8)).unwrap_or_default().to_vec();
            if r.u8() == Some(1) {
                statement.types = (0..statement.params).map(|_| (r.u8().unwrap_or(6), r.u8().unwrap_or(0) & 0x80 != 0)).collect();
            }
            for i in 0..statement.params {
                let null = nulls.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
                let (of, _) = statement.types.get(i).copied().unwrap_or((6, false));
                values.push(if null { Val::Null } else { parameter(&mut r, of) });
            }
        }
        let sql = statement.sql.clone();
        let shown: Vec<Vec<u8>> = values.iter().map(Val::bytes).collect();
        out.note(Saw::noted("execute", [("statement", &sql), ("parameters", &shown.join(&b", "[..]))]));
        self.prepared.insert(id, statement);
        let outcome = self.engine.run(&sql, values);
        self.send(outcome, true);
    }
}

fn parameter(r: &mut Reader<'_>, of: u8) -> Val {
    match of {
        6 => Val::Null,
        1 => r.u8().map_or(Val::Null, |n| Val::Int(i64::from(n.cast_signed()))),
        2 => r.u16().map_or(Val::Null, |n| Val::Int(i64::from(n.cast_signed()))),
        3 | 9 => r.u32().map_or(Val::Null, |n| Val::Int(i64::from(n.cast_signed()))),
        8 => r.u64().map_or(Val::Null, |n| Val::Int(n.cast_signed())),
        4 => r.u32().map_or(Val::Null, |n| Val::Real(f64::from(f32::from_bits(n)))),
        5 => r.u64().map_or(Val::Null, |n| Val::Real(f64::from_bits(n))),
        7 | 10 | 12 => {
            let n = r.u8().unwrap_or(0);
            let b = r.take(usize::from(n)).unwrap_or_default();
            let at = |i: usize| b.get(i).copied().unwrap_or(0);
            Val::Text(
                format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", u16::from_le_bytes([at(0), at(1)]), at(2), at(3), at(4), at(5), at(6))
                    .into_bytes(),
            )
        }
        _ => r.text().map_or(Val::Null, |t| Val::Text(t.to_vec())),
    }
}

impl Dialogue for Mysql {
    fn open(&mut self, out: &mut Reply) {
        self.fresh_salt(out);
        let (_, greeting) = scene::version(&self.visit);
        let mut body = vec![10];
        body.extend_from_slice(greeting.as_bytes());
        body.push(0);
        body.extend_from_slice(&self.engine.id.to_le_bytes());
        body.extend_from_slice(&self.salt[..8]);
        body.push(0);
        body.extend_from_slice(&[0xfe, 0xf7, 0x2d, 2, 0, 0xff, 0x81, 21, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0]);
        body.extend_from_slice(&self.salt[8..]);
        body.push(0);
        body.extend_from_slice(NATIVE);
        body.push(0);
        self.out.packet(&body);
        out.note(Saw::noted("greeting", [("salt", &self.salt)]));
        self.flush(out);
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        if matches!(self.state, State::Greeted) && input.starts_with(b"\r\n\r\n") {
            self.out.seq = 1;
            self.out.error(1130, "HY000", &format!("Proxy header is not accepted from {}", self.visit.peer.ip()));
            self.flush(out);
            return Heard::Hangup;
        }
        let Some(&[a, b, c, seq]) = input.first_chunk::<4>() else { return Heard::NeedMore };
        let len = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let expected = match self.state {
            State::Greeted => 1,
            State::Switched { .. } => 3,
            State::Inside => 0,
        };
        if seq != expected {
            out.note(Saw::noted("out_of_order", [("bytes", input.get(..512).unwrap_or(input))]));
            self.out.seq = 1;
            self.out.error(1156, "08S01", "Got packets out of order");
            self.flush(out);
            return Heard::Hangup;
        }
        if len > PACKET_MAX {
            self.out.seq = seq.wrapping_add(1);
            self.out.error(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes");
            self.flush(out);
            return Heard::Hangup;
        }
        let Some(body) = input.get(4..4 + len) else { return Heard::NeedMore };
        self.out.seq = seq.wrapping_add(1);
        let go_on = match std::mem::replace(&mut self.state, State::Inside) {
            State::Greeted => {
                self.state = State::Greeted;
                self.handshake(body, out)
            }
            State::Switched { user, db } => self.decide(user, body, db, out),
            State::Inside => self.command(body, out),
        };
        self.flush(out);
        if go_on { Heard::Used(4 + len) } else { Heard::Hangup }
    }

    fn appetite(&self) -> usize {
        PACKET_MAX + 1024
    }

    fn patience(&self) -> Duration {
        // connect_timeout, then wait_timeout.
        Duration::from_secs(if matches!(self.state, State::Inside) { 28_800 } else { 10 })
    }
}
