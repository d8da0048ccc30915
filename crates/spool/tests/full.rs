//! A disk that is full. A file of its own: the limit that stands in for it holds for the whole process.
#![allow(clippy::unwrap_used, reason = "a test")]

use model::{Captured, DeckyId, Event, Id, Micros, Saw};
use spool::{Error, Follower, Options, Position, Spool};
use std::fs;

const QUIET: Options = Options { segment_bytes: 1 << 20, sync_every: None };

fn event(number: i64, length: usize) -> Event {
    Event {
        id: Id::at(Micros(number), [0; 10]),
        at: Micros(number),
        decky: DeckyId::local("web-01"),
        service: "ssh".into(),
        session: None,
        source: None,
        local: None,
        saw: Saw::Command { line: Captured::copy(&vec![b'x'; length]), user: None, cwd: None },
    }
}

#[test]
fn a_full_disk_takes_nothing_half() {
    // A file size limit stands in for a full disk: the kernel refuses in the middle of the write.
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), QUIET).unwrap();
    spool.append(&[event(0, 1)]).unwrap();
    let limit = spool.end().offset + 100;
    let result = limited(limit, || spool.append(&[event(1, 400)]));
    assert!(matches!(result, Err(Error::Full { .. })), "{result:?}");
    assert_eq!(fs::metadata(dir.path().join("00000000000000000001.seg")).unwrap().len(), spool.end().offset);
    spool.append(&[event(2, 1)]).unwrap();
    let batch = Follower::open(dir.path(), Position::default()).unwrap().next_batch(10, 1 << 20).unwrap();
    assert_eq!(batch.events, [event(0, 1), event(2, 1)]);
    assert_eq!(batch.skipped, 0);
}

/// Runs `what` while files of this process cannot grow past `bytes`.
fn limited<T>(bytes: u64, what: impl FnOnce() -> T) -> T {
    use nix::sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigHandler, Signal, signal},
    };
    #[expect(unsafe_code, reason = "ignoring SIGXFSZ so that write fails instead")]
    // SAFETY: no handler runs; the disposition is set to ignore.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes, hard).unwrap();
    let result = what();
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
    result
}
