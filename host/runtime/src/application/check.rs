//! Everything that is wrong with an application, told at once, before anything of it is written.

use super::{DeploymentOptions, texts};
use crate::declared::{DECLARED_MAX, entry_of};
use crate::deploy::check_manifest;
use crate::family::unknown_class;
use crate::functions::FunctionVersion;
use crate::object::Object;
use crate::schema::Schemas;
use crate::things::{check_noun, fields_fault};
use model::noun::NounDef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::deployment::{ClassStep, Deployment, Described, FunctionBody, Handler, NounSpec, Plan, Problem, pending};
use types::exec::HandlerKind;
use types::{At, Fault, FunctionDef, FunctionName, Hash, Json};

/// An application as a whole, as it is kept.
const APPLICATION_BYTES_MAX: usize = 1 << 20;
/// Problems told at once.
const TOLD_MAX: usize = 100;
/// For asking apps about all handlers of an application together.
const PROBING_MAX: Duration = Duration::from_secs(30);

/// An application that can be applied.
pub(super) struct Checked {
    pub(super) name: FunctionName,
    /// The version that is in effect, and what it says.
    pub(super) before: Option<(u64, Deployment)>,
    /// What is wanted, with what its apps say of themselves.
    pub(super) whole: Deployment,
    /// The functions that are to be the newest of their names.
    pub(super) pinned: Vec<Arc<FunctionVersion>>,
    pub(super) plan: Plan,
}

/// What is known of the functions of an application, by name.
type Known = BTreeMap<FunctionName, Arc<FunctionVersion>>;

impl Object {
    /// # Errors
    /// `VALIDATION_FAILED` with `[{field, message}]`, the fields as paths into the application.
    pub(super) async fn check_application(
        &self,
        wanted: Deployment,
        options: DeploymentOptions,
    ) -> Result<Checked, Fault> {
        let name = super::name_of(&wanted)?;
        let before = self.application(name.as_str())?;
        let mut problems = wanted.check();
        // Longer lists are not looked through.
        if wanted.is_too_long() {
            return Err(refused(&problems));
        }
        let mut whole = wanted;
        let mut warnings = Vec::new();
        let known = self.find_functions(&whole, options, &mut problems, &mut warnings).await?;
        self.speak_of_newest(&mut whole, &known);
        merge_described(&mut whole, &known, &mut problems, &mut warnings);
        texts::beside(&mut problems, whole.check());
        let read = texts::read(&mut whole, self.node.now());
        texts::beside(&mut problems, read);
        self.check_nouns(&whole, &mut problems).await?;
        check_classes(before.as_ref().map(|(_, before)| before), &whole, options, &mut problems);
        self.check_secrets(&whole, &mut problems).await?;
        self.check_room(before.as_ref().map(|(_, before)| before), &whole, &mut problems);
        self.check_handlers(&whole, &known, &mut problems).await;
        if !problems.is_empty() {
            return Err(refused(&problems));
        }
        let mut plan = Plan::between(before.as_ref().map(|(_, before)| before), &whole);
        warnings.extend(texts::unserved(&whole));
        if before.is_none() {
            warnings.extend(self.is_it_renamed(&name, &whole)?);
        }
        plan.warnings = warnings;
        let is_part = |function: &Arc<FunctionVersion>| {
            let spec = whole.functions.iter().find(|spec| spec.name == function.name);
            spec.is_some_and(|spec| matches!(spec.run, FunctionBody::Component { .. }))
        };
        let pinned = known.into_values().filter(is_part).collect();
        Ok(Checked { name, before, whole, pinned, plan })
    }

    /// The components that the application speaks of.
    async fn find_functions(
        &self,
        whole: &Deployment,
        options: DeploymentOptions,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<String>,
    ) -> Result<Known, Fault> {
        let mut known = Known::new();
        for (n, spec) in whole.functions.iter().enumerate() {
            let path = format!("functions[{n}]");
            let found = match &spec.run {
                FunctionBody::Component { version, hash } => {
                    match self.find_component(&spec.name, *version, *hash, options).await {
                        // A plan that was not preceded by a look at the component.
                        Ok(None) => {
                            warnings.push(format!("{}: nothing is known of it until it is uploaded", spec.name));
                            continue;
                        }
                        Ok(Some(found)) => self.with_vars(found, whole).await,
                        Err(fault) => Err(fault),
                    }
                }
                FunctionBody::Deployed => self.find_function(&spec.name, At::Head).await.map(|(_, found)| found),
                FunctionBody::Handler(_) => {
                    if self.inner.functions.head(&spec.name).is_some() {
                        let message = format!("a component is deployed as {}; delete it, or rename one", spec.name);
                        problems.push(Problem::new(format!("{path}.name"), message));
                    }
                    continue;
                }
            };
            match found {
                Ok(found) => drop(known.insert(spec.name.clone(), found)),
                Err(fault) if fault.kind.is_retryable() => return Err(fault),
                Err(fault) => problems.push(Problem::new(path, fault.message)),
            }
        }
        Ok(known)
    }

    /// An older version that is the newest one in all but its number is no change.
    fn speak_of_newest(&self, whole: &mut Deployment, known: &Known) {
        for spec in &mut whole.functions {
            let FunctionBody::Component { version, .. } = &mut spec.run else { continue };
            let newest = self.inner.functions.head(&spec.name);
            if let (Some(known), Some(newest)) = (known.get(&spec.name), newest)
                && *version != 0
                && known.def == newest.def
            {
                *version = newest.version;
            }
        }
    }

    /// A component as it runs in this application: with its variables.
    async fn with_vars(&self, found: Arc<FunctionVersion>, whole: &Deployment) -> Result<Arc<FunctionVersion>, Fault> {
        if found.def.vars == whole.vars {
            return Ok(found);
        }
        let mut def = FunctionDef { vars: whole.vars.clone(), ..found.def.clone() };
        let manifest = Arc::new(def.run_manifest());
        check_manifest(&manifest)?;
        def.described = self.described(&found.name, &def, None).await?;
        let (name, schemas) = (found.name.clone(), Schemas::of(&manifest));
        Ok(Arc::new(FunctionVersion { name, version: found.version, at: found.at, def, manifest, schemas }))
    }

    /// None: it is only planned, and not known yet.
    async fn find_component(
        &self,
        name: &FunctionName,
        version: u64,
        hash: Hash,
        options: DeploymentOptions,
    ) -> Result<Option<Arc<FunctionVersion>>, Fault> {
        if options.dry_run && version == 0 {
            return Ok(self.node.inner.tried.find(self.inner.id, name, hash));
        }
        let found = self.own_function(name, At::Version(version)).await?;
        match found {
            Some(found) if found.def.hash == hash => Ok(Some(found)),
            Some(_) => {
                let message = format!("{name}@v{version} is another component than {hash}");
                Err(Fault::invalid("HASH_MISMATCH", message))
            }
            None => Err(Fault::not_found("ACTION_NOT_FOUND", format!("no component was uploaded as {name}"))),
        }
    }

    async fn check_nouns(&self, whole: &Deployment, problems: &mut Vec<Problem>) -> Result<(), Fault> {
        for (n, spec) in whole.nouns.iter().enumerate() {
            if let Err(fault) = check_noun(&noun_of(spec)) {
                problems.push(Problem::new(format!("nouns[{n}]"), fault.message));
            }
            let Some(class) = &spec.do_class else { continue };
            if !whole.objects.iter().any(|object| object.class == *class) && self.base_of(class).await?.is_none() {
                problems.push(Problem::new(format!("nouns[{n}].doClass"), unknown_class(class)));
            }
        }
        Ok(())
    }

    async fn check_secrets(&self, whole: &Deployment, problems: &mut Vec<Problem>) -> Result<(), Fault> {
        if whole.required_secrets.is_empty() {
            return Ok(());
        }
        let stored = self.read(|store| store.secret_names(None, store::PAGE_MAX)).await?.items;
        for (n, name) in whole.required_secrets.iter().enumerate() {
            if !stored.contains(name) {
                let message = format!("the secret {name} is not stored; store it first: org.ai secrets set {name}");
                problems.push(Problem::new(format!("requiredSecrets[{n}]"), message));
            }
        }
        Ok(())
    }

    /// Whether all of it can be kept, beside what others declared.
    fn check_room(&self, before: Option<&Deployment>, whole: &Deployment, problems: &mut Vec<Problem>) {
        let bytes = Json::of(whole).as_str().len();
        if bytes > APPLICATION_BYTES_MAX {
            let message = format!("it is {bytes} bytes long; at most {} MiB are kept", APPLICATION_BYTES_MAX >> 20);
            problems.push(Problem::new("", message));
        }
        for kind in super::write::PARTS {
            let wanted = super::write::parts(kind, Some(whole));
            for name in wanted.keys() {
                if let Err(fault) = kind.key(name) {
                    problems.push(Problem::new(super::write::list(kind), format!("{name:?}: {}", fault.message)));
                }
            }
            let own = super::write::parts(kind, before);
            let is_others = |name: &String| !wanted.contains_key(name) && !own.contains_key(name);
            let others = self.inner.declared.all(kind).iter().filter(|known| is_others(&known.name)).count();
            if others + wanted.len() > DECLARED_MAX {
                let message = format!("an object has {DECLARED_MAX} at most; {others} are there already");
                problems.push(Problem::new(super::write::list(kind), message));
            }
        }
    }

    /// Whether each handler is there: an export by the component's shape, an app's by asking the app.
    async fn check_handlers(&self, whole: &Deployment, known: &Known, problems: &mut Vec<Problem>) {
        let begun = Instant::now();
        let mut asked = BTreeSet::new();
        for (path, handler) in whole.handlers() {
            if problems.len() >= TOLD_MAX {
                return;
            }
            if !asked.insert(handler) || is_declared(whole, handler, known) {
                continue;
            }
            if begun.elapsed() > PROBING_MAX {
                let message = format!("the apps take too long: {handler} and what follows was not asked for");
                problems.push(Problem::new(path, message));
                return;
            }
            if let Err(fault) = self.check_handler(handler, known).await {
                problems.push(Problem::new(path, format!("{handler}: {}", fault.message)));
            }
        }
    }

    async fn check_handler(&self, handler: &Handler, known: &Known) -> Result<(), Fault> {
        let name = handler.function();
        let function = match known.get(name) {
            Some(known) => known.clone(),
            None => self.find_function(name, At::Head).await?.1,
        };
        entry_of(handler, HandlerKind::Probe, &function)?;
        match handler {
            Handler::App { name, .. } => self.probe_handler(&function, name).await,
            Handler::Function(_) | Handler::Export { .. } => Ok(()),
        }
    }
}

/// A handler that the application brings along by a declaration, or as a component that nobody has seen yet.
fn is_declared(whole: &Deployment, handler: &Handler, known: &Known) -> bool {
    let spec = whole.functions.iter().find(|spec| spec.name == *handler.function());
    spec.is_some_and(|spec| match &spec.run {
        FunctionBody::Component { .. } => !known.contains_key(&spec.name),
        FunctionBody::Deployed => false,
        FunctionBody::Handler(_) => matches!(handler, Handler::Function(_)),
    })
}

fn merge_described(whole: &mut Deployment, known: &Known, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) {
    // Those of the manifest: what is merged has no components.
    let names: Vec<FunctionName> = whole.functions.iter().map(|spec| spec.name.clone()).collect();
    for (n, name) in names.iter().enumerate() {
        let Some(answer) = known.get(name).and_then(|function| function.def.described.as_ref()) else { continue };
        match Described::parse(name, answer) {
            Ok(described) => {
                if !described.unserved.is_empty() {
                    let what = described.unserved.join(", ");
                    warnings.push(format!("{name} describes {what}, which this host does not serve yet"));
                }
                whole.merge(described);
            }
            Err(error) => problems.push(Problem::new(format!("functions[{n}]"), format!("{name}: {error}"))),
        }
    }
}

/// As `PUT /api/nouns/NOUN` takes it.
pub(super) fn noun_of(spec: &NounSpec) -> NounDef {
    NounDef {
        noun: spec.noun.to_string(),
        plural: spec.plural.clone().unwrap_or_else(|| model::noun::plural(spec.noun.as_str())),
        description: spec.description.clone(),
        schema: spec.schema.as_ref().map(Json::to_value),
        do_class: spec.do_class.clone(),
    }
}

/// Migrations grow at their end, and no class goes without a word (spec CFG-3).
fn check_classes(
    before: Option<&Deployment>,
    whole: &Deployment,
    options: DeploymentOptions,
    problems: &mut Vec<Problem>,
) {
    let applied = before.map_or(&[][..], |before| &before.migrations);
    let refuse = |class: &str| format!("the class {class} goes with its objects; allow it with --allow-delete-class");
    match pending(applied, &whole.migrations) {
        Err(problem) => problems.push(problem),
        Ok(_) if options.allow_delete_class => {}
        Ok(steps) => {
            for (n, step) in steps.iter().enumerate() {
                let path = format!("migrations[{}].deleted", applied.len() + n);
                problems.extend(step.deleted.iter().map(|class| Problem::new(path.clone(), refuse(class))));
            }
        }
    }
    for (n, object) in whole.objects.iter().enumerate() {
        let known = before.and_then(|before| before.objects.iter().find(|known| known.class == object.class));
        if let Some(base) = known.map(|known| known.base()).filter(|base| *base != object.base()) {
            let message = format!("{} extends {}, and its objects stay what they are", object.class, base.as_str());
            problems.push(Problem::new(format!("objects[{n}].extends"), message));
        }
    }
    let known = before.map_or(&[][..], |before| &before.classes);
    let deleted = |class: &types::deployment::ClassState| class.state == ClassStep::Deleted;
    for (n, class) in whole.classes.iter().enumerate() {
        if deleted(class) && !known.contains(class) && !options.allow_delete_class {
            problems.push(Problem::new(format!("classes[{n}]"), refuse(&class.class)));
        }
    }
}

fn refused(problems: &[Problem]) -> Fault {
    let field = |problem: &Problem| model::FieldError::new(&problem.path, "deployment", problem.message.clone());
    let told: Vec<_> = problems.iter().take(TOLD_MAX).map(field).collect();
    fields_fault(&told)
}
