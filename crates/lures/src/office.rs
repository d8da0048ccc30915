//! Who writes to whom, about what, and when: a plan of threads for every day, and the mails of each.
//!
//! Nothing is remembered: the threads of a day follow from the seed, the people and the day, so whoever asks again,
//! after a crash or on another host, gets the same mails with the same ids and dates.

use jiff::{ZonedDateTime as Zoned, tz::TimeZone};
use model::Micros;
use std::{collections::HashMap, fmt::Write, net::Ipv4Addr};

use crate::{
    Dice, Latency, Person, Tone, attach, company,
    grammar::{self, Language, Speaker},
    hours,
    mail::{self, Address, Client, Mail, Quoted, Trace},
    words::{self, Scene},
};

/// A login that one mail gives away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bait {
    /// Host it opens.
    pub host: String,
    pub login: String,
    pub secret: String,
    /// Local day on which the mail is written (days since 1970-01-01).
    pub day: i64,
    /// Addresses of who writes it and who gets it; people of the office.
    pub from: String,
    pub to: String,
}

/// The people of one company and their mail server.
#[derive(Clone, Debug)]
pub struct Office {
    seed: Vec<u8>,
    company: String,
    /// Name of the mail server.
    host: String,
    ip: Option<Ipv4Addr>,
    language: String,
    zone_name: String,
    zone: TimeZone,
    people: Vec<Person>,
    zones: Vec<TimeZone>,
    by_address: HashMap<String, usize>,
    by_department: HashMap<String, Vec<usize>>,
    partners: Vec<String>,
    projects: Vec<String>,
    baits: Vec<Bait>,
}

/// A thread that is planned: who, when, about what. Its words are found when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// In the form of a UUID.
    pub thread: String,
    pub topic: &'static str,
    /// Person who writes each mail and when; at least one.
    pub turns: Vec<(usize, Micros)>,
    /// The two or more that write, then those in copy.
    pub members: Vec<usize>,
    /// How many of `members` write.
    pub writers: usize,
    formal: bool,
    language: &'static str,
    salt: u64,
    bait: Option<usize>,
}

impl Post {
    /// Whether person `index` gets or writes these mails.
    pub fn concerns(&self, index: usize) -> bool {
        self.members.contains(&index)
    }
}

/// Which folder of a person a mail lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Box {
    Inbox,
    Sent,
}

/// Topics and how often they come.
const TOPICS: &[(&str, u64)] = &[
    ("budget", 8),
    ("invoice", 12),
    ("meeting", 15),
    ("server", 9),
    ("access", 8),
    ("client", 13),
    ("contract", 7),
    ("leave", 7),
    ("report", 10),
    ("order", 12),
    ("office", 8),
];

/// Longest a thread lasts, in days.
const LONGEST: i64 = 21;

/// Most threads a day, however large the company.
const BUSIEST: usize = 1000;

impl Office {
    /// An office of these people. `host` is the name of their mail server, `ip` its address.
    pub fn new(seed: &[u8], company: &str, host: &str, ip: Option<Ipv4Addr>, language: &str, zone: &str, people: Vec<Person>) -> Self {
        let main = hours::zone(zone);
        let mut known: HashMap<&str, TimeZone> = HashMap::new();
        let zones = people
            .iter()
            .map(|p| {
                p.timezone.as_deref().map_or_else(|| main.clone(), |name| known.entry(name).or_insert_with(|| hours::zone(name)).clone())
            })
            .collect();
        let by_address = people.iter().enumerate().map(|(n, p)| (p.email.to_lowercase(), n)).collect();
        let mut by_department: HashMap<String, Vec<usize>> = HashMap::new();
        for (n, p) in people.iter().enumerate() {
            by_department.entry(p.department.clone().unwrap_or_default()).or_default().push(n);
        }
        Self {
            company: company.into(),
            host: host.into(),
            ip,
            language: language.into(),
            zone_name: zone.into(),
            zone: main,
            zones,
            by_address,
            by_department,
            partners: company::partners(seed, 9),
            projects: company::projects(seed, 6),
            baits: Vec::new(),
            people,
            seed: seed.to_vec(),
        }
    }

    /// The same with mails that give logins away.
    #[must_use]
    pub fn with_baits(mut self, baits: Vec<Bait>) -> Self {
        self.baits = baits;
        self
    }

    /// Everybody.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The person with this address.
    pub fn find(&self, address: &str) -> Option<usize> {
        self.by_address.get(&address.to_lowercase()).copied()
    }

    /// Zone of the site.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// IANA name of the site's zone.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// Threads begun on `day` (days since 1970-01-01, local).
    pub fn threads(&self, day: i64) -> Vec<Post> {
        let count = self.people.len();
        if count < 2 {
            return Vec::new();
        }
        let dice = Dice::of(&self.seed, &["day", &day.to_string()]);
        let mut first = dice.fork(0);
        let share = if hours::is_weekend(day) { first.between(0, 5) } else { first.between(70, 120) };
        let mut number = (count * usize::try_from(share).unwrap_or(0)).div_ceil(100);
        if hours::is_weekend(day) && first.percent(60) {
            number = 0;
        }
        let baits = self
            .baits
            .iter()
            .enumerate()
            .filter(|(_, b)| b.day == day)
            .filter_map(|(n, b)| self.plan_bait(n, b, dice.fork(1 << 40 | n as u64)));
        let usual = (0..number.min(BUSIEST)).map(|n| self.plan(day, dice.fork(n as u64 + 1)));
        usual.chain(baits).collect()
    }

    fn plan(&self, day: i64, mut dice: Dice) -> Post {
        let starter = self.busy(&mut dice);
        let partner = self.partner(starter, &mut dice);
        let total: u64 = TOPICS.iter().map(|t| t.1).sum();
        let mut left = dice.below(total);
        let topic = TOPICS
            .iter()
            .find(|(_, w)| {
                let here = left < *w;
                left = left.saturating_sub(*w);
                here
            })
            .map_or("meeting", |t| t.0);
        self.plan_between(day, starter, partner, topic, dice, None)
    }

    fn plan_bait(&self, number: usize, bait: &Bait, dice: Dice) -> Option<Post> {
        let (from, to) = (self.find(&bait.from)?, self.find(&bait.to)?);
        Some(self.plan_between(bait.day, from, to, "bait", dice, Some(number)))
    }

    fn plan_between(&self, day: i64, starter: usize, partner: usize, topic: &'static str, mut dice: Dice, bait: Option<usize>) -> Post {
        let mut members = vec![starter, partner];
        let group = topic != "bait" && dice.percent(18);
        if group {
            let extra = self.partner(starter, &mut dice);
            if !members.contains(&extra) {
                members.push(extra);
            }
        }
        let writers = members.len();
        if topic != "bait" && dice.percent(22) {
            for _ in 0..=dice.below(2) {
                let extra = self.partner(partner, &mut dice);
                if !members.contains(&extra) {
                    members.push(extra);
                }
            }
        }
        let length = match dice.below(100) {
            0..30 => 1,
            30..62 => 2,
            62..80 => 3,
            80..91 => 4,
            91..97 => 5,
            _ => 6,
        };
        let length = if topic == "bait" { length.min(2) } else { length };
        let mut at = hours::moment(day, self.hours(starter), self.zone_of(starter), &mut dice);
        let start = at;
        let mut turns = vec![(starter, at)];
        let mut last = starter;
        for _ in 1..length {
            let others: Vec<usize> = members.iter().take(writers).copied().filter(|m| *m != last).collect();
            let Some(next) = others.get(dice.index(others.len())).copied() else { break };
            let median = match self.people.get(next).map(|p| p.reply_latency) {
                Some(Latency::Fast) => 14.0,
                Some(Latency::Slow) => 210.0,
                _ => 48.0,
            };
            let minutes: f64 = (f64::ln(median) + 1.25 * dice.normal()).exp();
            let seconds = (minutes * 60.0).clamp(75.0, 6.0 * 86_400.0);
            let due = at.plus(std::time::Duration::from_secs_f64(seconds));
            at = hours::next_at_work(due, self.hours(next), self.zone_of(next), &mut dice);
            if at.seconds() - start.seconds() > (LONGEST - 4) * 86_400 {
                break;
            }
            turns.push((next, at));
            last = next;
        }
        let person = |n: usize| self.people.get(n);
        let formal = [starter, partner].iter().filter_map(|n| person(*n)).all(|p| p.tone == Tone::Formal);
        let tongue = |n: usize| person(n).and_then(|p| p.language.as_deref()).unwrap_or(&self.language);
        let language = if tongue(starter) == tongue(partner) { tongue(starter) } else { &self.language };
        Post {
            thread: mail::uuid(&mut dice),
            topic,
            turns,
            writers,
            members,
            formal,
            language: grammar::language(language).code,
            salt: dice.next(),
            bait,
        }
    }

    fn hours(&self, person: usize) -> hours::Hours {
        self.people.get(person).map(Person::hours).unwrap_or_default()
    }

    fn zone_of(&self, person: usize) -> &TimeZone {
        self.zones.get(person).unwrap_or(&self.zone)
    }

    /// Somebody; some write much more than others.
    fn busy(&self, dice: &mut Dice) -> usize {
        let n = self.people.len();
        let share = dice.unit().powf(1.6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "below the length")]
        let place = ((share * n as f64) as usize).min(n.saturating_sub(1));
        // Who is busy does not follow from the order of the list.
        let mut order = Dice::of(&self.seed, &["busy"]);
        (place + order.index(n)) % n.max(1)
    }

    fn partner(&self, of: usize, dice: &mut Dice) -> usize {
        let n = self.people.len();
        let person = self.people.get(of);
        let other = |found: Option<usize>| found.filter(|f| *f != of);
        for _ in 0..20 {
            let contacts = person.map(|p| p.contacts.as_slice()).unwrap_or_default();
            if !contacts.is_empty() && dice.percent(80) {
                if let Some(found) = other(contacts.get(dice.index(contacts.len())).and_then(|c| self.find(c))) {
                    return found;
                }
            }
            let found = match dice.below(100) {
                0..15 => other(person.and_then(|p| p.manager.as_deref()).and_then(|m| self.find(m))),
                15..55 => {
                    let peers = person.and_then(|p| self.by_department.get(p.department.as_deref().unwrap_or_default()));
                    peers.and_then(|p| p.get(dice.index(p.len())).copied()).and_then(|f| other(Some(f)))
                }
                _ => other(Some(dice.index(n))),
            };
            if let Some(found) = found {
                return found;
            }
        }
        (of + 1) % n.max(1)
    }

    /// Mails dated after `from` and not after `to`, of threads begun on local day `since` or later, oldest first.
    pub fn between(&self, from: Micros, to: Micros, since: i64) -> Vec<Mail> {
        let first = (hours::day_of(from, &self.zone) - LONGEST).max(since);
        let last = hours::day_of(to, &self.zone) + 1;
        let mut all = Vec::new();
        for day in first..=last.min(first + 3700) {
            for post in self.threads(day) {
                let inside = |at: &Micros| *at > from && *at <= to;
                if post.turns.iter().any(|t| inside(&t.1)) {
                    let mails = self.write(&post);
                    all.extend(mails.into_iter().zip(&post.turns).filter(|(_, t)| inside(&t.1)).map(|(m, _)| m));
                }
            }
        }
        all.sort_by(|a, b| a.date.timestamp().cmp(&b.date.timestamp()).then_with(|| a.message_id.cmp(&b.message_id)));
        all
    }

    /// All mails of a thread.
    pub fn write(&self, post: &Post) -> Vec<Mail> {
        let language = grammar::language(post.language);
        let mut dice = Dice::of(&post.salt.to_le_bytes(), &[&post.thread]);
        let mut speaker = self.speaker(post, language, &mut dice);
        let subject = speaker.say(&format!("{}.subject", post.topic), &mut dice);
        let mut mails: Vec<Mail> = Vec::with_capacity(post.turns.len());
        for (number, (writer, at)) in post.turns.iter().enumerate() {
            let Some(person) = self.people.get(*writer) else { continue };
            let (to, cc) = self.addressed(post, number, *writer);
            let Some(first) = to.first().and_then(|n| self.people.get(*n)) else { continue };
            let date = hours::local(*at, self.zone_of(*writer));
            let mut own = dice.fork(number as u64 + 7);
            speaker.facts.insert("to".into(), first.first_name().to_owned());
            speaker.facts.insert("to_last".into(), first.last_name().to_owned());
            speaker.facts.insert("to_name".into(), first.name.clone());
            speaker.facts.insert("from".into(), person.first_name().to_owned());
            speaker.facts.insert("from_name".into(), person.name.clone());
            let last = number + 1 == post.turns.len();
            let text = self.text(&mut speaker, person, post, number, last, to.len() > 1, &mut own);
            let client = client_of(person);
            let previous = mails.last();
            let quoted = previous.filter(|_| own.percent(86)).map(|p| quote(p, client, language.code, &date));
            let mut references: Vec<String> = previous.map(|p| p.references.clone()).unwrap_or_default();
            references.extend(previous.map(|p| p.message_id.clone()));
            let address = |n: &usize| self.people.get(*n).map(|p| Address { name: p.name.clone(), email: p.email.clone() });
            mails.push(Mail {
                thread: post.thread.clone(),
                number,
                from: Address { name: person.name.clone(), email: person.email.clone() },
                to: to.iter().filter_map(address).collect(),
                cc: cc.iter().filter_map(address).collect(),
                subject: if number == 0 { subject.clone() } else { words::reply_subject(&subject) },
                message_id: mail::message_id(client, person.domain(), &date, &self.host, &mut own),
                in_reply_to: previous.map(|p| p.message_id.clone()),
                references,
                attachments: if number == 0 { self.attachments(post, &speaker, &subject, &date, &mut own) } else { Vec::new() },
                text,
                quoted,
                client,
                language: language.code,
                trace: self.trace(*writer, person, client, &date, &mut own),
                topic: post.topic.into(),
                salt: own.next(),
                date,
            });
        }
        mails
    }

    fn speaker(&self, post: &Post, language: &'static Language, dice: &mut Dice) -> Speaker {
        let mut speaker = Speaker::new(language);
        speaker.formal = post.formal;
        let mut others = Vec::new();
        for _ in 0..4 {
            let n = dice.index(self.people.len());
            if !post.members.contains(&n) {
                others.extend(self.people.get(n).map(Person::first_name));
            }
        }
        let at = post.turns.first().map_or(Micros(0), |t| t.1);
        let bait = post.bait.and_then(|n| self.baits.get(n));
        let scene = Scene {
            language,
            company: &self.company,
            site: self.host.split_once('.').map_or("", |(_, d)| d),
            host: bait.map_or_else(|| self.host.split('.').next().unwrap_or(&self.host), |b| &b.host),
            at,
            zone: &self.zone,
            others,
            partners: &self.partners,
            projects: &self.projects,
        };
        speaker.facts = scene.facts(dice);
        if let Some(bait) = bait {
            speaker.facts.insert("login".into(), bait.login.clone());
            speaker.facts.insert("secret".into(), bait.secret.clone());
        }
        speaker
    }

    fn addressed(&self, post: &Post, number: usize, writer: usize) -> (Vec<usize>, Vec<usize>) {
        let writers = post.members.iter().take(post.writers).copied();
        let mut to: Vec<usize> = if number == 0 {
            writers.filter(|m| *m != writer).collect()
        } else {
            // To whoever wrote last, the others of the talk in copy.
            post.turns.get(number - 1).map(|t| vec![t.0]).unwrap_or_default()
        };
        to.retain(|m| *m != writer);
        let cc = post.members.iter().copied().filter(|m| *m != writer && !to.contains(m)).collect();
        (to, cc)
    }

    #[expect(clippy::too_many_arguments, reason = "one caller")]
    fn text(&self, speaker: &mut Speaker, person: &Person, post: &Post, number: usize, last: bool, group: bool, dice: &mut Dice) -> String {
        let topic = post.topic;
        let manner = if post.formal { "formal" } else { "informal" };
        let terse = matches!(person.tone, Tone::Direct | Tone::Technical);
        let mut body = String::new();
        let mut say = |speaker: &mut Speaker, rule: &str, dice: &mut Dice, gap: &str| {
            let text = speaker.say(rule, dice);
            if !text.is_empty() {
                if !body.is_empty() {
                    body.push_str(gap);
                }
                body.push_str(&text);
            }
        };
        let t = |part: &str| format!("{topic}.{part}");
        let breaks = dice.percent(if terse { 25 } else { 55 });
        let gap = if breaks { "\n\n" } else { " " };
        match (number, last, topic) {
            (0, _, _) => {
                say(speaker, &t("a"), dice, " ");
                if topic != "bait" && dice.percent(if terse { 55 } else { 80 }) {
                    say(speaker, &t("c"), dice, " ");
                }
                say(speaker, &t("b"), dice, gap);
                if topic != "bait" {
                    if dice.percent(if terse { 25 } else { 45 }) {
                        say(speaker, &t("b"), dice, " ");
                    }
                    if dice.percent(if terse { 30 } else { 52 }) {
                        say(speaker, "g.aside", dice, " ");
                    }
                    if dice.percent(if terse { 40 } else { 68 }) {
                        say(speaker, "g.push", dice, gap);
                    }
                    // Some have more to say.
                    if dice.percent(if terse { 10 } else { 24 }) {
                        say(speaker, "g.more", dice, "\n\n");
                        say(speaker, &t("c"), dice, " ");
                        say(speaker, "g.aside", dice, " ");
                    }
                }
            }
            (_, _, "bait") => say(speaker, "bait.r", dice, " "),
            (n, true, _) if n >= 2 && dice.percent(75) => say(speaker, "g.thanks", dice, " "),
            (1, _, _) => {
                if dice.percent(55) {
                    say(speaker, "g.ack", dice, " ");
                }
                say(speaker, &t("r"), dice, " ");
                for chance in [if terse { 45 } else { 78 }, if terse { 8 } else { 26 }] {
                    if dice.percent(chance) {
                        say(speaker, &t("r"), dice, gap);
                    }
                }
                if dice.percent(38) {
                    say(speaker, "g.aside", dice, " ");
                }
                if dice.percent(30) {
                    say(speaker, "g.push", dice, " ");
                }
            }
            _ => {
                if dice.percent(25) {
                    say(speaker, "g.ack", dice, " ");
                }
                let rule = if dice.percent(70) { t("m") } else { "g.more".to_owned() };
                say(speaker, &rule, dice, " ");
                if dice.percent(45) {
                    say(speaker, if dice.percent(50) { "g.more" } else { "g.aside" }, dice, gap);
                }
            }
        }
        if person.uses_llms_heavily {
            dash(&mut body);
        }
        // Everybody has a few habits of greeting and closing.
        let habit = |what: &str, n: u64| Dice::of(person.email.as_bytes(), &[what]).fork(n);
        let mut text = String::new();
        let greets = match (number, post.formal) {
            (0, true) => 97,
            (0, false) => {
                if terse {
                    68
                } else {
                    86
                }
            }
            (_, true) => 78,
            (1, false) => 48,
            (_, false) => 26,
        };
        if dice.percent(greets) {
            let rule = if group && !post.formal { "hi.group".to_owned() } else { format!("hi.{manner}") };
            let mut own = if dice.percent(85) { habit(&rule, dice.below(3)) } else { dice.fork(3) };
            text.push_str(&speaker.say_again(&rule, &mut own));
            text.push_str(if group || number == 0 || dice.percent(60) { "\n\n" } else { "\n" });
        }
        text.push_str(&body);
        let closes = match (number, post.formal) {
            (0, true) => 97,
            (_, true) => 82,
            (0, false) => {
                if terse {
                    62
                } else {
                    86
                }
            }
            (_, false) => 46,
        };
        if dice.percent(closes) {
            let mut own = if dice.percent(85) { habit(manner, dice.below(3)) } else { dice.fork(4) };
            _ = write!(
                text,
                "\n\n{}\n{}",
                speaker.say_again(&format!("bye.{manner}"), &mut own),
                if post.formal { &person.name } else { person.first_name() }
            );
        } else if dice.percent(55) {
            _ = write!(
                text,
                "\n\n{}",
                if dice.percent(80) { person.first_name().to_owned() } else { person.first_name().chars().take(1).collect() }
            );
        }
        if let Some(signature) = &person.signature
            && (number == 0 || dice.percent(40))
        {
            _ = write!(text, "\n\n-- \n{signature}");
        }
        text
    }

    fn attachments(&self, post: &Post, speaker: &Speaker, subject: &str, date: &Zoned, dice: &mut Dice) -> Vec<mail::Attachment> {
        let fact = |name: &str| speaker.facts.get(name).cloned().unwrap_or_default();
        let stamp = jiff::fmt::strtime::format("%Y%m%d%H%M%S", date).unwrap_or_default();
        match post.topic {
            "invoice" if dice.percent(45) => {
                let lines = vec![
                    fact("vendor"),
                    format!("No. {}", fact("num")),
                    jiff::fmt::strtime::format("%d.%m.%Y", date).unwrap_or_default(),
                    String::new(),
                    format!("{} x {}", fact("count"), fact("project")),
                    fact("amount"),
                    String::new(),
                    self.company.clone(),
                ];
                vec![attach::pdf(&format!("{}.pdf", fact("num")), subject, &lines, &stamp)]
            }
            "contract" | "client" if dice.percent(22) => {
                let lines = vec![fact("client"), self.company.clone(), fact("amount"), format!("{}: {}", fact("project"), fact("num"))];
                vec![attach::pdf(&format!("{}_{}.pdf", fact("project").replace(' ', "_"), fact("year")), subject, &lines, &stamp)]
            }
            "report" | "budget" if dice.percent(35) => {
                let labels: Vec<&str> = self.partners.iter().map(String::as_str).collect();
                vec![attach::csv(
                    &format!("{}_{}.csv", fact("project").replace(' ', "_"), fact("month")),
                    &["", "A", "B", "C"],
                    &labels,
                    9,
                    dice,
                )]
            }
            _ => Vec::new(),
        }
    }

    fn trace(&self, index: usize, person: &Person, client: Client, date: &Zoned, dice: &mut Dice) -> Trace {
        let local = matches!(client, Client::Roundcube | Client::System);
        let site = self.host.split_once('.').map_or("lan", |(_, d)| d);
        let login = person.local_part().to_owned();
        let (peer, peer_name) = if local {
            ("127.0.0.1".to_owned(), "localhost".to_owned())
        } else {
            let [a, b, c, _] = self.ip.unwrap_or(Ipv4Addr::new(192, 168, 10, 5)).octets();
            let last = 100 + (index * 7 + usize::from(c)) % 140;
            (format!("{a}.{b}.{c}.{last}"), format!("pc-{}.{site}", login.split(['.', '_']).next().unwrap_or("pc")))
        };
        let taken = date
            .with_time_zone(self.zone.clone())
            .saturating_add(jiff::Span::new().milliseconds(i64::try_from(dice.between(80, 1900)).unwrap_or(500)));
        Trace { host: self.host.clone(), peer, peer_name, login: Some(login), queue: mail::queue_id(dice), taken }
    }
}

/// The program a person uses, the same for ever.
pub fn client_of(person: &Person) -> Client {
    let mut dice = Dice::of(person.email.to_lowercase().as_bytes(), &["client"]);
    match dice.below(100) {
        0..8 if person.tone == Tone::Technical => Client::Mutt,
        0..44 => Client::Outlook,
        44..76 => Client::Thunderbird,
        76..88 => Client::Apple,
        _ => Client::Roundcube,
    }
}

fn quote(previous: &Mail, client: Client, code: &str, now: &Zoned) -> Quoted {
    let at = previous.date.with_time_zone(now.time_zone().clone());
    let body = previous.body();
    let text = body.trim_end().to_owned();
    if client == Client::Outlook {
        let who = format!("{} <{}>", previous.from.name, previous.from.email);
        let to = previous.to.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join("; ");
        return Quoted { head: words::quote_block(code, &at, &who, &to, &previous.subject), text, marked: false };
    }
    // A signature is not quoted.
    let text = text.split("\n-- \n").next().unwrap_or(&text).trim_end().to_owned();
    Quoted { head: words::quote_line(code, &at, &previous.from.name), text, marked: true }
}

/// The habit of those who let a model write.
fn dash(text: &mut String) {
    let mut out = String::with_capacity(text.len() + 8);
    let mut done = 0;
    for (n, part) in text.split(", ").enumerate() {
        if n > 0 {
            let here = n % 2 == 1 && done < 2;
            done += usize::from(here);
            out.push_str(if here { " \u{2014} " } else { ", " });
        }
        out.push_str(part);
    }
    *text = out;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::{Brief, generate};

    fn office(language: &str, people: usize) -> Office {
        let brief = Brief { company: None, domain: None, language: language.into(), timezone: "Europe/Madrid".into(), people };
        let made = generate(b"office", &brief);
        Office::new(
            b"office",
            &made.name,
            &format!("mail.{}", made.domain),
            Some(Ipv4Addr::new(10, 3, 1, 9)),
            language,
            "Europe/Madrid",
            made.people,
        )
    }

    const TO: Micros = Micros(1_795_000_000_000_000);
    const WEEK: i64 = 7 * 86_400 * 1_000_000;

    #[test]
    fn who_asks_in_pieces_gets_the_same_mail() {
        let office = office("en", 9);
        let whole = office.between(Micros(TO.0 - 2 * WEEK), TO, 0);
        let mut parts = office.between(Micros(TO.0 - 2 * WEEK), Micros(TO.0 - WEEK), 0);
        parts.extend(office.between(Micros(TO.0 - WEEK), TO, 0));
        assert!(whole.len() > 60, "{}", whole.len());
        assert_eq!(whole, parts);
    }

    #[test]
    fn threads_hang_together() {
        for language in ["en", "es", "de", "fr", "pt"] {
            let office = office(language, 14);
            let mut longest = 0;
            for day in 20_700..20_740 {
                for post in office.threads(day) {
                    let mails = office.write(&post);
                    assert_eq!(mails.len(), post.turns.len());
                    longest = longest.max(mails.len());
                    for (n, mail) in mails.iter().enumerate() {
                        assert_eq!(mail.references.len(), n);
                        assert_eq!(mail.in_reply_to.as_deref(), mail.references.last().map(String::as_str));
                        assert_eq!(
                            mail.references.iter().collect::<Vec<_>>(),
                            mails[..n].iter().map(|m| &m.message_id).collect::<Vec<_>>()
                        );
                        assert!(n == 0 || mail.date > mails[n - 1].date);
                        assert!(n == 0 || mail.subject.starts_with("Re: ") && !mail.subject[4..].starts_with("Re:"));
                        assert!(!mail.to.is_empty() && mail.recipients().all(|r| r.email != mail.from.email), "{mail:?}");
                        assert!(
                            mail.from.email.ends_with(mail.message_id.trim_end_matches('>').rsplit('@').next().unwrap())
                                || mail.client == Client::Mutt
                        );
                        if let Some(quoted) = &mail.quoted {
                            let own = mails[n - 1]
                                .text
                                .split("\n-- \n")
                                .next()
                                .unwrap()
                                .split("\n\n")
                                .find(|p| p.len() > 20)
                                .unwrap_or_default()
                                .lines()
                                .next()
                                .unwrap_or_default();
                            assert!(quoted.text.contains(own), "{}\nlacks\n{own}", quoted.text);
                        }
                    }
                }
            }
            assert!(longest >= 4);
        }
    }

    #[test]
    fn every_mail_is_a_mail() {
        for language in ["en", "es", "de", "fr", "pt"] {
            for mail in office(language, 12).between(Micros(TO.0 - WEEK), TO, 0) {
                let raw = mail.raw();
                let text = String::from_utf8(raw).unwrap();
                assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "bare line end");
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                assert!(head.is_ascii() && !body.trim().is_empty());
                for line in text.split("\r\n") {
                    assert!(line.len() <= 998);
                }
                for name in ["From", "To", "Subject", "Date", "MIME-Version"] {
                    let count = head.split("\r\n").filter(|l| l.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name))).count();
                    assert_eq!(count, 1, "{name} in {head}");
                }
                assert!(!text.contains('{') || text.contains("MsoNormal"), "{text}");
            }
        }
    }

    #[test]
    fn a_bait_is_told_once_and_whole() {
        let office = office("de", 6);
        let people = office.people().to_vec();
        let bait = Bait {
            host: "files02".into(),
            login: "deploy".into(),
            secret: "Winter-77".into(),
            day: 20_700,
            from: people[0].email.clone(),
            to: people[1].email.clone(),
        };
        let office = office.with_baits(vec![bait]);
        let posts: Vec<Post> = office.threads(20_700).into_iter().filter(|p| p.topic == "bait").collect();
        let [post] = &posts[..] else { panic!("{posts:?}") };
        let text = office.write(post)[0].text.clone();
        assert!(text.contains("files02") && text.contains("deploy") && text.contains("Winter-77"), "{text}");
    }

    #[test]
    fn too_few_people_write_nothing() {
        assert!(office("en", 1).threads(20_700).is_empty());
        assert!(Office::new(b"", "", "", None, "", "", Vec::new()).between(Micros(0), Micros(1 << 50), 0).is_empty());
    }
}
