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
    let (paths, time) = match questions {
        Questions::Same(path) => (format!("function() return '{path}' end"), "4s"),
        Questions::Varied(paths) => (paths.iter().map(|p| format!("function() return {p} end")).collect::<Vec<_>>().join(", "), "10s"),
    };
    let mut script = format!(
        "math.randomseed({})\nfunction r(n) return math.random(0, n - 1) end\n\
         function ip() return '10.0.' .. r(256) .. '.' .. r(256) end\n\
         function time() return os.date('!%Y-%m-%dT%H:%M:%SZ', 1790000000 + r(90000)) end\n\
         local paths = {{ {paths} }}\n\
         function request() return wrk.format('GET', '/api/v1' .. paths[math.random(#paths)]()) end\n",
        std::process::id()
    );
    if let Some(pause) = pause {
        // The first time spread over the whole pause, so that users do not come in step.
        writeln!(script, "function delay() return math.random({}, {}) end", pause.as_millis() / 2, pause.as_millis() * 3 / 2).unwrap();
    }
    let file = tempfile::NamedTempFile::with_suffix(".lua").unwrap();
    std::fs::write(file.path(), script).unwrap();
    let out = Command::new("wrk")
        .args(["-t1", "-c500", "-d", time, "--latency", "-H", &format!("Authorization: Bearer {}", world.fresh_token().await), "-s"])
        .arg(file.path())
        .arg(&world.url)
        .output()
        .await
        .expect("wrk is installed by scripts/setup test");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("timeout "), "{text}");
    let after =
        |key: &str| text.lines().find_map(|l| l.trim().strip_prefix(key)).map(|v| v.trim().to_owned()).unwrap_or_else(|| panic!("{text}"));
    Answers { rate: after("Requests/sec:").parse().unwrap(), p99_ms: milliseconds(&after("99%")) }
}

fn milliseconds(text: &str) -> f64 {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok());
    number("us")
        .map(|n| n / 1000.0)
        .or_else(|| number("ms"))
        .or_else(|| number("s").map(|n| n * 1000.0))
        .unwrap_or_else(|| panic!("{text}"))
}
