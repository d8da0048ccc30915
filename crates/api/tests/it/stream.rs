//! The stream: nothing lost, nothing twice, nobody too many.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::world::{World, log, logs};

/// One event as a browser would see it.
#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: Option<i64>,
    data: Value,
}

/// A browser's EventSource, as far as we need it.
struct Source {
    body: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    buffer: String,
    /// What would be sent as Last-Event-ID.
    last_id: Option<i64>,
}

impl Source {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap_or_default());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: Box::pin(response.bytes_stream()), buffer: String::new(), last_id: None }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(Duration::from_secs(30), self.take()).await.expect("the stream is silent")
    }

    async fn take(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n").map(|(b, r)| (b.to_owned(), r.to_owned())) {
                self.buffer = rest;
                let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
                let id = field("id").map(|id| id.parse().unwrap());
                self.last_id = id.or(self.last_id);
                if let Some(data) = field("data") {
                    return Some(Event { name: field("event").unwrap(), id, data: serde_json::from_str(&data).unwrap() });
                }
            }
            let bytes = self.body.next().await?.ok()?;
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn named(&mut self, name: &str) -> Option<Event> {
        loop {
            let event = self.next().await?;
            if event.name == name {
                return Some(event);
            }
        }
    }

    /// Ids of rows until one of them is `last`.
    async fn ids_until(&mut self, last: i64) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.last() != Some(&last) {
            let event = self.named("logs").await.expect("the stream ended");
            let rows = event.data.as_array().unwrap();
            assert!((1..=256).contains(&rows.len()));
            ids.extend(rows.iter().map(|row| row["id"].as_i64().unwrap()));
            assert_eq!(event.id, ids.last().copied());
        }
        ids
    }
}

fn stream(world: &World, token: &str, query: &str) -> RequestBuilder {
    world.call(Method::GET, &format!("/stream{query}")).bearer_auth(token)
}

async fn status(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

fn rows(from: u64, count: u64) -> Vec<store::NewLog> {
    (from..from + count).map(|n| log(n, "command", &format!("row {n}"))).collect()
}

#[tokio::test]
async fn it_says_hello_counts_and_workers_and_then_what_happens() {
    let world = World::new().await;
    let token = world.viewer().await;
    // The feed has not heard of these; the client has.
    world.record(logs(rows(0, 3))).await;
    let mut source = Source::open(stream(&world, &token, "?lastEventId=2")).await;
    let hello = source.next().await.unwrap();
    assert_eq!((hello.name.as_str(), hello.id), ("hello", Some(2)));
    let names = [source.next().await.unwrap().name, source.next().await.unwrap().name];
    assert_eq!(names, ["stats", "workers"]);
    world.record_and_say(logs(rows(3, 2))).await;
    assert_eq!(source.ids_until(5).await, [3, 4, 5]);
    world.bus.publish("attacker.scored", json!({ "attacker_uuid": "u", "attacker_ip": "192.0.2.7" })).await.unwrap();
    assert_eq!(source.named("attacker").await.unwrap().data, json!({ "uuid": "u", "ip": "192.0.2.7" }));
}

#[tokio::test]
async fn a_row_that_nobody_told_of_comes_too() {
    let world = World::new().await;
    let token = world.viewer().await;
    let mut source = Source::open(stream(&world, &token, "")).await;
    source.named("hello").await.unwrap();
    // No word on the bus: the slow tick finds it.
    world.record(logs(rows(0, 1))).await;
    assert_eq!(source.ids_until(1).await, [1]);
}

#[tokio::test]
async fn reconnecting_while_rows_pour_in_loses_and_repeats_nothing() {
    let world = std::sync::Arc::new(World::new().await);
    let token = world.viewer().await;
    const BATCHES: u64 = 150;
    const EACH: u64 = 7;
    let last = i64::try_from(BATCHES * EACH).unwrap();
    let mut first = Source::open(stream(&world, &token, "?lastEventId=0")).await;
    first.named("hello").await.unwrap();
    let writer = {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move {
            for n in 0..BATCHES {
                world.record_and_say(logs(rows(n * EACH, EACH))).await;
                tokio::task::yield_now().await;
            }
        })
    };
    // One client stays; one comes and goes, and goes on where it was.
    let moving = async {
        let mut seen: Vec<i64> = Vec::new();
        let mut at = 0;
        while seen.last() != Some(&last) {
            let mut source = Source::open(stream(&world, &token, "").header("last-event-id", at.to_string())).await;
            for _ in 0..3 {
                let event = source.named("logs").await.unwrap();
                seen.extend(event.data.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
                if seen.last() == Some(&last) {
                    break;
                }
            }
            at = source.last_id.unwrap();
        }
        seen
    };
    let (seen, stayed) = tokio::join!(moving, first.ids_until(last));
    writer.await.unwrap();
    let all: Vec<i64> = (1..=last).collect();
    assert_eq!(seen, all);
    assert_eq!(stayed, all);
}

#[tokio::test]
async fn a_filtered_stream_holds_what_matches() {
    let world = World::new().await;
    let token = world.viewer().await;
    let mixed = |from: u64| (from..from + 10).map(|n| log(n, if n % 2 == 0 { "command" } else { "connect" }, "x")).collect();
    world.record(logs(mixed(0))).await;
    let mut source = Source::open(stream(&world, &token, "?search=event:connect").header("last-event-id", "0")).await;
    world.record_and_say(logs(mixed(10))).await;
    let mut ids = Vec::new();
    while ids.len() < 10 {
        let event = source.named("logs").await.unwrap();
        ids.extend(event.data.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
    }
    assert_eq!(ids, (1..=10).map(|n| n * 2).collect::<Vec<_>>());
    // Bad searches are refused before the stream begins.
    assert_eq!(status(stream(&world, &token, &format!("?search={}", "x".repeat(600)))).await.status(), 422);
    assert_eq!(status(stream(&world, &token, "").header("last-event-id", "x")).await.status(), 400);
}

#[tokio::test]
async fn who_is_too_far_behind_is_told_where_to_go_on() {
    let world = World::new().await;
    let token = world.viewer().await;
    let mut ahead = Source::open(stream(&world, &token, "?lastEventId=77")).await;
    assert_eq!(ahead.named("resync").await.unwrap().data, json!({ "last_log_id": 0 }));
    for n in 0..10 {
        world.record_and_say(logs(rows(n * 1000, 1000))).await;
    }
    assert_eq!(ahead.ids_until(10_000).await.len(), 10_000);
    world.record_and_say(logs(rows(10_000, 1))).await;
    assert_eq!(ahead.ids_until(10_001).await, [10_001]);
    let mut source = Source::open(stream(&world, &token, "?lastEventId=0")).await;
    assert_eq!(source.named("resync").await.unwrap().data, json!({ "last_log_id": 10_001 }));
    world.record_and_say(logs(rows(10_001, 1))).await;
    assert_eq!(source.ids_until(10_002).await, [10_002]);
}

#[tokio::test]
async fn a_flood_is_skipped_and_said_so() {
    let world = World::new().await;
    let token = world.viewer().await;
    let mut source = Source::open(stream(&world, &token, "")).await;
    source.named("hello").await.unwrap();
    world.record_and_say(logs(rows(0, 12_000))).await;
    assert_eq!(source.ids_until(256).await.len(), 256);
    assert_eq!(source.next().await.unwrap().data, json!({ "last_log_id": 12_000 }));
    world.record_and_say(logs(rows(12_000, 1))).await;
    assert_eq!(source.ids_until(12_001).await, [12_001]);
}

#[tokio::test]
async fn a_ticket_opens_one_stream_and_a_token_may_stand_in_the_address() {
    let world = World::new().await;
    let token = world.viewer().await;
    let ticket = world.post(&token, "/auth/sse-ticket", json!({})).await.ok();
    assert_eq!(ticket["expires_in"], 60);
    let ticket = ticket["ticket"].as_str().unwrap().to_owned();
    let by = |query: String| world.call(Method::GET, &format!("/stream?{query}"));
    Source::open(by(format!("ticket={ticket}"))).await.named("hello").await.unwrap();
    assert_eq!(status(by(format!("ticket={ticket}"))).await.status(), 401);
    Source::open(by(format!("token={token}"))).await.named("hello").await.unwrap();
    assert_eq!(status(by("token=x.y.z".into())).await.status(), 401);
    // A ticket is worth no more than the session it came from, nor for long.
    let ticket = async || world.post(&token, "/auth/sse-ticket", json!({})).await.ok()["ticket"].as_str().unwrap().to_owned();
    let (old, void) = (ticket().await, ticket().await);
    world.pass(60);
    assert_eq!(status(by(format!("ticket={old}"))).await.status(), 401);
    let late = ticket().await;
    world.post(&token, "/auth/logout", json!({})).await.ok();
    assert_eq!(status(by(format!("ticket={late}"))).await.status(), 401);
    assert_eq!(status(by(format!("ticket={void}"))).await.status(), 401);
    // Nowhere but on the stream.
    assert_eq!(status(world.call(Method::GET, &format!("/stats?token={token}"))).await.status(), 401);
}

#[tokio::test]
async fn one_stream_too_many_is_refused_before_it_begins_and_a_place_comes_back() {
    let world = World::with(|c| c.streams_per_user = 2).await;
    let token = world.viewer().await;
    let admin = world.admin().await;
    let one = Source::open(stream(&world, &token, "")).await;
    let _two = Source::open(stream(&world, &token, "")).await;
    let refused = status(stream(&world, &token, "")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.headers().contains_key("retry-after"));
    drop(Source::open(stream(&world, &admin, "")).await);
    drop(one);
    // The server sees the closed connection when it next looks.
    for _ in 0..2000 {
        if status(stream(&world, &token, "")).await.status() == 200 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the place is not given back");
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_opened_it() {
    let world = World::new().await;
    let token = world.viewer().await;
    let other = world.token("viewer").await;
    let mut source = Source::open(stream(&world, &token, "")).await;
    let mut stays = Source::open(stream(&world, &other, "")).await;
    source.named("hello").await.unwrap();
    stays.named("hello").await.unwrap();
    world.post(&token, "/auth/logout", json!({})).await.ok();
    assert!(source.named("logs").await.is_none());
    world.record_and_say(logs(rows(0, 1))).await;
    assert_eq!(stays.ids_until(1).await, [1]);
}
