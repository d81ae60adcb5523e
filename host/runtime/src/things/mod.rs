//! Things: versioned, never changed in place.
//!
//! Every write is one action, one event and one version, in one transaction of the object's file; what the next version
//! is, `model` says. Reads are of a state: a branch, a version, an instant (`view.rs`).
//!
//! Layout: `view` (which state), `read` (one, a list, the history), `write` (one write, or several), `writer` (how),
//! `conditions` and `references` (what has to hold before), `append` (a version with all that comes with it),
//! `nouns`, `verbs`, `relations`, `branches`, `merge`, `undo`, `settings`,
//! `show` (what is told of a version).

mod view;
pub use view::View;
pub(crate) use view::line_of;
mod read;
pub use read::{Listed, ThingsWanted, VersionShown};
pub(crate) use read::{list_on, versions_on};
mod write;
pub use write::{Change, Expect, Op, Write, Wrote};
mod conditions;
mod references;
mod writer;
pub(crate) use writer::Writer;
mod once;
pub use once::Idempotency;
pub(crate) use once::REMEMBERED;
mod patched;
pub use patched::PatchOf;
mod append;
mod nouns;
mod uniques;
mod verbs;
pub(crate) use append::{Doing, Next, PLATFORM_NOUNS, Scene, copy};
pub use nouns::NounShown;
pub(crate) use nouns::{Nouns, check_noun, store_noun, thing_of};
pub(crate) use read::content_of;
pub use verbs::VerbShown;
pub(crate) use verbs::{Verbs, store_verb};
pub(crate) use view::archived_fault;

mod relations;
pub use relations::{Direction, EdgeShown};
pub(crate) use relations::{Ends, edges_on};
mod branches;
pub use branches::{BranchShown, BranchWanted};
mod merge;
pub use merge::{MergeWanted, Merged, ThingConflicts};
mod settings;
pub(crate) use settings::{NOUN as SETTINGS, Settings};
pub use settings::{Rules, RulesChange};
mod show;
mod undo;
pub use show::Shown;

use types::{Fault, ThingNameError};

/// Where a name that was refused stood: `details[0].field`.
pub fn name_fault(error: &ThingNameError) -> Fault {
    let details = serde_json::json!([{ "field": error.field, "rule": "format", "message": error.to_string() }]);
    Fault::invalid("VALIDATION_FAILED", error.to_string()).with_details(&details)
}

/// Everything that was wrong with an input, told at once (spec NOU-5).
pub fn fields_fault(errors: &[model::FieldError]) -> Fault {
    let told: Vec<String> = errors
        .iter()
        .map(|e| if e.field.is_empty() { e.message.clone() } else { format!("{}: {}", e.field, e.message) })
        .collect();
    let details = serde_json::to_value(errors).unwrap_or_default();
    Fault::invalid("VALIDATION_FAILED", told.join("; ")).with_details(&details)
}
