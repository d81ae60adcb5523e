//! Functions come, change, go back and go: each a version of a thing of noun `Function`.
//!
//! What is on disk when the power goes: before the blob has its name, nothing; after it, a blob that nothing names;
//! after the record is in the log, the new version. In each case the old version answers until the new one is durable.

use crate::Caller;
use crate::blobs::{AssetError, AssetLimits, is_disk_full};
use crate::commit::write_event;
use crate::functions::{FunctionVersion, NOUN, key, unknown};
use crate::history::{ActionDraft, done};
use crate::object::{Object, fault_of};
use crate::schema::Schemas;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use store::Line;
use types::exec::ComponentFile;
use types::{At, Fault, FaultKind, FunctionDef, FunctionName, Json, Manifest, Row, ThingRow};

/// A component to be deployed, in files the caller removes afterwards.
#[derive(Clone, Debug)]
pub struct Upload {
    pub component: PathBuf,
    pub manifest: Manifest,
    /// A tar archive of what will be under `/assets`.
    pub assets: Option<PathBuf>,
}

/// What a deploy did.
#[derive(Clone, Debug)]
pub struct Deployed {
    pub function: Arc<FunctionVersion>,
    /// The same bytes and manifest were the newest version already; nothing was written.
    pub unchanged: bool,
    /// There was none of this name before.
    pub created: bool,
}

impl Object {
    /// Validates and compiles a component, then makes it the newest version of `name`. With `dry_run` all but the last.
    pub async fn deploy(
        &self,
        caller: &Caller,
        name: FunctionName,
        upload: Upload,
        dry_run: bool,
    ) -> Result<Deployed, Fault> {
        let existing = self.inner.functions.head(&name);
        caller.may(NOUN, if existing.is_some() { "update" } else { "create" })?;
        Schemas::check(&upload.manifest)?;
        check_manifest(&upload.manifest)?;
        let node = self.node.clone();
        let prepared = tokio::task::spawn_blocking(move || prepare(&node, upload));
        let mut def = prepared.await.map_err(|_| Fault::internal())??;
        // Its application gave it these; what comes without one keeps them.
        def.vars = existing.as_ref().map(|head| head.def.vars.clone()).unwrap_or_default();
        def.described = self.described(&name, &def, existing.as_deref()).await?;
        self.deploy_def(caller, name, def, existing, dry_run).await
    }

    /// Makes a definition the newest version of `name`: a function of a model, an agent or a person without a component.
    ///
    /// # Errors
    /// `DEFINITION_INVALID` with the key that is wrong.
    pub async fn declare(
        &self,
        caller: &Caller,
        name: FunctionName,
        document: &serde_json::Value,
        dry_run: bool,
    ) -> Result<Deployed, Fault> {
        let existing = self.inner.functions.head(&name);
        caller.may(NOUN, if existing.is_some() { "update" } else { "create" })?;
        let definition = checked_definition(document)?;
        let node = self.node.clone();
        let stored = tokio::task::spawn_blocking(move || declared(&node, definition));
        let mut def = stored.await.map_err(|_| Fault::internal())??;
        def.vars = existing.as_ref().map(|head| head.def.vars.clone()).unwrap_or_default();
        self.deploy_def(caller, name, def, existing, dry_run).await
    }

    async fn deploy_def(
        &self,
        caller: &Caller,
        name: FunctionName,
        def: FunctionDef,
        existing: Option<Arc<FunctionVersion>>,
        dry_run: bool,
    ) -> Result<Deployed, Fault> {
        if let Some(head) = existing.filter(|head| head.def == def) {
            return Ok(Deployed { function: head, unchanged: true, created: false });
        }
        if dry_run {
            let version = Arc::new(FunctionVersion {
                name,
                version: 0,
                at: self.node.now(),
                manifest: Arc::new(def.run_manifest()),
                schemas: Schemas::of(&def.manifest),
                def,
            });
            self.node.inner.tried.keep(self.inner.id, version.clone());
            return Ok(Deployed { function: version, unchanged: false, created: false });
        }
        self.write_version(caller, name, Next::Deploy(Box::new(def))).await
    }

    /// Makes an earlier version the newest again, as a new version.
    pub async fn rollback(&self, caller: &Caller, name: &FunctionName, to: At) -> Result<Arc<FunctionVersion>, Fault> {
        caller.may(NOUN, "update")?;
        let to = if to == At::Head { At::Back(1) } else { to };
        let target = self.own_function(name, to).await?.ok_or_else(|| unknown(name, self.namespace()))?;
        let deployed = self.write_version(caller, name.clone(), Next::Rollback(target)).await?;
        Ok(deployed.function)
    }

    /// Ends a function; its history stays. Answers the version that says so.
    pub async fn delete_function(&self, caller: &Caller, name: &FunctionName) -> Result<u64, Fault> {
        caller.may(NOUN, "delete")?;
        let draft = ActionDraft::of(caller, self.node.now(), "delete", format!("{NOUN}/{name}"));
        let (name, inner, namespace) = (name.clone(), self.inner.clone(), self.namespace().clone());
        let removed = name.clone();
        self.change_then(
            1024,
            move |turn| {
                let head = turn.newest(&Line::main(), &key(&name)).map_err(|e| fault_of(&e))?;
                let head = head.filter(|row| !row.deleted).ok_or_else(|| unknown(&name, &namespace))?;
                let previous = head.version;
                let version = turn.next_version();
                let born = Some(head.born());
                let (created_at, action, actor) = (turn.at(), draft.id, draft.actor().to_owned());
                let row = ThingRow { version, deleted: true, created_at, action, actor, born, ..head };
                write_thing(turn, row, &draft, Some(previous), serde_json::json!({}), "deleted")?;
                Ok(version)
            },
            move |_| inner.functions.remove(&removed),
        )
        .await
    }

    async fn write_version(&self, caller: &Caller, name: FunctionName, next: Next) -> Result<Deployed, Fault> {
        let (caller, object, set) = (caller.clone(), self.clone(), self.inner.clone());
        self.change_then(
            8 << 10,
            move |turn| object.put_version(turn, &caller, name, next),
            move |deployed: &Deployed| set.functions.set(deployed.function.clone()),
        )
        .await
    }

    /// Makes an earlier version the newest, unless the newest is the same. Once it is durable, `functions.set` is due.
    pub(crate) fn pin_version(
        &self,
        turn: &mut store::Turn<'_>,
        caller: &Caller,
        to: Arc<FunctionVersion>,
    ) -> Result<Arc<FunctionVersion>, Fault> {
        let head = turn.newest(&Line::main(), &key(&to.name)).map_err(|e| fault_of(&e))?;
        let mut next = Next::Rollback(to.clone());
        if let Some(row) = head.filter(|row| !row.deleted) {
            let version = FunctionVersion::of(&row)?;
            if version.def == to.def {
                return Ok(Arc::new(version));
            }
            // The newest itself, with other variables.
            if version.version == to.version {
                next = Next::Deploy(Box::new(to.def.clone()));
            }
        }
        Ok(self.put_version(turn, caller, to.name.clone(), next)?.function)
    }

    fn put_version(
        &self,
        turn: &mut store::Turn<'_>,
        caller: &Caller,
        name: FunctionName,
        next: Next,
    ) -> Result<Deployed, Fault> {
        let functions_max = self.node.inner.config.functions_max;
        let head = turn.newest(&Line::main(), &key(&name)).map_err(|e| fault_of(&e))?;
        let live = head.filter(|row| !row.deleted);
        // Of two deploys of the same bytes at once, the second finds the first.
        if let (Next::Deploy(def), Some(row)) = (&next, &live) {
            let version = FunctionVersion::of(row)?;
            if version.def == **def {
                return Ok(Deployed { function: Arc::new(version), unchanged: true, created: false });
            }
        }
        if live.is_none() && self.inner.functions.all().len() >= functions_max {
            return Err(Fault::limit(
                "FUNCTIONS_LIMIT",
                format!("an object has {functions_max} functions at most; delete some"),
            ));
        }
        let verb = if live.is_some() { "update" } else { "create" };
        let draft = ActionDraft::of(caller, turn.at(), verb, format!("{NOUN}/{name}"));
        let (def, details) = next.into_parts();
        let previous = live.as_ref().map(|row| row.version);
        let row = ThingRow {
            version: turn.next_version(),
            key: key(&name),
            branch: None,
            name: None,
            data: Json::of(&def),
            deleted: false,
            created_at: turn.at(),
            action: draft.id,
            actor: draft.actor().to_owned(),
            born: live.as_ref().map(ThingRow::born),
        };
        let version = FunctionVersion::of(&row)?;
        let event = if previous.is_some() { "updated" } else { "created" };
        write_thing(turn, row, &draft, previous, details, event)?;
        Ok(Deployed { function: Arc::new(version), unchanged: false, created: previous.is_none() })
    }
}

/// What becomes the newest version.
enum Next {
    Deploy(Box<FunctionDef>),
    Rollback(Arc<FunctionVersion>),
}

impl Next {
    fn into_parts(self) -> (FunctionDef, serde_json::Value) {
        match self {
            Self::Deploy(def) => {
                let details = serde_json::json!({ "hash": def.hash.to_string(), "size": def.size });
                (*def, details)
            }
            Self::Rollback(to) => {
                (to.def.clone(), serde_json::json!({ "hash": to.def.hash.to_string(), "rollbackTo": to.version }))
            }
        }
    }
}

fn write_thing(
    turn: &mut store::Turn<'_>,
    row: ThingRow,
    draft: &ActionDraft,
    previous: Option<u64>,
    details: serde_json::Value,
    event: &str,
) -> Result<(), Fault> {
    let version = row.version;
    let (action, event) = done(draft, previous, Some(version), details, event);
    let write = |turn: &mut store::Turn<'_>| {
        turn.write(Row::Thing(row))?;
        turn.write(Row::Action(action))?;
        write_event(turn, event, draft.id, draft.at)
    };
    write(turn).map_err(|e| fault_of(&e))
}

fn io(error: std::io::Error) -> Fault {
    if is_disk_full(&error) {
        return Fault::new(
            FaultKind::Unavailable,
            "STORAGE_FULL",
            "the host's disk is full; the function is as it was. Free space there, then deploy again",
        );
    }
    tracing::error!(%error, "a component cannot be stored");
    Fault::internal()
}

/// A definition that can be a function.
///
/// # Errors
/// `DEFINITION_INVALID`.
pub(crate) fn checked_definition(document: &serde_json::Value) -> Result<::workers::Definition, Fault> {
    let refuse = |message: String| Fault::invalid("DEFINITION_INVALID", message);
    let definition = ::workers::Definition::parse(document).map_err(|e| refuse(e.to_string()))?;
    for (name, schema) in [("input", &definition.input), ("schema", &definition.schema)] {
        let Some(schema) = schema else { continue };
        jsonschema::validator_for(&schema.to_value()).map_err(|e| refuse(format!("{name} is no JSON Schema: {e}")))?;
    }
    Ok(definition)
}

/// Blocks: stores the text of a definition where components are.
fn declared(node: &crate::Node, definition: ::workers::Definition) -> Result<FunctionDef, Fault> {
    let (hash, size) = node.inner.blobs.put_text(definition.text.as_str()).map_err(io)?;
    let any = || Json::from_value(&serde_json::json!({}));
    let text = || Json::from_value(&serde_json::json!({ "type": "string" }));
    let output = match (&definition.schema, definition.kind) {
        (Some(schema), types::FunctionKind::Generative) => schema.clone(),
        (None, types::FunctionKind::Generative) => text(),
        _ => any(),
    };
    let shape = types::ActionShape {
        export: None,
        description: definition.description.clone(),
        input: definition.input.clone().unwrap_or_else(any),
        output,
    };
    let manifest = Manifest { description: definition.description, input: definition.input, ..Manifest::default() };
    Ok(FunctionDef {
        kind: definition.kind,
        hash,
        size,
        actions: vec![shape],
        imports: Vec::new(),
        manifest,
        described: None,
        vars: BTreeMap::new(),
        declared: Some(definition.text),
    })
}

/// Blocks: copies, hashes, compiles.
fn prepare(node: &crate::Node, upload: Upload) -> Result<FunctionDef, Fault> {
    let (hash, size) = node.inner.blobs.put(&upload.component).map_err(io)?;
    let component = ComponentFile { hash, path: node.inner.blobs.path(&hash) };
    let inspected = node.inner.executor.prepare(&component)?;
    let mut manifest = upload.manifest;
    manifest.assets = match upload.assets {
        None => None,
        Some(bundle) => {
            Some(node.inner.blobs.put_assets(&bundle, &AssetLimits::STANDARD).map_err(|error| match error {
                AssetError::Io(error) => io(error),
                refused @ AssetError::Refused(_) => Fault::invalid("ASSETS_INVALID", refused.to_string()),
            })?)
        }
    };
    Ok(FunctionDef {
        kind: inspected.kind,
        hash,
        size,
        actions: inspected.actions,
        imports: inspected.imports,
        manifest,
        described: None,
        vars: BTreeMap::new(),
        declared: None,
    })
}

/// What a manifest may ask for.
pub(crate) fn check_manifest(manifest: &Manifest) -> Result<(), Fault> {
    /// Entries of each list.
    const ENTRIES_MAX: usize = 200;
    let refuse = |message: String| Err(Fault::invalid("MANIFEST_INVALID", message));
    if manifest.allow.len() > ENTRIES_MAX || manifest.secrets.len() > ENTRIES_MAX || manifest.env.len() > ENTRIES_MAX {
        return refuse(format!("manifest: allow, secrets and env have {ENTRIES_MAX} entries at most each"));
    }
    if Json::of(manifest).as_str().len() > 64 << 10 {
        return refuse("manifest: at most 64 KiB".to_owned());
    }
    if manifest.assets.is_some() {
        return refuse("manifest.assets is filled in by the host; upload the files as the part `assets`".to_owned());
    }
    let hosts = manifest.allow.iter().map(|rule| ("allow", &rule.url));
    for (list, url) in hosts.chain(manifest.secrets.iter().flat_map(|g| &g.hosts).map(|host| ("secrets", host))) {
        types::AllowedHost::check_url(url)
            .map_err(|e| Fault::invalid("MANIFEST_INVALID", format!("manifest.{list}: {e}")))?;
    }
    for grant in &manifest.secrets {
        auth::vault::check_name(&grant.name)
            .map_err(|e| Fault::invalid("MANIFEST_INVALID", format!("manifest.secrets: {:?}: {e}", grant.name)))?;
    }
    Ok(())
}
