//! The conversation: authentication, transactions, subscriptions, and who answers which command.

use bytes::Bytes;
use model::{Micros, Outcome, Saw, SecretKind};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    message::{Out, Parsed, Parser, integer},
    scene::{self, Scene},
    store::{self, Keyspace, Value},
    table::{Entry, table},
};
use crate::{Dialogue, Heard, Reply, Visit};

/// An error reply's text.
pub(super) type Fail = Cow<'static, str>;
/// Whether a family of commands knew the command; an error is sent as such.
pub(super) type Did = Result<bool, Fail>;

pub(super) const WRONGTYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
pub(super) const SYNTAX: &str = "ERR syntax error";
pub(super) const NOT_INT: &str = "ERR value is not an integer or out of range";
pub(super) const NOT_FLOAT: &str = "ERR value is not a valid float";
/// Most requests that are answered before others have their turn.
const AT_ONCE: u32 = 64;
const NOAUTH: &str = "NOAUTH Authentication required.";
const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// A client that waits in BLPOP and the like.
#[derive(Debug)]
struct Waiting {
    /// What it gets when the time is over: a null array, or a null.
    array: bool,
}

/// What the server knows about this client.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) db: usize,
    pub(super) authed: bool,
    pub(super) name: Bytes,
    pub(super) multi: Option<Vec<(&'static str, Vec<Bytes>)>>,
    multi_bad: bool,
    in_exec: bool,
    watches: Vec<(usize, Bytes, Option<Value>)>,
    pub(super) channels: Vec<Bytes>,
    pub(super) patterns: Vec<Bytes>,
    pub(super) shards: Vec<Bytes>,
    waiting: Option<Waiting>,
    pub(super) reply_off: bool,
    pub(super) skip_next: bool,
    skip_this: bool,
    pub(super) monitor: bool,
    pub(super) closing: bool,
    pub(super) commands: u64,
    pub(super) bytes_in: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) last: String,
    pub(super) calls: BTreeMap<String, u64>,
}

/// One visitor of the Redis decoy.
#[derive(Debug)]
pub(super) struct Redis {
    pub(super) visit: Visit,
    pub(super) scene: Arc<Scene>,
    /// `requirepass` as this conversation knows it.
    pub(super) password: Option<Bytes>,
    pub(super) client: Client,
    pub(super) keys: Keyspace,
    pub(super) out: Out,
    pub(super) now: Micros,
    parser: Parser,
    /// Files and notes of this turn, in order.
    pub(super) files: Vec<(String, Bytes)>,
    pub(super) notes: Vec<Saw>,
    pub(super) wake: Option<Duration>,
}

impl Redis {
    pub(super) fn new(visit: &Visit) -> Self {
        let scene = visit.shelf.once(|| Scene::of(visit));
        let password = scene.password.clone();
        let mut keys = Keyspace::new(visit.memory.clone(), scene.seed);
        let count = keys.note("connections").and_then(|b| integer(&b)).unwrap_or(0) + 1;
        keys.set_note("connections", count.to_string());
        let id = scene.uptime(visit.at) / 29 + scene.seed % 97 + scene.neighbours + 3 + u64::try_from(count).unwrap_or(0);
        let client = Client { id, authed: password.is_none(), ..Client::default() };
        Self {
            visit: visit.clone(),
            scene,
            password,
            client,
            keys,
            out: Out::new(),
            now: visit.at,
            parser: Parser::default(),
            files: Vec::new(),
            notes: Vec::new(),
            wake: None,
        }
    }

    fn request(&mut self, args: &[Bytes], reply: &mut Reply) {
        let Some(first) = args.first() else { return };
        let name = String::from_utf8_lossy(first).to_ascii_lowercase();
        if name == "post" || name == "host:" {
            // The server takes these for a cross-protocol attack and drops the connection without a word.
            reply.note(Saw::Command { line: readable(args).into(), user: None, cwd: None });
            self.out.bytes.clear();
            self.client.closing = true;
            return;
        }
        let before = self.out.bytes.len();
        self.client.skip_this = std::mem::take(&mut self.client.skip_next);
        self.client.commands += 1;
        if !matches!(name.as_str(), "auth" | "hello") {
            reply.note(Saw::Command { line: readable(args).into(), user: self.client.authed.then(|| "default".to_owned()), cwd: None });
        }
        self.command(&name, args, reply);
        if self.client.reply_off || self.client.skip_this {
            self.out.bytes.truncate(before);
        }
        // A monitoring client may do little but QUIT; what is refused is not shown.
        let monitored = self.client.monitor && matches!(name.as_str(), "ping" | "echo" | "info" | "time");
        if monitored {
            let at = self.now.0;
            let line: Vec<u8> = args.iter().flat_map(|a| [&b" "[..], &quoted(a)].concat()).collect();
            let head = format!("+{}.{:06} [{} {}]", at.div_euclid(1_000_000), at.rem_euclid(1_000_000), self.client.db, self.visit.peer);
            self.out.raw(head.as_bytes());
            self.out.raw(&line);
            self.out.raw(b"\r\n");
        }
    }

    /// Everything `processCommand` checks, in its order, then the command itself.
    fn command(&mut self, name: &str, args: &[Bytes], reply: &mut Reply) {
        let in_multi = self.client.multi.is_some();
        if name == "quit" {
            self.out.ok();
            self.client.closing = true;
            return;
        }
        let Some(entry) = find(name, args) else {
            self.reject(unknown(name, args, self.scene.major));
            return;
        };
        let arity_wrong = (entry.arity > 0 && i64::try_from(args.len()).unwrap_or(0) != entry.arity)
            || i64::try_from(args.len()).unwrap_or(0) < -entry.arity;
        if arity_wrong {
            let text = format!("ERR wrong number of arguments for '{}' command", entry.name);
            self.reject(text);
            return;
        }
        if entry.name == "debug" || entry.name.starts_with("module|") && entry.name.contains("load") && self.scene.major >= 7 {
            let (what, option) =
                if entry.name == "debug" { ("DEBUG", "enable-debug-command") } else { ("MODULE", "enable-module-command") };
            if self.scene.major >= 7 {
                self.reject(format!(
                    "ERR {what} command not allowed. If the {option} option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
                ));
                return;
            }
        }
        if !self.client.authed && !entry.no_auth {
            self.reject(NOAUTH);
            return;
        }
        if self.client.monitor && (entry.write || entry.readonly) {
            self.reject("ERR Replica can't interact with the keyspace");
            return;
        }
        if entry.denyoom && self.keys.used > store::QUOTA {
            self.reject("OOM command not allowed when used memory > 'maxmemory'.");
            return;
        }
        if entry.write && self.keys.note("master").is_some_and(|m| !m.is_empty()) {
            self.reject("READONLY You can't write against a read only replica.");
            return;
        }
        let subscribed = !self.client.channels.is_empty() || !self.client.patterns.is_empty() || !self.client.shards.is_empty();
        let top = entry.name.split('|').next().unwrap_or_default();
        if subscribed
            && self.out.resp == 2
            && !matches!(
                top,
                "ping" | "subscribe" | "ssubscribe" | "sunsubscribe" | "psubscribe" | "unsubscribe" | "punsubscribe" | "reset"
            )
        {
            let text = format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                entry.name
            );
            self.reject(text);
            return;
        }
        if in_multi && !matches!(top, "exec" | "discard" | "multi" | "watch" | "reset") {
            if (top == "subscribe" || top == "psubscribe" || top == "ssubscribe" || top == "monitor")
                && (top == "monitor" || self.out.resp == 2)
            {
                self.reject("ERR Command not allowed inside a transaction");
                return;
            }
            if let Some(queue) = &mut self.client.multi
                && queue.len() < 20_000
            {
                queue.push((entry.name.as_str(), args.to_vec()));
            }
            self.out.raw(b"+QUEUED\r\n");
            return;
        }
        self.call(entry.name.as_str(), args, reply);
    }

    fn reject(&mut self, text: impl AsRef<[u8]>) {
        if self.client.multi.is_some() {
            self.client.multi_bad = true;
        }
        self.fail(text);
    }

    pub(super) fn fail(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let code = String::from_utf8_lossy(text.split(|&b| b == b' ').next().unwrap_or(b"ERR")).into_owned();
        if self.client.errors.len() < 32 {
            *self.client.errors.entry(code).or_default() += 1;
        }
        self.out.error(text);
    }

    /// Runs a command whose arity is right.
    pub(super) fn call(&mut self, name: &str, args: &[Bytes], reply: &mut Reply) {
        self.client.last = name.to_owned();
        if self.client.calls.len() < 300 {
            *self.client.calls.entry(name.to_owned()).or_default() += 1;
        }
        let needs_keys = !matches!(name, "auth" | "hello" | "ping" | "echo" | "quit" | "time");
        if needs_keys {
            let visit = &self.visit;
            let now = self.now;
            self.keys.refresh(now, || scene::own_data(visit, now));
        }
        let top = name.split('|').next().unwrap_or_default();
        if name.ends_with("|help") && self.help_text(top) {
            return;
        }
        let done = match self.session(top, args, reply) {
            Ok(false) => self.families(top, args),
            other => other,
        };
        match done {
            Ok(true) => {}
            Ok(false) => self.fail(unknown_sub(name, args)),
            Err(text) => self.fail(text.as_bytes()),
        }
    }

    fn families(&mut self, name: &str, args: &[Bytes]) -> Did {
        for family in [
            Self::strings,
            Self::generic,
            Self::hashes,
            Self::lists,
            Self::sets,
            Self::zsets,
            Self::streams,
            Self::server,
            Self::lua,
            Self::more,
        ] {
            if family(self, name, args)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Commands that are about this connection.
    fn session(&mut self, name: &str, args: &[Bytes], reply: &mut Reply) -> Did {
        match name {
            "auth" => {
                let (user, secret) = match args {
                    [_, secret] => (None, secret),
                    [_, user, secret] => (Some(user), secret),
                    _ => return Err(SYNTAX.into()),
                };
                if user.is_none() && self.password.is_none() {
                    self.note_auth(user, secret, Outcome::Failure, reply);
                    return Err("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".into());
                }
                self.auth(user, secret, reply)?;
                self.out.ok();
            }
            "hello" => self.hello(args, reply)?,
            "reset" => {
                self.client.multi = None;
                self.client.watches.clear();
                self.client.channels.clear();
                self.client.patterns.clear();
                self.client.shards.clear();
                self.client.db = 0;
                self.client.name = Bytes::new();
                self.client.monitor = false;
                self.client.reply_off = false;
                self.client.authed = self.password.is_none();
                self.out.resp = 2;
                self.out.simple("RESET");
            }
            "multi" => {
                if self.client.multi.is_some() {
                    return Err("ERR MULTI calls can not be nested".into());
                }
                self.client.multi = Some(Vec::new());
                self.client.multi_bad = false;
                self.out.ok();
            }
            "discard" => {
                self.client.multi.take().ok_or("ERR DISCARD without MULTI")?;
                self.client.watches.clear();
                self.out.ok();
            }
            "exec" => {
                let queue = self.client.multi.take().ok_or("ERR EXEC without MULTI")?;
                let watches = std::mem::take(&mut self.client.watches);
                if std::mem::take(&mut self.client.multi_bad) {
                    return Err("EXECABORT Transaction discarded because of previous errors.".into());
                }
                let now = self.now;
                let touched = watches.iter().any(|(db, key, was)| self.keys.get(*db, key, now).map(|e| &e.value) != was.as_ref());
                if touched {
                    self.out.null_array();
                    return Ok(true);
                }
                self.out.array(queue.len());
                self.client.in_exec = true;
                for (name, args) in queue {
                    self.call(name, &args, reply);
                }
                self.client.in_exec = false;
            }
            "watch" => {
                if self.client.multi.is_some() {
                    return Err("ERR WATCH inside MULTI is not allowed".into());
                }
                for key in args.iter().skip(1).take(1000) {
                    let was = self.keys.get(self.client.db, key, self.now).map(|e| e.value.clone());
                    self.client.watches.push((self.client.db, key.clone(), was));
                }
                self.client.watches.truncate(1000);
                self.out.ok();
            }
            "unwatch" => {
                self.client.watches.clear();
                self.out.ok();
            }
            "subscribe" | "psubscribe" | "ssubscribe" => {
                for channel in args.iter().skip(1) {
                    let list = self.list_of(name);
                    if !list.contains(channel) && list.len() < 10_000 {
                        list.push(channel.clone());
                    }
                    self.subscription(name, Some(channel));
                }
            }
            "unsubscribe" | "punsubscribe" | "sunsubscribe" => {
                let all: Vec<Bytes> = if args.len() > 1 {
                    args.iter().skip(1).cloned().collect()
                } else {
                    self.list_of(name).iter().rev().cloned().collect()
                };
                if all.is_empty() {
                    self.subscription(name, None);
                }
                for channel in all {
                    self.list_of(name).retain(|c| *c != channel);
                    self.subscription(name, Some(&channel));
                }
            }
            "monitor" => {
                self.client.monitor = true;
                self.out.ok();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn list_of(&mut self, name: &str) -> &mut Vec<Bytes> {
        match name.trim_start_matches("un") {
            "psubscribe" | "punsubscribe" => &mut self.client.patterns,
            "ssubscribe" | "sunsubscribe" => &mut self.client.shards,
            _ => &mut self.client.channels,
        }
    }

    fn subscription(&mut self, name: &str, channel: Option<&Bytes>) {
        let count = if name.starts_with("ss") || name.starts_with("sun") {
            self.client.shards.len()
        } else {
            self.client.channels.len() + self.client.patterns.len()
        };
        self.out.push(3);
        self.out.bulk(name);
        self.out.maybe(channel);
        self.out.len(count);
    }

    fn note_auth(&self, user: Option<&Bytes>, secret: &Bytes, outcome: Outcome, reply: &mut Reply) {
        reply.note(Saw::AuthAttempt {
            principal: user.map(|u| u.clone().into()),
            secret: secret.clone().into(),
            secret_kind: SecretKind::Plaintext,
            outcome,
            challenge: None,
        });
    }

    fn auth(&mut self, user: Option<&Bytes>, secret: &Bytes, reply: &mut Reply) -> Result<(), Fail> {
        let known = user.is_none_or(|u| u.as_ref() == b"default");
        let right = known && self.password.as_ref().is_none_or(|p| p == secret);
        self.note_auth(user, secret, if right { Outcome::Success } else { Outcome::Failure }, reply);
        if right {
            self.client.authed = true;
            Ok(())
        } else {
            Err(WRONGPASS.into())
        }
    }

    fn hello(&mut self, args: &[Bytes], reply: &mut Reply) -> Result<(), Fail> {
        let mut version = self.out.resp;
        let mut rest = args.iter().skip(1);
        if let Some(wanted) = rest.next() {
            let n = integer(wanted).ok_or("ERR Protocol version is not an integer or out of range")?;
            version = match n {
                2 => 2,
                3 => 3,
                _ => return Err("NOPROTO unsupported protocol version".into()),
            };
        }
        let mut credentials = None;
        let mut name = None;
        while let Some(option) = rest.next() {
            if option.eq_ignore_ascii_case(b"auth") && rest.len() >= 2 {
                credentials = rest.next().zip(rest.next());
            } else if option.eq_ignore_ascii_case(b"setname") && rest.len() >= 1 {
                let wanted = rest.next().cloned().unwrap_or_default();
                if wanted.iter().any(|b| !(b'!'..=b'~').contains(b)) {
                    return Err("ERR Client names cannot contain spaces, newlines or special characters.".into());
                }
                name = Some(wanted);
            } else {
                return Err(format!("ERR Syntax error in HELLO option '{}'", String::from_utf8_lossy(option)).into());
            }
        }
        if let Some((user, secret)) = credentials {
            self.auth(Some(user), secret, reply)?;
        }
        if !self.client.authed {
            return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".into());
        }
        if let Some(name) = name {
            self.client.name = name;
        }
        self.out.resp = version;
        let role = if self.keys.note("master").is_some_and(|m| !m.is_empty()) { "replica" } else { "master" };
        self.out.map(7);
        self.out.bulk("server");
        self.out.bulk("redis");
        self.out.bulk("version");
        self.out.bulk(self.scene.version.as_bytes());
        self.out.bulk("proto");
        self.out.int(i64::from(version));
        self.out.bulk("id");
        self.out.int(i64::try_from(self.client.id).unwrap_or(0));
        self.out.bulk("mode");
        self.out.bulk("standalone");
        self.out.bulk("role");
        self.out.bulk(role);
        self.out.bulk("modules");
        self.out.array(0);
        Ok(())
    }

    /// Lets the client wait as a blocking command does, or answers at once inside a transaction.
    pub(super) fn block(&mut self, timeout: &Bytes, array: bool) -> Result<(), Fail> {
        let seconds = super::message::double(timeout).ok_or("ERR timeout is not a float or out of range")?;
        if seconds < 0.0 {
            return Err("ERR timeout is negative".into());
        }
        if self.client.in_exec {
            if array {
                self.out.null_array()
            } else {
                self.out.null()
            }
            return Ok(());
        }
        self.client.waiting = Some(Waiting { array });
        if seconds > 0.0 && seconds < 1e9 {
            self.wake = Some(Duration::from_secs_f64(seconds));
        }
        Ok(())
    }

    fn finish_turn(&mut self, reply: &mut Reply) {
        self.keys.flush();
        for saw in self.notes.drain(..) {
            reply.note(saw);
        }
        for (path, bytes) in self.files.drain(..) {
            reply.keep(path, bytes, model::FileWay::Written);
        }
        reply.send(&self.out.bytes);
        self.out.bytes.clear();
        if let Some(time) = self.wake.take() {
            reply.wake_after(time);
        }
    }
}

impl Dialogue for Redis {
    fn hear(&mut self, input: &[u8], reply: &mut Reply) -> Heard {
        self.now = reply.now();
        let (mut used, mut requests) = (0, 0);
        // A few at a time: the stage lets others have their turn in between.
        while self.client.waiting.is_none() && requests < AT_ONCE {
            let rest = input.get(used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.parser.feed(rest, !self.client.authed) {
                Parsed::More(n) => {
                    used += n;
                    break;
                }
                Parsed::Request(n, args) => {
                    used += n;
                    requests += 1;
                    self.client.bytes_in += n as u64;
                    self.request(&args, reply);
                }
                Parsed::Broken(text) => {
                    reply.note(Saw::noted("protocol_error", [("error", text.as_bytes()), ("bytes", rest.get(..256).unwrap_or(rest))]));
                    self.out.error(format!("ERR Protocol error: {text}"));
                    self.client.closing = true;
                }
                Parsed::TooMuch => self.client.closing = true,
            }
            if self.client.closing {
                self.finish_turn(reply);
                return Heard::Hangup;
            }
            if self.out.bytes.len() > 256 * 1024 {
                break;
            }
        }
        self.finish_turn(reply);
        if used > 0 { Heard::Used(used) } else { Heard::NeedMore }
    }

    fn wake(&mut self, reply: &mut Reply) -> Heard {
        if let Some(waiting) = self.client.waiting.take() {
            if waiting.array {
                self.out.null_array()
            } else {
                self.out.null()
            }
            self.finish_turn(reply);
        }
        Heard::Used(0)
    }

    fn full(&mut self, out: &mut Reply) {
        out.send(b"-ERR max number of clients reached\r\n");
    }

    fn appetite(&self) -> usize {
        8 * 1024 * 1024 + 64 * 1024
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

/// The entry of a command or subcommand.
fn find(name: &str, args: &[Bytes]) -> Option<&'static Entry> {
    let entry = table().find(name)?;
    if !entry.container || args.len() < 2 {
        return Some(entry).filter(|e| !e.name.contains('|'));
    }
    let sub = String::from_utf8_lossy(args.get(1)?).to_ascii_lowercase();
    table().find(&format!("{name}|{sub}"))
}

/// The complaint about an unknown command; the words are the visitor's bytes.
fn unknown(name: &str, args: &[Bytes], major: u32) -> Vec<u8> {
    if let Some(entry) = table().find(name).filter(|e| e.container && !e.name.contains('|')) {
        return unknown_sub(&entry.name, args);
    }
    let said = args.first().map_or(&[][..], |a| cut(a, 128));
    let (open, close, between) = if major >= 7 { (b'\'', b'\'', &b" "[..]) } else { (b'`', b'`', &b", "[..]) };
    let mut list = Vec::new();
    for arg in args.iter().skip(1) {
        if list.len() >= 128 {
            break;
        }
        let shown = cut(arg, 128 - list.len());
        list.push(open);
        list.extend_from_slice(shown);
        list.push(close);
        list.extend_from_slice(between);
    }
    [b"ERR unknown command ", &[open][..], said, &[close], b", with args beginning with: ", &list].concat()
}

fn unknown_sub(name: &str, args: &[Bytes]) -> Vec<u8> {
    let sub = args.get(1).map_or(&[][..], |a| cut(a, 128));
    let top = name.split('|').next().unwrap_or_default().to_ascii_uppercase();
    [b"ERR unknown subcommand '", sub, b"'. Try ", top.as_bytes(), b" HELP."].concat()
}

/// The first `max` bytes up to a NUL, as C prints them.
fn cut(arg: &[u8], max: usize) -> &[u8] {
    let arg = arg.split(|&b| b == 0).next().unwrap_or_default();
    arg.get(..max).unwrap_or(arg)
}

/// `"a\x00b"` as MONITOR prints arguments.
pub(super) fn quoted(arg: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &b in arg {
        match b {
            b'\\' | b'"' => out.extend([b'\\', b]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            7 => out.extend(b"\\a"),
            8 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(b),
            _ => out.extend(format!("\\x{b:02x}").into_bytes()),
        }
    }
    out.push(b'"');
    out
}

/// The command as a person would type it, at most 64 KiB.
fn readable(args: &[Bytes]) -> Vec<u8> {
    let mut line = Vec::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            line.push(b' ');
        }
        let plain = !arg.is_empty() && arg.iter().all(|b| (b'!'..=b'~').contains(b) && !matches!(b, b'"' | b'\'' | b'\\'));
        let arg = arg.get(..65_536).unwrap_or(arg);
        if plain {
            line.extend_from_slice(arg)
        } else {
            line.extend(quoted(arg))
        }
        if line.len() > 65_536 {
            line.truncate(65_536);
            break;
        }
    }
    line
}
