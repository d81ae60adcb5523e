//! The forms of a verb: what is done (`create`), is being done, was done, and who it was done by (spec VRB-1…3).
//!
//! The action form is the key; the others are aliases of it, each unique to its verb. Which form is stored where is the
//! tables' business: actions keep the action form, events the past, relationships the predicate.

use crate::{FieldError, kind_name};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// One verb.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerbForms {
    /// Imperative, the key: `create`.
    pub action: String,
    /// Gerund: `creating`.
    pub activity: String,
    /// Past: `created`.
    pub event: String,
    /// Third person: `creates`.
    pub predicate: String,
    /// `createdBy`
    pub reverse_by: String,
    /// `createdAt`
    pub reverse_at: String,
    /// `createdIn`
    pub reverse_in: String,
    /// The action that takes it back: `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<String>,
}

/// The longest verb, in bytes; forms may be a little longer.
pub const VERB_BYTES_MAX: usize = 64;

/// Action and inverse. A test spells all forms out: what events are called must not change with a rule.
const BUILTIN: [(&str, Option<&str>); 26] = [
    ("create", Some("delete")),
    ("update", Some("update")),
    ("delete", Some("restore")),
    ("restore", Some("delete")),
    ("fork", None),
    ("branch", None),
    ("merge", None),
    ("compact", None),
    ("move", None),
    ("promote", None),
    ("approve", Some("reject")),
    ("reject", Some("approve")),
    ("assign", Some("unassign")),
    ("unassign", Some("assign")),
    ("link", Some("unlink")),
    ("unlink", Some("link")),
    ("publish", Some("unpublish")),
    ("unpublish", Some("publish")),
    ("start", Some("cancel")),
    ("cancel", Some("start")),
    ("pause", Some("resume")),
    ("resume", Some("pause")),
    ("invoke", None),
    ("notify", None),
    ("ask", None),
    ("decide", None),
];

static BUILTIN_FORMS: LazyLock<Vec<VerbForms>> = LazyLock::new(|| {
    let forms = |(action, inverse): &(&str, Option<&str>)| VerbForms {
        inverse: inverse.map(str::to_owned),
        ..match *action {
            "cancel" => with_past("cancel", "cancelling", "cancelled"),
            regular => derive(regular),
        }
    };
    BUILTIN.iter().map(forms).collect()
});

/// The verbs every object knows; none can be registered anew.
pub fn builtin() -> &'static [VerbForms] {
    &BUILTIN_FORMS
}

/// The regular forms of a verb nobody registered, for display. Of a compound the first word is inflected:
/// `sendInvoice` gives `sendingInvoice`.
pub fn derive(action: &str) -> VerbForms {
    let end = action.find(|c: char| c.is_ascii_uppercase()).unwrap_or(action.len());
    let (word, rest) = action.split_at(end);
    let whole = |form: String| format!("{form}{rest}");
    let forms = with_past(action, &whole(gerund(word)), &whole(past(word)));
    VerbForms { predicate: whole(third_person(word)), ..forms }
}

fn with_past(action: &str, activity: &str, event: &str) -> VerbForms {
    VerbForms {
        action: action.to_owned(),
        activity: activity.to_owned(),
        event: event.to_owned(),
        predicate: third_person(action),
        reverse_by: format!("{event}By"),
        reverse_at: format!("{event}At"),
        reverse_in: format!("{event}In"),
        inverse: None,
    }
}

fn ends_in_consonant_and_y(word: &str) -> bool {
    word.strip_suffix('y').is_some_and(|stem| stem.ends_with(|c: char| c.is_ascii_alphabetic() && !"aeiou".contains(c)))
}

fn gerund(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ie") {
        format!("{stem}ying")
    } else if ["ee", "oe", "ye"].iter().any(|end| word.ends_with(end)) {
        format!("{word}ing")
    } else {
        format!("{}ing", word.strip_suffix('e').unwrap_or(word))
    }
}

fn past(word: &str) -> String {
    if ends_in_consonant_and_y(word) {
        format!("{}ied", &word[..word.len() - 1])
    } else {
        format!("{}ed", word.strip_suffix('e').unwrap_or(word))
    }
}

fn third_person(word: &str) -> String {
    if ends_in_consonant_and_y(word) {
        format!("{}ies", &word[..word.len() - 1])
    } else if ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| word.ends_with(end)) {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// The verb a word is a form of. Its own key goes before another's alias, a built-in verb before a registered one.
pub fn find<'a>(word: &str, registered: &'a [VerbForms]) -> Option<&'a VerbForms> {
    let all = || builtin().iter().chain(registered);
    all().find(|verb| verb.action == word).or_else(|| all().find(|verb| verb.forms().any(|form| form == word)))
}

/// What the other end of a relationship calls it: `owns` gives `ownedBy`. Of built-in and regular verbs; for others
/// [`find`] the verb and take its `reverse_by`.
pub fn reverse_of(predicate: &str) -> String {
    match builtin().iter().find(|verb| verb.predicate == predicate) {
        Some(verb) => verb.reverse_by.clone(),
        None => derive(&action_of(predicate)).reverse_by,
    }
}

/// The regular action of a predicate; what is no third person is taken as it is.
fn action_of(predicate: &str) -> String {
    let end = predicate.find(|c: char| c.is_ascii_uppercase()).unwrap_or(predicate.len());
    let (word, rest) = predicate.split_at(end);
    let candidates = [("ies", "y"), ("es", ""), ("s", "")];
    let action = candidates.iter().find_map(|(ending, instead)| {
        let action = format!("{}{instead}", word.strip_suffix(ending)?);
        (!action.is_empty() && third_person(&action) == word).then_some(action)
    });
    format!("{}{rest}", action.as_deref().unwrap_or(word))
}

/// Whether a text can be a verb: a small letter, then letters and digits.
pub fn is_verb(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= VERB_BYTES_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_alphanumeric())
}

impl VerbForms {
    /// All forms by which the verb is found.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        [
            &self.action,
            &self.activity,
            &self.event,
            &self.predicate,
            &self.reverse_by,
            &self.reverse_at,
            &self.reverse_in,
        ]
        .into_iter()
        .map(String::as_str)
    }

    /// A verb as somebody registers it: the forms given (in an object; all may be missing), the others regular. The
    /// reverse forms follow the event.
    pub fn read(action: &str, given: &serde_json::Value) -> Result<Self, Vec<FieldError>> {
        let Some(map) = given.as_object() else {
            let message = format!("a verb is an object of its forms, not {}", kind_name(given));
            return Err(vec![FieldError::new("", "type", message)]);
        };
        let mut errors = Vec::new();
        let mut verb_of = |field: &str, regular: String| match map.get(field) {
            None | Some(serde_json::Value::Null) => regular,
            Some(serde_json::Value::String(form)) if is_verb(form) => form.clone(),
            Some(_) => {
                errors.push(FieldError::new(field, "verb", format!("{field} is {SHAPE}")));
                regular
            }
        };
        let regular = derive(action);
        let event = verb_of("event", regular.event);
        let verb = Self {
            action: verb_of("action", action.to_owned()),
            activity: verb_of("activity", regular.activity),
            predicate: verb_of("predicate", regular.predicate),
            reverse_by: verb_of("reverseBy", format!("{event}By")),
            reverse_at: verb_of("reverseAt", format!("{event}At")),
            reverse_in: verb_of("reverseIn", format!("{event}In")),
            inverse: Some(verb_of("inverse", String::new())).filter(|inverse| !inverse.is_empty()),
            event,
        };
        if !is_verb(action) || verb.action != action {
            errors.push(FieldError::new("action", "verb", format!("the action is that of the URL, and {SHAPE}")));
        }
        if errors.is_empty() { Ok(verb) } else { Err(errors) }
    }
}

const SHAPE: &str = "a small letter followed by letters and digits, 64 at most";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_built_in_verb_has_its_forms() {
        let table: Vec<_> = builtin()
            .iter()
            .map(|v| {
                format!(
                    "{} {} {} {} {} {}",
                    v.action,
                    v.activity,
                    v.event,
                    v.predicate,
                    v.reverse_by,
                    v.inverse.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(
            table,
            [
                "create creating created creates createdBy delete",
                "update updating updated updates updatedBy update",
                "delete deleting deleted deletes deletedBy restore",
                "restore restoring restored restores restoredBy delete",
                "fork forking forked forks forkedBy -",
                "branch branching branched branches branchedBy -",
                "merge merging merged merges mergedBy -",
                "compact compacting compacted compacts compactedBy -",
                "move moving moved moves movedBy -",
                "promote promoting promoted promotes promotedBy -",
                "approve approving approved approves approvedBy reject",
                "reject rejecting rejected rejects rejectedBy approve",
                "assign assigning assigned assigns assignedBy unassign",
                "unassign unassigning unassigned unassigns unassignedBy assign",
                "link linking linked links linkedBy unlink",
                "unlink unlinking unlinked unlinks unlinkedBy link",
                "publish publishing published publishes publishedBy unpublish",
                "unpublish unpublishing unpublished unpublishes unpublishedBy publish",
                "start starting started starts startedBy cancel",
                "cancel cancelling cancelled cancels cancelledBy start",
                "pause pausing paused pauses pausedBy resume",
                "resume resuming resumed resumes resumedBy pause",
                "invoke invoking invoked invokes invokedBy -",
                "notify notifying notified notifies notifiedBy -",
                "ask asking asked asks askedBy -",
                "decide deciding decided decides decidedBy -",
            ]
        );
    }

    #[test]
    fn each_form_finds_exactly_one_built_in_verb() {
        for verb in builtin() {
            for form in verb.forms() {
                assert_eq!(find(form, &[]), Some(verb), "{form}");
                assert_eq!(builtin().iter().filter(|v| v.forms().any(|f| f == form)).count(), 1, "{form}");
            }
            assert!(verb.inverse.as_deref().is_none_or(|i| find(i, &[]).is_some_and(|v| v.action == i)));
        }
    }

    #[test]
    fn regular_verbs_are_inflected_by_the_rule() {
        for (action, activity, event, predicate) in [
            ("own", "owning", "owned", "owns"),
            ("ship", "shiping", "shiped", "ships"),
            ("carry", "carrying", "carried", "carries"),
            ("play", "playing", "played", "plays"),
            ("agree", "agreeing", "agreed", "agrees"),
            ("tie", "tying", "tied", "ties"),
            ("pass", "passing", "passed", "passes"),
            ("veto", "vetoing", "vetoed", "vetoes"),
            ("closeDeal", "closingDeal", "closedDeal", "closesDeal"),
            ("e", "ing", "ed", "es"),
            ("", "ing", "ed", "s"),
        ] {
            let forms = derive(action);
            assert_eq!(
                (forms.activity.as_str(), forms.event.as_str(), forms.predicate.as_str()),
                (activity, event, predicate)
            );
            assert_eq!((forms.reverse_by, forms.inverse), (format!("{event}By"), None));
        }
    }

    #[test]
    fn a_registered_verb_is_found_by_any_form_but_never_hides_a_built_in_one() {
        let ship = VerbForms::read("ship", &json!({"event":"shipped","activity":"shipping","inverse":"unship"}))
            .expect("a verb");
        assert_eq!((ship.reverse_by.as_str(), ship.predicate.as_str()), ("shippedBy", "ships"));
        let thief = VerbForms::read("forge", &json!({"event":"created"})).expect("a verb");
        let registered = [ship.clone(), thief];
        for word in ["ship", "shipping", "shipped", "ships", "shippedBy", "shippedAt", "shippedIn"] {
            assert_eq!(find(word, &registered), Some(&ship), "{word}");
        }
        assert_eq!(find("created", &registered).map(|v| v.action.as_str()), Some("create"));
        assert_eq!((find("shiped", &registered), find("unship", &registered)), (None, None));
        let other = VerbForms::read("deliver", &json!({"predicate":"ship"})).expect("a verb");
        assert_eq!(find("ship", &[other, ship.clone()]), Some(&ship), "a key goes before an alias");
        let again: VerbForms =
            serde_json::from_value(serde_json::to_value(&ship).expect("it writes")).expect("it reads");
        assert_eq!(again, ship);
    }

    #[test]
    fn what_is_no_verb_is_refused_by_form() {
        let refused = |action: &str, given| -> Vec<_> {
            VerbForms::read(action, &given).expect_err("refused").into_iter().map(|e| e.field).collect()
        };
        assert_eq!(
            refused("ship", json!({"event":"Shipped","predicate":5,"reverseBy":"x y"})),
            ["event", "predicate", "reverseBy"]
        );
        assert_eq!(refused("Ship", json!({})), ["action"]);
        assert_eq!(refused("ship", json!({"action":"send"})), ["action"]);
        assert_eq!(refused("ship", json!([])), [""]);
        assert_eq!(refused(&"s".repeat(VERB_BYTES_MAX + 1), json!({})), ["action"]);
    }

    #[test]
    fn the_other_end_calls_a_relationship_by_its_reverse() {
        for (predicate, reverse) in [
            ("owns", "ownedBy"),
            ("creates", "createdBy"),
            ("publishes", "publishedBy"),
            ("carries", "carriedBy"),
            ("uses", "usedBy"),
            ("cancels", "cancelledBy"),
            ("passes", "passedBy"),
            ("own", "ownedBy"),
            ("s", "sedBy"),
            ("vetoes", "vetoedBy"),
            ("closesDeal", "closedDealBy"),
        ] {
            assert_eq!(reverse_of(predicate), reverse, "{predicate}");
        }
    }
}
