//! What stands on this server: product and version, and a site no other decky has.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use model::Micros;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, OnceLock},
};

use super::{
    dialogue::Conn,
    message::{Answer, civil, escaped},
    prose::{self, Facts},
};
use crate::Visit;

/// Which product's manners the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Apache,
    Nginx,
}

/// A file of the site.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    pub(super) kind: String,
    pub(super) modified: Micros,
    pub(super) zippable: bool,
    /// Compressed once somebody asked for it.
    zipped: OnceLock<Bytes>,
}

impl File {
    /// Its entity tag in the product's form.
    pub(super) fn tag(&self, product: Product) -> String {
        match product {
            Product::Apache => format!("\"{:x}-{:x}\"", self.bytes.len(), self.modified.0),
            Product::Nginx => format!("\"{:x}-{:x}\"", self.modified.seconds(), self.bytes.len()),
        }
    }

    /// The bytes as the product compresses them.
    pub(super) fn zipped(&self, product: Product) -> Bytes {
        self.zipped.get_or_init(|| self.zip(product)).clone()
    }

    fn zip(&self, product: Product) -> Bytes {
        let (level, hint) = if product == Product::Apache { (6, 0) } else { (1, 4) };
        let mut zip = GzEncoder::new(Vec::new(), Compression::new(level));
        let _ = zip.write_all(&self.bytes);
        let mut bytes = zip.finish().unwrap_or_default();
        if let Some(tail) = bytes.get_mut(8..10) {
            tail.copy_from_slice(&[hint, 3]);
        }
        bytes.into()
    }
}

/// The whole server.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) product: Product,
    /// Value of the Server header.
    pub(super) server: String,
    /// Third number of Apache's version.
    pub(super) patch: u32,
    /// Where Apache's list of allowed methods begins.
    pub(super) turn: u8,
    /// Its own name, when the visitor does not say one.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) extra: Vec<(&'static str, String)>,
    pub(super) status: Option<u16>,
    pub(super) wordpress: bool,
    pub(super) javascript: bool,
    pub(super) company: String,
    files: BTreeMap<String, File>,
}

impl Site {
    /// The site of the decky that is visited, the same for everybody.
    pub(super) fn of(visit: &Visit) -> Arc<Self> {
        visit.shelf.once(|| Self::build(visit))
    }

    fn build(visit: &Visit) -> Self {
        let persona = &visit.persona;
        let software = persona.service(visit.service).map(|s| s.software.clone());
        let name = software.as_ref().map(|s| s.product.to_ascii_lowercase()).unwrap_or_default();
        let knob = visit.knob("server_header").filter(|s| !s.is_empty());
        let nginx = knob.map_or(name.contains("nginx"), |k| k.to_ascii_lowercase().starts_with("nginx"));
        let product = if nginx { Product::Nginx } else { Product::Apache };
        let version = software
            .as_ref()
            .map(|s| s.version.clone())
            .filter(|v| !v.is_empty())
            .unwrap_or_else(|| if nginx { "1.22.1".into() } else { "2.4.62".into() });
        let distro = software.as_ref().map(|s| s.package.clone()).filter(|p| !p.is_empty()).unwrap_or_else(|| {
            let id = persona.distro.id.as_str();
            format!("{}{}", id.get(..1).unwrap_or_default().to_uppercase(), id.get(1..).unwrap_or_default())
        });
        let own = match product {
            Product::Nginx => format!("nginx/{version}"),
            Product::Apache if distro.is_empty() => format!("Apache/{version}"),
            Product::Apache => format!("Apache/{version} ({distro})"),
        };
        let server = knob.map_or(own, str::to_owned);
        let patch = server
            .split("/2.4.")
            .nth(1)
            .map(|t| t.chars().take_while(char::is_ascii_digit).collect::<String>())
            .and_then(|t| t.parse().ok())
            .unwrap_or(62);
        let extra = visit
            .knob("extra_headers")
            .unwrap_or_default()
            .split('|')
            .filter_map(|h| h.split_once(':'))
            .map(|(k, v)| (leaked(k.trim()), v.trim().to_owned()))
            .collect();
        let wordpress = visit.knob("fake_app") == Some("wordpress");
        let mut files = BTreeMap::new();
        furnish(visit, wordpress, &mut files);
        let mut rng = visit.derived_rng("http/server");
        Self {
            product,
            server,
            patch,
            name: persona.fqdn(),
            port: visit.local.port(),
            extra,
            status: visit.knob("response_code").and_then(|c| c.parse().ok()).filter(|c| *c != 200),
            wordpress,
            javascript: rng.random_range(0..3) == 0,
            turn: rng.random_range(0..4),
            company: persona.company.clone(),
            files,
        }
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Whether `path`, which ends in a slash, is a folder of the site.
    pub(super) fn folder(&self, path: &str) -> bool {
        path == "/" || path.ends_with('/') && self.files.range(path.to_owned()..).next().is_some_and(|(k, _)| k.starts_with(path))
    }

    /// The boundary of a multipart answer on one visitor's connection.
    pub(super) fn boundary(&self, visit: &Visit) -> String {
        let tail = u64::from_be_bytes(visit.session.to_string().bytes().rev().take(8).collect::<Vec<_>>().try_into().unwrap_or([0; 8]));
        match self.product {
            Product::Apache => format!("{:016x}", tail.rotate_left(13) ^ 0x5bd1_e995_9d1b_54a3),
            Product::Nginx => format!("{:020}", tail % 100_000 + 1),
        }
    }

    /// Apache's listing of a folder without an index.
    pub(super) fn listing(&self, path: &str, conn: &Conn<'_>) -> Answer {
        let doctype = if self.patch >= 66 {
            "-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd"
        } else {
            "-//W3C//DTD HTML 3.2 Final//EN"
        };
        let title = escaped(path.trim_end_matches('/').as_bytes());
        let parent = path.trim_end_matches('/').rsplit_once('/').map_or("/", |(p, _)| if p.is_empty() { "/" } else { p });
        let mut body = format!(
            "<!DOCTYPE HTML PUBLIC \"{doctype}\">\n<html>\n <head>\n  <title>Index of {title}</title>\n </head>\n <body>\n<h1>Index of {title}</h1>\n  <table>\n   <tr><th valign=\"top\"><img src=\"/icons/blank.gif\" alt=\"[ICO]\"></th><th><a href=\"?C=N;O=D\">Name</a></th><th><a href=\"?C=M;O=A\">Last modified</a></th><th><a href=\"?C=S;O=A\">Size</a></th><th><a href=\"?C=D;O=A\">Description</a></th></tr>\n   <tr><th colspan=\"5\"><hr></th></tr>\n<tr><td valign=\"top\"><img src=\"/icons/back.gif\" alt=\"[PARENTDIR]\"></td><td><a href=\"{}\">Parent Directory</a></td><td>&nbsp;</td><td align=\"right\">  - </td><td>&nbsp;</td></tr>\n",
            if parent == "/" { "/".to_owned() } else { format!("{parent}/") }
        );
        for (name, file) in self.files.range(path.to_owned()..).take_while(|(k, _)| k.starts_with(path)) {
            let name = name.get(path.len()..).unwrap_or_default();
            if name.contains('/') {
                continue;
            }
            let size = file.bytes.len();
            let size = if size < 1000 { format!("{size:3} ") } else { format!("{:.1}K", size as f64 / 1024.0) };
            let date = stamp(file.modified);
            body.push_str(&format!(
                "<tr><td valign=\"top\"><img src=\"/icons/text.gif\" alt=\"[TXT]\"></td><td><a href=\"{name}\">{name}</a></td><td align=\"right\">{}  </td><td align=\"right\">{size}</td><td>&nbsp;</td></tr>\n",
                date.get(..16).unwrap_or_default()
            ));
        }
        body.push_str(&format!(
            "   <tr><th colspan=\"5\"><hr></th></tr>\n</table>\n<address>{} Server at {} Port {}</address>\n</body></html>\n",
            self.server,
            escaped(conn.host.as_bytes()),
            conn.port
        ));
        Answer {
            status: 200,
            before: vec![("Vary", "Accept-Encoding".into())],
            kind: "text/html;charset=UTF-8".into(),
            body: body.into(),
            ..Answer::default()
        }
    }
}

/// Header names set by an operator live as long as the process; there are few of them.
fn leaked(name: &str) -> &'static str {
    static NAMES: parking_lot::Mutex<Vec<&'static str>> = parking_lot::Mutex::new(Vec::new());
    let mut names = NAMES.lock();
    if let Some(known) = names.iter().find(|n| **n == name) {
        return known;
    }
    if names.len() > 1000 {
        return "X-Powered-By";
    }
    let fresh: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.push(fresh);
    fresh
}

fn furnish(visit: &Visit, wordpress: bool, files: &mut BTreeMap<String, File>) {
    let mut rng = visit.derived_rng("http/site");
    let persona = &visit.persona;
    let span = (visit.persona.booted.0.max(persona.installed.0 + 86_400_000_000) - persona.installed.0).max(86_400_000_000);
    let first = persona.installed.0 + span / 20 + rng.random_range(0..span / 10);
    let mut put = |path: &str, kind: &str, bytes: String, rng: &mut ChaCha12Rng| {
        let modified = Micros(first + rng.random_range(0..span / 3));
        let zippable = kind.starts_with("text/") || kind.contains("javascript") || kind.contains("xml") && !kind.contains("svg");
        files.insert(path.to_owned(), File { bytes: bytes.into(), kind: kind.to_owned(), modified, zippable, zipped: OnceLock::new() });
    };
    if wordpress {
        put("/wp-includes/css/dashicons.min.css", "text/css", "/* dashicons */\n".into(), &mut rng);
        put("/wp-includes/css/buttons.min.css", "text/css", ".wp-core-ui .button{display:inline-block}\n".into(), &mut rng);
        put(
            "/wp-admin/css/login.min.css",
            "text/css",
            "body,html{height:100%;margin:0;padding:0}body{background:#f0f0f1;min-width:0;color:#3c434a;font-size:13px;line-height:1.4}\n"
                .into(),
            &mut rng,
        );
        put("/wp-includes/js/wp-embed.min.js", "text/javascript", "/*! embed */\n".into(), &mut rng);
        return;
    }
    let look = Look::draw(visit, &mut rng);
    if let Some(text) = visit.knob("custom_body").filter(|b| !b.is_empty()) {
        put("/index.html", "text/html", format!("{text}\n"), &mut rng);
    } else {
        put("/index.html", "text/html", look.page(&look.home_title, &look.home), &mut rng);
    }
    put("/about.html", "text/html", look.page("About us", &look.about), &mut rng);
    put(&format!("/{}.html", look.offer_slug), "text/html", look.page(&look.offer_title, &look.offer), &mut rng);
    put("/contact.html", "text/html", look.page("Contact", &look.contact), &mut rng);
    put(&format!("/{}/style.css", look.assets), "text/css", look.css.clone(), &mut rng);
    put("/robots.txt", "text/plain", format!("User-agent: *\nDisallow: /{}/\nDisallow: /{}/\n", look.assets, look.hidden), &mut rng);
}

/// Everything that makes this site look like itself and no other.
struct Look {
    company: String,
    /// A folder that search engines are asked to leave alone.
    hidden: String,
    assets: &'static str,
    css: String,
    home_title: String,
    home: Vec<String>,
    about: Vec<String>,
    offer_title: String,
    offer_slug: &'static str,
    offer: Vec<String>,
    contact: Vec<String>,
    generator: Option<String>,
}

fn one<'a>(rng: &mut ChaCha12Rng, list: &[&'a str]) -> &'a str {
    list.get(rng.random_range(0..list.len().max(1))).copied().unwrap_or_default()
}

impl Look {
    fn draw(visit: &Visit, rng: &mut ChaCha12Rng) -> Self {
        let persona = &visit.persona;
        let company = if persona.company.is_empty() { persona.hostname.clone() } else { persona.company.clone() };
        let domain = persona.domain.clone();
        let mail = domain.split_once('.').filter(|(_, rest)| rest.contains('.')).map_or(domain.clone(), |(_, rest)| rest.to_owned());
        let year: u32 = 1958 + rng.random_range(0..55);
        let (assets, offer_slug) = (
            one(rng, &["assets", "css", "static", "theme", "style", "media"]),
            one(rng, &["services", "products", "solutions", "what-we-do"]),
        );
        let offer_title = match offer_slug {
            "services" => "Our services",
            "products" => "Products",
            "solutions" => "Solutions",
            _ => "What we do",
        };
        let staff: u32 = rng.random_range(14..420);
        let sites: u32 = rng.random_range(2..9);
        let phone = format!(
            "+{} {} {:03} {:03}",
            rng.random_range(31..49),
            rng.random_range(20..99),
            rng.random_range(100..999),
            rng.random_range(100..999)
        );
        let town = one(
            rng,
            &[
                "Northfield",
                "Altstadt",
                "Villanueva",
                "Saint-Pierre",
                "Oosterhout",
                "Westbridge",
                "Marlow",
                "Neustadt",
                "Torres",
                "Beaulieu",
                "Kerkrade",
                "Ashford",
                "Lindau",
                "Alcoy",
                "Vernon",
                "Zwolle",
            ],
        )
        .to_owned();
        let facts = Facts { company: escaped(company.as_bytes()), year, staff, sites, town };
        let mut home = vec![prose::welcome(rng, &facts)];
        if rng.random_range(0..2) == 0 {
            home.push(prose::origin(rng, &facts));
        }
        for _ in 0..rng.random_range(2..5) {
            home.push(prose::promise(rng, &facts));
        }
        home.push(prose::news(rng, &facts));
        let about = vec![prose::origin(rng, &facts), prose::today(rng, &facts), prose::owners(rng, &facts), prose::promise(rng, &facts)];
        let offer = (0..rng.random_range(3..7)).map(|_| prose::offer(rng, &facts)).collect();
        let contact = vec![
            format!(
                "{company}<br>{} {}<br>{} {}",
                one(
                    rng,
                    &[
                        "Harbour Road",
                        "Long Acre",
                        "Am Bahnhof",
                        "Foundry Lane",
                        "Station Street",
                        "Mill Lane",
                        "Industriestrasse",
                        "Calle Mayor",
                        "Rue du Port",
                        "Kanaalweg"
                    ]
                ),
                rng.random_range(1..180),
                rng.random_range(10_000..99_000),
                facts.town
            ),
            format!("Phone {phone}"),
            format!("<a href=\"mailto:info@{mail}\">info@{mail}</a>"),
        ];
        let hue = |rng: &mut ChaCha12Rng| {
            format!("#{:02x}{:02x}{:02x}", rng.random_range(10..120), rng.random_range(40..130), rng.random_range(60..160))
        };
        let css = format!(
            "body {{ margin: 0; font-family: {}; color: #2{}2b30; background: #f{}f6f4; }}\nheader {{ background: {}; color: #fff; padding: {}px {}px; }}\nheader a {{ color: #fff; margin-right: {}px; text-decoration: none; }}\nmain {{ max-width: {}px; margin: {}px auto; line-height: 1.{}; }}\nh1 {{ font-size: 1.{}em; color: {}; }}\nfooter {{ font-size: .8em; color: #777; padding: {}px; }}\n",
            one(
                rng,
                &[
                    "Georgia, serif",
                    "Verdana, Geneva, sans-serif",
                    "\"Segoe UI\", Tahoma, sans-serif",
                    "Arial, Helvetica, sans-serif",
                    "\"Trebuchet MS\", sans-serif"
                ]
            ),
            rng.random_range(0..9),
            rng.random_range(3..9),
            hue(rng),
            rng.random_range(10..28),
            rng.random_range(16..48),
            rng.random_range(10..30),
            rng.random_range(640..1020),
            rng.random_range(16..48),
            rng.random_range(4..8),
            rng.random_range(4..9),
            hue(rng),
            rng.random_range(12..40)
        );
        let generator = (rng.random_range(0..3) == 0).then(|| format!("Hugo 0.{}.{}", rng.random_range(80..125), rng.random_range(0..4)));
        let home_title = one(rng, &["Home", "Welcome", "Start"]).to_owned();
        let hidden = format!(
            "{}{}",
            one(rng, &["intern", "old", "bak", "archive", "test", "staging", "print", "stats", "files", "portal"]),
            one(rng, &["", "1", "2", "_old", "-new", "2019", "2021", "-en"])
        );
        Self {
            company,
            hidden,
            assets,
            css,
            home_title,
            home,
            about,
            offer_title: offer_title.into(),
            offer_slug,
            offer,
            contact,
            generator,
        }
    }

    fn page(&self, title: &str, paragraphs: &[String]) -> String {
        let company = escaped(self.company.as_bytes());
        let generator = self.generator.as_ref().map(|g| format!("<meta name=\"generator\" content=\"{g}\">\n")).unwrap_or_default();
        let body: String = paragraphs.iter().map(|p| format!("<p>{p}</p>\n")).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{generator}<title>{title} - {company}</title>\n<link rel=\"stylesheet\" href=\"/{}/style.css\">\n</head>\n<body>\n<header><strong>{company}</strong> <a href=\"/\">Home</a> <a href=\"/{}.html\">{}</a> <a href=\"/about.html\">About us</a> <a href=\"/contact.html\">Contact</a></header>\n<main>\n<h1>{title}</h1>\n{body}</main>\n<footer>&copy; {company}</footer>\n</body>\n</html>\n",
            self.assets, self.offer_slug, self.offer_title
        )
    }
}

/// `2026-11-23 22:30` in UTC.
pub(super) fn stamp(at: Micros) -> String {
    let seconds = at.seconds();
    let (y, m, d) = civil(seconds.div_euclid(86_400));
    format!("{y}-{m:02}-{d:02} {:02}:{:02}:{:02}", seconds.rem_euclid(86_400) / 3600, seconds.rem_euclid(3600) / 60, seconds.rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::rehearse;
    use std::collections::HashMap;

    #[test]
    fn fifty_sites_share_no_sentence() {
        let mut said: HashMap<String, usize> = HashMap::new();
        for n in 0..50u8 {
            let mut persona = rehearse::persona();
            persona.seed = [n; 32];
            // The least distinct case: the same company everywhere.
            let visit = rehearse::visit(persona, "http");
            let site = Site::build(&visit);
            let mut own: Vec<String> = Vec::new();
            for file in site.files.values().filter(|f| f.kind == "text/html") {
                let text = String::from_utf8_lossy(&file.bytes).into_owned();
                for paragraph in text.split("<p>").skip(1).filter_map(|p| p.split("</p>").next()) {
                    own.extend(
                        paragraph.split_inclusive(". ").map(|s| s.trim().to_owned()).filter(|s| s.len() > 12 && !s.contains("href")),
                    );
                }
            }
            assert!(own.len() >= 10, "{own:?}");
            own.sort();
            own.dedup();
            for sentence in own {
                let before = said.insert(sentence.clone(), usize::from(n));
                assert_eq!(before, None, "{sentence}");
            }
        }
    }
}
