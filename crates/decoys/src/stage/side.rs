//! Data doors: listening sockets of a decky that a conversation may open for a moment (FTP passive).

use parking_lot::Mutex;
use std::sync::Arc;

/// The data doors of one service of one decky. A dialogue reserves one with [`SideDoors::reserve`] and
/// tells its port to the visitor; the stage accepts one connection there for that conversation.
#[derive(Clone, Debug, Default)]
pub struct SideDoors(Arc<Mutex<Vec<u16>>>, Arc<Mutex<Option<u16>>>);

impl SideDoors {
    /// Doors that stand free, by port.
    pub fn of(free: Arc<Mutex<Vec<u16>>>) -> Self {
        Self(free, Arc::default())
    }

    /// Reserves a door for this conversation and gives its port; an earlier reservation is given back.
    /// `None`: all are taken.
    pub fn reserve(&self) -> Option<u16> {
        let mut mine = self.1.lock();
        let mut free = self.0.lock();
        let port = if free.is_empty() {
            None
        } else {
            Some(free.remove(0))
        };
        if let Some(old) = mine.take() {
            free.push(old);
        }
        *mine = port;
        port.or_else(|| {
            *mine = free.pop();
            *mine
        })
    }

    /// The port reserved now: for the stage.
    pub fn reserved(&self) -> Option<u16> {
        *self.1.lock()
    }

    /// Gives the reserved door back.
    pub fn release(&self) {
        if let Some(port) = self.1.lock().take() {
            self.0.lock().push(port);
        }
    }
}
