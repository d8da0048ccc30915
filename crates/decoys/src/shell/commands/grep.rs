//! `grep`, `egrep`, `fgrep`, `zgrep`.

use super::{
    opts::{parse, quoted_maybe, text},
    regex::{Kind, compile},
};
use crate::shell::{Errno, fs, proc::Proc};

/// `grep`.
pub(crate) async fn grep(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "A:B:C:EFGHILPRUVZabce:f:hilm:noqrsvwxy0123456789",
        &[
            ("extended-regexp", 'E', 0),
            ("fixed-strings", 'F', 0),
            ("basic-regexp", 'G', 0),
            ("perl-regexp", 'P', 0),
            ("regexp", 'e', 1),
            ("file", 'f', 1),
            ("ignore-case", 'i', 0),
            ("invert-match", 'v', 0),
            ("word-regexp", 'w', 0),
            ("line-regexp", 'x', 0),
            ("count", 'c', 0),
            ("color", '@', 2),
            ("colour", '@', 2),
            ("files-without-match", 'L', 0),
            ("files-with-matches", 'l', 0),
            ("max-count", 'm', 1),
            ("only-matching", 'o', 0),
            ("quiet", 'q', 0),
            ("silent", 'q', 0),
            ("no-messages", 's', 0),
            ("byte-offset", 'b', 0),
            ("with-filename", 'H', 0),
            ("no-filename", 'h', 0),
            ("line-number", 'n', 0),
            ("after-context", 'A', 1),
            ("before-context", 'B', 1),
            ("context", 'C', 1),
            ("text", 'a', 0),
            ("recursive", 'r', 0),
            ("dereference-recursive", 'R', 0),
            ("include", '+', 1),
            ("exclude", '-', 1),
            ("exclude-dir", '/', 1),
            ("null", 'Z', 0),
            ("binary-files", '~', 1),
            ("line-buffered", '$', 0),
        ],
        2,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let name = p.name();
    let mut rest = o.rest.clone();
    let mut patterns: Vec<Vec<u8>> = o.all('e').flat_map(|e| e.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    for file in o.all('f').map(<[u8]>::to_vec).collect::<Vec<_>>() {
        match p.slurp(&file).await {
            Ok(b) => patterns.extend(b.split(|&b| b == b'\n').map(<[u8]>::to_vec).take(20_000).filter(|l| !l.is_empty())),
            Err(e) => {
                p.warn(format!("{}: {e}", text(&file))).await;
                return 2;
            }
        }
    }
    if o.all('e').next().is_none() && o.all('f').next().is_none() {
        if rest.is_empty() {
            p.err("Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n").await;
            return 2;
        }
        patterns.extend(rest.remove(0).split(|&b| b == b'\n').map(<[u8]>::to_vec));
    }
    let kind = match o.last_of("EFGP") {
        Some('E') => Kind::Extended,
        Some('F') => Kind::Fixed,
        Some('P') => Kind::Perl,
        Some(_) => Kind::Basic,
        None if name == "egrep" => Kind::Extended,
        None if name == "fgrep" => Kind::Fixed,
        None => Kind::Basic,
    };
    if matches!(name.as_str(), "egrep" | "fgrep")
        && p.fs().persona().distro.id != "alpine"
        && p.fs().persona().distro.version_id.starts_with("12")
    {
        p.err(format!("{name}: warning: {name} is obsolescent; using grep -{}\n", if name == "egrep" { "E" } else { "F" })).await;
    }
    let fold = o.has('i') || o.has('y');
    let mut regexes = Vec::new();
    for pattern in &patterns {
        match compile(pattern, kind, fold) {
            Ok(re) => regexes.push(re),
            Err(e) => {
                p.warn(e).await;
                return 2;
            }
        }
    }
    let (word, line_whole, invert) = (o.has('w'), o.has('x'), o.has('v'));
    let find = |line: &[u8], from: usize| -> Option<(usize, usize)> {
        let mut best: Option<(usize, usize)> = None;
        for re in &regexes {
            let mut at = from;
            while let Some(m) = re.find_at(line, at) {
                let ok = if line_whole {
                    m.start() == 0 && m.end() == line.len()
                } else if word {
                    let w = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
                    !(w(line.get(m.end())) || m.start() > 0 && w(line.get(m.start() - 1)))
                } else {
                    true
                };
                if ok {
                    if best.is_none_or(|(s, e)| m.start() < s || (m.start() == s && m.end() > e)) {
                        best = Some((m.start(), m.end()));
                    }
                    break;
                }
                at = m.start() + 1;
                if at > line.len() {
                    break;
                }
            }
        }
        best
    };
    let digits: String = o.flags().filter(|(c, _)| c.is_ascii_digit()).map(|(c, _)| c).collect();
    let context = o.text('C').and_then(|t| t.parse::<usize>().ok()).or_else(|| digits.parse().ok()).unwrap_or(0);
    let after = o.text('A').and_then(|t| t.parse().ok()).unwrap_or(context).min(100_000);
    let before = o.text('B').and_then(|t| t.parse().ok()).unwrap_or(context).min(100_000);
    let most = o.text('m').and_then(|t| t.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let recursive = o.has('r') || o.has('R');
    let color = match o.flags().find(|(c, _)| *c == '@') {
        Some((_, Some(b"always"))) => true,
        Some((_, Some(b"never"))) | None => false,
        _ => p.tty(1),
    };
    let mut files: Vec<Vec<u8>> =
        if rest.is_empty() { if recursive { vec![b".".to_vec()] } else { vec![b"-".to_vec()] } } else { rest.clone() };
    let mut status_error = false;
    if recursive {
        let bare = rest.is_empty();
        let mut all = Vec::new();
        for root in files {
            let mut stack = vec![root];
            while let Some(path) = stack.pop() {
                p.k.pay(2).await;
                let full = p.path(&path);
                match p.fs().lstat(&p.who, &full) {
                    Ok(m) if m.is_dir() => match p.fs().list(&p.who, &full) {
                        Ok(names) => {
                            for (n, _) in names.into_iter().rev() {
                                stack.push(if bare && path == b"." { n } else { fs::join(path.strip_suffix(b"/").unwrap_or(&path), &n) });
                            }
                        }
                        Err(e) => {
                            if !o.has('s') {
                                p.warn(format!("{}: {e}", text(&path))).await;
                            }
                            status_error = true;
                        }
                    },
                    Ok(m) if m.kind == crate::shell::Kind::File => {
                        let base = path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
                        let fits = o.all('+').next().is_none() || o.all('+').any(|g| crate::shell::interp::glob::matches(g, &base));
                        if fits && !o.all('-').any(|g| crate::shell::interp::glob::matches(g, &base)) {
                            all.push(path);
                        }
                    }
                    Ok(_) => {}
                    Err(e) => {
                        if !o.has('s') {
                            p.warn(format!("{}: {e}", text(&path))).await;
                        }
                        status_error = true;
                    }
                }
                if all.len() > 30_000 {
                    break;
                }
            }
        }
        files = all;
    }
    let with_name = o.has('H') || (!o.has('h') && (files.len() > 1 || recursive));
    let mut any = false;
    for file in files {
        let shown = if file == b"-" { "(standard input)".to_owned() } else { text(&file) };
        if file != b"-"
            && let Err(e) = p.reopen(&file)
        {
            if e == Errno::EISDIR {
                if !o.has('s') {
                    p.warn(format!("{}: Is a directory", quoted_plain(&file))).await;
                }
                continue;
            }
            if !o.has('s') {
                p.warn(format!("{}: {e}", quoted_plain(&file))).await;
            }
            status_error = true;
            continue;
        }
        let mut count = 0u64;
        let mut number = 0u64;
        let mut offset = 0u64;
        let mut back: std::collections::VecDeque<(u64, u64, Vec<u8>)> = std::collections::VecDeque::new();
        let mut trailing = 0usize;
        let mut last_shown = 0u64;
        let mut binary = false;
        let head = |n: u64, off: u64, sep: char| -> Vec<u8> {
            let mut out = Vec::new();
            let paint = |out: &mut Vec<u8>, code: &str, t: &str| {
                if color { out.extend(format!("\x1b[{code}m\x1b[K{t}\x1b[m\x1b[K").bytes()) } else { out.extend(t.bytes()) }
            };
            if with_name {
                paint(&mut out, "35", &shown);
                paint(&mut out, "36", &sep.to_string());
            }
            if o.has('n') {
                paint(&mut out, "32", &n.to_string());
                paint(&mut out, "36", &sep.to_string());
            }
            if o.has('b') {
                out.extend(format!("{off}{sep}").bytes());
            }
            out
        };
        let mut paid = 0usize;
        while let Some(raw) = p.line().await {
            number += 1;
            let start = offset;
            offset += raw.len() as u64;
            paid += raw.len() + 64;
            if paid > 16_384 {
                p.k.pay(u32::try_from(paid / 1024).unwrap_or(1)).await;
                paid = 0;
            }
            let line = raw.strip_suffix(b"\n").unwrap_or(&raw);
            if !binary && !o.has('a') && line.contains(&0) {
                binary = true;
            }
            let hit = find(line, 0);
            if hit.is_some() != invert {
                count += 1;
                any = true;
                if o.has('q') {
                    return 0;
                }
                if o.has('l') || o.has('L') {
                    break;
                }
                if o.has('c') {
                    if count >= most {
                        break;
                    }
                    continue;
                }
                if binary {
                    p.out(format!("grep: {shown}: binary file matches\n"));
                    break;
                }
                if (before > 0 || after > 0) && last_shown > 0 && number > last_shown + 1 + back.len() as u64 {
                    p.out(b"--\n");
                }
                for (n, off, l) in back.drain(..) {
                    let h = head(n, off, '-');
                    p.out(h);
                    p.out(l);
                    p.out(b"\n");
                }
                if o.has('o') {
                    if !invert {
                        let mut at = 0;
                        while let Some((s, e)) = find(line, at) {
                            if e > s {
                                let h = head(number, start + s as u64, ':');
                                p.out(h);
                                let part = line.get(s..e).unwrap_or_default().to_vec();
                                if color {
                                    p.out([b"\x1b[01;31m\x1b[K".as_slice(), &part, b"\x1b[m\x1b[K"].concat())
                                } else {
                                    p.out(part)
                                }
                                p.out(b"\n");
                            }
                            at = if e > s { e } else { e + 1 };
                            if at > line.len() {
                                break;
                            }
                        }
                    }
                } else {
                    let h = head(number, start, ':');
                    p.out(h);
                    if color && !invert {
                        let mut at = 0;
                        while let Some((s, e)) = find(line, at) {
                            p.out(line.get(at..s).unwrap_or_default());
                            if e > s {
                                p.out([b"\x1b[01;31m\x1b[K".as_slice(), line.get(s..e).unwrap_or_default(), b"\x1b[m\x1b[K"].concat());
                                at = e;
                            } else {
                                p.out(line.get(s..=s).unwrap_or_default());
                                at = s + 1;
                            }
                            if at > line.len() {
                                break;
                            }
                        }
                        p.out(line.get(at.min(line.len())..).unwrap_or_default());
                    } else {
                        p.out(line);
                    }
                    p.out(b"\n");
                }
                last_shown = number;
                trailing = after;
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
                if count >= most {
                    break;
                }
            } else if trailing > 0 {
                trailing -= 1;
                if !o.has('c') && !o.has('l') && !o.has('q') {
                    let h = head(number, start, '-');
                    p.out(h);
                    p.out(line);
                    p.out(b"\n");
                }
                last_shown = number;
            } else if before > 0 {
                back.push_back((number, start, line.to_vec()));
                if back.len() > before {
                    back.pop_front();
                }
            }
        }
        if o.has('c') {
            if with_name {
                p.out(format!("{shown}:"));
            }
            p.out(format!("{count}\n"));
        } else if (o.has('l') && count > 0) || (o.has('L') && count == 0) {
            p.out(format!("{shown}\n"));
        }
    }
    if status_error { 2 } else { i32::from(!any) }
}

fn quoted_plain(name: &[u8]) -> String {
    let _ = quoted_maybe;
    text(name)
}
