//! Undo and redo of actions (spec ACT-4).

use super::append::{Doing, Next, Scene};
use super::nouns::NounEntry;
use super::read::content_of;
use super::references::Sight;
use super::settings::NOUN as SETTINGS;
use super::view::line_of;
use super::{Shown, fields_fault};
use crate::Caller;
use crate::object::{Inner, Object, fault_of};
use model::Content;
use model::noun::NounDef;
use model::verb::VerbForms;
use store::Turn;
use types::{ActionRow, ActionStatus, Fault, FaultKind, Id, Json, Noun, Row, ThingKey, ThingRow};

impl Object {
    /// Puts a thing back to what it was before an action, as a new version, and marks the action undone. Undoing that is
    /// a redo. Answers the version and the action that made it.
    ///
    /// # Errors
    /// `conflict` when something was written since, unless forced.
    pub async fn undo(&self, caller: &Caller, id: Id, force: bool) -> Result<(Shown, Id), Fault> {
        let action = self.action(caller, id).await?;
        let noun = action.target.split('/').next().unwrap_or_default().to_owned();
        caller.may(&noun, "update")?;
        let (caller, inner) = (caller.clone(), self.inner.clone());
        let after = inner.clone();
        let undo = move |turn: &mut Turn<'_>| take_back(turn, caller, &inner, id, force);
        let told = move |(row, _): &(ThingRow, Id)| match row.key.noun.as_str() {
            "Noun" => after.nouns.changed(),
            "Verb" => after.verbs.changed(),
            _ => {}
        };
        let (row, new) = self.change_then(4096, undo, told).await?;
        Ok((self.shown(row).await?, new))
    }
}

fn take_back(turn: &mut Turn<'_>, caller: Caller, inner: &Inner, id: Id, force: bool) -> Result<(ThingRow, Id), Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let action = turn.action(id).map_err(fault)?.ok_or_else(Fault::internal)?;
    let (was, became) = ends(turn, &action)?;
    if became.key.noun.as_str() == SETTINGS {
        return Err(Fault::conflict("NOT_UNDOABLE", "settings are not undone; set them anew with PATCH /api/$self"));
    }
    let line = line_of(turn, became.branch.as_ref())?;
    let newest = turn.newest(&line, &became.key).map_err(fault)?;
    if newest.as_ref().map(|row| row.version) != Some(became.version) && !force {
        let now = newest.map_or(0, |row| row.version);
        let message = format!(
            "{} was written since: its newest version is v{now}, the action made v{}; undo that first, or force it",
            became.key, became.version
        );
        return Err(Fault::conflict("CHANGED_SINCE", message));
    }
    let noun = inner.nouns.entry(turn, &line, &became.key.noun)?;
    let branch = became.branch.clone();
    let scene = Scene { caller, namespace: inner.namespace.clone(), branch, line };
    scene.refuse_outside_branch(turn, &became.key)?;
    let (content, deleted) = match was.filter(|row| !row.deleted) {
        Some(row) => (content_of(&row), false),
        None => (content_of(newest.as_ref().unwrap_or(&became)), true),
    };
    if !deleted {
        refuse_broken(turn, &scene, inner, &became.key, noun.as_deref(), &content)?;
        scene.refuse_taken(turn, &became.key, &content, noun.as_deref())?;
    }
    let def =
        (became.key.noun.as_str() == "Noun").then(|| serde_json::from_value::<NounDef>(content.data.clone()).ok());
    let (verb, event) = inverse(&action.verb, &inner.verbs.registered(turn)?);
    let options = Json::from_value(&serde_json::json!({ "undoes": id.to_string() }));
    let doing = Doing { options, ..Doing::new(&verb, &event) };
    let next = Next { key: &became.key, before: newest.as_ref(), content, deleted, noun: noun.as_deref() };
    let appended = scene.append(turn, next, doing)?;
    if let Some(def) = def.flatten() {
        let noun = Noun::parse(&def.noun).map_err(|e| super::name_fault(&e))?;
        if deleted {
            super::nouns::refuse_used(turn, &noun)?;
        } else {
            scene.index_uniques(turn, &noun, &def)?;
        }
    }
    turn.write(Row::Action(ActionRow { status: ActionStatus::Undone, ..action })).map_err(fault)?;
    Ok(appended)
}

/// What was right once need not be now: schemas change, and targets go.
fn refuse_broken(
    turn: &Turn<'_>,
    scene: &Scene,
    inner: &Inner,
    key: &ThingKey,
    noun: Option<&NounEntry>,
    content: &Content,
) -> Result<(), Fault> {
    let sight = Sight::of(turn, scene, inner);
    let errors = match noun {
        Some(noun) => sight.broken(key, noun, content)?,
        None if key.noun.as_str() == "Relationship" => sight.broken_stored_edge(content)?,
        None => Vec::new(),
    };
    if errors.is_empty() { Ok(()) } else { Err(fields_fault(&errors)) }
}

/// The versions before and after an action that wrote one.
fn ends(turn: &Turn<'_>, action: &ActionRow) -> Result<(Option<ThingRow>, ThingRow), Fault> {
    let fault = |e: store::Error| fault_of(&e);
    match action.status {
        ActionStatus::Completed => {}
        ActionStatus::Undone => return Err(Fault::conflict("ALREADY_UNDONE", "the action was undone already")),
        ActionStatus::Pending
        | ActionStatus::Running
        | ActionStatus::Retrying
        | ActionStatus::Failed
        | ActionStatus::Cancelled => {
            let message = format!("the action is {}; only a completed one can be undone", action.status.as_str());
            return Err(Fault::conflict("NOT_UNDOABLE", message));
        }
    }
    let Some(output) = action.output.filter(|output| Some(*output) != action.input) else {
        return Err(Fault::conflict("NOT_UNDOABLE", "the action changed no thing, so there is nothing to undo"));
    };
    let gone =
        || Fault::new(FaultKind::Gone, "GONE", "a version of this action was archived; restore the archive first");
    let became = turn.version(output).map_err(fault)?.ok_or_else(gone)?;
    if became.key.to_string() != action.target || became.key.noun.as_str() == crate::functions::NOUN {
        let message = format!("an action {} on {} cannot be undone", action.verb, action.target);
        return Err(Fault::conflict("NOT_UNDOABLE", message));
    }
    let was = match action.input {
        None => None,
        Some(input) => Some(turn.version(input).map_err(fault)?.ok_or_else(gone)?),
    };
    Ok((was, became))
}

/// The verb that takes another back, and its event.
fn inverse(verb: &str, registered: &[VerbForms]) -> (String, String) {
    let found = model::verb::find(verb, registered);
    let inverse = found.and_then(|forms| forms.inverse.clone()).unwrap_or_else(|| verb.to_owned());
    let event = model::verb::find(&inverse, registered)
        .map_or_else(|| model::verb::derive(&inverse).event, |forms| forms.event.clone());
    (inverse, event)
}
