//! The log in a folder: what comes back, what is cut off, what is refused.

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use types::{EventRow, Id, Json, Row, Timestamp};

fn object(n: u64) -> ObjectId {
    ObjectId::from_u128(u128::from(n))
}

fn record(of: u64, seq: u64) -> Record {
    let at = Timestamp::from_millis(1_800_000_000_000 + seq);
    let event = EventRow {
        sequence: seq,
        id: Id::from_u128(u128::from(seq)),
        verb: "invoked".into(),
        source: "Function/pay".into(),
        data: Json::parse(format!(r#"{{"of":{of}}}"#)).unwrap(),
        action: Id::from_u128(7),
        created_at: at,
    };
    Record { object: object(of), epoch: 1, seq, at, rows: vec![Row::Event(event)] }
}

fn small(faults: Faults) -> Config {
    Config { segment_bytes: 300, faults, ..Config::STANDARD }
}

fn open(folder: &Path) -> LocalLog {
    LocalLog::open(folder, &Config::STANDARD).unwrap()
}

fn start(log: &LocalLog, batch: Vec<Record>) -> mpsc::Receiver<Outcome> {
    let (tell, told) = mpsc::channel();
    log.append(batch.into_iter().map(Arc::new).collect(), Box::new(move |o| tell.send(o.clone()).unwrap()));
    told
}

fn append(log: &LocalLog, batch: Vec<Record>) -> Outcome {
    start(log, batch).recv().unwrap()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == "seg"));
    found.sort();
    found
}

#[test]
fn what_is_durable_comes_back_in_order_by_object() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small(Faults::none())).unwrap();
    for seq in 1..=40 {
        assert!(append(&log, vec![record(1, seq), record(2, seq)]).is_durable());
    }
    let check = |log: &LocalLog| {
        for of in [1, 2] {
            let expected: Vec<Record> = (31..=40).map(|seq| record(of, seq)).collect();
            assert_eq!(log.replay(object(of), 30).unwrap(), expected);
            assert_eq!(log.replay(object(of), 0).unwrap().len(), 40);
            assert_eq!((log.tail(object(of)), log.head(object(of))), (Some(1), Some(40)));
        }
        assert_eq!(log.replay(object(1), 40).unwrap(), []);
        assert_eq!(log.replay(object(3), 0).unwrap(), []);
        assert_eq!(log.objects().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([object(1), object(2)]));
    };
    check(&log);
    let bytes: u64 = segments(folder.path()).iter().map(|p| fs::metadata(p).unwrap().len()).sum();
    assert_eq!(log.retained_bytes(), bytes);
    drop(log);
    assert!(segments(folder.path()).len() > 3);
    check(&LocalLog::open(folder.path(), &small(Faults::none())).unwrap());
}

#[test]
fn what_was_queued_meanwhile_shares_one_sync() {
    let folder = tempfile::tempdir().unwrap();
    let syncs = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (counted, gate) = (Arc::clone(&syncs), Arc::new(Mutex::new(())));
    let held = gate.lock().unwrap();
    let waits = Arc::clone(&gate);
    let faults = Faults::between("log.after-write", 1, u64::MAX, move || {
        drop(waits.lock());
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    });
    let log = LocalLog::open(folder.path(), &Config { faults, ..Config::STANDARD }).unwrap();
    // While the first round stands before its sync, the others queue up.
    let told: Vec<_> = (1..=1000).map(|of| start(&log, vec![record(of, 1)])).collect();
    drop(held);
    assert!(told.into_iter().all(|t| t.recv().unwrap().is_durable()));
    let syncs = syncs.load(std::sync::atomic::Ordering::SeqCst);
    assert!(syncs <= 3, "{syncs} syncs for a thousand batches");
}

#[test]
fn a_last_write_cut_short_at_any_byte_is_cut_off_and_the_rest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    assert!(append(&log, vec![record(1, 1)]).is_durable());
    let before = log.retained_bytes();
    // Made in one batch: all of it goes.
    assert!(append(&log, vec![record(1, 2), record(2, 1)]).is_durable());
    drop(log);
    let path = segments(folder.path()).pop().unwrap();
    let whole = fs::read(&path).unwrap();
    for length in usize::try_from(before).unwrap()..whole.len() {
        for tail in [0, 50] {
            let mut torn = whole[..length].to_vec();
            torn.resize(length + tail, 0);
            fs::write(&path, &torn).unwrap();
            let log = open(folder.path());
            assert_eq!((log.head(object(1)), log.head(object(2))), (Some(1), None), "{length}+{tail}");
            assert_eq!(log.retained_bytes(), before);
            assert!(append(&log, vec![record(1, 2)]).is_durable());
            drop(log);
            assert_eq!(open(folder.path()).replay(object(1), 0).unwrap(), [record(1, 1), record(1, 2)]);
        }
    }
}

#[test]
fn a_flipped_byte_before_a_whole_frame_is_refused_by_name_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small(Faults::none())).unwrap();
    let mut ends = Vec::new();
    for seq in 1..=12 {
        assert!(append(&log, vec![record(1, seq)]).is_durable());
        ends.push(log.retained_bytes());
    }
    drop(log);
    let paths = segments(folder.path());
    assert!(paths.len() > 1);
    for (path, offset) in [(&paths[0], 0), (&paths[0], 13), (&paths[0], 25), (&paths[0], 60), (&paths[0], 250)] {
        let whole = fs::read(path).unwrap();
        let mut damaged = whole.clone();
        damaged[offset] ^= 0x10;
        fs::write(path, &damaged).unwrap();
        let refused = LocalLog::open(folder.path(), &small(Faults::none())).err().unwrap();
        let Error::Corrupt { segment, .. } = &refused else { panic!("{offset}: {refused}") };
        assert_eq!(segment, path, "{offset}");
        assert_eq!(fs::read(path).unwrap(), damaged, "it was changed");
        assert_eq!(segments(folder.path()), paths);
        fs::write(path, &whole).unwrap();
    }
    // In the last segment too, whatever the byte means, when a whole frame follows.
    let last = paths.last().unwrap();
    let log = LocalLog::open(folder.path(), &Config::STANDARD).unwrap();
    let start = usize::try_from(fs::metadata(last).unwrap().len()).unwrap();
    assert!(append(&log, vec![record(1, 13)]).is_durable());
    let end = usize::try_from(fs::metadata(last).unwrap().len()).unwrap();
    assert!(append(&log, vec![record(1, 14)]).is_durable());
    drop(log);
    let whole = fs::read(last).unwrap();
    for offset in start..end {
        let mut damaged = whole.clone();
        damaged[offset] ^= 0x01;
        fs::write(last, &damaged).unwrap();
        let refused = LocalLog::open(folder.path(), &Config::STANDARD).err();
        assert!(matches!(refused, Some(Error::Corrupt { .. })), "byte {offset}: {refused:?}");
        assert_eq!(fs::read(last).unwrap(), damaged);
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small(Faults::none())).unwrap();
    (1..=20).for_each(|seq| assert!(append(&log, vec![record(1, seq)]).is_durable()));
    drop(log);
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let refused = LocalLog::open(folder.path(), &small(Faults::none())).err().unwrap().to_string();
    assert!(refused.contains("0000000002.seg before it is missing"), "{refused}");
}

#[test]
fn a_segment_whose_header_did_not_reach_the_disk_is_no_damage() {
    for length in 0..=20 {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        assert!(append(&log, vec![record(1, 1)]).is_durable());
        drop(log);
        fs::write(folder.path().join("0000000002.seg"), vec![0; length]).unwrap();
        let log = open(folder.path());
        assert!(append(&log, vec![record(1, 2)]).is_durable());
        assert_eq!(log.replay(object(1), 0).unwrap().len(), 2, "{length}");
    }
}

#[test]
fn a_segment_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let mut header = frame::segment_header(5);
    header[8] = 9;
    let crc = crc32fast::hash(&header[..16]);
    header[16..].copy_from_slice(&crc.to_le_bytes());
    fs::write(folder.path().join("0000000001.seg"), header).unwrap();
    let refused = LocalLog::open(folder.path(), &Config::STANDARD).err();
    assert!(matches!(refused, Some(Error::Newer { found: 9, supported: 1, .. })), "{refused:?}");
}

#[test]
fn a_folder_in_use_names_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let refused = LocalLog::open(folder.path(), &Config::STANDARD).err().unwrap();
    assert!(matches!(refused, Error::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{refused}");
    log.close();
    open(folder.path());
}

#[test]
fn a_closed_log_gives_its_folder_back_although_a_starting_process_has_its_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let inherited = log.lock.lock().unwrap().as_ref().unwrap().try_clone().unwrap();
    log.close();
    open(folder.path());
    drop(inherited);
}

#[test]
fn a_full_disk_refuses_cleanly_and_the_log_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::between("log.before-write", 2, 3, || Err(std::io::ErrorKind::StorageFull.into()));
    let log = LocalLog::open(folder.path(), &small(faults)).unwrap();
    assert!(append(&log, vec![record(1, 1)]).is_durable());
    for _ in 0..2 {
        let outcome = append(&log, vec![record(1, 2)]);
        assert!(matches!(&outcome, Outcome::Refused(e) if matches!(**e, Error::Full)), "{outcome:?}");
    }
    let later = append(&log, vec![record(1, 3)]);
    assert!(matches!(&later, Outcome::Refused(e) if matches!(**e, Error::OutOfOrder { head: 1, .. })), "{later:?}");
    assert!(append(&log, vec![record(1, 2)]).is_durable());
    drop(log);
    assert_eq!(open(folder.path()).replay(object(1), 0).unwrap(), [record(1, 1), record(1, 2)]);
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_the_log_is_opened_anew() {
    for point in ["log.before-write", "log.after-write"] {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::at(point, 2, || Err(std::io::Error::other("EIO")));
        let log = LocalLog::open(folder.path(), &Config { faults, ..Config::STANDARD }).unwrap();
        assert!(append(&log, vec![record(1, 1)]).is_durable());
        let outcome = append(&log, vec![record(1, 2)]);
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        let later = append(&log, vec![record(2, 1)]);
        assert!(matches!(&later, Outcome::Refused(e) if matches!(**e, Error::Stopped(_))), "{later:?}");
        assert_eq!(log.head(object(1)), Some(1));
        drop(log);
        let log = open(folder.path());
        let next = log.head(object(1)).unwrap() + 1;
        assert!(append(&log, vec![record(1, next)]).is_durable());
    }
}

#[test]
fn more_than_may_wait_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Mutex::new(()));
    let (held, waits) = (gate.lock().unwrap(), Arc::clone(&gate));
    let faults = Faults::between("log.before-write", 1, u64::MAX, move || {
        drop(waits.lock());
        Ok(())
    });
    let config = Config { queue_bytes_max: 1000, faults, ..Config::STANDARD };
    let log = LocalLog::open(folder.path(), &config).unwrap();
    let told: Vec<_> = (1..=100).map(|of| start(&log, vec![record(of, 1)])).collect();
    drop(held);
    let outcomes: Vec<Outcome> = told.into_iter().map(|t| t.recv().unwrap()).collect();
    let busy = |o: &&Outcome| matches!(o, Outcome::Refused(e) if matches!(**e, Error::Busy { max: 1000, .. }));
    let refused = outcomes.iter().filter(busy).count();
    assert!(refused > 50, "{refused}");
    assert_eq!(outcomes.iter().filter(|o| o.is_durable()).count(), 100 - refused);
    assert!(append(&log, vec![record(200, 1)]).is_durable(), "there is room again");
}

#[test]
fn closing_writes_what_is_queued_and_refuses_what_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let told: Vec<_> = (1..=50).map(|seq| start(&log, vec![record(1, seq)])).collect();
    log.close();
    assert!(told.into_iter().all(|t| t.recv().unwrap().is_durable()));
    let later = append(&log, vec![record(1, 51)]);
    assert!(matches!(&later, Outcome::Refused(e) if matches!(**e, Error::Closed)), "{later:?}");
    assert_eq!(open(folder.path()).head(object(1)), Some(50));
}

#[test]
fn a_log_of_which_every_record_is_in_its_file_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small(Faults::none())).unwrap();
    for seq in 1..=40 {
        assert!(append(&log, vec![record(1, seq), record(2, seq)]).is_durable());
    }
    let before = segments(folder.path()).len();
    log.checkpointed(object(1), 40);
    assert_eq!(segments(folder.path()).len(), before);
    assert_eq!(log.oldest_holders(10), [object(2)]);
    log.checkpointed(object(2), 39);
    assert_eq!(segments(folder.path()).len(), 1, "record 40 of object 2 is only in the last");
    log.checkpointed(object(2), 40);
    log.close();
    assert_eq!(segments(folder.path()).len(), 0);
    assert_eq!(open(folder.path()).objects(), []);
}

#[test]
fn a_callback_that_panics_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.append(vec![Arc::new(record(1, 1))], Box::new(|_| panic!("on purpose")));
    assert!(append(&log, vec![record(1, 2)]).is_durable());
}

#[test]
fn the_thread_ends_with_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let shared = Arc::downgrade(&log.shared);
    drop(log);
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "the thread still holds the log");
        std::thread::yield_now();
    }
}
