//! Deckies in containers: a base container that owns the network namespace (and with it address, MAC and kernel settings),
//! and a container for each service in that network.
//!
//! The engine makes processes and file systems and nothing of the network: links, addresses, settings and packet filter are
//! made as the native runtime makes them, in the namespace of the base container. So both look the same from outside.

mod engine;
mod face;
mod image;

use async_trait::async_trait;
use model::DeckyId;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::OnceCell;

use super::{Found, Ground, Placed, Ran, Runtime, RuntimeKind, Spot, native};
use crate::{Error, Face, Network, Settings};
use engine::{Engine, quoted};
use face::Troupe;

/// Name of the image.
const IMAGE: &str = "decnet/decoy";
/// Base containers made at the same time.
const AT_ONCE: usize = 4;

/// The runtime.
pub(super) struct Docker {
    native: native::Native,
    yard: Arc<Yard>,
    troupe: Mutex<Option<Arc<Troupe>>>,
}

/// What base and service containers share.
#[derive(Debug)]
struct Yard {
    engine: Engine,
    tag: String,
    data_dir: PathBuf,
    run_dir: PathBuf,
    decoy: PathBuf,
    image: OnceCell<String>,
    links: Mutex<HashMap<DeckyId, String>>,
}

impl Docker {
    pub(super) fn new(tag: &str, settings: &Settings) -> Result<Self, Error> {
        let yard = Yard {
            engine: Engine::at(&settings.docker),
            tag: tag.into(),
            data_dir: settings.data_dir.clone(),
            run_dir: settings.run_dir.clone(),
            decoy: settings.decoy_binary.clone(),
            image: OnceCell::new(),
            links: Mutex::default(),
        };
        let native = native::Native::new(tag, &settings.secret, settings.interface.clone(), false)?;
        Ok(Self { native, yard: Arc::new(yard), troupe: Mutex::default() })
    }

    /// Makes the base container of a decky, unless it runs, and its network namespace the one under the link's name.
    async fn base(&self, spot: &Spot) -> Result<(), Error> {
        let persona = &spot.persona;
        self.yard.links.lock().insert(persona.decky.clone(), spot.link.clone());
        if let Some(pid) = self.yard.running(&spot.link).await? {
            return self.native.adopt(&spot.link, pid).await;
        }
        let what = json!({
            "Image": self.yard.image().await?,
            "Entrypoint": ["/decoy"],
            "Cmd": ["--hold"],
            "User": "65534:65534",
            "Hostname": persona.hostname,
            "Domainname": persona.domain,
            "Labels": self.yard.labels(&persona.decky, &spot.link, ""),
            "HostConfig": self.yard.host_config("none", 32 << 20, 8, &[]),
        });
        self.yard.fresh(&spot.link, &what).await?;
        let pid =
            self.yard.running(&spot.link).await?.ok_or_else(|| Error::Decoy(format!("{}: its container ended at once", spot.link)))?;
        self.native.adopt(&spot.link, pid).await
    }
}

impl Yard {
    fn link_of(&self, decky: &DeckyId) -> Option<String> {
        self.links.lock().get(decky).cloned()
    }

    /// The image of this build's `decoy`, made if the engine does not have it.
    async fn image(&self) -> Result<String, Error> {
        self.image
            .get_or_try_init(|| async {
                let decoy = self.decoy.clone();
                let built = tokio::task::spawn_blocking(move || image::build(&decoy)).await;
                let (archive, tag) = built.map_err(|e| Error::Decoy(e.to_string()))??;
                let name = format!("{IMAGE}:{tag}");
                if self.engine.json("GET", &format!("/images/{name}/json"), None).await?.is_none() {
                    self.engine.import(IMAGE, &tag, &archive).await?;
                }
                Ok(name)
            })
            .await
            .cloned()
    }

    fn labels(&self, decky: &DeckyId, base: &str, service: &str) -> Value {
        let role = if service.is_empty() { "base" } else { "service" };
        json!({ "decnet.fleet": self.tag, "decnet.decky": decky.as_str(), "decnet.base": base, "decnet.role": role, "decnet.service": service })
    }

    /// What every container is held to.
    fn host_config(&self, network: &str, memory: u64, processes: u32, binds: &[String]) -> Value {
        json!({
            "NetworkMode": network,
            "Binds": binds,
            "ReadonlyRootfs": true,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": 1_000_000_000_u64,
            "PidsLimit": processes,
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m", "max-file": "3" } },
            "RestartPolicy": { "Name": "no" },
        })
    }

    /// Makes and starts a container, instead of one that may be there.
    async fn fresh(&self, name: &str, what: &Value) -> Result<(), Error> {
        self.remove_container(name).await?;
        let made = self.engine.json("POST", &format!("/containers/create?name={name}"), Some(what)).await?;
        if made.is_none() {
            return Err(Error::Refused(format!("{name}: the container engine has lost its image or its base")));
        }
        match self.engine.json("POST", &format!("/containers/{name}/start"), None).await? {
            Some(_) => Ok(()),
            None => Err(Error::Refused(format!("{name}: vanished before it was started"))),
        }
    }

    async fn remove_container(&self, name: &str) -> Result<(), Error> {
        self.engine.json("DELETE", &format!("/containers/{name}?force=true&v=true"), None).await.map(|_| ())
    }

    /// Process id of a container that runs.
    async fn running(&self, name: &str) -> Result<Option<i32>, Error> {
        let Some(is) = self.engine.json("GET", &format!("/containers/{name}/json"), None).await? else { return Ok(None) };
        let state = &is["State"];
        let pid = state["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
        Ok(pid.filter(|_| state["Running"] == Value::Bool(true)))
    }

    /// Name, base and whether it runs, of all containers of this fleet.
    async fn all(&self) -> Result<Vec<(String, String, bool)>, Error> {
        let filter = quoted(&json!({ "label": [format!("decnet.fleet={}", self.tag)] }).to_string());
        let list = self.engine.json("GET", &format!("/containers/json?all=true&filters={filter}"), None).await?.unwrap_or_default();
        let read = |c: &Value| {
            let name = c["Names"].get(0)?.as_str()?.trim_start_matches('/').to_owned();
            let base = c["Labels"]["decnet.base"].as_str()?.to_owned();
            Some((name, base, c["State"] == "running"))
        };
        Ok(list.as_array().into_iter().flatten().filter_map(read).collect())
    }
}

#[async_trait]
impl Runtime for Docker {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    fn face(&self) -> Option<Arc<dyn Face>> {
        let mut troupe = self.troupe.lock();
        let troupe = troupe.get_or_insert_with(|| Troupe::new(Arc::clone(&self.yard)));
        Some(Arc::clone(troupe) as Arc<dyn Face>)
    }

    async fn ground(&self, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error> {
        self.native.ground(wanted, known).await
    }

    async fn occupied(&self, ground: &Ground, addresses: &[IpAddr]) -> Result<HashSet<IpAddr>, Error> {
        self.native.occupied(ground, addresses).await
    }

    async fn place(&self, ground: &Ground, spots: Vec<Spot>) -> Vec<Result<Placed, Error>> {
        let mut results: Vec<Option<Error>> = Vec::with_capacity(spots.len());
        for lot in spots.chunks(AT_ONCE) {
            let made = futures::future::join_all(lot.iter().map(|spot| self.base(spot))).await;
            results.extend(made.into_iter().map(Result::err));
        }
        let good: Vec<Spot> = spots.into_iter().zip(&results).filter(|(_, failed)| failed.is_none()).map(|(spot, _)| spot).collect();
        let mut placed = self.native.place(ground, good).await.into_iter();
        let lost = || Err(Error::Unsupported("was not placed".into()));
        results.into_iter().map(|failed| failed.map_or_else(|| placed.next().unwrap_or_else(lost), Err)).collect()
    }

    async fn inspect(&self, ground: &Ground, links: &[String]) -> Result<Vec<Found>, Error> {
        let running: HashSet<String> = self.yard.all().await?.into_iter().filter(|(.., runs)| *runs).map(|(name, ..)| name).collect();
        let found = self.native.inspect(ground, links).await?;
        let with = |f: Found| {
            let runs = running.contains(&f.link);
            Found { standing: f.standing && runs, there: f.there && runs, ..f }
        };
        Ok(found.into_iter().map(with).collect())
    }

    async fn exec(&self, link: &str, command: Vec<String>) -> Result<Ran, Error> {
        self.native.exec(link, command).await
    }

    async fn remove(&self, ground: Option<&Ground>, spots: Vec<(String, Vec<IpAddr>)>) -> Result<(), Error> {
        let gone: HashSet<&String> = spots.iter().map(|(link, _)| link).collect();
        let mine: Vec<String> =
            self.yard.all().await?.into_iter().filter(|(_, base, _)| gone.contains(base)).map(|(name, ..)| name).collect();
        let removed = futures::future::join_all(mine.iter().map(|name| self.yard.remove_container(name))).await;
        self.native.remove(ground, spots).await?;
        removed.into_iter().collect()
    }

    async fn visitors(&self, spots: &[(String, Vec<IpAddr>)]) -> Result<Vec<usize>, Error> {
        self.native.visitors(spots).await
    }

    async fn stranded(&self) -> Result<Vec<String>, Error> {
        let mut names: HashSet<String> = self.native.stranded().await?.into_iter().collect();
        names.extend(self.yard.all().await?.into_iter().map(|(_, base, _)| base));
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort();
        Ok(names)
    }

    async fn clear(&self, ground: &Ground) -> Result<(), Error> {
        self.native.clear(ground).await
    }
}
