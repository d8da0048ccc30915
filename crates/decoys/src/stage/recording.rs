//! Terminal recordings: asciicast v2, one file per recorded terminal.

use bytes::Bytes;
use model::Saw;
use serde_json::json;
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

/// Largest recording in bytes; what comes after is not written and the recording is marked as cut.
pub const LARGEST: u64 = 10 * 1024 * 1024;

/// A recording that is being made.
#[derive(Debug)]
pub struct Recording {
    name: String,
    began: Instant,
    last: Instant,
    file: Option<File>,
    lines: Vec<u8>,
    bytes: u64,
    truncated: bool,
    /// An unfinished UTF-8 sequence of input and of output.
    rest: [Vec<u8>; 2],
}

/// How a terminal begins.
#[derive(Debug)]
pub struct Terminal<'a> {
    pub width: u16,
    pub height: u16,
    pub term: &'a str,
    pub command: Option<&'a str>,
    pub shell: Option<&'a str>,
    /// Seconds since the epoch.
    pub timestamp: i64,
}

impl Recording {
    /// Begins `folder/name`. A file that cannot be made costs the recording, not the conversation.
    pub fn begin(folder: &Path, name: String, terminal: &Terminal<'_>, now: Instant) -> Self {
        let path = folder.join(&name);
        let open = || OpenOptions::new().create_new(true).append(true).mode(0o640).open(&path);
        let file = open()
            .or_else(|e| match e.kind() {
                ErrorKind::NotFound => DirBuilder::new().recursive(true).mode(0o750).create(folder).and_then(|()| open()),
                _ => Err(e),
            })
            .inspect_err(|e| tracing::error!(path = %path.display(), "a session cannot be recorded: {e}"))
            .ok();
        let mut env = json!({ "TERM": terminal.term });
        if let (Some(shell), Some(env)) = (terminal.shell, env.as_object_mut()) {
            env.insert("SHELL".into(), shell.into());
        }
        let mut header = json!({
            "version": 2,
            "width": terminal.width,
            "height": terminal.height,
            "timestamp": terminal.timestamp,
            "env": env,
        });
        if let (Some(command), Some(header)) = (terminal.command, header.as_object_mut()) {
            header.insert("command".into(), command.into());
        }
        let mut this =
            Self { name, began: now, last: now, truncated: file.is_none(), file, lines: Vec::new(), bytes: 0, rest: Default::default() };
        this.line(&header.to_string());
        this
    }

    /// Something appeared on the screen.
    pub fn output(&mut self, bytes: &Bytes, now: Instant) {
        self.text("o", 1, bytes, now);
    }

    /// Something was typed.
    pub fn input(&mut self, bytes: &Bytes, now: Instant) {
        self.text("i", 0, bytes, now);
    }

    /// The window changed its size.
    pub fn resize(&mut self, width: u16, height: u16, now: Instant) {
        self.frame("r", &format!("{width}x{height}"), now);
    }

    /// Writes what was recorded since the last time to the file.
    pub fn flush(&mut self) {
        if let (Some(file), false) = (&mut self.file, self.lines.is_empty())
            && let Err(e) = file.write_all(&self.lines)
        {
            tracing::error!(name = self.name, "a recording is cut: {e}");
            self.truncated = true;
            self.file = None;
        }
        self.lines = Vec::new();
    }

    /// Ends it.
    pub fn end(mut self, now: Instant) -> Saw {
        for (which, rest) in [("i", 0), ("o", 1)] {
            let left = std::mem::take(self.rest.get_mut(rest).unwrap_or(&mut Vec::new()));
            if !left.is_empty() {
                self.frame(which, &String::from_utf8_lossy(&left), now);
            }
        }
        self.flush();
        Saw::SessionRecorded {
            recording: self.name,
            duration_us: u64::try_from(self.last.duration_since(self.began).as_micros()).unwrap_or(u64::MAX),
            bytes: self.bytes,
            truncated: self.truncated,
        }
    }

    fn text(&mut self, kind: &str, which: usize, bytes: &[u8], now: Instant) {
        let Some(rest) = self.rest.get_mut(which) else { return };
        rest.extend_from_slice(bytes);
        let whole = rest.len() - unfinished(rest);
        let left = rest.split_off(whole);
        let text = String::from_utf8_lossy(&std::mem::replace(rest, left)).into_owned();
        if !text.is_empty() {
            self.frame(kind, &text, now);
        }
    }

    fn frame(&mut self, kind: &str, text: &str, now: Instant) {
        self.last = now;
        let at = now.duration_since(self.began);
        let line = format!("[{}, \"{kind}\", {}]", seconds(at), serde_json::Value::from(text));
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        if self.truncated || self.bytes + line.len() as u64 + 1 > LARGEST {
            self.truncated = true;
            return;
        }
        self.bytes += line.len() as u64 + 1;
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
    }
}

fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// Bytes at the end that may be the beginning of a UTF-8 character.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=3.min(bytes.len()) {
        let Some(&byte) = bytes.len().checked_sub(back).and_then(|i| bytes.get(i)) else { return 0 };
        let needs = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if needs > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_asciicast_and_survives_any_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let terminal = Terminal { width: 80, height: 24, term: "xterm", command: None, shell: Some("/bin/bash"), timestamp: 5 };
        let mut recording = Recording::begin(&dir.path().join("web-01"), "a.cast".into(), &terminal, start);
        recording.output(&Bytes::from_static(b"caf\xc3"), start);
        recording.output(&Bytes::from_static(b"\xa9 \xff\x1b[1m\"\n"), start + Duration::from_millis(1500));
        recording.input(&Bytes::from_static(b"ls\r"), start + Duration::from_millis(1500));
        recording.resize(100, 40, start + Duration::from_secs(2));
        for _ in 0..20 {
            recording.output(&Bytes::from(vec![b'x'; 1 << 20]), start + Duration::from_secs(2));
        }
        let Saw::SessionRecorded { recording, duration_us, bytes, truncated } = recording.end(start + Duration::from_secs(3)) else {
            panic!()
        };
        assert_eq!((recording.as_str(), duration_us, truncated), ("a.cast", 2_000_000, true));
        let text = std::fs::read_to_string(dir.path().join("web-01/a.cast")).unwrap();
        assert_eq!(text.len() as u64, bytes);
        assert!(bytes <= LARGEST);
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines[0]["version"], 2);
        assert_eq!(lines[0]["env"]["SHELL"], "/bin/bash");
        assert_eq!(lines[1], json!([0.0, "o", "caf"]));
        assert_eq!(lines[2], json!([1.5, "o", "é \u{fffd}\u{1b}[1m\"\n"]));
        assert_eq!(lines[3], json!([1.5, "i", "ls\r"]));
        assert_eq!(lines[4], json!([2.0, "r", "100x40"]));
    }
}
