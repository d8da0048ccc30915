//! What the API asks of the fleet and of the service manager, carried out.

use crate::config::Config;
use api::hands::{Failed, Fleet, FleetReport, Refusal, Units, Wish};
use fleet::{
    Catalogue, DeployMode, DeployReport, Edit, Error, MutateAsk, MutateReport, Plan, Reconciled, Strategy, Which, control::Client,
};
use futures::future::BoxFuture;
use std::path::{Path, PathBuf};

/// The running fleet at its socket.
#[derive(Debug)]
pub(crate) struct OverSocket {
    run_dir: PathBuf,
}

impl OverSocket {
    pub(crate) fn new(config: &Config) -> Self {
        Self { run_dir: config.run_dir() }
    }

    async fn carry_out(&self, wish: Wish) -> Result<FleetReport, Error> {
        if let Wish::Deploy { text, dry_run: true, .. } = &wish {
            let plan = parse(text)?;
            return Ok(FleetReport { plan: plan.table().rows, warnings: plan.warnings, ..FleetReport::default() });
        }
        let mut fleet = Client::connect(&self.run_dir).await?;
        Ok(match wish {
            Wish::AddService { decky, service, config } => changed(fleet.edit(&decky, Edit::AddService { service, knobs: config }).await?),
            Wish::RemoveService { decky, service } => changed(fleet.edit(&decky, Edit::RemoveService { service }).await?),
            Wish::SetConfig { decky, service, config } => changed(fleet.edit(&decky, Edit::SetKnobs { service, knobs: config }).await?),
            Wish::MutateEvery { decky, minutes } => changed(fleet.edit(&decky, Edit::MutateEvery { minutes }).await?),
            Wish::Mutate { decky, strategy } => {
                let strategy = match strategy.as_deref() {
                    None | Some("") => None,
                    Some("services") => Some(Strategy::Services),
                    Some("drift") => Some(Strategy::Drift),
                    Some(other) => return Err(Error::Refused(format!("strategy {other:?} is unknown (allowed: services, drift)"))),
                };
                mutated(fleet.mutate(MutateAsk { names: vec![decky], strategy }).await?)
            }
            Wish::TearDown { decky } => changed(fleet.teardown(Which::Names(vec![decky])).await?),
            Wish::Deploy { text, replace, .. } => changed(fleet.deploy(&parse(&text)?, DeployMode { replace }).await?),
            Wish::Reconcile { repair } => reconciled(fleet.reconcile(repair).await?),
        })
    }
}

impl Fleet for OverSocket {
    fn grant(&self, wish: Wish) -> BoxFuture<'_, Result<FleetReport, Refusal>> {
        Box::pin(async move {
            self.carry_out(wish).await.map_err(|error| {
                let said = error.to_string();
                match error {
                    Error::Missing(_) | Error::NoSuchDecky(_) => Refusal::Missing(said),
                    Error::Conflict(_) => Refusal::Conflict(said),
                    Error::Refused(_) | Error::Config(_) => Refusal::Invalid(said),
                    _ => Refusal::Away(said),
                }
            })
        })
    }
}

fn parse(text: &str) -> Result<Plan, Error> {
    Ok(Plan::parse(text, Path::new("request"), Catalogue::live())?)
}

fn failures(failed: Vec<(String, String)>) -> Vec<Failed> {
    failed.into_iter().map(|(name, reason)| Failed { name, reason }).collect()
}

fn changed(report: DeployReport) -> FleetReport {
    FleetReport {
        added: report.added,
        changed: report.changed,
        unchanged: report.unchanged,
        removed: report.removed,
        failed: failures(report.failed),
        warnings: report.warnings,
        ..FleetReport::default()
    }
}

fn mutated(report: MutateReport) -> FleetReport {
    FleetReport {
        changed: report.mutated.into_iter().map(|m| m.name).collect(),
        postponed: report.postponed.into_iter().map(|(name, _)| name).collect(),
        failed: failures(report.failed),
        ..FleetReport::default()
    }
}

fn reconciled(report: Reconciled) -> FleetReport {
    FleetReport {
        inserted: report.inserted as u64,
        deleted: report.deleted as u64,
        repaired: report.repaired,
        removed: report.removed,
        failed: failures(report.unrepaired),
        warnings: report.warnings,
        ..FleetReport::default()
    }
}

/// systemd, by `systemctl`. What this process may start is for polkit to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Systemd;

impl Systemd {
    /// If this host runs on systemd.
    pub(crate) fn here() -> Option<Self> {
        Path::new("/run/systemd/system").is_dir().then_some(Self)
    }
}

impl Units for Systemd {
    fn installed(&self, worker: &str) -> bool {
        ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"]
            .iter()
            .any(|dir| Path::new(dir).join(format!("decnet-{worker}.service")).is_file())
    }

    fn start(&self, worker: &str) -> BoxFuture<'_, Result<(), String>> {
        let unit = format!("decnet-{worker}.service");
        Box::pin(async move {
            let out = tokio::process::Command::new("systemctl").args(["--no-ask-password", "start", &unit]).output().await;
            match out {
                Ok(out) if out.status.success() => Ok(()),
                Ok(out) => Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}
