//! What happens to a spool's bytes when the machine misbehaves, and what a reader makes of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a test")]

use model::{Captured, DeckyId, Event, Id, Micros, Saw};
use proptest::prelude::*;
use spool::{Batch, Error, Follower, Options, Position, Spool};
use std::{fs, path::Path, sync::Arc};

fn event(number: u64, text: &[u8]) -> Event {
    Event {
        id: Id::at(Micros(1_700_000_000_000_000 + number as i64), [number as u8; 10]),
        at: Micros(number as i64),
        decky: DeckyId::local("web-01"),
        service: "ssh".into(),
        session: None,
        source: Some("192.0.2.1:4444".parse().unwrap()),
        local: None,
        saw: Saw::Command { line: Captured::copy(text), user: None, cwd: None },
    }
}

fn numbers(batch: &Batch) -> Vec<i64> {
    batch.events.iter().map(|e| e.at.0).collect()
}

fn read_all(dir: &Path) -> (Vec<i64>, u64) {
    let mut follower = Follower::open(dir, Position::default()).unwrap();
    let mut all = Vec::new();
    loop {
        let batch = follower.next_batch(100, 1 << 20).unwrap();
        all.extend(numbers(&batch));
        if batch.is_empty() {
            return (all, follower.skipped());
        }
    }
}

const QUIET: Options = Options { segment_bytes: 1 << 20, sync_every: None };

fn segment(dir: &Path, number: u64) -> std::path::PathBuf {
    dir.join(format!("{number:020}.seg"))
}

#[test]
fn what_was_appended_is_read_in_order_and_over_segments() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), Options { segment_bytes: 1000, sync_every: None }).unwrap();
    for n in 0..100 {
        spool.append(&[event(n, b"uname -a\0\xff")]).unwrap();
    }
    assert!(spool.end().segment > 10);
    assert_eq!(read_all(dir.path()), ((0..100).collect(), 0));

    let mut follower = Follower::open(dir.path(), Position::default()).unwrap();
    let first = follower.next_batch(10, usize::MAX).unwrap();
    assert_eq!(first.events.len(), 10);
    assert_eq!(follower.next_batch(usize::MAX, 1).unwrap().events.len(), 1);
    let mut resumed = Follower::open(dir.path(), first.to).unwrap();
    assert_eq!(numbers(&resumed.next_batch(1, 1).unwrap()), [10]);

    let freed = spool::retire(dir.path(), first.to).unwrap();
    assert!(freed > 0);
    assert_eq!(numbers(&Follower::open(dir.path(), first.to).unwrap().next_batch(1, 1).unwrap()), [10]);
    assert_eq!(spool::backlog(dir.path(), spool.end()).unwrap(), 0);
    spool::retire(dir.path(), spool.end()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the last segment and the lock stay");
}

#[test]
fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), QUIET).unwrap();
    assert!(matches!(Spool::open(dir.path(), QUIET), Err(Error::Busy { .. })));
    drop(spool);
    Spool::open(dir.path(), QUIET).unwrap();
}

#[test]
fn a_torn_tail_is_cut_at_every_byte_and_nothing_whole_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), QUIET).unwrap();
    spool.append(&[event(0, b"a"), event(1, b"b")]).unwrap();
    let kept = spool.end().offset as usize;
    spool.append(&[event(2, b"c")]).unwrap();
    drop(spool);
    let whole = fs::read(segment(dir.path(), 1)).unwrap();
    for cut in kept..whole.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment(dir.path(), 1), &whole[..cut]).unwrap();
        let mut early = Follower::open(dir.path(), Position::default()).unwrap();
        assert_eq!(numbers(&early.next_batch(10, 1 << 20).unwrap()), [0, 1], "before the writer is back, cut {cut}");
        let spool = Spool::open(dir.path(), QUIET).unwrap();
        assert_eq!(fs::metadata(segment(dir.path(), 1)).unwrap().len() as usize, kept);
        spool.append(&[event(3, b"d")]).unwrap();
        assert_eq!(numbers(&early.next_batch(10, 1 << 20).unwrap()), [3], "an early reader goes on, cut {cut}");
        assert_eq!(read_all(dir.path()), (vec![0, 1, 3], 0));
    }
}

#[test]
fn a_position_past_what_the_disk_kept_loses_nothing_new() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), QUIET).unwrap();
    spool.append(&[event(0, b"a"), event(1, b"b")]).unwrap();
    let seen = spool.end();
    drop(spool);
    fs::write(segment(dir.path(), 1), b"").unwrap(); // power loss: the bytes never reached the disk
    fs::File::options().write(true).open(segment(dir.path(), 1)).unwrap().set_len(7).unwrap();
    let spool = Spool::open(dir.path(), QUIET).unwrap();
    spool.append(&[event(2, b"c")]).unwrap();
    spool.append(&[event(3, b"d")]).unwrap();
    let mut follower = Follower::open(dir.path(), seen).unwrap();
    assert_eq!(numbers(&follower.next_batch(10, 1 << 20).unwrap()), [2, 3]);
}

#[test]
fn an_event_over_the_limit_is_refused_alone() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), QUIET).unwrap();
    let huge = event(0, &vec![b'x'; spool::record::MAX_PAYLOAD]);
    assert!(matches!(spool.append(&[huge]), Err(Error::TooLarge { .. })));
    spool.append(&[event(1, b"x")]).unwrap();
    assert_eq!(read_all(dir.path()), (vec![1], 0));
}

#[tokio::test]
async fn a_follower_is_woken_and_sees_everything_a_concurrent_writer_appends() {
    const COUNT: i64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(dir.path(), Options { segment_bytes: 100_000, sync_every: None }).unwrap());
    let writer = {
        let spool = Arc::clone(&spool);
        std::thread::spawn(move || {
            for n in 0..COUNT as u64 / 4 {
                let batch: Vec<_> = (0..4).map(|i| event(n * 4 + i, &vec![b'y'; (n % 300) as usize])).collect();
                spool.append(&batch).unwrap();
                if n % 100 == 0 {
                    std::thread::yield_now();
                }
            }
        })
    };
    let mut follower = Follower::open(dir.path(), Position::default()).unwrap();
    let mut next = 0;
    while next < COUNT {
        let batch = follower.next_batch(1000, 1 << 20).unwrap();
        assert_eq!(batch.skipped, 0);
        for event in &batch.events {
            assert_eq!(event.at.0, next);
            next += 1;
        }
        if batch.is_empty() {
            follower.changed().await.unwrap();
        }
    }
    writer.join().unwrap();
}

#[test]
fn spools_are_listed_by_name() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        Spool::open(root.path().join(name), QUIET).unwrap();
    }
    let names: Vec<_> = spool::list(root.path()).unwrap().into_iter().map(|l| l.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(spool::list(root.path().join("none")).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bits flip anywhere: every record that was not touched is still read, in order, and nothing else is.
    #[test]
    fn flipped_bits_cost_only_what_they_hit(flips in prop::collection::vec((0usize..1 << 20, 0u8..8), 1..6), lengths in prop::collection::vec(0usize..200, 2..30)) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), QUIET).unwrap();
        let mut ends = vec![0];
        for (n, length) in lengths.iter().enumerate() {
            spool.append(&[event(n as u64, &vec![b'z'; *length])]).unwrap();
            ends.push(spool.end().offset as usize);
        }
        drop(spool);
        let path = segment(dir.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        let clean = bytes.clone();
        for (at, bit) in &flips {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        fs::write(&path, &bytes).unwrap();
        let whole: Vec<i64> = (0..lengths.len()).filter(|&n| bytes[ends[n]..ends[n + 1]] == clean[ends[n]..ends[n + 1]]).map(|n| n as i64).collect();
        prop_assert_eq!(&read_all(dir.path()).0, &whole, "while the writer is away");
        let spool = Spool::open(dir.path(), QUIET).unwrap();
        spool.append(&[event(1000, b"after")]).unwrap();
        let mut expected = whole;
        expected.push(1000);
        prop_assert_eq!(read_all(dir.path()).0, expected);
    }

    /// Any garbage in place of a segment: no panic, no stop, and what follows is read.
    #[test]
    fn garbage_never_stops_a_reader(garbage in prop::collection::vec(prop::sample::select(vec![0u8, 0x9d, b'S', b'1', 1, 255, b'{']), 0..3000)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment(dir.path(), 1), &garbage).unwrap();
        let spool = Spool::open(dir.path(), QUIET).unwrap();
        spool.append(&[event(7, b"x")]).unwrap();
        prop_assert_eq!(read_all(dir.path()).0, vec![7]);
        fs::write(segment(dir.path(), 1), &garbage).unwrap();
        fs::write(segment(dir.path(), 2), fs::read(segment(dir.path(), spool.end().segment)).unwrap()).unwrap();
        let (events, _) = read_all(dir.path());
        prop_assert!(events.starts_with(&[7]));
    }
}
