//! What a guest sees of the world: the same each time, and nothing of the machine.

use super::*;

const IMPORTS: &str = "include org-ai:function/code@0.1.0; import wasi:random/random@0.2.12;
    import wasi:random/insecure-seed@0.2.12; import wasi:clocks/wall-clock@0.2.12;
    import wasi:clocks/monotonic-clock@0.2.12; import wasi:random/insecure@0.2.12;";

/// Answers with an array of what random, insecure random, its seed and both clocks say, in this order.
const LOOK: &str = r#"(module
    (import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))
    (import "wasi:random/insecure@0.2.12" "get-insecure-random-u64" (func $insecure (result i64)))
    (import "wasi:random/insecure-seed@0.2.12" "insecure-seed" (func $seed (param i32)))
    (import "wasi:clocks/wall-clock@0.2.12" "now" (func $wall (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $monotonic (result i64)))
    ;;PRELUDE
    (global $end (mut i32) (i32.const 1024))
    (func $byte (param i32) (i32.store8 (global.get $end) (local.get 0))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    ;; As "16 hexadecimal digits"
    (func $number (param $n i64) (local $i i32) (local $d i32)
        (call $byte (i32.const 34))
        (loop $next
            (local.set $d (i32.wrap_i64 (i64.and (i64.shr_u (local.get $n)
                (i64.extend_i32_u (i32.sub (i32.const 60) (i32.mul (i32.const 4) (local.get $i))))) (i64.const 15))))
            (call $byte (i32.add (local.get $d) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $d) (i32.const 10)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 16))))
        (call $byte (i32.const 34)) (call $byte (i32.const 44)))
    (func (export "run") (param i32 i32) (result i32)
        (call $byte (i32.const 91))
        (call $number (call $random)) (call $number (call $insecure))
        (call $seed (i32.const 64)) (call $number (i64.load (i32.const 64)))
        (call $wall (i32.const 64)) (call $number (i64.load (i32.const 64)))
        (call $number (i64.load32_u (i32.const 72)))
        (call $number (call $monotonic)) (call $number (call $monotonic))
        (i32.store8 (i32.sub (global.get $end) (i32.const 1)) (i32.const 93))
        (call $ok (i32.const 1024) (i32.sub (global.get $end) (i32.const 1024)))))"#;

async fn look(bench: &Bench, file: &ComponentFile, seed: [u8; 32]) -> Vec<u64> {
    let outcome = bench.run(Job { seed, ..job(file, "1") }).await;
    let values: Vec<String> = serde_json::from_str(outcome.result.unwrap().as_str()).unwrap();
    values.iter().map(|value| u64::from_str_radix(value, 16).unwrap()).collect()
}

#[tokio::test]
async fn equal_seeds_and_clocks_give_equal_worlds_and_other_seeds_other_ones() {
    let bench = Bench::new();
    let file = bench.file(&guests::guest(IMPORTS, LOOK));
    let first = look(&bench, &file, [1; 32]).await;
    assert_eq!(look(&bench, &file, [1; 32]).await, first);
    let other = look(&bench, &file, [2; 32]).await;
    // Random numbers, which differ; then clocks, which come from the host.
    assert!((0..3).all(|index| first[index] != other[index]), "{first:?} {other:?}");
    assert_eq!(first[3..], other[3..]);
    assert_eq!(first[3], 1_000_000_000);
    assert!(first[4] < 100_000_000 && first[6] >= first[5]);
    assert!((1_000_000_000..2_000_000_000).contains(&first[5]), "a monotonic clock at zero is broken to Go");
}

#[tokio::test]
async fn numbers_do_not_change_from_version_to_version() {
    let bench = Bench::new();
    let file = bench.file(&guests::guest(IMPORTS, LOOK));
    // A journal replays with the numbers that it was made with, so they are part of the format.
    let golden = [16110733488981808260, 6607663258982160942, 13737049618060753196];
    assert_eq!(look(&bench, &file, [1; 32]).await[..3], golden);
}

const PRINT: &str = r#"(module
    (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    ;;PRELUDE
    (data (i32.const 64) "hello\nworld")
    (func (export "run") (param i32 i32) (result i32)
        BODY
        (call $ok (local.get 0) (local.get 1))))"#;

fn printing(bench: &Bench, body: &str) -> ComponentFile {
    let items = "include org-ai:function/code@0.1.0; import wasi:cli/stdout@0.2.12; import wasi:io/streams@0.2.12;";
    bench.file(&guests::guest(items, &PRINT.replace("BODY", body)))
}

#[tokio::test]
async fn what_a_guest_prints_is_its_log_line_by_line() {
    let bench = Bench::new();
    let file = printing(&bench, "(call $write (call $stdout) (i32.const 64) (i32.const 11) (i32.const 512))");
    let host = TestHost::default();
    let outcome = bench.engine.run(job(&file, "1"), Box::new(host.clone())).await;
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert_eq!(host.lines(), [(LogStream::Stdout, "hello".to_owned()), (LogStream::Stdout, "world".to_owned())]);
}

#[tokio::test]
async fn printing_without_end_ends_and_keeps_its_first_lines() {
    let bench = Bench::new();
    let body = "(loop $again (call $write (call $stdout) (i32.const 64) (i32.const 6) (i32.const 512)) (br $again))";
    let file = printing(&bench, body);
    let host = TestHost::default();
    let mut job = job(&file, "1");
    job.limits.log_bytes_max = 60;
    job.limits.cpu = Duration::from_millis(100);
    let outcome = bench.engine.run(job, Box::new(host.clone())).await;
    assert!(["CPU_LIMIT", "TRAP"].contains(&fault(&outcome).code.as_str()), "{outcome:?}");
    assert_eq!(outcome.usage.log_bytes, 60);
    assert_eq!(host.lines().len(), 11);
    assert!(host.lines()[10].1.contains("dropped"));
    bench.serves().await;
}

const PREOPENS: &str = r#"(module
    (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $dirs (param i32)))
    (import "wasi:filesystem/types@0.2.12" "[method]descriptor.open-at" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi:filesystem/types@0.2.12" "[method]descriptor.write" (func $write (param i32 i32 i32 i64 i32)))
    ;;PRELUDE
    (data (i32.const 64) "file")
    (func $count (result i32) (call $dirs (i32.const 128)) (i32.load (i32.const 132)))
    (func (export "run") (param i32 i32) (result i32)
        BODY
        (i32.store8 (i32.const 72) (i32.add (i32.const 48) (call $count)))
        (call $ok (i32.const 72) (i32.const 1))))"#;

fn filing(bench: &Bench, body: &str) -> ComponentFile {
    let items = "include org-ai:function/code@0.1.0; import wasi:filesystem/preopens@0.2.12;
        import wasi:filesystem/types@0.2.12;";
    bench.file(&guests::guest(items, &PREOPENS.replace("BODY", body)))
}

#[tokio::test]
async fn a_guest_has_no_files_but_those_of_its_manifest() {
    let bench = Bench::new();
    let file = filing(&bench, "");
    assert_eq!(bench.run(job(&file, "1")).await.result.unwrap().as_str(), "0");
    let assets = tempfile::tempdir().unwrap();
    let manifest = Manifest { tmp: true, assets: Some(file.hash), ..Manifest::default() };
    let with = Job { manifest: Arc::new(manifest), assets: Some(assets.path().to_owned()), ..job(&file, "1") };
    assert_eq!(bench.run(with).await.result.unwrap().as_str(), "2");
}

/// Opens `file` (created) in the first folder and writes a megabyte to it, `$times` times.
const WRITE: &str = r#"(drop (memory.grow (i32.const 20))) (call $dirs (i32.const 128))
    (call $open (i32.load (i32.load (i32.const 128))) (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 1)
        (i32.const 2) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then unreachable))
    (loop $again
        (call $write (i32.load (i32.const 260)) (i32.const 131072) (i32.const 1000000) (local.get $at) (i32.const 288))
        (local.set $at (i64.add (local.get $at) (i64.const 1000000)))
        (br_if $again (i64.lt_u (local.get $at) (i64.const LIMIT))))"#;

fn writing(bench: &Bench, limit: &str) -> ComponentFile {
    filing(bench, &format!("(local $at i64) {}", WRITE.replace("LIMIT", limit)))
}

#[tokio::test]
async fn tmp_is_private_to_a_run_and_gone_afterwards() {
    let tmp = tempfile::tempdir().unwrap();
    let bench = Bench::with(|config| config.tmp_dir = tmp.path().to_owned());
    let manifest = Arc::new(Manifest { tmp: true, ..Manifest::default() });
    let writing = Job { manifest, ..job(&writing(&bench, "1"), "1") };
    let outcome = bench.run(writing).await;
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn tmp_is_limited() {
    let bench = Bench::new();
    let manifest = Arc::new(Manifest { tmp: true, ..Manifest::default() });
    let mut writing = Job { manifest, ..job(&writing(&bench, "1000000000000"), "1") };
    writing.limits.tmp_bytes_max = 3 << 20;
    let outcome = bench.run(writing).await;
    assert_eq!(fault(&outcome).code, "TMP_LIMIT");
    bench.serves().await;
}

#[tokio::test]
async fn assets_can_be_read_but_not_written() {
    let bench = Bench::new();
    let file = writing(&bench, "1");
    let assets = tempfile::tempdir().unwrap();
    let manifest = Arc::new(Manifest { assets: Some(file.hash), ..Manifest::default() });
    let writing = Job { manifest, assets: Some(assets.path().to_owned()), ..job(&file, "1") };
    assert_eq!(fault(&bench.run(writing).await).code, "TRAP");
    assert_eq!(std::fs::read_dir(assets.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn files_have_times_unless_the_run_is_durable() {
    let bench = Bench::new();
    // Of the folder, by itself and by its name; a failure would leave no answer to look at.
    let body = r#"(call $dirs (i32.const 128))
        (call $stat (i32.load (i32.load (i32.const 128))) (i32.const 256))
        (call $stat_at (i32.load (i32.load (i32.const 128))) (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 512))
        (if (i32.or (i32.load8_u (i32.const 256)) (i32.load8_u (i32.const 512))) (then unreachable))
        (i32.store8 (i32.const 72) (i32.add (i32.const 48) (i32.add
            (i32.add (i32.add (i32.load8_u (i32.const 288)) (i32.load8_u (i32.const 312))) (i32.load8_u (i32.const 336)))
            (i32.add (i32.add (i32.load8_u (i32.const 544)) (i32.load8_u (i32.const 568))) (i32.load8_u (i32.const 592))))))"#;
    let core = PREOPENS
        .replace("BODY", body)
        .replace("(i32.store8 (i32.const 72) (i32.add (i32.const 48) (call $count)))", "")
        .replace("\"file\"", "\".\"")
        .replace(
            ";;PRELUDE",
            r#"(import "wasi:filesystem/types@0.2.12" "[method]descriptor.stat" (func $stat (param i32 i32)))
            (import "wasi:filesystem/types@0.2.12" "[method]descriptor.stat-at" (func $stat_at (param i32 i32 i32 i32 i32)))
            ;;PRELUDE"#,
        );
    let items = "include org-ai:function/code@0.1.0; import wasi:filesystem/preopens@0.2.12;
        import wasi:filesystem/types@0.2.12;";
    let job = job(&bench.file(&guests::guest(items, &core)), "1");
    let job = Job { manifest: Arc::new(Manifest { tmp: true, ..Manifest::default() }), ..job };
    assert_eq!(bench.run(job.clone()).await.result.unwrap().as_str(), "6");
    let durable = bench.engine.run(job, Box::new(journal::JournalHost::new())).await;
    assert_eq!(durable.result.unwrap().as_str(), "0");
}
