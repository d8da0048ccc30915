//! UDP: one answerer per service of a decky hears all datagrams. Never answers a source with more than three
//! times what it sent, whatever the answerer says: addresses are easily forged.

use model::{Event, Id, Saw};
use parking_lot::Mutex;
use rand::Rng;
use std::{net::SocketAddr, sync::Arc};
use tokio::net::UdpSocket;

use super::{Playing, Shared, scribe::Page, session::now};
use crate::decoy::{Act, Answerer, Reply};

/// Largest answer in all, as a multiple of the datagram it answers.
const AMPLIFICATION: usize = 3;

pub(super) struct Listening {
    pub(super) shared: Arc<Shared>,
    pub(super) decky: Arc<Playing>,
    pub(super) service: &'static str,
    pub(super) local: SocketAddr,
    pub(super) answerer: Arc<Mutex<Box<dyn Answerer>>>,
}

impl Listening {
    /// Answers until the decky is dropped.
    pub(super) async fn run(self, socket: UdpSocket) {
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let mut reply = Reply::new(now(), seed);
        let mut datagram = vec![0; 65_536];
        loop {
            self.shared.scribe.room().await;
            let (length, from) = tokio::select! {
                biased;
                () = self.decky.doors.cancelled() => return,
                received = socket.recv_from(&mut datagram) => match received {
                    Ok(received) => received,
                    // An ICMP error for something sent before.
                    Err(_) => continue,
                },
            };
            reply.set_now(now());
            let heard = datagram.get(..length).unwrap_or_default();
            self.answerer.lock().hear(SocketAddr::new(from.ip().to_canonical(), from.port()), heard, &mut reply);
            let mut page = Page::default();
            let mut sends = Vec::new();
            let mut left = length * AMPLIFICATION;
            for act in reply.take() {
                match act {
                    Act::Note(saw) => self.note(&mut page, &reply, from, saw),
                    Act::Keep(kept) => {
                        let saw = self.shared.artifacts.keep(&kept, &self.decky.persona.decky, from.ip().to_canonical());
                        self.note(&mut page, &reply, from, saw);
                    }
                    Act::Send(bytes) if bytes.len() <= left => {
                        left -= bytes.len();
                        sends.push(bytes);
                    }
                    _ => {}
                }
            }
            self.shared.scribe.write(&mut page);
            for bytes in sends {
                _ = socket.send_to(&bytes, from).await;
            }
        }
    }

    fn note(&self, page: &mut Page, reply: &Reply, from: SocketAddr, saw: Saw) {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        page.add(&Event {
            id: Id::at(reply.now(), random),
            at: reply.now(),
            decky: self.decky.persona.decky.clone(),
            service: self.service.to_owned(),
            session: None,
            source: Some(SocketAddr::new(from.ip().to_canonical(), from.port())),
            local: Some(self.local),
            saw,
        });
    }
}
