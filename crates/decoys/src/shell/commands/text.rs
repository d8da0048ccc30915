//! Programs that read text and write text.

use super::opts::{self, parse, quoted, quoted_maybe, text};
use crate::shell::{Errno, proc::Proc};

fn or_stdin(rest: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if rest.is_empty() { vec![b"-".to_vec()] } else { rest }
}

/// `cat`.
pub(crate) async fn cat(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "AbeEnstTuv",
        &[
            ("show-all", 'A', 0),
            ("number", 'n', 0),
            ("number-nonblank", 'b', 0),
            ("squeeze-blank", 's', 0),
            ("show-ends", 'E', 0),
            ("show-tabs", 'T', 0),
            ("show-nonprinting", 'v', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let (ends, tabs, odd) = (
        o.has('A') || o.has('e') || o.has('E'),
        o.has('A') || o.has('t') || o.has('T'),
        o.has('A') || o.has('e') || o.has('t') || o.has('v'),
    );
    let (number, nonblank, squeeze) = (o.has('n'), o.has('b'), o.has('s'));
    let plain = !(ends || tabs || odd || number || nonblank || squeeze);
    let mut status = 0;
    let (mut count, mut blank, mut fresh) = (0u64, 0u32, true);
    for file in or_stdin(o.rest) {
        if file != b"-"
            && let Err(e) = p.reopen(&file)
        {
            p.warn(format!("{}: {e}", quoted_maybe(&file))).await;
            status = 1;
            continue;
        }
        if plain {
            loop {
                let part = p.chunk().await;
                if part.is_empty() {
                    break;
                }
                p.out(part);
                if p.flush().await.is_err() {
                    return 141;
                }
            }
            continue;
        }
        while let Some(line) = p.line().await {
            let (body, nl) = match line.strip_suffix(b"\n") {
                Some(b) => (b.to_vec(), true),
                None => (line, false),
            };
            if body.is_empty() {
                blank += 1;
                if squeeze && blank > 1 {
                    continue;
                }
            } else {
                blank = 0;
            }
            if fresh && (nonblank && !(body.is_empty()) || number && !nonblank) {
                count += 1;
                p.out(format!("{count:>6}\t"));
            }
            let mut out = Vec::with_capacity(body.len() + 2);
            for b in body {
                match b {
                    b'\t' if tabs => out.extend_from_slice(b"^I"),
                    b'\t' => out.push(b),
                    b if odd && b < 32 => out.extend_from_slice(&[b'^', b + 64]),
                    127 if odd => out.extend_from_slice(b"^?"),
                    b if odd && b >= 128 => {
                        out.extend_from_slice(b"M-");
                        match b - 128 {
                            c if c < 32 => out.extend_from_slice(&[b'^', c + 64]),
                            127 => out.extend_from_slice(b"^?"),
                            c => out.push(c),
                        }
                    }
                    b => out.push(b),
                }
            }
            if nl {
                if ends {
                    out.push(b'$');
                }
                out.push(b'\n');
            }
            fresh = nl;
            p.out(out);
            if p.maybe_flush().await.is_err() {
                return 141;
            }
        }
    }
    status
}

/// `head`.
pub(crate) async fn head(p: &mut Proc) -> i32 {
    if let Some(arg) = p.args.get(1).cloned()
        && let [b'-', d, ..] = arg.as_slice()
        && d.is_ascii_digit()
    {
        let n = arg.get(1..).unwrap_or_default().to_vec();
        p.args.splice(1..2, [b"-n".to_vec(), n]);
    }
    let o =
        match parse(p, "c:n:qvz", &[("lines", 'n', 1), ("bytes", 'c', 1), ("quiet", 'q', 0), ("silent", 'q', 0), ("verbose", 'v', 0)], 1)
            .await
        {
            Ok(o) => o,
            Err(s) => return s,
        };
    let by_bytes = o.last_of("cn") == Some('c');
    let given = o.text(if by_bytes { 'c' } else { 'n' }).unwrap_or_else(|| "10".into());
    let (from_end, digits) = match given.strip_prefix('-') {
        Some(d) => (true, d.to_owned()),
        None => (false, given.trim_start_matches('+').to_owned()),
    };
    let Some(count) = opts::size(&digits) else {
        p.warn(format!("invalid number of {}: {}", if by_bytes { "bytes" } else { "lines" }, quoted(given.as_bytes()))).await;
        return 1;
    };
    let files = or_stdin(o.rest.clone());
    let many = (files.len() > 1 && !o.has('q')) || o.has('v');
    let mut status = 0;
    for (n, file) in files.iter().enumerate() {
        if file != b"-"
            && let Err(e) = p.reopen(file)
        {
            if e == Errno::EISDIR {
                if many {
                    p.out(format!("{}==> {} <==\n", if n > 0 { "\n" } else { "" }, text(file)));
                }
                p.warn(format!("error reading {}: {e}", quoted(file))).await;
            } else {
                p.warn(format!("cannot open {} for reading: {e}", quoted(file))).await;
            }
            status = 1;
            continue;
        }
        if many {
            p.out(format!(
                "{}==> {} <==\n",
                if n > 0 { "\n" } else { "" },
                if file == b"-" { "standard input".into() } else { text(file) }
            ));
        }
        if from_end {
            let all = p.all_input().await;
            let keep = usize::try_from(count).unwrap_or(usize::MAX);
            if by_bytes {
                p.out(all.get(..all.len().saturating_sub(keep)).unwrap_or_default());
            } else {
                let lines: Vec<&[u8]> = all.split_inclusive(|&b| b == b'\n').collect();
                p.out(lines.get(..lines.len().saturating_sub(keep)).unwrap_or_default().concat());
            }
        } else if by_bytes {
            let mut left = count;
            while left > 0 {
                let mut part = p.chunk().await;
                if part.is_empty() {
                    break;
                }
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(part.len());
                let rest = part.split_off(take);
                left -= part.len() as u64;
                p.out(part);
                if !rest.is_empty() {
                    p.unread(rest);
                }
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
            }
        } else {
            let mut left = count;
            while left > 0 {
                let Some(line) = p.line().await else { break };
                left -= 1;
                p.out(line);
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
            }
            p.unread(Vec::new());
        }
    }
    status
}

/// `tail`.
pub(crate) async fn tail(p: &mut Proc) -> i32 {
    if let Some(arg) = p.args.get(1).cloned()
        && let [s @ (b'-' | b'+'), d, ..] = arg.as_slice()
        && d.is_ascii_digit()
    {
        let n = if *s == b'+' { arg.clone() } else { arg.get(1..).unwrap_or_default().to_vec() };
        p.args.splice(1..2, [b"-n".to_vec(), n]);
    }
    let o = match parse(
        p,
        "c:fFn:qs:v",
        &[
            ("lines", 'n', 1),
            ("bytes", 'c', 1),
            ("follow", 'f', 2),
            ("quiet", 'q', 0),
            ("verbose", 'v', 0),
            ("pid", 'P', 1),
            ("retry", 'R', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let by_bytes = o.last_of("cn") == Some('c');
    let given = o.text(if by_bytes { 'c' } else { 'n' }).unwrap_or_else(|| "10".into());
    let (from_start, digits) = match given.strip_prefix('+') {
        Some(d) => (true, d.to_owned()),
        None => (false, given.trim_start_matches('-').to_owned()),
    };
    let Some(count) = opts::size(&digits).and_then(|n| usize::try_from(n).ok()) else {
        p.warn(format!("invalid number of {}: {}", if by_bytes { "bytes" } else { "lines" }, quoted(given.as_bytes()))).await;
        return 1;
    };
    let files = or_stdin(o.rest.clone());
    let many = (files.len() > 1 && !o.has('q')) || o.has('v');
    let mut status = 0;
    for (n, file) in files.iter().enumerate() {
        if file != b"-"
            && let Err(e) = p.reopen(file)
        {
            if e == Errno::EISDIR {
                p.warn(format!("error reading {}: {e}", quoted(file))).await
            } else {
                p.warn(format!("cannot open {} for reading: {e}", quoted(file))).await
            }
            status = 1;
            continue;
        }
        if many {
            p.out(format!(
                "{}==> {} <==\n",
                if n > 0 { "\n" } else { "" },
                if file == b"-" { "standard input".into() } else { text(file) }
            ));
        }
        let all = p.all_input().await;
        if by_bytes {
            let from = if from_start { count.saturating_sub(1).min(all.len()) } else { all.len().saturating_sub(count) };
            p.out(all.get(from..).unwrap_or_default());
        } else {
            let lines: Vec<&[u8]> = all.split_inclusive(|&b| b == b'\n').collect();
            let from = if from_start { count.saturating_sub(1).min(lines.len()) } else { lines.len().saturating_sub(count) };
            p.out(lines.get(from..).unwrap_or_default().concat());
        }
    }
    if (o.has('f') || o.has('F')) && files.iter().any(|f| f != b"-") {
        let _ = p.flush().await;
        let path = p.path(files.first().map_or(&b""[..], Vec::as_slice));
        let mut seen = p.fs().read(&p.who, &path).map_or(0, |b| b.len());
        for _ in 0..86_400 {
            p.k.sleep(std::time::Duration::from_secs(1)).await;
            let bytes = p.fs().read(&p.who, &path).unwrap_or_default();
            if bytes.len() > seen {
                p.out(bytes.get(seen..).unwrap_or_default());
                if p.flush().await.is_err() {
                    return 141;
                }
            }
            seen = bytes.len();
        }
    }
    status
}

/// `wc`.
pub(crate) async fn wc(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "clLmw",
        &[("bytes", 'c', 0), ("chars", 'm', 0), ("lines", 'l', 0), ("words", 'w', 0), ("max-line-length", 'L', 0)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let (mut l, mut w, m, mut c, long) = (o.has('l'), o.has('w'), o.has('m'), o.has('c'), o.has('L'));
    if !(l || w || m || c || long) {
        (l, w, c) = (true, true, true);
    }
    let files = or_stdin(o.rest.clone());
    let mut total = [0u64; 4];
    let mut rows: Vec<([u64; 4], String)> = Vec::new();
    let mut status = 0;
    let mut widest = 0u64;
    for file in &files {
        let mut n = [0u64; 4];
        let failed = if file == b"-" { None } else { p.reopen(file).err() };
        if let Some(e) = failed {
            p.warn(format!("{}: {e}", quoted_maybe(file))).await;
            status = 1;
            if e != Errno::EISDIR {
                continue;
            }
        } else {
            let mut inside = false;
            let mut width = 0u64;
            loop {
                let part = p.chunk().await;
                if part.is_empty() {
                    break;
                }
                n[2] += part.len() as u64;
                for b in part {
                    if b == b'\n' {
                        n[0] += 1;
                        n[3] = n[3].max(width);
                        width = 0;
                    } else {
                        width += 1;
                    }
                    let white = b.is_ascii_whitespace() || b == 11;
                    if !white && !inside {
                        n[1] += 1;
                    }
                    inside = !white;
                }
            }
            n[3] = n[3].max(width);
        }
        let size = if file == b"-" {
            None
        } else {
            p.fs().stat(&p.who, &p.path(file)).ok().filter(|m| m.kind == crate::shell::Kind::File).map(|m| m.size)
        };
        widest = widest.max(size.unwrap_or(n[2]));
        for (t, v) in total.iter_mut().zip(n) {
            *t += v;
        }
        rows.push((n, if file == b"-" && o.rest.is_empty() { String::new() } else { text(file) }));
    }
    let columns = [l, w, m || c, long].iter().filter(|b| **b).count() + usize::from(m && c);
    let regular = files.iter().all(|f| f != b"-");
    let width = if columns == 1 && files.len() == 1 {
        1
    } else if regular {
        rows.iter().map(|r| r.0[2]).sum::<u64>().max(1).to_string().len()
    } else {
        7
    };
    if files.len() > 1 {
        rows.push((total, "total".into()));
    }
    for (n, name) in rows {
        let mut cells = Vec::new();
        for (on, v) in [(l, n[0]), (w, n[1]), (m, n[2]), (c, n[2]), (long, n[3])] {
            if on {
                cells.push(format!("{v:>width$}"));
            }
        }
        let line = cells.join(" ");
        p.out(if name.is_empty() { format!("{line}\n") } else { format!("{line} {name}\n") });
    }
    status
}

/// `tee`.
pub(crate) async fn tee(p: &mut Proc) -> i32 {
    let o = match parse(p, "aip", &[("append", 'a', 0), ("ignore-interrupts", 'i', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let how = if o.has('a') { crate::shell::proc::How::Append } else { crate::shell::proc::How::Write };
    let mut outs = Vec::new();
    let mut status = 0;
    for file in &o.rest {
        let path = p.path(file);
        match crate::shell::proc::open(&p.k, &p.fds, &p.who, &path, how, 0o666 & !p.umask) {
            Ok(fd) => outs.push(fd),
            Err(e) => {
                p.warn(format!("{}: {e}", quoted_maybe(file))).await;
                status = 1;
            }
        }
    }
    loop {
        let part = p.chunk().await;
        if part.is_empty() {
            return status;
        }
        for fd in &outs {
            let _ = fd.write(&p.k, &part).await;
        }
        p.out(part);
        if p.flush().await.is_err() {
            return 141;
        }
    }
}

/// `tr`.
pub(crate) async fn tr(p: &mut Proc) -> i32 {
    let o =
        match parse(p, "+cCdst", &[("complement", 'c', 0), ("delete", 'd', 0), ("squeeze-repeats", 's', 0), ("truncate-set1", 't', 0)], 1)
            .await
        {
            Ok(o) => o,
            Err(s) => return s,
        };
    let (delete, squeeze, complement) = (o.has('d'), o.has('s'), o.has('c') || o.has('C'));
    let need = if delete != squeeze { 1 } else { 2 };
    match o.rest.len() {
        0 => return opts::missing(p, 1).await,
        n if n < need => {
            let name = p.called();
            let last = quoted(o.rest.last().map_or(&b""[..], Vec::as_slice));
            let hint = if delete && squeeze {
                "Two strings must be given when both deleting and squeezing repeats."
            } else {
                "Two strings must be given when translating."
            };
            p.err(format!("{name}: missing operand after {last}\n{hint}\nTry '{name} --help' for more information.\n")).await;
            return 1;
        }
        n if n > 2 || (n == 2 && delete && !squeeze) => {
            let name = p.called();
            let extra = o.rest.get(if n > 2 { 2 } else { 1 }).cloned().unwrap_or_default();
            let hint = if n == 2 { "Only one string may be given when deleting without squeezing repeats.\n" } else { "" };
            p.err(format!("{name}: extra operand {}\n{hint}Try '{name} --help' for more information.\n", quoted(&extra))).await;
            return 1;
        }
        _ => {}
    }
    let mut first = match set(o.rest.first().map_or(&b""[..], Vec::as_slice), 0) {
        Ok(s) => s,
        Err(e) => return p.fail(e).await,
    };
    if complement {
        first = (0..=255u8).filter(|b| !first.contains(b)).collect();
    }
    let second = match o.rest.get(1) {
        Some(s) => match set(s, first.len()) {
            Ok(s) => s,
            Err(e) => return p.fail(e).await,
        },
        None => Vec::new(),
    };
    let mut map: Vec<Option<u8>> = (0..=255).map(Some).collect();
    let mut squeezed = [false; 256];
    if delete {
        for &b in &first {
            if let Some(slot) = map.get_mut(usize::from(b)) {
                *slot = None;
            }
        }
        if squeeze {
            for &b in &second {
                if let Some(place) = squeezed.get_mut(usize::from(b)) {
                    *place = true;
                }
            }
        }
    } else {
        if o.rest.len() == 2 {
            if second.is_empty() {
                return p.fail("when not truncating set1, string2 must be non-empty").await;
            }
            for (n, &b) in first.iter().enumerate() {
                let to = second.get(n).or(second.last()).copied();
                if let Some(slot) = map.get_mut(usize::from(b)) {
                    *slot = to;
                }
            }
        }
        if squeeze {
            for &b in if second.is_empty() { &first } else { &second } {
                if let Some(place) = squeezed.get_mut(usize::from(b)) {
                    *place = true;
                }
            }
        }
    }
    let mut last: Option<u8> = None;
    loop {
        let part = p.chunk().await;
        if part.is_empty() {
            return 0;
        }
        let mut out = Vec::with_capacity(part.len());
        for b in part {
            if let Some(Some(to)) = map.get(usize::from(b)).copied() {
                if last == Some(to) && squeezed.get(usize::from(to)).is_some_and(|s| *s) {
                    continue;
                }
                last = Some(to);
                out.push(to);
            }
        }
        p.out(out);
        if p.flush().await.is_err() {
            return 141;
        }
    }
}

/// A set of `tr`; `fill`: how long `[c*]` makes it.
fn set(spec: &[u8], fill: usize) -> Result<Vec<u8>, String> {
    let mut out: Vec<u8> = Vec::new();
    let mut at = 0;
    let unit = |at: &mut usize| -> Option<u8> {
        let b = *spec.get(*at)?;
        *at += 1;
        if b != b'\\' {
            return Some(b);
        }
        let Some(&n) = spec.get(*at) else { return Some(b'\\') };
        *at += 1;
        Some(match n {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'0'..=b'7' => {
                let mut v = u32::from(n - b'0');
                for _ in 0..2 {
                    match spec.get(*at) {
                        Some(d @ b'0'..=b'7') if v * 8 + u32::from(d - b'0') < 256 => {
                            v = v * 8 + u32::from(d - b'0');
                            *at += 1;
                        }
                        _ => break,
                    }
                }
                (v & 255) as u8
            }
            n => n,
        })
    };
    while at < spec.len() {
        if spec.get(at..at + 2) == Some(b"[:")
            && let Some(end) = spec.get(at..).and_then(|r| r.windows(2).position(|w| w == b":]"))
        {
            let class = spec.get(at + 2..at + end).unwrap_or_default();
            let before = out.len();
            out.extend((0..=255u8).filter(|&b| crate::shell::interp::glob::in_class(class, b)));
            if out.len() == before && class != b"word" {
                return Err(format!("invalid character class {}", quoted(class)));
            }
            at += end + 2;
            continue;
        }
        if spec.get(at) == Some(&b'[')
            && spec.get(at + 2) == Some(&b'*')
            && let Some(end) = spec.get(at..).and_then(|r| r.iter().position(|&b| b == b']'))
        {
            let c = spec.get(at + 1).copied().unwrap_or(0);
            let count: usize =
                std::str::from_utf8(spec.get(at + 3..at + end).unwrap_or_default()).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
            let count = if count == 0 { fill.saturating_sub(out.len()) } else { count.min(100_000) };
            out.extend(std::iter::repeat_n(c, count));
            at += end + 1;
            continue;
        }
        let start = at;
        let Some(low) = unit(&mut at) else { break };
        if spec.get(at) == Some(&b'-') && at + 1 < spec.len() {
            at += 1;
            let Some(high) = unit(&mut at) else { break };
            if high < low {
                return Err(format!(
                    "range-endpoints of {} are in reverse collating sequence order",
                    quoted(spec.get(start..at).unwrap_or_default())
                ));
            }
            out.extend(low..=high);
        } else {
            out.push(low);
        }
    }
    Ok(out)
}

/// Ranges of `cut`.
fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    let mut out = Vec::new();
    for part in list.split([',', ' ']) {
        let (a, b) = match part.split_once('-') {
            Some((a, b)) => (if a.is_empty() { 1 } else { a.parse().ok()? }, if b.is_empty() { usize::MAX } else { b.parse().ok()? }),
            None => {
                let n = part.parse().ok()?;
                (n, n)
            }
        };
        if a == 0 || b < a || part == "-" {
            return None;
        }
        out.push((a, b));
    }
    Some(out)
}

/// `cut`.
pub(crate) async fn cut(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "b:c:d:f:nsz",
        &[
            ("bytes", 'b', 1),
            ("characters", 'c', 1),
            ("delimiter", 'd', 1),
            ("fields", 'f', 1),
            ("only-delimited", 's', 0),
            ("complement", 'C', 0),
            ("output-delimiter", 'O', 1),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let Some(kind) = o.last_of("bcf") else { return opts::usage(p, "you must specify a list of bytes, characters, or fields", 1).await };
    let list = o.text(kind).unwrap_or_default();
    let Some(wanted) = ranges(&list) else {
        let what = if list.split([',', ' ']).any(|x| x == "0" || x.starts_with("0-")) {
            if kind == 'f' { "fields are numbered from 1".to_owned() } else { "byte/character positions are numbered from 1".to_owned() }
        } else if list
            .split([',', ' '])
            .any(|x| x.split_once('-').is_some_and(|(a, b)| a.parse::<u64>().is_ok() && b.parse::<u64>().is_ok()))
        {
            "invalid decreasing range".to_owned()
        } else if list == "-" {
            "invalid range with no endpoint: -".to_owned()
        } else if kind == 'f' {
            format!("invalid field value {}", quoted(list.as_bytes()))
        } else {
            format!("invalid byte/character position {}", quoted(list.as_bytes()))
        };
        return opts::usage(p, &what, 1).await;
    };
    let delimiter = match o.value('d') {
        Some([d]) => *d,
        Some([]) => 0,
        Some(_) => return opts::usage(p, "the delimiter must be a single character", 1).await,
        None => b'\t',
    };
    if kind != 'f' && o.has('d') {
        return opts::usage(p, "an input delimiter may be specified only when operating on fields", 1).await;
    }
    let glue = o.value('O').map_or_else(|| if kind == 'f' { vec![delimiter] } else { Vec::new() }, <[u8]>::to_vec);
    let inside = |n: usize| wanted.iter().any(|(a, b)| (*a..=*b).contains(&n)) != o.has('C');
    let mut status = 0;
    for file in or_stdin(o.rest.clone()) {
        if file != b"-"
            && let Err(e) = p.reopen(&file)
        {
            p.warn(format!("{}: {e}", quoted_maybe(&file))).await;
            status = 1;
            continue;
        }
        while let Some(mut line) = p.line().await {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if kind == 'f' {
                if !line.contains(&delimiter) {
                    if !o.has('s') {
                        line.push(b'\n');
                        p.out(line);
                    }
                } else {
                    let kept: Vec<&[u8]> =
                        line.split(|&b| b == delimiter).enumerate().filter(|(n, _)| inside(n + 1)).map(|(_, f)| f).collect();
                    let mut out = kept.join(glue.as_slice());
                    out.push(b'\n');
                    p.out(out);
                }
            } else {
                let mut out: Vec<u8> = line.iter().enumerate().filter(|(n, _)| inside(n + 1)).map(|(_, b)| *b).collect();
                out.push(b'\n');
                p.out(out);
            }
            if p.maybe_flush().await.is_err() {
                return 141;
            }
        }
    }
    status
}

/// `rev`, `tac`.
pub(crate) async fn rev(p: &mut Proc) -> i32 {
    let lines = p.name() == "tac";
    let files = or_stdin(p.args.iter().skip(1).filter(|a| !a.starts_with(b"-") || a.len() == 1).cloned().collect());
    let mut status = 0;
    for file in files {
        match p.slurp(&file).await {
            Ok(bytes) => {
                if lines {
                    let parts: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
                    p.out(parts.into_iter().rev().collect::<Vec<_>>().concat());
                } else {
                    for line in bytes.split_inclusive(|&b| b == b'\n') {
                        let (body, nl) = line.strip_suffix(b"\n").map_or((line, false), |b| (b, true));
                        let text = String::from_utf8_lossy(body);
                        let mut out: String = text.chars().rev().collect();
                        if nl {
                            out.push('\n');
                        }
                        p.out(out);
                    }
                }
            }
            Err(e) => {
                let line = if lines {
                    format!("failed to open {} for reading: {e}", quoted(&file))
                } else {
                    format!("cannot open {}: {e}", text(&file))
                };
                p.warn(line).await;
                status = 1;
            }
        }
    }
    status
}

/// `nl`.
pub(crate) async fn nl(p: &mut Proc) -> i32 {
    let o = match parse(p, "b:w:s:v:n:i:", &[("body-numbering", 'b', 1), ("number-width", 'w', 1), ("number-separator", 's', 1)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let all = o.text('b').as_deref() == Some("a");
    let width = o.text('w').and_then(|t| t.parse().ok()).unwrap_or(6usize).min(1000);
    let sep = o.text('s').unwrap_or_else(|| "\t".into());
    let mut n: i64 = o.text('v').and_then(|t| t.parse().ok()).unwrap_or(1);
    for file in or_stdin(o.rest.clone()) {
        match p.slurp(&file).await {
            Ok(bytes) => {
                for line in bytes.split_inclusive(|&b| b == b'\n') {
                    if line == b"\n" && !all {
                        p.out(format!("{}\n", " ".repeat(width + sep.len())));
                    } else {
                        p.out(format!("{n:>width$}{sep}"));
                        p.out(line);
                        n += 1;
                    }
                }
            }
            Err(e) => return p.fail(format!("{}: {e}", quoted_maybe(&file))).await,
        }
    }
    0
}

/// `paste`.
pub(crate) async fn paste(p: &mut Proc) -> i32 {
    let o = match parse(p, "d:s", &[("delimiters", 'd', 1), ("serial", 's', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let delimiters =
        o.value('d').map_or_else(|| b"\t".to_vec(), |d| crate::shell::syntax::unescape(d, crate::shell::syntax::Escapes::Ansi).0);
    let mut columns = Vec::new();
    for file in or_stdin(o.rest.clone()) {
        match p.slurp(&file).await {
            Ok(b) => columns.push(b.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()),
            Err(e) => return p.fail(format!("{}: {e}", quoted_maybe(&file))).await,
        }
    }
    for c in &mut columns {
        if c.last().is_some_and(Vec::is_empty) {
            c.pop();
        }
    }
    let glue = |n: usize| if delimiters.is_empty() { None } else { delimiters.get(n % delimiters.len()).copied() };
    if o.has('s') {
        for c in columns {
            let mut out = Vec::new();
            for (n, line) in c.iter().enumerate() {
                if n > 0 {
                    out.extend(glue(n - 1));
                }
                out.extend_from_slice(line);
            }
            out.push(b'\n');
            p.out(out);
        }
        return 0;
    }
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..rows {
        let mut out = Vec::new();
        for (n, c) in columns.iter().enumerate() {
            if n > 0 {
                out.extend(glue(n - 1));
            }
            out.extend(c.get(row).into_iter().flatten());
        }
        out.push(b'\n');
        p.out(out);
    }
    0
}

/// `sort`.
pub(crate) async fn sort(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "bcdfghik:Mmno:rRsS:t:uVz",
        &[
            ("reverse", 'r', 0),
            ("unique", 'u', 0),
            ("numeric-sort", 'n', 0),
            ("key", 'k', 1),
            ("field-separator", 't', 1),
            ("human-numeric-sort", 'h', 0),
            ("ignore-case", 'f', 0),
            ("output", 'o', 1),
            ("version-sort", 'V', 0),
            ("stable", 's', 0),
            ("random-sort", 'R', 0),
            ("check", 'c', 0),
        ],
        2,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut all = Vec::new();
    for file in or_stdin(o.rest.clone()) {
        match p.slurp(&file).await {
            Ok(b) => {
                all.extend_from_slice(&b);
                if all.last().is_some_and(|&b| b != b'\n') {
                    all.push(b'\n');
                }
            }
            Err(e) => {
                p.warn(format!("{}: {}: {e}", if e == Errno::EISDIR { "read failed" } else { "cannot read" }, quoted_maybe(&file))).await;
                return 2;
            }
        }
    }
    let mut lines: Vec<&[u8]> = all.split(|&b| b == b'\n').collect();
    lines.pop();
    p.k.pay(u32::try_from(lines.len() / 8).unwrap_or(0)).await;
    let separator = o.value('t').and_then(|t| t.first().copied());
    struct Key {
        from: usize,
        skip: usize,
        to: Option<(usize, usize)>,
        flags: String,
    }
    let global: String = o.flags().filter(|(c, _)| "bdfghinMrV".contains(*c)).map(|(c, _)| c).collect();
    let mut keys = Vec::new();
    for k in o.all('k') {
        let k = text(k);
        let part = |t: &str| {
            let number: String = t.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let flags = t.get(number.len()..).unwrap_or_default().to_owned();
            let (f, c) = number.split_once('.').unwrap_or((&number, ""));
            (f.parse::<usize>().unwrap_or(0), c.parse::<usize>().unwrap_or(0), flags)
        };
        let (start, end) = k.split_once(',').map_or((k.as_str(), None), |(a, b)| (a, Some(b)));
        let (from, skip, mut flags) = part(start);
        if from == 0 {
            let msg = if k.starts_with('0') {
                format!("field number is zero: invalid field specification {}", quoted(k.as_bytes()))
            } else {
                format!("invalid number at field start: invalid count at start of {}", quoted(k.as_bytes()))
            };
            p.warn(msg).await;
            return 2;
        }
        let to = end.map(|e| {
            let (f, c, more) = part(e);
            flags.push_str(&more);
            (f, c)
        });
        if flags.is_empty() {
            flags.clone_from(&global);
        }
        keys.push(Key { from, skip: skip.saturating_sub(1), to, flags });
    }
    if keys.is_empty() {
        keys.push(Key { from: 1, skip: 0, to: None, flags: global.clone() });
    }
    let whole = o.all('k').next().is_none();
    let field = |line: &[u8], key: &Key| -> Vec<u8> {
        if whole {
            return if key.flags.contains('b') { line.trim_ascii_start().to_vec() } else { line.to_vec() };
        }
        let mut starts = Vec::new();
        match separator {
            Some(s) => {
                let mut at = 0;
                for part in line.split(|&b| b == s) {
                    starts.push((at, at + part.len()));
                    at += part.len() + 1;
                }
            }
            None => {
                let mut at = 0;
                while at < line.len() {
                    let from = at;
                    while line.get(at).is_some_and(|b| matches!(b, b' ' | b'\t')) {
                        at += 1;
                    }
                    while line.get(at).is_some_and(|b| !matches!(b, b' ' | b'\t')) {
                        at += 1;
                    }
                    starts.push((from, at));
                }
            }
        }
        let Some(&(mut from, _)) = starts.get(key.from - 1) else { return Vec::new() };
        if key.flags.contains('b') || key.flags.contains('n') {
            while line.get(from).is_some_and(|b| matches!(b, b' ' | b'\t')) {
                from += 1;
            }
        }
        let from = (from + key.skip).min(line.len());
        let end = match key.to {
            None => line.len(),
            Some((f, 0)) => starts.get(f.max(1) - 1).map_or(line.len(), |s| s.1),
            Some((f, c)) => starts.get(f.max(1) - 1).map_or(line.len(), |s| (s.0 + c).min(line.len())),
        };
        line.get(from..end.max(from)).unwrap_or_default().to_vec()
    };
    let compare = |a: &[u8], b: &[u8], flags: &str| -> std::cmp::Ordering {
        let ord = if flags.contains('n') || flags.contains('g') {
            leading_number(a).partial_cmp(&leading_number(b)).unwrap_or(std::cmp::Ordering::Equal)
        } else if flags.contains('h') {
            human_number(a).partial_cmp(&human_number(b)).unwrap_or(std::cmp::Ordering::Equal)
        } else if flags.contains('V') {
            super::files::version_cmp(a, b)
        } else if flags.contains('M') {
            month(a).cmp(&month(b))
        } else {
            let clean = |s: &[u8]| -> Vec<u8> {
                s.iter()
                    .filter(|c| !flags.contains('d') || c.is_ascii_alphanumeric() || matches!(c, b' ' | b'\t'))
                    .map(|c| if flags.contains('f') { c.to_ascii_uppercase() } else { *c })
                    .collect()
            };
            if flags.contains('d') || flags.contains('f') { clean(a).cmp(&clean(b)) } else { a.cmp(b) }
        };
        if flags.contains('r') { ord.reverse() } else { ord }
    };
    let by_keys = |a: &&[u8], b: &&[u8]| {
        for key in &keys {
            let ord = compare(&field(a, key), &field(b, key), &key.flags);
            if ord != std::cmp::Ordering::Equal {
                return ord;
            }
        }
        std::cmp::Ordering::Equal
    };
    let full = |a: &&[u8], b: &&[u8]| {
        let ord = by_keys(a, b);
        if ord != std::cmp::Ordering::Equal || o.has('s') || o.has('u') {
            return ord;
        }
        if global.contains('r') { b.cmp(a) } else { a.cmp(b) }
    };
    if o.has('c') {
        for pair in lines.windows(2) {
            if let [a, b] = pair
                && full(a, b) == std::cmp::Ordering::Greater
            {
                let n = lines.iter().position(|l| std::ptr::eq(*l, *b)).unwrap_or(0) + 1;
                let file = o.rest.first().map_or_else(|| "-".to_owned(), |f| text(f));
                let shown = text(b);
                p.warn(format!("{file}:{n}: disorder: {shown}")).await;
                return 1;
            }
        }
        return 0;
    }
    if o.has('R') {
        let seed = p.k.random_u32();
        lines.sort_by_key(|l| l.iter().fold(seed, |h, &b| (h ^ u32::from(b)).wrapping_mul(16_777_619)));
    } else {
        lines.sort_by(full);
    }
    if o.has('u') {
        lines.dedup_by(|b, a| by_keys(a, b) == std::cmp::Ordering::Equal);
    }
    let mut out = Vec::with_capacity(all.len());
    for l in lines {
        out.extend_from_slice(l);
        out.push(b'\n');
    }
    if let Some(file) = o.value('o').map(<[u8]>::to_vec) {
        let path = p.path(&file);
        if let Err(e) = p.fs().write(&p.who, &path, &out, crate::shell::WriteMode::Truncate, 0o644, p.k.now()) {
            p.warn(format!("open failed: {}: {e}", text(&file))).await;
            return 2;
        }
        return 0;
    }
    p.out(out);
    0
}

fn leading_number(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let end = text.iter().enumerate().take_while(|(n, c)| c.is_ascii_digit() || **c == b'.' || (*n == 0 && **c == b'-')).count();
    std::str::from_utf8(text.get(..end).unwrap_or_default()).ok().map_or(0.0, super::printf::leading_float)
}

fn human_number(text: &[u8]) -> f64 {
    let n = leading_number(text);
    let unit = text.iter().find(|c| c.is_ascii_alphabetic()).map_or(0, |c| match c.to_ascii_uppercase() {
        b'K' => 1,
        b'M' => 2,
        b'G' => 3,
        b'T' => 4,
        b'P' => 5,
        _ => 0,
    });
    n.signum() * f64::from(unit) * 1e6 + n
}

fn month(text: &[u8]) -> usize {
    let up: Vec<u8> = text.trim_ascii_start().iter().take(3).map(u8::to_ascii_uppercase).collect();
    [b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"]
        .iter()
        .position(|m| up == *m)
        .map_or(0, |n| n + 1)
}

/// `uniq`.
pub(crate) async fn uniq(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "cdDf:is:uw:z",
        &[
            ("count", 'c', 0),
            ("repeated", 'd', 0),
            ("unique", 'u', 0),
            ("ignore-case", 'i', 0),
            ("skip-fields", 'f', 1),
            ("skip-chars", 's', 1),
            ("check-chars", 'w', 1),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if let Some(file) = o.rest.first().filter(|f| f.as_slice() != b"-")
        && let Err(e) = p.reopen(file)
    {
        return p.fail(format!("{}: {e}", quoted_maybe(file))).await;
    }
    let skip_fields: usize = o.text('f').and_then(|t| t.parse().ok()).unwrap_or(0);
    let skip: usize = o.text('s').and_then(|t| t.parse().ok()).unwrap_or(0);
    let width: usize = o.text('w').and_then(|t| t.parse().ok()).unwrap_or(usize::MAX);
    let key = |line: &[u8]| -> Vec<u8> {
        let mut at = 0;
        for _ in 0..skip_fields {
            while line.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            while line.get(at).is_some_and(|b| !b.is_ascii_whitespace()) {
                at += 1;
            }
        }
        let rest = line.get((at + skip).min(line.len())..).unwrap_or_default();
        let rest = rest.get(..width.min(rest.len())).unwrap_or(rest);
        if o.has('i') { rest.to_ascii_lowercase() } else { rest.to_vec() }
    };
    let mut now: Option<(Vec<u8>, u64)> = None;
    loop {
        let line = p.line().await.map(|mut l| {
            if l.last() == Some(&b'\n') {
                l.pop();
            }
            l
        });
        match (&mut now, &line) {
            (Some((old, n)), Some(l)) if key(old) == key(l) => {
                *n += 1;
                continue;
            }
            _ => {}
        }
        if let Some((old, n)) = now.take() {
            let show = if o.has('d') {
                n > 1
            } else if o.has('u') {
                n == 1
            } else {
                true
            };
            if show {
                if o.has('c') {
                    p.out(format!("{n:>7} "));
                }
                p.out(old);
                p.out(b"\n");
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
            }
        }
        match line {
            Some(l) => now = Some((l, 1)),
            None => return 0,
        }
    }
}

/// `seq`.
pub(crate) async fn seq(p: &mut Proc) -> i32 {
    let mut args: Vec<String> = p.words();
    let (mut sep, mut wide, mut fmt) = ("\n".to_owned(), false, None);
    loop {
        match args.first().map(String::as_str) {
            Some("-w" | "--equal-width") => {
                wide = true;
                args.remove(0);
            }
            Some("-s") if args.len() > 1 => {
                sep = args.remove(1);
                args.remove(0);
            }
            Some("-f") if args.len() > 1 => {
                fmt = Some(args.remove(1));
                args.remove(0);
            }
            Some(a) if a.starts_with("-s") && a.len() > 2 => sep = args.remove(0).get(2..).unwrap_or_default().to_owned(),
            Some(a) if a.starts_with("--separator=") => sep = args.remove(0).get(12..).unwrap_or_default().to_owned(),
            Some(a) if a.starts_with('-') && a.len() > 1 && a.parse::<f64>().is_err() && a != "--" => {
                let c = a.chars().nth(1).unwrap_or('-');
                return opts::usage(p, &format!("invalid option -- '{c}'"), 1).await;
            }
            _ => break,
        }
    }
    if args.is_empty() {
        return opts::missing(p, 1).await;
    }
    if args.len() > 3 {
        let extra = args.get(3).cloned().unwrap_or_default();
        return opts::usage(p, &format!("extra operand {}", quoted(extra.as_bytes())), 1).await;
    }
    for a in &args {
        if a.parse::<f64>().is_err() {
            return opts::usage(p, &format!("invalid floating point argument: {}", quoted(a.as_bytes())), 1).await;
        }
    }
    let number = |n: usize| args.get(n).and_then(|a| a.parse::<f64>().ok()).unwrap_or(1.0);
    let (first, step, last) = match args.len() {
        1 => (1.0, 1.0, number(0)),
        2 => (number(0), 1.0, number(1)),
        _ => (number(0), number(1), number(2)),
    };
    if step == 0.0 {
        return opts::usage(p, &format!("invalid Zero increment value: {}", quoted(args.get(1).map_or(&b""[..], String::as_bytes))), 1)
            .await;
    }
    let decimals = |a: &String| a.split_once('.').map_or(0, |(_, d)| d.len());
    let places = match args.len() {
        1 => 0,
        2 => args.first().map_or(0, decimals),
        _ => args.iter().take(2).map(decimals).max().unwrap_or(0),
    }
    .min(20);
    let shape = |v: f64| format!("{v:.places$}");
    let width = if wide { shape(first).len().max(shape(last).len()) } else { 0 };
    let mut n = 0u64;
    let mut any = false;
    loop {
        let value = first + step * n as f64;
        if (step > 0.0 && value > last + step.abs() * 1e-10) || (step < 0.0 && value < last - step.abs() * 1e-10) {
            break;
        }
        if any {
            p.out(&sep);
        }
        any = true;
        let item = match &fmt {
            Some(f) => {
                let mut at = f.find('%').map_or(0, |x| x + 1);
                let head = f.get(..at.saturating_sub(1)).unwrap_or_default().to_owned();
                let spec = super::printf::spec(f.as_bytes(), &mut at, &mut || 0);
                let kind = f.as_bytes().get(at).copied().unwrap_or(b'g');
                let tail = f.get(at + 1..).unwrap_or_default();
                format!("{head}{}{tail}", text(&spec.float(value, kind)))
            }
            None => {
                let s = shape(value);
                if s.len() < width {
                    if let Some(rest) = s.strip_prefix('-') {
                        format!("-{}{rest}", "0".repeat(width - s.len()))
                    } else {
                        format!("{}{s}", "0".repeat(width - s.len()))
                    }
                } else {
                    s
                }
            }
        };
        p.out(item);
        n += 1;
        if n.is_multiple_of(512) {
            p.k.pay(16).await;
            if p.maybe_flush().await.is_err() {
                return 141;
            }
        }
    }
    if any {
        p.out(b"\n");
    }
    0
}

/// `yes`.
pub(crate) async fn yes(p: &mut Proc) -> i32 {
    let words: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let mut line = if words.is_empty() { b"y".to_vec() } else { words.join(&b' ') };
    line.push(b'\n');
    let block = line.repeat((4096 / line.len().max(1)).max(1));
    loop {
        p.out(&block);
        p.k.pay(4).await;
        if let Err(e) = p.flush().await {
            return if e == Errno::EPIPE { 141 } else { 1 };
        }
    }
}

/// `fold`.
pub(crate) async fn fold(p: &mut Proc) -> i32 {
    let o = match parse(p, "bsw:", &[("width", 'w', 1), ("spaces", 's', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let width = o.text('w').and_then(|t| t.parse::<usize>().ok()).unwrap_or(80).max(1);
    for file in or_stdin(o.rest.clone()) {
        let bytes = match p.slurp(&file).await {
            Ok(b) => b,
            Err(e) => return p.fail(format!("{}: {e}", quoted_maybe(&file))).await,
        };
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            let (mut body, nl) = line.strip_suffix(b"\n").map_or((line, false), |b| (b, true));
            while body.len() > width {
                let mut at = width;
                if o.has('s')
                    && let Some(blank) = body.get(..width).and_then(|b| b.iter().rposition(|&c| c == b' '))
                {
                    at = blank + 1;
                }
                let (head, rest) = body.split_at(at);
                p.out(head);
                p.out(b"\n");
                body = rest;
            }
            p.out(body);
            if nl {
                p.out(b"\n");
            }
        }
    }
    0
}

/// `strings`.
pub(crate) async fn strings(p: &mut Proc) -> i32 {
    let o = match parse(p, "an:", &[("all", 'a', 0), ("bytes", 'n', 1)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let least = o.text('n').and_then(|t| t.parse::<usize>().ok()).unwrap_or(4).max(1);
    for file in or_stdin(o.rest.clone()) {
        let Ok(bytes) = p.slurp(&file).await else {
            p.warn(format!("'{}': No such file", text(&file))).await;
            return 1;
        };
        for run in bytes.split(|&b| !((32..127).contains(&b) || b == b'\t')) {
            if run.len() >= least {
                p.out(run);
                p.out(b"\n");
            }
        }
        if p.maybe_flush().await.is_err() {
            return 141;
        }
    }
    0
}

/// `iconv`, `dos2unix`: what is asked is mostly that text stays as it is.
pub(crate) async fn iconv(p: &mut Proc) -> i32 {
    let o = match parse(p, "cf:t:o:l", &[("from-code", 'f', 1), ("to-code", 't', 1), ("output", 'o', 1), ("list", 'l', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    for file in or_stdin(o.rest.clone()) {
        match p.slurp(&file).await {
            Ok(b) => {
                let to = o.text('t').unwrap_or_default().to_ascii_uppercase();
                let from = o.text('f').unwrap_or_default().to_ascii_uppercase();
                if to.starts_with("UTF-16LE") {
                    let out: Vec<u8> = String::from_utf8_lossy(&b).encode_utf16().flat_map(u16::to_le_bytes).collect();
                    p.out(out);
                } else if from.starts_with("UTF-16") {
                    let units: Vec<u16> = b
                        .chunks_exact(2)
                        .map(|c| u16::from_le_bytes([c.first().copied().unwrap_or(0), c.get(1).copied().unwrap_or(0)]))
                        .collect();
                    p.out(String::from_utf16_lossy(&units));
                } else {
                    p.out(&b[..]);
                }
            }
            Err(e) => return p.fail(format!("cannot open input file `{}': {e}", text(&file))).await,
        }
    }
    0
}

/// `expr`.
pub(crate) async fn expr(p: &mut Proc) -> i32 {
    let args: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    if args.is_empty() {
        opts::missing(p, 2).await;
        return 2;
    }
    let mut e = Expr { args: &args, at: 0, depth: 0 };
    let result = e.or().and_then(|v| {
        if e.at < args.len() {
            Err(format!("syntax error: unexpected argument {}", quoted(args.get(e.at).map_or(&b""[..], Vec::as_slice))))
        } else {
            Ok(v)
        }
    });
    match result {
        Ok(v) => {
            let zero = v.is_empty() || std::str::from_utf8(&v).ok().and_then(|t| t.parse::<i64>().ok()) == Some(0);
            p.out(&v);
            p.out(b"\n");
            i32::from(zero)
        }
        Err(text) => {
            p.warn(text).await;
            2
        }
    }
}

struct Expr<'a> {
    args: &'a [Vec<u8>],
    at: usize,
    depth: u32,
}

impl Expr<'_> {
    fn peek(&self) -> &[u8] {
        self.args.get(self.at).map_or(b"", Vec::as_slice)
    }

    fn or(&mut self) -> Result<Vec<u8>, String> {
        self.depth += 1;
        if self.depth > 60 {
            return Err("syntax error".into());
        }
        let mut left = self.and()?;
        while self.at < self.args.len() && self.peek() == b"|" {
            self.at += 1;
            let right = self.and()?;
            if left.is_empty() || left == b"0" {
                left = if right.is_empty() { b"0".to_vec() } else { right };
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Vec<u8>, String> {
        let mut left = self.compare()?;
        while self.at < self.args.len() && self.peek() == b"&" {
            self.at += 1;
            let right = self.compare()?;
            if left.is_empty() || left == b"0" || right.is_empty() || right == b"0" {
                left = b"0".to_vec();
            }
        }
        Ok(left)
    }

    fn compare(&mut self) -> Result<Vec<u8>, String> {
        let mut left = self.sum()?;
        loop {
            let op = self.peek().to_vec();
            if self.at >= self.args.len() || !matches!(op.as_slice(), b"=" | b"==" | b"!=" | b"<" | b">" | b"<=" | b">=") {
                return Ok(left);
            }
            self.at += 1;
            let right = self.sum()?;
            let ord = match (int(&left), int(&right)) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => left.cmp(&right),
            };
            let yes = match op.as_slice() {
                b"=" | b"==" => ord.is_eq(),
                b"!=" => ord.is_ne(),
                b"<" => ord.is_lt(),
                b">" => ord.is_gt(),
                b"<=" => ord.is_le(),
                _ => ord.is_ge(),
            };
            left = if yes { b"1".to_vec() } else { b"0".to_vec() };
        }
    }

    fn sum(&mut self) -> Result<Vec<u8>, String> {
        let mut left = self.product()?;
        loop {
            let op = self.peek().to_vec();
            if self.at >= self.args.len() || !matches!(op.as_slice(), b"+" | b"-") {
                return Ok(left);
            }
            self.at += 1;
            let right = self.product()?;
            let (Some(a), Some(b)) = (int(&left), int(&right)) else { return Err("non-integer argument".into()) };
            let v = if op == b"+" { a.checked_add(b) } else { a.checked_sub(b) };
            left = v.ok_or("Numerical result out of range")?.to_string().into_bytes();
        }
    }

    fn product(&mut self) -> Result<Vec<u8>, String> {
        let mut left = self.matching()?;
        loop {
            let op = self.peek().to_vec();
            if self.at >= self.args.len() || !matches!(op.as_slice(), b"*" | b"/" | b"%") {
                return Ok(left);
            }
            self.at += 1;
            let right = self.matching()?;
            let (Some(a), Some(b)) = (int(&left), int(&right)) else { return Err("non-integer argument".into()) };
            if b == 0 && op != b"*" {
                return Err("division by zero".into());
            }
            let v = match op.as_slice() {
                b"*" => a.checked_mul(b),
                b"/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            left = v.ok_or("Numerical result out of range")?.to_string().into_bytes();
        }
    }

    fn matching(&mut self) -> Result<Vec<u8>, String> {
        let mut left = self.primary()?;
        while self.at < self.args.len() && self.peek() == b":" {
            self.at += 1;
            let pattern = self.primary()?;
            left = regex_match(&left, &pattern)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Vec<u8>, String> {
        if self.at >= self.args.len() {
            return Err(format!("syntax error: missing argument after {}", quoted(self.args.last().map_or(&b""[..], Vec::as_slice))));
        }
        let word = self.peek().to_vec();
        self.at += 1;
        match word.as_slice() {
            b"(" => {
                let v = self.or()?;
                if self.peek() != b")" || self.at >= self.args.len() {
                    return Err(format!(
                        "syntax error: expecting ')' after {}",
                        quoted(self.args.get(self.at.saturating_sub(1)).map_or(&b""[..], Vec::as_slice))
                    ));
                }
                self.at += 1;
                Ok(v)
            }
            b"length" if self.at < self.args.len() => Ok(self.primary()?.len().to_string().into_bytes()),
            b"match" if self.at + 1 < self.args.len() => {
                let (a, b) = (self.primary()?, self.primary()?);
                regex_match(&a, &b)
            }
            b"index" if self.at + 1 < self.args.len() => {
                let (a, b) = (self.primary()?, self.primary()?);
                Ok(a.iter().position(|c| b.contains(c)).map_or(0, |n| n + 1).to_string().into_bytes())
            }
            b"substr" if self.at + 2 < self.args.len() => {
                let (s, from, len) = (self.primary()?, self.primary()?, self.primary()?);
                let (Some(from), Some(len)) = (int(&from), int(&len)) else { return Ok(Vec::new()) };
                if from < 1 || len < 1 {
                    return Ok(Vec::new());
                }
                let from = usize::try_from(from - 1).unwrap_or(usize::MAX).min(s.len());
                let to = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(s.len());
                Ok(s.get(from..to).unwrap_or_default().to_vec())
            }
            b"+" if self.at < self.args.len() => {
                let v = self.peek().to_vec();
                self.at += 1;
                Ok(v)
            }
            _ => Ok(word),
        }
    }
}

fn int(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn regex_match(value: &[u8], pattern: &[u8]) -> Result<Vec<u8>, String> {
    let anchored = [b"^".as_slice(), pattern.strip_prefix(b"^").unwrap_or(pattern)].concat();
    let re = super::regex::compile(&anchored, super::regex::Kind::Basic, false)?;
    let groups = re.captures_len() > 1;
    Ok(match re.captures(value) {
        Some(c) if groups => c.get(1).map(|m| m.as_bytes().to_vec()).unwrap_or_default(),
        Some(c) => c.get(0).map_or(0, |m| m.len()).to_string().into_bytes(),
        None if groups => Vec::new(),
        None => b"0".to_vec(),
    })
}

/// `test`, `[`, `echo`, `printf`, `pwd`, `kill` as programs: the shell's own, in a shell of their own.
pub(crate) async fn builtin(p: &mut Proc) -> i32 {
    let mut sh = crate::shell::interp::Sh::of(p, crate::shell::interp::Flavor::Bash);
    let name = p.name();
    sh.arg0 = name.clone().into_bytes();
    sh.interactive = true;
    let mut line = b"builtin".to_vec();
    for (n, a) in p.args.iter().enumerate() {
        line.push(b' ');
        let word = if n == 0 { name.as_bytes() } else { a };
        line.extend(crate::shell::interp::quoted(word));
    }
    sh.eval_text(&line, 1).await;
    sh.last
}
