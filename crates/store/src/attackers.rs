//! One row per source address, written by the profiler.

use crate::{
    AttackerQuery, AttackerRow, AttackerSort, COUNTED_AT_MOST, Page, Result, Store,
    anchors::Start,
    db::{Arg, Query, Row, cut, marks},
};
use std::{collections::BTreeSet, fmt::Write as _};

const COLUMNS: &str = "a.uuid, a.ip, a.identity_id, a.first_seen, a.last_seen, a.event_count, a.service_count, a.decky_count, \
    a.session_count, a.services, a.deckies, a.traversal_path, a.is_traversal, a.bounty_count, a.credential_count, a.command_count, \
    a.file_count, a.fingerprints, a.commands, a.interacted, a.country_code, a.asn, a.as_name, a.ptr_record, a.updated_at";

/// What an address keeps when its row is written again: its uuid, and the identity the clusterer gave it.
const INSERT: &str = "INSERT INTO attackers (uuid, ip, identity_id, first_seen, last_seen, event_count, service_count, decky_count, \
    session_count, services, deckies, traversal_path, is_traversal, bounty_count, credential_count, command_count, file_count, \
    fingerprints, commands, interacted, country_code, asn, as_name, ptr_record, updated_at) VALUES ";
const SET: &str = "first_seen = NEW.first_seen, last_seen = NEW.last_seen, event_count = NEW.event_count, \
    service_count = NEW.service_count, decky_count = NEW.decky_count, session_count = NEW.session_count, services = NEW.services, \
    deckies = NEW.deckies, traversal_path = NEW.traversal_path, is_traversal = NEW.is_traversal, bounty_count = NEW.bounty_count, \
    credential_count = NEW.credential_count, command_count = NEW.command_count, file_count = NEW.file_count, \
    fingerprints = NEW.fingerprints, commands = NEW.commands, interacted = NEW.interacted, country_code = NEW.country_code, \
    asn = NEW.asn, as_name = NEW.as_name, ptr_record = NEW.ptr_record, updated_at = NEW.updated_at";

/// Rows of one statement.
const ROWS: usize = 50;
/// A condition that leaves no more rows than this is answered by sorting them; beyond it the sorted index is walked.
const FEW: i64 = 2_000;
/// Names of networks looked up at once.
const NAMES: usize = 200;
const SERVICE: &str = "s";
const DECKY: &str = "d";

impl Store {
    /// A page of attackers. `total` is exact up to [`COUNTED_AT_MOST`] when filtered, always when not.
    pub async fn attackers(&self, query: &AttackerQuery) -> Result<Page<AttackerRow>> {
        let doing = "listing attackers";
        let (limit, offset) = (query.limit.clamp(0, crate::logs::MOST_ROWS), query.offset.max(0));
        let filters = self.filters(query).await?;
        let sort = Sort::of(query.sort);
        let page = |total, rows: Vec<Row>| Page { total, limit, offset, data: rows.into_iter().map(read).collect() };

        if filters.is_empty() {
            let total = Query::new("SELECT value FROM counters WHERE name = 'attackers'");
            let start = match sort.column {
                Some(column) => self.start(column, sort.index, offset).await?,
                None => Start { offset, ..Start::default() },
            };
            let mut answers = self.db.read(doing, vec![total, self.walk(&sort, &[], limit, start)]).await?.into_iter();
            let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
            return Ok(page(total, answers.next().unwrap_or_default()));
        }
        // How many rows each condition leaves by itself decides how the page is found.
        let mut best: Option<(i64, &Filter)> = None;
        for filter in &filters {
            let count = self.db.number(doing, filter.count(FEW + 1)).await?;
            if best.is_none_or(|(least, _)| count < least) {
                best = Some((count, filter));
            }
        }
        let Some((least, best)) = best else { return Ok(page(0, Vec::new())) };
        let total = match filters.len() {
            1 if least <= FEW => least,
            1 => self.db.number(doing, best.count(COUNTED_AT_MOST)).await?,
            _ => {
                self.db
                    .number(doing, self.gather(best, &filters, "1", "LIMIT ?").wrapped("SELECT COUNT(*) FROM").bind(COUNTED_AT_MOST))
                    .await?
            }
        };
        let rows = if least <= FEW {
            let tail = format!("ORDER BY {} LIMIT ? OFFSET ?", sort.order);
            self.db.rows(doing, self.gather(best, &filters, COLUMNS, &tail).bind(limit).bind(offset)).await?
        } else {
            self.db.rows(doing, self.walk(&sort, &filters, limit, Start { offset, ..Start::default() })).await?
        };
        Ok(page(total, rows))
    }

    /// By its uuid.
    pub async fn attacker(&self, uuid: &str) -> Result<Option<AttackerRow>> {
        let query = Query::new(format!("SELECT {COLUMNS} FROM attackers a WHERE a.uuid = ?")).bind(uuid);
        Ok(self.db.row("reading an attacker", query).await?.map(read))
    }

    /// Those of the addresses that are known.
    pub async fn attackers_by_ip(&self, ips: &[String]) -> Result<Vec<AttackerRow>> {
        let queries = ips
            .chunks(500)
            .map(|chunk| {
                let sql = format!("SELECT {COLUMNS} FROM attackers a WHERE a.ip IN ({})", marks(chunk.len()));
                Query::new(sql).bind_all(chunk.iter().map(|ip| ip.as_str().into()))
            })
            .collect();
        Ok(self.db.read("reading attackers", queries).await?.into_iter().flatten().map(read).collect())
    }

    /// Writes whole rows (by unique `ip`; a known address keeps its uuid) and sets the state key `cursor.0` to
    /// `cursor.1`, all in one transaction. `credentials.attacker_uuid` follows by itself: it is looked up by address.
    pub async fn save_attackers(&self, rows: &[AttackerRow], cursor: (&str, i64)) -> Result<()> {
        // Counted before they are written: as many more as are not there yet.
        let ips: BTreeSet<&str> = rows.iter().map(|row| row.ip.as_str()).collect();
        let ips: Vec<&str> = ips.into_iter().collect();
        let mut statements: Vec<Query> = ips
            .chunks(500)
            .map(|chunk| {
                let known = format!("SELECT COUNT(*) FROM attackers WHERE ip IN ({})", marks(chunk.len()));
                let sql = format!("UPDATE counters SET value = value + ? - ({known}) WHERE name = 'attackers'");
                Query::new(sql).bind(i64::try_from(chunk.len()).unwrap_or(0)).bind_all(chunk.iter().map(|ip| Arg::from(*ip)))
            })
            .collect();
        for chunk in rows.chunks(ROWS) {
            let one = format!("({}), ", marks(25));
            let insert = format!("{INSERT}{}", one.repeat(chunk.len()).trim_end_matches(", "));
            statements.push(Query::new(self.db.upsert(&insert, "ip", SET)).bind_all(chunk.iter().flat_map(values)));
        }
        let tags: Vec<[Arg; 3]> = rows.iter().flat_map(tags).collect();
        for chunk in tags.chunks(ROWS * 4) {
            let sql = format!("{} attacker_tags (kind, value, ip) VALUES {}", self.db.insert_new(), "(?, ?, ?), ".repeat(chunk.len()));
            statements.push(Query::new(sql.trim_end_matches(", ").to_owned()).bind_all(chunk.iter().flatten().cloned()));
        }
        statements.push(self.state_query(cursor.0, &cursor.1.to_string()));
        self.db.write("saving attackers", statements).await?;
        self.cache.forget();
        Ok(())
    }

    /// What a query narrows the list to.
    async fn filters(&self, query: &AttackerQuery) -> Result<Vec<Filter>> {
        let mut filters = Vec::new();
        for (kind, value) in [(SERVICE, &query.service), (DECKY, &query.decky)] {
            if let Some(value) = value {
                filters.push(Filter::Tag(kind, value.clone()));
            }
        }
        let Some(search) = query.search.as_deref().map(str::trim).filter(|s| !s.is_empty()) else { return Ok(filters) };
        let search = cut(search, 256);
        let is_address = search.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))
            && search.bytes().any(|b| b.is_ascii_digit() || matches!(b, b'.' | b':'));
        if is_address {
            let search = search.to_ascii_lowercase();
            let prefix = Filter::Columns {
                index: "attackers_ip",
                sql: "a.ip >= ? AND a.ip < ?".into(),
                args: vec![search.as_str().into(), format!("{search}\u{10ffff}").into()],
            };
            if self.db.number("searching attackers", prefix.count(1)).await? > 0 {
                filters.push(prefix);
            } else {
                filters.push(Filter::Columns { index: "attackers_ip", sql: "INSTR(a.ip, ?) > 0".into(), args: vec![search.into()] });
            }
        } else if search.len() == 2 && search.bytes().all(|b| b.is_ascii_alphabetic()) {
            let country = search.to_ascii_uppercase();
            filters.push(Filter::Columns { index: "attackers_country", sql: "a.country_code = ?".into(), args: vec![country.into()] });
        } else if let Some(number) =
            search.get(..2).filter(|s| s.eq_ignore_ascii_case("as")).and_then(|_| search.get(2..)?.parse::<i64>().ok())
        {
            filters.push(Filter::Columns { index: "attackers_asn", sql: "a.asn = ?".into(), args: vec![number.into()] });
        } else {
            let known = self.db.rows("searching attackers", Query::new(self.distinct_names())).await?;
            let search = search.to_lowercase();
            let names: Vec<Arg> = known
                .into_iter()
                .map(|mut row| row.text())
                .filter(|name| name.to_lowercase().contains(&search))
                .take(NAMES)
                .map(Arg::from)
                .collect();
            // No name fits: a condition that nothing meets.
            let args = if names.is_empty() { vec![Arg::Null] } else { names };
            filters.push(Filter::Columns { index: "attackers_as", sql: format!("a.as_name IN ({})", marks(args.len())), args });
        }
        Ok(filters)
    }

    /// Every network name once, hopping from one to the next in the index.
    fn distinct_names(&self) -> &'static str {
        if self.db.is_mysql() {
            return "SELECT DISTINCT as_name FROM attackers WHERE as_name IS NOT NULL";
        }
        "WITH RECURSIVE names (name) AS (SELECT MIN(as_name) FROM attackers WHERE as_name IS NOT NULL UNION ALL \
         SELECT (SELECT MIN(as_name) FROM attackers WHERE as_name > names.name) FROM names WHERE names.name IS NOT NULL) \
         SELECT name FROM names WHERE name IS NOT NULL"
    }

    /// The page found by walking the index of the sort order from `start` and testing each row.
    fn walk(&self, sort: &Sort, filters: &[Filter], limit: i64, start: Start) -> Query {
        let Start { sql: after, mut args, offset } = start;
        let mut sql = format!("SELECT {COLUMNS} FROM (SELECT a.id FROM attackers a {} WHERE 1 = 1{after}", self.db.by_index(sort.index));
        for filter in filters {
            filter.test(&mut sql, &mut args);
        }
        let _ = write!(sql, " ORDER BY {} LIMIT ? OFFSET ?) w JOIN attackers a ON a.id = w.id ORDER BY {}", sort.order, sort.order);
        Query::new(sql).bind_all(args).bind(limit).bind(offset)
    }

    /// The rows that `first` leaves, tested by the others.
    fn gather(&self, first: &Filter, filters: &[Filter], columns: &str, tail: &str) -> Query {
        let join = if self.db.is_mysql() { "STRAIGHT_JOIN" } else { "CROSS JOIN" };
        let mut args = first.args();
        let mut sql = match first {
            Filter::Tag(..) => {
                format!("SELECT {columns} FROM attacker_tags t {join} attackers a ON a.ip = t.ip WHERE t.kind = ? AND t.value = ?")
            }
            Filter::Columns { index, sql, .. } => {
                format!("SELECT {columns} FROM attackers a {} WHERE {sql}", self.indexed_if_possible(index))
            }
        };
        for filter in filters.iter().filter(|filter| *filter != first) {
            filter.test(&mut sql, &mut args);
        }
        let _ = write!(sql, " {tail}");
        Query::new(sql).bind_all(args)
    }

    /// SQLite refuses a partial index it cannot prove fit; only the whole one is named to it.
    fn indexed_if_possible(&self, index: &'static str) -> String {
        if self.db.is_mysql() || index == "attackers_ip" { self.db.by_index(index) } else { String::new() }
    }
}

impl Query {
    /// `SELECT … FROM (this) c`
    fn wrapped(self, outer: &str) -> Self {
        Self { sql: format!("{outer} ({}) c", self.sql).into(), ..self }
    }
}

struct Sort {
    index: &'static str,
    order: &'static str,
    /// The column that sorts, if it is one.
    column: Option<&'static str>,
}

impl Sort {
    fn of(sort: AttackerSort) -> Self {
        let (index, order, column) = match sort {
            AttackerSort::Recent => ("attackers_recent", "a.last_seen DESC, a.id DESC", Some("last_seen")),
            AttackerSort::Active => ("attackers_active", "a.event_count DESC, a.id DESC", Some("event_count")),
            AttackerSort::Traversals => ("attackers_traversals", "a.is_traversal DESC, a.last_seen DESC, a.id DESC", None),
            AttackerSort::First => ("attackers_first", "a.first_seen DESC, a.id DESC", Some("first_seen")),
            AttackerSort::Credentials => ("attackers_credentials", "a.credential_count DESC, a.id DESC", Some("credential_count")),
        };
        Self { index, order, column }
    }
}

#[derive(Clone, Debug)]
enum Filter {
    /// Has a service or a decky.
    Tag(&'static str, String),
    Columns {
        index: &'static str,
        sql: String,
        args: Vec<Arg>,
    },
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tag(kind, _), Self::Tag(other, _)) => kind == other,
            (Self::Columns { .. }, Self::Columns { .. }) => true,
            _ => false,
        }
    }
}

impl Filter {
    fn args(&self) -> Vec<Arg> {
        match self {
            Self::Tag(kind, value) => vec![(*kind).into(), value.as_str().into()],
            Self::Columns { args, .. } => args.clone(),
        }
    }

    /// How many rows it leaves by itself, counted up to `most`.
    fn count(&self, most: i64) -> Query {
        let inner = match self {
            Self::Tag(..) => "attacker_tags t WHERE t.kind = ? AND t.value = ?",
            Self::Columns { sql, .. } => &format!("attackers a WHERE {sql}"),
        };
        Query::new(format!("SELECT COUNT(*) FROM (SELECT 1 FROM {inner} LIMIT ?) c")).bind_all(self.args()).bind(most)
    }

    /// Adds it as a condition on `a`.
    fn test(&self, sql: &mut String, args: &mut Vec<Arg>) {
        let _ = match self {
            Self::Tag(..) => sql.write_str(" AND EXISTS (SELECT 1 FROM attacker_tags g WHERE g.kind = ? AND g.value = ? AND g.ip = a.ip)"),
            Self::Columns { sql: condition, .. } => write!(sql, " AND {condition}"),
        };
        args.extend(self.args());
    }
}

fn tags(row: &AttackerRow) -> impl Iterator<Item = [Arg; 3]> + '_ {
    let ip = cut(&row.ip, 64);
    let services = row.services.iter().map(|value| (SERVICE, value));
    let deckies = row.deckies.iter().map(|value| (DECKY, value));
    services.chain(deckies).map(move |(kind, value)| [kind.into(), cut(value, 128).into(), ip.into()])
}

fn values(row: &AttackerRow) -> Vec<Arg> {
    vec![
        cut(&row.uuid, 64).into(),
        cut(&row.ip, 64).into(),
        row.identity_id.as_deref().map(|id| cut(id, 64)).into(),
        row.first_seen.into(),
        row.last_seen.into(),
        row.event_count.into(),
        row.service_count.into(),
        row.decky_count.into(),
        row.session_count.into(),
        list(&row.services).into(),
        list(&row.deckies).into(),
        row.traversal_path.as_deref().map(|path| cut(path, 1 << 20)).into(),
        row.is_traversal.into(),
        row.bounty_count.into(),
        row.credential_count.into(),
        row.command_count.into(),
        row.file_count.into(),
        list(&row.fingerprints).into(),
        list(&row.commands).into(),
        list(&row.interacted).into(),
        row.country_code.as_deref().map(|code| cut(code, 2)).into(),
        row.asn.into(),
        row.as_name.as_deref().map(|name| cut(name, 128)).into(),
        row.ptr_record.as_deref().map(|name| cut(name, 256)).into(),
        row.updated_at.into(),
    ]
}

fn list<T: serde::Serialize>(items: &[T]) -> String {
    serde_json::to_string(items).unwrap_or_else(|_| "[]".into())
}

fn read(mut row: Row) -> AttackerRow {
    AttackerRow {
        uuid: row.text(),
        ip: row.text(),
        identity_id: row.opt_text(),
        first_seen: row.at(),
        last_seen: row.at(),
        event_count: row.int(),
        service_count: row.int(),
        decky_count: row.int(),
        session_count: row.int(),
        services: row.json(),
        deckies: row.json(),
        traversal_path: row.opt_text(),
        is_traversal: row.flag(),
        bounty_count: row.int(),
        credential_count: row.int(),
        command_count: row.int(),
        file_count: row.int(),
        fingerprints: row.json(),
        commands: row.json(),
        interacted: row.json(),
        country_code: row.opt_text(),
        asn: row.opt_int(),
        as_name: row.opt_text(),
        ptr_record: row.opt_text(),
        updated_at: row.at(),
    }
}
