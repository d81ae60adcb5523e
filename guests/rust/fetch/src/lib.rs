//! fetch: gets a URL that the manifest allows, with a token that this code never sees, and says what came back.
//! Input: `{"url": "https://example.com/"}`.

use org_ai::http::Request;
use org_ai::{Fault, context, events};
use serde::{Deserialize, Serialize};

const EXCERPT_CHARS: usize = 1_000;

#[derive(Deserialize)]
struct Input {
    url: String,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Serialize)]
struct Fetched {
    status: u16,
    bytes: usize,
    content_type: Option<String>,
    excerpt: String,
}

fn fetch(input: Input) -> Result<Fetched, Fault> {
    let request = match input.body {
        Some(body) => Request::post(&input.url, body),
        None => Request::get(&input.url),
    };
    let response = request.header("authorization", "Bearer {{secret:TOKEN}}").send()?;
    println!("{} answered {}", input.url, response.status);
    let content_type = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let fetched = Fetched {
        status: response.status,
        bytes: response.body.len(),
        content_type: content_type.map(|(_, value)| String::from_utf8_lossy(value).into_owned()),
        excerpt: response.text().chars().take(EXCERPT_CHARS).collect(),
    };
    events::emit("Page.fetched", &serde_json::json!({"url": input.url, "status": fetched.status}), None)?;
    context::info(format!("{} bytes", fetched.bytes));
    Ok(fetched)
}

org_ai::export_code!(fetch);
