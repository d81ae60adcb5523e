//! What an agent keeps for later goals (spec AGT-5): things of noun `Memory`, `{agent, type, content}`, which it writes,
//! finds and deletes by tools, with the rights of whoever asked it.

use super::hands::Hands;
use serde_json::{Value, json};
use types::{Call, Fault, FaultKind, Json, ThingRef};
use workers::agent::MemoryTool;

pub(super) const NOUN: &str = "Memory";
/// Of what an agent keeps, the newest so many are looked through.
const LOOKED_AT: u32 = 100;
/// So many are told.
const RECALLED_MAX: usize = 8;

/// Does what the model asked of its memory.
pub(super) async fn call(hands: &mut Hands<'_>, name: &str, kind: MemoryTool, args: &Json) -> Result<Json, Fault> {
    let args = args.to_value();
    match kind {
        MemoryTool::Remember => {
            let id = format!("{}-{}", hands.own_id(), name.replace([':', '.'], "-"));
            let data = json!({ "id": id, "agent": hands.who(), "type": args["type"].as_str().unwrap_or("long-term"),
                               "content": args["content"] });
            let data = Json::from_value(&data);
            let call = Call::ThingCreate { noun: NOUN.to_owned(), data, if_version: None, branch: None };
            hands.ask(name, call, None).await?;
            Ok(Json::from_value(&json!({ "id": id })))
        }
        MemoryTool::Recall => {
            let query = json!({ "where": { "agent": hands.who() }, "sort": "-updatedAt", "limit": LOOKED_AT });
            let call = Call::ThingList { noun: NOUN.to_owned(), query: Some(Json::from_value(&query)) };
            let listed = match hands.ask(name, call, None).await {
                // Nothing was ever kept.
                Err(fault) if fault.kind == FaultKind::NotFound => json!({ "data": [] }),
                other => other?.to_value(),
            };
            let kept = listed["data"].as_array().cloned().unwrap_or_default();
            Ok(Json::from_value(&json!({ "memories": recall(kept, args["query"].as_str().unwrap_or_default()) })))
        }
        MemoryTool::Forget => {
            let id = args["id"].as_str().unwrap_or_default().to_owned();
            let at = ThingRef { noun: NOUN.to_owned(), id: id.clone(), at: None };
            let unknown = || Fault::not_found("MEMORY_NOT_FOUND", format!("you keep nothing under the id {id:?}"));
            let found = hands.ask(&format!("{name}:get"), Call::ThingGet { at: at.clone() }, None).await?.to_value();
            // What another agent keeps is not this one's.
            if found["data"]["agent"].as_str() != Some(hands.who()) {
                return Err(unknown());
            }
            hands.ask(name, Call::ThingDelete { at, if_version: None, branch: None }, None).await?;
            Ok(Json::from_value(&json!({ "forgotten": id })))
        }
    }
}

/// Those that share most words with the question; of equal ones the newer, which stands before.
pub(super) fn recall(kept: Vec<Value>, query: &str) -> Vec<Value> {
    let wanted = words(query);
    let mut scored: Vec<_> = kept
        .into_iter()
        .map(|memory| {
            let found = words(memory["data"]["content"].as_str().unwrap_or_default());
            (wanted.iter().filter(|word| found.contains(word)).count(), memory)
        })
        .collect();
    scored.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
    scored.into_iter().take(RECALLED_MAX).map(|(_, memory)| told(&memory)).collect()
}

/// The newest, which stand before the others.
pub(super) fn newest(kept: Vec<Value>, count: u32) -> Vec<Value> {
    kept.iter().take(count as usize).map(told).collect()
}

fn told(memory: &Value) -> Value {
    json!({ "id": memory["id"], "type": memory["data"]["type"], "content": memory["data"]["content"] })
}

fn words(text: &str) -> Vec<String> {
    /// Of one text.
    const WORDS_MAX: usize = 1_000;
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    words.take(WORDS_MAX).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_words_with_the_question_is_recalled_first_and_of_the_rest_the_newest() {
        let kept = ["likes tea", "lives in Oslo", "order 7 was late"];
        let kept = kept.iter().enumerate().map(|(n, text)| json!({ "id": n, "data": { "content": text } })).collect();
        let found = recall(kept, "Which ORDER was late?");
        let ids: Vec<_> = found.iter().map(|memory| memory["id"].as_u64().unwrap_or(9)).collect();
        assert_eq!(ids, [2, 0, 1]);
    }
}
