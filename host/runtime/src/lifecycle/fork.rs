//! A new object from the state of a branch (spec 4.1): what lives there, one version of each, numbered from 1. Keys,
//! secrets, actions, events and logs stay where they are.
//!
//! The state is that of one version number, so that writers may go on meanwhile. How far the copy is, the copy itself
//! says: its newest version is the last thing that was taken over.

use super::job::{Job, Output, Stop};
use super::offspring::{Offspring, TURN_BYTES_MAX, copy_into, size_of};
use crate::Caller;
use crate::object::{Object, fault_of};
use crate::things::{SETTINGS, View, archived_fault};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{Deleted, Line, Reader, ThingList};
use types::{BranchName, Fault, Namespace, Noun, Ref, Row, ThingKey};

/// Things that are read in one go.
const PAGE_MIN: usize = 4;
const PAGE_MAX: usize = 500;

/// What is to be forked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForkWanted {
    /// The URL of the new object.
    pub to: String,
    /// The one in effect unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A past state: `v12`, a date or a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl ForkWanted {
    fn view(&self) -> Result<View, Fault> {
        let checkout = match self.branch.as_deref() {
            None | Some("main") => Ref::Head,
            Some(name) => {
                let name = BranchName::parse(name)
                    .map_err(|_| Fault::not_found("BRANCH_NOT_FOUND", format!("there is no branch {name:?}")))?;
                Ref::Branch(Some(name))
            }
        };
        let at = match self.at.as_deref().map(|text| Ref::parse(text.trim_start_matches('@'))) {
            None => Ref::Head,
            Some(Ok(at @ (Ref::Version(_) | Ref::At(_)))) => at,
            Some(Ok(Ref::Head | Ref::Branch(_) | Ref::Back(..)) | Err(_)) => {
                let text = self.at.as_deref().unwrap_or_default();
                let message = format!("at: {text:?} is no past state; write v12, 2024-01-08 or a time");
                return Err(Fault::invalid("VALIDATION_FAILED", message));
            }
        };
        Ok(View { checkout, at })
    }

    /// The state of a view when `through` was the newest version.
    fn line(&self, reader: &Reader, through: u64) -> Result<Line, Fault> {
        Ok(self.view()?.line(reader)?.through(through))
    }
}

pub(super) async fn check(object: &Object, caller: &Caller, wanted: &ForkWanted) -> Result<Map<String, Value>, Fault> {
    let to = Namespace::parse(&wanted.to).map_err(|e| Fault::invalid("BAD_REQUEST", format!("to: {e}")))?;
    let root = object.node.root().await?;
    let Some(parent) = object.parent().await? else {
        return Err(Fault::forbidden("the root object cannot be forked; fork an object below it"));
    };
    // Anything may lie below the root, so there only those may who are of the root.
    let is_below_root = parent == *object.node.default_namespace();
    let is_of_root = caller.identity.actor.strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/'));
    if !(parent.contains(&to) && parent != to || is_below_root && is_of_root) {
        let message = format!("{to} does not lie below {parent}, as {} does; fork to a URL there", object.namespace());
        return Err(Fault::forbidden(message));
    }
    let own = object.namespace().clone();
    let class = root.read(move |root| root.object_at(&own)).await?.map_or_else(|| "DO".to_owned(), |row| row.class);
    let offspring = Offspring::new(to, class, parent);
    offspring.refuse_taken(&object.node).await?;
    let wanted = wanted.clone();
    let through = object
        .look(move |store| {
            let newest = store.next_version() - 1;
            let line = wanted.line(store, newest)?;
            if let Some(gone) = store.lacks_any(&line).map_err(|e| fault_of(&e))? {
                return Err(archived_fault(&gone));
            }
            for noun in nouns(store, &line)? {
                if !store.things(&line, &list(noun, None, 1)).map_err(|e| fault_of(&e))?.items.is_empty() {
                    return Ok(line.newest_version().min(newest));
                }
            }
            Err(Fault::conflict("NOTHING_TO_FORK", "there is nothing to fork: no thing lives in this state"))
        })
        .await?;
    let mut state = offspring.noted();
    state.insert("through".to_owned(), through.into());
    Ok(state)
}

/// Nouns first: what is unique among the others' things is said there.
fn nouns(reader: &Reader, line: &Line) -> Result<Vec<Noun>, Fault> {
    let mut found: Vec<Noun> = Vec::new();
    for branch in line.branches() {
        found.extend(reader.nouns_on(branch).map_err(|e| fault_of(&e))?);
    }
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    found.dedup();
    found.retain(|noun| noun.as_str() != SETTINGS);
    Ok(found)
}

fn order(noun: &Noun) -> (bool, &str) {
    (noun.as_str() != "Noun", noun.as_str())
}

fn list(noun: Noun, after: Option<types::ThingId>, limit: usize) -> ThingList {
    let (filters, sort) = (Vec::new(), Vec::new());
    let limit = u32::try_from(limit).unwrap_or(store::PAGE_MAX);
    ThingList { noun, deleted: Deleted::Hidden, filters, sort, after, offset: 0, limit }
}

pub(super) async fn run(job: &mut Job) -> Result<Output, Stop> {
    let wanted: ForkWanted = job.input()?;
    let offspring: Offspring = job.state("offspring").ok_or_else(Fault::internal)?;
    let through: u64 = job.state("through").ok_or_else(Fault::internal)?;
    let (node, source) = (job.object.node.clone(), job.object.clone());
    let from = format!("{}@v{through}", source.namespace());
    let action = job.row().id;
    job.point("fork.begun")?;

    let target = offspring.open(&node).await?;
    copy(job, &wanted, through, &target).await?;
    let things = target.read(|store| Ok(store.next_version() - 1)).await?;
    let back = (source.namespace().clone(), source.inner.id, offspring.class.clone(), from.clone());
    target
        .change(1024, move |turn| {
            let (namespace, id, class, from) = back;
            turn.write(Offspring::reference(&namespace, id, &class, turn.at())).map_err(|e| fault_of(&e))?;
            turn.write(Row::Forked { namespace, from }).map_err(|e| fault_of(&e))
        })
        .await?;
    drop(target);
    job.point("fork.copied")?;
    let registered = offspring.register(&node, action).await;
    job.deciding(registered)?;
    job.point("fork.registered")?;
    offspring.tell_parent(&node).await?;

    let result = json!({ "ns": offspring.namespace.as_str(), "things": things, "forkedFrom": from });
    let id = offspring.id()?;
    Ok(Output {
        result,
        last: Box::new(move |turn| {
            let row = Offspring::reference(&offspring.namespace, id, &offspring.class, turn.at());
            turn.write(row).map_err(|e| fault_of(&e))?;
            turn.write(Row::Forked { namespace: offspring.namespace, from }).map_err(|e| fault_of(&e))
        }),
    })
}

/// Takes over what the target has not yet.
async fn copy(job: &Job, wanted: &ForkWanted, through: u64, target: &Object) -> Result<(), Stop> {
    let newest: Option<ThingKey> =
        target.read(|store| Ok(store.version(store.next_version() - 1)?.map(|row| row.key))).await?;
    let view = wanted.clone();
    let nouns = job.object.look(move |store| nouns(store, &view.line(store, through)?)).await?;
    let mut page = 50;
    for noun in nouns {
        let mut after = match &newest {
            Some(key) if order(&key.noun) > order(&noun) => continue,
            Some(key) if key.noun == noun => Some(key.id.clone()),
            Some(_) | None => None,
        };
        loop {
            let (view, list) = (wanted.clone(), list(noun.clone(), after.take(), page));
            let found = job
                .object
                .look(move |store| {
                    let line = view.line(store, through)?;
                    store.things(&line, &list).map_err(|e| fault_of(&e))
                })
                .await?;
            let bytes: usize = found.items.iter().map(size_of).sum();
            page = (TURN_BYTES_MAX * found.items.len().max(1) / bytes.max(1)).clamp(PAGE_MIN, PAGE_MAX);
            after = found.items.last().map(|row| row.key.id.clone());
            copy_into(target, found.items, job.row().id).await?;
            job.point("fork.copying")?;
            if !found.is_more {
                break;
            }
        }
    }
    Ok(())
}

pub(super) async fn take_back(job: &Job) {
    if let Some(offspring) = job.state::<Offspring>("offspring") {
        offspring.discard(&job.object.node).await;
    }
}
