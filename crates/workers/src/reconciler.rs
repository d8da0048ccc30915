//! Makes what the table says of deckies agree with what is there, at every tick. The fleet itself compares and writes, being
//! the only writer; a fleet that cannot be reached leaves everything as it is.

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use std::time::Duration;

/// The reconciler.
#[derive(Debug, Default)]
pub struct Reconciler;

impl Worker for Reconciler {
    const NAME: &'static str = "reconciler";
    const WAKES_ON: &'static [&'static str] = &[];
    const EVERY: Duration = Duration::from_secs(30);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let done = fleet::control::Client::connect(&cx.run_dir()).await?.reconcile(false).await?;
        if done.inserted + done.deleted + done.changed > 0 {
            tracing::info!("{done}");
        }
        let lag = i64::try_from(done.failed + done.degraded + done.torn_down + done.unknown).unwrap_or(i64::MAX);
        Ok(Pass { lag, ..Pass::did(done.inserted + done.deleted + done.changed + done.refreshed) })
    }
}
