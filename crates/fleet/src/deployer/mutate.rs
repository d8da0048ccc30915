//! Deckies change with time, as machines do: a service comes or goes, or the machine is updated and booted again. Never
//! under somebody's hands: a decky with a visitor waits until he has left.

use model::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::{
    Deployer, Fleet,
    change::{Edit, edited},
};
use crate::{
    Error, Network, Plan, archetypes,
    persona::{self, Dice},
    record::{DeployMode, DeployReport, ips},
    state::Kept,
};

/// How a decky changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A service of its archetype more or less.
    Services,
    /// Updated to a later point release of its distribution where there is one, and booted again.
    Drift,
}

impl Strategy {
    /// The name on the command line and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Drift => "drift",
        }
    }
}

/// Which deckies are to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutateAsk {
    /// These; empty: all whose time has come.
    #[serde(default)]
    pub names: Vec<String>,
    /// Given, whatever was chosen for them otherwise.
    #[serde(default)]
    pub strategy: Option<Strategy>,
}

/// A decky that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutated {
    pub name: String,
    pub strategy: Strategy,
    /// `scheduled` or `operator`.
    pub trigger: String,
    pub old_services: Vec<String>,
    pub new_services: Vec<String>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutateReport {
    pub mutated: Vec<Mutated>,
    /// Deckies with visitors, and how many; they change when those have left.
    pub postponed: Vec<(String, usize)>,
    /// Name and reason.
    pub failed: Vec<(String, String)>,
}

impl Deployer {
    /// Changes the deckies that were asked for (once their visitors have left), or those whose time has come at `now`.
    pub async fn mutate(&self, ask: &MutateAsk, now: Micros) -> Result<MutateReport, Error> {
        let mut fleet = self.fleet.lock().await;
        if let Some(unknown) = ask.names.iter().find(|n| !fleet.state.deckies.contains_key(*n)) {
            return Err(Error::NoSuchDecky(unknown.clone()));
        }
        let mut report = MutateReport::default();
        let due: Vec<String> = if ask.names.is_empty() {
            fleet.state.deckies.iter().filter(|(_, kept)| is_due(kept, now)).map(|(name, _)| name.clone()).collect()
        } else {
            ask.names.clone()
        };
        if due.is_empty() {
            return Ok(report);
        }
        let spots: Vec<_> = due.iter().filter_map(|n| fleet.state.deckies.get(n)).map(|k| (k.link.clone(), ips(&k.persona))).collect();
        let visitors = self.runtime.visitors(&spots).await?;
        let mut remembered = false;
        for (name, visitors) in due.into_iter().zip(visitors) {
            if visitors > 0 {
                if !ask.names.is_empty()
                    && let Some(kept) = fleet.state.deckies.get_mut(&name)
                {
                    remembered |= kept.mutate_asked.replace(ask.strategy) != Some(ask.strategy);
                }
                report.postponed.push((name, visitors));
                continue;
            }
            let trigger = if ask.names.is_empty() && fleet.state.deckies.get(&name).is_some_and(|k| k.mutate_asked.is_none()) {
                "scheduled"
            } else {
                "operator"
            };
            match self.mutate_one(&mut fleet, &name, ask.strategy, trigger, now).await {
                Ok(mutated) => {
                    self.table.mutated(&self.settings.host_uuid, &mutated).await;
                    report.mutated.push(mutated);
                }
                Err(e) => report.failed.push((name, e.to_string())),
            }
        }
        if remembered {
            fleet.store.save(&fleet.state)?;
        }
        Ok(report)
    }

    async fn mutate_one(
        &self,
        fleet: &mut Fleet,
        name: &str,
        strategy: Option<Strategy>,
        trigger: &str,
        now: Micros,
    ) -> Result<Mutated, Error> {
        let kept = fleet.state.deckies.get(name).ok_or_else(|| Error::NoSuchDecky(name.into()))?;
        let strategy = strategy.or(kept.mutate_asked.flatten());
        let old_services: Vec<String> = kept.plan.services.iter().map(|s| s.name.clone()).collect();
        let mut dice = Dice::of(&kept.persona.seed, &format!("fleet/mutate/{}", kept.mutations));
        let edit = match strategy {
            Some(Strategy::Drift) => None,
            None if dice.percent(50) => None,
            _ => self.other_services(kept, &mut dice),
        };
        let strategy = match (&edit, strategy) {
            (Some(_), _) => Strategy::Services,
            (None, Some(Strategy::Services)) => {
                return Err(Error::Refused(format!("{name}: its archetype has no other services that could come or go")));
            }
            (None, _) => Strategy::Drift,
        };
        let plan = edit.map(|edit| edited(&kept.plan, &edit, self.catalogue)).transpose()?;
        let later = (strategy == Strategy::Drift).then(|| persona::updated(&kept.persona, &kept.plan, now, &mut dice));
        let Some(kept) = fleet.state.deckies.get_mut(name) else { return Err(Error::NoSuchDecky(name.into())) };
        (kept.mutated, kept.mutate_asked) = (Some(now), None);
        kept.mutations = kept.mutations.wrapping_add(1);
        let report = match plan {
            Some(plan) => {
                let plan = Plan { network: Network::default(), deckies: vec![plan], warnings: Vec::new() };
                self.deploy_locked(fleet, &plan, DeployMode::default()).await?
            }
            None => {
                if let Some(later) = later {
                    kept.persona = later;
                }
                fleet.store.save(&fleet.state)?;
                let mut report = DeployReport::default();
                self.raise(fleet, &[name.to_owned()], &mut report).await?;
                self.mirror(fleet, &mut report).await;
                report
            }
        };
        if let Some((_, why)) = report.failed.into_iter().find(|(failed, _)| failed == name) {
            return Err(Error::Refused(why));
        }
        let new_services = fleet.state.deckies.get(name).map(|k| k.plan.services.iter().map(|s| s.name.clone()).collect());
        Ok(Mutated { name: name.into(), strategy, trigger: trigger.into(), old_services, new_services: new_services.unwrap_or_default() })
    }

    /// A service of the archetype that comes, or one that goes. What the operator set by hand never goes.
    fn other_services(&self, kept: &Kept, dice: &mut Dice) -> Option<Edit> {
        let archetype = archetypes::find(&kept.plan.archetype)?;
        let have: BTreeSet<&str> = kept.plan.services.iter().map(|s| s.name.as_str()).collect();
        let (pool, _) = archetype.playable(self.catalogue);
        let come: Vec<Edit> = pool
            .iter()
            .filter(|s| !have.contains(*s))
            .map(|s| Edit::AddService { service: (*s).to_owned(), knobs: std::collections::BTreeMap::new() })
            .collect();
        let go: Vec<Edit> = kept
            .plan
            .services
            .iter()
            .filter(|s| have.len() > 1 && s.knobs.is_empty())
            .map(|s| Edit::RemoveService { service: s.name.clone() })
            .collect();
        let choice = match (come.is_empty(), go.is_empty()) {
            (true, true) => return None,
            (false, true) => come,
            (true, false) => go,
            (false, false) if dice.percent(60) => come,
            (false, false) => go,
        };
        Some(dice.pick(&choice).clone())
    }
}

/// Whether the time of `kept` has come, or an operator asked and it had visitors then.
fn is_due(kept: &Kept, now: Micros) -> bool {
    let every = |minutes: u32| i64::from(minutes) * 60_000_000;
    kept.mutate_asked.is_some() || kept.plan.mutate_interval.is_some_and(|m| now.0 - kept.mutated.unwrap_or(kept.since).0 >= every(m))
}
