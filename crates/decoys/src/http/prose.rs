//! What a small company says about itself. Every sentence is put together from many small parts and from facts of
//! this one company, so that no two sites share a sentence.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// Facts that the sentences of one site agree on.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) company: String,
    pub(super) year: u32,
    pub(super) staff: u32,
    pub(super) sites: u32,
    pub(super) town: String,
}

/// Draws one of a list.
fn one<'a>(rng: &mut ChaCha12Rng, list: &[&'a str]) -> &'a str {
    list.get(rng.random_range(0..list.len().max(1))).copied().unwrap_or_default()
}

const CUSTOMERS: &[&str] = &[
    "builders",
    "hospitals",
    "town councils",
    "food producers",
    "machine makers",
    "wholesalers",
    "schools",
    "shipping agents",
    "farm cooperatives",
    "printing works",
    "breweries",
    "dental practices",
    "housing associations",
    "carpenters",
    "filling stations",
    "garden centres",
    "wineries",
    "car dealers",
    "theatres",
    "laboratories",
];
const KINDS: &[&str] = &[
    "small",
    "family-run",
    "public",
    "long-standing",
    "growing",
    "demanding",
    "seasonal",
    "neighbouring",
    "export-minded",
    "independent",
    "specialised",
    "mid-sized",
];
const WORKS: &[&str] = &[
    "equip",
    "advise",
    "supply",
    "insure",
    "support",
    "look after",
    "deliver to",
    "plan for",
    "keep stock for",
    "do the paperwork for",
    "train the people of",
    "maintain the plant of",
];
const SUBJECTS: &[&str] = &[
    "spare parts",
    "cold storage",
    "heating systems",
    "customs papers",
    "pumps and valves",
    "office furniture",
    "packaging",
    "access control",
    "roof work",
    "fleet service",
    "labels",
    "laboratory glass",
    "lifting gear",
    "payroll",
    "cable runs",
    "signage",
    "water treatment",
    "time recording",
    "pallets",
    "air ducts",
    "archive boxes",
    "scaffolding",
    "measuring devices",
    "waste paper",
];
const QUALITIES: &[&str] = &[
    "without detours",
    "at a price that stands",
    "with one person to talk to",
    "from a single source",
    "even at short notice",
    "down to the last screw",
    "with papers in order",
    "as agreed and no later",
    "with an eye on cost",
    "in plain language",
    "also at the weekend",
    "from the first sketch to the last invoice",
];
const PEOPLE: &[&str] = &[
    "fitters",
    "drivers",
    "planners",
    "clerks",
    "engineers",
    "apprentices",
    "storekeepers",
    "buyers",
    "designers",
    "foremen",
    "welders",
    "accountants",
];
const MONTHS: &[&str] =
    &["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];

/// Where it all began, with the year.
pub(super) fn origin(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let place = one(
        rng,
        &[
            "a back yard",
            "a rented barn",
            "two rooms above a bakery",
            "a disused mill",
            "a garage",
            "the founder's kitchen",
            "a cellar",
            "an old tram depot",
        ],
    );
    let by = one(
        rng,
        &[
            "two brothers",
            "a master fitter",
            "a couple of friends",
            "a trained merchant",
            "three colleagues",
            "a widow with five lathes",
            "a returning emigrant",
            "a surveyor",
        ],
    );
    let what = one(rng, SUBJECTS);
    match rng.random_range(0..4) {
        0 => format!("{} was started in {} by {by} in {place} in {}, with {what} and little else.", f.company, f.year, f.town),
        1 => format!("In {} {by} began to deal in {what}; {place} in {} was all that {} had then.", f.year, f.town, f.company),
        2 => format!("{place} in {}, {by} and an order for {what}: that was {} in {}.", f.town, f.company, f.year).replacen(
            place,
            &capital(place),
            1,
        ),
        _ => format!("The books of {} begin in {}, when {by} moved into {place} near {} to sell {what}.", f.company, f.year, f.town),
    }
}

/// What it is today, with numbers.
pub(super) fn today(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let (a, b) = (one(rng, PEOPLE), one(rng, PEOPLE));
    let (kind, customers) = (one(rng, KINDS), one(rng, CUSTOMERS));
    match rng.random_range(0..4) {
        0 => format!("Today {} people work at {} sites, most of them {a}, and {kind} {customers} rely on them.", f.staff, f.sites),
        1 => format!("{} has {} on the payroll at {} addresses, from {a} to {b}.", f.company, f.staff, f.sites),
        2 => format!(
            "With {} colleagues at {} locations we {} {kind} {customers} {}.",
            f.staff,
            f.sites,
            one(rng, WORKS),
            one(rng, QUALITIES)
        ),
        _ => format!(
            "Of our {} colleagues every {} is trained in the house; {a} and {b} are always wanted at all {} sites.",
            f.staff,
            one(rng, &["fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]),
            f.sites
        ),
    }
}

/// What it promises.
pub(super) fn promise(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let (work, kind, customers, subject, quality) =
        (one(rng, WORKS), one(rng, KINDS), one(rng, CUSTOMERS), one(rng, SUBJECTS), one(rng, QUALITIES));
    let days = rng.random_range(2..29);
    match rng.random_range(0..5) {
        0 => format!("We {work} {kind} {customers} between {} and the border when it comes to {subject}, {quality}.", f.town),
        1 => format!(
            "Whoever orders {subject} before {} o'clock on a {} has an answer {quality} within {days} hours.",
            rng.random_range(8..17),
            one(rng, WEEKDAYS)
        ),
        2 => {
            format!("{} {customers} out of ten come back for {subject}, {quality}.", capital(one(rng, &["six", "seven", "eight", "nine"])))
        }
        3 => format!("Our {} handle {subject} for {kind} {customers} around {} {quality}.", one(rng, PEOPLE), f.town),
        _ => format!(
            "For {subject} we keep {} items in stock, so that {kind} {customers} wait {days} days at most.",
            rng.random_range(3..98) * 50
        ),
    }
}

/// A line of the price list without prices.
pub(super) fn offer(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let subject = capital(one(rng, SUBJECTS));
    let (kind, customers, quality) = (one(rng, KINDS), one(rng, CUSTOMERS), one(rng, QUALITIES));
    match rng.random_range(0..4) {
        0 => format!("{subject}: for {kind} {customers}, {quality}, from {} pieces.", rng.random_range(1..40) * 5),
        1 => format!("{subject}: contracts of {} to {} months, {quality}.", rng.random_range(1..12), rng.random_range(13..72)),
        2 => format!("{subject}: on site within {} kilometres of {}, {quality}.", rng.random_range(3..40) * 5, f.town),
        _ => format!("{subject}: {} of our {} do nothing else for {kind} {customers}.", rng.random_range(2..30), one(rng, PEOPLE)),
    }
}

/// Who owns it.
pub(super) fn owners(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let year = f.year + rng.random_range(12..40);
    let share = rng.random_range(51..99);
    match rng.random_range(0..4) {
        0 => format!(
            "{} per cent of {} still belong to the family; the rest is held by {} since {year}.",
            share,
            f.company,
            one(rng, PEOPLE)
        ),
        1 => format!(
            "Since {year} {} has been run by the {} generation, with {share} per cent in their hands.",
            f.company,
            one(rng, &["second", "third", "fourth"])
        ),
        2 => format!("In {year} the {} bought {} out, and {share} per cent is theirs to this day.", one(rng, PEOPLE), f.company),
        _ => format!(
            "{} joined a group of {} houses in {year} and kept its name, its seat in {} and its {}.",
            f.company,
            rng.random_range(3..19),
            f.town,
            one(rng, PEOPLE)
        ),
    }
}

/// A notice on the front page.
pub(super) fn news(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let date = format!("{} {}", rng.random_range(1..28), one(rng, MONTHS));
    let head = one(rng, &["News", "Notice", "Please note", "In brief", "Current"]);
    let (subject, people) = (one(rng, SUBJECTS), one(rng, PEOPLE));
    match rng.random_range(0..5) {
        0 => format!("{head}: the counter for {subject} in {} stays shut until {date}.", f.town),
        1 => format!("{head}: from {date} deliveries of {subject} go to gate {}.", rng.random_range(1..9)),
        2 => format!("{head}: we take on {} {people} in {}, first day of work {date}.", rng.random_range(2..9), f.town),
        3 => format!("{head}: new forms for {subject} apply from {date}; the old ones are good for {} weeks.", rng.random_range(2..12)),
        _ => format!("{head}: meet our {people} at stand {} on {date} and ask about {subject}.", rng.random_range(11..480)),
    }
}

/// A greeting with the name in it.
pub(super) fn welcome(rng: &mut ChaCha12Rng, f: &Facts) -> String {
    let start = one(rng, &["Welcome to", "You have reached", "Good to see you at", "This is", "Thank you for calling on"]);
    format!("{start} {} in {}, {} for {} {}.", f.company, f.town, one(rng, SUBJECTS), one(rng, KINDS), one(rng, CUSTOMERS))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
