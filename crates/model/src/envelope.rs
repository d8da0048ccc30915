//! The part of events that is the same for a whole conversation, put into JSON once.

use serde::Serialize;
use std::{fmt, io::Write, net::SocketAddr};

use crate::{DeckyId, Event, Id, Micros, Saw, Session};

/// Where a conversation takes place and with whom, in the form that [`Event`] has in JSON.
/// [`Envelope::write`] gives byte for byte what `serde_json` makes of the whole event.
#[derive(Clone, Debug)]
pub struct Envelope(Box<[u8]>);

impl Envelope {
    /// For events of `service` of `decky`.
    pub fn new(
        decky: &DeckyId,
        service: &str,
        session: Option<Id<Session>>,
        source: Option<SocketAddr>,
        local: Option<SocketAddr>,
    ) -> Self {
        let mut json = Vec::with_capacity(256);
        text(&mut json, b",\"decky\":", decky);
        text(&mut json, b",\"service\":", service);
        if let Some(session) = session {
            json.extend_from_slice(b",\"session\":");
            uuid(&mut json, session);
        }
        for (name, address) in [(&b",\"source\":\""[..], source), (b",\"local\":\"", local)] {
            if let Some(address) = address {
                json.extend_from_slice(name);
                socket(&mut json, address);
                json.push(b'"');
            }
        }
        json.extend_from_slice(b",\"saw\":");
        Self(json.into())
    }

    /// Appends the event that `saw` makes.
    pub fn write(&self, id: Id<Event>, at: Micros, saw: &Saw, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        out.extend_from_slice(b"{\"id\":");
        uuid(out, id);
        out.extend_from_slice(b",\"at\":");
        serde_json::to_writer(&mut *out, &at)?;
        out.extend_from_slice(&self.0);
        serde_json::to_writer(&mut *out, saw)?;
        out.push(b'}');
        Ok(())
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Writing into memory cannot fail, and text always has a JSON form.
fn text(out: &mut Vec<u8>, name: &[u8], value: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(name);
    _ = serde_json::to_writer(out, value);
}

fn uuid<T>(out: &mut Vec<u8>, id: Id<T>) {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    out.push(b'"');
    out.extend_from_slice(id.uuid().hyphenated().encode_lower(&mut buffer).as_bytes());
    out.push(b'"');
}

/// As `Display` writes it; for IPv4 without its detours.
fn socket(out: &mut Vec<u8>, address: SocketAddr) {
    let SocketAddr::V4(v4) = address else {
        _ = write!(out, "{address}");
        return;
    };
    for (octet, end) in v4.ip().octets().into_iter().zip(*b"...:") {
        number(out, octet.into());
        out.push(end);
    }
    number(out, v4.port());
}

fn number(out: &mut Vec<u8>, n: u16) {
    let mut rest = n;
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Captured;

    #[test]
    fn an_enveloped_event_is_the_event() {
        let saws = [
            Saw::Connect { syn: Some(Captured::copy(b"E\0")) },
            Saw::noted("ehlo", [("domain", &b"a\"\xff"[..])]),
            Saw::Command { line: Captured::copy(b"PING"), user: Some("a\"b".into()), cwd: None },
        ];
        let addresses = ["198.51.100.23:22", "1.20.0.255:65535", "[2001:db8::1]:0", "[fe80::1%3]:80"];
        for (n, saw) in saws.into_iter().enumerate() {
            for (address, session) in addresses.iter().zip([None, Some(Id::at(Micros(5_000), [9; 10]))].into_iter().cycle()) {
                let event = Event {
                    id: Id::at(Micros(1_795_469_137_000_001), [u8::try_from(n).unwrap(); 10]),
                    at: Micros(-3),
                    decky: DeckyId::from_stored("local:we\"b\n-01"),
                    service: "ssh".into(),
                    session,
                    source: session.and_then(|_| address.parse().ok()),
                    local: address.parse().ok(),
                    saw: saw.clone(),
                };
                let mut json = Vec::new();
                let envelope = Envelope::new(&event.decky, &event.service, event.session, event.source, event.local);
                envelope.write(event.id, event.at, &event.saw, &mut json).unwrap();
                assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&event).unwrap());
            }
        }
    }
}
