//! 500 connections, by `wrk`.

use std::{fmt::Write, time::Duration};
use tokio::process::Command;
use trials::world::World;

/// What is asked.
pub(crate) enum Questions<'a> {
    /// This path, again and again.
    Same(&'a str),
    /// One of these Lua expressions, evaluated for each request.
    Varied(&'a [&'a str]),
}

/// How it was answered.
pub(crate) struct Answers {
    pub(crate) rate: f64,
    pub(crate) p99_ms: f64,
}

/// Asks for some seconds; with `pause`, each connection waits about so long between two questions.
pub(crate) async fn ask(world: &World, questions: &Questions<'_>, pause: Option<Duration>) -> Answers {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c500", "--latency", "-H", &format!("Authorization: Bearer {}", world.fresh_token().await)]);
    // As browsers ask.
    command.args(["-H", "Accept-Encoding: gzip, deflate, br"]);
    let script = tempfile::NamedTempFile::with_suffix(".lua").unwrap();
    match questions {
        Questions::Same(path) => command.arg("-d6s").arg(format!("{}/api/v1{path}", world.url)),
        Questions::Varied(paths) => {
            std::fs::write(script.path(), varied(paths, pause)).unwrap();
            command.arg("-d10s").arg("-s").arg(script.path()).arg(&world.url)
        }
    };
    let out = command.output().await.expect("wrk is installed by scripts/setup test");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("timeout "), "{text}");
    let after =
        |key: &str| text.lines().find_map(|l| l.trim().strip_prefix(key)).map(|v| v.trim().to_owned()).unwrap_or_else(|| panic!("{text}"));
    Answers { rate: after("Requests/sec:").parse().unwrap(), p99_ms: milliseconds(&after("99%")) }
}

/// The script that makes up a question each time.
fn varied(paths: &[&str], pause: Option<Duration>) -> String {
    let paths = paths.iter().map(|p| format!("function() return {p} end")).collect::<Vec<_>>().join(", ");
    let mut script = format!(
        "math.randomseed({})\nfunction r(n) return math.random(0, n - 1) end\n\
         function ip() return '10.0.' .. r(256) .. '.' .. r(256) end\n\
         function time() return os.date('!%Y-%m-%dT%H:%M:%SZ', 1790000000 + r(90000)) end\n\
         local paths = {{ {paths} }}\n\
         function request() return wrk.format('GET', '/api/v1' .. paths[math.random(#paths)]()) end\n",
        std::process::id()
    );
    if let Some(pause) = pause {
        // Spread, so that users do not come in step.
        writeln!(script, "function delay() return math.random({}, {}) end", pause.as_millis() / 2, pause.as_millis() * 3 / 2).unwrap();
    }
    script
}

fn milliseconds(text: &str) -> f64 {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok());
    number("us")
        .map(|n| n / 1000.0)
        .or_else(|| number("ms"))
        .or_else(|| number("s").map(|n| n * 1000.0))
        .unwrap_or_else(|| panic!("{text}"))
}
