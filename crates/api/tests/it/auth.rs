//! Signing in and out, and who may stay.

use reqwest::Method;
use serde_json::json;

use crate::world::{PASSWORD, World, send};

#[tokio::test]
async fn in_and_out() {
    let world = World::new().await;
    world.user("ann", "viewer", false).await;
    let answer = world.login("ann", PASSWORD).await.ok();
    assert_eq!((answer["token_type"].as_str(), answer["expires_in"].as_u64()), (Some("bearer"), Some(900)));
    assert_eq!((answer["role"].as_str(), answer["must_change_password"].as_bool()), (Some("viewer"), Some(false)));
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(world.get(token, "/auth/me").await.ok()["username"], "ann");
    let other = world.token("ann").await;
    let fresh = world.post(token, "/auth/refresh", json!({})).await.ok()["access_token"].as_str().unwrap().to_owned();
    world.get(&fresh, "/stats").await.ok();
    world.post(token, "/auth/logout", json!({})).await.ok();
    // The whole session is over, other sessions are not.
    world.get(token, "/stats").await.problem(401);
    world.get(&fresh, "/stats").await.problem(401);
    world.get(&other, "/stats").await.ok();
}

#[tokio::test]
async fn nobody_learns_whether_a_name_exists() {
    let world = World::new().await;
    world.user("ann", "viewer", false).await;
    let wrong = world.login("ann", "wrong password").await;
    let nobody = world.login("nobody", "wrong password").await;
    let long = world.login("ann", &"x".repeat(500)).await;
    assert_eq!(wrong.problem(401), nobody.problem(401));
    assert_eq!(wrong.problem(401), long.problem(401));
    assert_eq!(wrong.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn bodies_are_checked() {
    let world = World::new().await;
    let post = |body: &'static str, kind: &'static str| world.call(Method::POST, "/auth/login").header("content-type", kind).body(body);
    send(post("{}", "text/plain")).await.problem(415);
    send(post("{", "application/json")).await.problem(400);
    send(post("{\"username\":1,\"password\":\"x\"}", "application/json")).await.problem(422);
    send(post("{\"username\":\"a\",\"password\":\"x\",\"more\":1}", "application/json")).await.problem(422);
    let long = json!({ "username": "a", "password": "x".repeat(100_000) });
    send(world.call(Method::POST, "/auth/login").json(&long)).await.problem(413);
}

#[tokio::test]
async fn tokens_and_sessions_end() {
    let world = World::new().await;
    world.user("ann", "viewer", false).await;
    let token = world.token("ann").await;
    world.pass(899);
    let fresh = world.post(&token, "/auth/refresh", json!({})).await.ok()["access_token"].as_str().unwrap().to_owned();
    world.pass(1);
    world.get(&token, "/stats").await.problem(401);
    world.get(&fresh, "/stats").await.ok();
    // Refreshing again and again does not last longer than a session.
    let mut token = fresh;
    for _ in 0..100 {
        world.pass(600);
        let answer = world.post(&token, "/auth/refresh", json!({})).await;
        if answer.status != 200 {
            answer.problem(401);
            return;
        }
        token = answer.json()["access_token"].as_str().unwrap().to_owned();
    }
    panic!("a session never ends");
}

#[tokio::test]
async fn a_forced_change_of_password_blocks_everything_else() {
    let world = World::new().await;
    world.user("ann", "admin", true).await;
    let token = world.token("ann").await;
    assert_eq!(world.get(&token, "/auth/me").await.ok()["must_change_password"], true);
    for path in ["/stats", "/logs", "/config/users", "/stream", "/health"] {
        assert_eq!(world.get(&token, path).await.problem(403)["type"], "urn:decnet:must-change-password", "{path}");
    }
    world.post(&token, "/auth/sse-ticket", json!({})).await.problem(403);
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    world.post(&token, "/auth/change-password", change("wrong", "a brand new one")).await.problem(401);
    world.post(&token, "/auth/change-password", change(PASSWORD, "short")).await.problem(422);
    world.post(&token, "/auth/change-password", change(PASSWORD, PASSWORD)).await.problem(422);
    world.post(&token, "/auth/change-password", change(PASSWORD, &"x1".repeat(65))).await.problem(422);
    world.pass(1);
    let answer = world.post(&token, "/auth/change-password", change(PASSWORD, "a brand new one")).await.ok();
    let fresh = answer["access_token"].as_str().unwrap();
    world.get(fresh, "/stats").await.ok();
    world.get(&token, "/auth/me").await.problem(401);
    world.login("ann", PASSWORD).await.problem(401);
    world.login("ann", "a brand new one").await.ok();
}

#[tokio::test]
async fn accounts_are_managed_and_changes_void_tokens_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let new = json!({ "username": "bob", "password": PASSWORD, "role": "viewer" });
    let answer = world.post(&admin, "/config/users", new.clone()).await;
    assert_eq!(answer.status, 201);
    let bob = answer.json();
    assert_eq!(bob["must_change_password"], true);
    assert!(!answer.text.contains("argon2"));
    world.post(&admin, "/config/users", new).await.problem(409);
    world.post(&admin, "/config/users", json!({ "username": "b b", "password": PASSWORD })).await.problem(422);
    world.post(&admin, "/config/users", json!({ "username": "eve", "password": "short" })).await.problem(422);
    world.post(&admin, "/config/users", json!({ "username": "eve", "password": PASSWORD, "role": "root" })).await.problem(422);

    let uuid = bob["uuid"].as_str().unwrap();
    let token = world.token("bob").await;
    world.get(&token, "/auth/me").await.ok();
    world.pass(1);
    world.put(&admin, &format!("/config/users/{uuid}/role"), json!({ "role": "admin" })).await.ok();
    world.get(&token, "/auth/me").await.problem(401);
    let token = world.token("bob").await;
    world.get(&token, "/auth/me").await.ok();
    world.pass(1);
    world.put(&admin, &format!("/config/users/{uuid}/reset-password"), json!({ "new_password": "another good one" })).await.ok();
    world.get(&token, "/auth/me").await.problem(401);
    let answer = world.login("bob", "another good one").await.ok();
    assert_eq!(answer["must_change_password"], true);
    let token = answer["access_token"].as_str().unwrap();
    world.delete(&admin, &format!("/config/users/{uuid}")).await.ok();
    world.get(token, "/auth/me").await.problem(401);
    world.delete(&admin, &format!("/config/users/{uuid}")).await.problem(404);

    let me = world.get(&admin, "/auth/me").await.ok()["uuid"].as_str().unwrap().to_owned();
    world.delete(&admin, &format!("/config/users/{me}")).await.problem(403);
    world.put(&admin, &format!("/config/users/{me}/role"), json!({ "role": "viewer" })).await.problem(403);
    assert_eq!(world.get(&admin, "/config/users").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn guessing_gets_slower_for_the_guesser_and_the_owner_is_not_locked_out() {
    let world = World::new().await;
    world.user("ann", "viewer", false).await;
    for _ in 0..5 {
        world.login("ann", "a wrong guess").await.problem(401);
    }
    let answer = world.login("ann", PASSWORD).await;
    assert_eq!(answer.problem(429)["type"], "urn:decnet:slow-down");
    assert_eq!(answer.header("retry-after").parse::<u64>().unwrap(), answer.json()["retry_after"].as_u64().unwrap());
    // Anybody else comes in, and the guesser too after the wait.
    world.pass(2);
    world.login("ann", PASSWORD).await.ok();
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients_and_others_do_not() {
    let guess = async |world: &World, ip: &str, password: &str| {
        let body = json!({ "username": "ann", "password": password });
        send(world.call(Method::POST, "/auth/login").header("x-forwarded-for", ip).json(&body)).await
    };
    let world = World::with(|c| c.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    world.user("ann", "viewer", false).await;
    for _ in 0..5 {
        guess(&world, "198.51.100.1", "a wrong guess").await.problem(401);
    }
    guess(&world, "198.51.100.1", PASSWORD).await.problem(429);
    guess(&world, "198.51.100.2", PASSWORD).await.ok();

    let world = World::new().await;
    world.user("ann", "viewer", false).await;
    for n in 0..5 {
        guess(&world, &format!("198.51.100.{n}"), "a wrong guess").await.problem(401);
    }
    guess(&world, "198.51.100.99", PASSWORD).await.problem(429);
}
