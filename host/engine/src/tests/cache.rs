//! Compiled once, kept, and never loaded when it is not what was kept.

use super::*;

#[test]
fn what_one_engine_compiled_another_one_of_the_same_settings_loads() {
    let dir = tempfile::tempdir().unwrap();
    let first = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    let file = first.code(guests::ECHO);
    let found = first.engine.prepare(&file).unwrap();
    // Without the component itself, the cache is all there is.
    std::fs::remove_file(&file.path).unwrap();
    let second = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    assert_eq!(second.engine.prepare(&file).unwrap(), found);
}

#[track_caller]
fn recompiles(damage: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let first = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    let file = first.code(guests::ECHO);
    first.engine.prepare(&file).unwrap();
    let cached = first.cached(&file);
    let good = std::fs::read(&cached).unwrap();
    damage(&cached);
    let second = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    let inner = second.engine.inner();
    assert!(inner.disk.load(&inner.wasmtime, &file.hash).is_none(), "it must not be loaded");
    second.engine.prepare(&file).unwrap();
    assert!(inner.disk.load(&inner.wasmtime, &file.hash).is_some(), "it must be replaced");
    assert_eq!(std::fs::read(&cached).unwrap().len(), good.len());
}

#[test]
fn a_tampered_file_is_never_loaded_and_replaced() {
    recompiles(|path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_truncated_or_empty_file_is_never_loaded_and_replaced() {
    for keep in [0, 10, 40, 5000] {
        recompiles(|path| std::fs::write(path, &std::fs::read(path).unwrap()[..keep]).unwrap());
    }
}

#[test]
fn a_file_under_another_key_is_never_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let first = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    let file = first.code(guests::ECHO);
    first.engine.prepare(&file).unwrap();
    let second = Bench::with(|config| (config.cache_dir, config.cache_key) = (dir.path().to_owned(), [8; 32]));
    let inner = second.engine.inner();
    assert!(inner.disk.load(&inner.wasmtime, &file.hash).is_none());
}

#[test]
fn a_file_cannot_stand_in_for_another_one() {
    let bench = Bench::new();
    let one = bench.code(guests::ECHO);
    let other = bench.code(&guests::ECHO.replace("(local.get 1)", "(i32.const 1)"));
    bench.engine.prepare(&one).unwrap();
    bench.engine.prepare(&other).unwrap();
    std::fs::copy(bench.cached(&one), bench.cached(&other)).unwrap();
    let inner = bench.engine.inner();
    assert!(inner.disk.load(&inner.wasmtime, &other.hash).is_none());
    assert!(inner.disk.load(&inner.wasmtime, &one.hash).is_some());
}

/// What is mapped is trusted for as long as it is mapped, so nobody else may write there.
#[test]
fn the_folder_of_compiled_components_is_the_hosts_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let file = bench.code(guests::ECHO);
    bench.engine.prepare(&file).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.dir.path().join("cache")), 0o700);
    assert_eq!(mode(&bench.cached(&file)), 0o600);
}

/// A component that runs is mapped from its file; the file may go meanwhile.
#[tokio::test]
async fn a_loaded_component_outlives_its_file_in_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let first = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    let file = first.code(guests::ECHO);
    first.engine.prepare(&file).unwrap();
    let second = Bench::with(|config| config.cache_dir = dir.path().to_owned());
    second.engine.prepare(&file).unwrap();
    std::fs::remove_dir_all(dir.path()).unwrap();
    let outcome = second.run(job(&file, r#"{"still":"here"}"#)).await;
    assert_eq!(outcome.result.unwrap().as_str(), r#"{"still":"here"}"#);
}

#[test]
fn the_disk_cache_keeps_to_its_size_and_drops_the_oldest() {
    let bench = Bench::with(|config| config.cache_disk_bytes_max = 1);
    let one = bench.code(guests::ECHO);
    let other = bench.code(&guests::ECHO.replace("(local.get 1)", "(i32.const 1)"));
    bench.engine.prepare(&one).unwrap();
    assert!(bench.cached(&one).exists(), "the newest stays even if it alone is too large");
    bench.engine.prepare(&other).unwrap();
    assert!(!bench.cached(&one).exists() && bench.cached(&other).exists());
}

#[test]
fn many_who_ask_for_the_same_component_wait_for_one_compilation() {
    let bench = Bench::new();
    let file = bench.code(guests::ECHO);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| bench.engine.prepare(&file).unwrap());
        }
    });
    assert_eq!(bench.engine.inner().compiled(), 1);
}

#[test]
fn a_cache_that_cannot_be_written_is_no_failure() {
    let bench = Bench::new();
    let file = bench.code(guests::ECHO);
    std::fs::remove_dir_all(bench.dir.path().join("cache")).unwrap();
    assert!(bench.engine.prepare(&file).is_ok());
}
