//! stub
use super::program::Desk;
use crate::decoy::Visit;
use model::Account;
pub(super) struct Sftp;
impl Sftp {
    pub(super) fn new(_v: &Visit, _a: &Account, _n: model::Micros) -> Self {
        Self
    }
    pub(super) fn serves(_c: &[u8]) -> bool {
        false
    }
    pub(super) fn input(&mut self, _b: &[u8], _d: &mut Desk<'_>) {}
    pub(super) fn eof(&mut self, _d: &mut Desk<'_>) {}
    pub(super) fn hangup(&mut self, _d: &mut Desk<'_>) {}
    pub(super) fn resume(&mut self, _d: &mut Desk<'_>) {}
    pub(super) fn backlog(&self) -> usize {
        0
    }
}
