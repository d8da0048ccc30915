//! Somebody on the deckies' network: a network namespace with an address of its own and real clients in it.
//!
//! A trial that is not root has its fleet on loopback; its visitors then come from the host itself.

use crate::{
    leftovers,
    world::{PATIENCE, World},
};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use std::{
    fs::File,
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One machine that visits. Its namespace is gone when this is dropped.
#[derive(Debug)]
pub struct Visitor {
    /// Name of the namespace; `None` on loopback.
    namespace: Option<String>,
    home: tempfile::TempDir,
    /// Its address as deckies see it.
    pub ip: IpAddr,
    /// Its IPv6 address, if the deckies have any.
    pub ip6: Option<Ipv6Addr>,
}

/// What a client came to.
#[derive(Clone, Debug)]
pub struct Out {
    what: String,
    pub code: i32,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Out {
    /// Standard output.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Standard output, then standard error.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.text(), String::from_utf8_lossy(&self.err))
    }

    /// Standard output of a client that must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{} failed:\n{}", self.what, self.all());
        self.text()
    }
}

impl Visitor {
    /// A new machine beside the deckies of `world`, with an address nobody has.
    pub fn beside(world: &World) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let home = tempfile::tempdir().unwrap();
        let state: Value = serde_json::from_slice(&std::fs::read(world.home().join("decnet-state.json")).unwrap()).unwrap();
        let Some(subnet) = state["ground"]["subnet"].as_str().filter(|_| world.is_native()) else {
            return Self { namespace: None, home, ip: Ipv4Addr::LOCALHOST.into(), ip6: None };
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dt{}x{number}", std::process::id());
        let taken: Vec<String> = state["deckies"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, d)| d["persona"]["ipv4"].as_str().map(str::to_owned))
            .collect();
        let (base, prefix) = subnet.split_once('/').unwrap();
        let base = u32::from(base.parse::<Ipv4Addr>().unwrap());
        let free = |skip: u32| {
            let ip = Ipv4Addr::from(base + 254 - skip);
            (!taken.contains(&ip.to_string())).then_some(ip)
        };
        let ip = (number % 100..200).find_map(free).expect("the network of the lab is full");
        let ip6 = state["ground"]["subnet6"].as_str().map(|net| {
            let base = net.split('/').next().unwrap().parse::<Ipv6Addr>().unwrap();
            // Deckies have at most four hexadecimal digits.
            Ipv6Addr::from(u128::from(base) | 0x0d70_0000 | u128::from(number))
        });
        let visitor = Self { namespace: Some(name.clone()), home, ip: ip.into(), ip6 };
        let bridge = bridge_of(base);
        ip_command(&["netns", "add", &name]);
        ip_command(&["link", "add", &name, "type", "veth", "peer", "name", "eth0", "netns", &name]);
        ip_command(&["link", "set", &name, "master", &bridge, "up"]);
        ip_command(&["-n", &name, "addr", "add", &format!("{ip}/{prefix}"), "dev", "eth0"]);
        if let Some(ip6) = ip6 {
            ip_command(&["-n", &name, "addr", "add", &format!("{ip6}/64"), "dev", "eth0", "nodad"]);
        }
        ip_command(&["-n", &name, "link", "set", "lo", "up"]);
        ip_command(&["-n", &name, "link", "set", "eth0", "up"]);
        visitor
    }

    /// A directory of its own: where its clients run and keep what they keep.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Puts a file there.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What is in a file there.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.home().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A command line that runs in the namespace.
    pub fn command(&self, program: &str) -> tokio::process::Command {
        let mut command = match &self.namespace {
            Some(name) => {
                let mut command = tokio::process::Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{name}")).arg("--").arg(program);
                command
            }
            None => tokio::process::Command::new(program),
        };
        command.current_dir(self.home()).env("HOME", self.home()).env("LC_ALL", "C.UTF-8").env("TERM", "xterm").kill_on_drop(true);
        command
    }

    /// Runs a client to its end.
    pub async fn run(&self, program: &str, args: &[&str]) -> Out {
        self.run_with(program, args, b"", PATIENCE).await
    }

    /// Runs a client to its end, with input, within a time.
    pub async fn run_with(&self, program: &str, args: &[&str], input: &[u8], patience: Duration) -> Out {
        let what = format!("{program} {}", args.join(" "));
        let mut child = self
            .command(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what}: {error}; scripts/setup test installs what is needed"));
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let feed = tokio::spawn(async move {
            // A client that ends early does not read on.
            let _sent = stdin.write_all(&input).await;
        });
        let out = tokio::time::timeout(patience, child.wait_with_output()).await.unwrap_or_else(|_| panic!("{what} hangs")).unwrap();
        feed.abort();
        Out { what, code: out.status.code().unwrap_or(-1), out: out.stdout, err: out.stderr }
    }

    /// Types into a client: waits for one of the `|`-separated prompts of each step, then says what belongs to it.
    /// Gives everything that was shown until the client ended.
    pub async fn converse(&self, program: &str, args: &[&str], steps: &[(&str, &str)]) -> String {
        let mut command = self.command(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; scripts/setup test installs what is needed"));
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut shown, mut from, mut buffer) = (Vec::new(), 0, [0; 4096]);
        for (prompts, words) in steps {
            loop {
                let news = String::from_utf8_lossy(&shown[from..]).into_owned();
                if prompts.split('|').any(|prompt| news.contains(prompt)) {
                    break;
                }
                let read = tokio::time::timeout(PATIENCE, stdout.read(&mut buffer)).await;
                let Ok(Ok(n @ 1..)) = read else { panic!("{program} never showed {prompts:?}:\n{}", String::from_utf8_lossy(&shown)) };
                shown.extend_from_slice(&buffer[..n]);
            }
            from = shown.len();
            stdin.write_all(words.as_bytes()).await.unwrap();
        }
        while let Ok(Ok(n @ 1..)) = tokio::time::timeout(PATIENCE, stdout.read(&mut buffer)).await {
            shown.extend_from_slice(&buffer[..n]);
        }
        drop(stdin);
        let _ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Does `work` on a thread in the namespace, with an async runtime of its own.
    pub async fn inside<T: Send + 'static, F: Future<Output = T>>(&self, work: impl FnOnce() -> F + Send + 'static) -> T {
        let namespace = self.namespace.clone();
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            if let Some(name) = namespace {
                setns(File::open(Path::new("/run/netns").join(name)).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _heard = tell.send(runtime.block_on(work()));
        });
        told.await.expect("the visitor's thread broke off")
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if let Some(name) = self.namespace.take() {
            leftovers::remove(std::slice::from_ref(&name), std::slice::from_ref(&name));
        }
    }
}

/// The bridge whose own address is the first of the network `base`.
fn bridge_of(base: u32) -> String {
    let gateway = Ipv4Addr::from(base + 1).to_string();
    let out = Command::new("ip").args(["-o", "-4", "addr", "show", "to", &gateway]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.split_whitespace().nth(1).unwrap_or_else(|| panic!("no bridge has {gateway}")).to_owned()
}

fn ip_command(args: &[&str]) {
    let out = Command::new("ip").args(args).output().expect("iproute2 is installed");
    assert!(out.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr));
}
