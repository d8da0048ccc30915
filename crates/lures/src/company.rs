//! A coherent company from a seed: who works there, in which department, under whom, and with whom it deals.

use std::collections::HashSet;

use crate::{Dice, Latency, Person, Tone, grammar, names};

/// What the company is to be.
#[derive(Clone, Debug)]
pub struct Brief {
    /// `None`: drawn.
    pub company: Option<String>,
    pub domain: Option<String>,
    /// ISO 639-1 of most people.
    pub language: String,
    /// IANA name.
    pub timezone: String,
    /// How many people, at most [`crate::pool`]'s list may have.
    pub people: usize,
}

/// A company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    pub name: String,
    pub domain: String,
    pub people: Vec<Person>,
}

struct Department {
    /// Share of the people, in percent.
    share: usize,
    tone: Tone,
    /// By language as in [`grammar::LANGUAGES`]: name, head, others.
    words: [(&'static str, &'static str, &'static [&'static str]); 5],
}

static DEPARTMENTS: &[Department] = &[
    Department {
        share: 6,
        tone: Tone::Formal,
        words: [
            ("Geschäftsleitung", "Geschäftsführer", &["Assistenz der Geschäftsleitung"]),
            ("Management", "Managing Director", &["Executive Assistant"]),
            ("Dirección", "Director General", &["Asistente de Dirección"]),
            ("Direction", "Directeur Général", &["Assistante de direction"]),
            ("Direção", "Diretor-Geral", &["Assistente de Direção"]),
        ],
    },
    Department {
        share: 15,
        tone: Tone::Formal,
        words: [
            ("Buchhaltung", "Leitung Finanzen", &["Buchhaltung", "Debitoren", "Controlling"]),
            ("Finance", "Head of Finance", &["Accounts Payable", "Accountant", "Controller"]),
            ("Finanzas", "Directora Financiera", &["Contabilidad", "Cuentas a Pagar", "Controller"]),
            ("Comptabilité", "Responsable financier", &["Comptable", "Contrôleur de gestion", "Aide-comptable"]),
            ("Financeiro", "Diretor Financeiro", &["Contabilidade", "Contas a Pagar", "Controller"]),
        ],
    },
    Department {
        share: 27,
        tone: Tone::Casual,
        words: [
            ("Vertrieb", "Vertriebsleitung", &["Key Account", "Innendienst", "Außendienst"]),
            ("Sales", "Head of Sales", &["Account Manager", "Sales Support", "Key Account Manager"]),
            ("Ventas", "Jefe de Ventas", &["Comercial", "Atención al Cliente", "Key Account"]),
            ("Ventes", "Responsable commercial", &["Commerciale", "Assistant commercial", "Grands comptes"]),
            ("Vendas", "Diretor Comercial", &["Gestor de Clientes", "Apoio a Vendas", "Comercial"]),
        ],
    },
    Department {
        share: 26,
        tone: Tone::Direct,
        words: [
            ("Logistik", "Leitung Logistik", &["Disposition", "Einkauf", "Lager"]),
            ("Operations", "Operations Manager", &["Purchasing", "Planner", "Warehouse Lead"]),
            ("Operaciones", "Jefe de Operaciones", &["Compras", "Almacén", "Planificación"]),
            ("Logistique", "Responsable logistique", &["Acheteuse", "Magasinier", "Planification"]),
            ("Operações", "Diretor de Operações", &["Compras", "Armazém", "Planeamento"]),
        ],
    },
    Department {
        share: 14,
        tone: Tone::Technical,
        words: [
            ("IT", "Leitung IT", &["Systemadministration", "IT-Support"]),
            ("IT", "IT Manager", &["Systems Administrator", "IT Support"]),
            ("Sistemas", "Responsable de Sistemas", &["Administrador de Sistemas", "Soporte"]),
            ("Informatique", "Responsable informatique", &["Administrateur systèmes", "Support"]),
            ("Informática", "Responsável de IT", &["Administrador de Sistemas", "Suporte"]),
        ],
    },
    Department {
        share: 12,
        tone: Tone::Formal,
        words: [
            ("Personal", "Personalleitung", &["Personal", "Empfang"]),
            ("People", "HR Manager", &["HR Officer", "Office Manager"]),
            ("Personas", "Responsable de RRHH", &["Recursos Humanos", "Recepción"]),
            ("Ressources humaines", "Responsable RH", &["Chargée RH", "Accueil"]),
            ("Pessoas", "Responsável de RH", &["Recursos Humanos", "Receção"]),
        ],
    },
];

const HEADS: &[&str] = &[
    "Hal", "Brack", "Nor", "Ald", "Ves", "Mar", "Cor", "Tor", "Fen", "Lan", "Bel", "Rad", "Sten", "Wil", "Kest", "Dun", "Ost", "Pel",
    "Gran", "Tam", "Ver", "Sol", "Ark", "Mon", "Quin", "Ever", "Lind", "Car",
];
const TAILS: &[&str] = &[
    "vorsen", "well", "brook", "ston", "mere", "ridge", "wick", "berg", "field", "dale", "ford", "mont", "ley", "haven", "vik", "tor",
    "lund", "ren", "gate", "mark", "son", "bury",
];
const TRADES: &[&str] = &[
    "Logistics",
    "Foods",
    "Medical",
    "Engineering",
    "Textiles",
    "Freight",
    "Components",
    "Optics",
    "Energy",
    "Packaging",
    "Dental",
    "Motors",
    "Pharma",
    "Printing",
    "Ceramics",
    "Shipping",
    "Tools",
    "Systems",
];
const PROJECTS: &[&str] = &[
    "Atlas", "Nordwind", "Phoenix", "Helix", "Cobalt", "Delta", "Mistral", "Orion", "Tango", "Vega", "Lotus", "Jupiter", "Kappa", "Onyx",
    "Saturn", "Falcon", "Beta 2", "ERP", "CRM", "Intranet",
];

/// A company name without its legal form.
pub fn name(dice: &mut Dice) -> String {
    format!("{}{} {}", dice.word(HEADS), dice.word(TAILS), dice.word(TRADES))
}

/// Names of firms that the company deals with.
pub fn partners(seed: &[u8], count: usize) -> Vec<String> {
    let mut dice = Dice::of(seed, &["partners"]);
    let mut all = Vec::new();
    while all.len() < count {
        let mut one = name(&mut dice);
        if dice.percent(60) {
            one = one.split(' ').next().unwrap_or(&one).to_owned();
        }
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// Names of what the company works on.
pub fn projects(seed: &[u8], count: usize) -> Vec<String> {
    let mut dice = Dice::of(seed, &["projects"]);
    let mut all: Vec<String> = Vec::new();
    for _ in 0..200 {
        let one = dice.word(PROJECTS);
        if !all.iter().any(|p| p == one) {
            all.push(one.to_owned());
        }
        if all.len() >= count {
            break;
        }
    }
    all
}

/// The company of `seed`.
pub fn generate(seed: &[u8], brief: &Brief) -> Company {
    let mut dice = Dice::of(seed, &["company"]);
    let drawn = name(&mut dice);
    let company = brief.company.clone().unwrap_or(drawn);
    let domain = brief.domain.clone().unwrap_or_else(|| {
        let short: String = company.split(' ').next().unwrap_or("corp").chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{}.{}", short.to_lowercase(), dice.word(&["lan", "internal", "corp"]))
    });
    Company { people: people(seed, &domain, &company, brief, &[]), name: company, domain }
}

/// `brief.people` people, after those who are known already (their addresses are not given again).
pub fn people(seed: &[u8], domain: &str, company: &str, brief: &Brief, known: &[Person]) -> Vec<Person> {
    let mut dice = Dice::of(seed, &["people"]);
    let lang = grammar::LANGUAGES.iter().position(|l| l.code == grammar::language(&brief.language).code).unwrap_or(1);
    let code = grammar::LANGUAGES.get(lang).map_or("en", |l| l.code);
    let mut taken: HashSet<String> = known.iter().map(|p| p.email.to_lowercase()).collect();
    let style = dice.below(3);
    let mut all = known.to_vec();
    let start = all.len();
    let mut heads: Vec<Option<String>> = vec![None; DEPARTMENTS.len()];
    let early = dice.percent(40);
    for n in start..brief.people.max(start) {
        // The first of each department lead it; then by share.
        let department = if n - start < DEPARTMENTS.len() { n - start } else { drawn(&mut dice) };
        let Some(d) = DEPARTMENTS.get(department) else { continue };
        let Some((dept, head, others)) = d.words.get(lang).copied() else { continue };
        let (name, email) = loop {
            let name = names::full(code, &mut dice);
            let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
            let (f, l) = (names::plain(code, first), names::plain(code, last.split(' ').next().unwrap_or(last)));
            let local = match style {
                0 => format!("{f}.{l}"),
                1 => format!("{}{l}", f.chars().take(1).collect::<String>()),
                _ => format!("{f}{}", l.chars().take(1).collect::<String>()),
            };
            let mut email = format!("{local}@{domain}");
            let mut more = 2;
            while taken.contains(&email) && more < 100_000 {
                email = format!("{local}{more}@{domain}");
                more += 1;
            }
            if taken.insert(email.clone()) {
                break (name, email);
            }
        };
        let leads = heads.get(department).is_some_and(Option::is_none);
        let role = if leads { head } else { dice.word(others) };
        let start_hour = if early { 8 } else { 9 } * 60 + dice.below(4) * 15;
        let length = 8 * 60 + 30 + dice.below(4) * 15;
        let clock = |m: u64| format!("{:02}:{:02}", m / 60, m % 60);
        let manager =
            if leads { heads.first().cloned().flatten().filter(|_| department > 0) } else { heads.get(department).cloned().flatten() };
        if leads && let Some(slot) = heads.get_mut(department) {
            *slot = Some(email.clone());
        }
        let signature = dice.percent(72).then(|| {
            let phone =
                format!("{} {}", ["Tel.", "T", "Ext.", "Phone"].get(dice.index(4)).copied().unwrap_or("Tel."), dice.between(101, 489));
            match dice.below(3) {
                0 => format!("{name}\n{role}\n{company}"),
                1 => format!("{name} | {role}\n{company} | {phone}"),
                _ => format!("{name}\n{role}, {company}\n{phone}"),
            }
        });
        all.push(Person {
            tone: if dice.percent(60) {
                d.tone
            } else {
                [Tone::Formal, Tone::Direct, Tone::Casual].get(dice.index(3)).copied().unwrap_or_default()
            },
            tone_custom: None,
            mannerisms: Vec::new(),
            language: Some(code.to_owned()),
            signature,
            active_hours: format!("{}-{}", clock(start_hour), clock(start_hour + length)),
            reply_latency: [Latency::Fast, Latency::Normal, Latency::Normal, Latency::Slow].get(dice.index(4)).copied().unwrap_or_default(),
            uses_llms_heavily: dice.percent(6),
            timezone: Some(brief.timezone.clone()),
            contacts: Vec::new(),
            manager,
            department: Some(dept.to_owned()),
            role: role.to_owned(),
            name,
            email,
        });
    }
    all
}

fn drawn(dice: &mut Dice) -> usize {
    let total: usize = DEPARTMENTS.iter().map(|d| d.share).sum();
    let mut left = dice.index(total);
    DEPARTMENTS
        .iter()
        .position(|d| {
            let here = left < d.share;
            left = left.saturating_sub(d.share);
            here
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(language: &str, people: usize) -> Brief {
        Brief { company: None, domain: None, language: language.into(), timezone: "Europe/Berlin".into(), people }
    }

    #[test]
    fn every_generated_company_passes_its_own_check() {
        for language in ["de", "en", "es", "fr", "pt"] {
            let company = generate(b"seed", &brief(language, 60));
            let json = serde_json::to_string(&company.people).unwrap();
            let read = crate::parse(&json).unwrap_or_else(|p| panic!("{p:?}"));
            assert_eq!(read, company.people);
            assert_eq!(company, generate(b"seed", &brief(language, 60)));
            assert!(company.people.iter().skip(1).all(|p| p.manager.is_some()));
            assert!(company.people.first().unwrap().manager.is_none());
        }
        assert_ne!(generate(b"a", &brief("en", 9)), generate(b"b", &brief("en", 9)));
    }

    #[test]
    fn ten_thousand_people_are_made_and_read_in_good_time() {
        let company = generate(b"large", &brief("es", 10_000));
        let json = serde_json::to_string(&company.people).unwrap();
        assert_eq!(crate::parse(&json).unwrap().len(), 10_000);
    }
}
