//! journal: keeps an entry as the event `Entry.written`, durable before its caller hears of it. Input: `{"text": "…"}`.

use org_ai::{Fault, events};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Entry {
    text: String,
}

#[derive(Serialize)]
struct Written {
    characters: usize,
}

fn journal(entry: Entry) -> Result<Written, Fault> {
    events::emit("Entry.written", &entry, None)?;
    Ok(Written { characters: entry.text.chars().count() })
}

org_ai::export_code!(journal);
