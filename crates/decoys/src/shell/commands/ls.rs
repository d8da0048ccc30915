//! `ls`, `dir`, `vdir`.

use model::Micros;

use super::{
    files::{blocks, links, version_cmp},
    mode,
    opts::{Opts, human, parse, quoted, text},
};
use crate::shell::{
    Errno, Kind, Meta,
    fs::{self, logs},
    interp::run,
    proc::Proc,
};

struct Row {
    name: Vec<u8>,
    path: Vec<u8>,
    meta: Meta,
}

/// `ls`.
pub(crate) async fn ls(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "1aAbBcCdDfFgGhHiI:klLmnNopqQrRsStT:uUvw:xXZ",
        &[
            ("all", 'a', 0),
            ("almost-all", 'A', 0),
            ("color", '@', 2),
            ("directory", 'd', 0),
            ("classify", 'F', 2),
            ("human-readable", 'h', 0),
            ("inode", 'i', 0),
            ("numeric-uid-gid", 'n', 0),
            ("recursive", 'R', 0),
            ("reverse", 'r', 0),
            ("size", 's', 0),
            ("sort", '!', 1),
            ("time", '%', 1),
            ("time-style", '$', 1),
            ("full-time", '^', 0),
            ("no-group", 'G', 0),
            ("group-directories-first", '&', 0),
            ("format", '~', 1),
            ("width", 'w', 1),
            ("ignore", 'I', 1),
            ("dereference", 'L', 0),
            ("si", ',', 0),
            ("quote-name", 'Q', 0),
            ("literal", 'N', 0),
            ("ignore-backups", 'B', 0),
            ("author", '=', 0),
            ("escape", 'b', 0),
        ],
        2,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut status = 0;
    let mut files = Vec::new();
    let mut dirs = Vec::new();
    let args = if o.rest.is_empty() { vec![b".".to_vec()] } else { o.rest.clone() };
    let long = is_long(&o);
    for arg in &args {
        let full = p.path(arg);
        let meta = match p.fs().lstat(&p.who, &full) {
            Ok(m) if m.kind == Kind::Link && (o.has('L') || o.has('H') || (!long && !o.has('d') && !o.has('F'))) => {
                p.fs().stat(&p.who, &full).or(Ok(m))
            }
            other => other,
        };
        match meta {
            Ok(m) if m.is_dir() && !o.has('d') => dirs.push((arg.clone(), full)),
            Ok(m) => files.push(Row { name: arg.clone(), path: full, meta: m }),
            Err(e) => {
                p.warn(format!("cannot access {}: {e}", quoted(arg))).await;
                status = 2;
            }
        }
    }
    sort(p, &mut files, &o);
    dirs.sort_by(|a, b| a.0.cmp(&b.0));
    let mut first = true;
    if !files.is_empty() {
        show(p, &files, &o);
        first = false;
    }
    let headed = args.len() > 1 || o.has('R');
    dirs.reverse();
    let mut seen = 0;
    while let Some((name, full)) = dirs.pop() {
        seen += 1;
        p.k.pay(6).await;
        if seen > 20_000 {
            break;
        }
        let list = match p.fs().list(&p.who, &full) {
            Ok(l) => l,
            Err(e) => {
                p.warn(format!("cannot open directory {}: {e}", quoted(&name))).await;
                status = if seen == 1 && !headed { 2 } else { 2.max(status) };
                continue;
            }
        };
        let mut rows: Vec<Row> = Vec::new();
        let dot_meta = |path: &[u8]| p.fs().stat(&p.who, path);
        if o.has('a') || o.has('f') {
            if let Ok(meta) = dot_meta(&full) {
                rows.push(Row { name: b".".to_vec(), path: full.clone(), meta });
            }
            let up = [full.as_slice(), b"/.."].concat();
            if let Ok(meta) = dot_meta(&up) {
                rows.push(Row { name: b"..".to_vec(), path: up, meta });
            }
        }
        for (n, meta) in list {
            if n.first() == Some(&b'.') && !(o.has('a') || o.has('A') || o.has('f')) {
                continue;
            }
            if (o.has('B') && n.ends_with(b"~")) || o.all('I').any(|g| crate::shell::interp::glob::matches(g, &n)) {
                continue;
            }
            let path = fs::join(if full == b"/" { b"/" } else { full.strip_suffix(b"/").unwrap_or(&full) }, &n);
            rows.push(Row { name: n, path, meta });
        }
        sort(p, &mut rows, &o);
        if headed {
            p.out(format!("{}{}:\n", if first { "" } else { "\n" }, text(&name)));
        }
        first = false;
        if long || o.has('s') {
            let total: u64 = rows.iter().map(|r| blocks(&r.meta)).sum::<u64>() / 2;
            let shown = if o.has('h') { human(total * 1024, 1024.0) } else { total.to_string() };
            p.out(format!("total {shown}\n"));
        }
        show(p, &rows, &o);
        if o.has('R') {
            let mut subs: Vec<(Vec<u8>, Vec<u8>)> = rows
                .iter()
                .filter(|r| r.meta.is_dir() && r.name != b"." && r.name != b"..")
                .map(|r| {
                    (
                        if name.ends_with(b"/") { [name.as_slice(), &r.name].concat() } else { [name.as_slice(), b"/", &r.name].concat() },
                        r.path.clone(),
                    )
                })
                .collect();
            subs.reverse();
            dirs.extend(subs);
        }
        if p.maybe_flush().await.is_err() {
            return 141;
        }
    }
    let _ = Errno::ENOENT;
    status
}

fn is_long(o: &Opts) -> bool {
    match o.last_of("l1Cxmgno~^") {
        Some('l' | 'g' | 'n' | 'o' | '^') => true,
        Some('1') => o.has('l') || o.has('g') || o.has('n') || o.has('o'),
        _ => false,
    }
}

fn time_of(m: &Meta, o: &Opts) -> Micros {
    if o.has('u') { m.atime } else { m.mtime }
}

fn sort(p: &Proc, rows: &mut [Row], o: &Opts) {
    let _ = p;
    if o.has('U') || o.has('f') {
        return;
    }
    let key = match o.text('!').as_deref() {
        Some("size") => 'S',
        Some("time") => 't',
        Some("extension") => 'X',
        Some("version") => 'v',
        Some("none") => return,
        _ => o.last_of("StvX").unwrap_or('n'),
    };
    let key = if key == 'n' && (o.has('c') || o.has('u')) && !is_long(o) { 't' } else { key };
    rows.sort_by(|a, b| match key {
        'S' => b.meta.size.cmp(&a.meta.size).then_with(|| a.name.cmp(&b.name)),
        't' => time_of(&b.meta, o).cmp(&time_of(&a.meta, o)).then_with(|| a.name.cmp(&b.name)),
        'v' => version_cmp(&a.name, &b.name),
        'X' => {
            let ext = |n: &[u8]| n.iter().rposition(|&b| b == b'.').map(|at| n.get(at..).unwrap_or_default().to_vec()).unwrap_or_default();
            ext(&a.name).cmp(&ext(&b.name)).then_with(|| a.name.cmp(&b.name))
        }
        _ => a.name.cmp(&b.name),
    });
    if o.has('r') {
        rows.reverse();
    }
    if o.has('&') {
        rows.sort_by_key(|r| !r.meta.is_dir());
    }
}

/// Whether colours are wanted.
fn colored(p: &Proc, o: &Opts) -> bool {
    match o.flags().filter(|(c, _)| *c == '@').last() {
        Some((_, None | Some(b"always" | b"yes" | b"force"))) => true,
        Some((_, Some(b"auto" | b"tty" | b"if-tty"))) => p.tty(1),
        _ => false,
    }
}

fn color_of(p: &Proc, r: &Row) -> &'static str {
    let m = &r.meta;
    match m.kind {
        Kind::Dir => match (m.mode & 0o1000 != 0, m.mode & 0o002 != 0) {
            (true, true) => "30;42",
            (false, true) => "34;42",
            (true, false) => "37;44",
            _ => "01;34",
        },
        Kind::Link => {
            if p.fs().stat(&p.who, &r.path).is_ok() {
                "01;36"
            } else {
                "40;31;01"
            }
        }
        Kind::Fifo => "40;33",
        Kind::Socket => "01;35",
        Kind::Char(..) | Kind::Block(..) => "40;33;01",
        Kind::File if m.mode & 0o4000 != 0 => "37;41",
        Kind::File if m.mode & 0o2000 != 0 => "30;43",
        Kind::File if m.mode & 0o111 != 0 => "01;32",
        Kind::File => {
            let ends = |list: &[&[u8]]| list.iter().any(|e| r.name.ends_with(e));
            if ends(&[b".tar", b".tgz", b".gz", b".zip", b".bz2", b".xz", b".deb", b".rpm", b".jar", b".7z", b".zst"]) {
                "01;31"
            } else if ends(&[b".jpg", b".jpeg", b".png", b".gif", b".svg", b".mp4", b".mkv"]) {
                "01;35"
            } else if ends(&[b".mp3", b".wav", b".ogg", b".flac"]) {
                "00;36"
            } else if ends(&[b"~", b".bak", b".old", b".swp", b".tmp", b".orig"]) {
                "00;90"
            } else {
                ""
            }
        }
    }
}

fn mark(m: &Meta, o: &Opts) -> &'static str {
    let f = o.has('F');
    match m.kind {
        Kind::Dir if f || o.has('p') => "/",
        Kind::Link if f => "@",
        Kind::Fifo if f => "|",
        Kind::Socket if f => "=",
        Kind::File if f && m.mode & 0o111 != 0 => "*",
        _ => "",
    }
}

/// A name as it is shown: on a terminal odd ones are quoted.
fn shown_name(p: &Proc, name: &[u8], o: &Opts) -> Vec<u8> {
    if o.has('Q') {
        return format!("\"{}\"", text(name)).into_bytes();
    }
    if o.has('N') || !p.tty(1) {
        return name.to_vec();
    }
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_/.:=+%@,~#{}]".contains(b) || *b >= 128)
        && !matches!(name.first(), Some(b'~' | b'#'));
    if plain { name.to_vec() } else { quoted(name).into_bytes() }
}

fn show(p: &mut Proc, rows: &[Row], o: &Opts) {
    let color = colored(p, o);
    let paint = |p: &Proc, r: &Row| -> Vec<u8> {
        let name = shown_name(p, &r.name, o);
        let c = if color { color_of(p, r) } else { "" };
        if c.is_empty() { name } else { [format!("\x1b[{c}m").as_bytes(), &name, b"\x1b[0m"].concat() }
    };
    if color && rows.iter().any(|r| !color_of(p, r).is_empty()) {
        p.out(b"\x1b[0m");
    }
    if is_long(o) {
        let accounts = run::accounts(&p.k);
        let groups = run::groups(&p.k);
        let numeric = o.has('n');
        let owner = |uid: u32| {
            if numeric {
                uid.to_string()
            } else {
                accounts.iter().find(|a| a.uid == uid).map_or_else(|| uid.to_string(), |a| a.name.clone())
            }
        };
        let group = |gid: u32| {
            if numeric { gid.to_string() } else { groups.iter().find(|g| g.1 == gid).map_or_else(|| gid.to_string(), |g| g.0.clone()) }
        };
        let size = |m: &Meta| match m.kind {
            Kind::Char(a, b) | Kind::Block(a, b) => format!("{a:>3}, {b:>3}"),
            _ if o.has('h') => human(m.size, 1024.0),
            _ => m.size.to_string(),
        };
        let counts: Vec<u32> = rows.iter().map(|r| links(p, &r.path, &r.meta)).collect();
        let w_links = counts.iter().map(|n| n.to_string().len()).max().unwrap_or(1);
        let w_owner = rows.iter().map(|r| owner(r.meta.uid).len()).max().unwrap_or(1);
        let w_group = rows.iter().map(|r| group(r.meta.gid).len()).max().unwrap_or(1);
        let w_size = rows.iter().map(|r| size(&r.meta).len()).max().unwrap_or(1);
        let w_inode = rows.iter().map(|r| r.meta.ino.to_string().len()).max().unwrap_or(1);
        let w_blocks = rows.iter().map(|r| (blocks(&r.meta) / 2).to_string().len()).max().unwrap_or(1);
        let now = p.k.now();
        let persona = std::sync::Arc::clone(p.fs().persona());
        for (r, n) in rows.iter().zip(counts) {
            let m = &r.meta;
            let mut line = String::new();
            if o.has('i') {
                line.push_str(&format!("{:>w_inode$} ", m.ino));
            }
            if o.has('s') {
                line.push_str(&format!("{:>w_blocks$} ", blocks(m) / 2));
            }
            line.push_str(&format!("{} {n:>w_links$} ", mode::string(m)));
            if !o.has('g') {
                line.push_str(&format!("{:<w_owner$} ", owner(m.uid)));
            }
            if !o.has('G') && !o.has('o') {
                line.push_str(&format!("{:<w_group$} ", group(m.gid)));
            }
            let t = time_of(m, o);
            let recent = t.0 <= now.0 && now.0 - t.0 < 15_778_476 * 1_000_000;
            let style = o.text('$').unwrap_or_default();
            let when = if o.has('^') || style == "full-iso" {
                format!(
                    "{}.{:09} {}",
                    logs::local(&persona, t.seconds(), "%Y-%m-%d %H:%M:%S"),
                    t.0.rem_euclid(1_000_000) * 1000,
                    logs::local(&persona, t.seconds(), "%z")
                )
            } else if style == "long-iso" {
                logs::local(&persona, t.seconds(), "%Y-%m-%d %H:%M")
            } else if let Some(f) = style.strip_prefix('+') {
                logs::local(&persona, t.seconds(), f)
            } else if recent {
                logs::local(&persona, t.seconds(), "%b %e %H:%M")
            } else {
                logs::local(&persona, t.seconds(), "%b %e  %Y")
            };
            line.push_str(&format!("{:>w_size$} {when} ", size(m)));
            let mut out = line.into_bytes();
            out.extend(paint(p, r));
            if m.kind == Kind::Link {
                let target = p.fs().readlink(&p.who, &r.path).unwrap_or_default();
                out.extend_from_slice(b" -> ");
                let shown = shown_name(p, &target, o);
                if color {
                    let meta = p.fs().stat(&p.who, &r.path);
                    let c = match &meta {
                        Ok(m) => color_of(p, &Row { name: target.clone(), path: r.path.clone(), meta: m.clone() }),
                        Err(_) => "40;31;01",
                    };
                    if c.is_empty() {
                        out.extend(shown)
                    } else {
                        out.extend([format!("\x1b[{c}m").as_bytes(), &shown, b"\x1b[0m"].concat())
                    }
                } else {
                    out.extend(shown);
                }
            } else {
                out.extend(mark(m, o).bytes());
            }
            out.push(b'\n');
            p.out(out);
        }
        return;
    }
    let cells: Vec<(Vec<u8>, usize)> = rows
        .iter()
        .map(|r| {
            let mut head = String::new();
            if o.has('i') {
                head.push_str(&format!("{} ", r.meta.ino));
            }
            if o.has('s') {
                head.push_str(&format!("{} ", blocks(&r.meta) / 2));
            }
            let tail = mark(&r.meta, o);
            let width = head.len() + String::from_utf8_lossy(&shown_name(p, &r.name, o)).chars().count() + tail.len();
            ([head.as_bytes(), &paint(p, r), tail.as_bytes()].concat(), width)
        })
        .collect();
    let one = match o.last_of("1Cxm") {
        Some('1') => true,
        Some(_) => false,
        None => !p.tty(1),
    };
    if o.last_of("1Cxm") == Some('m') {
        let names: Vec<Vec<u8>> = cells.into_iter().map(|c| c.0).collect();
        let mut out = names.join(&b", "[..]);
        out.push(b'\n');
        p.out(out);
        return;
    }
    if one {
        for (cell, _) in cells {
            p.out(cell);
            p.out(b"\n");
        }
        return;
    }
    let width = o.text('w').and_then(|w| w.parse().ok()).unwrap_or_else(|| {
        let c = usize::from(p.k.state.lock().cols);
        if c == 0 || !p.tty(1) { 80 } else { c }
    });
    p.out(grid(&cells, width, o.last_of("1Cxm") == Some('x')));
}

/// Cells in as few rows as fit, column widths of their own.
fn grid(cells: &[(Vec<u8>, usize)], width: usize, across: bool) -> Vec<u8> {
    if cells.is_empty() {
        return Vec::new();
    }
    let most = (width / 3).max(1).min(cells.len());
    let mut best = (1usize, vec![cells.iter().map(|c| c.1).max().unwrap_or(0)]);
    for columns in (1..=most).rev() {
        let rows = cells.len().div_ceil(columns);
        let mut widths = vec![0usize; columns];
        for (n, (_, w)) in cells.iter().enumerate() {
            let column = if across { n % columns } else { n / rows };
            if let Some(slot) = widths.get_mut(column) {
                *slot = (*slot).max(*w + 2);
            }
        }
        while widths.last() == Some(&0) {
            widths.pop();
        }
        if widths.iter().sum::<usize>() <= width + 2 && widths.iter().sum::<usize>() - 2 < width {
            best = (columns, widths);
            break;
        }
    }
    let (columns, widths) = best;
    let rows = cells.len().div_ceil(columns);
    let mut out = Vec::new();
    for row in 0..rows {
        let mut column = 0;
        loop {
            let at = if across { row * columns + column } else { column * rows + row };
            let next = if across { at + 1 } else { (column + 1) * rows + row };
            let Some((cell, w)) = cells.get(at).filter(|_| column < columns) else { break };
            out.extend_from_slice(cell);
            let more = next < cells.len() && column + 1 < columns;
            if more {
                let full = widths.get(column).copied().unwrap_or(0);
                out.extend(std::iter::repeat_n(b' ', full.saturating_sub(*w)));
            }
            column += 1;
            if !more {
                break;
            }
        }
        out.push(b'\n');
    }
    out
}
