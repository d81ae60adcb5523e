//! onboarding: an app. It keeps a list of the customers that signed up, counts them each morning, and has a workflow that
//! greets one, waits, and looks whether they came back. Input of the workflow: `{"url": "https://example.com/", "days": 3}`.

use org_ai::app::App;
use org_ai::http::Request;
use org_ai::{Fault, actions, events, things};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn onboarding() -> App {
    App::new()
        .on("Customer.created", "remember", remember)
        .on("Customer.deleted", "forget", forget)
        .with("maxRetries", 2)
        .every("every day at 7:30am", "count", count)
        .with("timezone", "Europe/Berlin")
        .function("greeting", greeting)
        .workflow("welcome", welcome)
}

org_ai::export_app!(onboarding);

#[derive(Default, Deserialize, Serialize)]
struct List {
    sources: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    source: Option<String>,
}

/// What it appends is durable with the delivery of the event, so an event is on the list once.
fn remember(event: Event) -> Result<usize, Fault> {
    let at = things::at("Signups", "all");
    let mut list = things::find::<List>(&at)?.map(|thing| thing.data).unwrap_or_default();
    list.sources.push(event.source.unwrap_or_default());
    things::put::<List>(&at, &list, None)?;
    Ok(list.sources.len())
}

/// Always fails: what becomes of an event that cannot be handled is the host's to show.
fn forget(_event: Value) -> Result<(), Fault> {
    Err(Fault::failed("NOT_FORGOTTEN", "nobody is forgotten here"))
}

fn count(_tick: Value) -> Result<(), Fault> {
    let list = things::find::<List>(&things::at("Signups", "all"))?.map(|thing| thing.data).unwrap_or_default();
    events::emit("Signups.counted", &json!({ "count": list.sources.len() }), None)
}

#[derive(Deserialize, Serialize)]
struct Name {
    name: String,
}

fn greeting(to: Name) -> Result<String, Fault> {
    Ok(format!("Welcome, {}!", to.name))
}

#[derive(Deserialize)]
struct Welcome {
    url: String,
    #[serde(default)]
    days: u32,
}

#[derive(Serialize)]
struct Welcomed {
    greeted: String,
    seconds: u64,
    status: u16,
    answer: String,
}

/// Nothing here speaks of durability: a sleep of days, a call and a request are what they look like.
fn welcome(input: Welcome) -> Result<Welcomed, Fault> {
    let began = SystemTime::now();
    let greeting = actions::start("greeting", &Name { name: "you".to_owned() })?;
    let greeted = actions::join(&greeting)?;
    sleep(DAY * input.days);
    let response = Request::get(&input.url).send()?;
    let seconds = began.elapsed().unwrap_or_default().as_secs();
    Ok(Welcomed { greeted, seconds, status: response.status, answer: response.text() })
}
