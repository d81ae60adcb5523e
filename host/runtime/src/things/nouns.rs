//! Kinds of things: how a word in a URL finds one, what its schema says, how one is registered (spec 2.2).
//!
//! A noun that somebody registered is a thing of noun `Noun`, so it has versions, follows branches and can be restored
//! like any other. A noun that was only ever written to is known by the things it has.

use super::append::{Doing, Next, PLATFORM_NOUNS, Scene};
use super::view::{View, line_of};
use super::{Shown, fields_fault, name_fault};
use crate::Caller;
use crate::commit::lock;
use crate::family::unknown_class;
use crate::object::{Inner, Object, fault_of};
use lru::LruCache;
use model::noun::{NounDef, Schema};
use model::{Content, FieldError};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use store::{Deleted, Line, Reader, ThingList};
use types::{BranchName, Fault, Noun, ThingId, ThingKey, ThingRow};

/// Nouns of one object, registered and not.
const NOUNS_MAX: usize = 1_000;
/// Nouns, registered or not, that are known by the things they have.
const WRITTEN_MAX: usize = 10_000;
/// Compiled schemas that an object keeps.
const COMPILED_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("it is not 0");

/// One version of one noun, ready to be used.
pub(crate) struct NounEntry {
    pub(crate) schema: Option<Schema>,
}

/// What an object remembers of its nouns.
pub(crate) struct Nouns {
    /// Nobody registered one as long as this is false: nothing needs to be looked up then.
    any: AtomicBool,
    /// By the version of the noun's thing, which never changes.
    compiled: Mutex<Option<LruCache<u64, Arc<NounEntry>>>>,
    /// By each word that means a noun on main, in lower case; None until somebody asks.
    words: Mutex<Option<Arc<HashMap<String, Noun>>>>,
}

/// A noun as it is told.
#[derive(Clone, PartialEq, Debug)]
pub struct NounShown {
    pub def: NounDef,
    /// None: it was never registered, only written to.
    pub version: Option<u64>,
    /// Live things on main.
    pub things: u64,
    /// What its author should know.
    pub warnings: Vec<String>,
}

impl Nouns {
    pub(crate) fn new(any: bool) -> Self {
        Self { any: AtomicBool::new(any), compiled: Mutex::new(None), words: Mutex::new(None) }
    }

    /// What a line says of a noun; None when nobody registered it there.
    pub(crate) fn entry(&self, reader: &Reader, line: &Line, noun: &Noun) -> Result<Option<Arc<NounEntry>>, Fault> {
        if !self.any.load(Ordering::Relaxed) || PLATFORM_NOUNS.contains(&noun.as_str()) {
            return Ok(None);
        }
        let row = reader.newest(line, &thing_of(noun)).map_err(|e| fault_of(&e))?;
        row.filter(|row| !row.deleted).map(|row| self.compile(&row)).transpose()
    }

    fn compile(&self, row: &ThingRow) -> Result<Arc<NounEntry>, Fault> {
        let mut compiled = lock(&self.compiled);
        let compiled = compiled.get_or_insert_with(|| LruCache::new(COMPILED_MAX));
        if let Some(entry) = compiled.get(&row.version) {
            return Ok(entry.clone());
        }
        let def: NounDef = serde_json::from_value(row.data.to_value()).map_err(|error| {
            tracing::error!(thing = %row.key, version = row.version, %error, "a stored noun cannot be read");
            Fault::internal()
        })?;
        let schema = def.schema.as_ref().map(Schema::compile).transpose().map_err(|errors| fields_fault(&errors))?;
        let entry = Arc::new(NounEntry { schema });
        compiled.put(row.version, entry.clone());
        Ok(entry)
    }

    /// A noun was registered, changed or first written to.
    pub(crate) fn changed(&self) {
        self.any.store(true, Ordering::Relaxed);
        *lock(&self.words) = None;
    }

    /// A noun was first written to, and not registered.
    pub(crate) fn appeared(&self) {
        *lock(&self.words) = None;
    }

    fn words(&self, reader: &Reader) -> Result<Arc<HashMap<String, Noun>>, Fault> {
        if let Some(words) = &*lock(&self.words) {
            return Ok(words.clone());
        }
        let mut words = HashMap::new();
        let mut defs: Vec<NounDef> = all(reader)?.into_iter().map(|(def, _)| def).collect();
        // After those of main, whose words go before theirs.
        for noun in written_nouns(reader)? {
            if !defs.iter().any(|def| def.noun == noun.as_str()) {
                defs.push(NounDef::bare(noun.as_str()));
            }
        }
        for def in defs {
            let Ok(noun) = Noun::parse(&def.noun) else { continue };
            for form in [&def.noun, &def.plural] {
                for word in [form.to_ascii_lowercase(), model::noun::slug(form).to_ascii_lowercase()] {
                    words.entry(word).or_insert_with(|| noun.clone());
                }
            }
        }
        let words = Arc::new(words);
        *lock(&self.words) = Some(words.clone());
        Ok(words)
    }
}

/// The thing that says what a noun is.
pub(crate) fn thing_of(noun: &Noun) -> ThingKey {
    let id = ThingId::parse(noun.as_str()).expect("a noun is an id");
    ThingKey::new(Noun::parse("Noun").expect("it is PascalCase"), id)
}

/// Every noun that main knows, with the version of its thing where it has one.
fn all(reader: &Reader) -> Result<Vec<(NounDef, Option<u64>)>, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let (filters, sort) = (Vec::new(), Vec::new());
    let noun = Noun::parse("Noun").expect("it is PascalCase");
    let limit = NOUNS_MAX as u32;
    let list = ThingList { noun, deleted: Deleted::Hidden, filters, sort, after: None, offset: 0, limit };
    let registered = reader.things(&Line::main(), &list).map_err(fault)?.items;
    let mut found = Vec::with_capacity(registered.len());
    for row in registered {
        match serde_json::from_value::<NounDef>(row.data.to_value()) {
            Ok(def) => found.push((def, Some(row.version))),
            Err(error) => tracing::error!(thing = %row.key, %error, "a stored noun cannot be read"),
        }
    }
    for (noun, _) in reader.tallies().map_err(fault)? {
        if !PLATFORM_NOUNS.contains(&noun.as_str()) && !found.iter().any(|(def, _)| def.noun == noun.as_str()) {
            found.push((NounDef::bare(noun.as_str()), None));
        }
    }
    found.sort_by(|a, b| a.0.noun.cmp(&b.0.noun));
    Ok(found)
}

/// Nouns that things were ever written of, on whatever branch.
pub(crate) fn written_nouns(reader: &Reader) -> Result<Vec<Noun>, Fault> {
    let mut found: Vec<Noun> = Vec::new();
    while let Some(noun) = reader.noun_after(found.last().map_or("", Noun::as_str)).map_err(|e| fault_of(&e))? {
        found.push(noun);
        if found.len() == WRITTEN_MAX {
            break;
        }
    }
    found.retain(|noun| !PLATFORM_NOUNS.contains(&noun.as_str()));
    Ok(found)
}

impl Object {
    /// The noun that a word in a URL means: noun, plural or dashed slug, in any case (spec NOU-2). `for_writing` accepts
    /// a word that no noun has yet and makes one of it.
    ///
    /// # Errors
    /// `not-found`: nobody ever registered it or wrote to it.
    pub async fn noun_of(&self, word: &str, for_writing: bool) -> Result<Noun, Fault> {
        let lower = word.to_ascii_lowercase();
        let known = |words: &HashMap<String, Noun>| words.get(&lower).cloned();
        if let Some(noun) = lock(&self.inner.nouns.words).as_deref().and_then(known) {
            return Ok(noun);
        }
        let inner = self.inner.clone();
        let found = self.look(move |store| Ok(known(&*inner.nouns.words(store)?))).await?;
        match found {
            Some(noun) => Ok(noun),
            None if for_writing => unknown_noun(word),
            None => Err(Fault::not_found(
                "NOUN_NOT_FOUND",
                format!("there is no noun {word:?} here: nobody registered it or made a thing of it"),
            )),
        }
    }

    /// Every noun, registered or only written to, by name.
    pub async fn nouns(&self, caller: &Caller) -> Result<Vec<NounShown>, Fault> {
        caller.may("nouns", "read")?;
        self.look(|store| {
            let shown = all(store)?.into_iter().map(|(def, version)| {
                let noun = Noun::parse(&def.noun).map_err(|e| name_fault(&e))?;
                let things = store.tally(&noun).map_err(|e| fault_of(&e))?.unwrap_or(0);
                Ok(NounShown { def, version, things, warnings: Vec::new() })
            });
            shown.collect()
        })
        .await
    }

    /// One noun, by any of its forms.
    pub async fn noun(&self, caller: &Caller, word: &str) -> Result<NounShown, Fault> {
        let noun = self.noun_of(word, false).await?;
        let found = self.nouns(caller).await?.into_iter().find(|shown| shown.def.noun == noun.as_str());
        found.ok_or_else(|| Fault::not_found("NOUN_NOT_FOUND", format!("there is no noun {noun}")))
    }

    /// Registers a noun, or changes it, on a branch or on main. True: it was not registered before.
    pub async fn put_noun(&self, caller: &Caller, view: &View, def: NounDef) -> Result<(NounShown, bool), Fault> {
        caller.may("nouns", "update")?;
        check_noun(&def)?;
        if let Some(class) = &def.do_class
            && self.base_of(class).await?.is_none()
        {
            return Err(fields_fault(&[FieldError::new("doClass", "enum", unknown_class(class))]));
        }
        let branch = view.writes_to()?;
        let (caller, inner, after) = (caller.clone(), self.inner.clone(), self.inner.clone());
        let bytes = 4096 + def.schema.as_ref().map_or(0, |schema| schema.to_string().len());
        self.change_then(
            bytes,
            move |turn| store_noun(turn, &inner, caller, branch, def),
            move |_| after.nouns.changed(),
        )
        .await
    }

    /// Takes a noun back that no live thing has (spec NOU-6).
    pub async fn delete_noun(&self, caller: &Caller, word: &str) -> Result<(), Fault> {
        caller.may("nouns", "delete")?;
        let noun = self.noun_of(word, false).await?;
        let (caller, inner) = (caller.clone(), self.inner.clone());
        let after = inner.clone();
        self.change_then(
            1024,
            move |turn| {
                let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line: Line::main() };
                refuse_used(turn, &noun)?;
                let key = thing_of(&noun);
                let before = turn.newest(&scene.line, &key).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
                let Some(before) = before else {
                    return Err(Fault::not_found("NOUN_NOT_FOUND", format!("the noun {noun} was never registered")));
                };
                let content = Content { name: None, data: before.data.to_value() };
                let next = Next { key: &key, before: Some(&before), content, deleted: true, noun: None };
                scene.append(turn, next, Doing::new("delete", "deleted"))?;
                Ok(())
            },
            move |()| after.nouns.changed(),
        )
        .await
    }

    /// Things may be written of it.
    pub(crate) fn refuse_platform_noun(noun: &Noun) -> Result<(), Fault> {
        if !PLATFORM_NOUNS.contains(&noun.as_str()) {
            return Ok(());
        }
        let way = match noun.as_str() {
            "Function" => "deploy a function with PUT /api/functions/{name}",
            "Noun" => "register a noun with PUT /api/nouns/{noun}",
            "Verb" => "register a verb with PUT /api/verbs/{action}",
            super::settings::NOUN => "set them with PATCH /api/$self",
            _ => "relate things with PUT /api/{type}/{id}/relationships/{verb}",
        };
        Err(Fault::invalid("NOUN_RESERVED", format!("things of noun {noun} are the platform's own; {way}")))
    }

    /// What a thing's pointer to an object says about it (spec ID-6).
    pub(crate) async fn shown(&self, row: ThingRow) -> Result<Shown, Fault> {
        if !row.data.as_str().contains("\"$ref\"") {
            return Ok(Shown::of(row));
        }
        let data = row.data.to_value();
        let target = data.get("$ref").and_then(serde_json::Value::as_str);
        let is_object = match target.and_then(|url| types::Namespace::parse(url).ok()) {
            Some(target) if self.namespace().contains(&target) => self.node.is_registered(&target).await?,
            Some(_) | None => false,
        };
        Ok(Shown { row, is_object })
    }
}

/// A word nobody used yet becomes a noun if it is spelt as one, or as the dashed slug or plain word of one.
fn unknown_noun(word: &str) -> Result<Noun, Fault> {
    if let Ok(noun) = Noun::parse(word) {
        return refuse_reserved(&noun).map(|()| noun);
    }
    let pascal: String = word
        .split('-')
        .map(|part| {
            let mut chars = part.chars();
            chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
        })
        .collect();
    // `unicorns` was meant as a plural: the singular is the noun.
    let singular = singular(&pascal);
    let noun = Noun::parse(&singular).map_err(|_| {
        let error =
            FieldError::new("type", "format", format!("{word:?} is no noun; a noun is PascalCase, like Startup"));
        fields_fault(&[error])
    })?;
    refuse_reserved(&noun).map(|()| noun)
}

/// The noun whose regular plural this is, or the word itself.
fn singular(word: &str) -> String {
    let stems = [
        word.strip_suffix("ies").map(|stem| format!("{stem}y")),
        word.strip_suffix("es").map(str::to_owned),
        word.strip_suffix('s').map(str::to_owned),
    ];
    stems.into_iter().flatten().find(|stem| model::noun::plural(stem) == word).unwrap_or_else(|| word.to_owned())
}

fn refuse_reserved(noun: &Noun) -> Result<(), Fault> {
    if model::noun::reserved(noun.as_str()) {
        let message = format!("{noun} is a word of the platform and cannot be a noun");
        return Err(fields_fault(&[FieldError::new("type", "reserved", message)]));
    }
    Ok(())
}

/// What can be said of a noun without looking at the others, or at classes.
pub(crate) fn check_noun(def: &NounDef) -> Result<(), Fault> {
    let mut errors = Vec::new();
    if model::noun::reserved(&def.noun) {
        let message = format!("{} is a word of the platform and cannot be a noun", def.noun);
        errors.push(FieldError::new("noun", "reserved", message));
    }
    if def.plural.is_empty()
        || def.plural.len() > 128
        || !def.plural.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        errors.push(FieldError::new("plural", "format", "plural is one word of letters and digits, like Companies"));
    }
    if let Some(Err(found)) = def.schema.as_ref().map(Schema::compile) {
        errors.extend(found);
    }
    if errors.is_empty() { Ok(()) } else { Err(fields_fault(&errors)) }
}

/// Registers a noun that [`check_noun`] accepts or changes it, within a turn. True: it was not registered before.
pub(crate) fn store_noun(
    turn: &mut store::Turn<'_>,
    inner: &Inner,
    caller: Caller,
    branch: Option<BranchName>,
    def: NounDef,
) -> Result<(NounShown, bool), Fault> {
    let noun = Noun::parse(&def.noun).map_err(|e| name_fault(&e))?;
    let line = line_of(turn, branch.as_ref())?;
    let scene = Scene { caller, namespace: inner.namespace.clone(), branch, line };
    refuse_shared_words(turn, &def)?;
    let key = thing_of(&noun);
    scene.refuse_outside_branch(turn, &key)?;
    let before = turn.newest(&scene.line, &key).map_err(|e| fault_of(&e))?;
    let created = before.as_ref().is_none_or(|row| row.deleted);
    let data = serde_json::to_value(&def).map_err(|_| Fault::internal())?;
    let things = turn.tally(&noun).map_err(|e| fault_of(&e))?.unwrap_or(0);
    let warnings: Vec<String> = model::noun::shadowed(noun.as_str()).into_iter().collect();
    if let Some(row) = before.as_ref().filter(|row| !row.deleted && row.data.to_value() == data) {
        return Ok((NounShown { def, version: Some(row.version), things, warnings }, false));
    }
    scene.index_uniques(turn, &noun, &def)?;
    let doing = if created { Doing::new("create", "created") } else { Doing::new("update", "updated") };
    let content = Content { name: None, data };
    let next = Next { key: &key, before: before.as_ref(), content, deleted: false, noun: None };
    let (row, _) = scene.append(turn, next, doing)?;
    inner.nouns.changed();
    Ok((NounShown { def, version: Some(row.version), things, warnings }, created))
}

/// Two nouns must not be meant by one word (spec NOU-2).
fn refuse_shared_words(reader: &Reader, def: &NounDef) -> Result<(), Fault> {
    let others = all(reader)?;
    if others.len() >= NOUNS_MAX && !others.iter().any(|(other, _)| other.noun == def.noun) {
        return Err(Fault::limit("NOUNS_LIMIT", format!("an object has {NOUNS_MAX} nouns at most")));
    }
    for (other, _) in others.iter().filter(|(other, _)| other.noun != def.noun) {
        for word in [&def.noun, &def.plural] {
            if model::noun::matches(other, word) {
                let message = format!("{word} already means the noun {}; give {} another plural", other.noun, def.noun);
                return Err(Fault::conflict("NOUN_EXISTS", message));
            }
        }
    }
    Ok(())
}

/// A noun that live things have stays (spec NOU-6).
pub(super) fn refuse_used(reader: &Reader, noun: &Noun) -> Result<(), Fault> {
    match reader.tally(noun).map_err(|e| fault_of(&e))?.unwrap_or(0) {
        0 => Ok(()),
        things => {
            let message = format!("{noun} has {things} live things; delete them before the noun");
            Err(Fault::conflict("NOUN_IN_USE", message))
        }
    }
}

/// Whether things of this noun were ever written where a line leads.
pub(crate) fn is_known_on(reader: &Reader, line: &Line, noun: &Noun) -> Result<bool, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    Ok(reader.tally(noun).map_err(fault)?.is_some() || reader.has_noun_on(line, noun).map_err(fault)?)
}
