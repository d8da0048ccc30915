//! The disk is full for a while. A file of its own: the limit that stands in for it holds for the whole process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::{
    Decoy, Dialogue, Door, Heard, Reply, Speaks,
    control::{Handed, Kind},
    stage::{Places, Stage, limits::Limits, rehearse},
};
use model::Saw;
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::{SigHandler, Signal, signal},
};
use spool::{Follower, Position};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

static TABLE: &[&Decoy] =
    &[&Decoy { name: "echo", title: "answers every byte", knobs: &[], speaks: &[Speaks::Stream(&[Door::Plain(7)], |_| Box::new(Echo))] }];

struct Echo;

impl Dialogue for Echo {
    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        out.note(Saw::Command { line: input[..1].into(), user: None, cwd: None });
        out.send(&input[..1]);
        Heard::Used(1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capture_goes_on_then_waits_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let spool = place("spool");
    let places =
        Places { spool: spool.clone(), artifacts: place("a"), transcripts: place("t"), state: place("s"), seeds: Default::default() };
    let stage = Stage::with_table(&places, Limits { backlog: 20_000, ..Limits::default() }, TABLE).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let door = Handed { service: "echo".into(), kind: Kind::Plain, port: at.port() };
    stage.play(rehearse::persona(), &[door], vec![listener.into()]).unwrap();

    #[expect(unsafe_code, reason = "ignoring SIGXFSZ so that write fails instead")]
    // SAFETY: no handler runs; the disposition is set to ignore.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 3000, hard).unwrap();

    let (full, opened) = tokio::sync::oneshot::channel();
    let visitor = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut answered = 0_u32;
        // Goes on answering until the queue in memory is full, too.
        loop {
            stream.write_all(b"x").unwrap();
            if stream.read_exact(&mut [0]).is_err() {
                break;
            }
            answered += 1;
            assert!(answered < 1000, "the queue is bounded");
        }
        assert!(answered > 30, "{answered}");
        let mut other = TcpStream::connect(at).unwrap();
        other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        other.write_all(b"y").unwrap();
        full.send(()).unwrap();
        other.read_exact(&mut [0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        answered + 1
    });
    opened.await.unwrap();
    assert!(stage.stats().backlog > 30);
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
    let answered = visitor.await.unwrap();
    stage.stop().await;
    assert_eq!(stage.stats().backlog, 0);
    let batch = Follower::open(spool, Position::default()).unwrap().next_batch(100_000, 1 << 24).unwrap();
    assert_eq!(batch.skipped, 0);
    let count =
        |line: &[u8]| batch.events.iter().filter(|e| matches!(&e.saw, Saw::Command { line: l, .. } if l.as_bytes() == line)).count();
    assert_eq!((count(b"x"), count(b"y")), (answered as usize, 1));
    let kinds: Vec<_> = batch.events.iter().filter(|e| e.session == batch.events[0].session).map(|e| e.saw.event_type()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("connect", "disconnect"));
}
