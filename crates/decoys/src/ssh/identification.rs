//! The identification line (RFC 4253 §4.2), read as strictly as the product reads it.

use super::message::Bye;
use crate::decoy::Reply;

/// Longest line that is taken, without its end.
const LONGEST: usize = 8192;

/// Who the client says it is, and what the product concludes from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// The line without CR LF.
    pub(super) banner: Vec<u8>,
    /// A newer OpenSSH: told when nobody reads its input any more.
    pub(super) openssh: bool,
    /// Not one of those that choke on the list of host keys.
    pub(super) takes_host_keys: bool,
}

/// Reads the line at the front of `input`: how much it took, or `None` if its end has not come.
pub(super) fn read(input: &[u8], out: &mut Reply) -> Result<Option<(usize, Client)>, Bye> {
    let mut line = Vec::new();
    let mut returned = false;
    for (at, &byte) in input.iter().enumerate() {
        match byte {
            b'\r' => returned = true,
            b'\n' => return judge(&line, out).map(|client| Some((at + 1, client))),
            0 => return Err(invalid(out)),
            _ if returned => return Err(invalid(out)),
            _ => {
                line.push(byte);
                if line.len() > LONGEST {
                    return Err(invalid(out));
                }
            }
        }
    }
    // Carriage returns alone are no line, but they must not fill the buffer either.
    if input.len() > 256 * 1024 { Err(Bye::Silent) } else { Ok(None) }
}

fn invalid(out: &mut Reply) -> Bye {
    out.send(b"Invalid SSH identification string.\r\n");
    Bye::Silent
}

fn judge(line: &[u8], out: &mut Reply) -> Result<Client, Bye> {
    let Some((major, minor, version)) = parse(line) else { return Err(invalid(out)) };
    if !(major == 2 || major == 1 && minor == 99) {
        out.send(b"Protocol major versions differ.\r\n");
        return Err(Bye::Silent);
    }
    let scanner = version.windows(18).any(|w| w == b"SSH_Version_Mapper");
    if version.starts_with(b"Probe-") || scanner {
        return Err(Bye::Silent);
    }
    let old = [&b"OpenSSH_2"[..], b"OpenSSH_3", b"OpenSSH_4"];
    let tera_term = [
        &b"TeraTerm SSH"[..],
        b"TTSSH/1.5.",
        b"TTSSH/2.1",
        b"TTSSH/2.2",
        b"TTSSH/2.3",
        b"TTSSH/2.4",
        b"TTSSH/2.5",
        b"TTSSH/2.6",
        b"TTSSH/2.70",
        b"TTSSH/2.71",
        b"TTSSH/2.72",
        b"Cisco-1.",
    ];
    Ok(Client {
        banner: line.to_vec(),
        openssh: version.starts_with(b"OpenSSH") && !old.iter().any(|o| version.starts_with(o)),
        takes_host_keys: !tera_term.iter().any(|t| version.starts_with(t)),
    })
}

/// `SSH-<number>.<number>-<something>` as scanf reads it: numbers may have leading blanks and a sign.
fn parse(line: &[u8]) -> Option<(i64, i64, &[u8])> {
    let rest = line.strip_prefix(b"SSH-")?;
    let (major, rest) = number(rest)?;
    let (minor, rest) = number(rest.strip_prefix(b".")?)?;
    let version = rest.strip_prefix(b"-")?;
    (!version.is_empty()).then_some((major, minor, version))
}

fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let end = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0i64, |v, d| v.saturating_mul(10).saturating_add(i64::from(d - b'0')));
    Some((if negative { -value } else { value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expect: &[u8]) {
        let mut out = Reply::new(model::Micros(0), [0; 32]);
        let result = read(line, &mut out);
        let sent: Vec<u8> =
            out.take().into_iter().flat_map(|act| if let crate::decoy::Act::Send(b) = act { b.to_vec() } else { Vec::new() }).collect();
        assert_eq!(sent.escape_ascii().to_string(), expect.escape_ascii().to_string(), "{}", line.escape_ascii());
        assert_eq!(result.is_err(), !expect.is_empty());
    }

    #[test]
    fn lines_are_judged_as_the_genuine_server_judges_them() {
        let (invalid, differ) = (b"Invalid SSH identification string.\r\n", b"Protocol major versions differ.\r\n");
        check(b"SSH-2.0-x\r\n", b"");
        check(b"SSH- 2. 0-x\r\n", b"");
        check(b"SSH-1.99-Ancient\r\n", b"");
        check(&[0xff; 100], b"");
        check(b"\r\r\r\r", b"");
        check(b"SSH-1337-OpenSSH_9.0\r\n", invalid);
        check(b"SSH-2.0-\r\n", invalid);
        check(b"ssh-2.0-x\r\n", invalid);
        check(b"\n\n\n\n", invalid);
        check(b"\0\0\0\0", invalid);
        check(&[b'A'; 9000], invalid);
        check(b"SSH-9.9-x\r\n", differ);
        check(b"SSH-1.5-x\r\n", differ);
    }
}
