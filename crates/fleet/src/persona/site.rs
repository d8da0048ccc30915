//! The organisation all deckies of a deployment belong to: one name, one domain, one way of naming hosts.

use super::dice::Dice;

/// What the machines of one deployment have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `Halvorsen Freight Ltd`.
    pub company: String,
    /// `halvorsen.lan`.
    pub domain: String,
    /// IANA time zone.
    pub timezone: &'static str,
    /// The first word of the company, as people put it in passwords.
    pub short: String,
    pub(super) land: &'static Land,
    pub(super) style: Style,
}

/// A country: where the site stands and how its people are called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Land {
    zones: &'static [&'static str],
    forms: &'static [&'static str],
    pub(super) cities: &'static [&'static str],
    pub(super) first: &'static [&'static str],
    pub(super) last: &'static [&'static str],
}

/// How this site names its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Put between role and number.
    pub(super) dash: bool,
    /// Digits of the number.
    pub(super) digits: usize,
    /// A site code put before the role: `mad-web01`.
    pub(super) code: Option<[u8; 3]>,
}

static LANDS: &[Land] = &[
    Land {
        zones: &["Europe/Madrid"],
        forms: &["S.L.", "S.A."],
        cities: &["Madrid", "Valencia", "Bilbao", "Sevilla"],
        first: &["maria", "carlos", "lucia", "javier", "elena", "pablo", "marta", "sergio", "raquel", "alvaro", "ines", "diego"],
        last: &["garcia", "romero", "navarro", "ortega", "vidal", "serrano", "molina", "castro", "rubio", "herrera"],
    },
    Land {
        zones: &["Europe/Berlin"],
        forms: &["GmbH", "AG"],
        cities: &["Hamburg", "Leipzig", "Bremen", "Kassel"],
        first: &["anna", "lukas", "katrin", "stefan", "julia", "tobias", "sabine", "markus", "heike", "florian", "nina", "jens"],
        last: &["schneider", "weber", "hoffmann", "krueger", "vogel", "brandt", "lorenz", "seidel", "arnold", "winkler"],
    },
    Land {
        zones: &["Europe/London"],
        forms: &["Ltd", "plc"],
        cities: &["London", "Leeds", "Bristol", "Derby"],
        first: &["james", "emma", "oliver", "sophie", "daniel", "hannah", "george", "lucy", "adam", "rachel", "simon", "claire"],
        last: &["hughes", "barker", "mitchell", "foster", "palmer", "webb", "chapman", "harding", "doyle", "pearce"],
    },
    Land {
        zones: &["America/New_York", "America/Chicago", "America/Denver"],
        forms: &["Inc.", "LLC", "Corp."],
        cities: &["Boston", "Denver", "Dayton", "Tampa"],
        first: &["mike", "jennifer", "david", "ashley", "kevin", "laura", "brian", "megan", "jason", "amy", "eric", "karen"],
        last: &["miller", "sanders", "coleman", "price", "bennett", "russell", "griffin", "hayes", "myers", "ford"],
    },
    Land {
        zones: &["Europe/Paris"],
        forms: &["SAS", "SARL"],
        cities: &["Paris", "Lyon", "Nantes", "Lille"],
        first: &["julien", "camille", "thomas", "claire", "nicolas", "sandrine", "mathieu", "aurelie", "pierre", "manon", "luc", "elise"],
        last: &["moreau", "girard", "lambert", "fontaine", "rousseau", "mercier", "blanchard", "gauthier", "perrin", "leroux"],
    },
    Land {
        zones: &["Europe/Amsterdam"],
        forms: &["B.V."],
        cities: &["Utrecht", "Rotterdam", "Zwolle", "Breda"],
        first: &["jeroen", "sanne", "pieter", "marloes", "bas", "lotte", "wouter", "femke", "niels", "ilse", "koen", "anouk"],
        last: &["dejong", "bakker", "visser", "mulder", "bos", "dekker", "kuiper", "postma", "smit", "hendriks"],
    },
    Land {
        zones: &["Europe/Warsaw"],
        forms: &["Sp. z o.o.", "S.A."],
        cities: &["Krakow", "Poznan", "Gdansk", "Lodz"],
        first: &["tomasz", "agnieszka", "pawel", "katarzyna", "marcin", "monika", "piotr", "ewa", "rafal", "joanna", "kamil", "beata"],
        last: &["nowak", "wisniewski", "zielinski", "mazur", "krawczyk", "pawlak", "michalski", "adamczyk", "sikora", "duda"],
    },
];

const HEADS: &[&str] = &[
    "Hal", "Brack", "Nor", "Ald", "Ves", "Mar", "Cor", "Tor", "Fen", "Lan", "Bel", "Rad", "Sten", "Wil", "Kest", "Dun", "Ost", "Pel",
    "Gran", "Tam", "Ver", "Sol", "Ark", "Mon",
];
const TAILS: &[&str] = &[
    "vorsen", "well", "brook", "ston", "mere", "ridge", "wick", "berg", "field", "dale", "ford", "mont", "ley", "haven", "vik", "tor",
    "lund", "ren", "gate", "mark",
];
const TRADES: &[&str] = &[
    "Logistics",
    "Foods",
    "Medical",
    "Engineering",
    "Insurance",
    "Textiles",
    "Freight",
    "Components",
    "Optics",
    "Energy",
    "Packaging",
    "Dental",
    "Motors",
    "Pharma",
    "Consulting",
    "Printing",
    "Ceramics",
    "Shipping",
];
/// Names that nobody can register on the Internet, as inner networks have them.
const ZONES: &[&str] = &["lan", "local", "internal", "intra", "corp"];

impl Site {
    /// The site of the deployment whose secret is `secret`.
    pub fn of(secret: &[u8; 32]) -> Self {
        let mut dice = Dice::of(secret, "fleet/site");
        let land = dice.pick(LANDS);
        let short = format!("{}{}", dice.pick(HEADS), dice.pick(TAILS));
        let company = format!("{short} {} {}", dice.pick(TRADES), dice.pick(land.forms));
        let zone = dice.pick(ZONES);
        let domain = match dice.below(3) {
            0 => format!("corp.{}.{zone}", short.to_lowercase()),
            _ => format!("{}.{zone}", short.to_lowercase()),
        };
        let city = dice.pick(land.cities).to_lowercase();
        let code = city.as_bytes().first_chunk::<3>().copied().filter(|_| dice.percent(30));
        let dash = dice.percent(40);
        let style = Style { dash, digits: if dice.percent(75) { 2 } else { 1 }, code };
        let timezone = dice.pick(land.zones);
        Self { company, domain, timezone, short, land, style }
    }

    /// The `number`th host of a role, counted from 1.
    pub(super) fn hostname(&self, role: &str, number: u64) -> String {
        let mut name = String::new();
        if let Some(code) = self.style.code {
            name.extend(code.iter().map(|b| char::from(*b)));
            name.push('-');
        }
        name.push_str(role);
        if self.style.dash || role.contains('-') {
            name.push('-');
        }
        name.push_str(&format!("{number:0width$}", width = self.style.digits));
        name
    }
}
