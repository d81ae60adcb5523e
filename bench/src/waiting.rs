//! What waits: invocations that sleep, what they cost meanwhile, how soon they go on, and what a killed server does with
//! all of them.

use crate::Row;
use crate::durable::{OBJECTS, serving};
use crate::load::{Connection, Request};
use crate::process::{Ours, first_answer};
use crate::rows::{Measure, guest, median, namespace, spread};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const ALL: &[(&str, Measure)] = &[
    ("replay", || Box::pin(replay())),
    ("sleepers", || Box::pin(sleepers())),
    ("unfinished", || Box::pin(unfinished())),
];

/// Milliseconds since 1970.
fn now() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

async fn sleep_until(due: u64) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_millis(due.saturating_sub(now()?))).await;
    Ok(())
}

/// Has so many invocations of a function accepted, each object the same number.
async fn accept(ours: &Ours, function: &str, input: &str, count: usize) -> anyhow::Result<()> {
    let body = format!(r#"{{"input":{input},"options":{{"durability":"do"}}}}"#);
    let path = format!("/api/actions/{function}");
    let mut clients = tokio::task::JoinSet::new();
    for lane in 0..OBJECTS.min(count) {
        let own = namespace(lane);
        let bearer = format!("Bearer {}", ours.key);
        let headers = [("authorization", bearer.as_str()), ("do-namespace", own.as_str()), ("prefer", "respond-async")];
        let request = Request::new(&ours.process.address, "POST", &path, &headers, &body);
        clients.spawn(async move {
            let mut connection = Connection::open(&request.address).await?;
            for _ in 0..count.div_ceil(OBJECTS) {
                let answer = connection.call(&request.bytes).await?;
                ensure!(answer.status == 202, "{} {}", answer.status, answer.text());
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

async fn get(ours: &Ours, path: &str, object: usize) -> anyhow::Result<Value> {
    let asked = ours.request("GET", path, Some(&namespace(object)), "");
    let mut connection = Connection::open(&asked.address).await?;
    let answer = connection.call(&asked.bytes).await?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
    serde_json::from_slice(answer.body).context("JSON")
}

/// Waits until no action of these objects runs.
async fn all_over(ours: &Ours, objects: usize, within: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    for object in 0..objects {
        while get(ours, "/api/actions-log?status=running&limit=1", object).await?["data"]
            .as_array()
            .is_none_or(|left| !left.is_empty())
        {
            ensure!(begun.elapsed() < within, "some are not over after {within:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

/// How many of an object's actions of a function completed, by their events.
async fn completed(ours: &Ours, function: &str, object: usize) -> anyhow::Result<usize> {
    let (mut found, mut after) = (0, String::new());
    loop {
        let page = get(ours, &format!("/api/events?limit=100{after}"), object).await?;
        let of = |event: &&Value| {
            let source = event["source"].as_str().unwrap_or_default();
            event["verb"] == "completed" && source.ends_with(&format!("/{function}"))
        };
        found += page["data"].as_array().into_iter().flatten().filter(of).count();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(found),
        }
    }
}

/// Runs of many steps that slept and go on: rows are read and the guest runs from its start, over recorded answers.
async fn replay() -> anyhow::Result<Vec<Row>> {
    const ROUNDS: usize = 5;
    const STEPS: u32 = 9_000;
    let (_dir, ours) = serving().await?;
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let due = now()? + 3_000;
        accept(&ours, "steps", &format!(r#"{{"steps":{STEPS},"untilMs":{due}}}"#), 1).await?;
        sleep_until(due).await?;
        let begun = Instant::now();
        while completed_last(&ours, "steps").await? < round {
            ensure!(begun.elapsed() < Duration::from_secs(30), "it does not go on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rates.push(f64::from(STEPS) / begun.elapsed().as_secs_f64());
    }
    let rate = median(&rates);
    Ok(vec![Row {
        figure: "recorded steps of one run that are replayed in a second, from its time to its end",
        ours: spread(&rates, "/s", 0),
        baseline: "–".to_owned(),
        ratio: rate,
        bar: "≥ 100,000",
        met: rate >= 100_000.0,
        n: ROUNDS,
    }])
}

/// How many of the first object's actions are over.
async fn completed_last(ours: &Ours, function: &str) -> anyhow::Result<usize> {
    let page = get(ours, "/api/actions-log?status=completed&limit=100", 0).await?;
    let target = format!("Function/{function}");
    Ok(page["data"].as_array().into_iter().flatten().filter(|a| a["target"] == target.as_str()).count())
}

/// Ten thousand invocations that sleep and are due in the same second; and what they cost in memory meanwhile.
async fn sleepers() -> anyhow::Result<Vec<Row>> {
    const SLEEPERS: usize = 10_000;
    let (_dir, ours) = serving().await?;
    ours.deploy("sleeper", &guest("sleeper"))?;
    let before = ours.process.private_kib()?;
    let due = now()? + 60_000;
    accept(&ours, "sleeper", &format!(r#"{{"untilMs":{due}}}"#), SLEEPERS).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let grown = ours.process.private_kib()?.saturating_sub(before);
    sleep_until(due).await?;
    let begun = Instant::now();
    all_over(&ours, OBJECTS, Duration::from_secs(60)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let each = SLEEPERS.div_ceil(OBJECTS);
    for object in 0..OBJECTS {
        let found = completed(&ours, "sleeper", object).await?;
        ensure!(found == each, "{found} ends of {each} sleepers in object {object}");
    }
    Ok(vec![Row {
        figure: "10,000 invocations that are due in the same second: all over, each once",
        ours: format!("{seconds:.2} s; {:.1} KiB each while they slept", grown as f64 / SLEEPERS as f64),
        baseline: "their time".to_owned(),
        ratio: seconds,
        bar: "≤ 2 s",
        met: seconds <= 2.0,
        n: SLEEPERS,
    }])
}

/// A hundred thousand invocations that sleep: their memory; a kill; how soon the server serves; and again with all of
/// them due while it was dead.
async fn unfinished() -> anyhow::Result<Vec<Row>> {
    const SLEEPERS: usize = 100_000;
    let (dir, mut ours) = serving().await?;
    let data = dir.path().join("data");
    ours.deploy("sleeper", &guest("sleeper"))?;
    let (before, began) = (ours.process.private_kib()?, now()?);
    let due = began + 150_000;
    accept(&ours, "sleeper", &format!(r#"{{"untilMs":{due}}}"#), SLEEPERS).await?;
    ensure!(now()? < due - 60_000, "accepting them took {} ms", now()? - began);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let grown = ours.process.private_kib()?.saturating_sub(before);
    let mut serving_after = Vec::new();
    let mut restart = async |ours: Ours| -> anyhow::Result<Ours> {
        let key = ours.key.clone();
        ours.process.kill()?;
        // What is due meanwhile is due at once.
        if serving_after.len() == 1 {
            sleep_until(due + 1_000).await?;
        }
        let begun = Instant::now();
        let ours = Ours::start(&data, Some(&key))?;
        let [once, durably] = ["try", "do"].map(|durability| {
            let body = format!(r#"{{"input":{{"steps":1}},"options":{{"durability":"{durability}"}}}}"#);
            ours.request("POST", "/api/actions/steps", Some(&namespace(0)), &body)
        });
        let once = first_answer(&once, begun).await?.as_secs_f64();
        serving_after.push((once, first_answer(&durably, begun).await?.as_secs_f64()));
        Ok(ours)
    };
    ours = restart(ours).await?;
    ours = restart(ours).await?;
    let begun = Instant::now();
    all_over(&ours, OBJECTS, Duration::from_secs(300)).await?;
    let over = begun.elapsed().as_secs_f64();
    let each = SLEEPERS.div_ceil(OBJECTS);
    for object in 0..OBJECTS {
        let found = completed(&ours, "sleeper", object).await?;
        ensure!(found == each, "{found} ends of {each} sleepers in object {object}");
    }
    let row = |figure, ours, ratio: f64, bar, met| Row {
        figure,
        ours,
        baseline: "–".to_owned(),
        ratio,
        bar,
        met,
        n: SLEEPERS,
    };
    let said =
        |(once, durably): (f64, f64)| format!("{once:.2} s; {durably:.2} s with `do`, behind those accepted before");
    let kib = grown as f64 / SLEEPERS as f64;
    let [asleep, due] = serving_after[..] else { anyhow::bail!("two restarts") };
    Ok(vec![
        row(
            "memory of each of 100,000 sleeping invocations",
            format!("{kib:.2} KiB"),
            kib,
            "rows, no memory",
            kib < 1.0,
        ),
        row(
            "first call to an object after a kill with 100,000 unfinished invocations, asleep",
            said(asleep),
            asleep.0,
            "≤ 2 s",
            asleep.0 <= 2.0,
        ),
        row(
            "the same with all of them due while the server was dead",
            format!("{}; all over {over:.1} s later, each once", said(due)),
            due.0,
            "≤ 2 s",
            due.0 <= 2.0,
        ),
    ])
}
