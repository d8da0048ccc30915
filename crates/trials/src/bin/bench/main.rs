//! Measures every figure the project claims and writes `BENCHMARKS.md` and `benchmarks.json`.
//!
//! `bench [AREA …]` with areas `footprint`, `record`, `live`, `api`, `decoys`, `eyes`, `mind`, `fleet`; none: all of them.
//! `api-mariadb` is measured when it is named. Figures that were not
//! measured in this run are kept from the last one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measuring program stops with the reason"
)]

mod api;
mod decoys;
mod eyes;
mod figure;
mod fleet;
mod footprint;
mod live;
mod mind;
mod peers;
mod process;
mod record;

use figure::Report;

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |area: &str| wanted.is_empty() || wanted.iter().any(|w| w == area);
    let mut report = Report::open();
    if is_wanted("footprint") {
        footprint::measure(&mut report).await;
    }
    if is_wanted("record") {
        record::measure(&mut report).await;
    }
    if is_wanted("live") {
        live::measure(&mut report).await;
    }
    if is_wanted("decoys") {
        decoys::measure(&mut report).await;
    }
    if is_wanted("fleet") {
        fleet::measure(&mut report).await;
    }
    if is_wanted("eyes") {
        eyes::measure(&mut report).await;
    }
    if is_wanted("mind") {
        mind::measure(&mut report).await;
    }
    if is_wanted("api") {
        api::measure(&mut report).await;
    }
    // Takes longer than all the others: only by name.
    if wanted.iter().any(|w| w == "api-mariadb") {
        api::measure_mariadb(&mut report).await;
    }
    report.write();
}
