//! What may happen to the store, at random: few names, few keys and few values, so that they meet.

use crate::plain::On;
use model::merge::Strategy;
use proptest::prelude::{Just, any, prop, prop_oneof};
use proptest::strategy::Strategy as Any;
use serde_json::{Value, json};

pub const NAMES: [&str; 3] = ["x", "y", "z"];
pub const THINGS: [&str; 5] = ["Note/a", "Note/b", "Note/c", "Memo/a", "Memo/b"];

#[derive(Clone, Debug)]
pub enum Step {
    Create(On, usize, Value),
    Put(On, usize, Value),
    Patch(On, usize, Value),
    /// Changed, and changed back.
    Back(On, usize),
    Delete(On, usize),
    Restore(On, usize),
    Relate(On, usize, usize, u8),
    Unrelate(On, usize, usize),
    /// From a branch, or from a version: so many hundredths of all.
    Branch(usize, Result<On, u8>),
    DeleteBranch(usize, bool),
    Merge(On, On, Option<Strategy>),
    /// Which action: so many hundredths of all.
    Undo(u8, bool),
    Compact,
    /// The rows of all archives come back.
    Unpack,
    Reopen,
    Kill(Lost),
}

/// What the disk lost beside the process.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Lost {
    Nothing,
    Wal,
    Files,
}

fn on() -> impl Any<Value = On> {
    prop_oneof![3 => Just(None), 2 => prop::sample::select(&NAMES[..]).prop_map(Some)]
}

fn value() -> impl Any<Value = Value> {
    prop_oneof![3 => (0..3).prop_map(Value::from), 1 => Just(json!({ "q": 1 })), 1 => Just(json!({ "q": 2, "r": [1] }))]
}

/// A body in the flat form; few keys and few values, so that they meet.
fn body(absent: fn() -> Option<Value>) -> impl Any<Value = Value> {
    let field = move |value: Option<Value>| value.or_else(absent);
    (prop::option::of(value()), prop::option::of(value()), prop::option::of(0..2)).prop_map(move |(a, b, name)| {
        let mut map = serde_json::Map::new();
        for (key, value) in [("a", field(a)), ("b", field(b)), ("name", name.map(|n| Value::from(format!("n{n}"))))] {
            map.extend(value.map(|value| (key.to_owned(), value)));
        }
        Value::Object(map)
    })
}

pub fn step() -> impl Any<Value = Step> {
    let thing = || 0..THINGS.len();
    let branch = || 0..NAMES.len();
    let strategy = prop::sample::select(vec![None, None, Some(Strategy::Ours), Some(Strategy::Theirs)]);
    prop_oneof![
        4 => (on(), thing(), body(|| None)).prop_map(|(on, id, body)| Step::Create(on, id, body)),
        3 => (on(), thing(), body(|| None)).prop_map(|(on, id, body)| Step::Put(on, id, body)),
        6 => (on(), thing(), body(|| Some(Value::Null))).prop_map(|(on, id, body)| Step::Patch(on, id, body)),
        3 => (on(), thing()).prop_map(|(on, id)| Step::Back(on, id)),
        2 => (on(), thing()).prop_map(|(on, id)| Step::Delete(on, id)),
        1 => (on(), thing()).prop_map(|(on, id)| Step::Restore(on, id)),
        1 => (on(), thing(), thing(), 0..2u8).prop_map(|(on, from, to, n)| Step::Relate(on, from, to, n)),
        1 => (on(), thing(), thing()).prop_map(|(on, from, to)| Step::Unrelate(on, from, to)),
        3 => (branch(), prop_oneof![2 => on().prop_map(Ok), 1 => (0..105u8).prop_map(Err)])
            .prop_map(|(name, from)| Step::Branch(name, from)),
        1 => (branch(), any::<bool>()).prop_map(|(name, force)| Step::DeleteBranch(name, force)),
        5 => (on(), on(), strategy).prop_map(|(source, into, strategy)| Step::Merge(source, into, strategy)),
        2 => (0..100u8, any::<bool>()).prop_map(|(nth, force)| Step::Undo(nth, force)),
        2 => prop_oneof![2 => Just(Step::Compact), 1 => Just(Step::Unpack)],
        1 => prop_oneof![
            Just(Step::Reopen),
            prop::sample::select(vec![Lost::Nothing, Lost::Wal, Lost::Files]).prop_map(Step::Kill)
        ],
    ]
}
