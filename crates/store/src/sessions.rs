//! Conversations.

use crate::{
    COUNTED_AT_MOST, Page, Result, SessionRow, Store,
    db::{Arg, Query, Row},
    ids::pack,
};

const COLUMNS: &str = "l.sid, l.decky, l.service, l.attacker_ip, l.src_port, l.dst_port, l.started_at, l.ended_at, l.duration_us, \
                       l.bytes_in, l.bytes_out, l.why, l.command_count, l.credential_count, l.file_count, l.logged_in, l.recording, \
                       l.recording_truncated";

impl Store {
    /// Newest first.
    pub async fn sessions(
        &self,
        attacker_ip: Option<&str>,
        decky: Option<&str>,
        recorded_only: bool,
        limit: i64,
        offset: i64,
    ) -> Result<Page<SessionRow>> {
        let (limit, offset) = (limit.clamp(0, crate::logs::MOST_ROWS), offset.max(0));
        let mut conditions = String::from("1 = 1");
        let mut args: Vec<Arg> = Vec::new();
        for (condition, value) in [(" AND l.attacker_ip = ?", attacker_ip), (" AND l.decky = ?", decky)] {
            if let Some(value) = value {
                conditions.push_str(condition);
                args.push(value.into());
            }
        }
        if recorded_only {
            conditions.push_str(" AND l.recording IS NOT NULL");
        }
        let total = if args.is_empty() && !recorded_only {
            Query::new("SELECT value FROM counters WHERE name = 'sessions'")
        } else {
            let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM sessions l WHERE {conditions} LIMIT ?) c");
            Query::new(sql).bind_all(args.iter().cloned()).bind(COUNTED_AT_MOST)
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT l.id FROM sessions l WHERE {conditions} ORDER BY l.id DESC LIMIT ? OFFSET ?) w \
             JOIN sessions l ON l.id = w.id ORDER BY l.id DESC"
        );
        let rows = Query::new(sql).bind_all(args).bind(limit).bind(offset);
        let mut answers = self.db.read("listing sessions", vec![total, rows]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        Ok(Page { total, limit, offset, data: answers.next().unwrap_or_default().into_iter().map(read).collect() })
    }

    /// One conversation.
    pub async fn session(&self, sid: &str) -> Result<Option<SessionRow>> {
        let query = Query::new(format!("SELECT {COLUMNS} FROM sessions l WHERE l.sid = ?")).bind(pack(sid));
        Ok(self.db.row("reading a session", query).await?.map(read))
    }
}

fn read(mut row: Row) -> SessionRow {
    SessionRow {
        sid: row.id(),
        decky: row.text(),
        service: row.text(),
        attacker_ip: row.text(),
        src_port: row.opt_int(),
        dst_port: row.opt_int(),
        started_at: row.at(),
        ended_at: row.opt_at(),
        duration_us: row.opt_int(),
        bytes_in: row.int(),
        bytes_out: row.int(),
        why: row.opt_text(),
        command_count: row.int(),
        credential_count: row.int(),
        file_count: row.int(),
        logged_in: row.flag(),
        recording: row.opt_text(),
        recording_truncated: row.flag(),
    }
}
