//! MariaDB 10.11 as Debian 12 ships it, reachable from the network.
//!
//! Learnt from a genuine 10.11 on loopback and the public description of the client protocol. The
//! accounts are the persona's; behind them stands a small engine over a small company's tables, where
//! changes stay for the visitor that made them. Known to stop early: TLS (off by default in 10.11),
//! GROUP BY, subqueries, views, stored routines, the binary log.

mod dialogue;
mod engine;
mod expr;
mod message;
mod scene;
mod show;
mod sql;

use crate::{Decoy, Door, Knob, KnobKind, Speaks};

/// The catalogue entry.
pub static MYSQL: Decoy = Decoy {
    name: "mysql",
    title: "MariaDB database server",
    knobs: &[Knob { name: "version", help: "Version as the server prints it, e.g. 10.11.6-MariaDB-0+deb12u1", kind: KnobKind::Text }],
    speaks: &[Speaks::Stream(&[Door::Plain(3306)], |visit| Box::new(dialogue::Mysql::new(visit)))],
};
