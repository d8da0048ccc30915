//! What a user agent or an SSH banner says it is. What it claims may be a lie; the class says what it claims.

/// Classes of user agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentClass {
    Empty,
    Scanner,
    Cli,
    Library,
    Bot,
    Browser,
    Other,
}

impl AgentClass {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Scanner => "scanner",
            Self::Cli => "cli",
            Self::Library => "library",
            Self::Bot => "bot",
            Self::Browser => "browser",
            Self::Other => "nonstandard",
        }
    }
}

/// Marks in lower case and the name of the program.
const SCANNERS: &[(&str, &str)] = &[
    ("nmap", "nmap"),
    ("masscan", "masscan"),
    ("zgrab", "zgrab"),
    ("nikto", "Nikto"),
    ("sqlmap", "sqlmap"),
    ("nuclei", "Nuclei"),
    ("gobuster", "gobuster"),
    ("feroxbuster", "feroxbuster"),
    ("dirbuster", "DirBuster"),
    ("wpscan", "WPScan"),
    ("ffuf", "ffuf"),
    ("fuzz faster", "ffuf"),
    ("hydra", "Hydra"),
    ("nessus", "Nessus"),
    ("openvas", "OpenVAS"),
    ("acunetix", "Acunetix"),
    ("arachni", "Arachni"),
    ("whatweb", "WhatWeb"),
    ("censys", "Censys"),
    ("shodan", "Shodan"),
    ("expanse", "Expanse"),
    ("internet-measurement", "internet-measurement"),
    ("leakix", "LeakIX"),
    ("httpx", "httpx"),
    ("jorgee", "Jorgee"),
    ("zmeu", "ZmEu"),
    ("morfeus", "Morfeus"),
    ("commix", "commix"),
    ("metasploit", "Metasploit"),
    ("l9explore", "l9explore"),
];
const CLIS: &[(&str, &str)] =
    &[("curl/", "curl"), ("wget/", "Wget"), ("httpie/", "HTTPie"), ("aria2/", "aria2"), ("powershell", "PowerShell"), ("lynx/", "Lynx")];
const LIBRARIES: &[(&str, &str)] = &[
    ("python-requests", "python-requests"),
    ("python-urllib", "Python urllib"),
    ("aiohttp", "aiohttp"),
    ("python", "Python"),
    ("go-http-client", "Go"),
    ("fasthttp", "Go fasthttp"),
    ("java/", "Java"),
    ("okhttp", "OkHttp"),
    ("apache-httpclient", "Apache HttpClient"),
    ("libwww-perl", "libwww-perl"),
    ("ruby", "Ruby"),
    ("axios", "axios"),
    ("node-fetch", "node-fetch"),
    ("undici", "Node undici"),
    ("php", "PHP"),
    ("guzzle", "Guzzle"),
    ("reqwest", "reqwest"),
    ("winhttp", "WinHTTP"),
    ("scrapy", "Scrapy"),
    ("mechanize", "mechanize"),
    ("libredtail", "libredtail"),
];
const BOTS: &[&str] = &["bot", "spider", "crawl", "slurp", "facebookexternalhit", "preview"];

/// The class of a user agent and the program it names.
pub fn class_of(agent: &str) -> (AgentClass, Option<&'static str>) {
    let lower = agent.trim().to_ascii_lowercase();
    let find = |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| lower.contains(mark)).map(|(_, name)| *name);
    if lower.is_empty() {
        (AgentClass::Empty, None)
    } else if let Some(name) = find(SCANNERS) {
        (AgentClass::Scanner, Some(name))
    } else if let Some(name) = find(CLIS) {
        (AgentClass::Cli, Some(name))
    } else if let Some(name) = find(LIBRARIES) {
        (AgentClass::Library, Some(name))
    } else if BOTS.iter().any(|mark| lower.contains(mark)) {
        (AgentClass::Bot, None)
    } else if lower.starts_with("mozilla/") && (lower.contains("gecko") || lower.contains("webkit") || lower.contains("trident")) {
        (AgentClass::Browser, None)
    } else {
        (AgentClass::Other, None)
    }
}

/// The program that an SSH identification names.
pub fn ssh_tool(banner: &str) -> Option<&'static str> {
    let lower = banner.to_ascii_lowercase();
    let known = [
        ("libssh2", "libssh2"),
        ("libssh", "libssh"),
        ("paramiko", "Paramiko"),
        ("asyncssh", "AsyncSSH"),
        ("ssh-2.0-go", "Go x/crypto/ssh"),
        ("putty", "PuTTY"),
        ("winscp", "WinSCP"),
        ("jsch", "JSch"),
        ("nmap", "nmap"),
        ("zgrab", "zgrab"),
        ("medusa", "Medusa"),
        ("russh", "russh"),
        ("thrussh", "Thrussh"),
        ("dropbear", "Dropbear"),
        ("openssh", "OpenSSH"),
        ("keyscan", "ssh-keyscan"),
        ("ssh2js", "ssh2 (Node)"),
        ("sshj", "sshj"),
        ("erlang", "Erlang ssh"),
    ];
    known.into_iter().find(|(mark, _)| lower.contains(mark)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_what_they_say() {
        for (agent, class, name) in [
            ("", AgentClass::Empty, None),
            ("curl/7.88.1", AgentClass::Cli, Some("curl")),
            ("Mozilla/5.0 zgrab/0.x", AgentClass::Scanner, Some("zgrab")),
            ("Go-http-client/1.1", AgentClass::Library, Some("Go")),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", AgentClass::Browser, None),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", AgentClass::Bot, None),
            ("Hello, World", AgentClass::Other, None),
        ] {
            assert_eq!(class_of(agent), (class, name), "{agent}");
        }
        assert_eq!(ssh_tool("SSH-2.0-paramiko_3.4.0"), Some("Paramiko"));
        assert_eq!(ssh_tool("SSH-2.0-x"), None);
    }
}
