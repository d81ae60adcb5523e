//! Parts of outgoing HTTP that need no network.

use crate::http::{Scrubber, TestRule, TestTarget, check_address};
use types::AllowedHost;

#[test]
fn addresses_that_are_not_public_are_refused_however_they_are_written() {
    for ip in [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "0.1.2.3",
        "192.0.0.8",
        "198.18.0.1",
        "240.0.0.1",
        "::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001::1",
        "64:ff9b:1::1",
        "2001:db8::1",
        "::ffff:0:127.0.0.1",
    ] {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        assert!(check_address(ip, false, true).is_err(), "{ip} without the rule's consent");
        assert!(check_address(ip, true, false).is_err(), "{ip} without the server's consent");
        assert!(check_address(ip, true, true).is_ok(), "{ip} with both");
    }
    for ip in [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ] {
        assert!(check_address(ip.parse().unwrap(), true, true).is_err(), "{ip} is never reached");
    }
    for ip in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101"] {
        assert!(check_address(ip.parse().unwrap(), false, false).is_ok(), "{ip}");
    }
}

fn allows(rule: &str, methods: &[&str], method: &str, url: &str) -> bool {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    let request = ::http::Request::builder().method(method).uri(url).body(()).unwrap();
    let target = TestTarget::of(&request);
    let rule = TestRule::of(&AllowedHost { url: rule.into(), methods, private: false });
    rule.zip(target).is_some_and(|(rule, target)| rule.allows(&target))
}

#[test]
fn a_rule_allows_its_scheme_host_port_and_method_and_nothing_else() {
    let rule = "https://api.example.com";
    assert!(allows(rule, &[], "GET", "https://api.example.com/x?y"));
    assert!(allows(rule, &["get"], "GET", "https://API.example.com:443/"));
    assert!(allows(rule, &[], "GET", "https://api.example.com./"));
    assert!(!allows(rule, &["POST"], "GET", "https://api.example.com/"));
    assert!(!allows(rule, &[], "GET", "http://api.example.com/"));
    assert!(!allows(rule, &[], "GET", "https://api.example.com:8443/"));
    assert!(!allows(rule, &[], "GET", "https://example.com/"));
    assert!(!allows(rule, &[], "GET", "https://api.example.com.evil.test/"));
    assert!(!allows(rule, &[], "GET", "https://api.example.com@evil.test/"));
    assert!(!allows(rule, &[], "GET", "https://evil.test@api.example.com/"));
}

#[test]
fn a_star_stands_for_one_or_more_labels() {
    let rule = "https://*.example.com";
    assert!(allows(rule, &[], "GET", "https://a.example.com/"));
    assert!(allows(rule, &[], "GET", "https://a.b.example.com/"));
    assert!(!allows(rule, &[], "GET", "https://example.com/"));
    assert!(!allows(rule, &[], "GET", "https://badexample.com/"));
    assert!(!allows("https://*", &[], "GET", "https://example.com/"));
    assert!(!allows("https://a.*.com", &[], "GET", "https://a.b.com/"));
    assert!(!allows("example.com", &[], "GET", "https://example.com/"));
}

fn scrub(chunks: &[&str]) -> String {
    let secrets = [("KEY", "hunter2"), ("LONG", "hunter2000"), ("SHORT", "abc")];
    let mut scrubber = Scrubber::new(secrets.into_iter()).unwrap();
    let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| scrubber.push(chunk.as_bytes())).collect();
    out.extend(scrubber.finish());
    String::from_utf8(out).unwrap()
}

#[test]
fn a_secret_is_scrubbed_however_it_is_cut() {
    let text = "a hunter2 hunter2000 huntehunter2 hunter abc";
    let clean = "a {{secret:KEY}} {{secret:LONG}} hunte{{secret:KEY}} hunter abc";
    assert_eq!(scrub(&[text]), clean);
    for cut in 0..text.len() {
        let (a, b) = text.split_at(cut);
        // What arrived of the longer one decides: "hunter2" may still become "hunter2000".
        assert_eq!(scrub(&[a, b]), clean, "cut at {cut}");
    }
    let letters: Vec<_> = text.split("").collect();
    assert_eq!(scrub(&letters), clean);
}
