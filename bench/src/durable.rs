//! Durable functions: ours beside Restate, in alternating rounds; syncs for each call.

use crate::Row;
use crate::load::{Request, load_each};
use crate::process::{Ours, Restate};
use crate::rows::{Measure, ROUNDS, SECONDS, guest, median, namespace, register, spread};
use std::time::Duration;
use tempfile::TempDir;

pub const ALL: &[(&str, Measure)] = &[("durable", || Box::pin(durable())), ("durable-syncs", || Box::pin(syncs()))];

pub const OBJECTS: usize = 64;

fn body(steps: u32) -> String {
    format!(r#"{{"input":{{"steps":{steps}}},"options":{{"durability":"do"}}}}"#)
}

fn over(ours: &[f64], base: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(base).map(|(o, b)| o / b).collect();
    median(&ratios)
}

pub async fn serving() -> anyhow::Result<(TempDir, Ours)> {
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    ours.deploy("steps", &guest("steps"))?;
    register(&ours, OBJECTS).await?;
    Ok((dir, ours))
}

/// One step with 64 clients over 64 objects, three steps with one client.
async fn durable() -> anyhow::Result<Vec<Row>> {
    let (_dir, ours) = serving().await?;
    let many: Vec<_> =
        (0..OBJECTS).map(|n| ours.request("POST", "/api/actions/steps", Some(&namespace(n)), &body(1))).collect();
    let one = [ours.request("POST", "/api/actions/steps", Some(&namespace(0)), &body(3))];
    let peer = Restate::start().await?;
    let theirs = |handler: &str| Request::new(&peer.address, "POST", &format!("/steps/{handler}"), &[], "{}");
    let (their_many, their_one) = ([theirs("one")], [theirs("three")]);
    let (mut own, mut base, mut own_p50, mut base_p50) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(load_each(&many, 64, SECONDS).await?.per_second);
        base.push(load_each(&their_many, 64, SECONDS).await?.per_second);
        own_p50.push(load_each(&one, 1, SECONDS).await?.p50_us / 1000.0);
        base_p50.push(load_each(&their_one, 1, SECONDS).await?.p50_us / 1000.0);
    }
    let (rate, latency) = (over(&own, &base), over(&own_p50, &base_p50));
    Ok(vec![
        Row {
            figure: "durable function with 1 step, 64 clients over 64 objects",
            ours: spread(&own, "/s", 0),
            baseline: format!("Restate {}", spread(&base, "/s", 0)),
            ratio: rate,
            bar: "≥ 8 (aim 15)",
            met: rate >= 8.0,
            n: ROUNDS,
        },
        Row {
            figure: "durable function with 3 steps, 1 client, p50",
            ours: spread(&own_p50, "ms", 2),
            baseline: format!("Restate {}", spread(&base_p50, "ms", 2)),
            ratio: latency,
            bar: "≤ 0.25",
            met: latency <= 0.25,
            n: ROUNDS,
        },
    ])
}

/// Syncs of the server for each durable call with three steps, counted by the kernel.
async fn syncs() -> anyhow::Result<Vec<Row>> {
    let (_dir, ours) = serving().await?;
    let mut rows = Vec::new();
    for (clients, bar, max) in [(1usize, "≤ 4", 4.0), (64, "< 0.5", 0.5)] {
        let requests: Vec<_> =
            (0..clients).map(|n| ours.request("POST", "/api/actions/steps", Some(&namespace(n)), &body(3))).collect();
        let counted = ours.process.count_syncs(Duration::from_secs(5))?;
        let seen = load_each(&requests, clients, Duration::from_secs(3)).await?;
        // The warm-up of a second counts as well: both go by the same counter.
        let calls = seen.per_second * 3.0;
        let each = counted.syncs_within(Duration::from_secs(3))? / calls;
        rows.push(Row {
            figure: if clients == 1 { "syncs for each durable call, 1 client" } else { "the same, 64 clients" },
            ours: format!("{each:.2}"),
            baseline: format!("{calls:.0} calls"),
            ratio: each,
            bar,
            met: each <= max,
            n: 1,
        });
    }
    Ok(rows)
}
