//! The control conversation and its data connection.

use bytes::{Bytes, BytesMut};
use jiff::{Timestamp, tz::TimeZone};
use model::{Captured, FileWay, Micros, Outcome, Saw, SecretKind};
use rand::RngExt;
use std::time::Duration;

use super::listing::{Wanted, absolute, line};
use crate::{
    Dialogue, Heard, Reply, Visit,
    decoy::Side,
    shell::fs::{Fs, Kind, LARGEST, Who, WriteMode},
};

/// Longest command line, as the product has it.
const LINE_MAX: usize = 4096;
/// Bytes given to the data connection at a time.
const PIECE: usize = 128 * 1024;
const ANONYMOUS_ROOT: &[u8] = b"/srv/ftp";

/// What goes over the data connection once it stands.
#[derive(Debug)]
enum Job {
    Send { first: Vec<u8>, bytes: Bytes, last: &'static str },
    Take { first: Vec<u8>, path: Vec<u8>, how: WriteMode, got: BytesMut },
}

/// The data connection.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    /// A door is reserved; whether its visitor has come.
    Door {
        open: bool,
    },
    Waiting(Job),
    Busy(Job),
}

/// Who is logged in.
#[derive(Debug)]
struct Inside {
    name: String,
    who: Who,
    /// Prepended to every path: the tree of anonymous visitors.
    root: &'static [u8],
    anonymous: bool,
}

/// One visitor of the file server.
#[derive(Debug)]
pub(super) struct Ftp {
    visit: Visit,
    fs: Option<Fs>,
    zone: TimeZone,
    user: Option<Bytes>,
    inside: Option<Inside>,
    cwd: Vec<u8>,
    binary: bool,
    rest: u64,
    rename: Option<Vec<u8>>,
    umask: u32,
    failures: u32,
    only_epsv: bool,
    data: Data,
    over: bool,
}

impl Ftp {
    pub(super) fn new(visit: &Visit) -> Self {
        Self {
            zone: TimeZone::get(&visit.persona.timezone).unwrap_or(TimeZone::UTC),
            visit: visit.clone(),
            fs: None,
            user: None,
            inside: None,
            cwd: b"/".to_vec(),
            binary: false,
            rest: 0,
            rename: None,
            umask: 0o077,
            failures: 0,
            only_epsv: false,
            data: Data::None,
            over: false,
        }
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.visit.knob(name).map_or(default, |v| matches!(v, "true" | "yes" | "on" | "1"))
    }

    fn fs(&mut self, now: Micros) -> Fs {
        let visit = &self.visit;
        let fs = self.fs.get_or_insert_with(|| Fs::of(visit, now)).clone();
        fs.set_now(now);
        fs
    }

    fn command(&mut self, text: &[u8], out: &mut Reply) {
        let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
        let verb = String::from_utf8_lossy(text.get(..end).unwrap_or_default()).to_ascii_uppercase();
        let argument = text.get(end + 1..).unwrap_or_default().to_vec();
        if text.is_empty() {
            return;
        }
        if verb != "PASS" {
            out.note(Saw::Command {
                line: Captured::copy(text),
                user: self.inside.as_ref().map(|i| i.name.clone()),
                cwd: self.inside.as_ref().map(|_| String::from_utf8_lossy(&self.cwd).into_owned()),
            });
        }
        match verb.as_str() {
            "QUIT" => {
                self.over = true;
                out.send(b"221 Goodbye.\r\n");
            }
            "FEAT" => out.send(b"211-Features:\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n"),
            "OPTS" if argument.eq_ignore_ascii_case(b"UTF8 ON") => out.send(b"200 Always in UTF8 mode.\r\n"),
            "OPTS" => out.send(b"501 Option not understood.\r\n"),
            "USER" => self.name(&argument, out),
            "PASS" => self.password(&argument, out),
            _ if self.inside.is_none() => out.send(b"530 Please login with USER and PASS.\r\n"),
            _ => self.file_command(&verb, &argument, out),
        }
    }

    fn name(&mut self, argument: &[u8], out: &mut Reply) {
        if let Some(inside) = &self.inside {
            let same = inside.name.as_bytes() == argument;
            let text = match (inside.anonymous, same) {
                (true, _) if matches!(argument.to_ascii_lowercase().as_slice(), b"anonymous" | b"ftp") => "331 Any password will do.\r\n",
                (true, _) => "530 Can't change from guest user.\r\n",
                (false, true) => "331 Any password will do.\r\n",
                (false, false) => "530 Can't change to another user.\r\n",
            };
            return out.send(text.as_bytes());
        }
        out.note(Saw::noted("user", [("username", argument)]));
        self.user = Some(Bytes::copy_from_slice(argument.get(..1024).unwrap_or(argument)));
        out.send(b"331 Please specify the password.\r\n");
    }

    fn password(&mut self, argument: &[u8], out: &mut Reply) {
        if self.inside.is_some() {
            return out.send(b"230 Already logged in.\r\n");
        }
        let Some(user) = self.user.take().filter(|u| !u.is_empty()) else { return out.send(b"503 Login with USER first.\r\n") };
        let guest = matches!(user.to_ascii_lowercase().as_slice(), b"anonymous" | b"ftp");
        let account = self.visit.persona.account(&user).filter(|a| !guest && a.password.as_ref().is_some_and(|p| p.as_bytes() == argument));
        // /etc/ftpusers keeps root and the system's accounts out, and PAM wants a real shell.
        let welcome = account.filter(|a| a.uid >= 1000 && !a.shell.ends_with("nologin") && !a.shell.ends_with("false")).cloned();
        let anonymous = guest && self.flag("anonymous", false);
        out.note(Saw::AuthAttempt {
            principal: Some(user.clone().into()),
            secret: Captured::copy(argument),
            secret_kind: SecretKind::Plaintext,
            outcome: if welcome.is_some() || anonymous { Outcome::Success } else { Outcome::Failure },
            challenge: None,
        });
        let now = out.now();
        if anonymous {
            self.inside = Some(Inside {
                name: "ftp".into(),
                who: Who { uid: 110, gid: 117, groups: vec![117] },
                root: ANONYMOUS_ROOT,
                anonymous: true,
            });
            self.cwd = b"/".to_vec();
            return out.send(b"230 Login successful.\r\n");
        }
        match welcome {
            Some(account) => {
                let who = Who { uid: account.uid, gid: account.gid, groups: vec![account.gid] };
                let fs = self.fs(now);
                let home = account.home.as_bytes().to_vec();
                self.cwd = if fs.stat(&who, &home).is_ok_and(|m| m.is_dir()) { home } else { b"/".to_vec() };
                self.inside = Some(Inside { name: account.name, who, root: b"", anonymous: false });
                let wait = Duration::from_millis(6 + out.rng().random_range(0..9u64));
                out.pause(wait);
                out.send(b"230 Login successful.\r\n");
            }
            None => {
                self.failures += 1;
                let wait = Duration::from_millis(2100 + out.rng().random_range(0..1700u64));
                out.pause(wait);
                out.send(b"530 Login incorrect.\r\n");
                self.over = self.failures >= 3;
            }
        }
    }

    /// The path on the machine that an argument means.
    fn real(&self, argument: &[u8]) -> Vec<u8> {
        let home = self.inside.as_ref().and_then(|i| self.visit.persona.account(i.name.as_bytes())).map(|a| a.home.clone().into_bytes());
        let path = match (argument, home) {
            (b"~", Some(home)) => home,
            (other, Some(home)) if other.starts_with(b"~/") => [&home[..], other.get(1..).unwrap_or_default()].concat(),
            (other, _) => absolute(&self.cwd, other),
        };
        let root = self.inside.as_ref().map_or(&b""[..], |i| i.root);
        [root, &path[..]].concat()
    }

    fn who(&self) -> Who {
        self.inside.as_ref().map(|i| i.who.clone()).unwrap_or_default()
    }

    fn file_command(&mut self, verb: &str, argument: &[u8], out: &mut Reply) {
        let (now, who) = (out.now(), self.who());
        let fs = self.fs(now);
        let real = self.real(argument);
        let writer = !self.inside.as_ref().is_some_and(|i| i.anonymous) && self.flag("write", true);
        let named = !argument.is_empty();
        let pending = self.rename.take();
        if !matches!(verb, "RNTO") && pending.is_some() {
            self.rename.clone_from(&pending);
        }
        let writes = matches!(verb, "STOR" | "STOU" | "APPE" | "MKD" | "XMKD" | "RMD" | "XRMD" | "DELE" | "RNFR" | "RNTO");
        if writes && !writer || matches!(verb, "PORT" | "EPRT") {
            return out.send(b"550 Permission denied.\r\n");
        }
        match verb {
            "SYST" => out.send(b"215 UNIX Type: L8\r\n"),
            "HELP" => out.send(
                b"214-The following commands are recognized.\r\n ABOR ACCT ALLO APPE CDUP CWD  DELE EPRT EPSV FEAT HELP LIST MDTM MKD\r\n MODE NLST NOOP OPTS PASS PASV PORT PWD  QUIT REIN REST RETR RMD  RNFR\r\n RNTO SITE SIZE SMNT STAT STOR STOU STRU SYST TYPE USER XCUP XCWD XMKD\r\n XPWD XRMD\r\n214 Help OK.\r\n",
            ),
            "NOOP" => out.send(b"200 NOOP ok.\r\n"),
            "ALLO" => out.send(b"202 ALLO command ignored.\r\n"),
            "ACCT" | "REIN" | "SMNT" => out.send(format!("502 {verb} not implemented.\r\n").as_bytes()),
            "ABOR" => out.send(b"225 No transfer to ABOR.\r\n"),
            "PWD" | "XPWD" => out.send(&[b"257 \"", &doubled(&self.cwd)[..], b"\" is the current directory\r\n"].concat()),
            "CWD" | "XCWD" | "CDUP" | "XCUP" => {
                let up = verb.ends_with("UP");
                let wanted = if up { self.real(b"..") } else { real };
                let fine = (up || named) && fs.stat(&who, &wanted).is_ok_and(|m| m.is_dir() && m.allows(&who, 1));
                let root = self.inside.as_ref().map_or(0, |i| i.root.len());
                let virtual_root = root > 0 && wanted.len() <= root + 1;
                if fine || virtual_root {
                    let path = wanted.get(root..).unwrap_or_default();
                    self.cwd = absolute(b"/", path);
                    out.send(b"250 Directory successfully changed.\r\n");
                } else {
                    out.send(b"550 Failed to change directory.\r\n");
                }
            }
            "TYPE" => match argument.to_ascii_uppercase().as_slice() {
                b"A" | b"A N" => {
                    self.binary = false;
                    out.send(b"200 Switching to ASCII mode.\r\n");
                }
                b"I" | b"L8" | b"L 8" => {
                    self.binary = true;
                    out.send(b"200 Switching to Binary mode.\r\n");
                }
                _ => out.send(b"500 Unrecognised TYPE command.\r\n"),
            },
            "MODE" => out.send(if argument.eq_ignore_ascii_case(b"S") { b"200 Mode set to S.\r\n" } else { b"504 Bad MODE command.\r\n" }),
            "STRU" => out.send(if argument.eq_ignore_ascii_case(b"F") { &b"200 Structure set to F.\r\n"[..] } else { b"504 Bad STRU command.\r\n" }),
            "REST" => {
                let digits: Vec<u8> = argument.iter().copied().take_while(u8::is_ascii_digit).take(18).collect();
                self.rest = std::str::from_utf8(&digits).ok().and_then(|d| d.parse().ok()).unwrap_or(0);
                out.send(format!("350 Restart position accepted ({}).\r\n", self.rest).as_bytes());
            }
            "SITE" => self.site(argument, &fs, &who, writer, out),
            "STAT" => self.status(argument, &fs, &who, out),
            "SIZE" => match fs.stat(&who, &real) {
                Ok(meta) if named && meta.kind == Kind::File => out.send(format!("213 {}\r\n", meta.size).as_bytes()),
                _ => out.send(b"550 Could not get file size.\r\n"),
            },
            "MDTM" => self.times(argument, &fs, &who, out),
            "MKD" | "XMKD" => {
                if named && fs.mkdir(&who, &real, 0o777 & !self.umask, now).is_ok() {
                    let shown = real.get(self.inside.as_ref().map_or(0, |i| i.root.len())..).unwrap_or_default();
                    out.send(&[b"257 \"", &doubled(shown)[..], b"\" created\r\n"].concat());
                } else {
                    out.send(b"550 Create directory operation failed.\r\n");
                }
            }
            "RMD" | "XRMD" => out.send(if named && fs.rmdir(&who, &real).is_ok() { b"250 Remove directory operation successful.\r\n" } else { b"550 Remove directory operation failed.\r\n" }),
            "DELE" => out.send(if named && fs.unlink(&who, &real).is_ok() { &b"250 Delete operation successful.\r\n"[..] } else { b"550 Delete operation failed.\r\n" }),
            "RNFR" => {
                if named && fs.lstat(&who, &real).is_ok() {
                    self.rename = Some(real);
                    out.send(b"350 Ready for RNTO.\r\n");
                } else {
                    out.send(b"550 RNFR command failed.\r\n");
                }
            }
            "RNTO" => match pending {
                None => out.send(b"503 RNFR required first.\r\n"),
                Some(from) if fs.rename(&who, &from, &real, now).is_ok() => out.send(b"250 Rename successful.\r\n"),
                Some(_) => out.send(b"550 Rename failed.\r\n"),
            },
            "PASV" if self.only_epsv => out.send(b"550 Permission denied.\r\n"),
            "PASV" | "EPSV" => self.passive(verb, argument, out),
            "LIST" | "NLST" | "RETR" | "STOR" | "APPE" | "STOU" => self.transfer(verb, argument, &real, &fs, &who, out),
            "PBSZ" | "PROT" => out.send(b"550 Permission denied.\r\n"),
            _ => out.send(b"500 Unknown command.\r\n"),
        }
    }

    fn site(&mut self, argument: &[u8], fs: &Fs, who: &Who, writer: bool, out: &mut Reply) {
        let mut words = argument.splitn(3, |&b| b == b' ');
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        match (verb.as_slice(), words.next(), words.next()) {
            (b"HELP", ..) => out.send(b"214 CHMOD UMASK HELP\r\n"),
            (b"CHMOD", ..) if !writer => out.send(b"550 Permission denied.\r\n"),
            (b"CHMOD", Some(mode), Some(path)) => {
                let mode = std::str::from_utf8(mode).ok().and_then(|m| u32::from_str_radix(m, 8).ok());
                let done = mode.is_some_and(|m| fs.chmod(who, &self.real(path), m & 0o777).is_ok());
                out.send(if done { &b"200 SITE CHMOD command ok.\r\n"[..] } else { b"550 SITE CHMOD command failed.\r\n" });
            }
            (b"CHMOD", ..) => out.send(b"500 SITE CHMOD needs 2 arguments.\r\n"),
            (b"UMASK", None, _) => out.send(format!("200 Your current UMASK is {}\r\n", octal(self.umask)).as_bytes()),
            (b"UMASK", Some(mask), _) => {
                self.umask = std::str::from_utf8(mask).ok().and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0) & 0o777;
                out.send(format!("200 UMASK set to {}\r\n", octal(self.umask)).as_bytes());
            }
            _ => out.send(b"500 Unknown SITE command.\r\n"),
        }
    }

    fn status(&mut self, argument: &[u8], fs: &Fs, who: &Who, out: &mut Reply) {
        if argument.is_empty() {
            let name = self.inside.as_ref().map(|i| i.name.clone()).unwrap_or_default();
            let kind = if self.binary { "BINARY" } else { "ASCII" };
            let peer = self.visit.peer.ip();
            return out.send(
                format!(
                    "211-FTP server status:\r\n     Connected to {peer}\r\n     Logged in as {name}\r\n     TYPE: {kind}\r\n     No session bandwidth limit\r\n     Session timeout in seconds is 300\r\n     Control connection is plain text\r\n     Data connections will be plain text\r\n     At session startup, client count was 1\r\n     vsFTPd {} - secure, fast, stable\r\n211 End of status\r\n",
                    self.version()
                )
                .as_bytes(),
            );
        }
        let lines = self.lines(argument, true, true, fs, who, out.now());
        out.send(b"213-Status follows:\r\n");
        out.send(&lines);
        out.send(b"213 End of status\r\n");
    }

    fn times(&mut self, argument: &[u8], fs: &Fs, who: &Who, out: &mut Reply) {
        let stamp = argument.get(..14).filter(|s| s.iter().all(u8::is_ascii_digit) && argument.get(14) == Some(&b' '));
        if let Some(stamp) = stamp {
            let path = self.real(argument.get(15..).unwrap_or_default());
            let text = String::from_utf8_lossy(stamp).into_owned();
            let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &text)
                .ok()
                .and_then(|d| TimeZone::UTC.to_timestamp(d).ok())
                .map(|z| Micros(z.as_microsecond()));
            let file = fs.stat(who, &path).is_ok_and(|m| m.kind == Kind::File);
            let done = file && at.is_some() && fs.utimes(who, &path, at, at).is_ok();
            return out.send(if done {
                &b"213 File modification time set.\r\n"[..]
            } else {
                b"550 Could not set file modification time.\r\n"
            });
        }
        match fs.stat(who, &self.real(argument)) {
            Ok(meta) if meta.kind == Kind::File && !argument.is_empty() => {
                let text = Timestamp::from_microsecond(meta.mtime.0).map(|t| t.strftime("%Y%m%d%H%M%S").to_string()).unwrap_or_default();
                out.send(format!("213 {text}\r\n").as_bytes());
            }
            _ => out.send(b"550 Could not get file modification time.\r\n"),
        }
    }

    fn version(&self) -> String {
        self.visit
            .persona
            .service(self.visit.service)
            .map(|s| s.software.version.clone())
            .filter(|v| !v.is_empty())
            .unwrap_or_else(|| "3.0.3".into())
    }

    fn passive(&mut self, verb: &str, argument: &[u8], out: &mut Reply) {
        if verb == "EPSV" {
            match argument.to_ascii_uppercase().as_slice() {
                b"" => {}
                b"1" if self.visit.local.is_ipv4() => {}
                b"2" if self.visit.local.is_ipv6() => {}
                b"ALL" => {
                    self.only_epsv = true;
                    return out.send(b"200 EPSV ALL ok.\r\n");
                }
                _ => return out.send(b"522 Bad network protocol.\r\n"),
            }
        }
        if !matches!(self.data, Data::None) {
            out.side_close();
        }
        let Some(port) = self.visit.side.reserve() else {
            self.data = Data::None;
            return out.send(b"425 Failed to establish connection.\r\n");
        };
        self.data = Data::Door { open: false };
        if verb == "EPSV" {
            return out.send(format!("229 Entering Extended Passive Mode (|||{port}|)\r\n").as_bytes());
        }
        let address = match self.visit.local.ip() {
            std::net::IpAddr::V4(ip) => ip.to_string().replace('.', ","),
            std::net::IpAddr::V6(_) => "0,0,0,0".into(),
        };
        out.send(format!("227 Entering Passive Mode ({address},{},{}).\r\n", port >> 8, port & 0xff).as_bytes());
    }

    /// Lines of a listing.
    fn lines(&self, argument: &[u8], all: bool, long: bool, fs: &Fs, who: &Who, now: Micros) -> Vec<u8> {
        let root = self.inside.as_ref().map_or(&b""[..], |i| i.root);
        let wanted = Wanted::read(argument, &self.cwd, all);
        let mut text = Vec::new();
        for (name, meta) in wanted.entries(fs, who, root) {
            if long {
                let link = (meta.kind == Kind::Link).then(|| fs.readlink(who, &absolute(&self.real(argument), &name)).ok()).flatten();
                line(&mut text, &name, &meta, link.as_deref(), now, &self.zone);
            } else {
                text.extend_from_slice(&name);
                text.extend_from_slice(b"\r\n");
            }
        }
        text
    }

    fn transfer(&mut self, verb: &str, argument: &[u8], real: &[u8], fs: &Fs, who: &Who, out: &mut Reply) {
        if matches!(self.data, Data::None) {
            return out.send(b"425 Use PORT or PASV first.\r\n");
        }
        let start = std::mem::take(&mut self.rest);
        let shown = argument;
        let job = match verb {
            "LIST" | "NLST" => {
                let bytes = self.lines(argument, false, verb == "LIST", fs, who, out.now());
                Job::Send {
                    first: b"150 Here comes the directory listing.\r\n".to_vec(),
                    bytes: bytes.into(),
                    last: "226 Directory send OK.\r\n",
                }
            }
            "RETR" => {
                out.note(Saw::noted("download_attempt", [("path", argument)]));
                if start > 0 && !self.binary {
                    return out.send(b"550 No support for resume of ASCII transfer.\r\n");
                }
                let file =
                    fs.stat(who, real).ok().filter(|m| m.kind == Kind::File && !argument.is_empty()).and_then(|_| fs.read(who, real).ok());
                let Some(bytes) = file else { return out.send(b"550 Failed to open file.\r\n") };
                let size = bytes.len();
                let from = usize::try_from(start).unwrap_or(usize::MAX).min(size);
                let first = [b"150 Opening BINARY mode data connection for ", shown, format!(" ({size} bytes).\r\n").as_bytes()].concat();
                Job::Send { first, bytes: bytes.slice(from..), last: "226 Transfer complete.\r\n" }
            }
            _ => {
                let (path, first) = if verb == "STOU" {
                    let mut n = 1;
                    let base = if argument.is_empty() || verb == "STOU" { b"STOU".to_vec() } else { argument.to_vec() };
                    while n < 1000 && fs.lstat(who, &self.real(&[&base[..], format!(".{n}").as_bytes()].concat())).is_ok() {
                        n += 1;
                    }
                    let name = [&base[..], format!(".{n}").as_bytes()].concat();
                    (self.real(&name), [b"150 FILE: ", &name[..], b"\r\n"].concat())
                } else {
                    (real.to_vec(), b"150 Ok to send data.\r\n".to_vec())
                };
                let how = match verb {
                    "APPE" => WriteMode::Append,
                    _ if start > 0 => WriteMode::At(start),
                    _ => WriteMode::Truncate,
                };
                let ready =
                    !(argument.is_empty() && verb != "STOU") && fs.write(who, &path, b"", how, 0o666 & !self.umask, out.now()).is_ok();
                if !ready {
                    return out.send(b"553 Could not create file.\r\n");
                }
                Job::Take { first, path, how, got: BytesMut::new() }
            }
        };
        match self.data {
            Data::Door { open: true } => self.begin(job, out),
            _ => self.data = Data::Waiting(job),
        }
    }

    /// The data connection stands and there is something to do on it.
    fn begin(&mut self, job: Job, out: &mut Reply) {
        match job {
            Job::Send { first, bytes, last } => {
                out.send(&first);
                self.data = Data::Busy(Job::Send { first: Vec::new(), bytes, last });
                self.more(out);
            }
            Job::Take { ref first, .. } => {
                out.send(first);
                self.data = Data::Busy(job);
            }
        }
    }

    /// Gives the next piece, or ends the transfer.
    fn more(&mut self, out: &mut Reply) {
        if let Data::Busy(Job::Send { bytes, last, .. }) = &mut self.data {
            if bytes.is_empty() {
                let last = *last;
                out.side_close();
                out.send(last.as_bytes());
                self.data = Data::None;
            } else {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                out.side_send(piece);
            }
        }
    }

    /// The visitor's file is complete.
    fn finish(&mut self, out: &mut Reply) {
        let Data::Busy(Job::Take { path, how, got, .. }) = std::mem::take(&mut self.data) else { return };
        let now = out.now();
        let (fs, who) = (self.fs(now), self.who());
        let bytes = got.freeze();
        let done = fs.write(&who, &path, &bytes, how, 0o666 & !self.umask, now).is_ok();
        out.keep(path, bytes, FileWay::Upload);
        out.side_close();
        out.send(if done { &b"226 Transfer complete.\r\n"[..] } else { b"451 Failure writing to local file.\r\n" });
    }
}

fn doubled(path: &[u8]) -> Vec<u8> {
    path.iter().flat_map(|&b| if b == b'"' { vec![b'"', b'"'] } else { vec![b] }).collect()
}

impl Dialogue for Ftp {
    fn open(&mut self, out: &mut Reply) {
        let text =
            self.visit.knob("banner").filter(|b| !b.is_empty()).map_or_else(|| format!("(vsFTPd {})", self.version()), str::to_owned);
        out.send(format!("220 {text}\r\n").as_bytes());
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        if matches!(self.data, Data::Waiting(_) | Data::Busy(_)) {
            return Heard::NeedMore;
        }
        let Some(end) = input.iter().take(LINE_MAX).position(|&b| b == b'\n') else {
            if input.len() >= LINE_MAX {
                out.send(b"500 Input line too long.\r\n");
                return Heard::Hangup;
            }
            return Heard::NeedMore;
        };
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.command(&line, out);
        if self.over { Heard::Hangup } else { Heard::Used(end + 1) }
    }

    fn side(&mut self, what: Side<'_>, out: &mut Reply) {
        match what {
            Side::Opened { same_host: false } => {
                let waiting = matches!(self.data, Data::Waiting(_));
                self.data = Data::None;
                out.side_close();
                if waiting {
                    out.send(b"425 Security: Bad IP connecting.\r\n");
                }
            }
            Side::Opened { same_host: true } => match std::mem::take(&mut self.data) {
                Data::Waiting(job) => self.begin(job, out),
                Data::Door { .. } => self.data = Data::Door { open: true },
                other => self.data = other,
            },
            Side::Data(bytes) => {
                if let Data::Busy(Job::Take { got, .. }) = &mut self.data {
                    let room = LARGEST.saturating_sub(got.len());
                    got.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                }
            }
            Side::Drained => self.more(out),
            Side::Closed => match &self.data {
                Data::Busy(Job::Take { .. }) => self.finish(out),
                Data::Busy(Job::Send { bytes, .. }) => {
                    let whole = bytes.is_empty();
                    self.data = Data::None;
                    out.send(if whole { &b"226 Transfer complete.\r\n"[..] } else { b"426 Failure writing network stream.\r\n" });
                }
                _ => self.data = Data::None,
            },
        }
    }

    fn closed(&mut self, out: &mut Reply) {
        if let Data::Busy(Job::Take { path, got, .. }) = std::mem::take(&mut self.data)
            && !got.is_empty()
        {
            out.keep(path, got.freeze(), FileWay::Upload);
        }
    }

    fn appetite(&self) -> usize {
        LINE_MAX + 1024
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn idle(&mut self, out: &mut Reply) {
        out.send(b"421 Timeout.\r\n");
    }
}

/// As vsftpd writes a mask: a nought before what is not nought.
fn octal(mask: u32) -> String {
    if mask == 0 { "0".into() } else { format!("0{mask:o}") }
}
