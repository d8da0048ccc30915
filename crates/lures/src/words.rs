//! What a thread is about: the facts its mails share, and how dates are said in each language.

use jiff::ZonedDateTime as Zoned;
use model::Micros;
use std::collections::BTreeMap;

use crate::{Dice, grammar::Language, hours, names};
use jiff::tz::TimeZone;

/// Names of the facts a thread has; every other slot of a rule must be a rule.
pub const FACTS: &[&str] = &[
    "to",
    "to_last",
    "to_name",
    "from",
    "from_name",
    "third",
    "fourth",
    "client",
    "vendor",
    "project",
    "amount",
    "amount2",
    "num",
    "pct",
    "due",
    "day",
    "day2",
    "time",
    "time2",
    "host",
    "site",
    "city",
    "month",
    "quarter",
    "count",
    "file",
    "company",
    "ext",
    "login",
    "secret",
    "year",
];

/// Facts of a thread begun at `at`.
#[derive(Debug)]
pub struct Scene<'a> {
    pub language: &'static Language,
    pub company: &'a str,
    pub site: &'a str,
    pub host: &'a str,
    pub at: Micros,
    pub zone: &'a TimeZone,
    /// First names of colleagues that are not in the thread.
    pub others: Vec<&'a str>,
    /// Clients and suppliers of the company.
    pub partners: &'a [String],
    pub projects: &'a [String],
}

impl Scene<'_> {
    /// Draws the facts.
    pub fn facts(&self, dice: &mut Dice) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        let mut put = |name: &str, value: String| _ = facts.insert(name.to_owned(), value);
        let here = hours::local(self.at, self.zone);
        let code = self.language.code;
        let other = |dice: &mut Dice| match self.others.is_empty() {
            true => names::first(self.language.code, dice).to_owned(),
            false => dice.word(&self.others).to_owned(),
        };
        put("third", other(dice));
        put("fourth", other(dice));
        let partner = |dice: &mut Dice| self.partners.get(dice.index(self.partners.len())).cloned().unwrap_or_default();
        put("client", partner(dice));
        put("vendor", partner(dice));
        put("project", self.projects.get(dice.index(self.projects.len())).cloned().unwrap_or_default());
        put("amount", amount(code, dice));
        put("amount2", amount(code, dice));
        put("num", format!("{}", dice.between(1040, 98_800)));
        put("pct", format!("{}", dice.between(2, 38)));
        put("count", format!("{}", dice.between(3, 46)));
        put("ext", format!("{}", dice.between(101, 489)));
        let ahead = i64::try_from(dice.between(2, 11)).unwrap_or(3);
        put("due", said(self.language, &workday(&here, ahead), true));
        put("day", said(self.language, &workday(&here, i64::try_from(dice.between(1, 4)).unwrap_or(1)), false));
        put("day2", said(self.language, &workday(&here, i64::try_from(dice.between(5, 8)).unwrap_or(5)), dice.percent(50)));
        put("time", clock(code, dice));
        put("time2", clock(code, dice));
        put("host", self.host.to_owned());
        put("site", self.site.to_owned());
        put("company", self.company.to_owned());
        put("city", dice.word(names::cities(code)).to_owned());
        let month = |ago: i8| {
            usize::try_from((here.month() - 1 - ago).rem_euclid(12))
                .ok()
                .and_then(|m| self.language.months.get(m))
                .copied()
                .unwrap_or_default()
        };
        put("month", month(1).to_owned());
        put("quarter", format!("{}{}", if code == "fr" || code == "es" || code == "pt" { "T" } else { "Q" }, (here.month() - 1) / 3 + 1));
        put("year", format!("{}", here.year()));
        put("file", String::new());
        facts
    }
}

fn workday(from: &Zoned, ahead: i64) -> Zoned {
    let mut day = from.clone();
    for _ in 0..ahead.max(1) {
        day = day.checked_add(jiff::Span::new().days(1)).unwrap_or(day);
        while matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday) {
            day = day.checked_add(jiff::Span::new().days(1)).unwrap_or(day);
        }
    }
    day
}

/// A day as people say it: `Thursday`, `jueves 12`, `Donnerstag, den 12.`
fn said(language: &Language, day: &Zoned, number: bool) -> String {
    let weekday = language.weekdays.get(usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0)).copied().unwrap_or_default();
    let short = weekday.strip_suffix("-feira").unwrap_or(weekday);
    let n = day.day();
    match (language.code, number) {
        ("en", true) => format!("{weekday} {n}{}", ordinal(n)),
        ("de", true) => format!("{weekday}, {n}.{}.", day.month()),
        ("pt", true) => format!("{short}, dia {n}"),
        ("pt", false) => short.to_owned(),
        (_, true) => format!("{weekday} {n}"),
        (_, false) => weekday.to_owned(),
    }
}

fn ordinal(n: i8) -> &'static str {
    match (n % 10, n / 10) {
        (_, 1) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

fn clock(code: &str, dice: &mut Dice) -> String {
    let hour = dice.between(9, 17);
    let minute = [0, 0, 30, 15, 45].get(dice.index(5)).copied().unwrap_or(0);
    match code {
        "en" => {
            let (h, half) = if hour > 12 { (hour - 12, "pm") } else { (hour, if hour == 12 { "pm" } else { "am" }) };
            if minute == 0 { format!("{h}{half}") } else { format!("{h}:{minute:02}{half}") }
        }
        "fr" | "pt" => {
            if minute == 0 {
                format!("{hour}h")
            } else {
                format!("{hour}h{minute:02}")
            }
        }
        "de" => {
            if minute == 0 {
                format!("{hour} Uhr")
            } else {
                format!("{hour}:{minute:02} Uhr")
            }
        }
        _ => format!("{hour}:{minute:02}"),
    }
}

fn amount(code: &str, dice: &mut Dice) -> String {
    let round = dice.percent(45);
    let whole = if round { dice.between(3, 180) * 100 } else { dice.between(180, 48_900) };
    let cents = if round { 0 } else { dice.below(100) };
    let group = |sep: &str| if whole >= 1000 { format!("{}{sep}{:03}", whole / 1000, whole % 1000) } else { whole.to_string() };
    let tail = |mark: &str| if round { String::new() } else { format!("{mark}{cents:02}") };
    match code {
        "en" => format!("${}{}", group(","), tail(".")),
        "fr" => format!("{}{} €", group(" "), tail(",")),
        _ => format!("{}{} €", group("."), tail(",")),
    }
}

/// The line above a quotation, as mail programs write it.
pub fn quote_line(code: &str, at: &Zoned, who: &str) -> String {
    let (d, m, y, h, n) = (at.day(), at.month(), at.year(), at.hour(), at.minute());
    match code {
        "de" => format!("Am {d:02}.{m:02}.{y} um {h:02}:{n:02} schrieb {who}:"),
        "es" => format!("El {d}/{m}/{:02} a las {h}:{n:02}, {who} escribió:", y % 100),
        "fr" => format!("Le {d:02}/{m:02}/{y} à {h:02}:{n:02}, {who} a écrit :"),
        "pt" => format!("Em {d:02}/{m:02}/{y} {h:02}:{n:02}, {who} escreveu:"),
        _ => format!("On {d:02}/{m:02}/{y} {h:02}:{n:02}, {who} wrote:"),
    }
}

/// The block above a quotation as Outlook writes it: label and value, one a line.
pub fn quote_block(code: &str, at: &Zoned, who: &str, to: &str, subject: &str) -> String {
    let language = crate::grammar::language(code);
    let weekday = language.weekdays.get(usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0)).copied().unwrap_or_default();
    let month = usize::try_from(at.month() - 1).ok().and_then(|m| language.months.get(m)).copied().unwrap_or_default();
    let (d, y, h, n) = (at.day(), at.year(), at.hour(), at.minute());
    let (labels, date) = match code {
        "de" => (["Von", "Gesendet", "An", "Betreff"], format!("{weekday}, {d}. {month} {y} {h:02}:{n:02}")),
        "es" => (["De", "Enviado el", "Para", "Asunto"], format!("{weekday}, {d} de {month} de {y} {h}:{n:02}")),
        "fr" => (["De", "Envoyé", "À", "Objet"], format!("{weekday} {d} {month} {y} {h:02}:{n:02}")),
        "pt" => (["De", "Enviada", "Para", "Assunto"], format!("{weekday}, {d} de {month} de {y} {h:02}:{n:02}")),
        _ => {
            let (hour, half) = (if h % 12 == 0 { 12 } else { h % 12 }, if h < 12 { "AM" } else { "PM" });
            (["From", "Sent", "To", "Subject"], format!("{weekday}, {month} {d}, {y} {hour}:{n:02} {half}"))
        }
    };
    let [from, sent, rcpt, about] = labels;
    format!("{from}: {who}\n{sent}: {date}\n{rcpt}: {to}\n{about}: {subject}")
}

/// What stands before the subject of an answer, in the habit of most programs.
pub const REPLY: &str = "Re: ";

/// `subject` with one [`REPLY`] before it and no other.
pub fn reply_subject(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some(cut) = rest.get(..3).filter(|p| p.eq_ignore_ascii_case("re:")).and_then(|_| rest.get(3..)) {
        rest = cut.trim_start();
    }
    format!("{REPLY}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_one_re() {
        assert_eq!(reply_subject("re: RE:Budget"), "Re: Budget");
        assert_eq!(reply_subject("Réunion"), "Re: Réunion");
        assert_eq!(reply_subject(""), "Re: ");
    }
}
