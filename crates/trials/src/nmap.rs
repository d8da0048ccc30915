//! What `nmap -oX -` says, as far as a trial asks.

/// An open port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub ip: String,
    pub port: u16,
    /// `ssh`, `http`, …
    pub service: String,
    pub product: String,
    pub version: String,
    pub extra: String,
    /// `unrecognised` services come with what they said.
    pub fingerprint: String,
}

/// The open ports in a report, in its order.
pub fn open(xml: &str) -> Vec<Open> {
    let mut all = Vec::new();
    for host in xml.split("<host ").skip(1) {
        let Some(ip) = tag(host, "<address ").map(|t| attribute(t, "addr")) else { continue };
        for port in host.split("<port ").skip(1) {
            let port = port.split("</port>").next().unwrap_or_default();
            if tag(port, "<state ").map(|t| attribute(t, "state")).as_deref() != Some("open") {
                continue;
            }
            let service = tag(port, "<service ").unwrap_or_default();
            all.push(Open {
                ip: ip.clone(),
                port: attribute(port, "portid").parse().unwrap_or(0),
                service: attribute(service, "name"),
                product: attribute(service, "product"),
                version: attribute(service, "version"),
                extra: attribute(service, "extrainfo"),
                fingerprint: attribute(service, "servicefp"),
            });
        }
    }
    all
}

fn tag<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start).map(|(_, rest)| rest.split('>').next().unwrap_or_default())
}

fn attribute(tag: &str, name: &str) -> String {
    let found = tag.split_once(&format!("{name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap_or_default());
    found.unwrap_or_default().replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    #[test]
    fn open_ports_are_read() {
        let xml = r#"<nmaprun><host starttime="1"><status state="up"/><address addr="10.0.0.2" addrtype="ipv4"/><ports>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/><service name="ssh" product="OpenSSH" version="9.2p1 &quot;x&quot;" method="probed"/></port>
<port protocol="tcp" portid="23"><state state="closed"/></port></ports></host></nmaprun>"#;
        let open = super::open(xml);
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].ip.as_str(), open[0].port, open[0].version.as_str()), ("10.0.0.2", 22, "9.2p1 \"x\""));
    }
}
