//! `tar`, `diff`, `cmp`, `zip`, `unzip`.

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use std::io::{Read, Write};

use super::{
    mode,
    opts::{self, parse, quoted_maybe, text},
};
use crate::shell::{
    Kind, WriteMode,
    fs::{self, logs},
    interp::run,
    proc::Proc,
};

/// `tar`.
pub(crate) async fn tar(p: &mut Proc) -> i32 {
    // The old style: flags without a dash.
    if let Some(first) = p.args.get(1).cloned()
        && !first.starts_with(b"-")
    {
        let mut values: Vec<Vec<u8>> = Vec::new();
        let mut flags = Vec::new();
        let mut rest = p.args.get(2..).unwrap_or_default().to_vec();
        for &c in &first {
            flags.push(c);
            if matches!(c, b'f' | b'C') && !rest.is_empty() {
                values.push([b"-", [c].as_slice(), rest.remove(0).as_slice()].concat());
            }
        }
        flags.retain(|c| !matches!(c, b'f' | b'C'));
        let mut args = vec![p.args.first().cloned().unwrap_or_default(), [b"-".as_slice(), &flags].concat()];
        args.extend(values);
        args.extend(rest);
        p.args = args;
    }
    let o = match parse(
        p,
        "cxtrzjJf:C:vpkPOhmT:X:",
        &[
            ("create", 'c', 0),
            ("extract", 'x', 0),
            ("get", 'x', 0),
            ("list", 't', 0),
            ("gzip", 'z', 0),
            ("file", 'f', 1),
            ("directory", 'C', 1),
            ("verbose", 'v', 0),
            ("strip-components", 'S', 1),
            ("exclude", 'E', 1),
            ("overwrite", 'W', 0),
            ("no-same-owner", 'N', 0),
            ("to-stdout", 'O', 0),
            ("no-same-permissions", 'M', 0),
        ],
        2,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let file = o.value('f').map_or_else(|| b"-".to_vec(), <[u8]>::to_vec);
    let base = match o.value('C').map(<[u8]>::to_vec) {
        Some(d) => {
            let full = p.path(&d);
            if !p.fs().stat(&p.who, &full).is_ok_and(|m| m.is_dir()) {
                p.err(format!("tar: {}: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now\n", text(&d)))
                    .await;
                return 2;
            }
            full
        }
        None => p.cwd.clone(),
    };
    let persona = std::sync::Arc::clone(p.fs().persona());
    if o.has('c') {
        if o.rest.is_empty() {
            p.err("tar: Cowardly refusing to create an empty archive\nTry 'tar --help' or 'tar --usage' for more information.\n").await;
            return 2;
        }
        let mut out = Vec::new();
        let mut status = 0;
        let mut queue: Vec<Vec<u8>> = o.rest.iter().rev().cloned().collect();
        let mut stripped = false;
        while let Some(path) = queue.pop() {
            p.k.pay(4).await;
            if out.len() > 24 << 20 {
                p.err("tar: -: Wrote only 4096 of 10240 bytes\ntar: Error is not recoverable: exiting now\n").await;
                return 2;
            }
            let full = crate::shell::proc::absolute(&base, &path);
            let meta = match p.fs().lstat(&p.who, &full) {
                Ok(m) => m,
                Err(e) => {
                    p.err(format!("tar: {}: Cannot stat: {e}\n", text(&path))).await;
                    status = 2;
                    continue;
                }
            };
            let mut name = path.clone();
            if name.starts_with(b"/") {
                if !stripped {
                    p.err("tar: Removing leading `/' from member names\n").await;
                    stripped = true;
                }
                name = name.iter().copied().skip_while(|b| *b == b'/').collect();
            }
            let body = if meta.kind == Kind::File {
                match p.fs().read(&p.who, &full) {
                    Ok(b) => b,
                    Err(e) => {
                        p.err(format!("tar: {}: Cannot open: {e}\n", text(&path))).await;
                        status = 2;
                        continue;
                    }
                }
            } else {
                bytes::Bytes::new()
            };
            if meta.is_dir() && !name.ends_with(b"/") {
                name.push(b'/');
            }
            let link = p.fs().readlink(&p.who, &full).unwrap_or_default();
            let owner = run::account_of(&p.k, meta.uid).map(|a| a.name).unwrap_or_default();
            let kind = match meta.kind {
                Kind::Dir => b'5',
                Kind::Link => b'2',
                _ => b'0',
            };
            if name.len() <= 100 {
                out.extend(header(&name, meta.mode, meta.uid, meta.gid, body.len() as u64, meta.mtime.seconds(), kind, &link, &owner));
                out.extend_from_slice(&body);
                out.resize(out.len().div_ceil(512) * 512, 0);
            }
            if o.has('v') {
                let line = format!("{}\n", text(&name));
                if file == b"-" { p.err(line).await } else { p.out(line) }
            }
            if meta.is_dir() {
                let stem = path.strip_suffix(b"/").unwrap_or(&path).to_vec();
                for (n, _) in p.fs().list(&p.who, &full).unwrap_or_default().into_iter().rev() {
                    queue.push(fs::join(&stem, &n));
                }
            }
        }
        out.resize((out.len() + 1024).div_ceil(10_240) * 10_240, 0);
        if o.has('z') {
            let mut e = GzEncoder::new(Vec::new(), Compression::default());
            let _ = e.write_all(&out);
            out = e.finish().unwrap_or_default();
        }
        if file == b"-" {
            p.out(out);
        } else {
            let path = p.path(&file);
            if let Err(e) = p.fs().write(&p.who, &path, &out, WriteMode::Truncate, 0o666 & !p.umask, p.k.now()) {
                p.err(format!("tar: {}: Cannot open: {e}\ntar: Error is not recoverable: exiting now\n", text(&file))).await;
                return 2;
            }
        }
        if status != 0 {
            p.err("tar: Exiting with failure status due to previous errors\n").await;
        }
        return status;
    }
    if !o.has('x') && !o.has('t') {
        p.err("tar: You must specify one of the '-Acdtrux', '--delete' or '--test-label' options\nTry 'tar --help' or 'tar --usage' for more information.\n").await;
        return 2;
    }
    let bytes = match p.slurp(&file).await {
        Ok(b) => b,
        Err(e) => {
            p.err(format!("tar: {}: Cannot open: {e}\ntar: Error is not recoverable: exiting now\n", text(&file))).await;
            return 2;
        }
    };
    let mut data = Vec::new();
    if bytes.starts_with(b"\x1f\x8b") {
        if MultiGzDecoder::new(&bytes[..]).take(24 << 20).read_to_end(&mut data).is_err() {
            p.err("\ngzip: stdin: unexpected end of file\ntar: Child returned status 1\ntar: Error is not recoverable: exiting now\n")
                .await;
            return 2;
        }
    } else {
        if o.has('z') && !bytes.is_empty() {
            p.err("\ngzip: stdin: not in gzip format\ntar: Child returned status 1\ntar: Error is not recoverable: exiting now\n").await;
            return 2;
        }
        data = bytes.to_vec();
    }
    p.k.pay(u32::try_from(data.len() / 4096).unwrap_or(0)).await;
    let strip: usize = o.text('S').and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut at = 0;
    let mut status = 0;
    let mut any = false;
    while let Some(block) = data.get(at..at + 512) {
        if block.iter().all(|b| *b == 0) {
            any = true;
            break;
        }
        let field = |from: usize, to: usize| -> Vec<u8> {
            block.get(from..to).unwrap_or_default().iter().copied().take_while(|b| *b != 0).collect()
        };
        let octal = |from: usize, to: usize| u64::from_str_radix(text(&field(from, to)).trim(), 8).unwrap_or(0);
        if block.get(257..262) != Some(b"ustar") && !any {
            break;
        }
        any = true;
        let mut name = field(0, 100);
        let prefix = field(345, 500);
        if !prefix.is_empty() && block.get(257..263) == Some(b"ustar\0") {
            name = [prefix.as_slice(), b"/", &name].concat();
        }
        let size = octal(124, 136);
        let kind = block.get(156).copied().unwrap_or(b'0');
        let bits = u32::try_from(octal(100, 108) & 0o7777).unwrap_or(0o644);
        let mtime = i64::try_from(octal(136, 148)).unwrap_or(0);
        let link = field(157, 257);
        let end = at + 512 + usize::try_from(size).unwrap_or(usize::MAX / 2);
        let body = data.get(at + 512..end).unwrap_or_default().to_vec();
        at = at + 512 + usize::try_from(size.div_ceil(512) * 512).unwrap_or(usize::MAX / 2);
        if matches!(kind, b'x' | b'g' | b'L' | b'K') {
            continue;
        }
        if !o.rest.is_empty() && !o.rest.iter().any(|r| name == *r || name.starts_with(&[r.strip_suffix(b"/").unwrap_or(r), b"/"].concat()))
        {
            continue;
        }
        if o.has('v') || o.has('t') {
            let line = if o.has('t') && o.has('v') {
                let meta = crate::shell::Meta {
                    kind: if kind == b'5' {
                        Kind::Dir
                    } else if kind == b'2' {
                        Kind::Link
                    } else {
                        Kind::File
                    },
                    mode: bits,
                    uid: 0,
                    gid: 0,
                    size,
                    mtime: model::Micros(mtime * 1_000_000),
                    atime: model::Micros(0),
                    nlink: 1,
                    ino: 1,
                };
                let owner = format!("{}/{}", text(&field(265, 297)), text(&field(297, 329)));
                format!(
                    "{} {owner} {size:>w$} {} {}{}\n",
                    mode::string(&meta),
                    logs::local(&persona, mtime, "%Y-%m-%d %H:%M"),
                    text(&name),
                    if kind == b'2' { format!(" -> {}", text(&link)) } else { String::new() },
                    w = 19usize.saturating_sub(owner.len() + 1).max(1)
                )
            } else {
                format!("{}\n", text(&name))
            };
            p.out(line);
        }
        if o.has('t') {
            continue;
        }
        if o.has('O') {
            p.out(body);
            continue;
        }
        let mut relative: Vec<&[u8]> = name.split(|&b| b == b'/').filter(|s| !s.is_empty() && *s != b".").collect();
        if relative.contains(&b"..".as_slice()) {
            continue;
        }
        relative = relative.into_iter().skip(strip).collect();
        if relative.is_empty() {
            continue;
        }
        let full = crate::shell::proc::absolute(&base, &relative.join(&b'/'));
        let now = p.k.now();
        let mut part = base.clone();
        for piece in relative.iter().take(relative.len() - 1) {
            part = fs::join(&part, piece);
            let _ = p.fs().mkdir(&p.who, &part, 0o755, now);
        }
        p.k.pay(4).await;
        let result = match kind {
            b'5' => match p.fs().mkdir(&p.who, &full, bits, now) {
                Err(crate::shell::Errno::EEXIST) => Ok(()),
                r => r,
            },
            b'2' => {
                let _ = p.fs().unlink(&p.who, &full);
                p.fs().symlink(&p.who, &link, &full, now)
            }
            _ => {
                let _ = p.fs().unlink(&p.who, &full);
                let r = p.fs().write(&p.who, &full, &body, WriteMode::Truncate, bits, now);
                p.k.dirty(&full);
                r
            }
        };
        let _ = p.fs().utimes(&p.who, &full, None, Some(model::Micros(mtime * 1_000_000)));
        if let Err(e) = result {
            p.err(format!("tar: {}: Cannot open: {e}\n", text(&name))).await;
            status = 2;
        }
    }
    if !any && !data.is_empty() {
        p.err("tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors\n").await;
        return 2;
    }
    if data.is_empty() && file != b"-" {
        p.err("tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors\n").await;
        return 2;
    }
    if status != 0 {
        p.err("tar: Exiting with failure status due to previous errors\n").await;
    }
    status
}

#[expect(clippy::too_many_arguments, reason = "the fields of a tar header")]
fn header(name: &[u8], mode: u32, uid: u32, gid: u32, size: u64, mtime: i64, kind: u8, link: &[u8], owner: &str) -> Vec<u8> {
    let mut h = vec![0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(part) = h.get_mut(at..at + bytes.len()) {
            part.copy_from_slice(bytes);
        }
    };
    put(0, name);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, format!("{uid:07o}\0").as_bytes());
    put(116, format!("{gid:07o}\0").as_bytes());
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", mtime.max(0)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.get(..100.min(link.len())).unwrap_or_default());
    put(257, b"ustar  \0");
    put(265, owner.get(..31.min(owner.len())).unwrap_or_default().as_bytes());
    put(297, owner.get(..31.min(owner.len())).unwrap_or_default().as_bytes());
    let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
    let text = format!("{sum:06o}\0 ");
    if let Some(part) = h.get_mut(148..156) {
        part.copy_from_slice(text.as_bytes());
    }
    h
}

/// `diff`, `cmp`.
pub(crate) async fn diff(p: &mut Proc) -> i32 {
    let cmp = p.name() == "cmp";
    let o = match parse(
        p,
        if cmp { "bln:si:" } else { "abBcC:duU:eiNqrstwy" },
        &[
            ("brief", 'q', 0),
            ("unified", 'u', 2),
            ("recursive", 'r', 0),
            ("quiet", 's', 0),
            ("silent", 's', 0),
            ("ignore-case", 'i', 0),
            ("new-file", 'N', 0),
        ],
        2,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let [a, b, ..] = o.rest.as_slice() else {
        let what = o.rest.first().map_or_else(|| "missing operand".to_owned(), |f| format!("missing operand after '{}'", text(f)));
        return opts::usage(
            p,
            format!("{what}\n{0}: Try '{0} --help' for more information.", p.called()).split('\n').next().unwrap_or_default(),
            2,
        )
        .await;
    };
    let (a, b) = (a.clone(), b.clone());
    let mut texts = Vec::new();
    for f in [&a, &b] {
        match p.slurp(f).await {
            Ok(t) => texts.push(t),
            Err(e) => {
                p.warn(format!("{}: {e}", text(f))).await;
                return 2;
            }
        }
    }
    let (x, y) = (texts.first().cloned().unwrap_or_default(), texts.get(1).cloned().unwrap_or_default());
    if x == y {
        if o.has('s') && !cmp {
            p.out(format!("Files {} and {} are identical\n", text(&a), text(&b)));
        }
        return 0;
    }
    if cmp {
        if !o.has('s') {
            let at = x.iter().zip(y.iter()).position(|(m, n)| m != n);
            match at {
                Some(at) => {
                    let line = x.get(..at).unwrap_or_default().iter().filter(|c| **c == b'\n').count() + 1;
                    p.out(format!("{} {} differ: char {}, line {line}\n", text(&a), text(&b), at + 1));
                }
                None => {
                    let short = if x.len() < y.len() { &a } else { &b };
                    let n = x.len().min(y.len());
                    let lines = x.get(..n).unwrap_or_default().iter().filter(|c| **c == b'\n').count();
                    let said = if n == 0 {
                        format!("cmp: EOF on {} which is empty\n", text(short))
                    } else if x.get(n - 1).or(y.get(n - 1)) == Some(&b'\n') {
                        format!("cmp: EOF on {} after byte {n}, line {lines}\n", text(short))
                    } else {
                        format!("cmp: EOF on {} after byte {n}, in line {}\n", text(short), lines + 1)
                    };
                    p.err(said).await;
                }
            }
        }
        return 1;
    }
    if o.has('q') {
        p.out(format!("Files {} and {} differ\n", text(&a), text(&b)));
        return 1;
    }
    if x.iter().chain(y.iter()).take(65_536).any(|c| *c == 0) {
        p.out(format!("Binary files {} and {} differ\n", text(&a), text(&b)));
        return 2;
    }
    let (l, r): (Vec<&[u8]>, Vec<&[u8]>) = (x.split_inclusive(|c| *c == b'\n').collect(), y.split_inclusive(|c| *c == b'\n').collect());
    p.k.pay(u32::try_from(l.len().min(4000) * r.len().min(4000) / 2000).unwrap_or(1000)).await;
    let hunks = changes(&l, &r);
    let print = |p: &mut Proc, mark: &str, line: &[u8]| {
        p.out(mark);
        p.out(line);
        if !line.ends_with(b"\n") {
            p.out("\n\\ No newline at end of file\n");
        }
    };
    if o.has('u') || o.has('U') {
        let context: usize = o.text('U').and_then(|u| u.parse().ok()).unwrap_or(3);
        let persona = std::sync::Arc::clone(p.fs().persona());
        for (mark, f) in [("---", &a), ("+++", &b)] {
            let t = p.fs().stat(&p.who, &p.path(f)).map_or(p.k.now(), |m| m.mtime);
            p.out(format!(
                "{mark} {}\t{}.{:09} {}\n",
                text(f),
                logs::local(&persona, t.seconds(), "%Y-%m-%d %H:%M:%S"),
                t.0.rem_euclid(1_000_000) * 1000,
                logs::local(&persona, t.seconds(), "%z")
            ));
        }
        let mut i = 0;
        while i < hunks.len() {
            let mut j = i;
            while let (Some(h), Some(n)) = (hunks.get(j), hunks.get(j + 1)) {
                if n.0 - h.1 > context * 2 {
                    break;
                }
                j += 1;
            }
            let (Some(first), Some(last)) = (hunks.get(i), hunks.get(j)) else { break };
            let (from_l, from_r) = (first.0.saturating_sub(context), first.2.saturating_sub(context));
            let (to_l, to_r) = ((last.1 + context).min(l.len()), (last.3 + context).min(r.len()));
            let range = |from: usize, to: usize| {
                let n = to - from;
                if n == 1 { format!("{}", from + 1) } else { format!("{},{n}", if n == 0 { from } else { from + 1 }) }
            };
            p.out(format!("@@ -{} +{} @@\n", range(from_l, to_l), range(from_r, to_r)));
            let mut at = from_l;
            for h in hunks.get(i..=j).unwrap_or_default() {
                for line in l.get(at..h.0).unwrap_or_default() {
                    print(p, " ", line);
                }
                for line in l.get(h.0..h.1).unwrap_or_default() {
                    print(p, "-", line);
                }
                for line in r.get(h.2..h.3).unwrap_or_default() {
                    print(p, "+", line);
                }
                at = h.1;
            }
            for line in l.get(at..to_l).unwrap_or_default() {
                print(p, " ", line);
            }
            i = j + 1;
        }
        return 1;
    }
    for (a0, a1, b0, b1) in hunks {
        let range = |from: usize, to: usize| if to - from <= 1 { (from + 1).to_string() } else { format!("{},{to}", from + 1) };
        let head = if a0 == a1 {
            format!("{a0}a{}", range(b0, b1))
        } else if b0 == b1 {
            format!("{}d{b0}", range(a0, a1))
        } else {
            format!("{}c{}", range(a0, a1), range(b0, b1))
        };
        p.out(head + "\n");
        for line in l.get(a0..a1).unwrap_or_default() {
            print(p, "< ", line);
        }
        if a0 != a1 && b0 != b1 {
            p.out("---\n");
        }
        for line in r.get(b0..b1).unwrap_or_default() {
            print(p, "> ", line);
        }
    }
    1
}

/// Changed ranges: from and to on the left, from and to on the right.
fn changes(l: &[&[u8]], r: &[&[u8]]) -> Vec<(usize, usize, usize, usize)> {
    let head = l.iter().zip(r).take_while(|(a, b)| a == b).count();
    let tail = l.iter().rev().zip(r.iter().rev()).take(l.len().min(r.len()) - head).take_while(|(a, b)| a == b).count();
    let (lm, rm) = (l.get(head..l.len() - tail).unwrap_or_default(), r.get(head..r.len() - tail).unwrap_or_default());
    if lm.len() > 4000 || rm.len() > 4000 || lm.is_empty() || rm.is_empty() {
        return vec![(head, l.len() - tail, head, r.len() - tail)];
    }
    let w = rm.len() + 1;
    let mut table = vec![0u16; (lm.len() + 1) * w];
    let at = |t: &[u16], i: usize, j: usize| t.get(i * w + j).copied().unwrap_or(0);
    for i in (0..lm.len()).rev() {
        for j in (0..rm.len()).rev() {
            let v = if lm.get(i) == rm.get(j) { at(&table, i + 1, j + 1) + 1 } else { at(&table, i + 1, j).max(at(&table, i, j + 1)) };
            if let Some(slot) = table.get_mut(i * w + j) {
                *slot = v;
            }
        }
    }
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    let mut open: Option<(usize, usize)> = None;
    while i < lm.len() || j < rm.len() {
        if i < lm.len() && j < rm.len() && lm.get(i) == rm.get(j) {
            if let Some((a, b)) = open.take() {
                out.push((head + a, head + i, head + b, head + j));
            }
            i += 1;
            j += 1;
        } else {
            open.get_or_insert((i, j));
            if j >= rm.len() || (i < lm.len() && at(&table, i + 1, j) >= at(&table, i, j + 1)) { i += 1 } else { j += 1 }
        }
    }
    if let Some((a, b)) = open {
        out.push((head + a, head + i, head + b, head + j));
    }
    out
}

/// `unzip`: stored and deflated entries.
pub(crate) async fn unzip(p: &mut Proc) -> i32 {
    let o = match parse(p, "lonpqd:j", &[], 10).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let Some(file) = o.rest.first().cloned() else {
        p.out("UnZip 6.00 of 20 April 2009, by Debian. Original by Info-ZIP.\n");
        return 10;
    };
    let Ok(bytes) = p.slurp(&file).await else {
        p.err(format!("unzip:  cannot find or open {0}, {0}.zip or {0}.ZIP.\n", text(&file))).await;
        return 9;
    };
    p.out(format!("Archive:  {}\n", text(&file)));
    let base = o.value('d').map_or_else(|| p.cwd.clone(), |d| p.path(d));
    let mut at = 0;
    let half = |at: usize| u16::from_le_bytes([bytes.get(at).copied().unwrap_or(0), bytes.get(at + 1).copied().unwrap_or(0)]);
    let word = |at: usize| u64::from(half(at)) | u64::from(half(at + 2)) << 16;
    let mut any = false;
    while bytes.get(at..at + 4) == Some(b"PK\x03\x04") {
        any = true;
        let method = half(at + 8);
        let (size, full) = (usize::try_from(word(at + 18)).unwrap_or(0), word(at + 22));
        let (nl, el) = (usize::from(half(at + 26)), usize::from(half(at + 28)));
        let name = bytes.get(at + 30..at + 30 + nl).unwrap_or_default().to_vec();
        let body = bytes.get(at + 30 + nl + el..at + 30 + nl + el + size).unwrap_or_default().to_vec();
        at += 30 + nl + el + size;
        if o.has('l') {
            p.out(format!("{full:>9}  {}\n", text(&name)));
            continue;
        }
        if name.split(|&b| b == b'/').any(|s| s == b"..") {
            continue;
        }
        let path = crate::shell::proc::absolute(&base, name.strip_prefix(b"/").unwrap_or(&name));
        let now = p.k.now();
        if name.ends_with(b"/") {
            let _ = p.fs().mkdir(&p.who, path.strip_suffix(b"/").unwrap_or(&path), 0o755, now);
            p.out(format!("   creating: {}\n", text(&name)));
            continue;
        }
        let mut plain = Vec::new();
        if method == 8 {
            let _ = flate2::read::DeflateDecoder::new(&body[..]).take(16 << 20).read_to_end(&mut plain);
        } else {
            plain = body;
        }
        p.out(format!("{}: {}  \n", if method == 8 { "  inflating" } else { " extracting" }, text(&name)));
        if let Err(e) = p.fs().write(&p.who, &path, &plain, WriteMode::Truncate, 0o644, now) {
            p.err(format!("error:  cannot create {}\n        {e}\n", quoted_maybe(&name))).await;
        }
        p.k.dirty(&path);
    }
    if any {
        return 0;
    }
    p.out("  End-of-central-directory signature not found.  Either this file is not\n  a zipfile, or it constitutes one disk of a multi-part archive.  In the\n  latter case the central directory and zipfile comment will be found on\n  the last disk(s) of this archive.\n");
    p.err(format!(
        "unzip:  cannot find zipfile directory in one of {0} or\n        {0}.zip, and cannot find {0}.ZIP, period.\n",
        text(&file)
    ))
    .await;
    9
}
