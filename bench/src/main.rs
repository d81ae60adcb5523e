//! `make bench`: the figures of the platform's bars, each as a ratio to a baseline measured in the same run.
//!
//! In-process figures come from criterion (`host/engine/benches`); this program measures what needs a server. Rounds of
//! ours and of the peer alternate, so that what else the machine does hits both.

mod agent;
mod durable;
mod inside;
mod load;
mod people;
mod process;
mod raw;
mod rows;
mod things;
mod waiting;

use anyhow::Context;

/// One line of the table.
pub struct Row {
    pub figure: &'static str,
    pub ours: String,
    pub baseline: String,
    pub ratio: f64,
    pub bar: &'static str,
    pub met: bool,
    pub n: usize,
}

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.first().is_some_and(|w| w == "serve-hello") {
        return things::serve_hello();
    }
    // One thread for load: it takes of the machine what it needs, and what it measures has the rest.
    let load = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Vec::new();
    let outside = rows::ALL
        .iter()
        .chain(things::ALL)
        .chain(durable::ALL)
        .chain(waiting::ALL)
        .chain(people::ALL)
        .map(|row| (&load, row));
    for (runtime, (name, measure)) in outside.chain(inside::ALL.iter().chain(agent::ALL).map(|row| (&inside, row))) {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        eprintln!("measuring: {name} …");
        match runtime.block_on(measure()).with_context(|| (*name).to_owned()) {
            Ok(rows) => table.extend(rows),
            Err(error) => eprintln!("  {error:#}"),
        }
    }
    println!("\n| figure | ours | baseline | ratio | bar | met | n |\n|---|---|---|---|---|---|---|");
    for row in &table {
        let met = if row.met { "yes" } else { "**no**" };
        println!(
            "| {} | {} | {} | {:.2} | {} | {met} | {} |",
            row.figure, row.ours, row.baseline, row.ratio, row.bar, row.n
        );
    }
    Ok(())
}
