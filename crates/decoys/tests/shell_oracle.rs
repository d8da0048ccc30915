//! Command lines answered as a genuine Debian 12 answers them, byte for byte: output, errors, status.
//!
//! `transcripts/shell/lines.txt` are the lines, `lines.golden` what the genuine machine said. `UPDATE=1` on a
//! Debian 12 asks it again; there, the golden file itself is checked too.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod shell_world;

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

const LINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/shell/lines.txt");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/shell/lines.golden");

fn lines() -> Vec<String> {
    fs::read_to_string(LINES)
        .unwrap()
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with("# "))
        .map(|l| l.replace("\\\\n", "\u{1}").replace("\\\\;", "\u{2}"))
        .map(|l| unline(&l))
        .collect()
}

/// `\n` between commands is a newline only where a here-document or a `\n` outside quotes is meant: the
/// lines that use it begin such a thing with `<<`.
fn unline(l: &str) -> String {
    let l = if l.contains("<<E") || l.contains("<<'E") || l.contains("<<-E") {
        l.replace("\\n", "\n").replace("\\t", "\t")
    } else {
        l.to_owned()
    };
    l.replace('\u{1}', "\\\n").replace('\u{2}', "\\;")
}

fn show(line: &str, out: &[u8], err: &[u8], status: i32) -> String {
    let mut s = String::new();
    let esc = |b: &[u8]| b.escape_ascii().to_string().replace("\\n", "\n  ").replace("\\'", "'").replace("\\\"", "\"");
    let _ = write!(s, "$ {}\n> {}\n! {}\n= {status}\n", line.escape_debug(), esc(out), esc(err));
    s
}

fn genuine(line: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("w");
    fs::create_dir(&work).unwrap();
    use std::os::unix::process::CommandExt as _;
    let out = Command::new("/bin/bash")
        .arg0("bash")
        .arg("-c")
        .arg(line)
        .current_dir(&work)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", &work)
        .env("USER", "root")
        .env("LOGNAME", "root")
        .env("SHELL", "/bin/bash")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let real = work.to_string_lossy().into_owned();
    let fix = |b: &[u8]| String::from_utf8_lossy(b).replace(&real, "/tmp/w").into_bytes();
    show(line, &fix(&out.stdout), &fix(&out.stderr), out.status.code().unwrap_or(-1))
}

fn is_debian_12() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|t| t.contains("VERSION_ID=\"12\"") && t.contains("ID=debian"))
        && Path::new("/bin/bash").exists()
        && Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n")
}

fn ours(line: &str) -> String {
    let mut persona = shell_world::persona("debian");
    // The work directory is root's home, emptied.
    persona.accounts[0].home = "/tmp/w".into();
    let persona = std::sync::Arc::new(persona);
    let memory = decoys::stage::memory::Memory::default();
    let visit = shell_world::visit(&persona, &memory);
    let fs = decoys::shell::Fs::of(&visit, shell_world::NOW);
    let root = decoys::shell::Who::root();
    for (name, _) in fs.list(&root, b"/tmp/w").unwrap() {
        fs.unlink(&root, &[b"/tmp/w/".as_slice(), &name].concat()).unwrap();
    }
    let mut s = shell_world::Session::open(&visit, "root", false, Some(line.as_bytes()));
    s.shell.eof(&mut s.screen);
    s.settle(3000);
    show(line, &s.screen.out, &s.screen.err, s.screen.exit.unwrap_or(-1))
}

#[test]
fn answers_are_those_of_a_genuine_debian() {
    let lines = lines();
    if std::env::var_os("UPDATE").is_some() && is_debian_12() {
        let all: String = lines.iter().map(|l| genuine(l)).collect();
        fs::write(GOLDEN, all).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).unwrap();
    let mut expected: Vec<String> = Vec::new();
    for line in golden.split_inclusive('\n') {
        if line.starts_with("$ ") {
            expected.push(String::new());
        }
        expected.last_mut().unwrap().push_str(line);
    }
    assert_eq!(expected.len(), lines.len(), "run with UPDATE=1 on a Debian 12");
    let mut wrong = String::new();
    let mut count = 0;
    for (line, want) in lines.iter().zip(&expected) {
        let have = ours(line);
        if have != *want {
            count += 1;
            let _ = write!(wrong, "--- genuine\n{want}+++ ours\n{have}\n");
        }
    }
    if let Some(path) = std::env::var_os("ORACLE_REPORT") {
        fs::write(path, &wrong).unwrap();
    }
    assert_eq!(count, 0, "{count} of {} lines differ:\n{wrong}", lines.len());
}
