//! Offered secrets, each once per target, with how often.

use crate::{
    COUNTED_AT_MOST, CredentialRow, Page, Result, Store,
    db::{Arg, Query, Row},
    dialect::{self, Index},
    ids::unpack_sha256,
    search::Search,
    text::{Find, Indexed},
    time_index::Span,
    words::{Facet, Needle, Words},
};

impl Indexed for CredentialRow {
    const INDEX: Index = dialect::CREDENTIALS;
    const COLUMNS: &'static str = "l.id, l.attacker_ip, (SELECT a.uuid FROM attackers a WHERE a.ip = l.attacker_ip), l.decky_name, l.service, \
                                   l.principal, l.secret_kind, l.secret_sha256, l.secret_b64, l.secret_printable, l.outcome, l.fields, \
                                   l.first_seen, l.last_seen, l.attempt_count";

    fn read(mut row: Row) -> Self {
        Self {
            id: row.int(),
            attacker_ip: row.text(),
            attacker_uuid: row.opt_text(),
            decky_name: row.text(),
            service: row.text(),
            principal: row.opt_text(),
            secret_kind: row.text(),
            secret_sha256: unpack_sha256(&row.opt_bytes().unwrap_or_default()),
            secret_b64: row.opt_text(),
            secret_printable: row.opt_text(),
            outcome: row.opt_text(),
            fields: row.json(),
            first_seen: row.at(),
            last_seen: row.at(),
            attempt_count: row.int(),
        }
    }

    fn id(&self) -> i64 {
        self.id
    }

    /// What never changes in a row: not its outcome, not its counts.
    fn words(&self) -> Words {
        let mut words = Words::default();
        words.facet(Facet::Attacker, &self.attacker_ip);
        words.facet(Facet::Service, &self.service);
        words.facet(Facet::Decky, &self.decky_name);
        if let Some((_, name)) = self.decky_name.split_once(':') {
            words.facet(Facet::Decky, name);
        }
        words.fields(&self.fields);
        let texts = [("principal", self.principal.as_ref()), ("secret", self.secret_printable.as_ref())];
        for (key, text) in texts.into_iter().chain([("kind", Some(&self.secret_kind)), ("sha256", Some(&self.secret_sha256))]) {
            if let Some(text) = text {
                words.field(key, text);
                words.text(text);
            }
        }
        for text in [&self.attacker_ip, &self.service, &self.decky_name] {
            words.text(text);
        }
        words
    }
}

impl Store {
    /// Newest first. `search` is the language of [`crate::search`]; `principal`, `secret`, `kind` and `sha256` are keys too.
    pub async fn credentials(
        &self,
        search: Option<&str>,
        service: Option<&str>,
        attacker_ip: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<CredentialRow>> {
        let search = Search::parse(search.unwrap_or_default());
        let direct = match (search.is_empty(), service, attacker_ip) {
            (true, None, None) => Some(Filter::All("credentials")),
            (true, None, Some(ip)) => Some(Filter::By("l.attacker_ip = ?", ip.into())),
            _ => None,
        };
        if let Some(filter) = direct {
            return self.list("listing credentials", filter, limit, offset).await;
        }
        let facets = [(Facet::Service, service), (Facet::Attacker, attacker_ip)];
        self.search_rows("searching credentials", &search, &facets, limit, offset).await
    }
}

/// A condition that an index of the table answers.
pub(crate) enum Filter {
    /// Every row; the counter that holds how many.
    All(&'static str),
    By(&'static str, Arg),
}

impl Store {
    /// A page of an indexed table, newest first.
    pub(crate) async fn list<T: Indexed>(&self, doing: &'static str, filter: Filter, limit: i64, offset: i64) -> Result<Page<T>> {
        let (limit, offset) = (limit.clamp(0, crate::logs::MOST_ROWS), offset.max(0));
        let table = T::INDEX.rows;
        let (total, condition, arg) = match filter {
            Filter::All(counter) => (Query::new("SELECT value FROM counters WHERE name = ?").bind(counter), "1 = 1", None),
            Filter::By(condition, arg) => {
                let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} l WHERE {condition} LIMIT ?) c");
                (Query::new(sql).bind(arg.clone()).bind(COUNTED_AT_MOST), condition, Some(arg))
            }
        };
        let sql = format!(
            "SELECT {} FROM (SELECT l.id FROM {table} l WHERE {condition} ORDER BY l.id DESC LIMIT ? OFFSET ?) w JOIN {table} l ON l.id = w.id \
             ORDER BY l.id DESC",
            T::COLUMNS
        );
        let mut answers = self.db.read(doing, vec![total, Query::new(sql).bind_all(arg).bind(limit).bind(offset)]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total, limit, offset, data: answers.next().unwrap_or_default().into_iter().map(T::read).collect() })
    }

    /// A page of an indexed table found by its words, newest first.
    pub(crate) async fn search_rows<T: Indexed>(
        &self,
        doing: &'static str,
        search: &Search,
        facets: &[(Facet, Option<&str>)],
        limit: i64,
        offset: i64,
    ) -> Result<Page<T>> {
        let (limit, offset) = (limit.clamp(0, crate::logs::MOST_ROWS), offset.max(0));
        let Some(mut needles) = search.needles() else { return Ok(Page { total: 0, limit, offset, data: Vec::new() }) };
        needles.extend(facets.iter().filter_map(|(facet, value)| Some(Needle::facet(*facet, (*value)?))));
        let find = Find {
            needles,
            narrow: Default::default(),
            ids: (0, i64::MAX),
            span: Span::default(),
            ascending: false,
            limit,
            offset,
            total: None,
        };
        let (total, data) = self.find(doing, find).await?;
        Ok(Page { total, limit, offset, data })
    }
}
