//! The dashboard's files and what every answer carries.

use reqwest::Method;

use crate::world::{World, send};

#[tokio::test]
async fn addresses_of_the_page_are_the_page_and_the_policy_is_strict() {
    let world = World::new().await;
    let get = async |path: &str| send(world.client.get(format!("{}{path}", world.base))).await;
    for path in ["/", "/attackers/0190a0a0-0000-7000-8000-0000000000aa", "/live?search=x.y"] {
        let page = get(path).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'"
        ));
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-cache");
    }
    let tag = get("/").await.header("etag").to_owned();
    assert_eq!(send(world.client.get(&world.base).header("if-none-match", tag)).await.status, 304);
    get("/assets/nosuch.js").await.problem(404);
    get("/favicon.nosuch").await.problem(404);
    get("/api/v1/nosuch").await.problem(404);
    get("/api").await.problem(404);
    let token = world.viewer().await;
    world.get(&token, "/sessions/%ff").await.problem(400);
    send(world.call(Method::DELETE, "/logs")).await.problem(405);
    send(world.client.post(format!("{}/", world.base))).await.problem(405);
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let world = World::new().await;
    let answer = send(world.call(Method::GET, "/openapi.json")).await;
    assert_eq!(answer.text, api::routes::document());
    assert_eq!(answer.json()["openapi"], "3.1.0");
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
}
