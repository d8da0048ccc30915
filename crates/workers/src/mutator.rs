//! Lets deckies change when their time has come. The fleet decides who is due and waits for visitors to leave; what it put
//! off is tried again at every tick.

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use fleet::MutateAsk;
use std::time::Duration;

/// The mutator.
#[derive(Debug, Default)]
pub struct Mutator;

impl Worker for Mutator {
    const NAME: &'static str = "mutator";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::ALL_MUTATE_REQUESTS];
    const EVERY: Duration = Duration::from_secs(10);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let report = fleet::control::Client::connect(&cx.run_dir()).await?.mutate(MutateAsk::default()).await?;
        for one in &report.mutated {
            let (old, new) = (one.old_services.join(","), one.new_services.join(","));
            tracing::info!(decky = one.name, strategy = one.strategy.name(), trigger = one.trigger, old, new, "mutated");
        }
        for (decky, why) in &report.failed {
            tracing::warn!(decky, why, "could not be mutated");
        }
        Ok(Pass { lag: i64::try_from(report.postponed.len()).unwrap_or(i64::MAX), ..Pass::did(report.mutated.len()) })
    }
}
