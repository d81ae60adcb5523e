//! Verbs that somebody registered beside the built-in ones (spec 2.3). Each is a thing of noun `Verb` on main, so it has
//! versions; what a word means, the last committed ones say.

use super::append::{Doing, Next, Scene};
use super::fields_fault;
use crate::Caller;
use crate::commit::lock;
use crate::object::{Inner, Object, fault_of};
use model::verb::{VerbForms, builtin, find, is_verb};
use model::{Content, FieldError};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use store::{Deleted, Line, Reader, ThingList};
use types::{Fault, Noun, ThingId, ThingKey};

/// Verbs registered in one object.
const VERBS_MAX: usize = 1_000;

/// What can be given of a verb.
const FORMS: [&str; 8] = ["action", "activity", "event", "predicate", "reverseBy", "reverseAt", "reverseIn", "inverse"];

/// What an object remembers of its verbs.
pub(crate) struct Verbs {
    /// Nobody registered one as long as this is false: nothing needs to be looked up then.
    any: AtomicBool,
    registered: Mutex<Option<Arc<[VerbForms]>>>,
}

/// A verb as it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerbShown {
    pub forms: VerbForms,
    /// Every object knows it, and nobody can change it.
    pub is_builtin: bool,
}

impl Verbs {
    pub(crate) fn new(any: bool) -> Self {
        Self { any: AtomicBool::new(any), registered: Mutex::new(None) }
    }

    /// Those that somebody registered, by action.
    pub(crate) fn registered(&self, reader: &Reader) -> Result<Arc<[VerbForms]>, Fault> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(Arc::new([]));
        }
        if let Some(verbs) = &*lock(&self.registered) {
            return Ok(verbs.clone());
        }
        let verbs: Arc<[VerbForms]> = read(reader)?.into();
        *lock(&self.registered) = Some(verbs.clone());
        Ok(verbs)
    }

    /// A verb was registered or changed, or a turn that did so may have been taken back.
    pub(crate) fn changed(&self) {
        self.any.store(true, Ordering::Relaxed);
        *lock(&self.registered) = None;
    }
}

fn read(reader: &Reader) -> Result<Vec<VerbForms>, Fault> {
    let (filters, sort) = (Vec::new(), Vec::new());
    let limit = VERBS_MAX as u32;
    let list = ThingList { noun: noun(), deleted: Deleted::Hidden, filters, sort, after: None, offset: 0, limit };
    let mut verbs = Vec::new();
    for row in reader.things(&Line::main(), &list).map_err(|e| fault_of(&e))?.items {
        match serde_json::from_value(row.data.to_value()) {
            Ok(forms) => verbs.push(forms),
            Err(error) => tracing::error!(thing = %row.key, %error, "a stored verb cannot be read"),
        }
    }
    Ok(verbs)
}

fn noun() -> Noun {
    Noun::parse("Verb").expect("it is PascalCase")
}

impl Object {
    /// Every verb: the built-in ones, then those that somebody registered.
    pub async fn verbs(&self, caller: &Caller) -> Result<Vec<VerbShown>, Fault> {
        caller.may("verbs", "read")?;
        let registered = self.registered_verbs().await?;
        let shown = |is_builtin| move |forms: &VerbForms| VerbShown { forms: forms.clone(), is_builtin };
        Ok(builtin().iter().map(shown(true)).chain(registered.iter().map(shown(false))).collect())
    }

    /// One verb, by any of its forms.
    pub async fn verb(&self, caller: &Caller, word: &str) -> Result<VerbShown, Fault> {
        caller.may("verbs", "read")?;
        let registered = self.registered_verbs().await?;
        let forms = find(word, &registered).cloned().ok_or_else(|| {
            let word = &word[..word.floor_char_boundary(80)];
            Fault::not_found("VERB_NOT_FOUND", format!("nobody registered a verb with the form {word:?} here"))
        })?;
        let is_builtin = builtin().contains(&forms);
        Ok(VerbShown { forms, is_builtin })
    }

    /// Registers a verb, or changes it; the forms not given are regular. True: it was not registered before.
    ///
    /// # Errors
    /// `conflict` for a built-in verb, and for a form that means another verb.
    pub async fn put_verb(&self, caller: &Caller, word: &str, given: &Value) -> Result<(VerbShown, bool), Fault> {
        caller.may("verbs", "update")?;
        let (caller, inner, after) = (caller.clone(), self.inner.clone(), self.inner.clone());
        let (word, given) = (word.to_owned(), given.clone());
        self.change_then(
            2048,
            move |turn| store_verb(turn, &inner, caller, &word, &given),
            move |_| after.verbs.changed(),
        )
        .await
    }

    pub(crate) async fn registered_verbs(&self) -> Result<Arc<[VerbForms]>, Fault> {
        if !self.inner.verbs.any.load(Ordering::Relaxed) {
            return Ok(Arc::new([]));
        }
        self.look(|store| self.inner.verbs.registered(store)).await
    }

    /// A verb as actions have it (`create`), whichever form of it is given; what is no known form stays as it is.
    pub async fn action_form(&self, word: &str) -> Result<String, Fault> {
        let registered = self.registered_verbs().await?;
        Ok(find(word, &registered).map_or_else(|| word.to_owned(), |verb| verb.action.clone()))
    }

    /// A verb as events have it: `created`.
    pub async fn event_form(&self, word: &str) -> Result<String, Fault> {
        let registered = self.registered_verbs().await?;
        Ok(find(word, &registered).map_or_else(|| word.to_owned(), |verb| verb.event.clone()))
    }
}

/// Registers a verb or changes it, within a turn. True: it was not registered before.
pub(crate) fn store_verb(
    turn: &mut store::Turn<'_>,
    inner: &Inner,
    caller: Caller,
    word: &str,
    given: &Value,
) -> Result<(VerbShown, bool), Fault> {
    let is_form = |key: &String| FORMS.contains(&key.as_str());
    if let Some(key) = given.as_object().and_then(|given| given.keys().find(|key| !is_form(key))) {
        let key = &key[..key.floor_char_boundary(80)];
        let message = format!("{key:?} is no form of a verb; accepted: {}", FORMS.join(", "));
        return Err(fields_fault(&[FieldError::new(key, "unknown", message)]));
    }
    if !is_verb(word) {
        let message = "a verb is a small letter followed by letters and digits, 64 at most, like ship";
        return Err(fields_fault(&[FieldError::new("action", "verb", message)]));
    }
    let registered = read(turn)?;
    let action = find(word, &registered).map_or_else(|| word.to_owned(), |verb| verb.action.clone());
    if builtin().iter().any(|verb| verb.action == action) {
        let message = format!("{action} is built in and cannot be changed");
        return Err(Fault::conflict("VERB_BUILTIN", message));
    }
    let forms = VerbForms::read(&action, given).map_err(|errors| fields_fault(&errors))?;
    refuse_shared_forms(&forms, &registered)?;
    let id = ThingId::parse(&action).expect("a verb is an id");
    let key = ThingKey::new(noun(), id);
    let line = Line::main();
    let before = turn.newest(&line, &key).map_err(|e| fault_of(&e))?;
    let data = serde_json::to_value(&forms).map_err(|_| Fault::internal())?;
    let created = before.as_ref().is_none_or(|row| row.deleted);
    let shown = VerbShown { forms, is_builtin: false };
    if before.as_ref().is_some_and(|row| !row.deleted && row.data.to_value() == data) {
        return Ok((shown, false));
    }
    let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line };
    let doing = if created { Doing::new("create", "created") } else { Doing::new("update", "updated") };
    let content = Content { name: None, data };
    let next = Next { key: &key, before: before.as_ref(), content, deleted: false, noun: None };
    scene.append(turn, next, doing)?;
    inner.verbs.changed();
    Ok((shown, created))
}

/// Two verbs must not be meant by one word (spec VRB-1).
fn refuse_shared_forms(forms: &VerbForms, registered: &[VerbForms]) -> Result<(), Fault> {
    let is_new = registered.iter().all(|verb| verb.action != forms.action);
    if is_new && registered.len() >= VERBS_MAX {
        return Err(Fault::limit("VERBS_LIMIT", format!("an object has {VERBS_MAX} verbs at most")));
    }
    let others = || builtin().iter().chain(registered.iter().filter(|verb| verb.action != forms.action));
    for form in forms.forms() {
        if let Some(other) = others().find(|verb| verb.forms().any(|taken| taken == form)) {
            let message = format!("{form} already means the verb {}; give {} another form", other.action, forms.action);
            return Err(Fault::conflict("VERB_EXISTS", message));
        }
    }
    Ok(())
}

/// The form that edges are kept in: `owns`.
pub(crate) fn predicate_of(verb: &str, registered: &[VerbForms]) -> String {
    find(verb, registered).map_or_else(|| verb.to_owned(), |forms| forms.predicate.clone())
}

/// What the other end of an edge calls it: `ownedBy`.
pub(crate) fn reverse_of(predicate: &str, registered: &[VerbForms]) -> String {
    let verb = registered.iter().find(|verb| verb.predicate == predicate);
    verb.map_or_else(|| model::verb::reverse_of(predicate), |verb| verb.reverse_by.clone())
}
