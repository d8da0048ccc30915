//! Runs the decky's shell here: `shell [-d DISTRO] [-u USER] -c COMMAND`, or a session of lines from standard
//! input on a make-believe terminal. Time is made up: waits end at once.

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

#[path = "../tests/shell_world/mod.rs"]
mod shell_world;

use std::io::{Read, Write};

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut distro, mut user, mut command) = (String::from("debian"), String::from("root"), None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-d" => distro = args.next().unwrap_or_default(),
            "-u" => user = args.next().unwrap_or_default(),
            "-c" => command = args.next(),
            _ => {}
        }
    }
    if let Some(command) = command {
        let (out, err, status) = shell_world::run(&distro, &user, command.as_bytes());
        let _ = std::io::stdout().write_all(&out);
        let _ = std::io::stderr().write_all(&err);
        std::process::exit(status.unwrap_or(99));
    }
    let persona = std::sync::Arc::new(shell_world::persona(&distro));
    let memory = decoys::stage::memory::Memory::default();
    let mut session = shell_world::Session::open(&shell_world::visit(&persona, &memory), &user, true, None);
    let mut input = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut input);
    for line in input.split_inclusive(|&b| b == b'\n') {
        session.feed(line);
        let _ = std::io::stdout().write_all(&std::mem::take(&mut session.screen.out));
    }
}
