//! Makes sure that there is something to embed: the dashboard, or a page that says it was not built.

use std::{fs, io, path::Path};

const INSTEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>decnet</title>\
<h1>The dashboard was not built</h1><p>Run <code>make web</code> (or <code>npm ci &amp;&amp; npm run build</code> in \
<code>web/</code>) and build the program again. The API works: <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../../web/dist");
    let dist = Path::new("../../web/dist");
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist)?;
        fs::write(dist.join("index.html"), INSTEAD)?;
    }
    Ok(())
}
