//! Extracted evidence (`bounty`) and kept files (`artifacts`).

use crate::{
    ArtifactRow, BountyRow, COUNTED_AT_MOST, Page, Result, Store,
    credentials::Filter,
    db::{Query, Row},
    dialect::{self, Index},
    ids::{pack_sha256, unpack_sha256},
    search::Search,
    text::Indexed,
    words::{Facet, Words},
};

impl Indexed for BountyRow {
    const INDEX: Index = dialect::BOUNTIES;
    const COLUMNS: &'static str = "l.id, l.timestamp, l.decky, l.service, l.attacker_ip, l.bounty_type, l.payload";

    fn read(mut row: Row) -> Self {
        Self {
            id: row.int(),
            timestamp: row.at(),
            decky: row.text(),
            service: row.text(),
            attacker_ip: row.text(),
            bounty_type: row.text(),
            payload: row.json(),
        }
    }

    fn id(&self) -> i64 {
        self.id
    }

    fn words(&self) -> Words {
        let mut words = Words::default();
        words.facet(Facet::Attacker, &self.attacker_ip);
        words.facet(Facet::Service, &self.service);
        words.facet(Facet::Kind, &self.bounty_type);
        words.facet(Facet::Decky, &self.decky);
        if let Some((_, name)) = self.decky.split_once(':') {
            words.facet(Facet::Decky, name);
        }
        for text in [&self.attacker_ip, &self.service, &self.bounty_type, &self.decky] {
            words.text(text);
        }
        words.fields(&self.payload);
        words
    }
}

impl Store {
    /// Newest first. `search` is the language of [`crate::search`].
    pub async fn bounties(
        &self,
        bounty_type: Option<&str>,
        search: Option<&str>,
        attacker_ip: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<BountyRow>> {
        let search = Search::parse(search.unwrap_or_default());
        let direct = match (search.is_empty(), bounty_type, attacker_ip) {
            (true, None, None) => Some(Filter::All("bounties")),
            (true, None, Some(ip)) => Some(Filter::By("l.attacker_ip = ?", ip.into())),
            _ => None,
        };
        if let Some(filter) = direct {
            return self.list("listing bounties", filter, limit, offset).await;
        }
        let facets = [(Facet::Kind, bounty_type), (Facet::Attacker, attacker_ip)];
        self.search_rows("searching bounties", &search, &facets, limit, offset).await
    }

    /// Sightings of kept files, newest first.
    pub async fn artifacts(&self, attacker_ip: Option<&str>, limit: i64, offset: i64) -> Result<Page<ArtifactRow>> {
        let (limit, offset) = (limit.clamp(0, crate::logs::MOST_ROWS), offset.max(0));
        let (condition, total) = match attacker_ip {
            None => ("1 = 1", Query::new("SELECT value FROM counters WHERE name = 'artifacts'")),
            Some(ip) => {
                let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM artifacts l WHERE l.attacker_ip = ? LIMIT ?) c";
                ("l.attacker_ip = ?", Query::new(sql).bind(ip).bind(COUNTED_AT_MOST))
            }
        };
        let sql = format!("SELECT {ARTIFACT} FROM artifacts l WHERE {condition} ORDER BY l.id DESC LIMIT ? OFFSET ?");
        let rows = Query::new(sql).bind_all(attacker_ip.map(Into::into)).bind(limit).bind(offset);
        let mut answers = self.db.read("listing artifacts", vec![total, rows]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total, limit, offset, data: answers.next().unwrap_or_default().into_iter().map(artifact).collect() })
    }

    /// The newest sighting of a file.
    pub async fn artifact_by_sha256(&self, sha256: &str) -> Result<Option<ArtifactRow>> {
        let sql = format!("SELECT {ARTIFACT} FROM artifacts l WHERE l.sha256 = ? ORDER BY l.id DESC LIMIT 1");
        Ok(self.db.row("reading an artifact", Query::new(sql).bind(pack_sha256(sha256))).await?.map(artifact))
    }
}

const ARTIFACT: &str = "l.id, l.event_uuid, l.sha256, l.size, l.decky, l.service, l.attacker_ip, l.session_id, l.path, l.way, l.whole, \
                        l.captured_at";

fn artifact(mut row: Row) -> ArtifactRow {
    ArtifactRow {
        id: row.int(),
        event_uuid: row.id(),
        sha256: unpack_sha256(&row.opt_bytes().unwrap_or_default()),
        size: row.int(),
        decky: row.text(),
        service: row.text(),
        attacker_ip: row.text(),
        session_id: row.opt_id(),
        path: row.text(),
        way: row.text(),
        whole: row.flag(),
        captured_at: row.at(),
    }
}
