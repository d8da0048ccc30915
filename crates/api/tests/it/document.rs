//! The committed OpenAPI document is the one the routes make. `UPDATE=1 cargo test -p api` renews it.

#[test]
fn the_committed_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let made = api::routes::document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "openapi.json is not what the routes say; run: UPDATE=1 cargo test -p api --test it");
}
