//! Measures of how a pile of mail reads, and the bands it must stay in. The studies behind each band are named in
//! `docs/life.md`.

use std::collections::HashMap;

use crate::Mail;

/// What was measured over many mails. Shares are of all mails unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Style {
    pub mails: usize,
    /// Share that begins with a greeting line; share that ends with a closing or a name.
    pub greeted: f64,
    pub closed: f64,
    /// How many different greetings and closings, names taken out.
    pub greetings: usize,
    pub closings: usize,
    /// Share of the commonest greeting among all greetings.
    pub commonest_greeting: f64,
    /// Words of the writer's own text, without quotation and signature: median and 90th percentile.
    pub words_median: usize,
    pub words_p90: usize,
    /// Words in a sentence: mean and standard deviation.
    pub sentence_mean: f64,
    pub sentence_deviation: f64,
    /// Marks in a hundred words.
    pub questions: f64,
    pub exclamations: f64,
    pub commas: f64,
    pub dashes: usize,
    /// Different runs of four words among all runs of four words.
    pub distinct_4: f64,
    /// Share of mails with the commonest sentence of at least six words.
    pub commonest_sentence: f64,
    /// Share sent from 7 to 19 o'clock on weekdays, at the weekend, and in the busiest single hour.
    pub office_hours: f64,
    pub weekend: f64,
    pub busiest_hour: f64,
    /// Median minutes to an answer, of those given within eight hours.
    pub answer_median: f64,
}

/// Greeting, own words, closing.
fn parts(text: &str) -> (Option<&str>, String, Option<&str>) {
    let own = text.split("\n-- \n").next().unwrap_or(text).trim();
    let mut blocks: Vec<&str> = own.split("\n\n").map(str::trim).filter(|b| !b.is_empty()).collect();
    let mut greeting = None;
    if let Some(first) = blocks.first().copied() {
        let line = first.lines().next().unwrap_or(first);
        // A greeting ends in a comma (or is followed by one), or stands alone and is short.
        if (line.ends_with([',', ':', '!']) && line.split(' ').count() <= 6)
            || (line.contains(", ")
                && blocks.len() > 2
                && line.split(", ").next().is_some_and(|h| h.split(' ').count() <= 3)
                && first.lines().count() == 1
                && greets(line))
        {
            greeting = Some(line);
            let rest = first.get(line.len()..).unwrap_or_default().trim();
            blocks.remove(0);
            if !rest.is_empty() {
                blocks.insert(0, rest);
            }
        }
    }
    let mut closing = None;
    if blocks.len() > 1
        && let Some(last) = blocks.last().copied()
        && last.split_whitespace().count() <= 9
        && !last.ends_with(['.', '?'])
    {
        closing = Some(last);
        blocks.pop();
    }
    (greeting, blocks.join(" "), closing)
}

/// Sentences: up to a mark with a space or nothing behind it, unless the mark follows a digit.
fn sentences_of(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends =
            matches!(c, '.' | '?' | '!') && !(c == '.' && before.is_ascii_digit()) && chars.peek().is_none_or(|(_, n)| n.is_whitespace());
        if ends {
            all.extend(text.get(start..at + 1).map(str::trim));
            start = at + 1;
        }
        before = c;
    }
    all.extend(text.get(start..).map(str::trim).filter(|t| !t.is_empty()));
    all
}

fn greets(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "Dear", "Hi", "Hello", "Sehr", "Liebe", "Hallo", "Estimado", "Estimada", "Hola", "Buen", "Bonjour", "Cher", "Chère", "Olá", "Caro",
        "Cara", "Bom", "Boa", "Guten",
    ];
    WORDS.iter().any(|w| line.starts_with(w))
}

/// Measures `mails`.
pub fn measure(mails: &[Mail]) -> Style {
    let mut style = Style { mails: mails.len(), ..Style::default() };
    let (mut greetings, mut closings): (HashMap<String, usize>, HashMap<String, usize>) = Default::default();
    let mut grams: HashMap<String, usize> = HashMap::new();
    let mut sentences: HashMap<String, usize> = HashMap::new();
    let (mut lengths, mut sizes, mut hours, mut answers) = (Vec::new(), Vec::new(), [0usize; 24], Vec::new());
    let (mut words_all, mut questions, mut shouts, mut commas, mut office, mut weekend) = (0usize, 0, 0, 0, 0, 0);
    let dates: HashMap<&str, i64> = mails.iter().map(|m| (m.message_id.as_str(), m.date.timestamp().as_second())).collect();
    for mail in mails {
        let (greeting, own, closing) = parts(&mail.text);
        let bare = |line: &str| {
            let mut line = line.lines().next().unwrap_or(line).to_owned();
            for name in mail.recipients().chain([&mail.from]).flat_map(|a| a.name.split(' ')) {
                line = line.replace(name, "N");
            }
            line
        };
        if let Some(greeting) = greeting {
            *greetings.entry(bare(greeting)).or_default() += 1;
        }
        if let Some(closing) = closing {
            *closings.entry(bare(closing)).or_default() += 1;
        }
        let words: Vec<String> = own
            .split_whitespace()
            .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
            .filter(|w| !w.is_empty())
            .collect();
        words_all += words.len();
        sizes.push(words.len());
        for run in words.windows(4) {
            *grams.entry(run.join(" ")).or_default() += 1;
        }
        for sentence in sentences_of(&own) {
            let count = sentence.split_whitespace().count();
            if count > 0 {
                lengths.push(count);
            }
            if count >= 6 {
                *sentences.entry(sentence.to_lowercase()).or_default() += 1;
            }
        }
        questions += own.matches('?').count();
        shouts += own.matches('!').count();
        commas += own.matches(',').count();
        style.dashes += own.matches(['\u{2014}', '\u{2013}']).count();
        let at = &mail.date;
        let is_weekend = matches!(at.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
        weekend += usize::from(is_weekend);
        office += usize::from(!is_weekend && (7..19).contains(&at.hour()));
        if let Some(slot) = usize::try_from(at.hour()).ok().and_then(|h| hours.get_mut(h)) {
            *slot += 1;
        }
        if let Some(parent) = mail.in_reply_to.as_deref().and_then(|id| dates.get(id)) {
            let minutes = (at.timestamp().as_second() - parent) / 60;
            if minutes < 480 {
                answers.push(minutes);
            }
        }
    }
    let all = style.mails.max(1);
    let share = |part: usize, whole: usize| part_of(part, whole);
    style.greeted = share(greetings.values().sum(), all);
    style.closed = share(closings.values().sum(), all);
    style.commonest_greeting = share(greetings.values().copied().max().unwrap_or(0), greetings.values().sum());
    (style.greetings, style.closings) = (greetings.len(), closings.len());
    sizes.sort_unstable();
    style.words_median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
    style.words_p90 = sizes.get(sizes.len() * 9 / 10).copied().unwrap_or(0);
    style.sentence_mean = share(lengths.iter().sum(), lengths.len());
    let spread: f64 = lengths.iter().map(|l| (share(*l, 1) - style.sentence_mean).powi(2)).sum();
    style.sentence_deviation = (spread / share(lengths.len().max(1), 1)).sqrt();
    style.questions = 100.0 * share(questions, words_all);
    style.exclamations = 100.0 * share(shouts, words_all);
    style.commas = 100.0 * share(commas, words_all);
    style.distinct_4 = share(grams.len(), grams.values().sum());
    style.commonest_sentence = share(sentences.values().copied().max().unwrap_or(0), all);
    style.office_hours = share(office, all);
    style.weekend = share(weekend, all);
    style.busiest_hour = share(hours.iter().copied().max().unwrap_or(0), all);
    answers.sort_unstable();
    style.answer_median = answers.get(answers.len() / 2).map_or(0.0, |m| share(usize::try_from(*m).unwrap_or(0), 1));
    style
}

#[expect(clippy::cast_precision_loss, reason = "counts of mails")]
fn part_of(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Style {
    /// Measures that lie outside their band, with the band.
    pub fn outside(&self) -> Vec<String> {
        let count = |n: usize| part_of(n, 1);
        let bands = [
            ("greeted", self.greeted, 0.40, 0.85),
            ("closed", self.closed, 0.55, 0.92),
            ("greetings", count(self.greetings), 12.0, 400.0),
            ("closings", count(self.closings), 10.0, 400.0),
            ("commonest greeting", self.commonest_greeting, 0.0, 0.45),
            ("median words", count(self.words_median), 18.0, 70.0),
            ("90th percentile of words", count(self.words_p90), 40.0, 180.0),
            ("words in a sentence", self.sentence_mean, 6.5, 19.0),
            ("their deviation", self.sentence_deviation, 2.5, 12.0),
            ("questions in 100 words", self.questions, 0.8, 5.0),
            ("exclamations in 100 words", self.exclamations, 0.0, 1.5),
            ("commas in 100 words", self.commas, 2.0, 12.0),
            ("dashes", count(self.dashes), 0.0, 0.0),
            ("distinct runs of four words", self.distinct_4, 0.30, 1.0),
            ("commonest sentence", self.commonest_sentence, 0.0, 0.04),
            ("in office hours", self.office_hours, 0.85, 0.995),
            ("at the weekend", self.weekend, 0.0, 0.06),
            ("busiest hour", self.busiest_hour, 0.08, 0.25),
            ("minutes to an answer", self.answer_median, 15.0, 120.0),
        ];
        bands
            .iter()
            .filter(|(_, v, low, high)| !(low..=high).contains(&v))
            .map(|(n, v, l, h)| format!("{n}: {v:.3} is not in {l}..{h}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Office,
        company::{Brief, generate},
    };
    use model::Micros;

    /// A thousand mails of each language read like workplace mail.
    #[test]
    fn a_thousand_mails_stay_inside_the_bands() {
        let mut wrong = String::new();
        for language in ["de", "en", "es", "fr", "pt"] {
            let brief = Brief { company: None, domain: None, language: language.into(), timezone: "Europe/Madrid".into(), people: 25 };
            let mut made = generate(b"style", &brief);
            made.people.iter_mut().for_each(|p| p.uses_llms_heavily = false);
            let office = Office::new(b"style", &made.name, "mail.x.lan", None, language, "Europe/Madrid", made.people);
            let to = Micros(1_795_000_000_000_000);
            let mut mails = office.between(Micros(to.0 - 40 * 86_400_000_000), to, 0);
            assert!(mails.len() > 1000, "{}", mails.len());
            mails.truncate(1000);
            let style = measure(&mails);
            for problem in style.outside() {
                wrong.push_str(&format!("{language}: {problem}\n"));
            }
            eprintln!("{language} {style:?}");
        }
        assert!(wrong.is_empty(), "\n{wrong}");
    }

    #[test]
    fn dashes_are_for_those_who_are_marked() {
        let brief = Brief { company: None, domain: None, language: "en".into(), timezone: "UTC".into(), people: 8 };
        let made = generate(b"dash", &brief);
        let mut people = made.people;
        for (n, person) in people.iter_mut().enumerate() {
            person.uses_llms_heavily = n == 2;
        }
        let marked = people[2].email.clone();
        let office = Office::new(b"dash", &made.name, "mail.x.lan", None, "en", "UTC", people);
        let to = Micros(1_795_000_000_000_000);
        let mails = office.between(Micros(to.0 - 60 * 86_400_000_000), to, 0);
        let with: Vec<&Mail> = mails.iter().filter(|m| m.text.contains('\u{2014}')).collect();
        assert!(!with.is_empty() && with.iter().all(|m| m.from.email == marked));
    }
}
