//! The end of an object (spec LIF-8). Its parent keeps the action; the root keeps its name, which rests for a while.

use super::job::{Job, Output, Stop};
use crate::object::{Object, fault_of};
use crate::registry::Known;
use serde_json::{Map, Value, json};
use types::{Fault, FaultKind, Namespace, ObjectId, Row};

pub(super) async fn check(object: &Object, namespace: &Namespace) -> Result<Map<String, Value>, Fault> {
    if namespace == object.node.default_namespace() {
        return Err(Fault::forbidden("the root object cannot be destroyed"));
    }
    let root = object.node.root().await?;
    let wanted = namespace.clone();
    let row = root.read(move |root| root.object_at(&wanted)).await?;
    let unknown = || Fault::not_found("OBJECT_NOT_FOUND", format!("there is no object {namespace}"));
    let row = row.ok_or_else(unknown)?;
    if row.parent.as_ref() != Some(object.namespace()) && !object.is_root() {
        return Err(unknown());
    }
    if row.deleted {
        return Err(Fault::new(FaultKind::Gone, "OBJECT_DESTROYED", format!("{namespace} was destroyed already")));
    }
    let wanted = namespace.clone();
    root.look(move |root| refuse_with_children(root, &wanted)).await?;
    Ok(Map::from_iter([("id".to_owned(), Value::from(row.id.to_string()))]))
}

fn refuse_with_children(root: &store::Reader, namespace: &Namespace) -> Result<(), Fault> {
    if !root.has_objects_below(namespace).map_err(|e| fault_of(&e))? {
        return Ok(());
    }
    let message = format!("{namespace} has objects below it; destroy those first");
    Err(Fault::conflict("HAS_CHILDREN", message))
}

pub(super) async fn run(job: &mut Job) -> Result<Output, Stop> {
    let input: Value = job.input()?;
    let namespace = input["ns"].as_str().and_then(|ns| Namespace::parse(ns).ok()).ok_or_else(Fault::internal)?;
    let id = job.state::<String>("id").and_then(|id| u128::from_str_radix(&id, 16).ok());
    let id = ObjectId::from_u128(id.ok_or_else(Fault::internal)?);
    let node = job.object.node.clone();
    job.point("destroy.begun")?;
    let (wanted, known, registry) = (namespace.clone(), namespace.clone(), node.clone());
    let root = node.root().await?;
    let named = root
        .change_then(
            1024,
            move |root| {
                let at = root.at();
                let row = root.object_at(&wanted).map_err(|e| fault_of(&e))?.filter(|row| row.id == id);
                if row.is_none_or(|row| row.deleted) {
                    return Ok(at);
                }
                refuse_with_children(root, &wanted)?;
                root.write(Row::Destroyed { namespace: wanted, at }).map_err(|e| fault_of(&e))?;
                Ok(at)
            },
            move |at| registry.inner.registry.remember(known, Known::Destroyed(*at)),
        )
        .await;
    job.deciding(named)?;
    job.point("destroy.named")?;
    let gone = namespace.clone();
    let row = node.root().await?.read(move |root| root.object_at(&gone)).await?;
    if let Some(row) = row.filter(|row| row.id == id && row.deleted) {
        node.tell_parent(row).await?;
    }
    node.bury(id).await?;
    job.point("destroy.buried")?;
    Ok(Output::of(json!({ "ns": namespace.as_str() })))
}
