//! The server itself: clients, persistence, replication, access lists, introspection.

use bytes::Bytes;
use model::Saw;

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis, SYNTAX},
    message::integer,
    store::{DBS, Value, glob},
    table::{Entry, table},
};

impl Redis {
    pub(super) fn server(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        let second = args.get(2).cloned().unwrap_or_default();
        match name {
            "ping" => {
                if args.len() > 2 {
                    return Err("ERR wrong number of arguments for 'ping' command".into());
                }
                let subscribed = !self.client.channels.is_empty() || !self.client.patterns.is_empty();
                match (subscribed && self.out.resp == 2, args.get(1)) {
                    (true, text) => {
                        self.out.array(2);
                        self.out.bulk("pong");
                        self.out.bulk(text.cloned().unwrap_or_default());
                    }
                    (false, Some(text)) => self.out.bulk(text),
                    (false, None) => self.out.simple("PONG"),
                }
            }
            "echo" => self.out.bulk(key),
            "time" => {
                self.out.array(2);
                self.out.bulk(self.now.seconds().to_string());
                self.out.bulk(self.now.0.rem_euclid(1_000_000).to_string());
            }
            "info" => self.info(args),
            "config" => return self.config(args),
            "client" => return self.clients(args),
            "command" => return self.commands(args),
            "acl" => return self.acl(args),
            "memory" => return self.memory(args),
            "save" => {
                self.save();
                self.out.ok();
            }
            "bgsave" => {
                if args.len() > 1 && !(args.len() == 2 && key.eq_ignore_ascii_case(b"schedule")) {
                    return Err(SYNTAX.into());
                }
                self.save();
                self.out.simple("Background saving started");
            }
            "bgrewriteaof" => self.out.simple("Background append only file rewriting started"),
            "lastsave" => {
                let at = self.last_save();
                self.out.int(at);
            }
            "slaveof" | "replicaof" => {
                if key.eq_ignore_ascii_case(b"no") && second.eq_ignore_ascii_case(b"one") {
                    self.keys.set_note("master", Bytes::new());
                } else {
                    let port = integer(&second).filter(|p| (0..=65535).contains(p)).ok_or("ERR Invalid master port")?;
                    self.notes.push(Saw::noted("replicaof", [("host", &key), ("port", &second)]));
                    let wanted = format!("{} {port}", String::from_utf8_lossy(&key));
                    if self.keys.note("master").is_some_and(|m| m == wanted.as_bytes()) {
                        self.out.simple("OK Already connected to specified master");
                        return Ok(true);
                    }
                    self.keys.set_note("master", wanted);
                    self.keys.set_note("master_since", self.now.seconds().to_string());
                }
                self.out.ok();
            }
            "role" => match self.keys.note("master").filter(|m| !m.is_empty()) {
                None => {
                    self.out.array(3);
                    self.out.bulk("master");
                    self.out.int(0);
                    self.out.array(0);
                }
                Some(master) => {
                    let text = String::from_utf8_lossy(&master).into_owned();
                    let (host, port) = text.rsplit_once(' ').unwrap_or((&text, "6379"));
                    self.out.array(5);
                    self.out.bulk("slave");
                    self.out.bulk(host);
                    self.out.int(port.parse().unwrap_or(6379));
                    self.out.bulk("connect");
                    self.out.int(-1);
                }
            },
            "replconf" => {
                const OPTIONS: [&[u8]; 7] =
                    [b"listening-port", b"ip-address", b"capa", b"ack", b"getack", b"rdb-only", b"rdb-filter-only"];
                if args.len().is_multiple_of(2) {
                    return Err(SYNTAX.into());
                }
                let unknown = args.iter().skip(1).step_by(2).find(|a| !OPTIONS.iter().any(|o| a.eq_ignore_ascii_case(o)));
                if let Some(option) = unknown {
                    return Err(format!("ERR Unrecognized REPLCONF option: {}", String::from_utf8_lossy(option)).into());
                }
                self.out.ok();
            }
            "psync" | "sync" => {
                self.notes.push(Saw::noted("replication_request", [("command", name.as_bytes())]));
                if name == "psync" {
                    let line = format!("FULLRESYNC {} 0", self.scene.replid);
                    self.out.simple(&line);
                }
                let dump = self.rdb();
                self.out.raw(format!("${}\r\n", dump.len()).as_bytes());
                self.out.raw(&dump);
            }
            "failover" if key.eq_ignore_ascii_case(b"abort") => return Err("ERR No failover in progress.".into()),
            "failover" => return Err("ERR FAILOVER requires connected replicas.".into()),
            "wait" => {
                let n = integer(&key).ok_or(NOT_INT)?;
                integer(&second).filter(|&t| t >= 0).ok_or("ERR timeout is not an integer or out of range")?;
                let _ = n;
                self.out.int(0);
            }
            "module" => match &key.to_ascii_lowercase()[..] {
                b"list" => self.out.array(0),
                b"load" | b"loadex" => {
                    self.notes.push(Saw::noted("module_load", [("path", &second)]));
                    return Err("ERR Error loading the extension. Please check the server logs.".into());
                }
                b"unload" => return Err("ERR Error unloading module: no such module with that name".into()),
                _ => return Ok(false),
            },
            "slowlog" => match &key.to_ascii_lowercase()[..] {
                b"get" => {
                    if let Some(n) = args.get(2) {
                        integer(n).filter(|&n| n >= -1).ok_or("ERR count should be greater than or equal to -1")?;
                    }
                    self.out.array(0);
                }
                b"len" => self.out.int(0),
                b"reset" => self.out.ok(),
                _ => return Ok(false),
            },
            "latency" => match &key.to_ascii_lowercase()[..] {
                b"latest" | b"history" => self.out.array(0),
                b"reset" => self.out.int(0),
                b"histogram" => self.out.map(0),
                b"graph" => return Err(format!("ERR No samples available for event '{}'", String::from_utf8_lossy(&second)).into()),
                b"doctor" => self.out.text(
                    "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n",
                ),
                _ => return Ok(false),
            },
            "pubsub" => match &key.to_ascii_lowercase()[..] {
                b"channels" => {
                    let mut list = self.client.channels.clone();
                    list.retain(|c| args.len() < 3 || glob(&second, c, false));
                    self.out.strings(&list);
                }
                b"shardchannels" => self.out.array(0),
                b"numsub" | b"shardnumsub" => {
                    self.out.array((args.len() - 2) * 2);
                    for channel in args.iter().skip(2) {
                        self.out.bulk(channel);
                        self.out.int(i64::from(self.client.channels.contains(channel)));
                    }
                }
                b"numpat" => {
                    let n = self.client.patterns.len();
                    self.out.len(n);
                }
                _ => return Ok(false),
            },
            "publish" | "spublish" => {
                let direct = self.client.channels.contains(&key);
                let by_pattern: Vec<Bytes> = self.client.patterns.iter().filter(|p| glob(p, &key, false)).cloned().collect();
                self.out.len(usize::from(direct) + by_pattern.len());
                if direct {
                    self.out.push(3);
                    for part in [&Bytes::from_static(b"message"), &key, &second] {
                        self.out.bulk(part);
                    }
                }
            }
            "cluster" | "readonly" | "readwrite" | "asking" => return Err("ERR This instance has cluster support disabled".into()),
            "debug" => return self.debug(args),
            "shutdown" => {
                let fine = args.iter().skip(1).all(|a| ["nosave", "save", "now", "force", "abort"].iter().any(|o| a.eq_ignore_ascii_case(o.as_bytes())));
                if !fine {
                    return Err(SYNTAX.into());
                }
                if args.iter().any(|a| a.eq_ignore_ascii_case(b"abort")) {
                    return Err("ERR No shutdown in progress.".into());
                }
                // systemd starts it again at once; this client only sees the connection go.
                self.notes.push(Saw::noted("shutdown", []));
                self.save();
                self.client.closing = true;
            }
            "lolwut" => {
                let text = format!("Redis ver. {}\n", self.scene.version);
                self.out.text(&text);
            }
            "pfadd" | "pfcount" | "pfmerge" => return self.counters(name, args),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `<command> HELP`.
    pub(super) fn help_text(&mut self, command: &str) -> bool {
        let head = format!("# {command}");
        let lines: Vec<&str> =
            include_str!("help.txt").lines().skip_while(|l| *l != head).skip(1).take_while(|l| !l.starts_with("# ")).collect();
        if lines.is_empty() {
            return false;
        }
        self.out.array(lines.len());
        for line in lines {
            self.out.simple(line);
        }
        true
    }

    /// Cardinality: counted exactly, kept as a set.
    fn counters(&mut self, name: &str, args: &[Bytes]) -> Did {
        let mut renamed = args.to_vec();
        if let Some(first) = renamed.first_mut() {
            *first = Bytes::from_static(b"sadd");
        }
        match name {
            "pfadd" => {
                if args.len() == 2 {
                    self.out.int(1);
                    return Ok(true);
                }
                let before = self.out.bytes.len();
                self.sets("sadd", &renamed)?;
                let grew = self.out.bytes.get(before..) != Some(b":0\r\n");
                self.out.bytes.truncate(before);
                self.out.int(i64::from(grew));
            }
            "pfcount" => {
                let before = self.out.bytes.len();
                self.sets("scard", &renamed)?;
                let _ = before;
            }
            _ => {
                let before = self.out.bytes.len();
                self.sets("sunionstore", &renamed)?;
                self.out.bytes.truncate(before);
                self.out.ok();
            }
        }
        Ok(true)
    }

    fn debug(&mut self, args: &[Bytes]) -> Did {
        match &args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default()[..] {
            b"sleep" | b"jmap" | b"reload" | b"flushall" => self.out.ok(),
            b"object" => {
                let key = args.get(2).cloned().unwrap_or_default();
                let entry = self.keys.get(self.client.db, &key, self.now).cloned().ok_or("ERR no such key")?;
                let at = 0x7f00_0000_0000 + self.keys.hash(&key) % 0xffff_ffff / 16 * 16;
                let line = format!(
                    "Value at:{at:#x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:0",
                    entry.value.encoding(),
                    entry.value.weight() + 1,
                    self.now.seconds() & 0xff_ffff
                );
                self.out.simple(&line);
            }
            _ => return Err("ERR DEBUG subcommand not supported".into()),
        }
        Ok(true)
    }

    fn client_line(&self) -> String {
        let age = self.now.since(self.visit.at).as_secs();
        format!(
            "id={} addr={} laddr={} fd={} name={} age={age} idle=0 flags=N db={} sub={} psub={} ssub={} multi=-1 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=22298 events=r cmd={} user=default redir=-1 resp={}",
            self.client.id,
            self.visit.peer,
            self.visit.local,
            8 + self.scene.neighbours,
            String::from_utf8_lossy(&self.client.name),
            self.client.db,
            self.client.channels.len(),
            self.client.patterns.len(),
            self.client.shards.len(),
            self.client.last,
            self.out.resp
        )
    }

    /// The application's own connections.
    fn neighbour_lines(&self) -> Vec<String> {
        let up = self.scene.uptime(self.now);
        (0..self.scene.neighbours)
            .map(|i| {
                let mix = super::store::hash(self.scene.seed, &i.to_be_bytes());
                let idle = (u64::try_from(self.now.seconds()).unwrap_or(0) + mix) % (3 + mix % 25);
                let command = ["get", "ping", "hgetall", "setex"].get(usize::try_from(mix >> 8 & 3).unwrap_or(0)).copied().unwrap_or("get");
                format!(
                    "id={} addr=127.0.0.1:{} laddr=127.0.0.1:{} fd={} name= age={} idle={idle} flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=1800 events=r cmd={command} user=default redir=-1 resp=2",
                    i + 3,
                    33_000 + mix % 27_000,
                    self.scene.port,
                    8 + i,
                    up.saturating_sub(4 + mix % 9)
                )
            })
            .collect()
    }

    fn clients(&mut self, args: &[Bytes]) -> Did {
        let sub = args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
        let value = args.get(2).cloned().unwrap_or_default();
        let switch = |v: &Bytes| match &v.to_ascii_lowercase()[..] {
            b"on" => Ok(true),
            b"off" => Ok(false),
            _ => Err(Fail::from(SYNTAX)),
        };
        match &sub[..] {
            b"id" => self.out.int(i64::try_from(self.client.id).unwrap_or(0)),
            b"info" => {
                self.client.last = "client|info".into();
                let line = format!("{}\n", self.client_line());
                self.out.text(&line);
            }
            b"list" => {
                self.client.last = "client|list".into();
                let mut lines = self.neighbour_lines();
                lines.push(self.client_line());
                match args.get(2).map(|o| o.to_ascii_lowercase()) {
                    None => {}
                    Some(o) if o == b"type" && args.len() == 4 => {
                        let kind = args.get(3).map(|k| String::from_utf8_lossy(k).to_ascii_lowercase()).unwrap_or_default();
                        match kind.as_str() {
                            "normal" => {}
                            "master" | "replica" | "slave" | "pubsub" => lines.clear(),
                            _ => {
                                return Err(format!(
                                    "ERR Unknown client type '{}'",
                                    args.get(3).map(|k| String::from_utf8_lossy(k).into_owned()).unwrap_or_default()
                                )
                                .into());
                            }
                        }
                    }
                    Some(o) if o == b"id" && args.len() > 3 => {
                        let ids: Vec<String> = args.iter().skip(3).map(|i| format!("id={} ", String::from_utf8_lossy(i))).collect();
                        lines.retain(|l| ids.iter().any(|i| l.starts_with(i)));
                    }
                    Some(_) => return Err(SYNTAX.into()),
                }
                let text: String = lines.iter().flat_map(|l| [l.as_str(), "\n"]).collect();
                self.out.text(&text);
            }
            b"getname" => {
                let name = Some(self.client.name.clone()).filter(|n| !n.is_empty());
                self.out.maybe(name.as_ref());
            }
            b"setname" => {
                if value.iter().any(|b| !(b'!'..=b'~').contains(b)) {
                    return Err("ERR Client names cannot contain spaces, newlines or special characters.".into());
                }
                self.client.name = value;
                self.out.ok();
            }
            b"reply" => match &value.to_ascii_lowercase()[..] {
                b"on" => {
                    self.client.reply_off = false;
                    self.out.ok();
                }
                b"off" => self.client.reply_off = true,
                b"skip" => self.client.skip_next = true,
                _ => return Err(SYNTAX.into()),
            },
            b"kill" => {
                if args.len() == 3 {
                    if value == self.visit.peer.to_string().as_bytes() {
                        self.client.closing = true;
                        self.out.ok();
                    } else {
                        return Err("ERR No such client".into());
                    }
                } else if args.len() % 2 == 1 {
                    return Err(SYNTAX.into());
                } else {
                    self.out.int(0);
                }
            }
            b"pause" => {
                integer(&value).filter(|&t| t >= 0).ok_or("ERR timeout is not an integer or out of range")?;
                self.out.ok();
            }
            b"unpause" => self.out.ok(),
            b"no-evict" => {
                switch(&value)?;
                self.out.ok();
            }
            b"tracking" => {
                switch(&value)?;
                self.out.ok();
            }
            b"caching" => {
                return Err(
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled".into()
                );
            }
            b"getredir" => self.out.int(-1),
            b"trackinginfo" => {
                self.out.map(3);
                self.out.bulk("flags");
                self.out.set(1);
                self.out.bulk("off");
                self.out.bulk("redirect");
                self.out.int(-1);
                self.out.bulk("prefixes");
                self.out.array(0);
            }
            b"unblock" => {
                integer(&value).ok_or(NOT_INT)?;
                self.out.int(0);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn commands(&mut self, args: &[Bytes]) -> Did {
        let sub = args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
        match &sub[..] {
            b"" => {
                let mut list: Vec<&Entry> = table().top().collect();
                self.keys.in_table_order(&mut list, |e| e.name.as_bytes());
                self.out.array(list.len());
                for entry in list {
                    self.out.raw(table().raw(entry));
                }
            }
            b"count" => self.out.len(table().top().count()),
            b"info" => {
                let names: Vec<String> = args.iter().skip(2).map(|a| String::from_utf8_lossy(a).to_ascii_lowercase()).collect();
                if names.is_empty() {
                    return self.commands(&[Bytes::from_static(b"command")]);
                }
                self.out.array(names.len());
                for name in names {
                    match table().find(&name) {
                        Some(entry) => self.out.raw(table().raw(entry)),
                        None => self.out.null(),
                    }
                }
            }
            b"docs" => self.out.map(0),
            b"list" if args.iter().any(|a| a.eq_ignore_ascii_case(b"module")) => self.out.array(0),
            b"list" => {
                let pattern = args.iter().position(|a| a.eq_ignore_ascii_case(b"pattern")).and_then(|i| args.get(i + 1));
                let category = args.iter().position(|a| a.eq_ignore_ascii_case(b"aclcat")).and_then(|i| args.get(i + 1));
                let mut list: Vec<&Entry> = table().all().iter().collect();
                list.retain(|e| {
                    pattern.is_none_or(|p| glob(p, e.name.as_bytes(), true))
                        && category
                            .is_none_or(|c| e.categories.iter().any(|k| k.get(1..).is_some_and(|k| k.as_bytes().eq_ignore_ascii_case(c))))
                });
                self.keys.in_table_order(&mut list, |e| e.name.as_bytes());
                let names: Vec<&str> = list.iter().map(|e| e.name.as_str()).collect();
                self.out.strings(&names);
            }
            b"getkeysandflags" => return Err("ERR The command has no key arguments".into()),
            b"getkeys" => {
                let inner = args.get(2..).unwrap_or_default();
                let name = inner.first().map(|a| String::from_utf8_lossy(a).to_ascii_lowercase()).unwrap_or_default();
                let entry = table().find(&name).ok_or("ERR Invalid command specified")?;
                if entry.first_key == 0 {
                    return Err("ERR The command has no key arguments".into());
                }
                let n = i64::try_from(inner.len()).unwrap_or(0);
                if entry.arity > 0 && n != entry.arity || n < -entry.arity {
                    return Err("ERR Invalid number of arguments specified for command".into());
                }
                let last = if entry.last_key < 0 { n + entry.last_key } else { entry.last_key };
                let mut found = Vec::new();
                let mut at = entry.first_key;
                while at <= last && entry.step > 0 {
                    found.extend(usize::try_from(at).ok().and_then(|i| inner.get(i)).cloned());
                    at += entry.step;
                }
                self.out.strings(&found);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn acl(&mut self, args: &[Bytes]) -> Did {
        let sub = args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
        let secret = self.password.as_ref().map(|p| {
            use sha2::Digest;
            hex::encode(sha2::Sha256::digest(p))
        });
        match &sub[..] {
            b"whoami" => self.out.bulk("default"),
            b"list" => {
                let how = secret.map_or_else(|| "nopass sanitize-payload".to_owned(), |s| format!("sanitize-payload #{s}"));
                self.out.strings(&[format!("user default on {how} ~* &* +@all")]);
            }
            b"users" => self.out.strings(&["default"]),
            b"cat" => match args.get(2) {
                None => self.out.strings(&[
                    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
                ]),
                Some(wanted) => {
                    let wanted = String::from_utf8_lossy(wanted).to_ascii_lowercase();
                    let names: Vec<&str> = table().all().iter().filter(|e| !e.container && e.categories.iter().any(|c| c.get(1..) == Some(&wanted))).map(|e| e.name.as_str()).collect();
                    if names.is_empty() {
                        return Err(format!("ERR Unknown category '{wanted}'").into());
                    }
                    self.out.strings(&names);
                }
            },
            b"getuser" => {
                if args.get(2).is_none_or(|u| u.as_ref() != b"default") {
                    self.out.null();
                    return Ok(true);
                }
                self.out.map(6);
                self.out.bulk("flags");
                let flags: &[&str] = if secret.is_some() { &["on", "sanitize-payload"] } else { &["on", "nopass", "sanitize-payload"] };
                self.out.strings(flags);
                self.out.bulk("passwords");
                let secrets: Vec<String> = secret.into_iter().collect();
                self.out.strings(&secrets);
                for (k, v) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
                    self.out.bulk(k);
                    self.out.bulk(v);
                }
                self.out.bulk("selectors");
                self.out.array(0);
            }
            b"setuser" => {
                let words: Vec<u8> = args.join(&b' ');
                self.notes.push(Saw::noted("acl_setuser", [("rule", &words)]));
                self.out.ok();
            }
            b"deluser" => self.out.int(0),
            b"log" => match args.get(2) {
                Some(word) if word.eq_ignore_ascii_case(b"reset") => self.out.ok(),
                _ => self.out.array(0),
            },
            b"genpass" => {
                let bits = match args.get(2) {
                    None => 256,
                    Some(n) => integer(n).filter(|n| (1..=4096).contains(n)).ok_or("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096")?,
                };
                let chars = usize::try_from((bits + 3) / 4).unwrap_or(64);
                let mut text = String::new();
                let mut n = self.now.0;
                while text.len() < chars {
                    text.push_str(&hex::encode(self.visit.derive(&format!("redis/genpass/{n}"))));
                    n += 1;
                }
                text.truncate(chars);
                self.out.bulk(text);
            }
            b"load" | b"save" => return Err("ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.".into()),
            b"dryrun" => self.out.ok(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn memory(&mut self, args: &[Bytes]) -> Did {
        let sub = args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
        match &sub[..] {
            b"usage" => {
                let key = args.get(2).cloned().unwrap_or_default();
                match self.keys.get(self.client.db, &key, self.now).map(|e| e.value.weight()) {
                    Some(weight) => self.out.len((weight + key.len() + 56).next_multiple_of(8)),
                    None => self.out.null(),
                }
            }
            b"doctor" => self.out.text(
                "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to our programming as soon as I finished rebooting.\n",
            ),
            b"purge" => self.out.ok(),
            b"malloc-stats" => self.out.text("___ Begin jemalloc statistics ___\nVersion: \"5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c\"\n--- End jemalloc statistics ---\n"),
            b"stats" => {
                let used = i64::try_from(self.used_memory()).unwrap_or(0);
                let keys: usize = (0..DBS).map(|d| self.keys.size(d)).sum();
                let mut ints: Vec<(String, Result<i64, f64>)> = Vec::new();
                let mut put = |k: &str, v: Result<i64, f64>| ints.push((k.to_owned(), v));
                put("peak.allocated", Ok(used + 1_900_000));
                put("total.allocated", Ok(used));
                put("startup.allocated", Ok(862_240));
                for k in ["replication.backlog", "clients.slaves"] {
                    put(k, Ok(0));
                }
                put("clients.normal", Ok(i64::try_from(self.scene.neighbours + 1).unwrap_or(1) * 22_440));
                put("cluster.links", Ok(0));
                put("aof.buffer", Ok(0));
                put("lua.caches", Ok(0));
                put("functions.caches", Ok(200));
                put("overhead.total", Ok(862_440 + i64::try_from(self.scene.neighbours + 1).unwrap_or(1) * 22_440));
                put("keys.count", Ok(i64::try_from(keys).unwrap_or(0)));
                put("keys.bytes-per-key", Ok((used - 862_240) / i64::try_from(keys.max(1)).unwrap_or(1)));
                put("dataset.bytes", Ok(used - 900_000));
                put("dataset.percentage", Err(61.5));
                put("peak.percentage", Err(used as f64 * 100.0 / (used + 1_900_000) as f64));
                put("fragmentation", Err(13_303_808.0 / used as f64));
                put("fragmentation.bytes", Ok(13_303_808 - used));
                self.out.map(ints.len());
                for (k, v) in ints {
                    self.out.bulk(k);
                    match v {
                        Ok(n) => self.out.int(n),
                        Err(f) => self.out.double(f),
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Notes where the data would be written and keeps what would be in the file.
    fn save(&mut self) {
        let path = format!("{}/{}", self.setting("dir").trim_end_matches('/'), self.setting("dbfilename"));
        let dump = self.rdb();
        self.notes.push(Saw::noted("save", [("path", path.as_bytes())]));
        self.files.push((path, Bytes::from(dump)));
        self.keys.set_note("saved", self.now.seconds().to_string());
        self.keys.changes = 0;
    }

    /// The strings of the databases as an RDB file, version 10.
    fn rdb(&self) -> Vec<u8> {
        let mut out = b"REDIS0010".to_vec();
        let bits = "64".to_owned();
        let used = self.used_memory().to_string();
        let time = self.now.seconds().to_string();
        for (k, v) in [
            ("redis-ver", &self.scene.version),
            ("redis-bits", &bits),
            ("ctime", &time),
            ("used-mem", &used),
            ("aof-base", &"0".to_owned()),
        ] {
            out.push(0xfa);
            rdb_string(&mut out, k.as_bytes());
            rdb_string(&mut out, v.as_bytes());
        }
        for db in 0..DBS {
            let strings: Vec<_> = self
                .keys
                .entries(db)
                .filter_map(|(k, e)| if let Value::Str(s) = &e.value { Some((k, s, e.expires)) } else { None })
                .collect();
            if strings.is_empty() {
                continue;
            }
            out.push(0xfe);
            rdb_len(&mut out, db);
            out.push(0xfb);
            rdb_len(&mut out, strings.len());
            rdb_len(&mut out, strings.iter().filter(|(.., e)| e.is_some()).count());
            for (key, value, expires) in strings {
                if let Some(at) = expires {
                    out.push(0xfc);
                    out.extend_from_slice(&at.to_le_bytes());
                }
                out.push(0);
                rdb_string(&mut out, key);
                rdb_string(&mut out, value);
            }
        }
        out.push(0xff);
        let sum = crc64(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }
}

fn rdb_len(out: &mut Vec<u8>, n: usize) {
    match n {
        0..64 => out.push(u8::try_from(n).unwrap_or(0)),
        64..16384 => out.extend_from_slice(&(u16::try_from(n).unwrap_or(0) | 0x4000).to_be_bytes()),
        _ => {
            out.push(0x80);
            out.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

/// A string as RDB and DUMP write it: small integers packed, everything else plain.
pub(super) fn rdb_string(out: &mut Vec<u8>, value: &[u8]) {
    match integer(value).filter(|_| value.len() <= 11) {
        Some(n) if i8::try_from(n).is_ok() => out.extend_from_slice(&[0xc0, n.to_le_bytes()[0]]),
        Some(n) if i16::try_from(n).is_ok() => {
            out.push(0xc1);
            out.extend_from_slice(n.to_le_bytes().get(..2).unwrap_or_default());
        }
        Some(n) if i32::try_from(n).is_ok() => {
            out.push(0xc2);
            out.extend_from_slice(n.to_le_bytes().get(..4).unwrap_or_default());
        }
        _ => {
            rdb_len(out, value.len());
            out.extend_from_slice(value);
        }
    }
}

/// CRC-64 of the Jones polynomial, as RDB files end with.
pub(super) fn crc64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0u64, |crc, &b| (0..8).fold(crc ^ u64::from(b), |c, _| if c & 1 == 1 { c >> 1 ^ 0x95ac_9329_ac4b_c9b5 } else { c >> 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
