//! `CONFIG`: settings with the kinds and guards of Redis 7.

use bytes::Bytes;

use super::{
    dialogue::{Did, Fail, Redis, SYNTAX},
    message::integer,
    store::glob,
};

/// Cannot be changed while the server runs.
const IMMUTABLE: &[&str] = &[
    "aclfile",
    "always-show-logo",
    "appenddirname",
    "appendfilename",
    "cluster-config-file",
    "cluster-enabled",
    "cluster-port",
    "daemonize",
    "databases",
    "disable-thp",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "io-threads",
    "io-threads-do-reads",
    "logfile",
    "pidfile",
    "socket-mark-id",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocket",
    "unixsocketperm",
    "rdbchecksum",
    "server_cpulist",
    "bio_cpulist",
    "aof_rewrite_cpulist",
    "bgsave_cpulist",
    "slaveof",
    "replicaof",
];
const MEMORY: &[&str] = &[
    "maxmemory",
    "maxmemory-clients",
    "repl-backlog-size",
    "auto-aof-rewrite-min-size",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "hll-sparse-max-bytes",
    "stream-node-max-bytes",
    "active-defrag-ignore-bytes",
    "cluster-link-sendbuf-limit",
];
const ENUMS: &[(&str, &str)] = &[
    ("loglevel", "debug, verbose, notice, warning"),
    ("maxmemory-policy", "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction"),
    ("appendfsync", "everysec, always, no"),
    ("repl-diskless-load", "disabled, on-empty-db, swapdb"),
    ("sanitize-dump-payload", "no, yes, clients"),
    ("acl-pubsub-default", "allchannels, resetchannels"),
];

impl Redis {
    /// A setting as this attacker sees it.
    pub(super) fn setting(&self, name: &str) -> String {
        let name = alias(name);
        let changed = self.keys.note(&format!("config/{name}")).map(|v| String::from_utf8_lossy(&v).into_owned());
        changed.or_else(|| self.scene.settings.get(name).cloned()).unwrap_or_default()
    }

    pub(super) fn config(&mut self, args: &[Bytes]) -> Did {
        let sub = args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
        match &sub[..] {
            b"get" => {
                let patterns = args.get(2..).unwrap_or_default();
                let mut found: Vec<(Bytes, String)> = Vec::new();
                for name in self.scene.settings.keys() {
                    if patterns.iter().any(|p| glob(p, name.as_bytes(), true)) {
                        found.push((Bytes::from_static(name.as_bytes()), self.setting(name)));
                    }
                }
                self.keys.in_table_order(&mut found, |(k, _)| k);
                self.out.map(found.len());
                for (k, v) in found {
                    self.out.bulk(k);
                    self.out.bulk(v);
                }
            }
            b"set" => self.config_set(args)?,
            b"rewrite" => {
                self.out.ok();
            }
            b"resetstat" => {
                self.keys.set_note("resetstat", self.now.0.to_string());
                self.client.errors.clear();
                self.client.calls.clear();
                self.out.ok();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn config_set(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let pairs = args.get(2..).unwrap_or_default();
        if pairs.len() % 2 == 1 {
            return Err(SYNTAX.into());
        }
        let mut wanted: Vec<(&'static str, String, &Bytes)> = Vec::new();
        for pair in pairs.chunks(2) {
            let [name, value] = pair else { continue };
            let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
            let known = self.scene.settings.keys().copied().find(|k| *k == lower).ok_or_else(|| {
                Fail::from(format!("ERR Unknown option or number of arguments for CONFIG SET - '{}'", String::from_utf8_lossy(name)))
            })?;
            if wanted.iter().any(|(k, ..)| *k == known) {
                return Err(failed(&String::from_utf8_lossy(name), "duplicate parameter"));
            }
            wanted.push((known, String::from_utf8_lossy(name).into_owned(), value));
        }
        let mut changes = Vec::new();
        for (known, said, value) in wanted {
            let text = String::from_utf8_lossy(value).into_owned();
            changes.push((known, self.checked(known, &text).map_err(|why| failed(&said, &why))?));
        }
        for (known, text) in changes {
            if known == "requirepass" {
                self.password = (!text.is_empty()).then(|| Bytes::from(text.clone()));
            }
            self.keys.set_note(&format!("config/{}", alias(known)), text);
        }
        self.out.ok();
        Ok(())
    }

    /// The value as it is kept, or why it is refused.
    fn checked(&self, name: &str, value: &str) -> Result<String, String> {
        if IMMUTABLE.contains(&name) {
            return Err("can't set immutable config".into());
        }
        if matches!(name, "dir" | "dbfilename") {
            if self.scene.protected {
                return Err("can't set protected config".into());
            }
            if name == "dbfilename" && value.contains('/') {
                return Err("dbfilename can't be a path, just a filename".into());
            }
            if name == "dir" {
                return self.directory(value);
            }
            return Ok(value.to_owned());
        }
        if name == "save" {
            let words: Vec<&str> = value.split_whitespace().collect();
            let fine = words.len().is_multiple_of(2)
                && words.chunks(2).all(|p| matches!(p, [s, c] if s.parse::<u32>().is_ok_and(|s| s > 0) && c.parse::<u32>().is_ok()));
            return if fine { Ok(words.join(" ")) } else { Err("Invalid save parameters".into()) };
        }
        if name == "notify-keyspace-events" {
            return events(value).ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
        }
        if let Some((_, options)) = ENUMS.iter().find(|(n, _)| *n == name) {
            let fits = options.split(", ").any(|o| o.eq_ignore_ascii_case(value));
            return if fits { Ok(value.to_ascii_lowercase()) } else { Err(format!("argument(s) must be one of the following: {options}")) };
        }
        let current = self.scene.settings.get(name).map(String::as_str).unwrap_or_default();
        if matches!(current, "yes" | "no") && name != "propagation-error-behavior" {
            return match value.to_ascii_lowercase().as_str() {
                v @ ("yes" | "no") => Ok(v.to_owned()),
                _ => Err("argument must be 'yes' or 'no'".into()),
            };
        }
        if MEMORY.contains(&name) {
            return memory_value(value).map(|n| n.to_string()).ok_or_else(|| "argument must be a memory value".into());
        }
        if !current.is_empty() && integer(current.as_bytes()).is_some() {
            let n = integer(value.as_bytes()).ok_or("argument couldn't be parsed into an integer")?;
            let (low, high) = match name {
                "port" | "tls-port" | "replica-announce-port" | "slave-announce-port" | "cluster-announce-port" => (0, 65535),
                "hz" | "timeout" | "tcp-keepalive" | "maxclients" | "repl-timeout" => (
                    i64::from(name == "maxclients" || name == "repl-timeout"),
                    if name == "maxclients" { i64::from(u32::MAX) } else { i64::from(i32::MAX) },
                ),
                "slowlog-log-slower-than" => (-1, i64::MAX),
                "list-max-listpack-size" | "list-max-ziplist-size" => (i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => (0, i64::MAX),
            };
            return if (low..=high).contains(&n) {
                Ok(n.to_string())
            } else {
                Err(format!("argument must be between {low} and {high} inclusive"))
            };
        }
        Ok(value.to_owned())
    }

    /// What `chdir` says to the service's account.
    fn directory(&self, value: &str) -> Result<String, String> {
        let path = value.trim_end_matches('/');
        let has = |list: &[&str]| list.contains(&path);
        let below = |list: &[&str]| list.iter().any(|p| path == *p || path.starts_with(&format!("{p}/")));
        let homes = self.visit.persona.accounts.iter().any(|a| a.home == path);
        if path.is_empty()
            || has(&[
                "/tmp",
                "/var/tmp",
                "/var/lib",
                "/var",
                "/etc",
                "/etc/cron.d",
                "/etc/cron.daily",
                "/etc/cron.hourly",
                "/etc/redis",
                "/home",
                "/usr",
                "/usr/lib",
                "/usr/local",
                "/opt",
                "/dev/shm",
                "/var/lib/redis",
                "/var/log",
                "/var/log/redis",
                "/run/redis",
                "/var/www",
                "/var/www/html",
                "/var/spool",
                "/var/spool/cron",
                "/lib",
                "/bin",
                "/proc",
                "/mnt",
                "/srv",
                "/.",
            ])
        {
            let web = self.visit.persona.service("http").is_some() || self.visit.persona.service("https").is_some();
            if path.starts_with("/var/www") && !web {
                return Err("No such file or directory".into());
            }
            return Ok(if path.is_empty() { "/".into() } else { path.to_owned() });
        }
        if below(&["/root", "/var/spool/cron/crontabs", "/etc/ssl/private"]) {
            return Err("Permission denied".into());
        }
        if homes {
            return Ok(path.to_owned());
        }
        if matches!(path, "." | "..") || !path.starts_with('/') {
            return if path == "." { Ok(self.setting("dir")) } else { Err("No such file or directory".into()) };
        }
        Err("No such file or directory".into())
    }
}

/// The newer of two names of one setting.
fn alias(name: &str) -> &str {
    const PAIRS: &[(&str, &str)] = &[
        ("slave-announce-ip", "replica-announce-ip"),
        ("slave-announce-port", "replica-announce-port"),
        ("slave-ignore-maxmemory", "replica-ignore-maxmemory"),
        ("slave-lazy-flush", "replica-lazy-flush"),
        ("slave-priority", "replica-priority"),
        ("slave-read-only", "replica-read-only"),
        ("slave-serve-stale-data", "replica-serve-stale-data"),
        ("min-slaves-max-lag", "min-replicas-max-lag"),
        ("min-slaves-to-write", "min-replicas-to-write"),
        ("repl-ping-slave-period", "repl-ping-replica-period"),
        ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
        ("hash-max-ziplist-value", "hash-max-listpack-value"),
        ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
        ("zset-max-ziplist-value", "zset-max-listpack-value"),
        ("list-max-ziplist-size", "list-max-listpack-size"),
        ("lua-time-limit", "busy-reply-threshold"),
    ];
    PAIRS.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

fn failed(name: &str, why: &str) -> Fail {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}").into()
}

/// The flags of keyspace events in the order the server prints them.
fn events(value: &str) -> Option<String> {
    const ALL: &str = "g$lshzxetd";
    if !value.chars().all(|c| "Ag$lshzxeKEtmdn".contains(c)) {
        return None;
    }
    let has = |c: char| value.contains(c) || value.contains('A') && ALL.contains(c);
    let mut text: String = if ALL.chars().all(has) { "A".into() } else { ALL.chars().filter(|&c| has(c)).collect() };
    text.extend("KEmn".chars().filter(|&c| has(c)));
    Some(text)
}

fn memory_value(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1024,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}
