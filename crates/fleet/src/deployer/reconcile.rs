//! Making record, table and network agree: by looking only, or with repair.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
    time::{Instant, SystemTime},
};

use model::Micros;

use super::{Deployer, Fleet};
use crate::{
    Error, Network,
    reconcile::{Reconciled, compare},
    record::{DeckyState, DeployReport, FleetRow, ips, shown},
    state::Asked,
};

impl Deployer {
    /// Compares what should exist, what the table says and what is there, and corrects the table. With `repair` what
    /// should exist is made first, and what should not is taken away. A runtime that cannot be asked changes nothing.
    pub async fn reconcile(&self, repair: bool) -> Result<Reconciled, Error> {
        let begun = Instant::now();
        let mut fleet = self.fleet.lock().await;
        let mut done = Reconciled::default();
        if repair {
            let mut report = DeployReport::default();
            self.complete(&mut fleet, &mut report).await?;
            self.mend(&mut fleet, &mut report).await?;
            done.repaired = report.added;
            done.removed = report.removed;
            done.unrepaired = report.failed;
            done.warnings = report.warnings;
        }
        match self.record(&fleet).await {
            Ok(Some(seen)) => {
                let (repaired, removed, unrepaired, warnings) = (done.repaired, done.removed, done.unrepaired, done.warnings);
                done = Reconciled { repaired, removed, unrepaired, warnings, ..seen };
            }
            Ok(None) => done.deckies = fleet.state.deckies.len(),
            Err(e) => return Err(Error::Table(e)),
        }
        done.took = begun.elapsed();
        Ok(done)
    }

    /// Takes away what is on the network and should not be; without a player nothing can be made.
    pub async fn reap(&self) -> Result<Vec<String>, Error> {
        let mut fleet = self.fleet.lock().await;
        let mut report = DeployReport::default();
        self.take_strays(&mut fleet, &mut report).await?;
        Ok(report.removed)
    }

    /// Finishes what was begun and not finished by a process that was killed in the middle.
    pub(super) async fn complete(&self, fleet: &mut Fleet, report: &mut DeployReport) -> Result<(), Error> {
        let Some(asked) = fleet.state.asked.clone() else { return Ok(()) };
        let finished = match asked {
            Asked::Deploy { plan, mode } => self.deploy_locked(fleet, &plan, mode).await,
            Asked::Teardown { names } => {
                let names: Vec<String> = names.into_iter().filter(|n| fleet.state.deckies.contains_key(n)).collect();
                self.teardown_locked(fleet, names).await
            }
        };
        match finished {
            Ok(done) => {
                report.added.extend(done.added);
                report.changed.extend(done.changed);
                report.removed.extend(done.removed);
                report.failed.extend(done.failed);
                report.warnings.extend(done.warnings);
            }
            Err(e) => {
                super::warn(report, format!("what was begun before this start cannot be finished: {e}"));
                fleet.state.asked = None;
                fleet.store.save(&fleet.state)?;
            }
        }
        Ok(())
    }

    /// Makes what should exist and does not stand whole; takes strays away.
    pub(super) async fn mend(&self, fleet: &mut Fleet, report: &mut DeployReport) -> Result<(), Error> {
        self.take_strays(fleet, report).await?;
        let Some(known) = fleet.state.ground.clone() else { return Ok(()) };
        if fleet.state.deckies.is_empty() {
            self.runtime.clear(&known).await?;
            fleet.state.ground = None;
            return fleet.store.save(&fleet.state);
        }
        let ground = self.runtime.ground(&Network::default(), Some(&known)).await?;
        fleet.state.ground = Some(ground.clone());
        let links: Vec<String> = fleet.state.deckies.values().map(|k| k.link.clone()).collect();
        let found = self.runtime.inspect(&ground, &links).await?;
        let standing: HashSet<&str> = found.iter().filter(|f| f.standing).map(|f| f.link.as_str()).collect();
        let there: HashSet<&str> = found.iter().filter(|f| f.there).map(|f| f.link.as_str()).collect();
        let mut broken: Vec<String> = Vec::new();
        let mut absent: Vec<(String, Vec<IpAddr>)> = Vec::new();
        for (name, kept) in &fleet.state.deckies {
            let live = fleet.live.get(name);
            let wanted = self.wanted(&kept.plan);
            let open = |l: &super::Live| wanted.iter().all(|(s, p)| l.doors.iter().any(|d| d.handed.service == *s && d.wanted == *p));
            if standing.contains(kept.link.as_str()) && live.is_some_and(|l| l.error.is_none() && open(l)) {
                continue;
            }
            broken.push(name.clone());
            if !there.contains(kept.link.as_str()) {
                absent.push((name.clone(), ips(&kept.persona)));
            }
        }
        // Whoever took an address while its decky was away keeps it.
        let asked: Vec<IpAddr> = absent.iter().flat_map(|(_, ips)| ips.clone()).collect();
        let occupied = self.runtime.occupied(&ground, &asked).await?;
        let mut barred: BTreeSet<String> = BTreeSet::new();
        for (name, ips) in absent {
            if let Some(ip) = ips.into_iter().find(|ip| occupied.contains(ip)) {
                let taken = Error::AddressTaken { name: name.clone(), ip, owner: "another host on the network".into() }.to_string();
                report.failed.push((name.clone(), taken.clone()));
                fleet.live.entry(name.clone()).or_default().error = Some(taken);
                barred.insert(name);
            }
        }
        broken.retain(|name| !barred.contains(name));
        self.raise(fleet, &broken, report).await?;
        report.added.extend(broken.into_iter().filter(|n| !report.failed.iter().any(|(f, _)| f == n)));
        Ok(())
    }

    /// Removes namespaces and links of this fleet that belong to no decky.
    async fn take_strays(&self, fleet: &mut Fleet, report: &mut DeployReport) -> Result<(), Error> {
        let stranded = self.runtime.stranded().await?;
        let wanted: HashSet<&String> = fleet.state.deckies.values().map(|k| &k.link).collect();
        let reap: Vec<(String, Vec<IpAddr>)> = stranded.into_iter().filter(|l| !wanted.contains(l)).map(|l| (l, Vec::new())).collect();
        if reap.is_empty() {
            return Ok(());
        }
        report.removed.extend(reap.iter().map(|(link, _)| format!("stranded {link}")));
        self.runtime.remove(fleet.state.ground.as_ref(), reap).await
    }

    /// Corrects the table; `None` if there is no table.
    pub(super) async fn record(&self, fleet: &Fleet) -> Result<Option<Reconciled>, String> {
        let host = &self.settings.host_uuid;
        let Some(table) = self.table.rows(host).await? else { return Ok(None) };
        let now = Micros::of(SystemTime::now());
        let mut done = Reconciled { deckies: fleet.state.deckies.len(), ..Reconciled::default() };
        let mut wanted = Vec::with_capacity(done.deckies);
        for status in self.look(fleet).await {
            let Some(kept) = fleet.state.deckies.get(&status.name) else { continue };
            match status.state {
                DeckyState::Running => done.running += 1,
                DeckyState::Degraded => done.degraded += 1,
                DeckyState::Failed => done.failed += 1,
                DeckyState::TornDown => done.torn_down += 1,
                DeckyState::Unknown => done.unknown += 1,
            }
            wanted.push(FleetRow {
                host_uuid: host.clone(),
                name: status.name.clone(),
                services: kept.plan.services.iter().map(|s| s.name.clone()).collect(),
                decky_config: shown(kept, &status),
                decky_ip: status.ips.first().map(ToString::to_string),
                state: status.state.name().into(),
                last_error: status.error.clone(),
                last_seen: matches!(status.state, DeckyState::Running | DeckyState::Degraded).then_some(now),
                updated_at: now,
            });
        }
        if done.unknown > 0 {
            // Nothing is changed on a guess, not even rows that seem to be too many.
            return Ok(Some(done));
        }
        let changes = compare(host, wanted, table);
        done.count(&changes);
        if !changes.is_empty() {
            self.table.apply(&changes).await?;
        }
        self.table.seen(host, now).await?;
        Ok(Some(done))
    }
}
