//! What an operator can set.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// Settings of the API. [`Config::default`] is right for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Address to listen on. Loopback unless the operator says otherwise.
    pub listen: SocketAddr,
    /// Directory of the recordings: `<transcripts>/<decky name>/<recording>`.
    pub transcripts: PathBuf,
    /// Directory of the captured files: `<artifacts>/sha256/<first two digits>/<sha256>`.
    pub artifacts: PathBuf,
    /// How long an access token lives.
    pub token_life: Duration,
    /// How long a session can be kept alive with `refresh`.
    pub session_life: Duration,
    /// Streams one account may have open.
    pub streams_per_user: usize,
    /// Streams in all.
    pub streams_in_all: usize,
    /// Password checks that run at the same time; each takes 19 MiB and a core for about 30 ms.
    pub password_checks: usize,
    /// Memory for encoded answers, in bytes.
    pub cache_bytes: usize,
    /// An answer this young is given again even if something new was recorded since.
    pub cache_calm: Duration,
    /// An answer this old is made again even if nothing new was heard of. Zero turns the cache off.
    pub cache_life: Duration,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            transcripts: PathBuf::from("transcripts"),
            artifacts: PathBuf::from("artifacts"),
            token_life: Duration::from_secs(15 * 60),
            session_life: Duration::from_secs(12 * 60 * 60),
            streams_per_user: 8,
            streams_in_all: 2_000,
            password_checks: 2,
            cache_bytes: 32 * 1024 * 1024,
            cache_calm: Duration::from_millis(200),
            cache_life: Duration::from_secs(5),
            trusted_proxies: Vec::new(),
        }
    }
}
