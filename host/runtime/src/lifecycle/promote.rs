//! A thing becomes an object of its own, below the one it is in, and then a pointer to it (spec LIF-9).

use super::job::{Job, Output, Stop};
use super::offspring::{Offspring, copy_into};
use crate::object::{Object, fault_of};
use crate::things::{Doing, Next, PLATFORM_NOUNS, Scene, View, content_of, thing_of};
use crate::{Caller, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::Line;
use types::{Fault, Identity, IdentityKind, Namespace, Row, Scopes, ThingId, ThingKey, ThingRow};

/// Versions that are read in one go.
const PAGE: u32 = 16;
/// How often what was written meanwhile is taken over before the operation waits for a quieter time.
const ROUNDS_MAX: usize = 100;

/// What is to be promoted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromoteWanted {
    #[serde(rename = "type")]
    pub noun: String,
    pub id: String,
    /// All versions are taken along, not the newest alone.
    #[serde(default)]
    pub history: bool,
}

impl PromoteWanted {
    fn key(&self) -> Result<ThingKey, Fault> {
        let refuse = |e: types::ThingNameError| Fault::invalid("VALIDATION_FAILED", e.to_string());
        let noun = types::Noun::parse(&self.noun).map_err(refuse)?;
        Ok(ThingKey::new(noun, ThingId::parse(&self.id).map_err(refuse)?))
    }
}

pub(super) async fn check(
    object: &Object,
    caller: &Caller,
    wanted: &PromoteWanted,
) -> Result<Map<String, Value>, Fault> {
    let key = wanted.key()?;
    if PLATFORM_NOUNS.contains(&key.noun.as_str()) {
        let message = format!("a {} belongs to its object and cannot become one of its own", key.noun);
        return Err(Fault::invalid("NOT_PROMOTABLE", message));
    }
    let shown = object.thing(caller, &key, &View::default()).await?;
    if shown.is_object {
        return Err(Fault::conflict("IS_OBJECT", format!("{key} is an object of its own already")));
    }
    let printed = key.to_string();
    let segment = printed.split_once('/').map_or("", |(_, id)| id);
    let namespace = Namespace::parse(&format!("{}/{segment}", object.namespace()))
        .map_err(|e| Fault::invalid("NOT_PROMOTABLE", format!("{key} cannot be named by a URL: {e}")))?;
    let noun = thing_of(&key.noun);
    let def = object.read(move |store| store.newest(&Line::main(), &noun)).await?.filter(|row| !row.deleted);
    let class = def.and_then(|row| row.data.to_value()["doClass"].as_str().map(str::to_owned));
    let offspring = Offspring::new(namespace, class.unwrap_or_else(|| "DO".to_owned()), object.namespace().clone());
    offspring.refuse_taken(&object.node).await?;
    Ok(offspring.noted())
}

pub(super) async fn run(job: &mut Job) -> Result<Output, Stop> {
    let wanted: PromoteWanted = job.input()?;
    let key = wanted.key()?;
    let offspring: Offspring = job.state("offspring").ok_or_else(Fault::internal)?;
    let node = job.object.node.clone();
    job.point("promote.begun")?;
    if job.state::<bool>("pointed") == Some(true) {
        job.is_decided = true;
        return finished(&offspring, &node).await;
    }
    let mut taken = take_over(job, &wanted, &key, &offspring).await?;
    job.point("promote.copied")?;
    let registered = offspring.register(&node, job.row().id).await;
    job.deciding(registered)?;
    job.point("promote.registered")?;
    for _ in 0..ROUNDS_MAX {
        if point_to(job, &key, &offspring.namespace, taken).await? {
            return finished(&offspring, &node).await;
        }
        taken = take_over(job, &wanted, &key, &offspring).await?;
    }
    Err(Stop::Fault(Fault::conflict("BUSY", format!("{key} is written to all the time"))))
}

async fn finished(offspring: &Offspring, node: &Node) -> Result<Output, Stop> {
    offspring.tell_parent(node).await?;
    let versions = offspring.open(node).await?.read(|store| Ok(store.next_version() - 1)).await?;
    let ns = offspring.namespace.as_str();
    Ok(Output::of(json!({ "ns": ns, "class": offspring.class, "versions": versions })))
}

/// Copies what the new object has not yet; answers the newest version that it then has, by its old number. Which ones
/// it has is told by how many: versions are taken in their order.
async fn take_over(job: &Job, wanted: &PromoteWanted, key: &ThingKey, offspring: &Offspring) -> Result<u64, Stop> {
    let target = offspring.open(&job.object.node).await?;
    let mut has = target.read(|store| Ok(store.next_version() - 1)).await?;
    let mut last = 0;
    loop {
        let (own, after) = (key.clone(), last);
        let numbers = job.object.read(move |store| store.version_numbers(&own, after, store::PAGE_MAX)).await?;
        let Some(newest) = numbers.last().copied() else { return Ok(last) };
        let skipped = usize::try_from(has).unwrap_or(usize::MAX).min(numbers.len());
        let missing: Vec<u64> = match (wanted.history, has) {
            (true, _) => numbers[skipped..].to_vec(),
            // Without its history what was there when the copy was made is one version.
            (false, _) => Vec::new(),
        };
        has = has.saturating_sub(skipped as u64);
        for page in missing.chunks(PAGE as usize) {
            copy_into(&target, rows(job, page.to_vec()).await?, job.row().id).await?;
            job.point("promote.copying")?;
        }
        last = newest;
        if numbers.len() < store::PAGE_MAX as usize {
            break;
        }
    }
    if !wanted.history {
        let copied = target.read(|store| store.newest(&Line::main(), key)).await?;
        let newest = rows(job, vec![last]).await?;
        let is_known = |row: &ThingRow| {
            copied
                .as_ref()
                .is_some_and(|copy| (&copy.name, &copy.data, copy.deleted) == (&row.name, &row.data, row.deleted))
        };
        copy_into(&target, newest.into_iter().filter(|row| !is_known(row)).collect(), job.row().id).await?;
    }
    Ok(last)
}

async fn rows(job: &Job, numbers: Vec<u64>) -> Result<Vec<ThingRow>, Fault> {
    let find = move |store: &mut store::Store| {
        let rows = numbers.into_iter().map(|number| store.version(number));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    };
    job.object.read(find).await
}

/// The thing points to the object that it became. False: it was written to since `taken`. A thing that was deleted
/// meanwhile stays so.
async fn point_to(job: &mut Job, key: &ThingKey, target: &Namespace, taken: u64) -> Result<bool, Fault> {
    let row = job.row();
    let identity = Identity {
        actor: row.actor.as_str().into(),
        kind: IdentityKind::Service,
        scopes: Scopes::new(vec![]),
        key: None,
    };
    let caller = Caller { identity, request_id: row.request_id.as_deref().unwrap_or_default().into() };
    let (inner, key, target, action) = (job.object.inner.clone(), key.clone(), target.clone(), row.id);
    let noted = job.noting("pointed", true.into());
    let written = noted.clone();
    let is_done = job
        .object
        .change(4096, move |turn| {
            let line = Line::main();
            let newest = turn.newest(&line, &key).map_err(|e| fault_of(&e))?;
            let Some(newest) = newest else { return Ok(true) };
            let data = json!({ "$ref": target.as_str() });
            if newest.version != taken {
                return Ok(false);
            }
            if newest.deleted {
                return Ok(true);
            }
            let noun = inner.nouns.entry(turn, &line, &key.noun)?;
            let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line };
            let content = model::Content { data, ..content_of(&newest) };
            let next = Next { key: &key, before: Some(&newest), content, deleted: false, noun: noun.as_deref() };
            let doing = Doing { action: Some(action), ..Doing::new("promote", "promoted") };
            scene.append(turn, next, doing)?;
            turn.write(Row::Action(written)).map_err(|e| fault_of(&e))?;
            Ok(true)
        })
        .await?;
    if is_done {
        job.noted(noted);
    }
    Ok(is_done)
}

pub(super) async fn take_back(job: &Job) {
    if let Some(offspring) = job.state::<Offspring>("offspring") {
        offspring.discard(&job.object.node).await;
    }
}
