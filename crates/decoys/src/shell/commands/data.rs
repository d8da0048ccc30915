//! Programs about bytes: dumps, encodings, checksums, `dd`, compression.
#![expect(clippy::cast_possible_truncation, reason = "a byte of a wider value is meant")]

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use sha2::Digest;
use std::io::{Read, Write};

use super::opts::{self, parse, quoted, quoted_maybe, size, text};
use crate::shell::{
    Errno, WriteMode,
    proc::{Fd, How, Proc, open},
};

/// Largest result of decompression in bytes.
const MOST: u64 = 16 << 20;

/// `base64`.
pub(crate) async fn base64(p: &mut Proc) -> i32 {
    let o = match parse(p, "diw:", &[("decode", 'd', 0), ("ignore-garbage", 'i', 0), ("wrap", 'w', 1)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    if let Some(extra) = o.rest.get(1) {
        return opts::usage(p, &format!("extra operand {}", quoted(extra)), 1).await;
    }
    let file = o.rest.first().cloned().unwrap_or_else(|| b"-".to_vec());
    let bytes = match p.slurp(&file).await {
        Ok(b) => b,
        Err(e) if e == Errno::EISDIR => return p.fail(format!("read error: {e}")).await,
        Err(e) => return p.fail(format!("{}: {e}", quoted_maybe(&file))).await,
    };
    p.k.pay(u32::try_from(bytes.len() / 4096).unwrap_or(0)).await;
    if o.has('d') {
        let clean: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|b| *b != b'\n' && (!o.has('i') || b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')))
            .collect();
        let mut out = Vec::new();
        let mut bad = false;
        for chunk in clean.chunks(4) {
            match STANDARD.decode(chunk) {
                Ok(b) => out.extend(b),
                Err(_) => {
                    let keep: Vec<u8> =
                        chunk.iter().copied().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).collect();
                    if let Ok(b) = base64::engine::general_purpose::STANDARD_NO_PAD
                        .decode(keep.get(..keep.len() - usize::from(keep.len() % 4 == 1)).unwrap_or_default())
                    {
                        out.extend(b);
                    } else if keep.len() >= 2 {
                        let mut padded = keep.clone();
                        padded.resize(4, b'A');
                        if let Ok(b) = STANDARD.decode(&padded) {
                            out.extend(b.get(..keep.len() * 6 / 8).unwrap_or_default());
                        }
                    }
                    bad = true;
                    break;
                }
            }
        }
        p.out(out);
        if bad {
            let _ = p.flush().await;
            return p.fail("invalid input").await;
        }
        return 0;
    }
    let wrap = match o.text('w') {
        Some(w) => match w.parse::<usize>() {
            Ok(n) => n,
            Err(_) => return p.fail(format!("invalid wrap size: {}", quoted(w.as_bytes()))).await,
        },
        None => 76,
    };
    let coded = STANDARD.encode(&bytes);
    if wrap == 0 {
        p.out(coded);
    } else {
        for line in coded.as_bytes().chunks(wrap) {
            p.out(line);
            p.out(b"\n");
        }
    }
    0
}

/// `md5sum`, `sha1sum`, `sha224sum` … and `cksum`'s relatives.
pub(crate) async fn digest(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "bctwz",
        &[("binary", 'b', 0), ("check", 'c', 0), ("text", 't', 0), ("status", 'S', 0), ("quiet", 'q', 0), ("tag", 'T', 0)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let name = p.name();
    let hash = |bytes: &[u8]| match name.as_str() {
        "md5sum" => hex::encode(md5::Md5::digest(bytes)),
        "sha1sum" => hex::encode(sha1::Sha1::digest(bytes)),
        "sha224sum" => hex::encode(sha2::Sha224::digest(bytes)),
        "sha384sum" => hex::encode(sha2::Sha384::digest(bytes)),
        "sha512sum" => hex::encode(sha2::Sha512::digest(bytes)),
        _ => hex::encode(sha2::Sha256::digest(bytes)),
    };
    let files = if o.rest.is_empty() { vec![b"-".to_vec()] } else { o.rest.clone() };
    let mut status = 0;
    for file in files {
        let bytes = match p.slurp(&file).await {
            Ok(b) => b,
            Err(e) => {
                p.warn(format!("{}: {e}", quoted_maybe(&file))).await;
                status = 1;
                continue;
            }
        };
        p.k.pay(u32::try_from(bytes.len() / 2048).unwrap_or(0)).await;
        if o.has('c') {
            let mut failed = 0;
            for line in text(&bytes).lines().take(10_000) {
                let Some((sum, target)) = line.split_once("  ").or_else(|| line.split_once(" *")) else { continue };
                match p.slurp(target.as_bytes()).await {
                    Ok(b) if hash(&b) == sum => p.out(format!("{target}: OK\n")),
                    Ok(_) => {
                        p.out(format!("{target}: FAILED\n"));
                        failed += 1;
                    }
                    Err(e) => {
                        p.warn(format!("{target}: {e}")).await;
                        p.out(format!("{target}: FAILED open or read\n"));
                        failed += 1;
                    }
                }
            }
            if failed > 0 {
                let _ = p.flush().await;
                p.warn(format!("WARNING: {failed} computed checksum{} did NOT match", if failed == 1 { "" } else { "s" })).await;
                status = 1;
            }
            continue;
        }
        p.out(format!("{}  {}\n", hash(&bytes), text(&file)));
    }
    status
}

/// `cksum`.
pub(crate) async fn cksum(p: &mut Proc) -> i32 {
    let files: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let files = if files.is_empty() { vec![b"-".to_vec()] } else { files };
    let mut status = 0;
    for file in files {
        match p.slurp(&file).await {
            Ok(bytes) => {
                p.k.pay(u32::try_from(bytes.len() / 256).unwrap_or(0)).await;
                let mut crc = 0u32;
                let mut step = |b: u8| {
                    crc ^= u32::from(b) << 24;
                    for _ in 0..8 {
                        crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
                    }
                };
                bytes.iter().for_each(|&b| step(b));
                let mut n = bytes.len();
                while n > 0 {
                    step((n & 255) as u8);
                    n >>= 8;
                }
                let tail = if file == b"-" && p.args.len() == 1 { String::new() } else { format!(" {}", text(&file)) };
                p.out(format!("{} {}{tail}\n", !crc, bytes.len()));
            }
            Err(e) => {
                p.warn(format!("{}: {e}", quoted_maybe(&file))).await;
                status = 1;
            }
        }
    }
    status
}

/// `xxd`.
pub(crate) async fn xxd(p: &mut Proc) -> i32 {
    let args: Vec<String> = p.words();
    let (mut plain, mut reverse, mut cols, mut group, mut most, mut seek, mut upper, mut c_style) =
        (false, false, None, None, u64::MAX, 0u64, false, false);
    let mut files = Vec::new();
    let mut it = args.into_iter();
    while let Some(a) = it.next() {
        let mut value =
            |a: &str, len: usize| if a.len() > len { a.get(len..).unwrap_or_default().to_owned() } else { it.next().unwrap_or_default() };
        match a.as_str() {
            "-p" | "-ps" | "-plain" => plain = true,
            "-r" => reverse = true,
            "-rp" | "-pr" => (plain, reverse) = (true, true),
            "-u" => upper = true,
            "-i" => c_style = true,
            _ if a.starts_with("-c") => cols = value(&a, 2).parse::<usize>().ok(),
            _ if a.starts_with("-g") => group = value(&a, 2).parse::<usize>().ok(),
            _ if a.starts_with("-l") => most = size(&value(&a, 2)).unwrap_or(u64::MAX),
            _ if a.starts_with("-s") => seek = size(value(&a, 2).trim_start_matches('+')).unwrap_or(0),
            _ if a.starts_with('-') && a.len() > 1 => {}
            _ => files.push(a),
        }
    }
    let file = files.first().cloned().unwrap_or_else(|| "-".into());
    let bytes = match p.slurp(file.as_bytes()).await {
        Ok(b) => b,
        Err(e) => {
            p.err(format!("xxd: {file}: {e}\n")).await;
            return 2;
        }
    };
    p.k.pay(u32::try_from(bytes.len() / 256).unwrap_or(0)).await;
    if reverse {
        let mut out: Vec<u8> = Vec::new();
        for line in text(&bytes).lines() {
            if plain {
                let digits: Vec<u32> = line.chars().filter_map(|c| c.to_digit(16)).collect();
                out.extend(digits.chunks_exact(2).map(|d| ((d.first().unwrap_or(&0) << 4 | d.get(1).unwrap_or(&0)) & 255) as u8));
            } else if let Some((_, rest)) = line.split_once(": ") {
                let hexes = rest.split("  ").next().unwrap_or_default();
                let digits: Vec<u32> = hexes.chars().filter_map(|c| c.to_digit(16)).collect();
                out.extend(digits.chunks_exact(2).map(|d| ((d.first().unwrap_or(&0) << 4 | d.get(1).unwrap_or(&0)) & 255) as u8));
            }
        }
        p.out(out);
        return 0;
    }
    let from = usize::try_from(seek).unwrap_or(usize::MAX).min(bytes.len());
    let part = bytes.get(from..).unwrap_or_default();
    let part = part.get(..usize::try_from(most).unwrap_or(usize::MAX).min(part.len())).unwrap_or(part);
    let hx = |b: u8| if upper { format!("{b:02X}") } else { format!("{b:02x}") };
    if c_style {
        let name: String = file.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let rows: Vec<String> =
            part.chunks(12).map(|r| format!("  {}", r.iter().map(|b| format!("0x{}", hx(*b))).collect::<Vec<_>>().join(", "))).collect();
        if file == "-" {
            p.out(format!("{}\n", rows.join(",\n")))
        } else {
            p.out(format!("unsigned char {name}[] = {{\n{}\n}};\nunsigned int {name}_len = {};\n", rows.join(",\n"), part.len()))
        }
        return 0;
    }
    if plain {
        for row in part.chunks(cols.unwrap_or(30).clamp(1, 4096)) {
            p.out(row.iter().map(|b| hx(*b)).collect::<String>() + "\n");
        }
        return 0;
    }
    let cols = cols.unwrap_or(16).clamp(1, 256);
    let group = group.unwrap_or(2);
    let wide = if group == 0 { cols * 2 } else { cols * 2 + cols.div_ceil(group) - 1 };
    for (n, row) in part.chunks(cols).enumerate() {
        let mut hexes = String::new();
        for (i, b) in row.iter().enumerate() {
            if i > 0 && group > 0 && i % group == 0 {
                hexes.push(' ');
            }
            hexes.push_str(&hx(*b));
        }
        let shown: String = row.iter().map(|&b| if (32..127).contains(&b) { char::from(b) } else { '.' }).collect();
        p.out(format!("{:08x}: {hexes:<wide$}  {shown}\n", from + n * cols));
        if p.maybe_flush().await.is_err() {
            return 141;
        }
    }
    0
}

/// `od` and `hexdump`.
pub(crate) async fn od(p: &mut Proc) -> i32 {
    let hexdump = matches!(p.name().as_str(), "hexdump" | "hd");
    let canonical = p.name() == "hd";
    let o = match parse(
        p,
        if hexdump { "Ccbdxon:s:ve:" } else { "A:t:N:j:w::vbcdoxX" },
        &[
            ("address-radix", 'A', 1),
            ("format", 't', 1),
            ("read-bytes", 'N', 1),
            ("skip-bytes", 'j', 1),
            ("width", 'w', 2),
            ("canonical", 'C', 0),
            ("length", 'n', 1),
            ("skip", 's', 1),
            ("output-duplicates", 'v', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let files = if o.rest.is_empty() { vec![b"-".to_vec()] } else { o.rest.clone() };
    let mut all = Vec::new();
    let limit = o.text(if hexdump { 'n' } else { 'N' }).and_then(|t| size(&t)).and_then(|n| usize::try_from(n).ok());
    let skip = o.text(if hexdump { 's' } else { 'j' }).and_then(|t| size(&t)).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    for file in files {
        if file == b"-" || p.path(&file).starts_with(b"/dev/") {
            // Endless devices: read no more than is asked for.
            if file != b"-"
                && let Err(e) = p.reopen(&file)
            {
                return p.fail(format!("{}: {e}", quoted_maybe(&file))).await;
            }
            let want = limit.map_or(4 << 20, |l| l + skip).min(4 << 20);
            while all.len() < want {
                let part = p.chunk().await;
                if part.is_empty() {
                    break;
                }
                all.extend(part);
            }
        } else {
            match p.slurp(&file).await {
                Ok(b) => all.extend_from_slice(&b),
                Err(e) => return p.fail(format!("{}: {e}", quoted_maybe(&file))).await,
            }
        }
    }
    let start = skip.min(all.len());
    let data = all.get(start..).unwrap_or_default();
    let data = data.get(..limit.unwrap_or(usize::MAX).min(data.len())).unwrap_or(data).to_vec();
    p.k.pay(u32::try_from(data.len() / 128).unwrap_or(0)).await;
    let radix = o.text('A').unwrap_or_else(|| "o".into());
    let width = o.text('w').and_then(|t| t.parse().ok()).unwrap_or(16usize).clamp(1, 4096);
    let formats: Vec<String> = if hexdump {
        vec![
            if canonical || o.has('C') {
                "C"
            } else if o.has('c') {
                "c"
            } else if o.has('b') {
                "o1"
            } else {
                "x2"
            }
            .into(),
        ]
    } else {
        let mut list: Vec<String> = Vec::new();
        for (c, v) in o.flags() {
            match c {
                't' => list.push(text(v.unwrap_or_default())),
                'b' => list.push("o1".into()),
                'c' => list.push("c".into()),
                'd' => list.push("u2".into()),
                'o' => list.push("o2".into()),
                'x' => list.push("x2".into()),
                'X' => list.push("x4".into()),
                _ => {}
            }
        }
        if list.is_empty() { vec!["o2".into()] } else { list }
    };
    let address = |n: usize| {
        if hexdump {
            return if formats.first().is_some_and(|f| f == "C") { format!("{n:08x}") } else { format!("{n:07x}") };
        }
        match radix.as_str() {
            "x" => format!("{n:06x}"),
            "d" => format!("{n:07}"),
            "n" => String::new(),
            _ => format!("{n:07o}"),
        }
    };
    let mut previous: Option<&[u8]> = None;
    let mut starred = false;
    for (n, row) in data.chunks(width).enumerate() {
        if !o.has('v') && previous == Some(row) && row.len() == width {
            if !starred {
                p.out(b"*\n");
                starred = true;
            }
            continue;
        }
        starred = false;
        previous = Some(row);
        for (i, f) in formats.iter().enumerate() {
            let head = if i == 0 { address(start + n * width) } else { " ".repeat(address(0).len()) };
            let trailer = f.ends_with('z');
            let f = f.trim_end_matches('z');
            let mut body = String::new();
            if f == "C" {
                for (k, b) in row.iter().enumerate() {
                    body.push_str(if k == 8 { "  " } else { " " });
                    body.push_str(&format!("{b:02x}"));
                }
                let shown: String = row.iter().map(|&b| if (32..127).contains(&b) { char::from(b) } else { '.' }).collect();
                p.out(format!("{head} {body:<49}  |{shown}|\n"));
                continue;
            }
            let kind = f.chars().next().unwrap_or('o');
            let unit = f.get(1..).and_then(|d| d.parse::<usize>().ok()).unwrap_or(match kind {
                'a' | 'c' => 1,
                'x' | 'o' | 'd' | 'u' if f.len() == 1 => 4,
                _ => 2,
            });
            let unit = match f.get(1..) {
                Some("C") => 1,
                Some("S") => 2,
                Some("I") => 4,
                Some("L") => 8,
                _ => unit,
            }
            .clamp(1, 8);
            for part in row.chunks(unit) {
                let mut v = 0u64;
                for (k, b) in part.iter().enumerate() {
                    v |= u64::from(*b) << (8 * k);
                }
                let bits = u32::try_from(unit * 8).unwrap_or(8);
                body.push_str(&match kind {
                    'c' => format!(
                        " {:>3}",
                        match v as u8 {
                            0 => "\\0".to_owned(),
                            7 => "\\a".into(),
                            8 => "\\b".into(),
                            9 => "\\t".into(),
                            10 => "\\n".into(),
                            11 => "\\v".into(),
                            12 => "\\f".into(),
                            13 => "\\r".into(),
                            b if (32..127).contains(&b) => char::from(b).to_string(),
                            b => format!("{b:03o}"),
                        }
                    ),
                    'a' => {
                        const NAMES: [&str; 34] = [
                            "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "nl", "vt", "ff", "cr", "so", "si", "dle",
                            "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc", "fs", "gs", "rs", "us", "sp",
                            "del",
                        ];
                        let b = (v as u8) & 0x7f;
                        format!(
                            " {:>3}",
                            if let Some(name) = NAMES.get(usize::from(b)).filter(|_| b < 33) {
                                (*name).to_owned()
                            } else if b == 127 {
                                "del".into()
                            } else {
                                char::from(b).to_string()
                            }
                        )
                    }
                    'x' => format!(" {v:0w$x}", w = unit * 2),
                    'd' => {
                        let shift = 64 - bits;
                        let s = (v << shift).cast_signed() >> shift;
                        format!(" {s:>w$}", w = [4, 6, 0, 11, 0, 0, 0, 20].get(unit - 1).copied().unwrap_or(6))
                    }
                    'u' => format!(" {v:>w$}", w = [3, 5, 0, 10, 0, 0, 0, 20].get(unit - 1).copied().unwrap_or(5)),
                    _ => format!(" {v:0w$o}", w = [3, 6, 0, 11, 0, 0, 0, 22].get(unit - 1).copied().unwrap_or(6)),
                });
            }
            if trailer {
                let shown: String = row.iter().map(|&b| if (32..127).contains(&b) { char::from(b) } else { '.' }).collect();
                let full = width.div_ceil(unit) * (body.len() / row.len().div_ceil(unit).max(1));
                body = format!("{body:<full$}  >{shown}<");
            }
            if hexdump {
                // hexdump pads a short last line.
                let full = 5 * 8;
                body = format!("{body:<full$}");
            }
            p.out(format!("{head}{body}\n"));
        }
        if p.maybe_flush().await.is_err() {
            return 141;
        }
    }
    if !hexdump || !data.is_empty() {
        let end = address(start + data.len());
        if !end.is_empty() {
            p.out(format!("{end}\n"));
        }
    }
    0
}

/// `dd`.
pub(crate) async fn dd(p: &mut Proc) -> i32 {
    let (mut input, mut output) = (None, None);
    let (mut bs, mut ibs, mut obs) = (None, 512u64, 512u64);
    let (mut count, mut skip, mut seek) = (None, 0u64, 0u64);
    let (mut conv, mut quiet, mut xfer) = (String::new(), false, true);
    let (mut append, mut skip_bytes, mut seek_bytes, mut count_bytes) = (false, false, false, false);
    for a in p.words() {
        let Some((k, v)) = a.split_once('=') else {
            return opts::usage(p, &format!("unrecognized operand {}", quoted(a.as_bytes())), 1).await;
        };
        let number = || v.split('x').map(size).try_fold(1u64, |n, x| n.checked_mul(x?));
        match k {
            "if" => input = Some(v.as_bytes().to_vec()),
            "of" => output = Some(v.as_bytes().to_vec()),
            "bs" | "ibs" | "obs" | "cbs" | "count" | "skip" | "seek" | "iseek" | "oseek" => {
                let Some(n) = number().filter(|n| *n > 0 || !k.ends_with("bs")) else {
                    return p.fail(format!("invalid number: {}", quoted(v.as_bytes()))).await;
                };
                match k {
                    "bs" => bs = Some(n),
                    "ibs" => ibs = n,
                    "obs" => obs = n,
                    "count" => count = Some(n),
                    "skip" | "iseek" => skip = n,
                    "seek" | "oseek" => seek = n,
                    _ => {}
                }
            }
            "conv" => conv = v.to_owned(),
            "status" => {
                quiet = v == "none";
                xfer = v != "noxfer";
            }
            "iflag" => {
                skip_bytes |= v.contains("skip_bytes");
                count_bytes |= v.contains("count_bytes");
            }
            "oflag" => {
                append |= v.contains("append");
                seek_bytes |= v.contains("seek_bytes");
            }
            _ => return opts::usage(p, &format!("unrecognized operand {}", quoted(a.as_bytes())), 1).await,
        }
    }
    if let Some(n) = bs {
        (ibs, obs) = (n, n);
    }
    if ibs > 1 << 30 {
        return p.fail(format!("memory exhausted by input buffer of size {ibs} bytes ({})", opts::human(ibs, 1024.0))).await;
    }
    let _ = obs;
    if let Some(file) = &input
        && let Err(e) = p.reopen(file)
    {
        if e == Errno::EISDIR {
            let name = p.called();
            p.err(format!(
                "{name}: error reading {}: {e}\n0+0 records in\n0+0 records out\n0 bytes copied, 0.000{} s, 0.0 kB/s\n",
                quoted(file),
                200 + p.k.random_u32() % 700
            ))
            .await;
            return 1;
        }
        return p.fail(format!("failed to open {}: {e}", quoted(file))).await;
    }
    if let Some(file) = &output {
        let path = p.path(file);
        let how = if conv.contains("notrunc") || seek > 0 || append { How::ReadWrite } else { How::Write };
        match open(&p.k, &p.fds, &p.who, &path, how, 0o666 & !p.umask) {
            Ok(fd) => {
                if let Fd::File(open) = &fd {
                    let at = if seek_bytes { seek } else { seek * obs };
                    let mut o = open.lock();
                    o.pos = at;
                    o.append = append;
                    if seek > 0 && !conv.contains("notrunc") {
                        let _ = p.fs().truncate(&p.who, &path, at, p.k.now());
                    }
                }
                p.fds.insert(1, fd);
            }
            Err(e) => return p.fail(format!("failed to open {}: {e}", quoted(file))).await,
        }
    }
    let began = p.k.now();
    let Some(fd) = p.fds.get(&0).cloned() else { return 1 };
    let mut left_skip = if skip_bytes { skip } else { skip * ibs };
    if let Fd::File(open) = &fd {
        open.lock().pos += left_skip;
        left_skip = 0;
    }
    let (mut full, mut part, mut bytes) = (0u64, 0u64, 0u64);
    let mut failed = None;
    while count.is_none_or(|c| if count_bytes { bytes < c } else { full + part < c }) {
        let want = usize::try_from(ibs).unwrap_or(1 << 20);
        let want = if count_bytes { want.min(usize::try_from(count.unwrap_or(0) - bytes).unwrap_or(want)) } else { want };
        let mut block = match fd.read(&p.k, want.min(1 << 20)).await {
            Ok(b) => b,
            Err(e) => {
                failed = Some(format!("error reading {}: {e}", quoted(input.as_deref().unwrap_or(b"standard input"))));
                break;
            }
        };
        if block.is_empty() {
            break;
        }
        // Block devices and files give whole blocks.
        while block.len() < want && matches!(fd, Fd::File(_) | Fd::Zero | Fd::Random) && block.len() < 64 << 20 {
            let more = fd.read(&p.k, (want - block.len()).min(1 << 20)).await.unwrap_or_default();
            if more.is_empty() {
                break;
            }
            block.extend(more);
        }
        if left_skip > 0 {
            let n = usize::try_from(left_skip).unwrap_or(usize::MAX).min(block.len());
            left_skip -= n as u64;
            block.drain(..n);
            if block.is_empty() {
                continue;
            }
        }
        if block.len() as u64 == ibs {
            full += 1
        } else {
            part += 1
        }
        if conv.contains("ucase") {
            block.make_ascii_uppercase();
        }
        if conv.contains("lcase") {
            block.make_ascii_lowercase();
        }
        if conv.contains("swab") {
            for pair in block.chunks_exact_mut(2) {
                pair.reverse();
            }
        }
        if conv.contains("sync") {
            block.resize(want, 0);
        }
        bytes += block.len() as u64;
        p.out(block);
        if let Err(e) = p.flush().await {
            if e == Errno::EPIPE {
                return 141;
            }
            failed = Some(format!("error writing {}: {e}", quoted(output.as_deref().unwrap_or(b"standard output"))));
            break;
        }
        p.k.pay(2).await;
    }
    if let Some(line) = &failed {
        p.warn(line).await;
    }
    if !quiet {
        // A disk writes some hundred megabytes a second.
        let speed = 480_000_000 + u64::from(p.k.random_u32() % 300_000_000);
        let seconds =
            (p.k.now().since(began).as_secs_f64()).max(bytes as f64 / speed as f64) + 0.000_08 + f64::from(p.k.random_u32() % 300) / 1e6;
        let rate = bytes as f64 / seconds;
        let rate = if rate >= 1e9 {
            format!("{:.1} GB/s", rate / 1e9)
        } else if rate >= 1e7 {
            format!("{:.0} MB/s", rate / 1e6)
        } else if rate >= 1e6 {
            format!("{:.1} MB/s", rate / 1e6)
        } else if rate >= 1e4 {
            format!("{:.0} kB/s", rate / 1e3)
        } else {
            format!("{:.1} kB/s", rate / 1e3)
        };
        let mut line = format!("{full}+{part} records in\n{full}+{part} records out\n");
        if xfer {
            let units = if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
            let si = unit(bytes, 1000, "B");
            let bi = unit(bytes, 1024, "iB");
            let about = match (si, bi) {
                (Some(s), Some(b)) => format!(" ({s}, {b})"),
                (Some(s), None) => format!(" ({s})"),
                _ => String::new(),
            };
            let shown = super::printf::general(seconds, 6, false);
            line.push_str(&format!("{units}{about} copied, {shown} s, {rate}\n"));
        }
        p.err(line).await;
    }
    i32::from(failed.is_some())
}

fn unit(bytes: u64, base: u64, tail: &str) -> Option<String> {
    if bytes < base {
        return None;
    }
    let mut value = bytes as f64;
    let mut n = 0;
    while value >= base as f64 && n < 6 {
        value /= base as f64;
        n += 1;
    }
    let letter =
        if base == 1000 { ["", "k", "M", "G", "T", "P", "E"] } else { ["", "K", "M", "G", "T", "P", "E"] }.get(n).copied().unwrap_or("E");
    Some(if value < 10.0 { format!("{value:.1} {letter}{tail}") } else { format!("{value:.0} {letter}{tail}") })
}

fn gunzipped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).take(MOST).read_to_end(&mut out).ok()?;
    Some(out)
}

/// `gzip`, `gunzip`, `zcat`.
pub(crate) async fn gzip(p: &mut Proc) -> i32 {
    let called = p.name();
    let name = "gzip";
    let o = match parse(
        p,
        "cdfhklnqrtvS:123456789",
        &[
            ("stdout", 'c', 0),
            ("decompress", 'd', 0),
            ("force", 'f', 0),
            ("keep", 'k', 0),
            ("list", 'l', 0),
            ("test", 't', 0),
            ("fast", '1', 0),
            ("best", '9', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let decompress = o.has('d') || called == "gunzip" || called == "zcat" || o.has('t');
    let to_stdout = o.has('c') || called == "zcat";
    let files = if o.rest.is_empty() { vec![b"-".to_vec()] } else { o.rest.clone() };
    let mut status = 0;
    for file in files {
        if file == b"-" && !decompress && p.tty(1) && !o.has('f') {
            p.err(format!("{name}: compressed data not written to a terminal. Use -f to force compression.\nFor help, type: {name} -h\n"))
                .await;
            return 1;
        }
        let mut source = file.clone();
        if decompress && file != b"-" && p.fs().stat(&p.who, &p.path(&file)).is_err() {
            source.extend_from_slice(b".gz");
        }
        let bytes = match p.slurp(&source).await {
            Ok(b) => b,
            Err(Errno::EISDIR) => {
                p.err(format!("{name}: {} is a directory -- ignored\n", text(&file))).await;
                status = 2;
                continue;
            }
            Err(e) => {
                let shown = if decompress { &source } else { &file };
                p.err(format!("{name}: {}: {e}\n", text(shown))).await;
                status = 1;
                continue;
            }
        };
        p.k.pay(u32::try_from(bytes.len() / 512).unwrap_or(0)).await;
        let stdin = file == b"-";
        let shown = if stdin { "stdin".to_owned() } else { text(&source) };
        let out = if decompress {
            if !bytes.starts_with(b"\x1f\x8b") {
                if bytes.is_empty() && stdin {
                    p.err(format!("\n{name}: {shown}: unexpected end of file\n")).await;
                } else {
                    p.err(format!("\n{name}: {shown}: not in gzip format\n")).await;
                }
                status = 1;
                continue;
            }
            match gunzipped(&bytes) {
                Some(out) => out,
                None => {
                    p.err(format!("\n{name}: {shown}: unexpected end of file\n")).await;
                    status = 1;
                    continue;
                }
            }
        } else {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let _ = encoder.write_all(&bytes);
            encoder.finish().unwrap_or_default()
        };
        if o.has('t') {
            continue;
        }
        if to_stdout || stdin {
            p.out(out);
            continue;
        }
        let target = if decompress {
            match source.strip_suffix(b".gz").map(<[u8]>::to_vec).or_else(|| source.strip_suffix(b".tgz").map(|s| [s, b".tar"].concat())) {
                Some(t) => t,
                None => {
                    p.err(format!("{name}: {shown}: unknown suffix -- ignored\n")).await;
                    status = 2;
                    continue;
                }
            }
        } else {
            if source.ends_with(b".gz") {
                p.err(format!("{name}: {shown} already has .gz suffix -- unchanged\n")).await;
                status = 2;
                continue;
            }
            [source.as_slice(), b".gz"].concat()
        };
        let (from, to) = (p.path(&source), p.path(&target));
        let mode = p.fs().stat(&p.who, &from).map_or(0o644, |m| m.mode);
        if let Err(e) = p.fs().write(&p.who, &to, &out, WriteMode::Truncate, mode, p.k.now()) {
            p.err(format!("{name}: {}: {e}\n", text(&target))).await;
            status = 1;
            continue;
        }
        p.k.dirty(&to);
        if !o.has('k') {
            let _ = p.fs().unlink(&p.who, &from);
        }
    }
    status
}
