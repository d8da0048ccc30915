//! The language: YAML to a [`Corpus`]. What is written wrongly is refused with the place named; what is only unknown is
//! warned about.

use super::{Act, Actor, Campaign, Corpus, Pool, Print, Signature, Target, Tools, Which};
use model::Phase;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Deckies of a story that does not say.
pub(super) const DECKIES: u64 = 20;
/// Stories included by stories, at most so deep.
const DEPTH: usize = 8;
/// Sessions of one act at most, copies of one campaign at most, scanners at most.
const MOST: u64 = 10_000_000;

/// Why a story cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoryError {
    #[error("not YAML: {why}")]
    Yaml { why: String },
    #[error("{place}: {why}")]
    Wrong { place: String, why: String },
    #[error("no story is called {name:?}")]
    NoSuchStory { name: String },
}

type Result<T> = std::result::Result<T, StoryError>;

fn wrong(place: &str, why: impl Into<String>) -> StoryError {
    StoryError::Wrong { place: place.to_owned(), why: why.into() }
}

pub(super) fn corpus(text: &str, include: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<Corpus> {
    let value: Value = serde_saphyr::from_str(text).map_err(|e| StoryError::Yaml { why: e.to_string().chars().take(400).collect() })?;
    let Value::Object(top) = value else { return Err(wrong("story", "must be a mapping with campaign: or corpus:")) };
    let mut out = Corpus { deckies: DECKIES, ..Corpus::default() };
    take(&mut out, &top, "story", include, depth)?;
    if out.campaigns.is_empty() && out.scanners == 0 {
        return Err(wrong("story", "has neither a campaign nor noise"));
    }
    Ok(Corpus::merged([out]))
}

/// Takes in a mapping that may hold campaigns, noise and inclusions.
fn take(out: &mut Corpus, map: &Map<String, Value>, place: &str, include: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<()> {
    if map.contains_key("actors") {
        return one_campaign(out, map, place);
    }
    for (key, value) in map {
        let place = format!("{place}.{key}");
        match key.as_str() {
            "campaign" => one_campaign(out, object(value, &place)?, &place)?,
            "campaigns" => {
                for (i, entry) in list(value).into_iter().enumerate() {
                    let place = format!("{place}[{i}]");
                    take(out, object(entry, &place)?, &place, include, depth)?;
                }
            }
            "corpus" => take(out, object(value, &place)?, &place, include, depth)?,
            "noise" => out.scanners += noise(value, &place)?,
            "extra_noise_scanners" | "scanner_count" => out.scanners += count(value, &place)?,
            "include_fixtures" | "include" | "includes" => {
                if depth >= DEPTH {
                    return Err(wrong(&place, "stories include each other too deeply"));
                }
                for name in list(value) {
                    let name = text(name).ok_or_else(|| wrong(&place, "must name stories"))?;
                    let story = include(&name).ok_or(StoryError::NoSuchStory { name })?;
                    let inner = corpus(&story, include, depth + 1)?;
                    out.campaigns.extend(inner.campaigns);
                    out.scanners += inner.scanners;
                    out.deckies = out.deckies.max(inner.deckies);
                    out.warnings.extend(inner.warnings);
                }
            }
            "decky_count" | "deckies" => out.deckies = count(value, &place)?.clamp(1, 10_000),
            "description" | "name" | "title" | "notes" | "comment" | "id" | "version" | "schema_version" | "seed" | "expected"
            | "level" | "expect" => {}
            _ => out.warnings.push(format!("{place}: unknown, ignored")),
        }
    }
    Ok(())
}

fn noise(value: &Value, place: &str) -> Result<u64> {
    match value {
        Value::Null => Ok(0),
        Value::Object(map) => {
            let mut sum = 0;
            for (key, value) in map {
                if matches!(key.as_str(), "scanner_count" | "scanners" | "count") {
                    sum += count(value, &format!("{place}.{key}"))?;
                }
            }
            Ok(sum)
        }
        other => count(other, place),
    }
}

fn one_campaign(out: &mut Corpus, map: &Map<String, Value>, place: &str) -> Result<()> {
    if let Some(value) = map.get("noise") {
        out.scanners += noise(value, &format!("{place}.noise"))?;
    }
    let copies = match map.get("copies").or_else(|| map.get("repeat")) {
        Some(value) => count(value, &format!("{place}.copies"))?,
        None => 1,
    };
    for n in 1..=copies {
        let mut filled;
        let map = if map.contains_key("copies") || map.contains_key("repeat") {
            filled = Value::Object(map.clone());
            fill(&mut filled, &n.to_string());
            object(&filled, place)?
        } else {
            map
        };
        let (campaign, warnings) = campaign(map, place, out.campaigns.len(), (copies > 1).then_some(n))?;
        out.campaigns.push(campaign);
        if n == 1 {
            out.warnings.extend(warnings);
        }
    }
    Ok(())
}

/// Puts the number of the copy where `$n` stands.
fn fill(value: &mut Value, n: &str) {
    match value {
        Value::String(text) if text.contains("$n") => *text = text.replace("$n", n),
        Value::Array(all) => all.iter_mut().for_each(|v| fill(v, n)),
        Value::Object(map) => map.iter_mut().for_each(|(_, v)| fill(v, n)),
        _ => {}
    }
}

fn campaign(map: &Map<String, Value>, place: &str, ordinal: usize, copy: Option<u64>) -> Result<(Campaign, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut id = map.get("id").or_else(|| map.get("name")).and_then(text).unwrap_or_else(|| format!("campaign-{}", ordinal + 1));
    if let Some(copy) = copy
        && !id.ends_with(&format!("{copy}"))
    {
        id = format!("{id}-{copy}");
    }
    let mut out = Campaign { id, duration_days: 1, ..Campaign::default() };
    let missing = map.get("missing").map(|v| share(v, &format!("{place}.missing"))).transpose()?.unwrap_or(0.0);
    for (key, value) in map {
        let place = format!("{place}.{key}");
        match key.as_str() {
            "actors" => {
                for (i, entry) in list(value).into_iter().enumerate() {
                    let place = format!("{place}[{i}]");
                    out.actors.push(actor(object(entry, &place)?, &place, i, missing, &mut warnings)?);
                }
            }
            "duration_days" | "days" => out.duration_days = whole(value, &place)?.clamp(1, 36_500),
            "pause_windows" | "pauses" => {
                for entry in list(value) {
                    out.pauses.push(span(entry, &place)?);
                }
            }
            _ => {}
        }
    }
    if out.actors.is_empty() {
        return Err(wrong(place, "has no actors"));
    }
    for (i, entry) in map.get("phases").map(list).unwrap_or_default().into_iter().enumerate() {
        let place = format!("{place}.phases[{i}]");
        let named;
        let entry = match entry {
            Value::String(name) => {
                named = Map::from_iter([("name".to_owned(), Value::String(name.clone()))]);
                &named
            }
            other => object(other, &place)?,
        };
        let act = act(entry, &place, &out.actors, &mut warnings)?;
        if act.phase.observable() {
            out.phases.push(act);
        } else {
            warnings.push(format!("{place}: {} cannot be seen by a decky and leaves nothing", act.phase));
        }
    }
    Ok((out, warnings))
}

fn actor(map: &Map<String, Value>, place: &str, ordinal: usize, missing: f64, warnings: &mut Vec<String>) -> Result<Actor> {
    let mut out = Actor {
        id: format!("actor-{}", ordinal + 1),
        hours: (0..24).collect(),
        jitter_seconds: 60,
        missing,
        tools: vec![Tools::default()],
        ..Actor::default()
    };
    let mut rotation = None;
    let mut shuffles = false;
    for (key, value) in map {
        let place = format!("{place}.{key}");
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "id" | "name" => out.id = text(value).ok_or_else(|| wrong(&place, "must be text"))?,
            "identity" | "operator" | "person" | "same_as" => out.identity = text(value),
            "asn" => out.asn = Some(asn(value, &place)?),
            "ip_pool" | "pool" => match value {
                Value::Object(pool) => {
                    for (key, value) in pool {
                        match key.as_str() {
                            "type" | "kind" | "mode" => out.pool = self::pool(value, &place)?,
                            "count" | "rotation_count" | "size" => rotation = Some(count(value, &place)?),
                            "asns" | "rotation_asns" => out.rotation_asns = asns(value, &place)?,
                            _ => warnings.push(format!("{place}.{key}: unknown, ignored")),
                        }
                    }
                }
                other => out.pool = pool(other, &place)?,
            },
            "rotation_count" => rotation = Some(count(value, &place)?),
            "rotation_asns" => out.rotation_asns = asns(value, &place)?,
            "address" | "addresses" | "ip" | "ips" | "nat" => out.addresses = texts(value),
            "ja3" | "ja4" | "tls" => {
                if let Some(first) = out.tools.first_mut() {
                    first.ja3 = prints(value);
                }
            }
            "hassh" | "ssh" => {
                if let Some(first) = out.tools.first_mut() {
                    first.hassh = prints(value);
                }
            }
            "ja3_randomised" | "ja3_randomized" | "ja3_random" | "randomise_ja3" | "randomize_ja3" => {
                shuffles = value.as_bool().unwrap_or(true)
            }
            "hours_active_utc" | "hours" | "hours_utc" => out.hours = hours(value, &place)?,
            "jitter_seconds" | "jitter" => out.jitter_seconds = whole(value, &place)?.clamp(0, 86_400),
            "active_days" => out.active_days = days(value, &place)?,
            "missing" => out.missing = share(value, &place)?,
            "tool_changes" | "tools" => {
                for (i, entry) in list(value).into_iter().enumerate() {
                    let place = format!("{place}[{i}]");
                    let entry = object(entry, &place)?;
                    let from_day = entry.get("from_day").map(|v| whole(v, &place)).transpose()?.unwrap_or(0);
                    let some = |key: &str| entry.get(key).filter(|v| !v.is_null()).map(prints).unwrap_or_default();
                    out.tools.push(Tools { from_day, ja3: some("ja3"), hassh: some("hassh") });
                }
            }
            "role" | "description" | "notes" | "comment" | "schema_version" => {}
            _ => warnings.push(format!("{place}: unknown, ignored")),
        }
    }
    if shuffles {
        for print in out.tools.iter_mut().flat_map(|t| t.ja3.iter_mut()) {
            if let Print::Fixed(name) = print {
                *print = Print::Shuffled(std::mem::take(name));
            }
        }
    }
    out.tools.sort_by_key(|t| t.from_day);
    out.rotation_count = match out.pool {
        Pool::Sticky => 1,
        Pool::Rotating | Pool::Tor => rotation.unwrap_or(out.rotation_asns.len() as u64).clamp(1, 100_000),
    };
    Ok(out)
}

fn act(map: &Map<String, Value>, place: &str, actors: &[Actor], warnings: &mut Vec<String>) -> Result<Act> {
    let name = map.get("name").or_else(|| map.get("phase")).and_then(text).ok_or_else(|| wrong(place, "has no name"))?;
    let phase: Phase = name.trim().to_ascii_lowercase().replace(['-', ' '], "_").parse().map_err(|_| {
        let known: Vec<&str> = Phase::ALL.iter().map(|p| p.as_str()).collect();
        wrong(place, format!("there is no phase {name:?} (there are: {})", known.join(", ")))
    })?;
    let mut out = Act {
        phase,
        actor: 0,
        signature: Signature::default(),
        target: Target { count: 1, decky: Which::Any, service: None, port: None },
        dwell_seconds: 5,
        success_rate: 1.0,
        days: Vec::new(),
    };
    for (key, value) in map {
        let place = format!("{place}.{key}");
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "name" | "phase" | "description" | "notes" | "comment" => {}
            "actor" => {
                let id = text(value).ok_or_else(|| wrong(&place, "must name an actor"))?;
                out.actor = actors.iter().position(|a| a.id == id).ok_or_else(|| wrong(&place, format!("there is no actor {id:?}")))?;
            }
            "tool_signature" | "signature" | "tool" => out.signature = signature(object(value, &place)?, &place, warnings)?,
            "target_selector" | "target" => {
                for (key, value) in object(value, &place)?.iter().filter(|(_, v)| !v.is_null()) {
                    let place = format!("{place}.{key}");
                    match key.as_str() {
                        "count" => out.target.count = count(value, &place)?,
                        "decky" | "deckies" => {
                            out.target.decky = match text(value).as_deref() {
                                Some("previous_success") => Which::PreviousSuccess,
                                Some("any" | "random") => Which::Any,
                                Some(name) => Which::Named(name.to_owned()),
                                None => return Err(wrong(&place, "must be previous_success or the name of a decky")),
                            }
                        }
                        "service" => out.target.service = text(value),
                        "port" => out.target.port = value.as_u64().and_then(|p| u16::try_from(p).ok()),
                        _ => warnings.push(format!("{place}: unknown, ignored")),
                    }
                }
            }
            "count" => out.target.count = count(value, &place)?,
            "dwell_seconds" | "dwell" => out.dwell_seconds = number(value, &place)?.clamp(0.0, 1e7) as i64,
            "success_rate" => out.success_rate = share(value, &place)?,
            "days" | "active_days" => out.days = days(value, &place)?,
            _ => warnings.push(format!("{place}: unknown, ignored")),
        }
    }
    Ok(out)
}

fn signature(map: &Map<String, Value>, place: &str, warnings: &mut Vec<String>) -> Result<Signature> {
    let mut out = Signature::default();
    for (key, value) in map {
        let place = format!("{place}.{key}");
        if value.is_null() {
            continue;
        }
        match key.as_str() {
            "commands" => out.commands = Some(texts(value)),
            "credentials" => {
                for pair in list(value) {
                    out.credentials.push(credential(pair).ok_or_else(|| wrong(&place, "each must be [user, password]"))?);
                }
            }
            "c2_callback" | "c2" | "c2_callbacks" => out.c2 = texts(value),
            "payload_hash" | "payload" | "payload_hashes" | "payloads" => out.payloads = texts(value).iter().map(|t| payload(t)).collect(),
            "user_agent" => out.user_agent = text(value),
            "paths" | "path" => out.paths = texts(value),
            "cve" | "protocol" | "name" | "tool" | "description" => {}
            _ => warnings.push(format!("{place}: unknown, ignored")),
        }
    }
    Ok(out)
}

/// A digest stays what it is; any other text is the seed of one.
fn payload(text: &str) -> String {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return text.to_ascii_lowercase();
    }
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn credential(value: &Value) -> Option<(String, String)> {
    match value {
        Value::Array(pair) => match pair.as_slice() {
            [user, password] => Some((text(user).unwrap_or_default(), text(password).unwrap_or_default())),
            _ => None,
        },
        Value::Object(map) => {
            let part = |keys: [&str; 3]| keys.iter().find_map(|k| map.get(*k)).map(|v| text(v).unwrap_or_default());
            Some((part(["user", "username", "principal"])?, part(["password", "secret", "pass"])?))
        }
        Value::String(both) => both.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned())),
        _ => None,
    }
}

fn prints(value: &Value) -> Vec<Print> {
    texts(value)
        .into_iter()
        .filter(|t| !t.is_empty() && !matches!(t.as_str(), "none" | "null"))
        .map(|t| match t.as_str() {
            "random" | "randomised" | "randomized" | "shuffled" => Print::Shuffled("browser".into()),
            _ => Print::Fixed(t),
        })
        .collect()
}

fn pool(value: &Value, place: &str) -> Result<Pool> {
    match text(value).as_deref() {
        Some("sticky" | "static" | "single" | "fixed") => Ok(Pool::Sticky),
        Some("rotating" | "vpn" | "residential") => Ok(Pool::Rotating),
        Some("tor") => Ok(Pool::Tor),
        other => Err(wrong(place, format!("there is no pool {:?} (there are: sticky, rotating, tor)", other.unwrap_or("")))),
    }
}

/// Hours: a list, `"22-2"`, or `{start, end}` (both inclusive, past midnight if the end is smaller).
fn hours(value: &Value, place: &str) -> Result<Vec<i64>> {
    let around = |start: i64, end: i64| {
        let len = (end - start).rem_euclid(24);
        (0..=len).map(|i| (start + i).rem_euclid(24)).collect::<Vec<_>>()
    };
    let out = match value {
        Value::Object(map) => {
            let part = |keys: [&str; 2]| keys.iter().find_map(|k| map.get(*k)).and_then(Value::as_i64);
            match (part(["start", "from"]), part(["end", "to"])) {
                (Some(start), Some(end)) => around(start, end),
                _ => return Err(wrong(place, "needs start and end")),
            }
        }
        Value::String(range) => match range.split_once('-').map(|(a, b)| (a.trim().parse::<i64>(), b.trim().parse::<i64>())) {
            Some((Ok(start), Ok(end))) => around(start, end),
            _ => return Err(wrong(place, "must be a list of hours or START-END")),
        },
        other => {
            let mut out = Vec::new();
            for entry in list(other) {
                match entry {
                    Value::Array(_) | Value::String(_) if entry.as_str().is_none_or(|t| t.contains('-')) => match entry {
                        Value::String(_) => out.extend(hours(entry, place)?),
                        pair => {
                            let (start, end) = span(pair, place)?;
                            out.extend(around(start, end));
                        }
                    },
                    hour => out.push(whole(hour, place)?.rem_euclid(24)),
                }
            }
            out
        }
    };
    if out.is_empty() { Ok((0..24).collect()) } else { Ok(out) }
}

/// Days: a list of numbers and of `[first, last]`, or `"7-11"`.
fn days(value: &Value, place: &str) -> Result<Vec<i64>> {
    let mut out = Vec::new();
    for entry in list(value) {
        match entry {
            Value::Array(_) => {
                let (first, last) = span(entry, place)?;
                out.extend(first..=last.min(first + 36_500));
            }
            Value::String(range) if range.contains('-') => {
                match range.split_once('-').map(|(a, b)| (a.trim().parse::<i64>(), b.trim().parse::<i64>())) {
                    Some((Ok(first), Ok(last))) => out.extend(first..=std::cmp::min(last, first + 36_500)),
                    _ => return Err(wrong(place, "must be FIRST-LAST")),
                }
            }
            day => out.push(whole(day, place)?),
        }
    }
    Ok(out)
}

fn span(value: &Value, place: &str) -> Result<(i64, i64)> {
    match value {
        Value::Array(pair) => match pair.as_slice() {
            [first, last] => Ok((whole(first, place)?, whole(last, place)?)),
            [only] => Ok((whole(only, place)?, whole(only, place)?)),
            _ => Err(wrong(place, "must be [first, last]")),
        },
        Value::Object(map) => {
            let part = |keys: [&str; 3]| keys.iter().find_map(|k| map.get(*k)).and_then(Value::as_i64);
            match (part(["start", "from", "first"]), part(["end", "to", "last"])) {
                (Some(first), Some(last)) => Ok((first, last)),
                _ => Err(wrong(place, "needs start and end")),
            }
        }
        other => whole(other, place).map(|day| (day, day)),
    }
}

fn asns(value: &Value, place: &str) -> Result<Vec<u32>> {
    list(value).into_iter().map(|v| asn(v, place)).collect()
}

fn asn(value: &Value, place: &str) -> Result<u32> {
    let number = match value {
        Value::String(text) => text.trim_start_matches(['A', 'S', 'a', 's']).parse().ok(),
        other => other.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    number.ok_or_else(|| wrong(place, "must be the number of an autonomous system"))
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| wrong(place, "must be a mapping"))
}

/// A list; one thing alone is a list of one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn texts(value: &Value) -> Vec<String> {
    list(value).into_iter().filter_map(text).collect()
}

fn whole(value: &Value, place: &str) -> Result<i64> {
    let from_text = || value.as_str().and_then(|t| t.trim().parse().ok());
    value.as_i64().or_else(from_text).ok_or_else(|| wrong(place, "must be a whole number"))
}

fn number(value: &Value, place: &str) -> Result<f64> {
    value.as_f64().ok_or_else(|| wrong(place, "must be a number"))
}

fn count(value: &Value, place: &str) -> Result<u64> {
    match u64::try_from(whole(value, place)?) {
        Ok(count) if count <= MOST => Ok(count),
        Ok(_) => Err(wrong(place, format!("more than {MOST}"))),
        Err(_) => Err(wrong(place, "must not be negative")),
    }
}

fn share(value: &Value, place: &str) -> Result<f64> {
    let share = number(value, place)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(wrong(place, "must be between 0 and 1")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Corpus> {
        corpus(text, &|_| None, 0)
    }

    #[test]
    fn every_key_is_understood() {
        let corpus = read(
            "campaign:\n  id: x\n  duration_days: 7\n  pause_windows: [[2, 4]]\n  actors:\n  - id: a\n    asn: 64512\n    ip_pool: rotating\n    rotation_count: 5\n    rotation_asns: [1, 2]\n    ja3: aa\n    hassh: null\n    hours_active_utc: [22, 23, 0]\n    jitter_seconds: 30\n    active_days: [0, 1]\n    role: broker\n  phases:\n  - name: delivery\n    actor: a\n    tool_signature:\n      commands: [id]\n      credentials: [[root, root]]\n      c2_callback: 203.0.113.5:443\n      payload_hash: dropper\n    target_selector: {count: 3, decky: previous_success, service: ssh, port: 22}\n    dwell_seconds: 9\n    success_rate: 0.5\n  - name: weaponization\nnoise: {scanner_count: 8}\n",
        )
        .unwrap();
        let campaign = &corpus.campaigns[0];
        assert_eq!((campaign.duration_days, campaign.pauses.clone(), corpus.scanners), (7, vec![(2, 4)], 8));
        let actor = &campaign.actors[0];
        assert_eq!((actor.pool, actor.rotation_count, actor.hours.clone()), (Pool::Rotating, 5, vec![22, 23, 0]));
        assert_eq!(actor.tools[0].ja3, [Print::Fixed("aa".into())]);
        let act = &campaign.phases[0];
        assert_eq!((act.target.count, act.target.decky.clone(), act.dwell_seconds), (3, Which::PreviousSuccess, 9));
        assert_eq!(act.signature.payloads[0].len(), 64);
        assert_eq!(campaign.phases.len(), 1);
        assert_eq!(corpus.warnings.len(), 1, "{:?}", corpus.warnings);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| read(text).unwrap_err().to_string();
        assert!(wrong("campaign: {actors: [{id: a}], phases: [{name: hacking}]}").contains("there is no phase \"hacking\""));
        assert!(wrong("campaign: {actors: [{id: a}], phases: [{name: delivery, actor: b}]}").contains("no actor \"b\""));
        assert!(wrong("campaign: {phases: []}").contains("no actors"));
        assert!(wrong("[1").contains("not YAML"));
        assert!(wrong("include_fixtures: [f]").contains("no story is called"));
    }

    #[test]
    fn copies_differ_where_they_say_so() {
        let corpus =
            read("campaigns:\n- id: c\n  copies: 3\n  actors: [{id: a, ja3: 'j$n', hassh: same}]\n  phases: [delivery]\n").unwrap();
        let ja3: Vec<_> = corpus.campaigns.iter().map(|c| c.actors[0].tools[0].ja3.clone()).collect();
        assert_eq!(corpus.campaigns.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["c-1", "c-2", "c-3"]);
        assert_ne!(ja3[0], ja3[1]);
    }
}
