//! Options as GNU getopt reads and complains about them.

use crate::shell::proc::Proc;

/// Long options: name, the short one it stands for, 0 = no value, 1 = needs one, 2 = may have one.
pub(crate) type Long = &'static [(&'static str, char, u8)];

/// What was given.
#[derive(Default)]
pub(crate) struct Opts {
    flags: Vec<(char, Option<Vec<u8>>)>,
    pub(crate) rest: Vec<Vec<u8>>,
}

impl Opts {
    pub(crate) fn has(&self, c: char) -> bool {
        self.flags.iter().any(|(f, _)| *f == c)
    }

    /// The last of several that exclude each other.
    pub(crate) fn last_of(&self, set: &str) -> Option<char> {
        self.flags.iter().rev().map(|(f, _)| *f).find(|f| set.contains(*f))
    }

    pub(crate) fn value(&self, c: char) -> Option<&[u8]> {
        self.flags.iter().rev().find(|(f, _)| *f == c).and_then(|(_, v)| v.as_deref())
    }

    pub(crate) fn text(&self, c: char) -> Option<String> {
        self.value(c).map(|v| String::from_utf8_lossy(v).into_owned())
    }

    pub(crate) fn all(&self, c: char) -> impl Iterator<Item = &[u8]> {
        self.flags.iter().filter(move |(f, _)| *f == c).filter_map(|(_, v)| v.as_deref())
    }

    pub(crate) fn flags(&self) -> impl Iterator<Item = (char, Option<&[u8]>)> {
        self.flags.iter().map(|(c, v)| (*c, v.as_deref()))
    }
}

/// Reads the arguments of `p`. `short` as for `getopt(3)`; `+` in front stops at the first operand. `Err`:
/// the status to exit with, everything is said.
pub(crate) async fn parse(p: &mut Proc, short: &str, long: Long, status: i32) -> Result<Opts, i32> {
    let mut out = Opts::default();
    let stop = short.starts_with('+');
    let short = short.trim_start_matches('+');
    let args: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let mut it = args.into_iter();
    let name = p.called();
    while let Some(arg) = it.next() {
        if arg == b"--" {
            out.rest.extend(it);
            break;
        }
        if let Some(body) = arg.strip_prefix(b"--") {
            let body = String::from_utf8_lossy(body).into_owned();
            let (key, value) = match body.split_once('=') {
                Some((k, v)) => (k.to_owned(), Some(v.as_bytes().to_vec())),
                None => (body.clone(), None),
            };
            let exact: Vec<_> = long.iter().filter(|(n, ..)| *n == key).collect();
            let found: Vec<_> = if exact.is_empty() { long.iter().filter(|(n, ..)| n.starts_with(&key)).collect() } else { exact };
            match found.as_slice() {
                [(_, c, kind)] => {
                    let value = match (kind, value) {
                        (1, None) => match it.next() {
                            Some(v) => Some(v),
                            None => {
                                complain(p, &format!("{name}: option '--{key}' requires an argument")).await;
                                return Err(status);
                            }
                        },
                        (0, Some(_)) => {
                            complain(p, &format!("{name}: option '--{key}' doesn't allow an argument")).await;
                            return Err(status);
                        }
                        (_, v) => v,
                    };
                    out.flags.push((*c, value));
                }
                [] if key == "help" => {
                    p.out(format!("Usage: {name} [OPTION]... [FILE]...\n"));
                    return Err(0);
                }
                [] if key == "version" => {
                    let text = version(&p.name());
                    p.out(text);
                    return Err(0);
                }
                [] => {
                    complain(p, &format!("{name}: unrecognized option '--{body}'")).await;
                    return Err(status);
                }
                many => {
                    let list: Vec<String> = many.iter().map(|(n, ..)| format!("'--{n}'")).collect();
                    complain(p, &format!("{name}: option '--{key}' is ambiguous; possibilities: {}", list.join(" "))).await;
                    return Err(status);
                }
            }
            continue;
        }
        if arg.len() > 1 && arg.first() == Some(&b'-') {
            let mut at = 1;
            while let Some(&c) = arg.get(at) {
                at += 1;
                let c = char::from(c);
                let place = short.find(c).filter(|_| c != ':');
                let Some(place) = place else {
                    complain(p, &format!("{name}: invalid option -- '{c}'")).await;
                    return Err(status);
                };
                let after = short.get(place + 1..).unwrap_or_default();
                if after.starts_with("::") {
                    let rest = arg.get(at..).unwrap_or_default().to_vec();
                    out.flags.push((c, (!rest.is_empty()).then_some(rest)));
                    break;
                }
                if after.starts_with(':') {
                    let value = if at < arg.len() {
                        arg.get(at..).unwrap_or_default().to_vec()
                    } else {
                        match it.next() {
                            Some(v) => v,
                            None => {
                                complain(p, &format!("{name}: option requires an argument -- '{c}'")).await;
                                return Err(status);
                            }
                        }
                    };
                    out.flags.push((c, Some(value)));
                    break;
                }
                out.flags.push((c, None));
            }
            continue;
        }
        out.rest.push(arg);
        if stop {
            out.rest.extend(it);
            break;
        }
    }
    Ok(out)
}

async fn complain(p: &mut Proc, text: &str) {
    let name = p.called();
    if name == "grep" || name.ends_with("/grep") || name == "egrep" || name == "fgrep" {
        p.err(format!("{text}\nUsage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n")).await;
    } else {
        p.err(format!("{text}\nTry '{name} --help' for more information.\n")).await;
    }
}

/// `name: text` and the hint at `--help`.
pub(crate) async fn usage(p: &mut Proc, text: &str, status: i32) -> i32 {
    let name = p.called();
    p.err(format!("{name}: {text}\nTry '{name} --help' for more information.\n")).await;
    status
}

/// `name: missing operand`.
pub(crate) async fn missing(p: &mut Proc, status: i32) -> i32 {
    usage(p, "missing operand", status).await
}

/// What `--version` prints.
pub(crate) fn version(name: &str) -> String {
    let package = match name {
        "grep" | "egrep" | "fgrep" => "grep (GNU grep) 3.8".to_owned(),
        "sed" => "sed (GNU sed) 4.9".to_owned(),
        "find" | "xargs" => format!("{name} (GNU findutils) 4.9.0"),
        "diff" | "cmp" => format!("{name} (GNU diffutils) 3.8"),
        "tar" => "tar (GNU tar) 1.34".to_owned(),
        "gzip" | "gunzip" | "zcat" => format!("{name} 1.12"),
        "ps" | "free" | "top" | "uptime" | "w" | "pgrep" | "pkill" | "watch" | "vmstat" | "sysctl" => {
            return format!("{name} from procps-ng 4.0.2\n");
        }
        "mount" | "umount" | "lsblk" | "lscpu" | "dmesg" | "last" | "su" => return format!("{name} from util-linux 2.38.1\n"),
        "wget" => "GNU Wget 1.21.3 built on linux-gnu.".to_owned(),
        "less" => "less 590".to_owned(),
        _ => format!("{name} (GNU coreutils) 9.1"),
    };
    format!(
        "{package}\nCopyright (C) 2022 Free Software Foundation, Inc.\nLicense GPLv3+: GNU GPL version 3 or later <https://gnu.org/licenses/gpl.html>.\nThis is free software: you are free to change and redistribute it.\nThere is NO WARRANTY, to the extent permitted by law.\n"
    )
}

/// Text of an argument.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file name as coreutils quotes it in messages.
pub(crate) fn quoted(name: &[u8]) -> String {
    if name.contains(&b'\'') && !name.iter().any(|b| matches!(b, b'"' | b'$' | b'`' | b'\\' | b'!')) {
        return format!("\"{}\"", text(name));
    }
    if name.iter().any(|&b| b < 32 || b == 127) {
        let inner = text(&crate::shell::interp::quoted(name));
        let inner = inner.trim_start_matches("$'").trim_end_matches('\'').replace("\\E", "\\033");
        return format!("''$'{inner}'");
    }
    format!("'{}'", text(name).replace('\'', "'\\''"))
}

/// A file name as coreutils quotes it only when it needs to (`rm: cannot remove x y: …` in some messages).
pub(crate) fn quoted_maybe(name: &[u8]) -> String {
    let plain = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_/.:=+%@,".contains(b) || *b >= 128);
    if plain { text(name) } else { quoted(name) }
}

/// A count with a suffix (`10k`, `1M`, `2kB`).
pub(crate) fn size(value: &str) -> Option<u64> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = value.get(..digits)?.parse().ok()?;
    let unit: u64 = match value.get(digits..)? {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "k" | "K" | "KiB" | "kiB" => 1 << 10,
        "kB" | "KB" => 1000,
        "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "GiB" => 1 << 30,
        "GB" => 1_000_000_000,
        "T" | "TiB" => 1 << 40,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// `1.5K`, `23M`: rounded up as `ls -h`, `du -h` and `df -h` do.
pub(crate) fn human(bytes: u64, base: f64) -> String {
    if (bytes as f64) < base {
        return bytes.to_string();
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit < 6 {
        value /= base;
        unit += 1;
    }
    let mut shown = if value < 10.0 { (value * 10.0).ceil() / 10.0 } else { value.ceil() };
    if shown >= base && unit < 6 {
        shown = 1.0;
        unit += 1;
    }
    let letter = ["", if base > 1000.0 { "K" } else { "k" }, "M", "G", "T", "P", "E"].get(unit).copied().unwrap_or("E");
    if shown < 10.0 { format!("{shown:.1}{letter}") } else { format!("{shown:.0}{letter}") }
}
