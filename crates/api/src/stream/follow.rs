//! One client's stream: first what it missed, then what comes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use store::search::Search;
use tokio::{
    sync::{broadcast, broadcast::error::RecvError, watch},
    time::Instant,
};

use super::{
    Mark,
    feed::MOST_ROWS,
    frame,
    hub::{Frame, Seat},
};
use crate::{Api, auth::Who, health};

/// Rows further back than this are not sent again.
const MOST_MISSED: i64 = 10_000;
/// Longest silence.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How often it is asked whether the client may stay.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// A client's place in the stream.
pub(crate) struct Follow {
    api: Api,
    who: Arc<Who>,
    search: Option<Search>,
    feed: broadcast::Receiver<Arc<Frame>>,
    rechecks: watch::Receiver<u64>,
    /// Last row that was sent or looked at.
    at: i64,
    /// Where the feed begins; rows up to here are read from the database.
    until: i64,
    ready: VecDeque<Bytes>,
    spoke: Instant,
    checked: Instant,
    ended: bool,
    _seat: Seat,
}

impl Follow {
    /// Joins the feed first and looks back then: nothing can fall between.
    pub(crate) async fn begin(api: Api, who: Arc<Who>, seat: Seat, resume: Option<i64>, search: Option<Search>) -> Self {
        let rechecks = api.hub().rechecks();
        if search.is_some() {
            api.hub().filters(true);
        }
        let (feed, until) = api.hub().join();
        let now = Instant::now();
        let mut follow = Self {
            api,
            who,
            search,
            feed,
            rechecks,
            at: until,
            until,
            ready: VecDeque::new(),
            spoke: now,
            checked: now,
            ended: false,
            _seat: seat,
        };
        follow.greet(resume).await;
        follow
    }

    async fn greet(&mut self, resume: Option<i64>) {
        let mut lost = false;
        if let Some(from) = resume {
            // The feed may not have looked yet, then a client knows more than it: the database decides.
            let newest = if from > self.until { self.api.store().last_log_id().await.unwrap_or(from) } else { self.until };
            lost = from < 0 || from > newest || newest - from > MOST_MISSED;
            if !lost {
                self.at = from;
            }
        }
        let hello = frame::event("hello", Some(self.at), &Mark { last_log_id: self.until.max(self.at) });
        self.ready.push_back(Bytes::from([b"retry: 2000\n", &hello[..]].concat()));
        if lost {
            self.api.hub().lagged();
            self.ready.push_back(frame::event("resync", Some(self.at), &Mark { last_log_id: self.at }));
        }
        if let Some(stats) = self.api.hub().stats(&self.api).await {
            self.ready.push_back(stats);
        }
        self.ready.push_back(frame::event("workers", None, &health::workers(&self.api)));
    }

    /// The next piece of the body; `None` ends it.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.spoke = Instant::now();
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            if self.at < self.until {
                self.look_back().await;
            } else {
                self.listen().await;
            }
        }
    }

    async fn look_back(&mut self) {
        match self.api.store().logs_after(self.at, MOST_ROWS).await {
            Ok(mut rows) => {
                rows.retain(|row| row.id <= self.until);
                let last = rows.last().map_or(self.until, |row| row.id);
                if let Some(search) = &self.search {
                    rows.retain(|row| search.matches(row));
                }
                if !rows.is_empty() {
                    self.ready.push_back(frame::logs(last, &rows));
                }
                self.at = last;
            }
            Err(error) => {
                // The client comes back by itself and goes on where it was.
                tracing::debug!("a stream ends, the database does not answer: {error}");
                self.ended = true;
            }
        }
    }

    async fn listen(&mut self) {
        let stop = self.api.stopping().clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => self.ended = true,
            Ok(()) = self.rechecks.changed() => self.check().await,
            () = tokio::time::sleep_until(self.checked + CHECK_EVERY) => self.check().await,
            frame = self.feed.recv() => self.take(frame),
            () = tokio::time::sleep_until(self.spoke + ALIVE_EVERY) => self.ready.push_back(frame::alive(self.at)),
        }
    }

    fn take(&mut self, frame: Result<Arc<Frame>, RecvError>) {
        match frame.as_deref() {
            Ok(Frame::Logs { last, .. }) if *last <= self.at => {}
            // Some of it was seen: read the rest.
            Ok(Frame::Logs { first, last, .. }) if *first <= self.at => self.until = *last,
            Ok(Frame::Logs { bytes, last, rows, .. }) => {
                match (&self.search, rows) {
                    (None, _) => self.ready.push_back(bytes.clone()),
                    (Some(search), Some(rows)) => {
                        let rows: Vec<_> = rows.iter().filter(|row| search.matches(row)).collect();
                        if !rows.is_empty() {
                            self.ready.push_back(frame::logs(*last, &rows));
                        }
                    }
                    // Encoded before this stream said that it filters: read the rows.
                    (Some(_), None) => {
                        self.until = *last;
                        return;
                    }
                }
                (self.at, self.until) = (*last, *last);
            }
            Ok(Frame::Reset { last }) => {
                (self.at, self.until) = (*last, *last);
                self.ready.push_back(frame::event("resync", Some(*last), &Mark { last_log_id: *last }));
            }
            Ok(Frame::Other(bytes)) => self.ready.push_back(bytes.clone()),
            Err(RecvError::Lagged(_)) => {
                self.api.hub().lagged();
                self.ready.push_back(frame::event("resync", Some(self.at), &Mark { last_log_id: self.at }));
                self.ended = true;
            }
            Err(RecvError::Closed) => self.ended = true,
        }
    }

    async fn check(&mut self) {
        self.checked = Instant::now();
        if let Err(problem) = self.api.auth().may_stay(&self.api, &self.who).await
            && problem.status == axum::http::StatusCode::UNAUTHORIZED
        {
            self.ended = true;
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if self.search.is_some() {
            self.api.hub().filters(false);
        }
    }
}
