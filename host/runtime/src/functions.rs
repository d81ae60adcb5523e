//! An object's functions: things of noun `Function`, the newest of each kept in memory.

use crate::object::{Object, fault_of};
use crate::{Caller, schema::Schemas};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use store::Line;
use types::{
    ActionShape, At, Fault, FunctionDef, FunctionName, Namespace, Noun, ThingId, ThingKey, ThingRow, Timestamp,
};

/// The noun functions are things of.
pub(crate) const NOUN: &str = "Function";

/// The thing that a function is.
pub(crate) fn key(name: &FunctionName) -> ThingKey {
    let noun = Noun::parse(NOUN).expect("it is PascalCase");
    ThingKey::new(noun, ThingId::parse(name.as_str()).expect("a function's name is an id"))
}

/// One version of one function.
#[derive(Debug)]
pub struct FunctionVersion {
    pub name: FunctionName,
    pub version: u64,
    pub at: Timestamp,
    pub def: FunctionDef,
    /// The manifest with the application's variables, shared with each run.
    pub(crate) manifest: Arc<types::Manifest>,
    pub(crate) schemas: Schemas,
}

impl FunctionVersion {
    pub(crate) fn of(row: &ThingRow) -> Result<Self, Fault> {
        let broken = |what: String| {
            tracing::error!(thing = %row.key, version = row.version, what, "a stored function cannot be read");
            Fault::internal()
        };
        let def: FunctionDef = serde_json::from_str(row.data.as_str()).map_err(|e| broken(e.to_string()))?;
        Ok(Self {
            name: FunctionName::parse(row.key.id.as_str()).map_err(|e| broken(e.to_string()))?,
            version: row.version,
            at: row.created_at,
            manifest: Arc::new(def.run_manifest()),
            schemas: Schemas::of(&def.manifest),
            def,
        })
    }

    /// The way to call it that `export` names; the fault lists what there is.
    pub(crate) fn shape(&self, export: Option<&str>) -> Result<&ActionShape, Fault> {
        let shapes = &self.def.actions;
        let found = match export {
            None if shapes.len() == 1 => shapes.first(),
            wanted => shapes.iter().find(|s| s.export.as_deref() == wanted),
        };
        found.ok_or_else(|| {
            let known: Vec<_> = shapes
                .iter()
                .map(|s| match &s.export {
                    Some(export) => format!("{}.{export}", self.name),
                    None => self.name.to_string(),
                })
                .collect();
            let wanted = export.map_or_else(|| self.name.to_string(), |e| format!("{}.{e}", self.name));
            Fault::not_found(
                "ACTION_NOT_FOUND",
                format!("there is no action {wanted}; {} offers {}", self.name, known.join(", ")),
            )
        })
    }
}

/// The newest version of each function that is not deleted.
#[derive(Default)]
pub(crate) struct Functions(RwLock<HashMap<FunctionName, Arc<FunctionVersion>>>);

impl Functions {
    pub(crate) fn of(rows: &[ThingRow]) -> Result<Self, Fault> {
        let heads = rows.iter().map(|row| {
            let version = FunctionVersion::of(row)?;
            Ok((version.name.clone(), Arc::new(version)))
        });
        Ok(Self(RwLock::new(heads.collect::<Result<_, Fault>>()?)))
    }

    pub(crate) fn head(&self, name: &FunctionName) -> Option<Arc<FunctionVersion>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn set(&self, version: Arc<FunctionVersion>) {
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let newer = heads.get(&version.name).is_none_or(|head| head.version <= version.version);
        if newer {
            heads.insert(version.name.clone(), version);
        }
    }

    pub(crate) fn remove(&self, name: &FunctionName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    pub(crate) fn all(&self) -> Vec<Arc<FunctionVersion>> {
        let mut all: Vec<_> = self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

pub(crate) fn unknown(name: &FunctionName, namespace: &Namespace) -> Fault {
    Fault::not_found(
        "ACTION_NOT_FOUND",
        format!(
            "there is no function {name} at {namespace}; deploy one with: org.ai functions deploy FILE --name {name}"
        ),
    )
}

impl Object {
    /// All functions of this object that are not deleted, by name.
    pub async fn functions(&self, caller: &Caller) -> Result<Vec<Arc<FunctionVersion>>, Fault> {
        caller.may(NOUN, "read")?;
        Ok(self.inner.functions.all())
    }

    /// One version of a function of this object.
    pub async fn function(&self, caller: &Caller, name: &FunctionName, at: At) -> Result<Arc<FunctionVersion>, Fault> {
        caller.may(NOUN, "read")?;
        self.own_function(name, at).await?.ok_or_else(|| unknown(name, self.namespace()))
    }

    /// Its history, newest first; the flag says that a version is a delete marker.
    pub async fn function_versions(
        &self,
        caller: &Caller,
        name: &FunctionName,
    ) -> Result<Vec<(Arc<FunctionVersion>, bool)>, Fault> {
        caller.may(NOUN, "read")?;
        let key = key(name);
        let rows = self.read(move |store| store.versions(&Line::main(), &key, None, store::PAGE_MAX)).await?.items;
        if rows.is_empty() {
            return Err(unknown(name, self.namespace()));
        }
        rows.iter().map(|row| Ok((Arc::new(FunctionVersion::of(row)?), row.deleted))).collect()
    }

    /// A function of this object, whoever asks.
    pub(crate) async fn own_function(
        &self,
        name: &FunctionName,
        at: At,
    ) -> Result<Option<Arc<FunctionVersion>>, Fault> {
        if at == At::Head {
            return Ok(self.inner.functions.head(name));
        }
        let key = key(name);
        let found = self.peek(|store| {
            let found = match at {
                At::Head => store.newest(&Line::main(), &key),
                At::Version(version) => store.version(version).map(|row| row.filter(|row| row.key == key)),
                At::Back(back) => store.back(&Line::main(), &key, back),
            };
            found.map_err(|e| fault_of(&e))
        });
        let Some(row) = found.await? else {
            return match self.inner.functions.head(name) {
                None => Ok(None),
                Some(head) => Err(Fault::not_found(
                    "VERSION_NOT_FOUND",
                    format!("{name} has no version {at}; its newest is @v{}", head.version),
                )),
            };
        };
        if row.deleted {
            return Err(Fault::new(
                types::FaultKind::Gone,
                "VERSION_DELETED",
                format!("{name}@v{} says that the function was deleted then", row.version),
            ));
        }
        FunctionVersion::of(&row).map(|version| Some(Arc::new(version)))
    }

    /// Whether an action is of a function that asks models or people.
    pub(crate) async fn uses_models(&self, action: &types::ActionRef) -> bool {
        let kind = self.find_function(&action.function, action.at).await.map(|(_, function)| function.def.kind);
        kind.is_ok_and(|kind| crate::workers::attempt_limit(kind).is_some())
    }

    /// How an action is called when nobody says (spec FUN-2), and whether its answer is streamed then.
    pub async fn usual(&self, action: &types::ActionRef) -> (types::Durability, bool) {
        let Ok((_, function)) = self.find_function(&action.function, action.at).await else {
            return (types::Durability::Try, false);
        };
        let durability = match function.def.kind {
            types::FunctionKind::Agentic | types::FunctionKind::Human => types::Durability::Do,
            types::FunctionKind::Code
            | types::FunctionKind::Generative
            | types::FunctionKind::App
            | types::FunctionKind::Site
            | types::FunctionKind::ToolBox => types::Durability::Try,
        };
        let declared = function.def.declared.as_ref().map(types::Json::to_value);
        let streams = declared.is_some_and(|d| d.get("stream").and_then(serde_json::Value::as_bool) == Some(true));
        (durability, streams)
    }

    /// The function that `name` means here: this object's own, else that of the nearest object above it. So an app's
    /// code serves all of its tenants, each in an object and a file of its own.
    pub(crate) async fn find_function(
        &self,
        name: &FunctionName,
        at: At,
    ) -> Result<(Object, Arc<FunctionVersion>), Fault> {
        let mut object = self.clone();
        for _ in 0..ANCESTORS_MAX {
            if let Some(version) = object.own_function(name, at).await? {
                return Ok((object, version));
            }
            let Some(parent) = object.parent().await? else { break };
            object = self.node.object(&parent).await?.ok_or_else(|| unknown(name, self.namespace()))?;
        }
        Err(unknown(name, self.namespace()))
    }
}

/// How far up a function is looked for (spec FED-2).
pub(crate) const ANCESTORS_MAX: usize = 8;
