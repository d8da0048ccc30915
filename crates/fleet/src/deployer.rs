//! The single writer: from what should exist to what does, and the record of it.
//!
//! Deploying adds and changes; an unchanged running decky is not touched. What is asked for is written to the state
//! file before anything is made, so a crash in the middle is completed by the next [`Deployer::restore`]; what
//! runs is never written down but looked at. The table of the database mirrors; its absence is a warning.
//! `change.rs` changes one decky, `mutate.rs` lets deckies change with time, `reconcile.rs` makes record, table and
//! network agree.

mod change;
mod mutate;
mod reconcile;

pub use change::Edit;
pub use mutate::{MutateAsk, MutateReport, Mutated, Strategy};

use model::{DeckyId, Micros};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime},
};
use tokio::sync::Mutex;

use crate::{
    Catalogue, Error, Plan, Planned, archetypes,
    catalogue::{Port, ports},
    hands::{Dirs, Face, Hands, Health},
    market::Market,
    persona::{self, Place, Taken, keyed},
    reconcile::state_of,
    record::{DeckyState, DeckyStatus, DeployMode, DeployReport, FleetTable, ServiceStatus, Which, ips},
    runtime::{self, Door, Ground, Placed, Runtime, RuntimeKind, Spot},
    state::{Asked, Kept, SCHEMA, State, Store},
};

/// What a deployer is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    /// See [`decoys::control::beside_this_program`] for where it usually is.
    pub decoy_binary: PathBuf,
    pub runtime: RuntimeKind,
    /// Real interface to place deckies on; `None`: private bridge.
    pub interface: Option<String>,
    /// `local` on a single host.
    pub host_uuid: String,
    /// The deployment secret.
    pub secret: [u8; 32],
    /// Socket of the container engine, for the runtime `docker`.
    pub docker: PathBuf,
}

/// The deployer. One per data directory; a second one finds the lock held.
pub struct Deployer {
    settings: Settings,
    runtime: Arc<dyn Runtime>,
    catalogue: Catalogue,
    table: Arc<dyn FleetTable>,
    fleet: Mutex<Fleet>,
}

impl std::fmt::Debug for Deployer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployer").field("data_dir", &self.settings.data_dir).finish_non_exhaustive()
    }
}

struct Fleet {
    store: Store,
    state: State,
    /// Started when the first decky is played.
    face: Option<Arc<dyn Face>>,
    live: HashMap<String, Live>,
}

/// What this process holds of a decky.
#[derive(Default)]
struct Live {
    doors: Vec<Arc<Door>>,
    notes: Vec<String>,
    error: Option<String>,
}

impl Deployer {
    /// Locks and reads the state. Nothing is started before [`Deployer::restore`] or [`Deployer::deploy`].
    pub fn open(settings: Settings, table: Arc<dyn FleetTable>) -> Result<Self, Error> {
        Self::assemble(settings, table, Catalogue::live(), None)
    }

    /// With another table of decoys and another face, for tests and trials.
    pub fn assemble(
        settings: Settings,
        table: Arc<dyn FleetTable>,
        catalogue: Catalogue,
        face: Option<Arc<dyn Face>>,
    ) -> Result<Self, Error> {
        let store = Store::open(&settings.data_dir)?;
        let state = store.load(&settings.host_uuid)?;
        let tag = tag(&settings);
        let runtime = runtime::open(&settings, &tag)?;
        if !state.deckies.is_empty() && state.runtime != runtime.kind().name() {
            let message = format!(
                "the fleet was placed with the {} runtime, and this is {}; tear it down with the former first",
                state.runtime,
                runtime.kind().name()
            );
            return Err(Error::Unsupported(message));
        }
        let fleet = Mutex::new(Fleet { store, state, face, live: HashMap::new() });
        Ok(Self { settings, runtime, catalogue, table, fleet })
    }

    /// Which runtime was chosen.
    pub fn runtime(&self) -> RuntimeKind {
        self.runtime.kind()
    }

    /// Whether this data directory never had a fleet: the first start. A fleet that was torn down is not fresh.
    pub async fn is_fresh(&self) -> bool {
        self.fleet.lock().await.state.runtime.is_empty()
    }

    /// Writes all rows again, for a table that was away. Rows of deckies that should not exist are not known here.
    pub async fn sync_table(&self) -> DeployReport {
        let fleet = self.fleet.lock().await;
        let mut report = DeployReport::default();
        self.mirror(&fleet, &mut report).await;
        report
    }

    /// Finishes what was begun, adopts or makes again what should exist, and takes away what was left by a crash and
    /// should not.
    pub async fn restore(&self) -> Result<DeployReport, Error> {
        let begun = Instant::now();
        let mut fleet = self.fleet.lock().await;
        let mut report = DeployReport::default();
        self.complete(&mut fleet, &mut report).await?;
        self.mend(&mut fleet, &mut report).await?;
        self.mirror(&fleet, &mut report).await;
        report.took = begun.elapsed();
        Ok(report)
    }

    /// Makes the plan true. Deckies that are as planned are not touched.
    pub async fn deploy(&self, plan: &Plan, mode: DeployMode) -> Result<DeployReport, Error> {
        let mut fleet = self.fleet.lock().await;
        let asked = Asked::Deploy { plan: Box::new(plan.clone()), mode };
        // A single decky is one step and needs no note.
        if plan.deckies.len() > 1 || mode.replace {
            fleet.state.asked = Some(asked);
            fleet.store.save(&fleet.state)?;
        }
        let done = self.deploy_locked(&mut fleet, plan, mode).await;
        if done.is_err() && fleet.state.asked.take().is_some() {
            fleet.store.save(&fleet.state)?;
        }
        done
    }

    async fn deploy_locked(&self, fleet: &mut Fleet, plan: &Plan, mode: DeployMode) -> Result<DeployReport, Error> {
        let begun = Instant::now();
        let mut report = DeployReport { warnings: plan.warnings.clone(), ..DeployReport::default() };
        let names: BTreeSet<&String> = plan.deckies.iter().map(|d| &d.name).collect();
        if mode.replace {
            let others: Vec<String> = fleet.state.deckies.keys().filter(|n| !names.contains(n)).cloned().collect();
            self.take_down(fleet, &others, &mut report).await?;
        }
        if fleet.state.deckies.is_empty()
            && let Some(old) = fleet.state.ground.take_if(|old| plan.network.subnet.is_some_and(|s| s != old.subnet))
        {
            self.runtime.clear(&old).await?;
        }
        let ground = self.ground(fleet, plan).await?;
        fleet.state.ground = Some(ground.clone());
        let work = self.diff(fleet, plan, &ground, &mut report).await?;
        let moved: Vec<String> = work.replaced.clone();
        if !moved.is_empty() {
            let mut quiet = DeployReport::default();
            self.take_down(fleet, &moved, &mut quiet).await?;
            report.warnings.extend(quiet.warnings);
        }
        fleet.state.ground = Some(ground);
        fleet.state.schema = SCHEMA;
        fleet.state.host_uuid.clone_from(&self.settings.host_uuid);
        fleet.state.runtime = self.runtime.kind().name().into();
        fleet.state.deckies.extend(work.kept);
        // From here on the state file says all that was asked for.
        fleet.state.asked = None;
        fleet.store.save(&fleet.state)?;
        self.raise(fleet, &work.raise, &mut report).await?;
        let failed: HashSet<&String> = report.failed.iter().map(|(name, _)| name).collect();
        report.added.retain(|name| !failed.contains(name));
        report.changed.retain(|name| !failed.contains(name));
        self.mirror(fleet, &mut report).await;
        report.took = begun.elapsed();
        Ok(report)
    }

    /// Takes deckies away, from the network and from the record.
    pub async fn teardown(&self, which: Which) -> Result<DeployReport, Error> {
        let mut fleet = self.fleet.lock().await;
        let names: Vec<String> = match which {
            Which::All => fleet.state.deckies.keys().cloned().collect(),
            Which::Names(names) => {
                if let Some(unknown) = names.iter().find(|n| !fleet.state.deckies.contains_key(*n)) {
                    return Err(Error::NoSuchDecky(unknown.clone()));
                }
                names
            }
        };
        fleet.state.asked = Some(Asked::Teardown { names: names.clone() });
        fleet.store.save(&fleet.state)?;
        self.teardown_locked(&mut fleet, names).await
    }

    async fn teardown_locked(&self, fleet: &mut Fleet, names: Vec<String>) -> Result<DeployReport, Error> {
        let begun = Instant::now();
        let mut report = DeployReport::default();
        self.take_down(fleet, &names, &mut report).await?;
        if fleet.state.deckies.is_empty()
            && let Some(ground) = fleet.state.ground.take()
        {
            self.runtime.clear(&ground).await?;
        }
        fleet.state.asked = None;
        fleet.store.save(&fleet.state)?;
        self.mirror(fleet, &mut report).await;
        report.took = begun.elapsed();
        Ok(report)
    }

    /// How every decky that should exist is.
    pub async fn status(&self) -> Vec<DeckyStatus> {
        let fleet = self.fleet.lock().await;
        self.look(&fleet).await
    }

    /// How the decoy process is.
    pub async fn face(&self) -> Health {
        let face = self.fleet.lock().await.face.clone();
        match face {
            Some(face) => face.health().await,
            None => Health::default(),
        }
    }

    /// Runs a command in a decky's namespace.
    pub async fn exec(&self, name: &str, command: Vec<String>) -> Result<runtime::Ran, Error> {
        let link = self.fleet.lock().await.state.deckies.get(name).map(|k| k.link.clone());
        self.runtime.exec(&link.ok_or_else(|| Error::NoSuchDecky(name.into()))?, command).await
    }

    /// Ends all sessions and the decoy process. The deckies stay on the network for the next start.
    pub async fn shutdown(&self) {
        let mut fleet = self.fleet.lock().await;
        if let Some(face) = fleet.face.take() {
            face.stop().await;
        }
        fleet.live.clear();
    }

    /// The network, settled. A fleet cannot move while it stands.
    async fn ground(&self, fleet: &Fleet, plan: &Plan) -> Result<Ground, Error> {
        let known = fleet.state.ground.as_ref();
        if let Some(known) = known.filter(|_| !fleet.state.deckies.is_empty()) {
            let other = plan.network.subnet.is_some_and(|s| s != known.subnet)
                || (plan.network.interface.is_some() && plan.network.interface != known.interface);
            if other {
                let on = known.interface.as_deref().unwrap_or("a private network");
                return Err(Error::Unsupported(format!(
                    "the fleet stands on {} ({on}); tear it down before deploying on another network",
                    known.subnet
                )));
            }
        }
        self.runtime.ground(&plan.network, known).await
    }

    /// What has to be done for `plan`.
    async fn diff(&self, fleet: &Fleet, plan: &Plan, ground: &Ground, report: &mut DeployReport) -> Result<Work, Error> {
        let standing: HashMap<String, bool> = {
            let links: Vec<String> = fleet.state.deckies.values().map(|k| k.link.clone()).collect();
            self.runtime.inspect(ground, &links).await?.into_iter().map(|f| (f.link, f.standing)).collect()
        };
        let mut market = Market::open(&self.settings, &fleet.state, plan, ground, &*self.runtime).await?;
        let mut taken = Taken::default();
        fleet.state.deckies.values().for_each(|k| taken.add(&k.persona));
        let mut links: HashSet<String> = fleet.state.deckies.values().map(|k| k.link.clone()).collect();
        let now = Micros::of(SystemTime::now());
        let mut work = Work::default();
        for planned in &plan.deckies {
            let old = fleet.state.deckies.get(&planned.name);
            let planned = &settled(planned, old.map(|k| &k.plan));
            let whole = old.is_some_and(|k| standing.get(&k.link).copied().unwrap_or(false))
                && fleet.live.get(&planned.name).is_some_and(|l| l.error.is_none() && !l.doors.is_empty());
            if let Some(old) = old.filter(|k| persona::same_machine(&k.persona, planned)) {
                let here = old.persona.ipv4.filter(|ip| planned.ip.is_none_or(|wanted| wanted == *ip));
                let six = planned.ipv6.is_none_or(|wanted| old.persona.ipv6.contains(&wanted));
                if old.plan == *planned && whole {
                    report.unchanged.push(planned.name.clone());
                    continue;
                }
                let place = match here {
                    Some(_) if six => place_of(&old.persona),
                    _ => {
                        work.replaced.push(planned.name.clone());
                        market.place(planned, &old.persona.seed, ground)?
                    }
                };
                let persona = persona::with_knobs(persona::revise(&old.persona, planned, &place), &old.accounts, planned);
                work.kept.insert(planned.name.clone(), Kept { plan: planned.clone(), persona, ..old.clone() });
            } else {
                let id = DeckyId::fleet(&self.settings.host_uuid, &planned.name);
                let key = keyed(&self.settings.secret, id.as_str().as_bytes());
                if old.is_some() {
                    work.replaced.push(planned.name.clone());
                }
                let place = market.place(planned, &key, ground)?;
                let own = persona::generate(&self.settings.secret, &id, planned, &place, now, &mut taken);
                let accounts = own.accounts.clone();
                let persona = persona::with_knobs(own, &accounts, planned);
                let link = link_name(&tag(&self.settings), &planned.name, &mut links);
                work.kept.insert(
                    planned.name.clone(),
                    Kept { plan: planned.clone(), persona, accounts, link, since: now, mutated: None, mutate_asked: None, mutations: 0 },
                );
            }
            if old.is_some() {
                report.changed.push(planned.name.clone())
            } else {
                report.added.push(planned.name.clone())
            }
            work.raise.push(planned.name.clone());
        }
        Ok(work)
    }

    /// Places and plays deckies of the state. Failures stay in the state and are reported.
    async fn raise(&self, fleet: &mut Fleet, names: &[String], report: &mut DeployReport) -> Result<(), Error> {
        let Some(ground) = fleet.state.ground.clone() else { return Ok(()) };
        if names.is_empty() {
            return Ok(());
        }
        // A socket in a namespace that nobody can reach any more is no door.
        let links: Vec<String> = names.iter().filter_map(|n| fleet.state.deckies.get(n)).map(|k| k.link.clone()).collect();
        let there: HashSet<String> = self.runtime.inspect(&ground, &links).await?.into_iter().filter(|f| f.there).map(|f| f.link).collect();
        let mut spots = Vec::new();
        let mut keep: Vec<Vec<Arc<Door>>> = Vec::new();
        for name in names {
            let Some(kept) = fleet.state.deckies.get(name) else { continue };
            let wanted = self.wanted(&kept.plan);
            let mut live = fleet.live.remove(name).unwrap_or_default();
            if !there.contains(&kept.link) {
                live.doors.clear();
            }
            // Sockets that are still wanted stay; their visitors notice nothing.
            let held: Vec<Arc<Door>> =
                live.doors.into_iter().filter(|d| wanted.iter().any(|(s, p)| *s == d.handed.service && *p == d.wanted)).collect();
            let missing = wanted.iter().filter(|(s, p)| !held.iter().any(|d| d.handed.service == *s && d.wanted == *p)).cloned().collect();
            let udp = wanted.iter().filter_map(|(_, p)| if let Port::Udp(n) = p { Some(*n) } else { None }).collect();
            spots.push(Spot { link: kept.link.clone(), persona: Arc::new(kept.persona.clone()), ports: missing, udp });
            keep.push(held);
        }
        let personas: Vec<_> = spots.iter().map(|s| Arc::clone(&s.persona)).collect();
        let placed = self.runtime.place(&ground, spots).await;
        let face = self.face_of(fleet).await;
        for ((persona, held), placed) in personas.into_iter().zip(keep).zip(placed) {
            let name = persona.decky.name().to_owned();
            let mut live = Live { doors: held, ..Live::default() };
            match placed {
                Ok(Placed { doors, notes }) => {
                    live.doors.extend(doors);
                    live.notes = notes;
                    let played = match &face {
                        Ok(face) => face.play(persona, live.doors.clone()).await.map_err(|e| e.to_string()),
                        Err(why) => Err(why.clone()),
                    };
                    live.error = played.err();
                }
                Err(e) => live.error = Some(e.to_string()),
            }
            if let Some(error) = &live.error {
                report.failed.push((name.clone(), error.clone()));
            }
            fleet.live.insert(name, live);
        }
        Ok(())
    }

    async fn face_of(&self, fleet: &mut Fleet) -> Result<Arc<dyn Face>, String> {
        if let Some(face) = &fleet.face {
            return Ok(Arc::clone(face));
        }
        if let Some(face) = self.runtime.face() {
            fleet.face = Some(Arc::clone(&face));
            return Ok(face);
        }
        let hands = Hands::start(&self.settings.decoy_binary, &Dirs::under(&self.settings.data_dir)).await.map_err(|e| e.to_string())?;
        let face: Arc<dyn Face> = Arc::new(hands);
        fleet.face = Some(Arc::clone(&face));
        Ok(face)
    }

    /// The sockets a decky needs.
    fn wanted(&self, plan: &Planned) -> Vec<(String, Port)> {
        let services = plan.services.iter().filter_map(|s| Some((s, self.catalogue.find(&s.name)?)));
        services.flat_map(|(s, decoy)| ports(decoy).into_iter().map(|p| (s.name.clone(), p))).collect()
    }

    async fn take_down(&self, fleet: &mut Fleet, names: &[String], report: &mut DeployReport) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let mut spots = Vec::new();
        for name in names {
            let Some(kept) = fleet.state.deckies.get(name) else { continue };
            if let Some(face) = &fleet.face {
                face.forget(&kept.persona.decky).await?;
            }
            fleet.live.remove(name);
            spots.push((kept.link.clone(), ips(&kept.persona)));
        }
        self.runtime.remove(fleet.state.ground.as_ref(), spots).await?;
        for name in names {
            fleet.state.deckies.remove(name);
        }
        fleet.store.save(&fleet.state)?;
        report.removed.extend(names.iter().cloned());
        Ok(())
    }

    /// Looks at everything. What cannot be looked at is unknown, not gone.
    async fn look(&self, fleet: &Fleet) -> Vec<DeckyStatus> {
        let links: Vec<String> = fleet.state.deckies.values().map(|k| k.link.clone()).collect();
        let standing: Option<HashMap<String, bool>> = match &fleet.state.ground {
            Some(ground) => match self.runtime.inspect(ground, &links).await {
                Ok(found) => Some(found.into_iter().map(|f| (f.link, f.standing)).collect()),
                Err(error) => {
                    tracing::warn!(%error, "the fleet cannot be looked at");
                    None
                }
            },
            None => Some(HashMap::new()),
        };
        let alive = match &fleet.face {
            Some(face) => face.health().await.alive,
            None => false,
        };
        let down = match &fleet.face {
            Some(face) => face.down().await,
            None => BTreeSet::new(),
        };
        let one = |(name, kept): (&String, &Kept)| self.status_of(name, kept, standing.as_ref(), alive, &down, fleet.live.get(name));
        fleet.state.deckies.iter().map(one).collect()
    }

    fn status_of(
        &self,
        name: &str,
        kept: &Kept,
        standing: Option<&HashMap<String, bool>>,
        alive: bool,
        down: &BTreeSet<(DeckyId, String)>,
        live: Option<&Live>,
    ) -> DeckyStatus {
        let stands = standing.is_some_and(|s| s.get(&kept.link).copied().unwrap_or(false));
        let services: Vec<ServiceStatus> = kept
            .plan
            .services
            .iter()
            .map(|service| {
                let doors = live.map(|l| l.doors.as_slice()).unwrap_or_default();
                let mine: Vec<&Arc<Door>> = doors.iter().filter(|d| d.handed.service == service.name).collect();
                let plays = down.is_empty() || !down.contains(&(kept.persona.decky.clone(), service.name.clone()));
                let up = alive && stands && plays && !mine.is_empty() && live.is_some_and(|l| l.error.is_none());
                let ports = mine.iter().filter(|d| d.wanted.fixed().is_some()).map(|d| d.handed.port).collect();
                ServiceStatus { name: service.name.clone(), state: if up { DeckyState::Running } else { DeckyState::Failed }, ports }
            })
            .collect();
        let up = services.iter().filter(|s| s.state == DeckyState::Running).count();
        let trouble = live.and_then(|l| l.error.clone());
        let state = match standing {
            None => DeckyState::Unknown,
            // That it could not be made is more than that it is not there.
            Some(_) => state_of(up, services.len(), stands || trouble.is_some()),
        };
        let error = trouble.or_else(|| match (state, live.is_some(), stands, alive) {
            (DeckyState::Running, ..) => None,
            (DeckyState::Unknown, ..) => Some("the network cannot be looked at".into()),
            (_, false, ..) => Some("is not placed".into()),
            (_, _, false, _) => Some("its namespace or interface is gone".into()),
            (_, _, _, false) => Some("the decoy process is not running".into()),
            _ => Some("some of its services are not played".into()),
        });
        let p = &kept.persona;
        DeckyStatus {
            name: name.into(),
            hostname: p.fqdn(),
            archetype: p.archetype.clone(),
            distro: p.distro.pretty_name.clone(),
            mac: p.mac.clone(),
            ips: ips(p),
            state,
            services,
            error,
            notes: live.map(|l| l.notes.clone()).unwrap_or_default(),
            since: kept.since,
        }
    }

    /// Corrects the table; what fails is a warning.
    async fn mirror(&self, fleet: &Fleet, report: &mut DeployReport) {
        if let Err(e) = self.record(fleet).await {
            warn(report, format!("the fleet's table could not be written: {e}"));
        }
    }
}

/// What a deploy has to do.
#[derive(Default)]
struct Work {
    /// New or changed deckies.
    kept: BTreeMap<String, Kept>,
    /// Names whose old self must go first.
    replaced: Vec<String>,
    raise: Vec<String>,
}

/// A concluded archetype never makes another machine of one that stands.
fn settled(plan: &Planned, old: Option<&Planned>) -> Planned {
    let mut plan = plan.clone();
    if let Some(old) = old.filter(|old| plan.concluded && old.archetype != plan.archetype) {
        let usual = |slug: &str| archetypes::find(slug).map(|a| a.os);
        if usual(&plan.archetype) == Some(plan.os) {
            plan.os = old.os;
        }
        plan.archetype.clone_from(&old.archetype);
    }
    plan
}

fn place_of(p: &model::Persona) -> Place {
    Place { ipv4: p.ipv4, ipv4_prefix: p.ipv4_prefix, ipv6: p.ipv6.clone(), gateway: p.gateway }
}

fn warn(report: &mut DeployReport, message: String) {
    tracing::warn!("{message}");
    report.warnings.push(message);
}

/// Four hex digits that mark what belongs to the fleet of this data directory.
fn tag(settings: &Settings) -> String {
    let dir = settings.data_dir.canonicalize().unwrap_or_else(|_| settings.data_dir.clone());
    let digest = Sha256::digest(format!("{}\0{}", dir.display(), settings.host_uuid));
    hex::encode(digest.get(..2).unwrap_or_default())
}

/// `dn-` + tag + seven characters of the decky's own; at most 15 bytes, as the kernel wants it.
fn link_name(tag: &str, name: &str, taken: &mut HashSet<String>) -> String {
    for salt in 0_u32.. {
        let digest = Sha256::digest(format!("{name}\0{salt}"));
        let link = format!("dn-{tag}{}", hex::encode(digest).get(..7).unwrap_or_default());
        if taken.insert(link.clone()) {
            return link;
        }
    }
    unreachable!("there are more salts than deckies")
}
