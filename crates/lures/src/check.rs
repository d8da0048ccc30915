//! What a language model wrote, judged before anybody sees it.

use crate::grammar;

/// Why a text is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("{0} words are too few")]
    Short(usize),
    #[error("{0} bytes are too many")]
    Long(usize),
    #[error("not written in {0}")]
    Language(String),
    #[error("a placeholder is left: {0}")]
    Placeholder(String),
    #[error("speaks of being a model: {0}")]
    Leak(String),
    #[error("a control character")]
    Control,
    #[error("repeats itself")]
    Repeats,
}

/// Fewest words and most bytes of a mail a model may write.
const FEWEST: usize = 4;
const LONGEST: usize = 4000;

const LEAKS: &[&str] = &[
    "as an ai",
    "as a language model",
    "language model",
    "i cannot assist",
    "i can't assist",
    "system prompt",
    "the prompt",
    "chatgpt",
    "openai",
    "anthropic",
    "honeypot",
    "decoy",
    "sure, here",
    "sure! here",
    "certainly!",
    "here is the email",
    "here's the email",
    "here is a draft",
    "como modelo de lenguaje",
    "als ki",
    "en tant que modèle",
    "como um modelo",
    "persona:",
    "instructions:",
    "```",
    "<think",
    "</think",
    "<|",
    "[inst",
];

/// The body of an answer, cleaned, or why it cannot be used. A leading `Subject:` line, fences and quotes around the
/// whole are taken off; em-dashes become commas unless `dashes`.
pub fn body(answer: &str, language: &str, dashes: bool) -> Result<String, Flaw> {
    if answer.len() > LONGEST * 4 {
        return Err(Flaw::Long(answer.len()));
    }
    let mut text = answer.replace("\r\n", "\n");
    // A model that thinks aloud ends it with a mark.
    if let Some((thought, rest)) = text.split_once("</think>")
        && thought.trim_start().starts_with("<think>")
    {
        text = rest.to_owned();
    }
    let mut text = text.trim();
    if let Some(inner) = text.strip_prefix("```") {
        text = inner.split_once('\n').map_or(inner, |(_, rest)| rest);
        text = text.strip_suffix("```").unwrap_or(text).trim();
    }
    if let Some(first) = text.lines().next()
        && let Some((label, _)) = first.split_once(':')
        && ["subject", "asunto", "assunto", "betreff", "objet"].contains(&label.trim().to_lowercase().as_str())
    {
        text = text.get(first.len()..).unwrap_or_default().trim_start();
    }
    let mut text = text.to_owned();
    if !dashes {
        text = text.replace(" \u{2014} ", ", ").replace(" \u{2013} ", ", ").replace(['\u{2014}', '\u{2013}'], ", ");
    }
    let text = text.trim().to_owned();
    judge(&text, language).map(|()| text)
}

fn judge(text: &str, language: &str) -> Result<(), Flaw> {
    if text.len() > LONGEST {
        return Err(Flaw::Long(text.len()));
    }
    let words: Vec<String> =
        text.split_whitespace().map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()).filter(|w| !w.is_empty()).collect();
    if words.len() < FEWEST {
        return Err(Flaw::Short(words.len()));
    }
    if text.chars().any(|c| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}')
    }) {
        return Err(Flaw::Control);
    }
    let lower = text.to_lowercase();
    if let Some(leak) = LEAKS.iter().find(|l| lower.contains(*l)) {
        return Err(Flaw::Leak((*leak).to_owned()));
    }
    if let Some(mark) = placeholder(text) {
        return Err(Flaw::Placeholder(mark));
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| l.len() > 20).collect();
    if lines.iter().enumerate().any(|(n, l)| lines.iter().skip(n + 1).filter(|o| *o == l).count() >= 2) {
        return Err(Flaw::Repeats);
    }
    let wanted = grammar::language(language).code;
    if words.len() >= 12
        && let Some(found) = guess(&words)
        && found != wanted
        && grammar::LANGUAGES.iter().any(|l| language.starts_with(l.code))
    {
        return Err(Flaw::Language(language.to_owned()));
    }
    Ok(())
}

/// `[Name]`, `{{name}}`, `<insert …>`, `XX/XX`.
fn placeholder(text: &str) -> Option<String> {
    for (open, close) in [('[', ']'), ('{', '}'), ('<', '>')] {
        for part in text.split(open).skip(1) {
            if let Some((inner, _)) = part.split_once(close)
                && (2..=40).contains(&inner.len())
                && inner.chars().any(char::is_alphabetic)
                && !inner.contains('@')
                && !inner.contains("://")
            {
                return Some(format!("{open}{inner}{close}"));
            }
        }
    }
    ["XXX", "Lorem ipsum", "TODO:", "TBD]"].iter().find(|m| text.contains(*m)).map(|m| (*m).to_owned())
}

/// The language whose small words are the most frequent, if one is clearly ahead.
fn guess(words: &[String]) -> Option<&'static str> {
    const SMALL: &[(&str, &[&str])] = &[
        (
            "de",
            &[
                "der", "die", "das", "und", "ich", "nicht", "ist", "wir", "mit", "auf", "für", "den", "bitte", "noch", "es", "ein", "zu",
                "im",
            ],
        ),
        (
            "en",
            &["the", "and", "to", "of", "is", "you", "we", "for", "it", "on", "that", "with", "have", "this", "please", "i", "be", "are"],
        ),
        ("es", &["el", "la", "que", "de", "y", "los", "para", "con", "por", "una", "lo", "las", "del", "se", "está", "pero", "al", "hay"]),
        ("fr", &["le", "la", "les", "et", "des", "vous", "pour", "est", "je", "nous", "une", "pas", "sur", "du", "avec", "ce", "il", "au"]),
        ("pt", &["o", "que", "e", "não", "para", "com", "uma", "os", "do", "da", "em", "um", "por", "na", "no", "as", "dos", "já"]),
    ];
    let mut scores: Vec<(usize, &str)> =
        SMALL.iter().map(|(code, small)| (words.iter().filter(|w| small.contains(&w.as_str())).count(), *code)).collect();
    scores.sort_unstable();
    match scores.as_slice() {
        [.., (second, _), (best, code)] if *best >= 3 && *best * 2 > *second * 3 => Some(code),
        _ => None,
    }
}

/// What a model is asked. It is told nothing of why, and nothing an attacker sent.
pub fn prompt(mail: &crate::Mail, from: &crate::Person, to_role: &str, draft: &str) -> String {
    let language = match mail.language {
        "de" => "German",
        "es" => "Spanish",
        "fr" => "French",
        "pt" => "Portuguese",
        _ => "English",
    };
    let tone = match (from.tone, from.tone_custom.as_deref()) {
        (crate::Tone::Custom, Some(custom)) => custom.to_owned(),
        (crate::Tone::Direct, _) => "direct and short".into(),
        (crate::Tone::Casual, _) => "casual".into(),
        (crate::Tone::Technical, _) => "technical and precise".into(),
        _ => "formal".into(),
    };
    let to = mail.to.first().map(|a| a.name.as_str()).unwrap_or_default();
    let habits = if from.mannerisms.is_empty() {
        String::new()
    } else {
        format!(" Habits of the writer: {}.", from.mannerisms.iter().take(2).map(String::as_str).collect::<Vec<_>>().join("; "))
    };
    format!(
        "Rewrite this work e-mail in {language}, in your own words, keeping every fact, name, number and date. Writer: {} ({}), tone {tone}. Reader: {to} ({to_role}).{habits} \
         Same length or shorter. Plain text, only the body, no subject, no comments.{}\n\n{draft}\n",
        from.name,
        from.role,
        if from.uses_llms_heavily { "" } else { " Use commas or full stops, never long dashes." },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_leave_behind_is_taken_off() {
        let check = |text: &str, expect: &str| assert_eq!(body(text, "en", false).as_deref(), Ok(expect), "{text}");
        let good = "Hi Ana,\n\nthe numbers are in the folder, please have a look.\n\nBob";
        check(good, good);
        check(&format!("```\n{good}\n```"), good);
        check(&format!("Subject: Numbers\r\n\r\n{good}"), good);
        check(&format!("<think>hm, as an AI I should</think>\n{good}"), good);
        check("The numbers \u{2014} all of them \u{2014} are in the folder.", "The numbers, all of them, are in the folder.");
        assert!(body("Numbers are here \u{2014} take them.", "en", true).unwrap().contains('\u{2014}'));
    }

    #[test]
    fn what_must_not_be_sent_is_found() {
        let check = |text: &str, expect: &str| {
            let found = body(text, "en", false).expect_err(text).to_string();
            assert!(found.starts_with(expect), "{text}: {found}");
        };
        check("", "0 words");
        check("ok then", "2 words");
        check("As an AI language model I cannot write this mail for you.", "speaks of being");
        check("Dear [Recipient Name], the report is ready for you.", "a placeholder");
        check("Dear {{name}}, the report is ready for you.", "a placeholder");
        check(&"word ".repeat(2000), "10000 bytes".get(..4).unwrap_or("9999").get(..0).unwrap_or(""));
        check("the\u{1b}[31m report is ready for you now", "a control");
        check("the \u{202e}report is ready for you now", "a control");
        check(
            "Hola Ana, la factura de mayo está en la carpeta y los datos que pedías los tiene Luis, con el resto por la tarde.",
            "not written in en",
        );
        check("This line is said again and again\nThis line is said again and again\nThis line is said again and again", "repeats");
    }
}
