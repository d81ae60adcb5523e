//! The real server, killed at random in the middle of durable work, and a checker of what is left.
//!
//! Clients book with `do` over HTTP, each booking under a key of its own, and ask again under the same key when their
//! connection breaks. The server dies by SIGKILL again and again. What must hold when it is quiet:
//! - every booking that anybody was told of, or asked for, came to its result, the same however often it was asked for;
//! - every account counts exactly the bookings on it, in the function's own turn and in the one it called with `do`;
//! - each booking has its steps once, in order, all answered, and one event of its own;
//! - the one step that reaches outside of the journal (`try`) was performed at least once, and again only after a kill;
//! - each action ended with exactly one event, and the sequence of events has no gap.
//!
//! 10 kills here; `SLOW_TESTS=1` makes it [`KILLS_SLOW`], and prints the seed and what was counted.

use crate::guests::guest;
use crate::server::Server;
use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const KILLS: u32 = 10;
const KILLS_SLOW: u32 = 220;
/// Clients that book at the same time.
const CLIENTS: usize = 6;
const ACCOUNTS: usize = 3;
/// A server lives so long at least, so that what it found can go on; and at most.
const LIFE_MS: std::ops::Range<u64> = 150..600;
/// After the last kill everything must be over by then.
const QUIET_WITHIN: Duration = Duration::from_secs(60);

/// Where the server is now; None while there is none.
type Where = watch::Receiver<Option<(String, String)>>;

/// One booking, as its client knows it.
#[derive(Clone, Debug)]
struct Booking {
    id: String,
    account: String,
    action: String,
    result: Value,
    /// Requests that broke off before the one that was answered.
    broken: u32,
}

async fn book(http: &reqwest::Client, here: &mut Where, id: String, account: String, wait: u64) -> Booking {
    let body = json!({ "input": { "id": id, "account": account, "wait_ms": wait }, "options": { "durability": "do" } });
    let mut broken = 0;
    loop {
        let place = here.wait_for(Option::is_some).await.ok().and_then(|place| place.clone());
        let (url, key) = place.expect("whoever kills outlives the clients");
        let request = http.post(format!("{url}/api/actions/ledger")).bearer_auth(&key).header("idempotency-key", &id);
        match crate::server::answer(request.json(&body)).await {
            Ok(told) if told.status == 200 => {
                let action = told.body["actionId"].as_str().unwrap_or_default().to_owned();
                return Booking { id, account, action, result: told.body["result"].clone(), broken };
            }
            // What is refused is refused for ever, but for a server that has just begun, or is at its end.
            Ok(told) if !matches!(told.status, 429 | 500 | 503) => panic!("{id}: {}", told.body),
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(_) => {
                broken += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn client(n: usize, mut here: Where, mut stop: watch::Receiver<bool>, seed: u64) -> Vec<Booking> {
    let http = reqwest::Client::new();
    let mut random = StdRng::seed_from_u64(seed + n as u64);
    let mut booked = Vec::new();
    while !*stop.borrow_and_update() {
        let account = format!("a{}", random.random_range(0..ACCOUNTS));
        let wait = if random.random_range(0..3) == 0 { random.random_range(1..400) } else { 0 };
        booked.push(book(&http, &mut here, format!("b{n}-{}", booked.len()), account, wait).await);
    }
    booked
}

/// Kills the server so often while clients book; the server that is left, and what the clients were told.
async fn kill_again_and_again(kills: u32, seed: u64) -> anyhow::Result<(Server, Vec<Booking>)> {
    let mut server = Server::start()?;
    for name in ["counter", "journal", "ledger"] {
        server.deploy(name, guest(name)?).await?.expect(201);
    }
    let (tell, here) = watch::channel(Some((server.url.clone(), server.key.clone())));
    let (stop, stopped) = watch::channel(false);
    let clients: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(client(n, here.clone(), stopped.clone(), seed))).collect();
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        server.kill();
        tell.send_replace(None);
        server = server.crash_and_restart(&[])?;
        tell.send_replace(Some((server.url.clone(), server.key.clone())));
    }
    stop.send_replace(true);
    let mut booked = Vec::new();
    for client in clients {
        booked.extend(tokio::time::timeout(QUIET_WITHIN, client).await.context("a booking is not answered")??);
    }
    Ok((server, booked))
}

/// All rows of a list that comes in pages.
async fn all(server: &Server, path: &str, place: &str) -> anyhow::Result<Vec<Value>> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let next = cursor.map(|c| format!("&{place}={c}")).unwrap_or_default();
        let page = server.get(&format!("{path}{next}")).await?.expect(200).body;
        found.extend(page["data"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(found),
        }
    }
}

/// Waits until nothing is unfinished.
async fn quiet(server: &Server) -> anyhow::Result<Vec<Value>> {
    let began = Instant::now();
    loop {
        let invocations = all(server, "/api/invocations?limit=100", "cursor").await?;
        let open: Vec<_> = invocations.iter().filter(|i| i["completedAt"].is_null()).collect();
        if open.is_empty() {
            return Ok(invocations);
        }
        ensure!(began.elapsed() < QUIET_WITHIN, "not over: {open:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What was counted, for a person.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Counted {
    bookings: usize,
    broken: u32,
    invocations: usize,
    events: usize,
    tried_again: usize,
}

async fn check(server: &Server, booked: &[Booking]) -> anyhow::Result<Counted> {
    let invocations = quiet(server).await?;
    let events = all(server, "/api/events?limit=100", "after").await?;
    check_events(&events, &invocations)?;
    let mut counted = Counted {
        bookings: booked.len(),
        broken: booked.iter().map(|b| b.broken).sum(),
        invocations: invocations.len(),
        events: events.len(),
        tried_again: 0,
    };
    for i in &invocations {
        ensure!(i["status"] == "completed", "{i}");
    }
    let of = |name: &str| invocations.iter().filter(|i| i["name"] == name).count();
    ensure!(of("ledger") == booked.len(), "{} runs of {} bookings", of("ledger"), booked.len());
    ensure!(of("counter") == booked.len(), "{} children of {} bookings", of("counter"), booked.len());
    let said = Said::of(&events);
    let mut told_of = BTreeSet::new();
    for booking in booked {
        ensure!(told_of.insert(&booking.action), "two bookings are one: {booking:?}");
        counted.tried_again += check_booking(server, booking, &said).await?;
    }
    check_accounts(server, booked).await?;
    Ok(counted)
}

/// How often each booking was said, and each try performed: counted once, since there are tens of thousands of events.
struct Said<'a> {
    booked: BTreeMap<&'a str, usize>,
    written: BTreeMap<&'a str, usize>,
}

impl<'a> Said<'a> {
    fn of(events: &'a [Value]) -> Self {
        let mut said = Self { booked: BTreeMap::new(), written: BTreeMap::new() };
        for event in events {
            let (counts, id) = match event["verb"].as_str() {
                Some("booked") => (&mut said.booked, &event["data"]["id"]),
                Some("written") => (&mut said.written, &event["data"]["text"]),
                _ => continue,
            };
            *counts.entry(id.as_str().unwrap_or_default()).or_default() += 1;
        }
        said
    }
}

/// Its steps, its events; how often its `try` was performed once more.
async fn check_booking(server: &Server, booking: &Booking, said: &Said<'_>) -> anyhow::Result<usize> {
    let shown = server.get(&format!("/api/invocations/{}", booking.action)).await?.expect(200).body;
    ensure!(shown["output"] == booking.result, "told {} and has {}", booking.result, shown["output"]);
    let steps: Vec<_> = shown["steps"].as_array().into_iter().flatten().collect();
    let mut expected = vec!["things.get", "things.put", "actions.do", "timers.sleep", "actions.try", "events.emit"];
    if shown["input"]["wait_ms"] == 0 {
        expected.remove(3);
    }
    let names: Vec<_> = steps.iter().map(|s| s["name"].as_str().unwrap_or_default()).collect();
    ensure!(names == expected, "{booking:?}: {names:?}");
    ensure!(steps.iter().enumerate().all(|(n, s)| s["ordinal"] == n), "{steps:?}");
    ensure!(
        steps.iter().all(|s| s["state"] == "answered" || (s["ordinal"] == 0 && s["state"] == "failed")),
        "{steps:?}"
    );
    let count = |of: &BTreeMap<&str, usize>| of.get(booking.id.as_str()).copied().unwrap_or(0);
    let (booked, tried) = (count(&said.booked), count(&said.written));
    ensure!(booked == 1, "{booking:?} was said {booked} times");
    ensure!(tried >= 1, "{booking:?}: its try was not performed");
    ensure!(tried <= 1 + booking.broken as usize, "{booking:?}: its try was performed {tried} times");
    Ok(tried - 1)
}

async fn check_accounts(server: &Server, booked: &[Booking]) -> anyhow::Result<()> {
    let mut expected = BTreeMap::<&str, u64>::new();
    for booking in booked {
        *expected.entry(&booking.account).or_default() += 1;
    }
    for (account, count) in expected {
        for path in [format!("/api/Account/{account}"), format!("/api/Counter/inner-{account}")] {
            let thing = server.get(&path).await?.expect(200).body;
            ensure!(thing["data"]["count"] == count, "{path}: {thing} after {count} bookings");
        }
        // No two bookings saw the same count: each was a turn of its own.
        let seen: BTreeSet<_> =
            booked.iter().filter(|b| b.account == account).map(|b| b.result["local"].as_u64()).collect();
        ensure!(seen.len() as u64 == count, "{account}: {seen:?}");
    }
    Ok(())
}

/// No gap in their order, and one end for each invocation.
fn check_events(events: &[Value], invocations: &[Value]) -> anyhow::Result<()> {
    let mut numbers: Vec<_> = events.iter().filter_map(|e| e["sequence"].as_u64()).collect();
    numbers.sort_unstable();
    ensure!(numbers.iter().zip(1..).all(|(found, n)| *found == n), "the sequence has a gap");
    let mut ends = BTreeMap::<&str, u32>::new();
    for event in events {
        if matches!(event["verb"].as_str(), Some("completed" | "failed" | "cancelled")) {
            *ends.entry(event["actionId"].as_str().unwrap_or_default()).or_default() += 1;
        }
    }
    for i in invocations {
        let found = ends.get(i["id"].as_str().unwrap_or_default()).copied().unwrap_or(0);
        ensure!(found == 1, "{found} ends of {i}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bookings_happen_once_however_often_the_server_is_killed() -> anyhow::Result<()> {
    let is_slow = std::env::var_os("SLOW_TESTS").is_some();
    let kills = if is_slow { KILLS_SLOW } else { KILLS };
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    let began = Instant::now();
    let (server, booked) = kill_again_and_again(kills, seed).await?;
    if is_slow {
        println!("seed {seed}: {kills} kills and {} bookings in {:?}", booked.len(), began.elapsed());
    }
    let counted = check(&server, &booked).await.with_context(|| format!("SEED={seed}, {kills} kills"))?;
    println!("seed {seed}: {kills} kills in {:?}: {counted:?}", began.elapsed());
    ensure!(counted.bookings > 0, "the clients booked nothing");
    Ok(())
}
