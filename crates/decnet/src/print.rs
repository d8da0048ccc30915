//! What a person reads on the terminal. The only place that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line's output")]

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// A line for a person.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A line on standard error.
pub(crate) fn error(text: &str) {
    eprintln!("{text}");
}

/// JSON for a program.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table for a person.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}
