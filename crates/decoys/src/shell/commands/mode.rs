//! Permission bits as `chmod` and `umask` take and `ls` shows them.

use crate::shell::{Kind, Meta};

/// Applies a symbolic mode (`u+x,go-w`) to `old`; `None`: it is not one.
pub(crate) fn symbolic(text: &str, old: u32, dir: bool, umask: u32) -> Option<u32> {
    let mut mode = old;
    for clause in text.split(',') {
        let bytes = clause.as_bytes();
        let mut at = 0;
        let mut who = 0u32;
        while let Some(&c) = bytes.get(at) {
            who |= match c {
                b'u' => 0o4700,
                b'g' => 0o2070,
                b'o' => 0o1007,
                b'a' => 0o7777,
                _ => break,
            };
            at += 1;
        }
        let implicit = who == 0;
        let mask = if implicit { 0o7777 & !umask } else { who };
        if at >= bytes.len() {
            return None;
        }
        while let Some(&op) = bytes.get(at) {
            if !matches!(op, b'+' | b'-' | b'=') {
                return None;
            }
            at += 1;
            let mut bits = 0u32;
            while let Some(&c) = bytes.get(at) {
                bits |= match c {
                    b'r' => 0o444,
                    b'w' => 0o222,
                    b'x' => 0o111,
                    b'X' if dir || mode & 0o111 != 0 => 0o111,
                    b'X' => 0,
                    b's' => 0o6000,
                    b't' => 0o1000,
                    b'u' => (mode >> 6 & 7) * 0o111,
                    b'g' => (mode >> 3 & 7) * 0o111,
                    b'o' => (mode & 7) * 0o111,
                    _ => break,
                };
                at += 1;
            }
            let bits = bits & mask;
            match op {
                b'+' => mode |= bits,
                b'-' => mode &= !bits,
                _ => mode = mode & !(if implicit { 0o777 } else { who & 0o777 | if dir { 0 } else { who & 0o6000 } }) | bits,
            }
        }
    }
    Some(mode)
}

/// `drwxr-xr-x`.
pub(crate) fn string(meta: &Meta) -> String {
    let mut out = String::with_capacity(10);
    out.push(match meta.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Char(..) => 'c',
        Kind::Block(..) => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    });
    let m = meta.mode;
    for (shift, special, lower, upper) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = m >> shift & 7;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, m & special != 0) {
            (true, true) => lower,
            (false, true) => upper,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}
