//! One source address and what it did, absorbed event by event. The profile holds everything that the next event
//! needs, so it is right after any restart and absorbing in one pass or in many gives the same.

use model::Micros;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Command lines kept in a profile; the rest is in the events.
pub const COMMANDS_KEPT: usize = 50;
/// Fingerprints kept; a source that shows more is using that on purpose.
pub const FINGERPRINTS_KEPT: usize = 64;
/// Deckies named in the traversal path; the count goes on.
const PATH_NAMES: usize = 32;
/// The service that events read off the wire carry: nobody asked for it.
pub const SNIFFER: &str = "sniffer";
/// Bytes of a command line kept in a profile.
const COMMAND_BYTES: usize = 512;

/// One event of the source, as stored.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub at: Micros,
    pub decky: &'a str,
    pub service: &'a str,
    pub event_type: &'a str,
    pub fields: &'a Map<String, Value>,
}

/// What is known of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub first_seen: Micros,
    pub last_seen: Micros,
    pub events: i64,
    pub sessions: i64,
    pub bounties: i64,
    /// Attempts, not distinct secrets.
    pub credentials: i64,
    pub commands_run: i64,
    pub files: i64,
    pub services: BTreeSet<String>,
    /// Services it spoke to, beyond opening a connection.
    pub interacted: BTreeSet<String>,
    /// In the order of first touch.
    pub deckies: Vec<String>,
    /// `{"kind": …, "value": …}`, each once, oldest first.
    pub fingerprints: Vec<Value>,
    /// The newest lines, newest first.
    pub commands: Vec<String>,
}

impl Profile {
    /// Takes in one event. Order matters only for `deckies` and `commands`.
    pub fn absorb(&mut self, seen: &Seen<'_>) {
        if self.events == 0 || seen.at < self.first_seen {
            self.first_seen = seen.at;
        }
        self.last_seen = self.last_seen.max(seen.at);
        self.events += 1;
        let passive = seen.service == SNIFFER;
        if !passive && !self.services.contains(seen.service) {
            self.services.insert(seen.service.to_owned());
        }
        if !self.deckies.iter().any(|d| d == seen.decky) {
            self.deckies.push(seen.decky.to_owned());
        }
        match seen.event_type {
            "connect" => {
                self.sessions += 1;
                self.fingerprint(seen, &["tcp_signature"]);
                return;
            }
            "disconnect" => return,
            "tcp_syn_fingerprint" => self.fingerprint(seen, &["tcp_signature"]),
            "tls_session" => self.fingerprint(seen, &["ja4", "ja3", "ja3s"]),
            "quic_client_hello" => self.fingerprint(seen, &["ja4"]),
            "auth_attempt" => self.credentials += 1,
            "command" => {
                self.commands_run += 1;
                if let Some(Value::String(line)) = seen.fields.get("command") {
                    self.command(line);
                }
            }
            "file_captured" | "message_stored" => self.files += 1,
            "tls_client_hello" => self.fingerprint(seen, &["ja4", "ja3"]),
            "ssh_client" => self.fingerprint(seen, &["hassh", "ssh_banner"]),
            "request" => self.fingerprint(seen, &["user_agent"]),
            _ => {}
        }
        if !passive && !self.interacted.contains(seen.service) {
            self.interacted.insert(seen.service.to_owned());
        }
    }

    /// Whether it went from one decky to another.
    pub fn is_traversal(&self) -> bool {
        self.deckies.len() > 1
    }

    /// `web-01 → db-01 → files-01`, if it went on from the first.
    pub fn traversal_path(&self) -> Option<String> {
        let name = |id: &String| id.split_once(':').map_or(id.clone(), |(_, name)| name.to_owned());
        self.is_traversal().then(|| {
            let mut path = self.deckies.iter().take(PATH_NAMES).map(name).collect::<Vec<_>>().join(" → ");
            if self.deckies.len() > PATH_NAMES {
                path.push_str(" → …");
            }
            path
        })
    }

    fn command(&mut self, line: &str) {
        self.commands.truncate(COMMANDS_KEPT - 1);
        self.commands.insert(0, cut(line, COMMAND_BYTES).to_owned());
    }

    fn fingerprint(&mut self, seen: &Seen<'_>, kinds: &[&str]) {
        for kind in kinds {
            let Some(Value::String(value)) = seen.fields.get(*kind) else { continue };
            let entry = json!({ "kind": kind, "value": cut(value, COMMAND_BYTES) });
            if !value.is_empty() && self.fingerprints.len() < FINGERPRINTS_KEPT && !self.fingerprints.contains(&entry) {
                self.fingerprints.push(entry);
                self.bounties += 1;
            }
        }
    }
}

/// The longest head of at most `bytes` bytes that ends between characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(at: i64, decky: &'a str, service: &'a str, event_type: &'a str, fields: &'a Map<String, Value>) -> Seen<'a> {
        Seen { at: Micros(at), decky, service, event_type, fields }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_one_source_did() {
        let none = Map::new();
        let hello = fields(json!({"ja4": "t13d", "ja3": "aa"}));
        let mut profile = Profile::default();
        for event in [
            seen(10, "local:web-01", "https", "connect", &none),
            seen(11, "local:web-01", "https", "tls_client_hello", &hello),
            seen(12, "local:web-01", "https", "tls_client_hello", &hello),
            seen(5, "local:db-01", "ssh", "connect", &none),
            seen(20, "local:db-01", "mysql", "auth_attempt", &none),
            seen(21, "local:db-01", "mysql", "command", &fields(json!({"command": "SHOW TABLES"}))),
        ] {
            profile.absorb(&event);
        }
        assert_eq!((profile.first_seen, profile.last_seen), (Micros(5), Micros(21)));
        assert_eq!((profile.events, profile.sessions, profile.credentials, profile.bounties), (6, 2, 1, 2));
        assert_eq!(profile.interacted.iter().collect::<Vec<_>>(), ["https", "mysql"], "ssh was only knocked at");
        assert_eq!(profile.traversal_path().unwrap(), "web-01 → db-01");
        assert_eq!(profile.commands, ["SHOW TABLES"]);
    }

    #[test]
    fn hostile_amounts_stay_bounded() {
        let mut profile = Profile::default();
        for n in 0..1000 {
            let text = fields(json!({"command": "é".repeat(2000), "user_agent": format!("agent {n}")}));
            profile.absorb(&seen(n, "d", "http", "command", &text));
            profile.absorb(&seen(n, "d", "http", "request", &text));
        }
        assert_eq!((profile.commands.len(), profile.fingerprints.len()), (COMMANDS_KEPT, FINGERPRINTS_KEPT));
        assert!(profile.commands.iter().all(|c| c.len() <= COMMAND_BYTES));
        assert_eq!(profile.commands_run, 1000);
    }
}
