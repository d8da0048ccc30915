//! Subjects and patterns, as pure functions.

/// Longest subject or pattern in bytes.
pub const MAX_LEN: usize = 256;

fn tokens_are_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_LEN
        && text.split('.').all(|t| !t.is_empty() && t.chars().all(|c| !c.is_whitespace() && !c.is_control()))
}

/// Whether something may be published under `text`: no wildcards.
pub fn is_subject(text: &str) -> bool {
    tokens_are_plain(text) && !text.split('.').any(|t| t == "*" || t == ">")
}

/// Whether `text` may be subscribed to: `>` only as the last token.
pub fn is_pattern(text: &str) -> bool {
    tokens_are_plain(text) && text.split('.').rev().skip(1).all(|t| t != ">")
}

/// Whether `subject` fits `pattern`. `*` is one token, a last `>` one or more.
pub fn fits(pattern: &str, subject: &str) -> bool {
    let (mut wanted, mut had) = (pattern.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), had.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(w), Some(h)) if w == h => {}
            _ => return false,
        }
    }
}

/// Makes one token of free text: what may not stand in a token becomes `_`.
pub fn token(text: &str) -> String {
    let token: String = text
        .chars()
        .take(128)
        .map(|c| if c == '.' || c == '*' || c == '>' || c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect();
    if token.is_empty() { "_".to_owned() } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, subject: &str, expect: bool) {
        assert_eq!(fits(pattern, subject), expect, "{pattern} against {subject}");
    }

    #[test]
    fn wildcards_are_those_of_nats() {
        check("a.b", "a.b", true);
        check("a.b", "a.b.c", false);
        check("a.*", "a.b", true);
        check("a.*", "a", false);
        check("a.*.c", "a.b.c", true);
        check("a.>", "a.b.c", true);
        check("a.>", "a", false);
        check(">", "a", true);
        check("system.*.health", "system.bus.health", true);
        check("system.*.health", "system.health", false);
    }

    #[test]
    fn what_may_be_said() {
        for bad in ["", ".", "a..b", "a.*", "a.>", "a b", "a.\n"] {
            assert!(!is_subject(bad), "{bad:?}");
        }
        for bad in ["", "a..b", "a.>.b", "a. "] {
            assert!(!is_pattern(bad), "{bad:?}");
        }
        assert!(is_pattern("a.*.>") && is_subject("decky.local:web-01.state"));
        assert_eq!(token("a.b c>\n"), "a_b_c__");
    }
}
