//! The power fails: what was not synced is gone, in any part and in any order.

use crate::common::{Random, append, at, copy_store, dump_copy, event, object, open_object, path_of, write_turn};
use commit_log::{CommitLog, Config, LocalLog};
use org_ai_store::{Error, Options, Store};
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::{Faults, Row};

type Dump = BTreeMap<String, Vec<Vec<Value>>>;

/// An object after some turns that the log has; its file was checkpointed in the middle.
struct Scene {
    folder: tempfile::TempDir,
    path: PathBuf,
    /// What the file says at the end.
    whole: Dump,
}

impl Scene {
    fn new(before_checkpoint: u64, after_checkpoint: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), object(1));
        let log = open_log(folder.path());
        let mut store = open_object(&log, folder.path(), object(1), &Faults::none()).unwrap();
        let mut random = Random(5);
        let turns = |store: &mut Store, random: &mut Random, n| {
            for _ in 0..n {
                let record = write_turn(store, random).unwrap();
                let seq = record.seq;
                assert!(append(&log, vec![record]).is_durable());
                store.confirm(seq);
            }
        };
        turns(&mut store, &mut random, before_checkpoint);
        if before_checkpoint > 0 {
            // The log is not told: every record stays, so that the file can be compared with a rebuilt one.
            store.checkpoint().unwrap();
        }
        copy_store(&path, &folder.path().join("synced.sqlite"));
        turns(&mut store, &mut random, after_checkpoint);
        drop(store);
        let whole = dump_copy(folder.path(), &path);
        Self { folder, path, whole }
    }

    fn wal(&self) -> PathBuf {
        wal_of(&self.path)
    }

    /// The object recovers to all of it.
    fn check(&self, case: &str) {
        let log = open_log(self.folder.path());
        let store = open_object(&log, self.folder.path(), object(1), &Faults::none())
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        store.integrity_check().unwrap();
        drop(store);
        assert!(dump_copy(self.folder.path(), &self.path) == self.whole, "{case}");
    }
}

fn wal_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

fn open_log(folder: &Path) -> LocalLog {
    LocalLog::open(&folder.join("log"), &Config::STANDARD).unwrap()
}

#[test]
fn a_wal_that_reached_the_disk_in_part_is_completed_from_the_log() {
    let scene = Scene::new(10, 30);
    let main = fs::read(&scene.path).unwrap();
    let wal = fs::read(scene.wal()).unwrap();
    let mut random = Random(11);
    for length in (0..40).map(|i| wal.len() * i / 40).chain([1, 31, 32, 33, wal.len() - 1]) {
        fs::write(&scene.path, &main).unwrap();
        fs::write(scene.wal(), &wal[..length]).unwrap();
        scene.check(&format!("{length} bytes of the WAL"));
    }
    for _ in 0..20 {
        // Pages reach the disk in any order: a hole with written ones behind it.
        let mut holed = wal.clone();
        let page = usize::try_from(random.below(wal.len() as u64 / 4096)).unwrap();
        holed[page * 4096..(page + 1) * 4096].fill(0);
        fs::write(&scene.path, &main).unwrap();
        fs::write(scene.wal(), &holed).unwrap();
        scene.check(&format!("a hole at page {page} of the WAL"));
    }
}

#[test]
fn a_file_as_it_was_at_its_last_checkpoint_is_completed_from_the_log() {
    let scene = Scene::new(10, 10);
    copy_store(&scene.folder.path().join("synced.sqlite"), &scene.path);
    scene.check("as it was synced");
}

#[test]
fn a_checkpoint_that_copied_some_pages_is_completed_from_the_wal() {
    let scene = Scene::new(10, 20);
    let before = fs::read(&scene.path).unwrap();
    let wal = fs::read(scene.wal()).unwrap();
    let mut store = Store::open(&scene.path, object(1), &Options::STANDARD).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let after = fs::read(&scene.path).unwrap();
    let mut random = Random(3);
    for _ in 0..20 {
        let mut mixed = after.clone();
        for (page, bytes) in before.chunks(4096).enumerate() {
            if random.below(2) == 0 {
                mixed[page * 4096..page * 4096 + bytes.len()].copy_from_slice(bytes);
            }
        }
        mixed.truncate(before.len() + usize::try_from(random.below((after.len() - before.len()) as u64 + 1)).unwrap());
        fs::write(&scene.path, &mixed).unwrap();
        fs::write(scene.wal(), &wal).unwrap();
        scene.check("half a checkpoint");
    }
}

#[test]
fn a_new_file_that_was_never_synced_is_built_anew_when_it_is_torn_or_gone() {
    let scene = Scene::new(0, 12);
    let main = fs::read(&scene.path).unwrap();
    let wal = fs::read(scene.wal()).unwrap();
    let with_wal = |bytes: &[u8]| {
        fs::write(&scene.path, bytes).unwrap();
        fs::write(scene.wal(), &wal).unwrap();
    };
    for page in 0..main.len() / 4096 {
        let mut torn = main.clone();
        torn[page * 4096..(page + 1) * 4096].fill(0);
        with_wal(&torn);
        scene.check(&format!("page {page} is a hole"));
        with_wal(&main[..page * 4096]);
        scene.check(&format!("{page} pages are left"));
    }
    with_wal(&main);
    fs::remove_file(&scene.path).unwrap();
    scene.check("only the WAL is left");
    with_wal(&main);
    fs::remove_file(scene.wal()).unwrap();
    scene.check("the WAL is gone");
}

#[test]
fn a_file_that_is_ahead_of_the_log_gives_the_log_its_records() {
    let scene = Scene::new(10, 5);
    // One more turn, small, whose record is torn at each of its bytes.
    let mut store = Store::open(&scene.path, object(1), &Options::STANDARD).unwrap();
    let mut turn = store.turn(1, at(99)).unwrap();
    let sequence = turn.next_sequence();
    let id = Random(1).id(at(99));
    turn.write(Row::Event(event(sequence, id, id, at(99)))).unwrap();
    let record = Arc::unwrap_or_clone(turn.commit().unwrap().unwrap());
    let seq = record.seq;
    drop(store);
    let whole = dump_copy(scene.folder.path(), &scene.path);
    let segment = scene.folder.path().join("log/0000000001.seg");
    let before = fs::read(&segment).unwrap().len();
    let log = open_log(scene.folder.path());
    assert!(append(&log, vec![record]).is_durable());
    drop(log);
    let after = fs::read(&segment).unwrap();
    let (main, wal) = (fs::read(&scene.path).unwrap(), fs::read(scene.wal()).unwrap());
    for length in before..after.len() {
        fs::write(&segment, &after[..length]).unwrap();
        fs::write(&scene.path, &main).unwrap();
        fs::write(scene.wal(), &wal).unwrap();
        let log = open_log(scene.folder.path());
        assert_eq!(log.head(object(1)), Some(seq - 1), "{length}");
        open_object(&log, scene.folder.path(), object(1), &Faults::none()).unwrap();
        assert_eq!(log.head(object(1)), Some(seq), "the file's record was appended again ({length})");
        assert_eq!(fs::read(&segment).unwrap(), after, "{length}");
        assert!(dump_copy(scene.folder.path(), &scene.path) == whole, "{length}");
    }
}

#[test]
fn a_file_built_from_the_log_alone_says_the_same() {
    for seed in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let log = open_log(folder.path());
        let mut random = Random(seed);
        let mut stores: Vec<Store> =
            (0..3).map(|n| open_object(&log, folder.path(), object(n), &Faults::none()).unwrap()).collect();
        for _ in 0..60 {
            let n = usize::try_from(random.below(3)).unwrap();
            let record = write_turn(&mut stores[n], &mut random).unwrap();
            assert!(append(&log, vec![record]).is_durable());
        }
        drop(stores);
        for n in 0..3 {
            let path = path_of(folder.path(), object(n));
            let found = dump_copy(folder.path(), &path);
            fs::remove_file(&path).unwrap();
            open_object(&log, folder.path(), object(n), &Faults::none()).unwrap();
            assert!(dump_copy(folder.path(), &path) == found, "seed {seed}, object {n}");
            assert!(found["events"].len() > 10);
        }
    }
}

#[test]
fn a_torn_new_file_is_noticed_at_opening_whatever_its_size() {
    let scene = Scene::new(0, 12);
    let main = fs::read(&scene.path).unwrap();
    for page in 0..main.len() / 4096 {
        let mut torn = main.clone();
        torn[page * 4096 + 200..(page + 1) * 4096].fill(0);
        fs::write(&scene.path, &torn).unwrap();
        let opened = Store::open(&scene.path, object(1), &Options::STANDARD);
        let is_same = torn == main;
        assert!(is_same || matches!(opened, Err(Error::Torn | Error::Corrupt(_))), "page {page}: {:?}", opened.err());
    }
}

#[test]
fn the_wal_of_a_lost_file_is_not_taken_for_that_of_a_new_one() {
    let scene = Scene::new(10, 20);
    fs::remove_file(&scene.path).unwrap();
    assert!(scene.wal().exists());
    let store = Store::open(&scene.path, object(1), &Options::STANDARD).unwrap();
    assert_eq!(store.applied_seq(), 0);
    store.integrity_check().unwrap();
}

#[test]
fn a_new_file_that_was_torn_before_its_first_record_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_log(folder.path());
    drop(open_object(&log, folder.path(), object(1), &Faults::none()).unwrap());
    let path = path_of(folder.path(), object(1));
    let mut torn = fs::read(&path).unwrap();
    torn[8192..12288].fill(0);
    fs::write(&path, &torn).unwrap();
    let mut store = open_object(&log, folder.path(), object(1), &Faults::none()).unwrap();
    assert_eq!(write_turn(&mut store, &mut Random(1)).unwrap().seq, 1);
}
