//! Being told by the kernel that something in a directory changed.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    path::Path,
};
use tokio::io::unix::AsyncFd;

use crate::Error;

/// Tells when files of a directory are written, made or removed. Not recursive.
#[derive(Debug)]
pub struct Watch {
    inotify: AsyncFd<Watched>,
}

#[derive(Debug)]
struct Watched(Inotify);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watch {
    /// Watches `dir` from now on. Must be called inside a tokio runtime.
    pub fn new(dir: &Path) -> Result<Self, Error> {
        let watch = || -> io::Result<Self> {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            let what = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
            inotify.add_watch(dir, what)?;
            #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
            // SAFETY: `Watched` owns the descriptor, always gives the same one and is never replaced.
            let inotify = unsafe { AsyncFd::register(Watched(inotify)) }?;
            Ok(Self { inotify })
        };
        watch().map_err(Error::io("watch", dir))
    }

    /// Returns once something changed since the last call (or since [`Watch::new`]). Cancel-safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            let mut any = false;
            loop {
                match guard.get_inner().0.read_events() {
                    Ok(_) => any = true,
                    Err(nix::Error::EAGAIN) => break,
                    Err(nix::Error::EINTR) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            guard.clear_ready();
            if any {
                return Ok(());
            }
        }
    }
}
