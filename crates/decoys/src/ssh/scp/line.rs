//! What scp is told: its command line, and the control lines of the protocol.

/// What the command line asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) give: bool,
    pub(super) recursive: bool,
    pub(super) times: bool,
    pub(super) must_be_directory: bool,
    pub(super) paths: Vec<Vec<u8>>,
}

impl Wish {
    pub(super) fn parse(command: &[u8]) -> Option<Self> {
        let words = words(command)?;
        let (program, rest) = words.split_first()?;
        if !matches!(program.as_slice(), b"scp" | b"/usr/bin/scp") {
            return None;
        }
        let mut wish = Self::default();
        let (mut mode, mut options) = (None, true);
        for word in rest {
            match word.strip_prefix(b"-").filter(|_| options) {
                Some(b"-") => options = false,
                Some(letters) if !letters.is_empty() => {
                    for letter in letters {
                        match letter {
                            b't' => mode = Some(false),
                            b'f' => mode = Some(true),
                            b'r' => wish.recursive = true,
                            b'p' => wish.times = true,
                            b'd' => wish.must_be_directory = true,
                            b'v' | b'q' | b'B' | b'C' | b'1' | b'2' | b'4' | b'6' => {}
                            _ => return None,
                        }
                    }
                }
                _ => {
                    options = false;
                    wish.paths.push(word.clone());
                }
            }
        }
        wish.give = mode?;
        let right = if wish.give { !wish.paths.is_empty() } else { wish.paths.len() == 1 };
        right.then_some(wish)
    }
}

/// Splits as a shell does; `None` if there is anything only a shell can do.
fn words(command: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = command.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => out.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        b => word.push(b),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'$' | b'`' => return None,
                        b'\\' => word.push(bytes.next()?),
                        b => word.push(b),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().push(bytes.next()?),
            b'~' if word.is_none() => *word.insert(Vec::new()) = b".".to_vec(),
            b';' | b'|' | b'&' | b'<' | b'>' | b'$' | b'`' | b'(' | b')' | b'\n' | b'{' | b'[' => return None,
            _ => word.get_or_insert_default().push(byte),
        }
    }
    out.extend(word);
    Some(out)
}

/// `*` and `?`.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || Some(&c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|&b| b == b'*')
}

/// A number off the front.
fn number(text: &[u8]) -> (Option<u64>, &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or_default();
    (std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()), rest)
}

/// `mtime 0 atime 0`.
pub(super) fn parse_times(text: &[u8]) -> Result<(i64, i64), &'static str> {
    let field = |text, missing, after| {
        let (value, rest) = number(text);
        let value = value.ok_or(missing)?;
        Ok::<_, &'static str>((value, rest.strip_prefix(b" ").ok_or(after)?))
    };
    let (mtime, rest) = field(text, "mtime.sec not present", "mtime.sec not delimited")?;
    let (_, rest) = field(rest, "mtime.usec not present", "mtime.usec not delimited")?;
    let (atime, rest) = field(rest, "atime.sec not present", "atime.sec not delimited")?;
    if number(rest).0.is_none() {
        return Err("atime.usec not delimited");
    }
    Ok((i64::try_from(mtime).unwrap_or(i64::MAX), i64::try_from(atime).unwrap_or(i64::MAX)))
}

/// `0644 123 name`.
pub(super) fn parse_entry(text: &[u8]) -> Result<(u32, u64, &[u8]), &'static str> {
    let (octal, rest) = text.split_at_checked(4).ok_or("bad mode")?;
    let mut mode = 0;
    for &digit in octal {
        if !(b'0'..=b'7').contains(&digit) {
            return Err("bad mode");
        }
        mode = mode << 3 | u32::from(digit - b'0');
    }
    let rest = rest.strip_prefix(b" ").ok_or("mode not delimited")?;
    let (size, rest) = number(rest);
    let size = size.ok_or("size not present")?;
    let name = rest.strip_prefix(b" ").ok_or("size not delimited")?;
    Ok((mode, size, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_command_lines_are_taken() {
        let wish = Wish::parse(b"scp -r -p -t -- '/tmp/a b'").unwrap();
        assert!(wish.recursive && wish.times && !wish.give);
        assert_eq!(wish.paths, [b"/tmp/a b".to_vec()]);
        assert!(Wish::parse(b"scp -t /tmp; id").is_none());
        assert!(Wish::parse(b"scp a b").is_none());
        assert!(Wish::parse(b"cat x").is_none());
        assert!(Wish::parse(b"scp -f /etc/*.conf").unwrap().give);
    }

    #[test]
    fn control_lines_are_parsed_with_the_products_words() {
        assert_eq!(parse_entry(b"0644 3 x y"), Ok((0o644, 3, &b"x y"[..])));
        assert_eq!(parse_entry(b"0944 3 x"), Err("bad mode"));
        assert_eq!(parse_entry(b"0644 -3 x"), Err("size not present"));
        assert_eq!(parse_times(b"1 0 2 0"), Ok((1, 2)));
        assert_eq!(parse_times(b"1 0 1"), Err("atime.sec not delimited"));
        assert!(matches(b"*.c?nf", b"a.conf") && !matches(b"*.c", b"a.d") && matches(b"a*b*", b"axxbyy"));
    }
}
