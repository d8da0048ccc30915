//! Plays scripts to a decoy without sockets, for comparing its answers with a genuine server's.
//!
//! `rehearse DECOY [PRODUCT]` reads one script a line from standard input: words of hexadecimal digits are sent as they
//! stand, `+MILLISECONDS` lets time pass. For each script it prints a line: the answers to each word, in hexadecimal.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use decoys::stage::rehearse::{self, Rehearsal};
use std::{io::BufRead, time::Duration};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let decoy = decoys::find(&arguments.next().unwrap()).unwrap();
    let product = arguments.next();
    for line in std::io::stdin().lock().lines() {
        let mut persona = rehearse::persona();
        if let Some(product) = &product {
            for service in persona.services.iter_mut().filter(|s| s.name == decoy.name) {
                service.software.product.clone_from(product);
            }
            if product.contains("busybox") {
                persona.distro.id = "alpine".into();
            }
        }
        let mut talk = Rehearsal::start(decoy, rehearse::visit(persona, decoy.name), None).unwrap();
        talk.wait(Duration::from_millis(100));
        let mut answers = vec![hex::encode(talk.sent())];
        for word in line.unwrap().split_whitespace() {
            match word.strip_prefix('+') {
                Some(time) => _ = talk.wait(Duration::from_millis(time.parse().unwrap())),
                None => {
                    if !talk.hung_up() {
                        talk.say(&hex::decode(word).unwrap());
                        talk.wait(Duration::from_millis(400));
                    }
                }
            }
            answers.push(format!("{}{}", hex::encode(talk.sent()), if talk.hung_up() { "!" } else { "" }));
        }
        println!("{}", answers.join(" "));
    }
}
