//! A whole `decnet up` in a directory of its own, and its API as an operator sees it.

use crate::leftovers::{self, Claim};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Longest time anything in a trial is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running product. Dropped, it is killed and nothing of it stays in the kernel.
#[derive(Debug)]
pub struct World {
    home: tempfile::TempDir,
    /// What it writes to standard error.
    log: tempfile::NamedTempFile,
    claim: Option<Claim>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    child: Child,
    client: reqwest::Client,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    password: String,
    token: String,
    /// The deckies as `up` printed them.
    pub deckies: Vec<Value>,
}

/// The directory with the programs under test: where this test program was built.
pub fn programs() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let deps = exe.parent().unwrap();
    let dir = if deps.ends_with("deps") { deps.parent().unwrap() } else { deps };
    for program in ["decnet", "decoy"] {
        assert!(dir.join(program).is_file(), "{} is not built: cargo build --workspace --bins", dir.join(program).display());
    }
    dir.to_owned()
}

impl World {
    /// Starts with more arguments for `decnet up`; the first sign-in chooses a password.
    pub async fn up(args: &[&str]) -> Self {
        Self::up_in(tempfile::tempdir().unwrap(), args, &[]).await
    }

    /// Starts in `home`, with environment variables.
    pub async fn up_in(home: tempfile::TempDir, args: &[&str], env: &[(&str, &str)]) -> Self {
        leftovers::sweep();
        open_to_others(home.path());
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let env: Vec<(String, String)> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let log = tempfile::NamedTempFile::new().unwrap();
        let (child, ready) = start(home.path(), &args, &env, log.as_file()).await;
        let mut world = Self {
            home,
            log,
            claim: None,
            args,
            env,
            child,
            client: web_client(),
            url: ready["url"].as_str().unwrap().to_owned(),
            password: ready["password"].as_str().unwrap_or_default().to_owned(),
            token: String::new(),
            deckies: ready["deckies"].as_array().cloned().unwrap_or_default(),
        };
        world.claim = Claim::of(&world.links());
        if !world.password.is_empty() {
            world.sign_in().await;
            let new = "correct horse battery staple";
            let body = json!({ "old_password": world.password, "new_password": new });
            let answer = world.post("/auth/change-password", &body).await;
            assert_eq!(answer.0, 200, "{}", answer.1);
            world.password = new.to_owned();
            world.sign_in().await;
        }
        world
    }

    async fn sign_in(&mut self) {
        let body = json!({ "username": "admin", "password": self.password });
        let (status, answer) = self.post("/auth/login", &body).await;
        assert_eq!(status, 200, "{answer}");
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    /// The data directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Process id of `decnet up`.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id().expect("it runs")).unwrap()
    }

    /// Password of the admin, for a browser.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Bearer token of the admin.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A token that was just given out: the first one lives for a quarter of an hour.
    pub async fn fresh_token(&self) -> String {
        let body = json!({ "username": "admin", "password": self.password });
        let (status, answer) = self.post("/auth/login", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Whether the deckies have network namespaces.
    pub fn is_native(&self) -> bool {
        self.claim.is_some()
    }

    /// The kernel's names of the deckies.
    fn links(&self) -> Vec<String> {
        let state = self.state();
        let deckies = state["deckies"].as_object().into_iter().flatten();
        deckies.filter_map(|(_, d)| d["link"].as_str().map(str::to_owned)).collect()
    }

    /// The fleet's state file, which only its owner may read.
    pub fn state(&self) -> Value {
        let bytes = std::fs::read(self.home().join("decnet-state.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).unwrap()).into_owned()
    }

    /// Waits for a line of the log that contains `text`, and gives it.
    pub async fn until_log(&self, text: &str) -> String {
        let started = Instant::now();
        loop {
            if let Some(line) = self.log().lines().find(|l| l.contains(text)) {
                return line.to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "it never logged {text:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Process id of the program that plays the deckies.
    pub fn player(&self) -> i32 {
        child_named(self.pid(), "decoy").expect("somebody plays the deckies")
    }

    /// GET below `/api/v1`: status and answer.
    pub async fn ask(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// GET below `/api/v1`, which must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(path).await;
        assert!((200..300).contains(&status), "GET {path}: {status} {answer}");
        answer
    }

    /// All rows of a list, page by page. Rows that come meanwhile push others to the next page: each is given once.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut known, mut offset) = (Vec::new(), HashSet::new(), 0);
        loop {
            let page = self.get(&format!("{path}{}limit=1000&offset={offset}", if path.contains('?') { '&' } else { '?' })).await;
            let page = page["data"].as_array().cloned().unwrap_or_default();
            offset += page.len();
            let last = page.len() < 1000;
            rows.extend(page.into_iter().filter(|row| known.insert(row["id"].to_string())));
            if last {
                return rows;
            }
        }
    }

    /// GET of raw bytes below `/api/v1`, which must succeed.
    pub async fn get_bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.client.get(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.token).send().await.unwrap();
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.bytes().await.unwrap().to_vec()
    }

    /// POST below `/api/v1`: status and answer.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut request = self.client.post(format!("{}/api/v1{path}", self.url)).json(body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Asks again and again until it is answered and `done` likes the answer.
    pub async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let (status, answer) = self.ask(path).await;
            if (200..300).contains(&status) && done(&answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "GET {path} never came to be: {status} {answer:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Address and port of the first decky that offers `service`, and its name.
    pub fn find(&self, service: &str) -> (String, u16, String) {
        self.deckies
            .iter()
            .find_map(|d| {
                let found = d["services"].as_array()?.iter().find(|s| s["name"] == service)?;
                Some((d["ips"][0].as_str()?.to_owned(), u16::try_from(found["ports"][0].as_u64()?).ok()?, d["name"].as_str()?.to_owned()))
            })
            .unwrap_or_else(|| panic!("no decky offers {service}: {:#?}", self.deckies))
    }

    /// A person's account of a decky with its password (root's where nobody else has one), from the state file, which
    /// only its owner may read.
    pub fn account(&self, decky: &str) -> (String, String) {
        let state = self.state();
        let persona = &state["deckies"][decky]["persona"];
        let accounts = persona["accounts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = accounts
            .iter()
            .skip(1)
            .chain(accounts.first())
            .find_map(|account| Some((account["name"].as_str()?.to_owned(), account["password"].as_str()?.to_owned())));
        found.unwrap_or_else(|| panic!("{decky} has nobody with a password: {persona:#}"))
    }

    /// Kills it with SIGKILL and starts it again in the same directory.
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.restart().await;
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        let player = child_named(self.pid(), "decoy");
        self.child.kill().await.unwrap();
        // The player notices by itself that it is alone; it holds its spool until then.
        let started = Instant::now();
        while player
            .is_some_and(|pid| Path::new(&format!("/proc/{pid}/exe")).exists() && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok())
        {
            assert!(started.elapsed() < PATIENCE, "the player outlives its fleet");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts it again after [`World::kill`].
    pub async fn restart(&mut self) {
        let (child, ready) = start(self.home.path(), &self.args, &self.env, self.log.as_file()).await;
        self.child = child;
        self.url = ready["url"].as_str().unwrap().to_owned();
        self.deckies = ready["deckies"].as_array().cloned().unwrap_or_default();
        self.sign_in().await;
    }

    /// Asks it to stop and waits; whether it ended well.
    pub async fn stop(mut self) -> bool {
        let pid = nix::unistd::Pid::from_raw(self.pid());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it did not stop").unwrap().success()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _gone = self.child.start_kill();
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- what decnet logged last");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A client for the API. It is built with TLS, which wants its arithmetic chosen; only the first choice of a process counts.
pub fn web_client() -> reqwest::Client {
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// The unprivileged player must be able to walk through the directory.
fn open_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711)).unwrap();
}

async fn start(home: &Path, args: &[String], env: &[(String, String)], log: &File) -> (Child, Value) {
    let mut child = Command::new(programs().join("decnet"))
        .arg("up")
        .args(["--json", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(home)
        .args(args)
        .envs(env.iter().map(|(k, v)| (k, v)))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone().unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it is not ready in time").unwrap();
    let ended = || panic!("it ended before it was ready:\n{}", std::fs::read_to_string(log_path(log)).unwrap_or_default());
    let ready = serde_json::from_str(&first.unwrap_or_else(ended)).unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, ready)
}

fn log_path(log: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", log.as_raw_fd()))
}

/// Runs a real client and gives its exit code, standard output and standard error.
pub async fn client(program: &str, args: &[&str], input: &[u8]) -> (i32, Vec<u8>, Vec<u8>) {
    use tokio::io::AsyncWriteExt;
    let mut child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started ({error}): scripts/setup test installs it"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    let out =
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap_or_else(|_| panic!("{program} {args:?} hangs")).unwrap();
    (out.status.code().unwrap_or(-1), out.stdout, out.stderr)
}

/// The processes below `pid`, itself first.
pub fn family(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(&parent) = all.get(at) {
        for task in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|p| p.parse::<i32>().ok()));
        }
        at += 1;
    }
    all
}

/// The innermost process called `name` below `pid`.
pub fn child_named(pid: i32, name: &str) -> Option<i32> {
    let is = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    family(pid).into_iter().skip(1).filter(is).last()
}
