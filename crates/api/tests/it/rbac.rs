//! Who may call what. Every route of the document stands in the table, so a new one cannot be forgotten.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::world::{World, send};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// No token.
    None,
    /// Any token, even before a forced change of password.
    Any,
    Viewer,
    Admin,
    /// Viewer; tickets and `?token=` count too.
    Stream,
    /// This host, or viewer.
    Metrics,
}
use Gate::*;

const TABLE: &[(&str, &str, Gate)] = &[
    ("get", "/artifacts", Viewer),
    ("get", "/artifacts/{sha256}/download", Admin),
    ("get", "/attackers", Viewer),
    ("get", "/attackers/{uuid}", Viewer),
    ("get", "/attackers/{uuid}/artifacts", Viewer),
    ("get", "/attackers/{uuid}/behaviour", Viewer),
    ("get", "/attackers/{uuid}/commands", Viewer),
    ("get", "/attackers/{uuid}/credentials", Viewer),
    ("get", "/attackers/{uuid}/events", Viewer),
    ("get", "/attackers/{uuid}/fingerprints", Viewer),
    ("get", "/attackers/{uuid}/intel", Viewer),
    ("get", "/attackers/{uuid}/sessions", Viewer),
    ("get", "/attackers/{uuid}/timeline", Viewer),
    ("post", "/auth/change-password", Any),
    ("post", "/auth/login", None),
    ("post", "/auth/logout", Any),
    ("get", "/auth/me", Any),
    ("post", "/auth/refresh", Viewer),
    ("post", "/auth/sse-ticket", Viewer),
    ("get", "/bounty", Viewer),
    ("get", "/config", Viewer),
    ("delete", "/config/reinit", Admin),
    ("get", "/config/users", Admin),
    ("post", "/config/users", Admin),
    ("delete", "/config/users/{uuid}", Admin),
    ("put", "/config/users/{uuid}/reset-password", Admin),
    ("put", "/config/users/{uuid}/role", Admin),
    ("get", "/campaigns", Viewer),
    ("get", "/campaigns/events", Stream),
    ("get", "/campaigns/{uuid}", Viewer),
    ("get", "/campaigns/{uuid}/evidence", Viewer),
    ("get", "/campaigns/{uuid}/identities", Viewer),
    ("put", "/campaigns/links", Admin),
    ("get", "/identities", Viewer),
    ("get", "/identities/events", Stream),
    ("get", "/identities/{uuid}", Viewer),
    ("get", "/identities/{uuid}/evidence", Viewer),
    ("get", "/identities/{uuid}/observations", Viewer),
    ("put", "/identities/links", Admin),
    ("get", "/credential-reuse", Viewer),
    ("get", "/credential-reuse/{id}", Viewer),
    ("get", "/credentials", Viewer),
    ("get", "/deckies", Viewer),
    ("post", "/deckies/deploy", Admin),
    ("post", "/deckies/reconcile", Admin),
    ("get", "/deckies/running", Viewer),
    ("delete", "/deckies/{id}", Admin),
    ("get", "/deckies/{id}", Viewer),
    ("post", "/deckies/{id}/mutate", Admin),
    ("put", "/deckies/{id}/mutate-interval", Admin),
    ("post", "/deckies/{id}/services", Admin),
    ("delete", "/deckies/{id}/services/{service}", Admin),
    ("put", "/deckies/{id}/services/{service}/config", Admin),
    ("get", "/health", Viewer),
    ("get", "/logs", Viewer),
    ("get", "/logs/export", Viewer),
    ("get", "/logs/histogram", Viewer),
    ("get", "/metrics", Metrics),
    ("get", "/openapi.json", None),
    ("get", "/sessions", Viewer),
    ("get", "/sessions/{sid}", Viewer),
    ("get", "/sessions/{sid}/events", Viewer),
    ("get", "/stats", Viewer),
    ("get", "/stream", Stream),
    ("get", "/system/version", Viewer),
    ("get", "/transcripts/{decky}/{sid}", Viewer),
    ("get", "/transcripts/{decky}/{sid}/cast", Viewer),
    ("get", "/workers", Viewer),
    ("post", "/workers/start-all", Admin),
    ("post", "/workers/{name}/start", Admin),
    ("post", "/workers/{name}/stop", Admin),
];

#[test]
fn the_table_is_the_document() {
    let document: Value = serde_json::from_str(&api::routes::document()).unwrap();
    let mut said = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap_or_else(|| panic!("{path} is outside of /api/v1"));
            said.insert(format!("{method} {path} {}", operation["x-role"].as_str().unwrap_or("?")));
        }
    }
    let table: BTreeSet<_> = TABLE.iter().map(|(m, p, g)| format!("{m} {p} {}", format!("{g:?}").to_lowercase())).collect();
    assert_eq!(said, table);
    let mut ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids repeat");
}

/// Whether the gate let it through: what comes after may still refuse it for other reasons.
async fn passes(world: &World, method: &str, path: &str, token: Option<&str>) -> Result<(), u16> {
    // Ids that name nothing, so that nothing is changed.
    let path = path.replace("{name}", "nosuch").replace("{uuid}", "nosuch").replace("{sha256}", "nosuch").replace("{sid}", "nosuch");
    let path = path.replace("{decky}", "nosuch").replace("{id}", "nosuch").replace("/logs/export", "/logs/export?format=csv");
    let method: Method = method.to_uppercase().parse().unwrap();
    let mut request = world.call(method, &path).header("x-forwarded-for", "192.0.2.1");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if path == "/stream" || path.ends_with("/events") {
        let status = request.send().await.unwrap().status().as_u16();
        return if matches!(status, 401 | 403) { Err(status) } else { Ok(()) };
    }
    let answer = send(request).await;
    let status = answer.status.as_u16();
    if matches!(status, 401 | 403) {
        answer.problem(status);
        return Err(status);
    }
    Ok(())
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should() {
    let world = World::new().await;
    let admin = world.admin().await;
    let viewer = world.viewer().await;
    world.user("fresh", "admin", true).await;
    let fresh = world.token("fresh").await;
    // Last, since it ends the session.
    let (end, rest): (Vec<_>, Vec<_>) = TABLE.iter().partition(|(_, path, _)| *path == "/auth/logout");
    for (method, path, gate) in rest.into_iter().chain(end) {
        let at = format!("{method} {path}");
        let open = matches!(gate, None);
        assert_eq!(passes(&world, method, path, Option::None).await, if open { Ok(()) } else { Err(401) }, "{at} without a token");
        assert_eq!(passes(&world, method, path, Some("x.y.z")).await, if open { Ok(()) } else { Err(401) }, "{at} with a bad token");
        let early = matches!(gate, None | Any);
        assert_eq!(passes(&world, method, path, Some(&fresh)).await, if early { Ok(()) } else { Err(403) }, "{at} before the change");
        assert_eq!(passes(&world, method, path, Some(&viewer)).await, if gate == Admin { Err(403) } else { Ok(()) }, "{at} as viewer");
        assert_eq!(passes(&world, method, path, Some(&admin)).await, Ok(()), "{at} as admin");
    }
}

#[tokio::test]
async fn metrics_are_open_to_this_host_alone() {
    let world = World::new().await;
    let answer = send(world.call(Method::GET, "/metrics")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("decnet_last_log_id 0"), "{}", answer.text);
    send(world.call(Method::GET, "/metrics").header("forwarded", "for=192.0.2.1")).await.problem(401);
}
