//! What this server is and holds: identity, settings, and the data of the application that uses it.

use bytes::Bytes;
use model::Micros;
use rand::{Rng, RngExt};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::store::Value;
use crate::Visit;

/// Facts about this server that never change while the decky lives.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) version: String,
    /// Before 7.0 some texts and guards differ.
    pub(super) major: u32,
    pub(super) os: String,
    pub(super) password: Option<Bytes>,
    pub(super) run_id: String,
    pub(super) replid: String,
    pub(super) pid: u32,
    pub(super) started: Micros,
    pub(super) port: u16,
    pub(super) seed: u64,
    /// Commands an hour the application sends.
    pub(super) rate: u64,
    pub(super) memory_total: u64,
    pub(super) neighbours: u64,
    pub(super) protected: bool,
    /// As `CONFIG GET *` tells them before anybody changed one, by name.
    pub(super) settings: BTreeMap<&'static str, String>,
}

impl Scene {
    pub(super) fn of(visit: &Visit) -> Self {
        let persona = &visit.persona;
        let version = visit
            .knob("version")
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .or_else(|| persona.service(visit.service).map(|s| s.software.version.clone()).filter(|v| !v.is_empty()))
            .unwrap_or_else(|| "7.0.15".into());
        let major = version.split('.').next().and_then(|m| m.parse().ok()).unwrap_or(7);
        let os = visit
            .knob("os_string")
            .filter(|v| !v.is_empty())
            .map_or_else(|| format!("Linux {} {}", persona.distro.kernel_release, persona.distro.machine), str::to_owned);
        let mut rng = visit.derived_rng("redis/server");
        let hex20 = |purpose: &str| hex::encode(visit.derive(purpose).get(..20).unwrap_or_default());
        let mut scene = Self {
            major,
            version,
            os,
            password: visit.knob("password").filter(|p| !p.is_empty()).map(|p| Bytes::copy_from_slice(p.as_bytes())),
            run_id: hex20("redis/run_id"),
            replid: hex20("redis/replid"),
            pid: rng.random_range(480..980),
            started: Micros(persona.booted.0 + rng.random_range(6_000_000..14_000_000)),
            port: visit.local.port(),
            seed: rng.next_u64(),
            rate: rng.random_range(900..14_000),
            memory_total: [2_058_358_784u64, 4_103_192_576, 8_326_787_072, 16_777_216_000]
                .get(rng.random_range(0..4))
                .copied()
                .unwrap_or(4_103_192_576)
                - rng.random_range(0..3_000_000u64) / 4096 * 4096,
            neighbours: rng.random_range(1..4),
            protected: major >= 7 && !matches!(visit.knob("protected_configs"), Some("true" | "yes" | "on" | "1")),
            settings: BTreeMap::new(),
        };
        scene.settings = settings(&scene);
        scene
    }

    /// Seconds since the server started.
    pub(super) fn uptime(&self, now: Micros) -> u64 {
        now.since(self.started).as_secs()
    }
}

/// The data the server holds by itself: database, key, value, expiry, birth (both milliseconds).
pub(super) fn own_data(visit: &Visit, now: Micros) -> Vec<(usize, Bytes, Value, Option<i64>, i64)> {
    let mut rng = visit.derived_rng("redis/data");
    let persona = &visit.persona;
    let born = persona.installed.millis();
    let domain = if persona.domain.is_empty() { "localdomain" } else { &persona.domain };
    let mail = domain.split_once('.').filter(|(_, rest)| rest.contains('.')).map_or(domain, |(_, rest)| rest);
    let app = ["portal", "shop", "crm", "api", "intranet", "billing", "tracking"].get(rng.random_range(0..7)).copied().unwrap_or("portal");
    let text = |s: String| Value::Str(Bytes::from(s));
    let mut data = Vec::new();
    let mut put = |key: String, value: Value, expires: Option<i64>, born: i64| data.push((0, Bytes::from(key), value, expires, born));

    let first: u32 = rng.random_range(900..5200);
    let users = rng.random_range(4..9);
    const NAMES: [&str; 16] = [
        "maria", "james", "elena", "tom", "sofia", "peter", "anna", "lucas", "ines", "david", "nora", "karl", "olga", "hugo", "lena",
        "marc",
    ];
    const SURNAMES: [&str; 12] =
        ["keller", "ramos", "novak", "berg", "lind", "costa", "meyer", "fraser", "dubois", "conti", "hale", "ortiz"];
    let mut members = BTreeSet::new();
    for i in 0..users {
        let id = first + i * rng.random_range(1..7) + i;
        let name = NAMES.get(rng.random_range(0..NAMES.len())).copied().unwrap_or("anna");
        let surname = SURNAMES.get(rng.random_range(0..SURNAMES.len())).copied().unwrap_or("berg");
        let mut salt = [0u8; 16];
        let mut digest = [0u8; 23];
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut digest);
        let bcrypt = |b: &[u8]| crypt64(b);
        let fields = [
            ("id", id.to_string()),
            ("email", format!("{name}.{surname}@{mail}")),
            (
                "name",
                format!(
                    "{}{} {}{}",
                    name.get(..1).unwrap_or_default().to_uppercase(),
                    name.get(1..).unwrap_or_default(),
                    surname.get(..1).unwrap_or_default().to_uppercase(),
                    surname.get(1..).unwrap_or_default()
                ),
            ),
            ("role", if i == 0 { "admin".into() } else { "user".into() }),
            (
                "password",
                format!("$2y$10${}{}", bcrypt(&salt).get(..22).unwrap_or_default(), bcrypt(&digest).get(..31).unwrap_or_default()),
            ),
        ];
        let hash = fields.iter().zip(0u32..).map(|((k, v), n)| (Bytes::from_static(k.as_bytes()), (n, Bytes::from(v.clone())))).collect();
        put(format!("{app}:user:{id}"), Value::Hash(hash), None, born + 86_400_000 * i64::from(i + 2));
        members.insert(Bytes::from(id.to_string()));
    }
    let ids: Vec<Bytes> = members.iter().cloned().collect();
    put(format!("{app}:users"), Value::Set(members), None, born);
    let logins = ids.iter().map(|id| (id.clone(), f64::from(rng.random_range(1u32..900)))).collect::<BTreeMap<_, _>>();
    put(format!("{app}:stats:logins"), Value::ZSet(logins), None, born);
    let hours = now.since(persona.installed).as_secs() / 3600;
    put(format!("{app}:stats:visits"), text((hours * rng.random_range(3..40u64) + 17).to_string()), None, born);
    put(
        format!("{app}:version"),
        text(format!("{}.{}.{}", rng.random_range(1..5), rng.random_range(0..19), rng.random_range(0..9))),
        None,
        born,
    );
    let mut secret = [0u8; 24];
    rng.fill_bytes(&mut secret);
    put(
        format!("{app}:config:mail"),
        text(format!(
            "{{\"host\":\"smtp.{mail}\",\"port\":587,\"user\":\"noreply@{mail}\",\"password\":\"{}\"}}",
            crypt64(&secret).get(..14).unwrap_or_default()
        )),
        None,
        born,
    );
    let jobs: VecDeque<Bytes> = (0..rng.random_range(1..4))
        .map(|i| {
            Bytes::from(format!(
                "{{\"id\":{},\"job\":\"SendInvoice\",\"user\":{},\"attempts\":{}}}",
                rng.random_range(20_000..90_000) + i,
                first,
                rng.random_range(0..3)
            ))
        })
        .collect();
    put(format!("{app}:queue:failed"), Value::List(jobs), None, born);

    // A session is opened every so often and lives two hours.
    let every: i64 = rng.random_range(900_000..2_400_000);
    let life = 7_200_000;
    let last = now.millis() / every;
    for window in (last - life / every)..=last {
        let mut one = visit.derived_rng(&format!("redis/session/{window}"));
        let opened = window * every + one.random_range(0..every);
        if opened > now.millis() || opened + life <= now.millis() || opened < persona.booted.millis() {
            continue;
        }
        let mut token = [0u8; 16];
        one.fill_bytes(&mut token);
        let user = ids.get(one.random_range(0..ids.len().max(1))).cloned().unwrap_or_default();
        let body = format!(
            "{{\"user_id\":{},\"ip\":\"10.{}.{}.{}\",\"csrf\":\"{:016x}\",\"last\":{}}}",
            String::from_utf8_lossy(&user),
            one.random_range(0..40),
            one.random_range(0..250),
            one.random_range(2..250),
            one.next_u64(),
            opened / 1000
        );
        put(format!("{app}:session:{}", hex::encode(token)), text(body), Some(opened + life), opened);
    }
    data
}

/// The alphabet of bcrypt hashes.
fn crypt64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    bytes
        .chunks(3)
        .flat_map(|c| {
            let n = c.iter().fold(0u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - c.len().min(3)));
            [18, 12, 6, 0].into_iter().map(move |s| char::from(ALPHABET.get((n >> s) as usize & 63).copied().unwrap_or(b'.')))
        })
        .collect()
}

/// The settings as `CONFIG GET *` tells them on Debian, by name.
fn settings(scene: &Scene) -> BTreeMap<&'static str, String> {
    let mut map: BTreeMap<&'static str, String> =
        include_str!("config.txt").lines().map(|l| l.split_once(' ').map_or((l, String::new()), |(k, v)| (k, v.to_owned()))).collect();
    map.insert("port", scene.port.to_string());
    if let Some(password) = &scene.password {
        map.insert("requirepass", String::from_utf8_lossy(password).into_owned());
        map.insert("protected-mode", "yes".into());
    }
    if !scene.protected && scene.major >= 7 {
        map.insert("enable-protected-configs", "yes".into());
    }
    if scene.major < 7 {
        for name in ["enable-protected-configs", "enable-debug-command", "enable-module-command"] {
            map.remove(name);
        }
    }
    map
}
