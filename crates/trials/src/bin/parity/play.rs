//! Plays a script at both places and compares.

use crate::{
    lab::Place,
    nmap::Verdicts,
    script::{Probe, Script, Step},
};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Bytes of one answer that are compared.
const MOST: usize = 1 << 20;
/// Silence after which an answer counts as complete.
const QUIET: Duration = Duration::from_millis(150);

pub(crate) struct Result {
    pub product: String,
    pub version: String,
    pub probes: usize,
    pub different: Vec<Difference>,
    pub nmap: Option<Verdicts>,
}

pub(crate) struct Difference {
    pub probe: String,
    pub genuine: String,
    pub ours: String,
    pub reason: Option<String>,
}

/// All probes, some at a time.
pub(crate) fn all(script: &Script, ours: &Place, genuine: &Place) -> Result {
    let next = Mutex::new(script.probes.iter());
    let different = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(probe) = next.lock().unwrap().next() else { return };
                    let (a, b) = std::thread::scope(|both| {
                        let a = both.spawn(|| said(script, probe, genuine));
                        let b = said(script, probe, ours);
                        (a.join().unwrap(), b)
                    });
                    if a != b {
                        let difference = Difference { probe: probe.name.clone(), genuine: a, ours: b, reason: probe.reason.clone() };
                        different.lock().unwrap().push(difference);
                    }
                }
            });
        }
    });
    let mut different = different.into_inner().unwrap();
    different.sort_by_key(|d| script.probes.iter().position(|p| p.name == d.probe));
    Result { product: script.product.clone(), version: String::new(), probes: script.probes.len(), different, nmap: None }
}

/// Everything a place said to a probe, masked, one line for each step.
fn said(script: &Script, probe: &Probe, place: &Place) -> String {
    let raw = if let [Step::Run(command)] = &probe.steps[..] { vec![client(command, place)] } else { converse(script, probe, place) };
    let mut out = String::new();
    for answer in raw {
        let mut answer = answer;
        for (word, value) in place.words().iter().filter(|(w, _)| !matches!(*w, "{port}" | "{user}" | "{password}" | "{root_password}")) {
            if value.len() > 3 {
                answer = replace(&answer, value.as_bytes(), word.as_bytes());
            }
        }
        for (pattern, text) in &script.masks {
            answer = pattern.replace_all(&answer, text.as_slice()).into_owned();
        }
        out.push_str(&answer.escape_ascii().to_string().replace("\\r\\n", "\\r\\n\n"));
        out.push('\n');
    }
    out
}

fn client(command: &str, place: &Place) -> Vec<u8> {
    let command = filled(command.as_bytes(), place);
    let output =
        Command::new("timeout").args(["20", "sh", "-c"]).arg(std::ffi::OsStr::new(&*String::from_utf8_lossy(&command))).output().unwrap();
    let mut said = output.stdout;
    said.truncate(MOST);
    said.extend(b"\n--\n");
    said.extend(output.stderr);
    said.extend(format!("\n= {}", output.status.code().unwrap_or(-1)).bytes());
    said
}

fn filled(text: &[u8], place: &Place) -> Vec<u8> {
    place.words().iter().fold(text.to_vec(), |text, (word, value)| replace(&text, word.as_bytes(), value.as_bytes()))
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend(to);
            at += from.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

enum Line {
    Plain(TcpStream),
    Tls(SslStream<TcpStream>),
    Gone,
}

impl Line {
    fn connect(script: &Script, place: &Place) -> Self {
        let Ok(socket) = TcpStream::connect_timeout(&(place.ip, place.port).into(), Duration::from_secs(5)) else { return Self::Gone };
        let plain = Self::Plain(socket);
        if script.tls { plain.secure() } else { plain }
    }

    fn secure(self) -> Self {
        let Self::Plain(socket) = self else { return self };
        let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let configured = connector.build().configure().unwrap().verify_hostname(false).use_server_name_indication(false);
        configured.connect("decky", socket).map_or(Self::Gone, Self::Tls)
    }

    fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(stream) => Some(stream.get_ref()),
            Self::Gone => None,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let _ = match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes),
            Self::Gone => Ok(()),
        };
    }

    /// What comes until it is quiet or over, with how it ended.
    fn answer(&mut self, first: Duration) -> (Vec<u8>, bool) {
        let mut said = Vec::new();
        let mut buffer = [0; 16 * 1024];
        let started = Instant::now();
        loop {
            let Some(socket) = self.socket() else { return (said, true) };
            let patience = if said.is_empty() { first.saturating_sub(started.elapsed()) } else { QUIET };
            let _ = socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))));
            let got = match self {
                Self::Plain(socket) => socket.read(&mut buffer),
                Self::Tls(stream) => stream.read(&mut buffer),
                Self::Gone => Ok(0),
            };
            match got {
                Ok(0) => {
                    said.extend(b"[closed]");
                    return (said, true);
                }
                Ok(n) => said.extend(&buffer[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return (said, false),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    // Whether a reset or an end arrives depends on what the server had not read yet: a race in the genuine one too.
                    said.extend(b"[closed]");
                    return (said, true);
                }
                Err(_) => {
                    said.extend(b"[broken]");
                    return (said, true);
                }
            }
            if said.len() > MOST {
                return (said, false);
            }
        }
    }
}

fn converse(script: &Script, probe: &Probe, place: &Place) -> Vec<Vec<u8>> {
    let patience = Duration::from_millis(script.patience);
    let mut line = Line::connect(script, place);
    let mut answers = Vec::new();
    let (greeting, mut over) = line.answer(if script.tls { QUIET } else { patience });
    answers.push(greeting);
    let (mut next, mut slow) = (patience, false);
    for step in &probe.steps {
        if over && !matches!(step, Step::Again) {
            break;
        }
        match step {
            Step::Patient => {
                next = Duration::from_secs(8);
                continue;
            }
            Step::Slow => {
                slow = true;
                continue;
            }
            Step::Send(bytes) => {
                let bytes = filled(bytes, place);
                if slow {
                    for byte in &bytes {
                        line.send(&[*byte]);
                        std::thread::sleep(Duration::from_millis(3));
                    }
                } else {
                    line.send(&bytes);
                }
            }
            Step::HalfClose => {
                if let Some(socket) = line.socket() {
                    let _ = socket.shutdown(Shutdown::Write);
                }
                next = next.max(Duration::from_secs(3));
            }
            Step::Tls => line = line.secure(),
            Step::Again => line = Line::connect(script, place),
            Step::Run(command) => {
                answers.push(client(command, place));
                continue;
            }
        }
        let (said, ended) = line.answer(next);
        over = ended;
        answers.push(said);
        (next, slow) = (patience, false);
    }
    answers
}
