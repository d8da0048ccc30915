//! What may leave a decky: answers, and nothing that begins a conversation.
//!
//! Stateless on purpose. Connection tracking would make state for every packet of a scan (a table that an attacker can
//! fill) and would swallow the RST answers to packets that belong to no connection, which every real host sends.
//! Dropped: TCP SYN without ACK, echo and timestamp requests, UDP except from the ports the decky answers on, every
//! other protocol. Written as one nf_tables batch, so no program is started per decky.

use std::io;

use super::netlink::{ACK, APPEND, Attributes, CREATE, Line, Message};

const SUBSYSTEM: u16 = 10 << 8;
const NEWTABLE: u16 = SUBSYSTEM;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Family `inet`: IPv4 and IPv6.
const INET: [u8; 4] = [1, 0, 0, 0];
/// A batch names its subsystem in network order.
const BATCH: [u8; 4] = [0, 0, 0, 10];
const TABLE: &str = "filter";
const CHAIN: &str = "output";

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Closes the namespace `line` was opened in, except for answers from `udp` ports.
pub(super) fn close(line: &Line, udp: &[u16]) -> io::Result<()> {
    let table = |kind, flags| Message::new(kind, flags, &INET).text(1, TABLE);
    let hook = Attributes::default().big(1, 3).big(2, 0);
    let mut batch = vec![
        Message::new(BATCH_BEGIN, 0, &BATCH),
        table(NEWTABLE, ACK | CREATE),
        table(DELTABLE, ACK),
        table(NEWTABLE, ACK | CREATE),
        Message::new(NEWCHAIN, ACK | CREATE, &INET)
            .text(1, TABLE)
            .text(3, CHAIN)
            .nest(4, hook)
            .with(5, &0_u32.to_be_bytes())
            .text(7, "filter"),
        rule(vec![meta(4), equals(&1_u32.to_ne_bytes()), verdict(true)]),
        rule([protocol(TCP), vec![payload(13, 1), masked(0x12), equals(&[0x02]), verdict(false)]].concat()),
        rule([protocol(TCP), vec![verdict(true)]].concat()),
    ];
    for (number, requests) in [(ICMP, [8, 13]), (ICMPV6, [128, 139])] {
        for request in requests {
            batch.push(rule([protocol(number), vec![payload(0, 1), equals(&[request]), verdict(false)]].concat()));
        }
        batch.push(rule([protocol(number), vec![verdict(true)]].concat()));
    }
    batch.push(rule([protocol(IGMP), vec![verdict(true)]].concat()));
    for port in udp {
        batch.push(rule([protocol(UDP), vec![payload(0, 2), equals(&port.to_be_bytes()), verdict(true)]].concat()));
    }
    batch.push(Message::new(BATCH_END, 0, &BATCH));
    match line.batch(batch)?.into_iter().flatten().next() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn rule(expressions: Vec<Attributes>) -> Message {
    let list = expressions.into_iter().fold(Attributes::default(), |list, e| list.nest(1, e));
    Message::new(NEWRULE, ACK | CREATE | APPEND, &INET).text(1, TABLE).text(2, CHAIN).nest(4, list)
}

fn expression(name: &str, data: Attributes) -> Attributes {
    Attributes::default().text(1, name).nest(2, data)
}

/// Loads what is known about the packet: 4 outgoing link, 16 protocol above IP.
fn meta(key: u32) -> Attributes {
    expression("meta", Attributes::default().big(1, 1).big(2, key))
}

fn protocol(number: u8) -> Vec<Attributes> {
    vec![meta(16), equals(&[number])]
}

/// Loads bytes of the transport header.
fn payload(offset: u32, length: u32) -> Attributes {
    expression("payload", Attributes::default().big(1, 1).big(2, 2).big(3, offset).big(4, length))
}

fn masked(mask: u8) -> Attributes {
    let value = |byte: u8| Attributes::default().with(1, &[byte]);
    expression("bitwise", Attributes::default().big(1, 1).big(2, 1).big(3, 1).nest(4, value(mask)).nest(5, value(0)))
}

fn equals(value: &[u8]) -> Attributes {
    expression("cmp", Attributes::default().big(1, 1).big(2, 0).nest(3, Attributes::default().with(1, value)))
}

fn verdict(accept: bool) -> Attributes {
    let code = Attributes::default().big(1, u32::from(accept));
    expression("immediate", Attributes::default().big(1, 0).nest(2, Attributes::default().nest(2, code)))
}
