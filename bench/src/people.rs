//! What waits for people: how soon the inbox is there when it is full.

use crate::Row;
use crate::load::Connection;
use crate::process::Ours;
use crate::rows::{Measure, median, spread};
use anyhow::ensure;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

pub const ALL: &[(&str, Measure)] = &[("approvals", || Box::pin(approvals()))];

/// Pending at the same time.
const PENDING: usize = 10_000;
const CLIENTS: usize = 32;
/// Of each list.
const TIMES: usize = 50;

async fn call(ours: &Ours, method: &str, path: &str, body: &str, status: u16) -> anyhow::Result<()> {
    let asked = ours.request(method, path, None, body);
    let mut connection = Connection::open(&asked.address).await?;
    let answer = connection.call(&asked.bytes).await?;
    ensure!(answer.status == status, "{path}: {} {}", answer.status, answer.text());
    Ok(())
}

async fn approvals() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let ours = Arc::new(Ours::start(&dir.path().join("data"), None)?);
    for (id, body) in [("ann", r#"{"roles":["finance"]}"#), ("bob", "{}")] {
        call(&ours, "PUT", &format!("/api/Human/{id}"), body, 201).await?;
    }
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let ours = ours.clone();
        clients.spawn(async move {
            let mut connection = Connection::open(&ours.process.address).await?;
            for n in (client..PENDING).step_by(CLIENTS) {
                let (who, kind) = if n % 10 == 0 { ("Human/bob", "travel") } else { ("Human/ann", "invoice") };
                let body = format!(r#"{{"assignee":"{who}","type":"{kind}","description":"pay {n}?","amount":{n}}}"#);
                let asked = ours.request("POST", "/api/approvals", None, &body);
                let answer = connection.call(&asked.bytes).await?;
                ensure!(answer.status == 201, "{} {}", answer.status, answer.text());
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let mut rows = Vec::new();
    for (figure, filter) in [
        ("10,000 pending approvals: a page of 100", ""),
        ("the same, one person's", "&assignee=Human/bob"),
        ("the same, of one type", "&type=travel"),
        ("the same, one person's of one type", "&assignee=Human/ann&type=invoice"),
    ] {
        let asked = ours.request("GET", &format!("/api/approvals?status=pending&limit=100{filter}"), None, "");
        let mut connection = Connection::open(&asked.address).await?;
        let mut each_ms = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            let answer = connection.call(&asked.bytes).await?;
            ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
            let page: serde_json::Value = serde_json::from_slice(answer.body)?;
            ensure!(page["data"].as_array().is_some_and(|data| data.len() == 100), "{filter}: no full page");
            each_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        rows.push(Row {
            figure,
            ours: spread(&each_ms, " ms", 2),
            baseline: "bar 50 ms".to_owned(),
            ratio: median(&each_ms) / 50.0,
            bar: "≤ 1",
            met: median(&each_ms) <= 50.0,
            n: TIMES,
        });
    }
    Ok(rows)
}
