use decoys::{Decoy, Door, Knob, KnobKind, Speaks};
use std::path::Path;

use crate::{Catalogue, Plan};

fn never(_: &decoys::Visit) -> Box<dyn decoys::Dialogue> {
    unreachable!("no conversation in these tests")
}

static KNOBS: &[Knob] = &[
    Knob { name: "password", help: "", kind: KnobKind::Password },
    Knob { name: "limit", help: "", kind: KnobKind::Number(1, 9) },
    Knob { name: "quiet", help: "", kind: KnobKind::Flag },
    Knob { name: "mode", help: "", kind: KnobKind::OneOf(&["a", "b"]) },
];
static FTP: Decoy = Decoy { name: "ftp", title: "", knobs: &[], speaks: &[Speaks::Stream(&[Door::Plain(21), Door::Side(4)], never)] };
static HTTP: Decoy = Decoy { name: "http", title: "", knobs: &[], speaks: &[Speaks::Stream(&[Door::Plain(80)], never)] };
static SSH: Decoy = Decoy { name: "ssh", title: "", knobs: KNOBS, speaks: &[Speaks::Stream(&[Door::Plain(22)], never)] };
static WEBDAV: Decoy = Decoy { name: "webdav", title: "", knobs: &[], speaks: &[Speaks::Stream(&[Door::Plain(80)], never)] };
pub(crate) static DECOYS: &[&Decoy] = &[&FTP, &HTTP, &SSH, &WEBDAV];

fn plan(file: &str, text: &str) -> Result<Plan, String> {
    Plan::parse(text, Path::new(file), Catalogue::of(DECOYS)).map_err(|e| e.to_string())
}

#[track_caller]
fn ini(text: &str, expect: &str) {
    assert_eq!(plan("f.ini", text).unwrap_err(), expect);
}

#[track_caller]
fn toml(text: &str, expect: &str) {
    assert_eq!(plan("f.toml", text).unwrap_err(), expect);
}

#[test]
fn both_forms_make_the_same_plan() {
    let ini = "[general]\r\nnet = 10.20.0.0/24\r\ngw=10.20.0.1\r\ninterface = eth0\n; c\n[web]\narchetype=web-server\namount=2\nnmap-os=bsd\n\
               mutate-interval=30\n[web.http]\n[box]\nip=10.20.0.9\nservices = ssh, http\n[box.ssh]\npassword = a b\nquiet=on\n";
    let toml = "[network]\nsubnet = \"10.20.0.0/24\"\ngateway = \"10.20.0.1\"\ninterface = \"eth0\"\n[decky.web]\narchetype = \"web-server\"\n\
                amount = 2\nnmap_os = \"bsd\"\nmutate_interval = 30\n[decky.web.http]\n[decky.box]\nip = \"10.20.0.9\"\nservices = [\"ssh\", \"http\"]\n\
                [decky.box.ssh]\npassword = \"a b\"\nquiet = true\n";
    let plan_ini = plan("f.ini", ini).unwrap();
    assert_eq!(plan_ini, plan("f.toml", toml).unwrap());
    assert_eq!(plan_ini, plan("unnamed", ini).unwrap());
    let names: Vec<&str> = plan_ini.deckies.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["web-01", "web-02", "box"]);
    assert_eq!(plan_ini.deckies[2].services[0].knobs["quiet"], "true");
    assert_eq!(plan_ini.deckies[0].os, model::OsFamily::Bsd);
    assert_eq!(plan_ini.deckies[2].archetype, "linux-server");
}

#[test]
fn a_group_section_reaches_its_members_only() {
    let plan =
        plan("f.ini", "[web]\nservices=ssh\namount=2\n[web-db]\nservices=ssh\n[web.ssh]\npassword=x\n[gone.ssh]\npassword=y\n").unwrap();
    let set: Vec<bool> = plan.deckies.iter().map(|d| d.services[0].knobs.contains_key("password")).collect();
    assert_eq!(set, [true, true, false]);
    assert_eq!(plan.warnings, ["f.ini:8: [gone.ssh] belongs to no decky and is ignored"]);
}

#[test]
fn archetypes_leave_out_what_nothing_plays_and_say_so() {
    let plan = plan("f.ini", "[files]\narchetype=file-server\n").unwrap();
    assert_eq!(plan.deckies[0].left_out[0].0, "smb");
    assert_eq!(plan.warnings, ["files: smb of archetype file-server is left out: no decoy of this build plays it"]);
    assert!(plan.table().to_string().contains("ftp,ssh"));
}

#[test]
fn ini_mistakes_name_file_line_key_and_what_is_allowed() {
    ini("x=1\n", "f.ini:1: x=1: stands before the first section (allowed: a [SECTION] line first)");
    ini("[a\n", "f.ini:1: [a: not a section (allowed: [NAME])");
    ini("[a]\nwhat\n", "f.ini:2: what: has no value (allowed: KEY = VALUE)");
    ini("[a]\n[a]\n", "f.ini:2: a: section is already on line 1 (allowed: each section once)");
    ini("[a]\nip=1.2.3.4\nip=1.2.3.5\n", "f.ini:3: a.ip: is already set on line 2 (allowed: each key once)");
    ini("", "f.ini: names no decky (allowed: at least one [NAME] section)");
    ini("[general]\nsubnet=10.0.0.0/24\n", "f.ini:2: general.subnet: unknown key (allowed: net, gw, interface, mutate_interval)");
    ini("[general]\nnet=10.0.0/24\n", "f.ini:2: general.net: `10.0.0/24` is not an IPv4 network (allowed: a.b.c.d/8 to a.b.c.d/29)");
    ini("[general]\nnet=10.0.0.0/31\n", "f.ini:2: general.net: `10.0.0.0/31` is too large or too small (allowed: a.b.c.d/8 to a.b.c.d/29)");
    ini(
        "[general]\nnet=10.0.0.0/24\ngw=10.0.1.1\n",
        "f.ini:3: general.gw: `10.0.1.1` is not a host address of the network (allowed: an address of 10.0.0.0/24)",
    );
    ini("[a]\ncolour=red\n", "f.ini:2: a.colour: unknown key (allowed: ip, services, archetype, distro, nmap_os, mutate_interval, amount)");
    ini("[a]\nservices=ssh,gopher\n", "f.ini:2: a.services: `gopher` is not a service (allowed: ftp, http, ssh, webdav)");
    ini("[a]\nservices=smb\n", "f.ini:2: a.services: `smb` has no decoy in this build (allowed: ftp, http, ssh, webdav)");
    ini("[a]\nservices=ssh,ssh\n", "f.ini:2: a.services: `ssh,ssh` names ssh twice (allowed: each service once)");
    ini("[a]\nservices=http,webdav\n", "f.ini:2: a.services: http and webdav both need TCP port 80 (allowed: services whose ports differ)");
    ini(
        "[a]\narchetype=windows-workstation\n",
        "f.ini:2: a.archetype: `windows-workstation` has only services without a decoy in this build (smb, rdp) (allowed: linux-server, \
         web-server, file-server, printer, monitoring-node, devops-host, deaddeck, or give services)",
    );
    ini("[a]\nservices=ssh\namount=101\n", "f.ini:3: a.amount: `101` is not a number of deckies (allowed: 1 to 100)");
    ini(
        "[a]\nservices=ssh\namount=2\nip=10.0.0.2\n",
        "f.ini:4: a.ip: `10.0.0.2` cannot be given to a group (allowed: no ip and no ipv6 where amount is more than 1)",
    );
    ini("[a]\nservices=ssh\nmutate_interval=0\n", "f.ini:3: a.mutate_interval: `0` is not a number of minutes (allowed: 1 to 525600)");
    ini("[a b]\nservices=ssh\n", "f.ini:1: a b: is not a name for a decky (allowed: 1 to 128 letters, digits, `-`, `_` and `.`)");
    ini(
        "[custom-x]\nbinary=a\n",
        "f.ini:1: custom-x: images of one's own need the `docker` runtime, which this build does not have (allowed: the services of `decnet services`)",
    );
    ini(
        "[a]\nservices=ssh\namount=2\n[a-02]\nservices=ssh\n",
        "f.ini:4: a-02: the name is already taken by line 1 (allowed: names that differ)",
    );
}

#[test]
fn toml_mistakes_name_file_line_key_and_what_is_allowed() {
    toml("[network]\nsubnet = 5\n", "f.toml:2: network.subnet: `5` is not an IPv4 network (allowed: a.b.c.d/8 to a.b.c.d/29)");
    toml("[fleet]\n", "f.toml:1: fleet: unknown section or key (allowed: [network], [decky.NAME], [decky.NAME.SERVICE])");
    toml(
        "[network]\nnet = \"10.0.0.0/24\"\n",
        "f.toml:2: network.net: unknown key (allowed: subnet, subnet6, gateway, interface, reserved, mutate_interval)",
    );
    toml("[network]\nsubnet6 = \"fd00::/48\"\n", "f.toml:2: network.subnet6: `fd00::/48` is not a /64 (allowed: xxxx::/64)");
    toml(
        "[decky.a]\nservices=[\"ssh\"]\n\n[decky.a.ssh]\nlimit = 12\n",
        "f.toml:5: a.ssh.limit: `12` is not such a number (allowed: 1 to 9)",
    );
    toml("[decky.a]\nservices=[\"ssh\"]\n[decky.a.ssh]\nmode = \"c\"\n", "f.toml:4: a.ssh.mode: `c` is not a choice (allowed: a, b)");
    toml(
        "[decky.a]\nservices=[\"ssh\"]\n[decky.a.ssh]\nport = 2\n",
        "f.toml:4: a.ssh.port: unknown key (allowed: password, limit, quiet, mode)",
    );
    toml("[decky.a]\nservices=[\"ssh\"]\n[decky.a.http]\nx = 2\n", "f.toml:3: a.http: a does not offer http (allowed: ssh)");
    toml("[decky.a]\nservices=[\"http\"]\n[decky.a.http]\nx = 2\n", "f.toml:4: a.http.x: unknown key (allowed: http has no settings)");
    toml(
        "[decky.a]\ndistro=\"slackware\"\n",
        "f.toml:2: a.distro: `slackware` is not a distribution (allowed: debian, ubuntu22, ubuntu20, rocky9, centos7, alpine, fedora, kali, arch)",
    );
    toml(
        "[decky.a]\nnmap_os=\"os2\"\n",
        "f.toml:2: a.nmap_os: `os2` is not an operating system family (allowed: linux, windows, windows_server, bsd, embedded, cisco)",
    );
    toml(
        "[decky.a]\nip=\"10.0.0.2\"\n[decky.b]\nip=\"10.0.0.2\"\n",
        "f.toml:4: b.ip: 10.0.0.2 is already the address of a (allowed: an address nobody else has)",
    );
    toml(
        "[network]\nsubnet=\"10.0.0.0/24\"\ngateway=\"10.0.0.1\"\n[decky.a]\nip=\"10.0.0.1\"\n",
        "f.toml:5: a.ip: 10.0.0.1 is the gateway (allowed: an address nobody else has)",
    );
    toml(
        "[network]\nsubnet=\"10.0.0.0/24\"\n[decky.a]\nip=\"10.0.0.255\"\n",
        "f.toml:4: a.ip: 10.0.0.255 is not a host address of 10.0.0.0/24 (allowed: an address of 10.0.0.0/24)",
    );
    toml("[decky.a]\nip=\"10.0.0\"\n", "f.toml:2: a.ip: `10.0.0` is not an IPv4 address (allowed: a.b.c.d)");
    assert!(plan("f.toml", "[decky.a]\nip=\n").unwrap_err().starts_with("f.toml:2: not valid TOML: "));
}
