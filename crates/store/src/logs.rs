//! Recorded events: lists and streams.

use crate::{
    COUNTED_AT_MOST, LogQuery, LogRow, LogText, Page, Result, Store,
    db::{Arg, Query, Row},
    dialect::{self, Index},
    ids::pack,
    search::{Search, Term, log_words},
    text::{Find, Indexed},
    time_index::Span,
    words::Words,
};

/// Rows of one page at most.
pub(crate) const MOST_ROWS: i64 = 10_000;

impl Indexed for LogRow {
    const INDEX: Index = dialect::LOGS;
    const COLUMNS: &'static str = "l.id, l.event_uuid, l.timestamp, l.decky, l.service, l.event_type, l.attacker_ip, l.src_port, \
                                   l.dst_port, l.session_id, l.fields, l.msg";

    fn read(mut row: Row) -> Self {
        Self {
            id: row.int(),
            event_uuid: row.id(),
            timestamp: row.at(),
            decky: row.text(),
            service: row.text(),
            event_type: row.text(),
            attacker_ip: row.text(),
            src_port: row.opt_int(),
            dst_port: row.opt_int(),
            session_id: row.opt_id(),
            fields: row.json(),
            msg: row.text(),
        }
    }

    fn id(&self) -> i64 {
        self.id
    }

    fn words(&self) -> Words {
        log_words(self)
    }
}

impl Indexed for LogText {
    const INDEX: Index = LogRow::INDEX;
    const COLUMNS: &'static str = LogRow::COLUMNS;

    fn read(mut row: Row) -> Self {
        Self {
            id: row.int(),
            event_uuid: row.id(),
            timestamp: row.at(),
            decky: row.text(),
            service: row.text(),
            event_type: row.text(),
            attacker_ip: row.text(),
            src_port: row.opt_int(),
            dst_port: row.opt_int(),
            session_id: row.opt_id(),
            fields: row.json_text(),
            msg: row.text(),
        }
    }

    fn id(&self) -> i64 {
        self.id
    }

    fn words(&self) -> Words {
        log_words(&self.clone().into())
    }
}

/// A row of `logs` in one of its forms.
pub(crate) trait Logged: Indexed {
    fn fits(&self, search: &Search) -> bool;
}

impl Logged for LogRow {
    fn fits(&self, search: &Search) -> bool {
        search.matches(self)
    }
}

impl Logged for LogText {
    fn fits(&self, search: &Search) -> bool {
        search.matches(&self.clone().into())
    }
}

/// Conditions on columns, each beginning with ` AND `.
#[derive(Clone, Debug, Default)]
pub(crate) struct Where {
    pub(crate) sql: String,
    pub(crate) args: Vec<Arg>,
}

impl Where {
    pub(crate) fn and(&mut self, sql: &str, value: impl Into<Arg>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.args.push(value.into());
    }

    fn and_in(&mut self, column: &str, values: Vec<String>) {
        match values.len() {
            0 => self.sql.push_str(" AND 1 = 0"),
            count => {
                self.sql.push_str(&format!(" AND {column} IN ({})", crate::db::marks(count)));
                self.args.extend(values.into_iter().map(Arg::from));
            }
        }
    }
}

impl Store {
    /// The logs that match, newest first (oldest first after `after_id`).
    pub async fn logs(&self, query: &LogQuery) -> Result<Page<LogRow>> {
        let search = Search::parse(query.search.as_deref().unwrap_or_default());
        self.search_logs(&search, query).await
    }

    /// [`Self::logs`] for those who only pass them on.
    pub async fn logs_text(&self, query: &LogQuery) -> Result<Page<LogText>> {
        let search = Search::parse(query.search.as_deref().unwrap_or_default());
        self.search_logs(&search, query).await
    }

    /// Rows after `id`, oldest first, no total: for streams and workers.
    pub async fn logs_after(&self, id: i64, limit: i64) -> Result<Vec<LogRow>> {
        let sql = format!("SELECT {} FROM logs l WHERE l.id > ? ORDER BY l.id LIMIT ?", LogRow::COLUMNS);
        let rows = self.db.rows("reading logs", Query::new(sql).bind(id).bind(limit.clamp(0, MOST_ROWS))).await?;
        Ok(rows.into_iter().map(LogRow::read).collect())
    }

    /// The newest id, 0 if there are no logs.
    pub async fn last_log_id(&self) -> Result<i64> {
        self.db.number("reading logs", Query::new("SELECT value FROM counters WHERE name = 'last_log_id'")).await
    }

    /// All events of one session, oldest first.
    pub async fn session_logs(&self, sid: &str, limit: i64, offset: i64) -> Result<Page<LogRow>> {
        let mut filter = Where::default();
        filter.and("l.session_id = ?", pack(sid));
        self.direct(&filter, "ASC", limit, offset, None).await
    }

    /// Logs of one type from one address: commands, requests.
    pub async fn attacker_logs(
        &self,
        ip: &str,
        event_type: Option<&str>,
        service: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<LogRow>> {
        let mut terms = vec![Term::Attacker(ip.to_owned())];
        terms.extend(event_type.map(|event| Term::Event(event.to_owned())));
        terms.extend(service.map(|service| Term::Service(service.to_owned())));
        self.search_logs(&Search(terms), &LogQuery { limit, offset, ..LogQuery::default() }).await
    }

    async fn search_logs<T: Logged>(&self, search: &Search, query: &LogQuery) -> Result<Page<T>> {
        let limit = query.limit.clamp(0, MOST_ROWS);
        let offset = query.offset.max(0);
        let span = Span { start: query.start, end: query.end };
        let ascending = query.after_id.is_some();
        let order = if ascending { "ASC" } else { "DESC" };
        let (low, high) = self.ids_of(span).await?;
        let ids = (low.max(query.after_id.map_or(0, |id| id.saturating_add(1))), high);
        let mut filter = Where::default();
        if ids != (0, i64::MAX) {
            filter.and("l.id >= ?", ids.0);
            filter.and("l.id <= ?", ids.1);
        }
        span.narrow(&mut filter.sql, &mut filter.args, "l.timestamp");

        match search.0.as_slice() {
            [] if span.is_all() && !ascending => return self.newest(limit, offset).await,
            [] => {
                let total = if ascending { None } else { Some(self.count_in(span).await?) };
                return self.direct(&filter, order, limit, offset, total).await;
            }
            [Term::Attacker(ip)] => {
                filter.and("l.attacker_ip = ? AND l.attacker_ip <> ''", ip.as_str());
                return self.direct(&filter, order, limit, offset, None).await;
            }
            [Term::Session(sid)] => {
                filter.and("l.session_id = ?", pack(sid));
                return self.direct(&filter, order, limit, offset, None).await;
            }
            _ => {}
        }
        let Some(needles) = search.needles() else {
            return Ok(Page { total: 0, limit, offset, data: Vec::new() });
        };
        if let Some(sid) = search.0.iter().find_map(|term| if let Term::Session(sid) = term { Some(sid) } else { None }) {
            return self.in_session(sid, search, filter, order, limit, offset).await;
        }
        let total = match self.facet_filter(search).await? {
            Some(facets) if span.is_all() && !ascending => {
                let sql = format!("SELECT SUM(count) FROM log_facets l WHERE 1 = 1{}", facets.sums.sql);
                Some(self.db.number("counting logs", Query::new(sql).bind_all(facets.sums.args)).await?)
            }
            _ => None,
        };
        let narrow = narrow(search);
        let find = Find { needles, narrow: (narrow.sql, narrow.args), ids, span, ascending, limit, offset, total };
        let (total, data) = self.find("searching logs", find).await?;
        Ok(Page { total, limit, offset, data })
    }

    /// The unfiltered list. Ids have no gaps, so any offset is one step.
    async fn newest<T: Logged>(&self, limit: i64, offset: i64) -> Result<Page<T>> {
        let sql = format!(
            "SELECT {} FROM logs l WHERE l.id <= (SELECT value FROM counters WHERE name = 'last_log_id') - ? ORDER BY l.id DESC LIMIT ?",
            T::COLUMNS
        );
        let queries = vec![Query::new("SELECT value FROM counters WHERE name = 'logs'"), Query::new(sql).bind(offset).bind(limit)];
        let mut answers = self.db.read("listing logs", queries).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        let data = answers.next().unwrap_or_default().into_iter().map(T::read).collect();
        Ok(Page { total, limit, offset, data })
    }

    /// A list by conditions that an index of `logs` answers.
    async fn direct<T: Logged>(&self, filter: &Where, order: &str, limit: i64, offset: i64, total: Option<i64>) -> Result<Page<T>> {
        let (limit, offset) = (limit.clamp(0, MOST_ROWS), offset.max(0));
        // The ids first: pages far down then cost no reading of the rows before them.
        let sql = format!(
            "SELECT {} FROM (SELECT l.id FROM logs l WHERE 1 = 1{} ORDER BY l.id {order} LIMIT ? OFFSET ?) w JOIN logs l ON l.id = w.id \
             ORDER BY l.id {order}",
            T::COLUMNS,
            filter.sql
        );
        let mut queries = vec![Query::new(sql).bind_all(filter.args.clone()).bind(limit).bind(offset)];
        if total.is_none() {
            let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM logs l WHERE 1 = 1{} LIMIT ?) c", filter.sql);
            queries.push(Query::new(sql).bind_all(filter.args.clone()).bind(COUNTED_AT_MOST));
        }
        let mut answers = self.db.read("listing logs", queries).await?.into_iter();
        let data = answers.next().unwrap_or_default().into_iter().map(T::read).collect();
        let counted = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total: total.unwrap_or(counted), limit, offset, data })
    }

    /// A search inside one session: its rows are few, each is looked at.
    pub(crate) async fn in_session<T: Logged>(
        &self,
        sid: &str,
        search: &Search,
        mut filter: Where,
        order: &str,
        limit: i64,
        offset: i64,
    ) -> Result<Page<T>> {
        filter.and("l.session_id = ?", pack(sid));
        let sql = format!("SELECT {} FROM logs l WHERE 1 = 1{} ORDER BY l.id {order} LIMIT ?", T::COLUMNS, filter.sql);
        let rows = self.db.rows("searching a session", Query::new(sql).bind_all(filter.args).bind(COUNTED_AT_MOST)).await?;
        let rows: Vec<T> = rows.into_iter().map(T::read).filter(|row| row.fits(search)).collect();
        let total = i64::try_from(rows.len()).unwrap_or(0);
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let data = rows.into_iter().skip(skip).take(usize::try_from(limit).unwrap_or(0)).collect();
        Ok(Page { total, limit, offset, data })
    }

    /// The conditions of a search that the sums answer: none, or one decky, service or event type.
    pub(crate) async fn facet_filter(&self, search: &Search) -> Result<Option<Facet>> {
        let (kind, column, values) = match search.0.as_slice() {
            [] => return Ok(Some(Facet::default())),
            [Term::Service(service)] => ("s", "l.service", vec![service.clone()]),
            [Term::Event(event)] => ("e", "l.event_type", vec![event.clone()]),
            [Term::Decky(decky)] => {
                let known = self.db.rows("reading deckies", Query::new("SELECT value FROM log_facets WHERE kind = 'd'")).await?;
                let is_named = |id: &String| id == decky || id.split_once(':').is_some_and(|(_, name)| name == decky);
                ("d", "l.decky", known.into_iter().map(|mut row| row.text()).filter(is_named).collect())
            }
            _ => return Ok(None),
        };
        let mut facet = Facet::default();
        facet.sums.and("l.kind = ?", kind);
        facet.sums.and_in("l.value", values.clone());
        facet.rows.and_in(column, values);
        Ok(Some(facet))
    }
}

/// One condition, as it reads on the sums and on the rows.
#[derive(Debug, Default)]
pub(crate) struct Facet {
    pub(crate) sums: Where,
    pub(crate) rows: Where,
}

/// Conditions that the needles imply, for scans.
pub(crate) fn narrow(search: &Search) -> Where {
    let mut filter = Where::default();
    for term in &search.0 {
        match term {
            Term::Service(service) => filter.and("l.service = ?", service.as_str()),
            Term::Event(event) => filter.and("l.event_type = ?", event.as_str()),
            Term::Attacker(ip) => filter.and("l.attacker_ip = ?", ip.as_str()),
            _ => {}
        }
    }
    filter
}
