//! What goes out, and what waits while keys are being exchanged (RFC 4253 §7.1).

use std::collections::VecDeque;

use super::{message::msg, packet::Outbound};
use crate::decoy::Reply;

/// Most messages that wait for new keys; more than that is a visitor who never means to finish.
const MOST_HELD: usize = 1024;

/// The sending half with its gate.
#[derive(Default)]
pub(super) struct Sender {
    pub(super) seal: Outbound,
    held: VecDeque<Vec<u8>>,
    gate: bool,
    overrun: bool,
}

impl Sender {
    /// Sends a payload now, or after the key exchange that is under way.
    pub(super) fn send(&mut self, payload: Vec<u8>, out: &mut Reply) {
        if self.gate && !transport(&payload) {
            if self.held.len() < MOST_HELD {
                self.held.push_back(payload);
            } else {
                self.overrun = true;
            }
            return;
        }
        self.seal.send(&payload, out);
    }

    /// From our KEXINIT to our NEWKEYS only transport messages go out.
    pub(super) fn shut(&mut self) {
        self.gate = true;
    }

    /// Our NEWKEYS are out.
    pub(super) fn release(&mut self, out: &mut Reply) {
        self.gate = false;
        while let Some(payload) = self.held.pop_front() {
            self.seal.send(&payload, out);
        }
    }

    /// Whether channel data may go out.
    pub(super) fn free(&self) -> bool {
        !self.gate
    }

    /// Too much waited.
    pub(super) fn overrun(&self) -> bool {
        self.overrun
    }
}

fn transport(payload: &[u8]) -> bool {
    match payload.first() {
        Some(&kind) => (1..=49).contains(&kind) && !matches!(kind, msg::SERVICE_REQUEST | msg::SERVICE_ACCEPT | msg::EXT_INFO),
        None => false,
    }
}
