//! Web servers: Apache 2.4 as Debian 12 ships it, or nginx 1.22, with a small company site or an
//! application behind it.
//!
//! Learnt from genuine servers of Debian on loopback, probe by probe. Known to stop early: HTTP/2 and 3,
//! content negotiation other than gzip, WordPress beyond its log-in.

mod apache;
mod credentials;
mod dialogue;
mod message;
mod nginx;
mod prose;
mod scene;
mod wordpress;

use crate::{Decoy, Dialogue, Door, Knob, KnobKind, Speaks, Visit};

const KNOBS: &[Knob] = &[
    Knob { name: "server_header", help: "Value of the Server header instead of the product's own", kind: KnobKind::Text },
    Knob { name: "fake_app", help: "What the site is", kind: KnobKind::OneOf(&["none", "wordpress"]) },
    Knob { name: "response_code", help: "Status that every page answers with", kind: KnobKind::Number(200, 599) },
    Knob { name: "custom_body", help: "Text of the front page", kind: KnobKind::Text },
    Knob { name: "extra_headers", help: "More headers, as Name: value separated by |", kind: KnobKind::Text },
];

fn start(visit: &Visit) -> Box<dyn Dialogue> {
    Box::new(dialogue::Http::new(visit))
}

/// The catalogue entry of the plain one.
pub static HTTP: Decoy = Decoy { name: "http", title: "Web server", knobs: KNOBS, speaks: &[Speaks::Stream(&[Door::Plain(80)], start)] };

/// The catalogue entry of the one behind TLS.
pub static HTTPS: Decoy =
    Decoy { name: "https", title: "Web server with TLS", knobs: KNOBS, speaks: &[Speaks::Stream(&[Door::Tls(443)], start)] };
