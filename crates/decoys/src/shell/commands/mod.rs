//! The programs of the machine, one line each in [`TABLE`].

mod basic;
pub(crate) mod busybox;
pub(crate) mod mode;
pub(crate) mod net;
pub(crate) mod printf;
pub(crate) mod regex;
pub(crate) mod shells;
pub(crate) mod signals;

use super::{kernel::Boxed, proc::Proc};

/// How a program runs: to its end at once, or waiting for input and time.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Now(fn(&mut Proc) -> i32),
    Waits(for<'a> fn(&'a mut Proc) -> Boxed<'a, i32>),
}

/// A program.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

/// A program that is there but has nothing to say.
pub(crate) static SILENT: Command = Command { name: "", run: Run::Now(|_| 0) };

/// The program called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    let at = TABLE.binary_search_by(|c| c.name.cmp(name)).ok()?;
    TABLE.get(at)
}

macro_rules! table {
    ($($name:literal $kind:ident $path:path;)*) => {
        /// Every program, alphabetical.
        pub(crate) static TABLE: &[Command] = &[$(table!(@ $name $kind $path)),*];
    };
    (@ $name:literal now $path:path) => { Command { name: $name, run: Run::Now($path) } };
    (@ $name:literal waits $path:path) => { Command { name: $name, run: Run::Waits(|p| Box::pin($path(p))) } };
}

table! {
    "ash" waits shells::main;
    "bash" waits shells::main;
    "busybox" waits busybox::main;
    "cat" waits basic::cat;
    "dash" waits shells::main;
    "sh" waits shells::main;
    "uname" waits basic::uname;
}
