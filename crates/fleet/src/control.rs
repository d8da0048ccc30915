//! How another process reaches the running fleet: one JSON object a line over `<run_dir>/fleet.sock`.
//!
//! ```text
//! > {"do":"status"}
//! < {"is":"status","deckies":[…]}
//! > {"do":"deploy","plan":{…},"replace":false}
//! < {"is":"report","report":{…}}          or {"is":"error","message":"…"}
//! ```
//! The socket belongs to the owner of its directory and nobody else but root may open it.

use model::Micros;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Plan,
    deployer::{Deployer, Edit, MutateAsk, MutateReport},
    reconcile::Reconciled,
    record::{DeckyStatus, DeployMode, DeployReport, Which},
};

/// Longest line in bytes, either way.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Clients served at the same time.
const CLIENTS: usize = 16;

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Ask {
    Deploy {
        plan: Box<Plan>,
        replace: bool,
    },
    Teardown {
        which: Which,
    },
    Status,
    /// Makes record, table and network agree; `repair` acts on the network too.
    Reconcile {
        #[serde(default)]
        repair: bool,
    },
    /// Changes one decky while it runs.
    Edit {
        name: String,
        edit: Edit,
    },
    /// Lets deckies change that are due or named.
    Mutate {
        ask: MutateAsk,
    },
}

/// What the fleet answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    Report {
        report: DeployReport,
    },
    Status {
        deckies: Vec<DeckyStatus>,
    },
    Reconciled {
        report: Reconciled,
    },
    Mutated {
        report: MutateReport,
    },
    Error {
        message: String,
        #[serde(default)]
        kind: Kind,
    },
}

/// What an error is about, for those who answer others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No decky has that name.
    Missing,
    /// It cannot be done to what is there.
    Conflict,
    /// It is not acceptable.
    Refused,
    #[default]
    Other,
}

impl Kind {
    fn of(error: &Error) -> Self {
        match error {
            Error::NoSuchDecky(_) => Self::Missing,
            Error::Conflict(_) | Error::AddressTaken { .. } | Error::NetworkFull { .. } => Self::Conflict,
            Error::Refused(_) | Error::Config(_) | Error::AddressOutside { .. } | Error::Unsupported(_) => Self::Refused,
            _ => Self::Other,
        }
    }

    fn with(self, message: String) -> Error {
        match self {
            Self::Missing => Error::Missing(message),
            Self::Conflict => Error::Conflict(message),
            Self::Refused => Error::Refused(message),
            Self::Other => Error::Control(message),
        }
    }
}

/// Serves the socket at `path` until `stop`.
pub async fn serve(deployer: Arc<Deployer>, path: PathBuf, stop: CancellationToken) {
    let served = async {
        match Server::bind(&path).await {
            Ok(server) => server.serve(deployer).await,
            Err(error) => tracing::error!(%error, "other programs cannot reach the fleet"),
        }
    };
    let _ = stop.run_until_cancelled(served).await;
}

/// Where the socket is.
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join("fleet.sock")
}

/// The listening socket; its file goes when this does.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Listens at `path`. A socket that nobody answers on is replaced.
    pub async fn bind(path: &Path) -> Result<Self, Error> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(Error::file(dir))?;
        }
        let path = path.to_owned();
        if UnixStream::connect(&path).await.is_ok() {
            return Err(Error::Locked { path });
        }
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(Error::file(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(Error::file(&path))?;
        // Root alone does the placing; those who ask run as the owner of the directory.
        if nix::unistd::geteuid().is_root()
            && let Some(dir) = path.parent()
        {
            let owner = fs::metadata(dir).map_err(Error::file(dir))?;
            std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).map_err(Error::file(&path))?;
        }
        Ok(Self { listener, path })
    }

    /// Serves until dropped. What a client began is finished even if the client leaves.
    pub async fn serve(&self, deployer: Arc<Deployer>) {
        let room = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let deployer = Arc::clone(&deployer);
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &deployer).await {
                            tracing::debug!(%error, "a client of the fleet broke off");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client of the fleet");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, deployer: &Deployer) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader.take(LONGEST));
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.get_mut().set_limit(LONGEST);
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_slice(&line) {
            Ok(ask) => obey(ask, deployer).await,
            Err(e) => Answer::Error { message: format!("not understood: {e}"), kind: Kind::Other },
        };
        let mut bytes = serde_json::to_vec(&answer)?;
        bytes.push(b'\n');
        writer.write_all(&bytes).await?;
    }
}

async fn obey(ask: Ask, deployer: &Deployer) -> Answer {
    let report = match ask {
        Ask::Status => return Answer::Status { deckies: deployer.status().await },
        Ask::Deploy { plan, replace } => deployer.deploy(&plan, DeployMode { replace }).await,
        Ask::Teardown { which } => deployer.teardown(which).await,
        Ask::Edit { name, edit } => deployer.edit(&name, &edit).await,
        Ask::Reconcile { repair } => {
            return deployer.reconcile(repair).await.map_or_else(|e| said(&e), |report| Answer::Reconciled { report });
        }
        Ask::Mutate { ask } => {
            let now = Micros::of(SystemTime::now());
            return deployer.mutate(&ask, now).await.map_or_else(|e| said(&e), |report| Answer::Mutated { report });
        }
    };
    match report {
        Ok(report) => Answer::Report { report },
        Err(e) => said(&e),
    }
}

fn said(error: &Error) -> Answer {
    Answer::Error { message: error.to_string(), kind: Kind::of(error) }
}

/// Talks to the running fleet.
#[derive(Debug)]
pub struct Client(BufReader<UnixStream>);

impl Client {
    /// Connects to the fleet of `run_dir`.
    pub async fn connect(run_dir: &Path) -> Result<Self, Error> {
        let path = path(run_dir);
        match UnixStream::connect(&path).await {
            Ok(stream) => Ok(Self(BufReader::new(stream))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Err(Error::Control(format!("no fleet is running (nobody answers on {}); start it with `decnet up`", path.display())))
            }
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Deploys a plan.
    pub async fn deploy(&mut self, plan: &Plan, mode: DeployMode) -> Result<DeployReport, Error> {
        self.report(&Ask::Deploy { plan: Box::new(plan.clone()), replace: mode.replace }).await
    }

    /// Takes deckies away.
    pub async fn teardown(&mut self, which: Which) -> Result<DeployReport, Error> {
        self.report(&Ask::Teardown { which }).await
    }

    /// How every decky is.
    pub async fn status(&mut self) -> Result<Vec<DeckyStatus>, Error> {
        match self.ask(&Ask::Status).await? {
            Answer::Status { deckies } => Ok(deckies),
            other => Err(unexpected(other)),
        }
    }

    /// Makes record, table and network agree.
    pub async fn reconcile(&mut self, repair: bool) -> Result<Reconciled, Error> {
        match self.ask(&Ask::Reconcile { repair }).await? {
            Answer::Reconciled { report } => Ok(report),
            other => Err(unexpected(other)),
        }
    }

    /// Changes one decky while it runs.
    pub async fn edit(&mut self, name: &str, edit: Edit) -> Result<DeployReport, Error> {
        self.report(&Ask::Edit { name: name.into(), edit }).await
    }

    /// Lets deckies change that are due or named.
    pub async fn mutate(&mut self, ask: MutateAsk) -> Result<MutateReport, Error> {
        match self.ask(&Ask::Mutate { ask }).await? {
            Answer::Mutated { report } => Ok(report),
            other => Err(unexpected(other)),
        }
    }

    async fn report(&mut self, ask: &Ask) -> Result<DeployReport, Error> {
        match self.ask(ask).await? {
            Answer::Report { report } => Ok(report),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&mut self, ask: &Ask) -> Result<Answer, Error> {
        let broke = |e: io::Error| Error::Control(format!("the running fleet broke off: {e}"));
        let mut bytes = serde_json::to_vec(ask).map_err(|e| Error::Control(e.to_string()))?;
        bytes.push(b'\n');
        self.0.write_all(&bytes).await.map_err(broke)?;
        let mut line = Vec::new();
        (&mut self.0).take(LONGEST).read_until(b'\n', &mut line).await.map_err(broke)?;
        serde_json::from_slice(&line).map_err(|e| Error::Control(format!("the running fleet broke off: {e}")))
    }
}

/// What an answer other than the one asked for means.
fn unexpected(answer: Answer) -> Error {
    match answer {
        Answer::Error { message, kind } => kind.with(message),
        _ => Error::Control("the fleet answered something else than was asked".into()),
    }
}
