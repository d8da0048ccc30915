//! Runs statements on the tables.

use model::{FileWay, Micros, Saw};
use std::cmp::Ordering;

use super::{
    expr::{Scope, Val, Wrong, compare, describe, eval},
    message::{Cell, Col, Outcome},
    scene::{self, Column, Databases, Table},
    sql::{self, Expr, Parser, RESERVED, Token},
};
use crate::{
    Visit,
    shell::fs::{Fs, Who, WriteMode},
};

/// Most bytes of tables one visitor may change.
const QUOTA: usize = 4 * 1024 * 1024;
/// Most rows any result or join may have.
const ROWS_MAX: usize = 20_000;
const SYNTAX: &str = "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the right syntax to use near";

/// One session's view of the server.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) visit: Visit,
    pub(super) version: String,
    pub(super) user: String,
    pub(super) root: bool,
    pub(super) db: Option<String>,
    pub(super) id: u32,
    pub(super) now: Micros,
    pub(super) track: bool,
    pub(super) questions: u64,
    pub(super) transaction: bool,
    pub(super) sleep: f64,
    variables: Vec<(String, Val)>,
    pub(super) warnings: Vec<(u16, String)>,
    params: Vec<Val>,
    pub(super) data: Databases,
    stamp: Option<bytes::Bytes>,
    pub(super) notes: Vec<Saw>,
    pub(super) files: Vec<(String, Vec<u8>, FileWay)>,
    last_id: u64,
}

/// A table in FROM, with its rows.
struct Source {
    alias: String,
    columns: Vec<Column>,
    cols: Vec<Col>,
    rows: Vec<Vec<Cell>>,
}

/// Columns, rows, and whether whole tables were read.
type Picked = (Vec<Col>, Vec<Vec<Cell>>, bool);

struct Row<'a> {
    engine: &'a Engine,
    sources: &'a [Source],
    row: &'a [Vec<Cell>],
    clause: &'static str,
    group: Option<&'a [Vec<Vec<Cell>>]>,
}

impl Scope for Row<'_> {
    fn column(&self, table: Option<&str>, name: &str) -> Result<Val, Wrong> {
        for (source, cells) in self.sources.iter().zip(self.row) {
            if table.is_some_and(|t| !source.alias.eq_ignore_ascii_case(t)) {
                continue;
            }
            if let Some(i) = source.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)) {
                let of = source.columns.get(i).map(|c| c.of.as_str()).unwrap_or_default();
                return Ok(value(cells.get(i).cloned().flatten(), of));
            }
        }
        let shown = table.map_or_else(|| name.to_owned(), |t| format!("{t}.{name}"));
        Err((1054, "42S22", format!("Unknown column '{shown}' in '{}'", self.clause)))
    }

    fn variable(&self, name: &str) -> Result<Val, Wrong> {
        self.engine.variable(name)
    }

    fn call(&self, name: &str, args: &[Val]) -> Option<Val> {
        self.engine.call(name, args)
    }

    fn param(&self, n: usize) -> Val {
        self.engine.params.get(n).cloned().unwrap_or(Val::Null)
    }

    fn now(&self) -> Micros {
        self.engine.now
    }
}

fn value(cell: Cell, of: &str) -> Val {
    match cell {
        None => Val::Null,
        Some(text) => {
            let whole = of.starts_with("int") || of.starts_with("bigint") || of.starts_with("tinyint") || of.starts_with("smallint");
            match std::str::from_utf8(&text).ok().filter(|_| whole).and_then(|t| t.parse().ok()) {
                Some(n) => Val::Int(n),
                None => Val::Text(text),
            }
        }
    }
}

const SUMS: [&str; 6] = ["count", "sum", "max", "min", "avg", "group_concat"];

fn sums(expr: &Expr) -> bool {
    match expr {
        Expr::Call(name, args) => SUMS.contains(&name.as_str()) || args.iter().any(sums),
        Expr::Two(_, a, b) => sums(a) || sums(b),
        Expr::Not(e) | Expr::Minus(e) => sums(e),
        _ => false,
    }
}

impl Engine {
    pub(super) fn new(visit: &Visit, id: u32) -> Self {
        Self {
            version: scene::version(visit).0,
            visit: visit.clone(),
            user: String::new(),
            root: false,
            db: None,
            id,
            now: visit.at,
            track: false,
            questions: 0,
            transaction: false,
            sleep: 0.0,
            variables: Vec::new(),
            warnings: Vec::new(),
            params: Vec::new(),
            data: Databases::new(),
            stamp: None,
            notes: Vec::new(),
            files: Vec::new(),
            last_id: 0,
        }
    }

    /// Brings in what other sessions of this visitor changed.
    pub(super) fn refresh(&mut self) {
        let stored = self.visit.memory.get("mysql/data").unwrap_or_default();
        if self.stamp.as_ref() == Some(&stored) {
            return;
        }
        self.data = serde_json::from_slice(&stored).unwrap_or_else(|_| scene::databases(&self.visit));
        self.stamp = Some(stored);
    }

    fn keep(&mut self) -> bool {
        let bytes = bytes::Bytes::from(serde_json::to_vec(&self.data).unwrap_or_default());
        let weight: usize = self.data.values().flat_map(|d| d.values()).map(Table::weight).sum();
        let fits = weight < QUOTA && self.visit.memory.set("mysql/data", bytes.clone());
        if fits {
            self.stamp = Some(bytes);
        } else {
            self.stamp = None;
            self.refresh();
        }
        fits
    }

    /// Status flags of the session.
    pub(super) fn status(&self) -> u16 {
        2 | u16::from(self.transaction)
    }

    /// Runs one statement.
    pub(super) fn run(&mut self, sql: &[u8], params: Vec<Val>) -> Outcome {
        self.refresh();
        self.questions += 1;
        self.params = params;
        // Only statements that touch tables forget the warnings before them.
        let head = sql.trim_ascii().get(..6).map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
        let lower = sql.get(..4096).unwrap_or(sql).to_ascii_lowercase();
        let tableless = head.starts_with(b"show w") || head == b"select" && !lower.windows(5).any(|w| w == b"from ");
        if !tableless {
            self.warnings.clear();
        }
        let parsed = Parser::new(sql).and_then(|mut p| {
            if p.tokens.is_empty() || p.tokens.iter().all(|(t, _)| *t == Token::Sign(";")) {
                return Ok(Outcome::error(1065, "42000", "Query was empty"));
            }
            self.statement(&mut p)
        });
        let outcome = parsed.unwrap_or_else(|sql::Wrong(at)| {
            let rest = sql.get(at..).unwrap_or_default();
            let near = String::from_utf8_lossy(rest.get(..80.min(rest.len())).unwrap_or_default()).into_owned();
            let line = sql.get(..at).unwrap_or_default().iter().filter(|&&b| b == b'\n').count() + 1;
            Outcome::error(1064, "42000", format!("{SYNTAX} '{near}' at line {line}"))
        });
        if let Outcome::Error { code, text, .. } = &outcome {
            self.warnings = vec![(*code, text.clone())];
        }
        outcome
    }

    fn statement(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        if p.sign("(") {
            // A bracketed SELECT.
            let inner = self.statement(p)?;
            p.need(")")?;
            return Ok(inner);
        }
        let start = p.at;
        let Ok(verb) = p.name() else { return p.wrong() };
        match verb.to_ascii_lowercase().as_str() {
            "select" => self.select(p),
            "show" => self.show(p),
            "describe" | "desc" | "explain" => {
                if p.is("select") {
                    p.at = p.tokens.len();
                    return Ok(Outcome::error(1046, "3D000", "No database selected"));
                }
                let (db, table) = p.table()?;
                p.end()?;
                Ok(self.columns_of(db, &table))
            }
            "use" => {
                let db = p.name()?;
                p.end()?;
                Ok(self.use_db(&db))
            }
            "insert" | "replace" => self.insert(p),
            "update" => self.update(p),
            "delete" => self.delete(p),
            "create" => self.create(p),
            "drop" => self.drop(p),
            "truncate" => {
                p.word("table");
                let name = p.table()?;
                p.end()?;
                Ok(self.with_table(name, |t, _| {
                    t.rows.clear();
                    t.next = 1;
                    Ok(Outcome::ok())
                }))
            }
            "alter" => {
                if !p.word("table") {
                    p.at = p.tokens.len();
                    return Ok(self.need_root(Outcome::ok()));
                }
                let name = p.table()?;
                p.at = p.tokens.len();
                Ok(self.with_table(name, |_, _| {
                    Ok(Outcome::Done {
                        rows: 0,
                        id: 0,
                        warnings: 0,
                        info: "Records: 0  Duplicates: 0  Warnings: 0".into(),
                        track: Vec::new(),
                        flags: 0,
                    })
                }))
            }
            "set" => self.set(p),
            "begin" | "start" => {
                p.at = p.tokens.len();
                self.transaction = true;
                Ok(Outcome::ok())
            }
            "commit" | "rollback" => {
                p.at = p.tokens.len();
                self.transaction = false;
                Ok(Outcome::ok())
            }
            "do" => {
                loop {
                    let e = p.expr()?;
                    if let Err((code, state, text)) = self.alone(&e) {
                        return Ok(Outcome::error(code, state, text));
                    }
                    if !p.sign(",") {
                        break;
                    }
                }
                p.end()?;
                Ok(Outcome::ok())
            }
            "kill" => {
                p.word("query");
                p.word("connection");
                let id = p.number()?;
                p.end()?;
                if id == u64::from(self.id) {
                    return Ok(Outcome::error(1317, "70100", "Query execution was interrupted"));
                }
                Ok(Outcome::error(1094, "HY000", format!("Unknown thread id: {id}")))
            }
            "load" => self.load(p),
            "flush" | "reset" | "purge" | "install" | "uninstall" | "grant" | "revoke" | "rename" | "change" | "shutdown" => {
                p.at = p.tokens.len();
                let what = verb.to_ascii_lowercase();
                self.notes.push(Saw::noted("administration", [("statement", p.sql.get(..512).unwrap_or(p.sql))]));
                Ok(match what.as_str() {
                    "install" => self.need_root(Outcome::error(1126, "HY000", "Can't open shared library '/usr/lib/mysql/plugin/' (errno: 2, cannot open shared object file: No such file or directory)")),
                    _ => self.need_root(Outcome::ok()),
                })
            }
            "lock" | "unlock" | "analyze" | "optimize" | "check" | "prepare" | "execute" | "deallocate" | "savepoint" | "handler" => {
                p.at = p.tokens.len();
                Ok(Outcome::ok())
            }
            _ => {
                p.at = start;
                p.wrong()
            }
        }
    }

    fn need_root(&self, fine: Outcome) -> Outcome {
        if self.root {
            fine
        } else {
            Outcome::error(1227, "42000", "Access denied; you need (at least one of) the SUPER privilege(s) for this operation")
        }
    }

    pub(super) fn use_db(&mut self, name: &str) -> Outcome {
        let known = self.known(name);
        if !known {
            return Outcome::error(1049, "42000", format!("Unknown database '{name}'"));
        }
        if !self.may(name) {
            return Outcome::error(1044, "42000", format!("Access denied for user '{}'@'%' to database '{name}'", self.user));
        }
        self.db = Some(name.to_owned());
        let mut track = Vec::new();
        if self.track {
            let mut inner = Vec::new();
            super::message::text(&mut inner, name.as_bytes());
            track.push(1);
            super::message::text(&mut track, &inner);
        }
        Outcome::Done { rows: 0, id: 0, warnings: 0, info: String::new(), track, flags: 0 }
    }

    /// Whether the database exists.
    pub(super) fn known(&self, name: &str) -> bool {
        self.data.contains_key(name)
            || matches!(name.to_ascii_lowercase().as_str(), "information_schema")
            || matches!(name, "mysql" | "performance_schema" | "sys")
    }

    /// Whether this account may look into it.
    pub(super) fn may(&self, name: &str) -> bool {
        self.root || self.data.contains_key(name) || name.eq_ignore_ascii_case("information_schema")
    }

    fn target(&self, name: (Option<String>, String)) -> Result<(String, String), Wrong> {
        let db = name.0.or_else(|| self.db.clone()).ok_or((1046, "3D000", "No database selected".to_owned()))?;
        Ok((db, name.1))
    }

    fn with_table(&mut self, name: (Option<String>, String), change: impl FnOnce(&mut Table, &str) -> Result<Outcome, Wrong>) -> Outcome {
        let (db, table) = match self.target(name) {
            Ok(found) => found,
            Err((code, state, text)) => return Outcome::error(code, state, text),
        };
        if !self.data.contains_key(&db) && !self.root {
            return Outcome::error(
                1142,
                "42000",
                format!("UPDATE command denied to user '{}'@'{}' for table `{db}`.`{table}`", self.user, self.visit.peer.ip()),
            );
        }
        let Some(found) = self.data.get_mut(&db).and_then(|d| d.get_mut(&table)) else {
            return Outcome::error(1146, "42S02", format!("Table '{db}.{table}' doesn't exist"));
        };
        match change(found, &format!("{db}.{table}")) {
            Ok(outcome) => {
                if self.keep() {
                    outcome
                } else {
                    Outcome::error(1114, "HY000", format!("The table '{table}' is full"))
                }
            }
            Err((code, state, text)) => {
                self.stamp = None;
                Outcome::error(code, state, text)
            }
        }
    }

    fn alone(&self, expr: &Expr) -> Result<Val, Wrong> {
        eval(expr, &Row { engine: self, sources: &[], row: &[], clause: "SELECT", group: None })
    }

    fn call(&self, name: &str, args: &[Val]) -> Option<Val> {
        let text = |s: String| Some(Val::Text(s.into_bytes()));
        match name {
            "version" => text(self.version.clone()),
            "user" | "session_user" | "system_user" => text(format!("{}@{}", self.user, self.visit.peer.ip())),
            "current_user" => text(format!("{}@%", self.user)),
            "database" | "schema" => Some(self.db.as_ref().map_or(Val::Null, |d| Val::Text(d.clone().into_bytes()))),
            "now" | "current_timestamp" | "sysdate" | "localtime" | "utc_timestamp" => text(scene::stamp(self.now)),
            "curdate" | "current_date" => text(scene::stamp(self.now).get(..10).unwrap_or_default().to_owned()),
            "curtime" | "current_time" => text(scene::stamp(self.now).get(11..).unwrap_or_default().to_owned()),
            "connection_id" => Some(Val::Int(i64::from(self.id))),
            "last_insert_id" => Some(Val::Int(i64::try_from(self.last_id).unwrap_or(0))),
            "row_count" | "found_rows" => Some(Val::Int(0)),
            "sleep" => Some(Val::Int(0)),
            "uuid" => {
                let h = hex::encode(self.visit.derive(&format!("mysql/uuid/{}", self.now.0)));
                text(format!("{}-{}-11{}-{}-{}", h.get(..8)?, h.get(8..12)?, h.get(12..14)?, h.get(16..20)?, h.get(20..32)?))
            }
            "load_file" => {
                let path = args.first().map(Val::bytes).unwrap_or_default();
                if !self.root {
                    return Some(Val::Null);
                }
                let fs = Fs::of(&self.visit, self.now);
                Some(fs.read(&Who { uid: 114, gid: 119, groups: vec![119] }, &path).map_or(Val::Null, |b| Val::Text(b.to_vec())))
            }
            _ => None,
        }
    }

    fn variable(&self, name: &str) -> Result<Val, Wrong> {
        let Some(system) = name.strip_prefix("@@") else {
            let key = name.trim_start_matches('@').to_ascii_lowercase();
            return Ok(self.variables.iter().find(|(k, _)| *k == key).map_or(Val::Null, |(_, v)| v.clone()));
        };
        let lower = system.to_ascii_lowercase();
        let bare = lower.strip_prefix("global.").or(lower.strip_prefix("session.")).or(lower.strip_prefix("local.")).unwrap_or(&lower);
        let found = self.system_variable(bare).ok_or_else(|| (1193, "HY000", format!("Unknown system variable '{bare}'")))?;
        Ok(match found.as_str() {
            "" if matches!(bare, "secure_file_priv" | "plugin_load" | "init_file") => Val::Null,
            "ON" => Val::Int(1),
            "OFF" => Val::Int(0),
            text => text.parse().map_or_else(|_| Val::Text(text.as_bytes().to_vec()), Val::Int),
        })
    }

    /// Reads FROM.
    fn source(&self, name: (Option<String>, String), alias: Option<String>) -> Result<Source, Wrong> {
        let (db, table) = self.target(name)?;
        let shown = alias.unwrap_or_else(|| table.clone());
        if let Some(found) = self.data.get(&db).and_then(|d| d.get(&table)) {
            let cols = found.columns.iter().map(|c| c.shown(&db, &shown, &table)).collect();
            return Ok(Source { cols, columns: found.columns.clone(), rows: found.rows.clone(), alias: shown });
        }
        if let Some((columns, rows)) = self.system_table(&db, &table) {
            let upper = table.to_ascii_uppercase();
            let schema = db.eq_ignore_ascii_case("information_schema");
            let cols = columns
                .iter()
                .map(|c| {
                    if schema {
                        Col {
                            table: shown.clone(),
                            ..Col::schema(&upper, &c.name, &c.name.to_ascii_uppercase(), 64, u16::from(!c.nullable))
                        }
                    } else {
                        c.shown(&db, &shown, &table)
                    }
                })
                .collect();
            return Ok(Source { cols, columns, rows, alias: shown });
        }
        if !self.known(&db) {
            return Err((1146, "42S02", format!("Table '{db}.{table}' doesn't exist")));
        }
        if !self.may(&db) {
            return Err((
                1142,
                "42000",
                format!("SELECT command denied to user '{}'@'{}' for table `{db}`.`{table}`", self.user, self.visit.peer.ip()),
            ));
        }
        if db.eq_ignore_ascii_case("information_schema") {
            return Err((1109, "42S02", format!("Unknown table '{table}' in information_schema")));
        }
        Err((1146, "42S02", format!("Table '{db}.{table}' doesn't exist")))
    }

    fn alias(p: &mut Parser<'_>) -> Result<Option<String>, sql::Wrong> {
        if p.word("as") {
            return p.name().map(Some);
        }
        match p.peek() {
            Some(Token::Word(w))
                if !RESERVED
                    .iter()
                    .chain(&["cross", "natural", "for", "lock", "offset", "procedure", "use", "force", "ignore"])
                    .any(|r| w.eq_ignore_ascii_case(r)) =>
            {
                p.name().map(Some)
            }
            Some(Token::Name(_)) => p.name().map(Some),
            Some(Token::Text(t)) => {
                let t = String::from_utf8_lossy(t).into_owned();
                p.at += 1;
                Ok(Some(t))
            }
            _ => Ok(None),
        }
    }

    fn select(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        let mut outcome = self.select_one(p)?;
        while p.word("union") {
            let all = p.word("all");
            p.word("distinct");
            p.sign("(");
            if !p.word("select") {
                return p.wrong();
            }
            let second = self.select_one(p)?;
            p.sign(")");
            outcome = match (outcome, second) {
                (Outcome::Rows { mut cols, mut rows, .. }, Outcome::Rows { cols: more, rows: added, .. }) => {
                    if cols.len() != more.len() {
                        return Ok(Outcome::error(1222, "21000", "The used SELECT statements have a different number of columns"));
                    }
                    for (col, other) in cols.iter_mut().zip(more) {
                        if col.text != other.text || col.kind != other.kind {
                            col.text = true;
                            col.kind = super::message::kind::VARCHAR;
                        }
                        col.len = col.len.max(other.len);
                        col.decimals = 0;
                        col.org_name.clone_from(&col.name);
                    }
                    rows.extend(added);
                    if !all {
                        let mut seen = std::collections::HashSet::new();
                        rows.retain(|r| seen.insert(r.clone()));
                    }
                    Outcome::Rows { cols, rows, flags: 0x20 }
                }
                (Outcome::Error { code, state, text }, _) | (_, Outcome::Error { code, state, text }) => {
                    Outcome::Error { code, state, text }
                }
                (first, _) => first,
            };
        }
        if p.tokens.get(p.at).is_some_and(|(t, _)| *t == Token::Sign(")")) {
            return Ok(outcome);
        }
        p.end()?;
        Ok(outcome)
    }

    fn select_one(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        let mut distinct = false;
        while let Some(word) =
            ["distinct", "all", "sql_no_cache", "sql_calc_found_rows", "distinctrow", "high_priority"].into_iter().find(|w| p.word(w))
        {
            distinct |= word.starts_with("distinct");
        }
        let mut items = Vec::new();
        loop {
            let from = p.place();
            let expr = p.expr()?;
            let until = p.tokens.get(p.at.wrapping_sub(1)).map_or(from, |_| p.place());
            let title = String::from_utf8_lossy(p.sql.get(from..until).unwrap_or_default().trim_ascii()).into_owned();
            let alias = Self::alias(p)?;
            items.push((expr, title.trim_end_matches([',', ';']).trim_end().to_owned(), alias));
            if !p.sign(",") {
                break;
            }
        }
        let mut into = self.file_target(p)?;
        let mut sources = Vec::new();
        let mut on = Vec::new();
        let mut problem: Option<Wrong> = None;
        if p.word("from") {
            loop {
                let name = p.table()?;
                let alias = Self::alias(p)?;
                if name.0.is_none() && name.1.eq_ignore_ascii_case("dual") {
                } else {
                    match self.source(name, alias) {
                        Ok(source) => sources.push(source),
                        Err(wrong) => problem = problem.or(Some(wrong)),
                    }
                }
                let comma = p.sign(",");
                let joined = comma || {
                    let outer = p.word("left") || p.word("right");
                    let _ = p.word("outer") || p.word("inner") || p.word("cross");
                    let join = p.word("join");
                    if outer && !join {
                        return p.wrong();
                    }
                    join
                };
                if p.word("on") {
                    on.push(p.expr()?);
                }
                if !joined {
                    while p.word("join") || p.words(&["inner", "join"]) || p.words(&["left", "join"]) {
                        let name = p.table()?;
                        let alias = Self::alias(p)?;
                        match self.source(name, alias) {
                            Ok(source) => sources.push(source),
                            Err(wrong) => problem = problem.or(Some(wrong)),
                        }
                        if p.word("on") {
                            on.push(p.expr()?);
                        }
                    }
                    break;
                }
            }
        }
        let filter = if p.word("where") { Some(p.expr()?) } else { None };
        let mut group = Vec::new();
        if p.words(&["group", "by"]) {
            loop {
                group.push(p.expr()?);
                if !p.sign(",") {
                    break;
                }
            }
        }
        let having = if p.word("having") { Some(p.expr()?) } else { None };
        let mut order = Vec::new();
        if p.words(&["order", "by"]) {
            loop {
                let e = p.expr()?;
                let down = p.word("desc");
                p.word("asc");
                order.push((e, down));
                if !p.sign(",") {
                    break;
                }
            }
        }
        let mut limit = None;
        if p.word("limit") {
            let first = p.number()?;
            limit = Some(if p.sign(",") {
                (first, p.number()?)
            } else if p.word("offset") {
                (p.number()?, first)
            } else {
                (0, first)
            });
        }
        if into.is_none() {
            into = self.file_target(p)?;
        }
        let _ = p.words(&["for", "update"]);
        if let Some((code, state, text)) = problem {
            return Ok(Outcome::error(code, state, text));
        }
        let asleep = items.iter().find_map(|(e, ..)| match e {
            Expr::Call(n, args) if n == "sleep" => args.first().and_then(|a| self.alone(a).ok()).and_then(|v| v.number()),
            _ => None,
        });
        self.sleep = asleep.unwrap_or(0.0).clamp(0.0, 300.0);
        let rows = self.pick(&sources, &items, on, filter, &group, having, &order, distinct, limit);
        let (cols, rows, full) = match rows {
            Ok(found) => found,
            Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
        };
        if let Some((path, dump)) = into {
            return Ok(self.write_file(&path, dump, &rows, if full { 0x20 } else { 0 }));
        }
        Ok(Outcome::Rows { cols, rows, flags: if full { 0x20 } else { 0 } })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a SELECT")]
    fn pick(
        &self,
        sources: &[Source],
        items: &[(Expr, String, Option<String>)],
        on: Vec<Expr>,
        filter: Option<Expr>,
        group: &[Expr],
        having: Option<Expr>,
        order: &[(Expr, bool)],
        distinct: bool,
        limit: Option<(u64, u64)>,
    ) -> Result<Picked, Wrong> {
        // Every combination of rows, checked as it grows.
        let mut joined: Vec<Vec<Vec<Cell>>> = vec![Vec::new()];
        for (n, source) in sources.iter().enumerate() {
            let mut next = Vec::new();
            for row in &joined {
                for cells in &source.rows {
                    let mut grown = row.clone();
                    grown.push(cells.clone());
                    let scope =
                        Row { engine: self, sources: sources.get(..=n).unwrap_or_default(), row: &grown, clause: "ON", group: None };
                    if n > 0 && on.get(n - 1).is_some_and(|e| eval(e, &scope).is_ok_and(|v| v.truth() != Some(true))) {
                        continue;
                    }
                    next.push(grown);
                    if next.len() > ROWS_MAX {
                        return Err((1104, "42000", "The SELECT would examine more than MAX_JOIN_SIZE rows; check your WHERE and use SET SQL_BIG_SELECTS=1 or SET MAX_JOIN_SIZE=# if the SELECT is okay".into()));
                    }
                }
            }
            joined = next;
        }
        let by_key = filter.as_ref().is_some_and(|f| matches!(f, Expr::Two("=", a, _) if matches!(&**a, Expr::Column(_, c) if sources.iter().any(|s| s.columns.iter().any(|k| k.primary && k.name.eq_ignore_ascii_case(c))))));
        let full = !sources.is_empty() && !by_key && limit.is_none_or(|(_, n)| n > 0);
        let empty: Vec<Vec<Cell>> = sources.iter().map(|s| vec![None; s.columns.len()]).collect();
        if let Some(filter) = &filter {
            eval(filter, &Row { engine: self, sources, row: &empty, clause: "WHERE", group: None })?;
            let mut kept = Vec::new();
            for row in joined {
                if eval(filter, &Row { engine: self, sources, row: &row, clause: "WHERE", group: None })?.truth() == Some(true) {
                    kept.push(row);
                }
            }
            joined = kept;
        }
        // What is asked for, with the stars spread out.
        let mut wanted: Vec<(Expr, Option<Col>, String)> = Vec::new();
        for (expr, title, alias) in items {
            match expr {
                Expr::Star(of) => {
                    if sources.is_empty() {
                        return Err((1096, "HY000", "No tables used".into()));
                    }
                    let mut any = false;
                    for source in sources.iter().filter(|s| of.as_ref().is_none_or(|t| s.alias.eq_ignore_ascii_case(t))) {
                        any = true;
                        for (column, col) in source.columns.iter().zip(&source.cols) {
                            wanted.push((
                                Expr::Column(Some(source.alias.clone()), column.name.clone()),
                                Some(col.clone()),
                                column.name.clone(),
                            ));
                        }
                    }
                    if !any {
                        return Err((1051, "42S02", format!("Unknown table '{}'", of.clone().unwrap_or_default())));
                    }
                }
                Expr::Column(table, name) => {
                    let col = sources
                        .iter()
                        .filter(|s| table.as_ref().is_none_or(|t| s.alias.eq_ignore_ascii_case(t)))
                        .find_map(|s| s.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)).and_then(|i| s.cols.get(i)))
                        .cloned();
                    let shown = alias.clone().unwrap_or_else(|| name.clone());
                    wanted.push((expr.clone(), col.map(|c| Col { name: shown.clone(), ..c }), shown));
                }
                Expr::Text(t) => {
                    wanted.push((expr.clone(), None, alias.clone().unwrap_or_else(|| String::from_utf8_lossy(t).into_owned())))
                }
                Expr::Null => wanted.push((expr.clone(), None, alias.clone().unwrap_or_else(|| "NULL".into()))),
                _ => wanted.push((expr.clone(), None, alias.clone().unwrap_or_else(|| title.clone()))),
            }
        }
        for (expr, ..) in &wanted {
            eval_group(expr, &Row { engine: self, sources, row: &empty, clause: "SELECT", group: Some(&[]) })?;
        }
        let grouped = !group.is_empty() || wanted.iter().any(|(e, ..)| sums(e));
        let mut groups: Vec<Vec<Vec<Vec<Cell>>>> = Vec::new();
        if grouped {
            let mut keys: Vec<Vec<Val>> = Vec::new();
            for row in joined {
                let mut key = Vec::new();
                for e in group {
                    key.push(eval(e, &Row { engine: self, sources, row: &row, clause: "GROUP BY", group: None })?);
                }
                match keys.iter().position(|k| *k == key) {
                    Some(i) => groups.get_mut(i).map(|g| g.push(row)).unwrap_or_default(),
                    None => {
                        keys.push(key);
                        groups.push(vec![row]);
                    }
                }
            }
            if groups.is_empty() && group.is_empty() {
                groups.push(Vec::new());
            }
        } else {
            groups = joined.into_iter().map(|r| vec![r]).collect();
        }
        let mut lines: Vec<(Vec<Val>, Vec<Val>)> = Vec::new();
        for members in &groups {
            let first = members.first().unwrap_or(&empty);
            let scope = Row { engine: self, sources, row: first, clause: "SELECT", group: grouped.then_some(members.as_slice()) };
            let mut cells = Vec::new();
            for (expr, ..) in &wanted {
                cells.push(eval_group(expr, &scope)?);
            }
            let pick = |e: &Expr| -> Option<Val> {
                match e {
                    Expr::Int(n) => usize::try_from(*n).ok().and_then(|n| cells.get(n.wrapping_sub(1)).cloned()),
                    Expr::Column(None, name) => {
                        wanted.iter().position(|(_, _, t)| t.eq_ignore_ascii_case(name)).and_then(|i| cells.get(i).cloned())
                    }
                    _ => None,
                }
            };
            if let Some(having) = &having {
                let truth = pick(having).map_or_else(|| eval_group(having, &scope), Ok)?.truth();
                if truth != Some(true) {
                    continue;
                }
            }
            let mut keys = Vec::new();
            for (e, _) in order {
                let scope = Row {
                    clause: "ORDER BY",
                    ..Row { engine: self, sources, row: first, clause: "", group: grouped.then_some(members.as_slice()) }
                };
                keys.push(match pick(e) {
                    Some(v) => v,
                    None if matches!(e, Expr::Int(_)) => {
                        return Err((
                            1054,
                            "42S22",
                            format!("Unknown column '{}' in 'ORDER BY'", if let Expr::Int(n) = e { *n } else { 0 }),
                        ));
                    }
                    None => eval_group(e, &scope)?,
                });
            }
            lines.push((keys, cells));
        }
        if !order.is_empty() {
            lines.sort_by(|a, b| {
                for ((x, y), (_, down)) in a.0.iter().zip(&b.0).zip(order) {
                    let o = match (x, y) {
                        (Val::Null, Val::Null) => Ordering::Equal,
                        (Val::Null, _) => Ordering::Less,
                        (_, Val::Null) => Ordering::Greater,
                        _ => compare(x, y).unwrap_or(Ordering::Equal),
                    };
                    if o != Ordering::Equal {
                        return if *down { o.reverse() } else { o };
                    }
                }
                Ordering::Equal
            });
        }
        if distinct {
            let mut seen: Vec<Vec<Cell>> = Vec::new();
            lines.retain(|(_, c)| {
                let cells: Vec<Cell> = c.iter().map(Val::cell).collect();
                let fresh = !seen.contains(&cells);
                if fresh {
                    seen.push(cells);
                }
                fresh
            });
        }
        if let Some((skip, take)) = limit {
            lines = lines
                .into_iter()
                .skip(usize::try_from(skip).unwrap_or(usize::MAX))
                .take(usize::try_from(take).unwrap_or(usize::MAX))
                .collect();
        }
        let cols = wanted
            .iter()
            .enumerate()
            .map(|(i, (expr, col, title))| {
                col.clone().unwrap_or_else(|| describe(expr, title, lines.first().and_then(|(_, c)| c.get(i)).unwrap_or(&Val::Null)))
            })
            .collect();
        let plain_max = grouped
            && group.is_empty()
            && filter.is_none()
            && wanted.iter().all(|(e, ..)| matches!(e, Expr::Call(n, _) if n == "max" || n == "min"));
        Ok((cols, lines.into_iter().map(|(_, c)| c.iter().map(Val::cell).collect()).collect(), full && !plain_max))
    }

    /// `INTO OUTFILE` or `INTO DUMPFILE`.
    fn file_target(&self, p: &mut Parser<'_>) -> Result<Option<(Vec<u8>, bool)>, sql::Wrong> {
        if !p.word("into") {
            return Ok(None);
        }
        let dump = p.word("dumpfile");
        if !dump && !p.word("outfile") {
            return p.wrong();
        }
        let path = p.text()?;
        // FIELDS and LINES options.
        while p.word("fields")
            || p.word("lines")
            || p.word("terminated")
            || p.word("enclosed")
            || p.word("escaped")
            || p.word("optionally")
            || p.word("starting")
            || p.word("by")
            || p.text().is_ok()
        {}
        Ok(Some((path, dump)))
    }

    fn write_file(&mut self, path: &[u8], dump: bool, rows: &[Vec<Cell>], flags: u16) -> Outcome {
        let mut bytes = Vec::new();
        for row in rows {
            for (i, cell) in row.iter().enumerate() {
                if i > 0 && !dump {
                    bytes.push(b'\t');
                }
                match cell {
                    None if dump => {}
                    None => bytes.extend_from_slice(b"\\N"),
                    Some(v) => bytes.extend_from_slice(v),
                }
            }
            if !dump {
                bytes.push(b'\n');
            }
        }
        let shown = String::from_utf8_lossy(path).into_owned();
        self.notes.push(Saw::noted("into_file", [("path", path)]));
        self.files.push((shown.clone(), bytes.clone(), FileWay::Written));
        if !self.root {
            return Outcome::error(1227, "42000", "Access denied; you need (at least one of) the FILE privilege(s) for this operation");
        }
        let full = if shown.starts_with('/') { shown.clone() } else { format!("/var/lib/mysql/{shown}") };
        let fs = Fs::of(&self.visit, self.now);
        let who = Who { uid: 114, gid: 119, groups: vec![119] };
        if fs.lstat(&Who::root(), full.as_bytes()).is_ok() {
            return Outcome::error(1086, "HY000", format!("File '{shown}' already exists"));
        }
        match fs.write(&who, full.as_bytes(), &bytes, WriteMode::Truncate, 0o644, self.now) {
            Ok(()) => Outcome::Done { rows: rows.len() as u64, id: 0, warnings: 0, info: String::new(), track: Vec::new(), flags },
            Err(_) => {
                let parent = full.rsplit_once('/').map_or("/", |(p, _)| p);
                let missing = fs.stat(&Who::root(), parent.as_bytes()).is_err() && !parent.is_empty();
                let (n, why) = if missing { (2, "No such file or directory") } else { (13, "Permission denied") };
                Outcome::error(1, "HY000", format!("Can't create/write to file '{shown}' (Errcode: {n} \"{why}\")"))
            }
        }
    }

    fn insert(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        let _ = p.word("ignore") || p.word("low_priority") || p.word("delayed");
        p.word("into");
        let name = p.table()?;
        let mut columns: Vec<String> = Vec::new();
        let mut rows: Vec<Vec<Expr>> = Vec::new();
        if p.word("set") {
            let mut row = Vec::new();
            loop {
                columns.push(p.name()?);
                p.need("=")?;
                row.push(p.expr()?);
                if !p.sign(",") {
                    break;
                }
            }
            rows.push(row);
        } else {
            if p.sign("(") && !p.sign(")") {
                loop {
                    columns.push(p.name()?);
                    if !p.sign(",") {
                        break;
                    }
                }
                p.need(")")?;
            }
            if !p.word("values") && !p.word("value") {
                return p.wrong();
            }
            loop {
                p.need("(")?;
                let mut row = Vec::new();
                if !p.sign(")") {
                    loop {
                        row.push(if p.word("default") { Expr::Null } else { p.expr()? });
                        if !p.sign(",") {
                            break;
                        }
                    }
                    p.need(")")?;
                }
                rows.push(row);
                if !p.sign(",") {
                    break;
                }
            }
        }
        if p.words(&["on", "duplicate"]) {
            p.at = p.tokens.len();
        }
        p.end()?;
        let mut values = Vec::new();
        for row in &rows {
            let mut cells = Vec::new();
            for e in row {
                match self.alone(e) {
                    Ok(v) => cells.push(v.cell()),
                    Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
                }
            }
            values.push(cells);
        }
        let many = values.len();
        let mut first_id = 0;
        let outcome = self.with_table(name, |t, _| {
            for (n, cells) in values.into_iter().enumerate() {
                let order: Vec<usize> = if columns.is_empty() {
                    (0..t.columns.len()).collect()
                } else {
                    let mut order = Vec::new();
                    for c in &columns {
                        order.push(
                            t.columns
                                .iter()
                                .position(|k| k.name.eq_ignore_ascii_case(c))
                                .ok_or_else(|| (1054, "42S22", format!("Unknown column '{c}' in 'INSERT INTO'")))?,
                        );
                    }
                    order
                };
                if order.len() != cells.len() {
                    return Err((1136, "21S01", format!("Column count doesn't match value count at row {}", n + 1)));
                }
                let mut row: Vec<Cell> = t.columns.iter().map(|c| c.default.clone().map(String::into_bytes)).collect();
                for (i, cell) in order.into_iter().zip(cells) {
                    if let Some(slot) = row.get_mut(i) {
                        *slot = cell;
                    }
                }
                for (i, c) in t.columns.iter().enumerate() {
                    let missing = row.get(i).is_none_or(Option::is_none);
                    if c.auto && missing {
                        if let Some(slot) = row.get_mut(i) {
                            *slot = Some(t.next.to_string().into_bytes());
                        }
                        if first_id == 0 {
                            first_id = t.next;
                        }
                        t.next += 1;
                    } else if missing && !c.nullable {
                        if columns.is_empty() || columns.iter().any(|n| n.eq_ignore_ascii_case(&c.name)) {
                            return Err((1048, "23000", format!("Column '{}' cannot be null", c.name)));
                        }
                        return Err((1364, "HY000", format!("Field '{}' doesn't have a default value", c.name)));
                    }
                    if c.primary || c.unique {
                        let cell = row.get(i).cloned().flatten();
                        if cell.is_some() && t.rows.iter().any(|r| r.get(i).cloned().flatten() == cell) {
                            let key = if c.primary { "PRIMARY" } else { &c.name };
                            return Err((
                                1062,
                                "23000",
                                format!("Duplicate entry '{}' for key '{key}'", String::from_utf8_lossy(&cell.unwrap_or_default())),
                            ));
                        }
                        if let Some(n) =
                            cell.filter(|_| c.auto).and_then(|c| std::str::from_utf8(&c).ok().and_then(|t| t.parse::<u64>().ok()))
                        {
                            t.next = t.next.max(n + 1);
                        }
                    }
                }
                t.rows.push(row);
            }
            Ok(Outcome::Done {
                rows: many as u64,
                id: first_id,
                warnings: 0,
                info: if many > 1 { format!("Records: {many}  Duplicates: 0  Warnings: 0") } else { String::new() },
                track: Vec::new(),
                flags: 0,
            })
        });
        self.last_id = first_id;
        Ok(outcome)
    }

    fn update(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        let name = p.table()?;
        let alias = Self::alias(p)?;
        if !p.word("set") {
            return p.wrong();
        }
        let mut changes = Vec::new();
        loop {
            let (_, column) = p.table()?;
            p.need("=")?;
            changes.push((column, p.expr()?));
            if !p.sign(",") {
                break;
            }
        }
        let filter = if p.word("where") { Some(p.expr()?) } else { None };
        let limit = if p.word("limit") { p.number()? } else { u64::MAX };
        p.end()?;
        let source = match self.source(name.clone(), alias) {
            Ok(s) => s,
            Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
        };
        let (mut matched, mut changed, mut new_rows) = (0u64, 0u64, source.rows.clone());
        let sources = [source];
        let columns = sources.first().map(|s| s.columns.clone()).unwrap_or_default();
        for row in &mut new_rows {
            let now = vec![row.clone()];
            let scope = |clause| Row { engine: self, sources: &sources, row: &now, clause, group: None };
            let hit = filter.as_ref().map_or(Ok(Some(true)), |f| eval(f, &scope("WHERE")).map(|v| v.truth()));
            match hit {
                Ok(Some(true)) if matched < limit => {}
                Ok(_) => continue,
                Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
            }
            matched += 1;
            for (column, e) in &changes {
                let Some(i) = columns.iter().position(|c| c.name.eq_ignore_ascii_case(column)) else {
                    return Ok(Outcome::error(1054, "42S22", format!("Unknown column '{column}' in 'SET'")));
                };
                match eval(e, &scope("SET")) {
                    Ok(v) => {
                        if let Some(slot) = row.get_mut(i) {
                            *slot = v.cell();
                        }
                    }
                    Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
                }
            }
            changed += u64::from(now.first() != Some(row));
        }
        let info = format!("Rows matched: {matched}  Changed: {changed}  Warnings: 0");
        Ok(self.with_table(name, |t, _| {
            t.rows = new_rows;
            Ok(Outcome::Done { rows: changed, id: 0, warnings: 0, info, track: Vec::new(), flags: 0x20 })
        }))
    }

    fn delete(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        if !p.word("from") {
            return p.wrong();
        }
        let name = p.table()?;
        let filter = if p.word("where") { Some(p.expr()?) } else { None };
        let limit = if p.word("limit") { p.number()? } else { u64::MAX };
        p.end()?;
        let source = match self.source(name.clone(), None) {
            Ok(s) => s,
            Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
        };
        let sources = [source];
        let mut kept = Vec::new();
        let mut gone = 0u64;
        for row in sources.first().map(|s| s.rows.clone()).unwrap_or_default() {
            let now = vec![row.clone()];
            let hit = filter.as_ref().map_or(Ok(Some(true)), |f| {
                eval(f, &Row { engine: self, sources: &sources, row: &now, clause: "WHERE", group: None }).map(|v| v.truth())
            });
            match hit {
                Ok(Some(true)) if gone < limit => gone += 1,
                Ok(_) => kept.push(row),
                Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
            }
        }
        Ok(self.with_table(name, |t, _| {
            t.rows = kept;
            Ok(Outcome::Done {
                rows: gone,
                id: 0,
                warnings: 0,
                info: String::new(),
                track: Vec::new(),
                flags: if filter.is_some() { 0x20 } else { 0 },
            })
        }))
    }

    fn create(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        let replace = p.words(&["or", "replace"]);
        let temporary = p.word("temporary");
        if p.word("database") || p.word("schema") {
            let quiet = p.words(&["if", "not", "exists"]);
            let name = p.name()?;
            p.at = p.tokens.len();
            if !self.root {
                return Ok(Outcome::error(1044, "42000", format!("Access denied for user '{}'@'%' to database '{name}'", self.user)));
            }
            if self.known(&name) {
                return Ok(if quiet {
                    Outcome::changed(1)
                } else {
                    Outcome::error(1007, "HY000", format!("Can't create database '{name}'; database exists"))
                });
            }
            self.data.insert(name, std::collections::BTreeMap::new());
            self.keep();
            return Ok(Outcome::changed(1));
        }
        if p.word("table") {
            let quiet = p.words(&["if", "not", "exists"]);
            let name = p.table()?;
            let mut table = Table { next: 1, created: self.now.0, ..Table::default() };
            p.need("(")?;
            self.definitions(p, &mut table)?;
            p.at = p.tokens.len();
            let (db, name) = match self.target(name) {
                Ok(found) => found,
                Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
            };
            let _ = temporary;
            let Some(tables) = self.data.get_mut(&db) else {
                return Ok(Outcome::error(
                    1142,
                    "42000",
                    format!("CREATE command denied to user '{}'@'{}' for table `{db}`.`{name}`", self.user, self.visit.peer.ip()),
                ));
            };
            if tables.contains_key(&name) && !replace {
                return Ok(if quiet { Outcome::ok() } else { Outcome::error(1050, "42S01", format!("Table '{name}' already exists")) });
            }
            tables.insert(name, table);
            self.keep();
            return Ok(Outcome::ok());
        }
        let aggregate = p.word("aggregate");
        if p.word("function") {
            let name = p.name()?;
            let sql = p.sql;
            let library = p
                .tokens
                .iter()
                .rev()
                .find_map(|(t, _)| if let Token::Text(t) = t { Some(String::from_utf8_lossy(t).into_owned()) } else { None });
            p.at = p.tokens.len();
            self.notes.push(Saw::noted("create_function", [("name", name.as_bytes()), ("statement", sql.get(..512).unwrap_or(sql))]));
            let _ = aggregate;
            return Ok(match library {
                Some(l) if l.contains('/') => Outcome::error(1124, "HY000", "No paths allowed for shared library"),
                Some(l) => self.need_root(Outcome::error(
                    1126,
                    "HY000",
                    format!("Can't open shared library '{l}' (errno: 2, cannot open shared object file: No such file or directory)"),
                )),
                None => Outcome::error(1046, "3D000", "No database selected"),
            });
        }
        p.at = p.tokens.len();
        Ok(if self.root {
            Outcome::ok()
        } else {
            Outcome::error(1227, "42000", "Access denied; you need (at least one of) the CREATE USER privilege(s) for this operation")
        })
    }

    fn definitions(&self, p: &mut Parser<'_>, table: &mut Table) -> Result<(), sql::Wrong> {
        loop {
            let key = ["primary", "key", "unique", "index", "constraint", "foreign", "fulltext"].iter().any(|w| p.is(w));
            if key {
                let primary = p.word("primary");
                // Skip to the columns in brackets.
                while !p.sign("(") {
                    if p.peek().is_none() {
                        return p.wrong();
                    }
                    p.at += 1;
                }
                loop {
                    let name = p.name()?;
                    if let Some(c) = table.columns.iter_mut().find(|c| c.name == name).filter(|_| primary) {
                        c.primary = true;
                        c.nullable = false;
                    }
                    if p.sign("(") {
                        p.number()?;
                        p.need(")")?;
                    }
                    if !p.sign(",") {
                        break;
                    }
                }
                p.need(")")?;
            } else {
                let mut column = Column { name: p.name()?, of: p.name()?.to_ascii_lowercase(), nullable: true, ..Column::default() };
                if p.sign("(") {
                    let mut inside = Vec::new();
                    while !p.sign(")") {
                        match p.peek() {
                            Some(Token::Number(n)) => inside.push(n.clone()),
                            Some(Token::Text(t)) => inside.push(format!("'{}'", String::from_utf8_lossy(t))),
                            Some(Token::Sign(",")) => {}
                            _ => return p.wrong(),
                        }
                        p.at += 1;
                    }
                    column.of = format!("{}({})", column.of, inside.join(","));
                } else if matches!(column.of.as_str(), "int" | "integer") {
                    column.of = "int(11)".into();
                } else if column.of == "bigint" {
                    column.of = "bigint(20)".into();
                }
                loop {
                    if p.words(&["not", "null"]) {
                        column.nullable = false;
                    } else if p.word("auto_increment") {
                        column.auto = true;
                    } else if p.words(&["primary", "key"]) {
                        column.primary = true;
                        column.nullable = false;
                    } else if p.word("unique") {
                        p.word("key");
                        column.unique = true;
                    } else if p.word("default") {
                        column.default = match p.expr()? {
                            Expr::Text(t) => Some(String::from_utf8_lossy(&t).into_owned()),
                            Expr::Int(n) => Some(n.to_string()),
                            Expr::Dec(d) => Some(d),
                            _ => None,
                        };
                    } else if matches!(p.peek(), Some(Token::Word(_) | Token::Text(_) | Token::Sign("="))) {
                        p.at += 1;
                    } else {
                        break;
                    }
                }
                if table.columns.len() < 200 {
                    table.columns.push(column);
                }
            }
            if !p.sign(",") {
                break;
            }
        }
        p.need(")")
    }

    fn drop(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        if p.word("database") || p.word("schema") {
            let quiet = p.words(&["if", "exists"]);
            let name = p.name()?;
            p.end()?;
            if !self.root && !self.data.contains_key(&name) {
                return Ok(Outcome::error(1044, "42000", format!("Access denied for user '{}'@'%' to database '{name}'", self.user)));
            }
            return Ok(match self.data.remove(&name) {
                Some(tables) => {
                    self.keep();
                    if self.db.as_deref() == Some(&name) {
                        self.db = None;
                    }
                    Outcome::Done { rows: tables.len() as u64, id: 0, warnings: 0, info: String::new(), track: Vec::new(), flags: 0x100 }
                }
                None if quiet => Outcome::ok(),
                None => Outcome::error(1008, "HY000", format!("Can't drop database '{name}'; database doesn't exist")),
            });
        }
        if p.word("table") || p.words(&["temporary", "table"]) {
            let quiet = p.words(&["if", "exists"]);
            let mut missing = Vec::new();
            loop {
                let name = p.table()?;
                match self.target(name) {
                    Ok((db, table)) => {
                        if self.data.get_mut(&db).and_then(|d| d.remove(&table)).is_none() {
                            missing.push(format!("{db}.{table}"));
                        }
                    }
                    Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
                }
                if !p.sign(",") {
                    break;
                }
            }
            p.end()?;
            self.keep();
            return Ok(if missing.is_empty() || quiet {
                Outcome::ok()
            } else {
                Outcome::error(1051, "42S02", format!("Unknown table '{}'", missing.join(",")))
            });
        }
        p.at = p.tokens.len();
        Ok(if self.root {
            Outcome::ok()
        } else {
            Outcome::error(1227, "42000", "Access denied; you need (at least one of) the CREATE USER privilege(s) for this operation")
        })
    }

    fn set(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        if p.word("names") {
            let set = p.text().map(|t| String::from_utf8_lossy(&t).into_owned()).or_else(|_| p.name())?;
            p.at = p.tokens.len();
            let lower = set.to_ascii_lowercase();
            if !["utf8mb4", "utf8", "utf8mb3", "latin1", "ascii", "binary", "cp1252", "ucs2", "gbk", "default", "koi8r", "cp1251"]
                .contains(&lower.as_str())
            {
                return Ok(Outcome::error(1115, "42000", format!("Unknown character set: '{set}'")));
            }
            let mut track = Vec::new();
            if self.track {
                for name in ["character_set_client", "character_set_connection", "character_set_results"] {
                    let mut inner = Vec::new();
                    super::message::text(&mut inner, name.as_bytes());
                    super::message::text(&mut inner, lower.as_bytes());
                    track.push(0);
                    super::message::text(&mut track, &inner);
                }
            }
            return Ok(Outcome::Done { rows: 0, id: 0, warnings: 0, info: String::new(), track, flags: 0 });
        }
        if p.word("password") || p.is("transaction") {
            p.at = p.tokens.len();
            return Ok(Outcome::ok());
        }
        loop {
            let global = p.word("global");
            let _ = p.word("session") || p.word("local");
            if p.word("transaction") {
                p.at = p.tokens.len();
                return Ok(Outcome::ok());
            }
            let name = match p.peek().cloned() {
                Some(Token::Variable(v)) => {
                    p.at += 1;
                    v
                }
                _ => format!("@@{}", p.table()?.1),
            };
            if !p.sign("=") && !p.sign(":=") {
                return p.wrong();
            }
            let value = match p.peek() {
                Some(Token::Word(w)) if ["on", "off", "default"].iter().any(|k| w.eq_ignore_ascii_case(k)) => {
                    p.at += 1;
                    Val::Int(1)
                }
                _ => {
                    let e = p.expr()?;
                    if let Expr::Column(None, word) = &e {
                        Val::Text(word.clone().into_bytes())
                    } else {
                        match self.alone(&e) {
                            Ok(v) => v,
                            Err((code, state, text)) => return Ok(Outcome::error(code, state, text)),
                        }
                    }
                }
            };
            if let Some(system) = name.strip_prefix("@@") {
                let lower = system.to_ascii_lowercase();
                let bare = lower.rsplit('.').next().unwrap_or_default().to_owned();
                if self.system_variable(&bare).is_none() {
                    return Ok(Outcome::error(1193, "HY000", format!("Unknown system variable '{bare}'")));
                }
                if (global || lower.starts_with("global.")) && !self.root {
                    return Ok(self.need_root(Outcome::ok()));
                }
                if matches!(bare.as_str(), "secure_file_priv" | "plugin_dir" | "datadir" | "version" | "hostname" | "port" | "basedir") {
                    return Ok(Outcome::error(1238, "HY000", format!("Variable '{bare}' is a read only variable")));
                }
            } else if self.variables.len() < 200 {
                let key = name.trim_start_matches('@').to_ascii_lowercase();
                self.variables.retain(|(k, _)| *k != key);
                self.variables.push((key, value));
            }
            if !p.sign(",") {
                break;
            }
        }
        p.end()?;
        Ok(Outcome::ok())
    }

    fn load(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        if !p.word("data") {
            return p.wrong();
        }
        let _ = p.word("low_priority") || p.word("concurrent");
        let local = p.word("local");
        if !p.word("infile") {
            return p.wrong();
        }
        let path = p.text()?;
        p.at = p.tokens.len();
        self.notes.push(Saw::noted("load_data", [("path", &path)]));
        if local {
            return Ok(Outcome::error(
                4166,
                "HY000",
                "The used command is not allowed because the MariaDB server or client has disabled the local infile capability",
            ));
        }
        if !self.root {
            return Ok(Outcome::error(1045, "28000", format!("Access denied for user '{}'@'%' (using password: YES)", self.user)));
        }
        let shown = String::from_utf8_lossy(&path).into_owned();
        Ok(Outcome::error(13, "HY000", format!("Can't get stat of '{shown}' (Errcode: 2 \"No such file or directory\")")))
    }
}

/// As [`eval`], with counting and summing over the rows of a group.
fn eval_group(expr: &Expr, scope: &Row<'_>) -> Result<Val, Wrong> {
    let Some(members) = scope.group else { return eval(expr, scope) };
    match expr {
        Expr::Call(name, args) if SUMS.contains(&name.as_str()) => {
            let mut values = Vec::new();
            for row in members {
                let inner = Row { engine: scope.engine, sources: scope.sources, row, clause: scope.clause, group: None };
                let value = match args.first() {
                    None | Some(Expr::Star(_)) => Val::Int(1),
                    Some(e) => eval(e, &inner)?,
                };
                if value != Val::Null {
                    values.push(value);
                }
            }
            if let (Some(e), true) = (args.first().filter(|e| !matches!(e, Expr::Star(_))), members.is_empty()) {
                eval(e, scope)?;
            }
            let sum = || values.iter().filter_map(Val::number).sum::<f64>();
            Ok(match name.as_str() {
                "count" => Val::Int(i64::try_from(values.len()).unwrap_or(0)),
                "max" => values.into_iter().max_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal)).unwrap_or(Val::Null),
                "min" => values.into_iter().min_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal)).unwrap_or(Val::Null),
                _ if values.is_empty() => Val::Null,
                "sum" if values.iter().all(|v| matches!(v, Val::Int(_))) => Val::Int(super::expr::whole(sum())),
                "sum" => Val::Text(format!("{:.2}", sum()).into_bytes()),
                "avg" => Val::Text(format!("{:.4}", sum() / values.len() as f64).into_bytes()),
                _ => Val::Text(values.iter().map(Val::bytes).collect::<Vec<_>>().join(&b","[..]).into_iter().take(1024).collect()),
            })
        }
        Expr::Two(sign, a, b) if sums(expr) => {
            let (a, b) = (literal(eval_group(a, scope)?), literal(eval_group(b, scope)?));
            eval(&Expr::Two(sign, Box::new(a), Box::new(b)), scope)
        }
        Expr::Call(name, args) if sums(expr) => {
            let mut values = Vec::new();
            for a in args {
                values.push(literal(eval_group(a, scope)?));
            }
            eval(&Expr::Call(name.clone(), values), scope)
        }
        _ => eval(expr, scope),
    }
}

fn literal(value: Val) -> Expr {
    match value {
        Val::Null => Expr::Null,
        Val::Int(n) => Expr::Int(n),
        Val::Real(f) => Expr::Dec(f.to_string()),
        Val::Text(t) => Expr::Text(t),
    }
}
