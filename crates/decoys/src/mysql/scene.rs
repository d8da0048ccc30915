//! What this server holds: its identity, accounts and the tables of a small company's application.

use model::Micros;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::message::{Col, kind};
use crate::Visit;

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// `int(11)`, `varchar(64)`, `datetime`, …
    pub(super) of: String,
    pub(super) nullable: bool,
    pub(super) primary: bool,
    pub(super) unique: bool,
    pub(super) auto: bool,
    pub(super) default: Option<String>,
}

impl Column {
    /// How it looks in a result.
    pub(super) fn shown(&self, db: &str, alias: &str, table: &str) -> Col {
        let base = self.of.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase();
        let size: Option<u32> = self.of.split_once('(').and_then(|(_, r)| r.split([')', ',']).next()).and_then(|n| n.parse().ok());
        let (code, len, text) = match base.as_str() {
            "tinyint" => (1, 4, false),
            "smallint" => (2, 6, false),
            "int" | "integer" | "mediumint" => (kind::LONG, 11, false),
            "bigint" => (kind::LONGLONG, 20, false),
            "float" => (4, 12, false),
            "double" => (kind::DOUBLE, 22, false),
            "decimal" => (kind::DECIMAL, size.unwrap_or(10) + 2, false),
            "datetime" => (kind::DATETIME, 19, false),
            "timestamp" => (7, 19, false),
            "date" => (10, 10, false),
            "char" => (254, size.unwrap_or(1), true),
            "blob" | "longblob" | "mediumblob" => (kind::BLOB, 65_535, false),
            "text" | "longtext" | "mediumtext" => (kind::BLOB, 16_383, true),
            _ => (kind::VARCHAR, size.unwrap_or(255), true),
        };
        let mut flags = u16::from(!self.nullable);
        flags |= if self.primary { 0x4002 } else { 0 } | if self.unique { 0x4004 } else { 0 } | if self.auto { 0x200 } else { 0 };
        flags |= if !self.nullable && self.default.is_none() && !self.auto { 0x1000 } else { 0 };
        flags |= match code {
            kind::DATETIME | 7 | 10 => 0x80,
            kind::BLOB if text => 0x10,
            kind::BLOB => 0x90,
            _ => 0,
        };
        Col {
            db: db.into(),
            table: alias.into(),
            org_table: table.into(),
            name: self.name.clone(),
            org_name: self.name.clone(),
            text,
            len,
            kind: code,
            flags,
            decimals: if base == "decimal" { 2 } else { 0 },
        }
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<Vec<u8>>>>,
    pub(super) next: u64,
    /// Microseconds since the epoch.
    pub(super) created: i64,
}

impl Table {
    pub(super) fn weight(&self) -> usize {
        self.rows.iter().flatten().flatten().map(|c| c.len() + 24).sum::<usize>() + self.columns.len() * 64
    }
}

/// Databases by name.
pub(super) type Databases = BTreeMap<String, BTreeMap<String, Table>>;

/// The version as the server prints it, and as it stands in the greeting: MariaDB 10 puts `5.5.5-` before it there, so
/// that replicas of MySQL take it for one they know; neither 5.5 nor 11 does.
pub(super) fn version(visit: &Visit) -> (String, String) {
    let software = visit.persona.service(visit.service).map(|s| s.software.clone());
    let version = visit.knob("version").filter(|v| !v.is_empty()).map(str::to_owned).unwrap_or_else(|| match software {
        Some(s) if !s.package.is_empty() => format!("{}-{}", s.version, s.package),
        Some(s) if !s.version.is_empty() => s.version,
        _ => "10.11.6-MariaDB-0+deb12u1".into(),
    });
    let greeting = if version.contains("MariaDB") && version.starts_with("10.") { format!("5.5.5-{version}") } else { version.clone() };
    (version, greeting)
}

/// Name of the application's database.
pub(super) fn application(visit: &Visit) -> &'static str {
    let mut rng = visit.derived_rng("mysql/name");
    pick(&mut rng, &["portal", "crm", "webshop", "erp", "tracking", "intranet", "billing", "helpdesk", "inventory"])
}

fn pick<'a>(rng: &mut ChaCha12Rng, list: &[&'a str]) -> &'a str {
    list.get(rng.random_range(0..list.len().max(1))).copied().unwrap_or_default()
}

/// `2026-11-23 22:30:54`.
pub(super) fn stamp(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at.0).map(|t| t.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

fn column(name: &str, of: &str, nullable: bool) -> Column {
    Column { name: name.into(), of: of.into(), nullable, ..Column::default() }
}

fn id() -> Column {
    Column { primary: true, auto: true, ..column("id", "int(11)", false) }
}

/// The databases as they are before the visitor changes anything.
pub(super) fn databases(visit: &Visit) -> Databases {
    let mut rng = visit.derived_rng("mysql/data");
    let persona = &visit.persona;
    let (begin, end) = (persona.installed.0, persona.booted.0.max(persona.installed.0 + 86_400_000_000));
    let at = |rng: &mut ChaCha12Rng| stamp(Micros(rng.random_range(begin..end)));
    let cell = |s: String| Some(s.into_bytes());
    const FIRST: [&str; 18] = [
        "Maria", "James", "Elena", "Tom", "Sofia", "Peter", "Anna", "Lucas", "Ines", "David", "Nora", "Karl", "Olga", "Hugo", "Lena",
        "Marc", "Julia", "Ivan",
    ];
    const LAST: [&str; 18] = [
        "Keller", "Ramos", "Novak", "Berg", "Lind", "Costa", "Meyer", "Fraser", "Dubois", "Conti", "Hale", "Ortiz", "Weber", "Silva",
        "Moreau", "Jansen", "Rossi", "Kovacs",
    ];
    const CITIES: [&str; 12] =
        ["Madrid", "Lyon", "Rotterdam", "Hamburg", "Porto", "Leeds", "Milan", "Ghent", "Graz", "Malmo", "Cork", "Gdansk"];
    const TRADES: [&str; 12] = [
        "Logistics",
        "Foods",
        "Textiles",
        "Machinery",
        "Trading",
        "Pharma",
        "Metals",
        "Packaging",
        "Optics",
        "Furniture",
        "Marine",
        "Energy",
    ];
    let mail = persona.domain.split_once('.').filter(|(_, r)| r.contains('.')).map_or(persona.domain.clone(), |(_, r)| r.to_owned());
    let mut tables = BTreeMap::new();
    let table = |columns: Vec<Column>, rows: Vec<Vec<Option<Vec<u8>>>>| Table {
        next: rows.len() as u64 + 1,
        columns,
        rows,
        created: begin + 7_200_000_000,
    };

    let people = rng.random_range(6..15);
    let mut users = Vec::new();
    for n in 1..=people {
        let (first, last) = (pick(&mut rng, &FIRST), pick(&mut rng, &LAST));
        let mut hash = [0u8; 53];
        rand::Rng::fill_bytes(&mut rng, &mut hash);
        let name = if n == 1 { "admin".to_owned() } else { format!("{}{}", first.get(..1).unwrap_or_default(), last).to_ascii_lowercase() };
        let encoded: String = hash
            .iter()
            .map(|b| {
                char::from(*b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".get(usize::from(b % 64)).unwrap_or(&b'a'))
            })
            .collect();
        users.push(vec![
            cell(n.to_string()),
            cell(name),
            cell(format!("{}.{}@{mail}", first.to_ascii_lowercase(), last.to_ascii_lowercase())),
            cell(format!("$2y$10${encoded}")),
            cell(if n == 1 { "admin" } else { pick(&mut rng, &["user", "user", "manager", "support"]) }.to_owned()),
            if rng.random_range(0..6) == 0 { None } else { cell(at(&mut rng)) },
            cell(at(&mut rng)),
        ]);
    }
    tables.insert(
        "users".to_owned(),
        table(
            vec![
                id(),
                Column { unique: true, ..column("username", "varchar(64)", false) },
                column("email", "varchar(128)", false),
                column("password", "varchar(255)", false),
                column("role", "varchar(16)", false),
                column("last_login", "datetime", true),
                column("created_at", "datetime", false),
            ],
            users,
        ),
    );
    let many = rng.random_range(18..60);
    let customers = (1..=many)
        .map(|n: u32| {
            let (first, last) = (pick(&mut rng, &FIRST), pick(&mut rng, &LAST));
            let company = format!("{last} {}", pick(&mut rng, &TRADES));
            let site = company.to_ascii_lowercase().replace(' ', "-");
            vec![
                cell(n.to_string()),
                cell(company),
                cell(format!("{first} {}", pick(&mut rng, &LAST))),
                cell(format!("{}@{site}.example", first.to_ascii_lowercase())),
                cell(format!("+{} {} {}", rng.random_range(31..49), rng.random_range(20..99), rng.random_range(100_000..999_999))),
                cell(pick(&mut rng, &CITIES).to_owned()),
                cell(at(&mut rng)),
            ]
        })
        .collect();
    tables.insert(
        "customers".to_owned(),
        table(
            vec![
                id(),
                column("company", "varchar(128)", false),
                column("contact", "varchar(96)", true),
                column("email", "varchar(128)", true),
                column("phone", "varchar(32)", true),
                column("city", "varchar(64)", true),
                column("created_at", "datetime", false),
            ],
            customers,
        ),
    );
    let orders = (1..=rng.random_range(60..160))
        .map(|n: u32| {
            vec![
                cell(n.to_string()),
                cell(rng.random_range(1..=many).to_string()),
                cell(format!("{}.{:02}", rng.random_range(20..9000), rng.random_range(0..100))),
                cell(pick(&mut rng, &["paid", "paid", "open", "shipped", "cancelled"]).to_owned()),
                cell(at(&mut rng)),
            ]
        })
        .collect();
    tables.insert(
        "orders".to_owned(),
        table(
            vec![
                id(),
                column("customer_id", "int(11)", false),
                column("total", "decimal(10,2)", false),
                column("status", "varchar(16)", false),
                column("created_at", "datetime", false),
            ],
            orders,
        ),
    );
    let mut secret = [0u8; 12];
    rand::Rng::fill_bytes(&mut rng, &mut secret);
    let settings = [
        ("site_name", persona.company.clone()),
        ("smtp_host", format!("smtp.{mail}")),
        ("smtp_user", format!("noreply@{mail}")),
        ("smtp_password", hex::encode(secret).get(..14).unwrap_or_default().to_owned()),
        ("version", format!("{}.{}.{}", rng.random_range(1..6), rng.random_range(0..20), rng.random_range(0..10))),
        ("maintenance", "0".into()),
    ];
    tables.insert(
        "settings".to_owned(),
        table(
            vec![Column { primary: true, ..column("name", "varchar(64)", false) }, column("value", "text", true)],
            settings.into_iter().map(|(k, v)| vec![cell(k.to_owned()), cell(v)]).collect(),
        ),
    );
    let mut all = Databases::new();
    all.insert(application(visit).to_owned(), tables);
    all
}
