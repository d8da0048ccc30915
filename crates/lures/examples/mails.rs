//! Prints mails of a made-up company: `cargo run -p lures --example mails [LANGUAGE] [COUNT]`.
#![allow(clippy::print_stdout, reason = "an example")]

use lures::{
    Office,
    company::{Brief, generate},
};
use model::Micros;

fn main() {
    let mut args = std::env::args().skip(1);
    let language = args.next().unwrap_or_else(|| "en".into());
    let count = args.next().and_then(|n| n.parse().ok()).unwrap_or(6);
    let brief = Brief { company: None, domain: None, language: language.clone(), timezone: "Europe/Madrid".into(), people: 12 };
    let made = generate(b"example", &brief);
    let office = Office::new(b"example", &made.name, &format!("mail.{}", made.domain), None, &language, "Europe/Madrid", made.people);
    let to = Micros(1_795_000_000_000_000);
    for mail in office.between(Micros(to.0 - 5 * 86_400_000_000), to, 0).into_iter().take(count) {
        println!("{}\n================", String::from_utf8_lossy(&mail.raw()));
    }
}
