//! The decoy as a whole, without sockets: what transcripts cannot say.

use model::Saw;
use std::time::Duration;

use crate::stage::rehearse::{self, Rehearsal};

const REFUSE: &[u8] = b"\xff\xfe\x25\xff\xfe\x26\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x27\xff\xfc\x24";
const SECOND: &[u8] = b"\xff\xfc\x01\xff\xfc\x22\xff\xfe\x03\xff\xfc\x1f\xff\xfe\x05\xff\xfc\x21";

fn at_prompt() -> Rehearsal {
    let mut talk = Rehearsal::of("telnet").unwrap();
    talk.say(REFUSE);
    talk.say(SECOND);
    talk.wait(Duration::from_millis(50));
    assert!(talk.sent().ends_with(b"files02 login: "));
    talk
}

#[test]
fn five_wrong_passwords_end_it() {
    let mut talk = at_prompt();
    for n in 0..5 {
        talk.say(b"root\r\0");
        talk.say(b"x\r\0");
        talk.wait(Duration::from_secs(5));
        assert_eq!(talk.hung_up(), n == 4);
    }
    let sent = talk.sent();
    assert!(sent.ends_with(b"\r\nLogin incorrect\r\nMaximum number of tries exceeded (5)\r\n"), "{}", sent.escape_ascii());
    assert_eq!(talk.saws().iter().filter(|s| matches!(s, Saw::AuthAttempt { .. })).count(), 5);
}

#[test]
fn a_user_variable_with_options_opens_nothing() {
    let mut talk = Rehearsal::of("telnet").unwrap();
    talk.say(b"\xff\xfe\x25\xff\xfe\x26\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfb\x27\xff\xfc\x24");
    talk.say(b"\xff\xfa\x27\0\0USER\x01-f root\xff\xf0");
    talk.say(SECOND);
    talk.wait(Duration::from_secs(1));
    assert!(talk.sent().ends_with(b"files02 login: "));
    assert!(talk.saws().iter().any(|s| matches!(s, Saw::Noted { what, .. } if what == "login_option_injection")));
}

#[test]
fn only_the_right_password_opens() {
    for (name, password, opens) in [
        ("root", "Winter2025", true),
        ("deploy", "deploy123", true),
        ("root", "deploy123", false),
        ("nobody", "x", false),
        ("backup", "", false),
    ] {
        let mut talk = at_prompt();
        talk.say(format!("{name}\r\n").as_bytes());
        talk.say(format!("{password}\r\n").as_bytes());
        talk.wait(Duration::from_millis(1400));
        let sent = talk.sent();
        assert_eq!(sent.ends_with(b"# ") || sent.ends_with(b"$ "), opens, "{name}: {}", sent.escape_ascii());
    }
}

#[test]
fn busybox_answers_nothing_but_are_you_there() {
    let mut persona = rehearse::persona();
    persona.distro.id = "alpine".into();
    for s in persona.services.iter_mut().filter(|s| s.name == "telnet") {
        s.software.product = "BusyBox telnetd".into();
    }
    let visit = rehearse::visit(persona, "telnet");
    let mut talk = Rehearsal::start(&super::TELNET, visit, None).unwrap();
    talk.wait(Duration::from_millis(100));
    assert_eq!(talk.sent(), b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03\r\r\nfiles02 login: ");
    talk.say(b"\xff\xfd\x05\xff\xfb\x18\xff\xf6");
    assert_eq!(talk.sent(), b"\xff\xff\xf1");
    talk.say(b"\r\n");
    assert_eq!(talk.sent(), b"\r\nfiles02 login: ");
}
