//! Lines, their limits, and what a fault shows of them.

use super::*;
use crate::log::{LINE_BYTES_MAX, Log};

fn lines(log: &Log) -> Vec<(LogStream, String)> {
    log.finish();
    log.take()
}

#[test]
fn streams_are_cut_into_lines_and_the_rest_comes_at_the_end() {
    let log = Log::new(1000);
    log.write(LogStream::Stdout, b"a\r\nb");
    log.write(LogStream::Stderr, b"x\n\n");
    log.write(LogStream::Stdout, b"c\nd");
    let expected = [
        (LogStream::Stdout, "a"),
        (LogStream::Stderr, "x"),
        (LogStream::Stderr, ""),
        (LogStream::Stdout, "bc"),
        (LogStream::Stdout, "d"),
    ];
    assert_eq!(lines(&log), expected.map(|(stream, line)| (stream, line.to_owned())));
}

#[test]
fn a_long_line_is_split_and_one_of_exactly_the_maximum_is_not() {
    let log = Log::new(1 << 20);
    log.write(LogStream::Stdout, &[b'x'; LINE_BYTES_MAX]);
    log.write(LogStream::Stdout, b"\n");
    log.write(LogStream::Stdout, &[b'y'; LINE_BYTES_MAX + 1]);
    let lengths: Vec<_> = lines(&log).iter().map(|(_, line)| line.len()).collect();
    assert_eq!(lengths, [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]);
}

#[test]
fn what_is_over_the_limit_is_dropped_and_said_once() {
    let log = Log::new(10);
    for _ in 0..1000 {
        log.write(LogStream::Stdout, b"12345\n");
    }
    log.message(LogStream::Info, "more");
    let lines = lines(&log);
    assert_eq!(lines.len(), 2);
    assert!(lines[1].1.contains("may write 10 bytes"), "{lines:?}");
    assert_eq!(log.bytes(), 6);
}

#[test]
fn what_is_not_utf8_is_shown_as_far_as_it_goes() {
    let log = Log::new(100);
    log.write(LogStream::Stdout, b"a\xffb\n");
    assert_eq!(lines(&log)[0].1, "a\u{fffd}b");
}

const LOG: &str = r#"(module (import "org-ai:context/context@0.1.0" "log" (func $log (param i32 i32 i32)))
    ;;PRELUDE
    (data (i32.const 64) "about to fail")
    (func (export "run") (param i32 i32) (result i32)
        (call $log (i32.const 2) (i32.const 64) (i32.const 13)) unreachable))"#;

#[tokio::test]
async fn a_guests_log_reaches_its_host_and_its_fault() {
    let bench = Bench::new();
    let host = TestHost::default();
    let outcome = bench.engine.run(job(&bench.code(LOG), "1"), Box::new(host.clone())).await;
    assert_eq!(host.lines(), [(LogStream::Warn, "about to fail".to_owned())]);
    let details = fault(&outcome).details.as_ref().unwrap().to_value();
    assert_eq!(details["log"][0], "about to fail");
    assert_eq!(outcome.usage.log_bytes, 14);
}
