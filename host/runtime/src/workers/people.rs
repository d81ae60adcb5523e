//! Who is there: people as things of an object, or of the nearest one above it that has them.

use crate::functions::ANCESTORS_MAX;
use crate::object::{Object, fault_of};
use store::{Deleted, Line, ThingList};
use types::exec::ChannelKind;
use types::{Escalation, Fault, HumanDef, Namespace, Noun, RequestWarning, ThingId, ThingKey, Worker};
use workers::draft::Draft;

/// People that are looked through for a role.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Somebody who can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// `{ns}/Human/ann`: whoever calls with it is them.
    pub(crate) id: String,
    pub(crate) def: HumanDef,
}

/// Whom a request is asked of.
pub(super) struct Whom {
    pub(super) people: Vec<Person>,
    /// What happens when they do not answer.
    pub(super) policy: Option<Escalation>,
    /// Steps of it that were taken at once, because nobody was there.
    pub(super) level: u32,
    pub(super) warnings: Vec<RequestWarning>,
}

fn human() -> Noun {
    Noun::parse(Worker::HUMAN).expect("it is PascalCase")
}

impl Object {
    /// This object and those above it, the nearest first.
    pub(super) async fn upwards(&self) -> Result<Vec<Object>, Fault> {
        let mut found = vec![self.clone()];
        while found.len() < ANCESTORS_MAX {
            let Some(parent) = found.last().unwrap_or(self).parent().await? else { break };
            let Some(above) = self.node.object(&parent).await? else { break };
            found.push(above);
        }
        Ok(found)
    }

    async fn own_person(&self, id: &ThingId) -> Result<Option<Person>, Fault> {
        let key = ThingKey::new(human(), id.clone());
        let row = self.look(|store| store.newest(&Line::main(), &key).map_err(|e| fault_of(&e))).await?;
        Ok(row.filter(|row| !row.deleted).map(|row| person(self.namespace(), &row)))
    }

    /// A key of this object speaks for somebody of this object.
    ///
    /// # Errors
    /// `WORKER_NOT_FOUND`.
    pub(crate) async fn must_be_own(&self, id: &ThingId) -> Result<(), Fault> {
        match self.own_person(id).await? {
            Some(_) => Ok(()),
            None => {
                let message = format!("there is no Human/{id} at {}; make the key where they are", self.namespace());
                Err(Fault::not_found("WORKER_NOT_FOUND", message))
            }
        }
    }

    /// The person of this name, whether they can be asked or not.
    pub(crate) async fn person(&self, id: &ThingId) -> Result<Person, Fault> {
        for object in self.upwards().await? {
            if let Some(found) = object.own_person(id).await? {
                return Ok(found);
            }
        }
        let message =
            format!("there is no Human/{id} at {} or above it; PUT /api/humans/{id} makes one", self.namespace());
        Err(Fault::not_found("WORKER_NOT_FOUND", message))
    }

    /// Those who are there and have the role: of the nearest object where anybody has.
    pub(super) async fn holders(&self, role: &str) -> Result<Vec<Person>, Fault> {
        for object in self.upwards().await? {
            let found = object.own_holders(role).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn own_holders(&self, role: &str) -> Result<Vec<Person>, Fault> {
        self.own_people(|p| p.def.roles.iter().any(|own| own == role)).await
    }

    /// Those who are there, of whom something is true.
    async fn own_people(&self, is_it: impl Fn(&Person) -> bool) -> Result<Vec<Person>, Fault> {
        let (mut found, mut after, mut seen) = (Vec::new(), None, 0);
        while seen < LOOKED_THROUGH_MAX {
            let (filters, sort) = (Vec::new(), Vec::new());
            let limit = store::PAGE_MAX;
            let list = ThingList { noun: human(), deleted: Deleted::Hidden, filters, sort, after, offset: 0, limit };
            let page = self.look(|store| store.things(&Line::main(), &list).map_err(|e| fault_of(&e))).await?;
            seen += page.items.len();
            after = page.items.last().map(|row| row.key.id.clone());
            let people = page.items.iter().map(|row| person(self.namespace(), row));
            found.extend(people.filter(|p| !p.def.inactive && is_it(p)));
            if !page.is_more {
                break;
            }
        }
        found.truncate(types::RequestRow::ASSIGNEES_MAX);
        Ok(found)
    }

    /// Who is asked when `worker` is: those who are there now. Empty: nobody is.
    pub(super) async fn people_of(&self, worker: &Worker) -> Result<Vec<Person>, Fault> {
        match worker {
            Worker::Agent(_) => Ok(Vec::new()),
            Worker::Role(role) => self.holders(role).await,
            Worker::Human(id) => match self.person(id).await {
                Ok(found) if found.def.inactive => Ok(Vec::new()),
                Ok(found) => Ok(vec![found]),
                Err(fault) if fault.code == "WORKER_NOT_FOUND" => Ok(Vec::new()),
                Err(fault) => Err(fault),
            },
        }
    }

    /// Those who are there and are reached so, here or above: who writes from that number, who pressed that button.
    pub(super) async fn people_at(&self, kind: ChannelKind, target: &str) -> Result<Vec<Person>, Fault> {
        let mut found = Vec::new();
        for object in self.upwards().await? {
            let is_there = |p: &Person| p.def.channels.iter().any(|own| own.kind == kind && own.target == target);
            found.extend(object.own_people(is_there).await?);
        }
        Ok(found)
    }

    /// Whom `worker` means for this request. Where nobody is there, the next ones are asked at once (spec HUM-7).
    ///
    /// # Errors
    /// `WORKER_NOT_FOUND`, `WORKER_INACTIVE` (409), `NO_ASSIGNEE` (409).
    pub(super) async fn whom(&self, worker: &Worker, draft: &Draft) -> Result<Whom, Fault> {
        let mut policy = draft.escalation.clone();
        let mut people = match worker {
            Worker::Human(id) => {
                let found = self.person(id).await?;
                policy = policy.or_else(|| found.def.escalation.clone());
                Vec::from_iter((!found.def.inactive).then_some(found))
            }
            Worker::Role(_) | Worker::Agent(_) => {
                let found = self.people_of(worker).await?;
                policy = policy.or_else(|| found.iter().find_map(|p| p.def.escalation.clone()));
                found
            }
        };
        let (mut level, mut warnings) = (0, Vec::new());
        let steps = workers::plan::steps(policy.as_ref());
        while people.is_empty() {
            let Some(next) = steps.get(level as usize) else { return Err(nobody(worker)) };
            let message = format!("{} is not there; {} is asked at once", worker, next.to);
            warnings.push(RequestWarning { code: "ESCALATED_AT_ONCE".to_owned(), message });
            people = self.people_of(&next.to).await?;
            level += 1;
        }
        people.truncate(types::RequestRow::ASSIGNEES_MAX);
        Ok(Whom { people, policy, level, warnings })
    }

    /// Whether somebody who answers is still there. Who is no person of an object (a service) always is.
    ///
    /// # Errors
    /// `ASSIGNEE_LEFT` (403).
    pub(super) async fn must_be_there(&self, actor: &str) -> Result<(), Fault> {
        let Some((namespace, id)) = actor.rsplit_once("/Human/") else { return Ok(()) };
        let (Ok(namespace), Ok(id)) = (Namespace::parse(namespace), ThingId::parse(id)) else { return Ok(()) };
        let found = match self.node.object(&namespace).await? {
            Some(object) => object.own_person(&id).await?,
            None => None,
        };
        if found.is_some_and(|person| !person.def.inactive) {
            return Ok(());
        }
        let message = format!("{actor} is not there any more; somebody else who is asked has to answer");
        Err(Fault::new(types::FaultKind::Forbidden, "ASSIGNEE_LEFT", message))
    }
}

/// What was written before it was looked at is somebody without channels.
fn person(namespace: &Namespace, row: &types::ThingRow) -> Person {
    let def = workers::staff::human(&row.data.to_value()).unwrap_or_default();
    Person { id: format!("{namespace}/{}", row.key), def }
}

fn nobody(worker: &Worker) -> Fault {
    match worker {
        Worker::Human(_) => {
            let message = format!("{worker} is inactive, and there is nobody to escalate to; ask somebody else");
            Fault::conflict("WORKER_INACTIVE", message)
        }
        Worker::Role(_) | Worker::Agent(_) => {
            let message = format!("nobody who is there is {worker}; give somebody the role, or ask somebody else");
            Fault::conflict("NO_ASSIGNEE", message)
        }
    }
}
