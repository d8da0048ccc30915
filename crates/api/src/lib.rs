//! The dashboard's other half: REST under `/api/v1`, the event stream, the OpenAPI document, and the
//! dashboard's files.
//!
//! Never here: SQL, a container, a decision about an attacker. Answers come from the store; the bus only
//! says when to look again.
//! Start reading at [`routes::all`], then [`Api::read`] (how a read is answered) and `stream/hub.rs`
//! (how events reach everybody). To add a route: a function with `#[utoipa::path]` in the file of its resource,
//! a line in that file's `routes()`, a line in the table of `tests/rbac.rs`, and `UPDATE=1 cargo test -p api`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

mod ask;
pub mod auth;
mod cache;
mod config;
mod export;
mod files;
mod front;
pub mod hands;
mod health;
mod page;
mod problem;
mod recordings;
pub mod routes;
mod stream;
mod tally;

pub(crate) use ask::{Body, Params};
pub use auth::{Admin, Anyone, Viewer};
pub use config::Config;
pub use front::metrics_recorder;
pub use problem::Problem;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{response::Response, serve::ListenerExt};
use bytes::Bytes;
use model::Micros;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use cache::{Ask, Cache, Data};

/// Version of the product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the time comes from; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// What the API is given.
#[derive(Clone)]
pub struct Cx {
    pub store: store::Store,
    pub bus: bus::Bus,
    pub config: Config,
    /// Secret of the deployment; the key of the tokens derives from it.
    pub secret: [u8; 32],
    pub clock: Clock,
    /// What `/metrics` renders; see [`metrics_recorder`].
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
    /// The running fleet; without one deckies can be looked at only.
    pub fleet: Option<Arc<dyn hands::Fleet>>,
    /// The service manager; without one only workers that run can be switched.
    pub units: Option<Arc<dyn hands::Units>>,
}

impl Cx {
    /// With default settings and the system's clock.
    pub fn new(store: store::Store, bus: bus::Bus, secret: [u8; 32]) -> Self {
        Self {
            store,
            bus,
            config: Config::default(),
            secret,
            clock: Arc::new(|| Micros::of(std::time::SystemTime::now())),
            metrics: None,
            fleet: None,
            units: None,
        }
    }
}

/// The running API. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    cx: Cx,
    started: Micros,
    auth: auth::Auth,
    cache: Cache,
    tallies: tally::Tallies,
    hub: stream::Hub,
    workers: bus::registry::Registry,
    document: OnceLock<Bytes>,
    health: health::Kept,
    stop: CancellationToken,
}

impl Api {
    /// Begins to listen to the bus and to feed streams. Ends with `stop`.
    pub async fn start(cx: Cx, stop: CancellationToken) -> Result<Self, bus::Error> {
        let workers = bus::registry::Registry::watch(&cx.bus).await?;
        let api = Self(Arc::new(Inner {
            started: (cx.clock)(),
            auth: auth::Auth::new(&cx),
            cache: Cache::new(&cx.config),
            tallies: tally::Tallies::default(),
            hub: stream::Hub::default(),
            workers,
            document: OnceLock::new(),
            health: health::Kept::default(),
            stop,
            cx,
        }));
        stream::feed(&api).await?;
        Ok(api)
    }

    /// Every route with everything around it.
    pub fn router(&self) -> axum::Router {
        let (routes, _) = routes::all();
        front::wrap(routes, self)
    }

    /// Answers a read. Identical questions are answered once per change of the data they read:
    /// the encoded bytes are kept and shared, and those who ask meanwhile wait for the one who is at it.
    pub(crate) async fn read<T, E, F, Fut>(&self, ask: &Ask, data: Data, make: F) -> Result<Response, Problem>
    where
        T: Serialize,
        E: Into<Problem>,
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let api = self.clone();
        self.0.cache.answer(ask, data, move || make(api)).await
    }

    /// Forgets every kept answer, after a change that the bus does not tell of.
    pub(crate) fn forget(&self) {
        self.0.cache.clear();
    }

    pub(crate) fn cx(&self) -> &Cx {
        &self.0.cx
    }

    pub(crate) fn store(&self) -> &store::Store {
        &self.0.cx.store
    }

    pub(crate) fn bus(&self) -> &bus::Bus {
        &self.0.cx.bus
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.cx.config
    }

    pub(crate) fn auth(&self) -> &auth::Auth {
        &self.0.auth
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    pub(crate) fn tallies(&self) -> &tally::Tallies {
        &self.0.tallies
    }

    pub(crate) fn hub(&self) -> &stream::Hub {
        &self.0.hub
    }

    pub(crate) fn registry(&self) -> &bus::registry::Registry {
        &self.0.workers
    }

    pub(crate) fn health(&self) -> &health::Kept {
        &self.0.health
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(crate) fn now(&self) -> Micros {
        (self.0.cx.clock)()
    }

    pub(crate) fn started(&self) -> Micros {
        self.0.started
    }

    pub(crate) fn document(&self) -> Bytes {
        self.0.document.get_or_init(|| Bytes::from(routes::document())).clone()
    }

    /// Folds what was measured into the histograms: until then every single value is held.
    pub(crate) fn keep_metrics_small(&self) {
        if let Some(metrics) = &self.0.cx.metrics {
            metrics.run_upkeep();
        }
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = self.0.cx.metrics.as_ref().map(|m| m.render()).unwrap_or_default();
        text.push_str(&self.0.hub.metrics());
        text
    }
}

/// Serves until `shutdown` ends, then lets requests finish and closes the streams.
pub async fn serve(listener: TcpListener, cx: Cx, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    if let Ok(address) = listener.local_addr()
        && !address.ip().is_loopback()
    {
        tracing::warn!("the API listens on {address} without TLS: put a proxy with TLS before it");
    }
    let stop = CancellationToken::new();
    let api = Api::start(cx, stop.clone()).await?;
    let app = api.router().into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
    });
    let ended = async move {
        shutdown.await;
        stop.cancel();
    };
    axum::serve(listener, app).with_graceful_shutdown(ended).await.map_err(|source| Error::Serve { source })
}

/// Why the API cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bus refused a subscription.
    #[error("cannot listen to the bus: {source}")]
    Bus {
        #[from]
        source: bus::Error,
    },
    /// Accepting connections failed for good.
    #[error("cannot serve: {source}")]
    Serve { source: std::io::Error },
}
