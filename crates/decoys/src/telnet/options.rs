//! Options as the servers of the BSD line keep them: for each option and direction what holds, what is wanted and how
//! many answers are due (RFC 1143 describes the same thing). Also the order in which they ask before `login` starts.

use super::{
    face::Face,
    message::{DO, DONT, IAC, SB, SE, WILL, WONT, framed, option},
    slc::{Characters, SLC},
};

/// Longest terminal name kept.
const LONGEST_NAME: usize = 40;

/// Terminals of `ncurses-base`: the server asks on until it hears one of these.
const KNOWN: &[&str] = &[
    "eterm",
    "eterm-color",
    "ansi",
    "cons25",
    "cons25-debian",
    "cygwin",
    "dumb",
    "hurd",
    "linux",
    "mach",
    "mach-bold",
    "mach-color",
    "mach-gnu",
    "mach-gnu-color",
    "pcansi",
    "rxvt",
    "rxvt-basic",
    "rxvt-m",
    "rxvt-unicode",
    "rxvt-unicode-256color",
    "screen",
    "screen-256color",
    "screen-256color-bce",
    "screen-bce",
    "screen-s",
    "screen-w",
    "screen.xterm-256color",
    "sun",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt102",
    "vt220",
    "vt52",
    "wsvt25",
    "wsvt25m",
    "xterm",
    "xterm-256color",
    "xterm-color",
    "xterm-debian",
    "xterm-mono",
    "xterm-r5",
    "xterm-r6",
    "xterm-vt220",
    "xterm-xfree86",
];

/// What an option means for the rest of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The terminal's echo goes on or off.
    Echo(bool),
    /// The terminal drops the eighth bit, or no longer.
    Strip(bool),
    /// Character cells.
    Size(u16, u16),
    /// Variables of NEW-ENVIRON, raw.
    Environment(Vec<u8>),
    Display(Vec<u8>),
    Speed(Vec<u8>),
    Authentication(Vec<u8>),
    /// The conversation is over.
    Logout,
}

/// One direction of one option.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    holds: bool,
    wanted: bool,
    due: u8,
}

impl Half {
    fn changing(self) -> bool {
        self.holds != self.wanted
    }

    /// An answer or a wish came; whether it is a wish.
    fn heard(&mut self, on: bool) -> bool {
        if self.due > 0 {
            self.due -= 1;
            if self.due > 0 && self.holds == on {
                self.due -= 1;
            }
        }
        self.due == 0
    }

    /// Whether asking for `on` would tell nothing new; otherwise it is asked now.
    fn asked(&mut self, on: bool) -> bool {
        if (self.due == 0 && self.holds == on) || self.wanted == on {
            return true;
        }
        self.wanted = on;
        self.due = self.due.saturating_add(1);
        false
    }
}

/// How far the questions before `login` have come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The first options were offered.
    Offered,
    /// Their values were asked for.
    Asked,
    /// The terminal's name was not known; names are asked for until one repeats.
    Naming {
        first: String,
        last: Option<String>,
    },
    /// The second options were offered.
    Settling,
    Ready,
}

/// All options of a connection.
#[derive(Debug)]
pub(super) struct Options {
    face: Face,
    ours: Box<[Half; 256]>,
    theirs: Box<[Half; 256]>,
    phase: Phase,
    /// Values that came, or were refused, since the last question.
    told: [bool; 256],
    /// `TERM`.
    pub(super) term: String,
    /// The visitor neither edits lines nor pretends to.
    plain: bool,
    /// It pretends: it agreed to a timing mark.
    pretends: bool,
    /// It agreed to edit lines.
    lines: bool,
    /// Whether we told it which key resumes stopped output.
    resumes: bool,
    characters: Characters,
    /// SLC lists that came before the terminal stood.
    deferred: Vec<Vec<u8>>,
}

impl Options {
    pub(super) fn new(face: Face) -> Self {
        Self {
            face,
            ours: Box::new([Half::default(); 256]),
            theirs: Box::new([Half::default(); 256]),
            phase: Phase::Offered,
            told: [false; 256],
            term: "network".into(),
            plain: false,
            pretends: false,
            lines: false,
            resumes: false,
            characters: Characters::default(),
            deferred: Vec::new(),
        }
    }

    /// Whether `login` runs.
    pub(super) fn ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether the visitor sends `option`.
    pub(super) fn theirs(&self, option: u8) -> bool {
        self.half(false, option).holds
    }

    /// Whether we send `option`.
    pub(super) fn ours(&self, option: u8) -> bool {
        self.half(true, option).holds
    }

    /// The first words.
    pub(super) fn open(&mut self, out: &mut Vec<u8>) {
        if self.face == (Face::Inetutils { kerberos: true }) {
            self.will(option::AUTHENTICATION, out);
            self.will(option::ENCRYPT, out);
        }
        for &o in self.asked_first() {
            self.please(o, out);
        }
    }

    fn asked_first(&self) -> &'static [u8] {
        match self.face {
            Face::Inetutils { .. } => &[option::TTYPE, option::TSPEED, option::XDISPLOC, option::NEW_ENVIRON, option::OLD_ENVIRON],
            _ => &[option::TTYPE, option::TSPEED, option::XDISPLOC, option::NEW_ENVIRON],
        }
    }

    /// Goes on with the questions as far as the answers allow; `true` once, when `login` is to start.
    pub(super) fn advance(&mut self, out: &mut Vec<u8>) -> bool {
        loop {
            let next = match &self.phase {
                Phase::Ready => return false,
                Phase::Offered => {
                    let waits = self.asked_first().iter().any(|&o| self.half(false, o).changing());
                    let kerberos = self.face == (Face::Inetutils { kerberos: true });
                    if waits || kerberos && self.half(true, option::ENCRYPT).changing() {
                        return false;
                    }
                    self.ask_values(out);
                    Phase::Asked
                }
                Phase::Asked => {
                    if self.asked_first().iter().any(|&o| self.theirs(o) && !self.told(o)) {
                        return false;
                    }
                    if self.theirs(option::TTYPE) && !self.known() {
                        let first = self.term.clone();
                        self.ask_name(out);
                        Phase::Naming { first: first.clone(), last: Some(first) }
                    } else {
                        self.second(out);
                        Phase::Settling
                    }
                }
                Phase::Naming { first, last } => {
                    if self.theirs(option::TTYPE) && !self.told(option::TTYPE) {
                        return false;
                    }
                    let (first, last) = (first.clone(), last.clone());
                    match last {
                        _ if self.known() && last.is_some() => {
                            self.second(out);
                            Phase::Settling
                        }
                        Some(last) if last == self.term || !self.theirs(option::TTYPE) => {
                            if first == self.term {
                                self.second(out);
                                Phase::Settling
                            } else {
                                // Once more, so that the client's list begins anew.
                                self.ask_name(out);
                                Phase::Naming { first, last: None }
                            }
                        }
                        Some(_) => {
                            let last = Some(self.term.clone());
                            self.ask_name(out);
                            Phase::Naming { first, last }
                        }
                        None => {
                            self.term = first;
                            self.second(out);
                            Phase::Settling
                        }
                    }
                }
                Phase::Settling => {
                    let last = if self.face == Face::Netkit { option::ECHO } else { option::LINEMODE };
                    if self.half(false, last).changing() {
                        return false;
                    }
                    self.settle(out);
                    self.phase = Phase::Ready;
                    return true;
                }
            };
            self.phase = next;
        }
    }

    fn ask_values(&mut self, out: &mut Vec<u8>) {
        for o in [option::TSPEED, option::XDISPLOC] {
            if self.theirs(o) {
                out.extend(framed(&[o, 1]));
            }
        }
        if self.theirs(option::NEW_ENVIRON) {
            out.extend(framed(&[option::NEW_ENVIRON, 1]));
        } else if self.theirs(option::OLD_ENVIRON) && self.face != Face::Netkit {
            out.extend(framed(&[option::OLD_ENVIRON, 1]));
        }
        if self.theirs(option::TTYPE) {
            out.extend(framed(&[option::TTYPE, 1]));
        }
    }

    fn ask_name(&mut self, out: &mut Vec<u8>) {
        if self.theirs(option::TTYPE) {
            self.tell(option::TTYPE, false);
            out.extend(framed(&[option::TTYPE, 1]));
        }
    }

    fn second(&mut self, out: &mut Vec<u8>) {
        self.will(option::SGA, out);
        self.please(option::ECHO, out);
        if self.face != Face::Netkit {
            self.please(option::LINEMODE, out);
        }
        self.please(option::NAWS, out);
        self.will(option::STATUS, out);
        self.please(option::LFLOW, out);
    }

    fn settle(&mut self, out: &mut Vec<u8>) {
        if self.face == Face::Netkit {
            self.will(option::SGA, out);
            self.no_echo(out);
            self.will(option::ECHO, out);
            return;
        }
        self.no_echo(out);
        self.will(option::ECHO, out);
        if !self.theirs(option::LINEMODE) {
            out.extend_from_slice(&[IAC, DO, option::TM]);
            self.half_mut(false, option::TM).due += 1;
        }
        self.please(option::BINARY, out);
        if self.theirs(option::LINEMODE) {
            self.please_not(option::LINEMODE, out);
        }
        for list in std::mem::take(&mut self.deferred) {
            self.answer_characters(&list, out);
        }
    }

    /// A client that shows what is typed by itself would show it twice.
    fn no_echo(&mut self, out: &mut Vec<u8>) {
        if self.theirs(option::ECHO) {
            self.please_not(option::ECHO, out);
        }
    }

    /// WILL, WONT, DO or DONT of the visitor.
    pub(super) fn verb(&mut self, verb: u8, option: u8, out: &mut Vec<u8>) -> Option<Effect> {
        match verb {
            WILL => self.heard_will(option, out),
            WONT => self.heard_wont(option, out),
            DO => self.heard_do(option, out),
            _ => self.heard_dont(option, out),
        }
    }

    fn heard_will(&mut self, o: u8, out: &mut Vec<u8>) -> Option<Effect> {
        let netkit = self.face == Face::Netkit;
        let mut effect = None;
        let mut after: &[u8] = &[];
        if self.half_mut(false, o).heard(true) {
            let half = self.half(false, o);
            if half.wanted {
                match o {
                    _ if half.holds => {}
                    option::LINEMODE => {
                        self.lines = true;
                        after = &[option::LINEMODE];
                    }
                    option::LFLOW if !netkit => after = &[option::LFLOW],
                    _ => {}
                }
            } else {
                let agreed = match o {
                    option::BINARY => {
                        effect = Some(Effect::Strip(false));
                        true
                    }
                    option::TM => {
                        if !netkit && !self.lines {
                            (self.plain, self.pretends) = (false, true);
                            self.will_not(option::SGA, out);
                        }
                        return None;
                    }
                    option::LINEMODE => {
                        after = if self.pretends { &[] } else { &[option::LINEMODE] };
                        !netkit
                    }
                    option::SGA
                    | option::TTYPE
                    | option::NAWS
                    | option::TSPEED
                    | option::LFLOW
                    | option::XDISPLOC
                    | option::NEW_ENVIRON => true,
                    option::OLD_ENVIRON => !netkit,
                    option::AUTHENTICATION | option::ENCRYPT => {
                        after = if o == option::ENCRYPT { &[option::ENCRYPT] } else { &[option::AUTHENTICATION] };
                        self.face == (Face::Inetutils { kerberos: true })
                    }
                    _ => false,
                };
                let half = self.half_mut(false, o);
                if agreed {
                    half.wanted = true;
                    out.extend_from_slice(&[IAC, DO, o]);
                } else {
                    half.due += 1;
                    out.extend_from_slice(&[IAC, DONT, o]);
                    after = &[];
                }
            }
        }
        self.half_mut(false, o).holds = true;
        match after {
            [option::LINEMODE] => {
                // Before the terminal was looked at its modes are made of nothing.
                let early = !matches!(self.phase, Phase::Settling | Phase::Ready);
                self.tell_exactly(&[option::LINEMODE, 1, if early { 0x10 } else { 3 }], out);
            }
            [option::LFLOW] => {
                self.resumes = true;
                self.tell_exactly(&[option::LFLOW, 3], out);
            }
            [option::AUTHENTICATION] => out.extend(framed(&[option::AUTHENTICATION, 1, 2, 2, 2, 0])),
            [option::ENCRYPT] => out.extend(framed(&[option::ENCRYPT, 1])),
            _ => {}
        }
        effect
    }

    /// inetutils sends these with the NUL that ends the string.
    fn tell_exactly(&self, body: &[u8], out: &mut Vec<u8>) {
        out.extend(framed(body));
        if self.face != Face::Netkit {
            out.push(0);
        }
    }

    fn heard_wont(&mut self, o: u8, out: &mut Vec<u8>) -> Option<Effect> {
        let mut effect = None;
        if self.half_mut(false, o).heard(false) {
            if self.half(false, o).wanted {
                match o {
                    option::BINARY => effect = Some(Effect::Strip(true)),
                    option::TTYPE | option::TSPEED | option::XDISPLOC | option::NEW_ENVIRON | option::OLD_ENVIRON => self.tell(o, true),
                    _ => {}
                }
                let half = self.half_mut(false, o);
                half.wanted = false;
                if half.holds {
                    out.extend_from_slice(&[IAC, DONT, o]);
                }
            } else if o == option::TM && self.face != Face::Netkit && !self.lines {
                self.plain = true;
                let order = if std::mem::take(&mut self.pretends) { [option::ECHO, option::SGA] } else { [option::SGA, option::ECHO] };
                for o in order {
                    self.will(o, out);
                }
            }
        }
        self.half_mut(false, o).holds = false;
        effect
    }

    fn heard_do(&mut self, o: u8, out: &mut Vec<u8>) -> Option<Effect> {
        let mut effect = None;
        if self.half_mut(true, o).heard(true) && !self.half(true, o).wanted {
            let agreed = match o {
                option::ECHO => {
                    if self.plain || self.face == Face::Netkit {
                        effect = Some(Effect::Echo(true));
                    }
                    true
                }
                option::BINARY | option::SGA | option::STATUS => true,
                option::TM => {
                    out.extend_from_slice(&[IAC, WILL, o]);
                    let half = self.half_mut(true, o);
                    (half.wanted, half.holds) = (false, false);
                    return None;
                }
                option::LOGOUT => {
                    out.extend_from_slice(&[IAC, WILL, o]);
                    return Some(Effect::Logout);
                }
                option::ENCRYPT => self.face == (Face::Inetutils { kerberos: true }),
                _ => false,
            };
            let half = self.half_mut(true, o);
            if agreed {
                half.wanted = true;
                out.extend_from_slice(&[IAC, WILL, o]);
            } else {
                half.due += 1;
                out.extend_from_slice(&[IAC, WONT, o]);
            }
        }
        self.half_mut(true, o).holds = true;
        effect
    }

    fn heard_dont(&mut self, o: u8, out: &mut Vec<u8>) -> Option<Effect> {
        let mut effect = None;
        if self.half_mut(true, o).heard(false) && self.half(true, o).wanted {
            if o == option::ECHO && (self.plain || self.face == Face::Netkit) {
                effect = Some(Effect::Echo(false));
            }
            let half = self.half_mut(true, o);
            half.wanted = false;
            let held = std::mem::replace(&mut half.holds, false);
            if held {
                out.extend_from_slice(&[IAC, WONT, o]);
            }
            if held && o == option::SGA && self.face == Face::Netkit && self.ready() {
                // It wants no half-duplex terminal once there is one.
                self.will(o, out);
            }
        }
        self.half_mut(true, o).holds = false;
        effect
    }

    /// A subnegotiation of the visitor.
    pub(super) fn sub(&mut self, body: &[u8], out: &mut Vec<u8>) -> Option<Effect> {
        let (&o, value) = body.split_first()?;
        let is = value.first() == Some(&0);
        let rest = value.get(1..).unwrap_or_default();
        match o {
            option::TTYPE if self.theirs(o) => {
                self.tell(o, true);
                if is {
                    self.term = rest.iter().take(LONGEST_NAME).map(|b| char::from(b.to_ascii_lowercase())).collect();
                }
                None
            }
            option::TSPEED | option::XDISPLOC | option::NEW_ENVIRON | option::OLD_ENVIRON if self.theirs(o) => {
                self.tell(o, true);
                let rest = rest.to_vec();
                is.then_some(match o {
                    option::TSPEED => Effect::Speed(rest),
                    option::XDISPLOC => Effect::Display(rest),
                    _ => Effect::Environment(rest),
                })
            }
            option::NAWS if self.theirs(o) => match value {
                &[a, b, c, d, ..] => Some(Effect::Size(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
                _ => None,
            },
            option::STATUS if value == [1] && self.ours(o) => {
                self.report(out);
                None
            }
            option::LINEMODE if self.theirs(o) && self.face != Face::Netkit && value.first() == Some(&SLC) => {
                if self.ready() {
                    self.answer_characters(rest, out);
                } else if self.deferred.len() < 4 {
                    self.deferred.push(rest.to_vec());
                }
                None
            }
            option::AUTHENTICATION => {
                if let [0, 2, how, 0, ticket @ ..] = value
                    && self.face == (Face::Inetutils { kerberos: true })
                {
                    refuse_ticket(*how, ticket, out);
                }
                Some(Effect::Authentication(value.to_vec()))
            }
            _ => None,
        }
    }

    fn answer_characters(&mut self, list: &[u8], out: &mut Vec<u8>) {
        if let Some(answer) = self.characters.hear(list) {
            out.extend(framed(&answer));
        }
    }

    /// What is wanted of both sides (RFC 859).
    fn report(&self, out: &mut Vec<u8>) {
        let mut body = vec![option::STATUS, 0];
        for o in 0..40u8 {
            if self.half(true, o).wanted {
                body.extend_from_slice(&[WILL, o]);
            }
            if self.half(false, o).wanted {
                body.extend_from_slice(&[DO, o]);
            }
        }
        if self.half(false, option::LFLOW).wanted {
            body.extend_from_slice(&[SB, option::LFLOW, 1, SE]);
            if self.resumes {
                body.extend_from_slice(&[SB, option::LFLOW, 3, SE]);
            }
        }
        out.extend(framed(&body));
    }

    /// netkit takes any name.
    fn known(&self) -> bool {
        self.face == Face::Netkit || KNOWN.contains(&self.term.as_str())
    }

    fn told(&self, o: u8) -> bool {
        self.told.get(usize::from(o)).copied().unwrap_or_default()
    }

    fn tell(&mut self, o: u8, yes: bool) {
        if let Some(told) = self.told.get_mut(usize::from(o)) {
            *told = yes;
        }
    }

    fn half(&self, ours: bool, o: u8) -> Half {
        let side = if ours { &self.ours } else { &self.theirs };
        side.get(usize::from(o)).copied().unwrap_or_default()
    }

    fn half_mut(&mut self, ours: bool, o: u8) -> &mut Half {
        let side = if ours { &mut self.ours } else { &mut self.theirs };
        // An index of eight bits is always within 256 places.
        #[expect(clippy::indexing_slicing, reason = "a byte indexes an array of 256")]
        &mut side[usize::from(o)]
    }

    fn say(&mut self, ours: bool, on: bool, verb: u8, o: u8, out: &mut Vec<u8>) {
        if !self.half_mut(ours, o).asked(on) {
            out.extend_from_slice(&[IAC, verb, o]);
        }
    }

    fn will(&mut self, o: u8, out: &mut Vec<u8>) {
        self.say(true, true, WILL, o, out);
    }

    fn will_not(&mut self, o: u8, out: &mut Vec<u8>) {
        self.say(true, false, WONT, o, out);
    }

    fn please(&mut self, o: u8, out: &mut Vec<u8>) {
        self.say(false, true, DO, o, out);
    }

    fn please_not(&mut self, o: u8, out: &mut Vec<u8>) {
        self.say(false, false, DONT, o, out);
    }
}

/// Kerberos of a machine without a key table.
fn refuse_ticket(how: u8, ticket: &[u8], out: &mut Vec<u8>) {
    let why: &[u8] = match ticket.first() {
        Some(0x6e) => b"krb5_rd_req failed: Key table file '/etc/krb5.keytab' not found",
        _ => b"krb5_rd_req failed: Invalid message type",
    };
    out.extend(framed(&[&[option::AUTHENTICATION, 2, 2, how, 1], why].concat()));
}
