//! The native runtime in a world of its own: what the host and the neighbours see of deckies.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "trials")]

mod world;

use fleet::{DeckyState, DeployMode, Plan, Which};
use std::{
    collections::HashSet,
    io::Read,
    net::{IpAddr, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use world::{Greeter, alone, catalogue, deployer, plan, settings, sh};

fn says(greeter: &Greeter, decky: &str, service: &str, ip: IpAddr, port: u16) -> String {
    let mut peer = TcpStream::connect_timeout(&(ip, port).into(), Duration::from_secs(3)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    greeter.greet(decky, service);
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn six_deckies_stand_apart_answer_and_go_without_a_trace() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let face = Arc::new(Greeter::default());
        let deployer = deployer(settings(dir.path(), None), &face);
        let lab = Plan::lab_of(catalogue());
        assert_eq!(lab.deckies.len(), 6);
        let report = deployer.deploy(&lab, DeployMode::default()).await.unwrap();
        assert_eq!((report.added.len(), report.failed.len()), (6, 0), "{report:?}");
        let status = deployer.status().await;
        assert!(status.iter().all(|s| s.state == DeckyState::Running && s.ips.len() == 2), "{status:?}");
        // Every service answers on both families, each decky as itself.
        for s in &status {
            for service in &s.services {
                for ip in &s.ips {
                    assert_eq!(says(&face, &s.name, &service.name, *ip, service.ports[0]), format!("{} {}\n", s.name, service.name));
                }
            }
        }
        // Seen on the wire: its own MAC and the TTL of its family.
        let seen = sh("ip neigh show");
        for s in &status {
            assert!(s.ips.iter().all(|ip| seen.lines().any(|l| l.starts_with(&format!("{ip} ")) && l.contains(&s.mac))), "{seen}");
        }
        let device = status.iter().find(|s| s.archetype == "iot-device").unwrap();
        assert!(sh(&format!("ping -c1 -W2 {}", device.ips[0])).contains("ttl=255"));
        assert!(sh(&format!("ping -c1 -W2 {}", device.ips[1])).contains("ttl=255"));
        let linux = status.iter().find(|s| s.archetype == "linux-server").unwrap();
        assert!(sh(&format!("ping -c1 -W2 {}", linux.ips[0])).contains("ttl=64"));
        // A closed port answers with RST, as a host does.
        let closed = TcpStream::connect_timeout(&(linux.ips[0], 4444).into(), Duration::from_secs(2)).unwrap_err();
        assert_eq!(closed.kind(), std::io::ErrorKind::ConnectionRefused);
        // From inside: nobody can be spoken to, not even the neighbours and the host.
        let gateway = sh("ip -4 -o addr show type bridge").split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_owned();
        for target in [gateway.as_str(), &device.ips[0].to_string()] {
            let ping = deployer.exec(&linux.name, ["ping", "-c1", "-W1", target].map(str::to_owned).to_vec()).await.unwrap();
            assert_ne!(ping.status, Some(0));
            let script = format!("exec 3<>/dev/tcp/{target}/23");
            let tcp = deployer.exec(&linux.name, ["timeout", "1", "bash", "-c", &script].map(str::to_owned).to_vec()).await.unwrap();
            assert_ne!(tcp.status, Some(0));
        }
        // Again: nothing is touched.
        let plays = face.plays.load(Ordering::Relaxed);
        let again = deployer.deploy(&lab, DeployMode::default()).await.unwrap();
        assert_eq!((again.unchanged.len(), again.added.len(), again.changed.len()), (6, 0, 0));
        assert_eq!(face.plays.load(Ordering::Relaxed), plays);
        // Gone without a trace.
        let links: HashSet<String> = sh("ip -o link").lines().map(|l| l.split(": ").nth(1).unwrap().into()).collect();
        assert!(links.iter().any(|l| l.starts_with("dn-")));
        deployer.teardown(Which::All).await.unwrap();
        assert!(!sh("ip -o link").contains("dn-"));
        let tag = links.iter().find(|l| l.ends_with("br")).unwrap().trim_end_matches("br").to_owned();
        assert!(!sh("ls /run/netns").contains(&tag));
    });
}

#[test]
fn changes_touch_only_what_changed_and_a_new_process_finds_the_fleet_again() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let face = Arc::new(Greeter::default());
        let one = deployer(settings(dir.path(), None), &face);
        let before = plan("[a]\nservices=ssh,http\n[b]\nservices=ssh\n");
        one.deploy(&before, DeployMode::default()).await.unwrap();
        let first = one.status().await;
        // A visitor waits at a door while the other service of the decky is changed.
        let waiting = TcpStream::connect((first[0].ips[0], 22)).unwrap();
        let after = plan("[a]\nservices=ssh,redis\n[b]\nservices=ssh\n[c]\nservices=ftp\n");
        let report = one.deploy(&after, DeployMode::default()).await.unwrap();
        assert_eq!(
            (report.added.as_slice(), report.changed.as_slice(), report.unchanged.as_slice()),
            (&["c".into()][..], &["a".into()][..], &["b".into()][..])
        );
        face.greet("a", "ssh");
        let mut text = String::new();
        { waiting }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a ssh\n");
        assert!(TcpStream::connect((first[0].ips[0], 80)).is_err());
        assert_eq!(says(&face, "a", "redis", first[0].ips[0], 6379), "a redis\n");
        let third = one.deploy(&plan("[a]\nservices=ssh,redis\n"), DeployMode { replace: true }).await.unwrap();
        assert_eq!(third.removed, ["b", "c"]);
        // The process ends as if killed: nothing is taken down. The next one adopts and reaps.
        let held = one.status().await;
        face.forget_all();
        drop(one);
        sh("ip link add dn-zzzz0000000 type veth peer name other");
        let two = deployer(settings(dir.path(), None), &face);
        let restored = two.restore().await.unwrap();
        assert_eq!((restored.added.as_slice(), restored.failed.len()), (&["a".to_owned()][..], 0), "{restored:?}");
        let now = two.status().await;
        assert_eq!(now, held);
        assert_eq!(says(&face, "a", "ssh", now[0].ips[0], 22), "a ssh\n");
        assert!(sh("ip -o link").contains("dn-zzzz0000000"), "what is not ours stays");
        // What should not exist is reaped: the state loses the decky, the namespace is still there.
        let link = sh("ip -o link")
            .lines()
            .find(|l| l.contains("dn-") && l.contains("master"))
            .unwrap()
            .split(": ")
            .nth(1)
            .unwrap()
            .split('@')
            .next()
            .unwrap()
            .to_owned();
        face.forget_all();
        drop(two);
        let path = dir.path().join("data/decnet-state.json");
        let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        state["deckies"] = serde_json::json!({});
        std::fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
        let three = deployer(settings(dir.path(), None), &face);
        let reaped = three.restore().await.unwrap();
        assert_eq!(reaped.removed, [format!("stranded {link}")]);
        assert!(!sh("ip -o link").contains(&link));
        three.teardown(Which::All).await.unwrap();
        assert!(!sh("ip -o link").contains("br: "), "the bridge goes with the last decky");
    });
}

#[test]
fn on_a_real_interface_they_are_neighbours_with_their_own_mac() {
    alone(|| async {
        // A LAN: the host's eth9 leads to a bridge with another machine on it.
        sh(
            "ip link add eth9 type veth peer name port9 && ip link add lan type bridge && ip link set port9 master lan up && ip link set lan up && ip link set eth9 up",
        );
        sh("ip addr add 10.77.3.2/24 dev eth9 && ip -6 addr add fd77:3::2/64 dev eth9 nodad");
        // The other machine, in a namespace of its own held by a sleeping process.
        sh("ip link add there type veth peer name port8 && ip link set port8 master lan up");
        let mut other = std::process::Command::new("unshare")
            .args(["--net", "sleep", "600"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = other.id();
        let peer = |command: &str| sh(&format!("nsenter --net=/proc/{pid}/ns/net sh -c '{command}'"));
        std::thread::sleep(Duration::from_millis(100));
        sh(&format!("ip link set there netns {pid}"));
        peer("ip link set lo up; ip addr add 10.77.3.9/24 dev there; ip -6 addr add fd77:3::9/64 dev there nodad; ip link set there up");
        let dir = tempfile::tempdir().unwrap();
        let face = Arc::new(Greeter::default());
        let deployer = deployer(settings(dir.path(), Some("eth9")), &face);
        let taken = deployer.deploy(&plan("[a]\nip=10.77.3.9\nservices=ssh\n"), DeployMode::default()).await;
        assert_eq!(taken.unwrap_err().to_string(), "a: 10.77.3.9 is already the address of another host on the network");
        assert!(deployer.status().await.is_empty());
        deployer.deploy(&plan("[a]\nip=10.77.3.40\nservices=ssh\n[b]\nservices=http\n"), DeployMode::default()).await.unwrap();
        let status = deployer.status().await;
        assert!(status.iter().all(|s| s.state == DeckyState::Running && s.ips.len() == 2), "{status:?}");
        // The one that was free to choose chose nobody's address, and none of the neighbours has it.
        let chosen = status[1].ips[0];
        assert!(!["10.77.3.2", "10.77.3.9", "10.77.3.40"].contains(&chosen.to_string().as_str()));
        deployer.teardown(Which::Names(vec!["b".into()])).await.unwrap();
        peer(&format!("ip addr add {chosen}/24 dev there"));
        deployer.deploy(&plan("[b]\nservices=http\n"), DeployMode::default()).await.unwrap();
        let status = deployer.status().await;
        assert_ne!(status[1].ips[0], chosen, "somebody else has it now");
        // The host reaches them, and so does the other machine.
        assert_eq!(says(&face, "a", "ssh", status[0].ips[0], 22), "a ssh\n");
        assert_eq!(says(&face, "a", "ssh", status[0].ips[1], 22), "a ssh\n");
        for s in &status {
            for ip in &s.ips {
                peer(&format!("ping -c1 -W2 {ip}"));
            }
            let neigh = peer("ip neigh show");
            assert!(neigh.contains(&s.mac), "{neigh}");
        }
        deployer.teardown(Which::All).await.unwrap();
        assert!(!sh("ip -o link; ip route; ip -6 route").contains("dn-"));
        other.kill().unwrap();
        other.wait().unwrap();
    });
}
