//! Streams of identities and campaigns: a picture first, then every change in order, each once. The database is read;
//! the bus only says when.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bus::Subscription;
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::{frame, hub::Seat};
use crate::{Api, auth::Who};

/// Rows of the picture.
const PICTURE: i64 = 50;
/// Changes read at once.
const MOST: i64 = 200;
/// The slow tick: a lost message costs this much and no change.
const TICK: Duration = Duration::from_secs(3);
/// Silence after which a comment is sent.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the reader may stay.
const CHECK: Duration = Duration::from_secs(30);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Identities,
    Campaigns,
}

impl Level {
    fn prefix(self) -> &'static str {
        match self {
            Self::Identities => "identity.",
            Self::Campaigns => "campaign.",
        }
    }

    fn pattern(self) -> &'static str {
        match self {
            Self::Identities => bus::topics::ALL_IDENTITIES,
            Self::Campaigns => bus::topics::ALL_CAMPAIGNS,
        }
    }
}

/// One reader.
pub(super) struct MindFollow {
    api: Api,
    who: Arc<Who>,
    level: Level,
    wakes: Option<Subscription>,
    /// Id of the last change sent.
    at: i64,
    ready: VecDeque<Bytes>,
    spoke: Instant,
    checked: Instant,
    ended: bool,
    _seat: Seat,
}

impl MindFollow {
    pub(super) async fn begin(api: Api, who: Arc<Who>, seat: Seat, level: Level, resume: Option<i64>) -> Self {
        // First the subscription, then the mark, then the picture: nothing can fall between.
        let wakes = api.bus().subscribe(level.pattern()).await.ok();
        let last = api.store().last_mind_event().await.unwrap_or(0);
        let at = resume.filter(|from| (0..=last).contains(from)).unwrap_or(last);
        let picture = match level {
            Level::Identities => api.store().identities(PICTURE, 0).await.map(|page| json!({ "identities": page.data })),
            Level::Campaigns => api.store().campaigns(PICTURE, 0).await.map(|page| json!({ "campaigns": page.data })),
        };
        let mut ready = VecDeque::from([Bytes::from_static(b"retry: 2000\n\n")]);
        let ended = picture.is_err();
        if let Ok(picture) = picture {
            ready.push_back(frame::event("snapshot", Some(at), &picture));
        }
        let now = Instant::now();
        Self { api, who, level, wakes, at, ready, spoke: now, checked: now, ended, _seat: seat }
    }

    /// The next piece of the body; `None` ends it.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.spoke = Instant::now();
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            self.look().await;
            if self.ready.is_empty() && !self.ended {
                self.wait().await;
            }
        }
    }

    async fn look(&mut self) {
        let Ok(rows) = self.api.store().mind_events_after(self.at, self.level.prefix(), MOST).await else {
            // The reader comes back by itself and goes on where it was.
            self.ended = true;
            return;
        };
        for row in rows {
            self.at = row.id;
            let name = row.topic.strip_prefix(self.level.prefix()).unwrap_or(&row.topic).to_owned();
            let data = json!({ "topic": row.topic, "type": name, "ts": row.at, "payload": row.payload });
            self.ready.push_back(frame::event(&name, Some(row.id), &data));
        }
    }

    async fn wait(&mut self) {
        let stop = self.api.stopping().clone();
        let woken = async {
            match &mut self.wakes {
                Some(wakes) => {
                    if wakes.next().await.is_none() {
                        std::future::pending::<()>().await;
                    }
                    while wakes.try_next().is_some() {}
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => self.ended = true,
            () = woken => {}
            () = tokio::time::sleep(TICK) => {}
        }
        if self.checked.elapsed() > CHECK {
            self.checked = Instant::now();
            if let Err(problem) = self.api.auth().may_stay(&self.api, &self.who).await
                && problem.status == axum::http::StatusCode::UNAUTHORIZED
            {
                self.ended = true;
            }
        }
        if self.spoke.elapsed() > ALIVE {
            self.ready.push_back(frame::alive(self.at));
        }
    }
}
