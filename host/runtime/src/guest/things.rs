//! Things, as a guest reads and writes them: inside its turn, which it alone sees until it commits.

use super::GuestHost;
use crate::commit::{lock, write_event};
use crate::object::fault_of;
use crate::things::{
    Direction, Ends, Expect, Op, PatchOf, Shown, View, Write, Writer, edges_on, fields_fault, list_on, name_fault,
    versions_on,
};
use crate::turn::OpenTurn;
use model::FieldError;
use model::flat::Input;
use serde_json::{Map, Value, json};
use store::{Comparison, Field, ThingFilter, ThingSort, Turn};
use types::{BranchName, Fault, Json, Noun, Ref, Reply, ThingId, ThingKey, ThingRef};

/// A page of a list that a guest asks for.
const PAGE_MAX: u64 = 100;
const PAGE_DEFAULT: u64 = 20;
/// What one turn may write, in bytes of data: it is one record.
const TURN_BYTES_MAX: usize = 8 << 20;

impl GuestHost {
    /// Goes on with the run's turn, which begins with its first touch of a thing.
    async fn in_turn<T>(&mut self, work: impl FnOnce(&mut Turn<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let open = lock(&self.running.turn).open.take();
        let mut open = match open {
            Some(open) => open,
            None => {
                let mut open = OpenTurn::begin(&self.object).await?;
                // What was emitted before comes before.
                let events = std::mem::take(&mut lock(&self.running.turn).events);
                let (action, at) = (self.running.id, self.object.node.now());
                open.go_on(|turn| {
                    let mut events = events.into_iter();
                    events.try_for_each(|event| write_event(turn, event, action, at)).map_err(|e| fault_of(&e))
                })?;
                open
            }
        };
        let done = open.go_on(work);
        lock(&self.running.turn).open = Some(open);
        done
    }

    pub(super) async fn get(&mut self, at: ThingRef) -> Result<Reply, Fault> {
        let (key, view) = self.parse(&at)?;
        self.running.caller.may(key.noun.as_str(), "read")?;
        let row = self.in_turn(|turn| view.find(turn, &key)).await?;
        Ok(self.told(Shown::of(row)))
    }

    pub(super) async fn create(
        &mut self,
        noun: &str,
        data: Json,
        if_version: Option<u64>,
        branch: Option<String>,
    ) -> Result<Reply, Fault> {
        let noun = Noun::parse(noun).map_err(|e| name_fault(&e))?;
        let input = Input::read(data.to_value()).map_err(|errors| fields_fault(&errors))?;
        self.write(Op::Create { noun, input, revive: false }, if_version, branch, None).await
    }

    pub(super) async fn put(
        &mut self,
        at: ThingRef,
        data: Json,
        if_version: Option<u64>,
        branch: Option<String>,
    ) -> Result<Reply, Fault> {
        let (key, view) = self.parse(&at)?;
        let input = Input::read(data.to_value()).map_err(|errors| fields_fault(&errors))?;
        self.write(Op::Put { key, input, upsert: true }, if_version, branch, Some(view)).await
    }

    pub(super) async fn patch(
        &mut self,
        at: ThingRef,
        patch: Json,
        if_version: Option<u64>,
        branch: Option<String>,
    ) -> Result<Reply, Fault> {
        let (key, view) = self.parse(&at)?;
        let patch = PatchOf::Merge { patch: patch.to_value(), if_version: None };
        self.write(Op::Patch { key, patch }, if_version, branch, Some(view)).await
    }

    pub(super) async fn delete(
        &mut self,
        at: ThingRef,
        if_version: Option<u64>,
        branch: Option<String>,
    ) -> Result<Reply, Fault> {
        let (key, view) = self.parse(&at)?;
        match self.write(Op::Delete { key }, if_version, branch, Some(view)).await? {
            Reply::Version(version) => Ok(Reply::Version(version)),
            other => Ok(other),
        }
    }

    async fn write(
        &mut self,
        op: Op,
        if_version: Option<u64>,
        branch: Option<String>,
        view: Option<View>,
    ) -> Result<Reply, Fault> {
        let branch = match branch {
            Some(name) => branch_of(&name)?,
            None => view.unwrap_or_else(|| self.view(Ref::Head)).writes_to()?,
        };
        let expect = if_version.map_or(Expect::Anything, |version| Expect::Versions(vec![version]));
        let is_delete = matches!(op, Op::Delete { .. });
        let write = Write { expect, ..Write::of(op) };
        write.allowed_to(&self.running.caller)?;
        self.count_writes(write.bytes())?;
        let (caller, inner, parent) = (self.running.caller.clone(), self.object.inner.clone(), self.running.id);
        let done =
            self.in_turn(move |turn| Writer::new(turn, caller, &inner, branch, Some(parent))?.one(turn, write)).await?;
        if is_delete { Ok(Reply::Version(done.row.version)) } else { Ok(self.told(Shown::of(done.row))) }
    }

    pub(super) async fn list(&mut self, noun: &str, query: Option<Json>) -> Result<Reply, Fault> {
        let noun = Noun::parse(noun).map_err(|e| name_fault(&e))?;
        self.running.caller.may(noun.as_str(), "read")?;
        let mut query = Query::read(query)?;
        let view = self.view(query.at()?);
        let wanted = crate::things::ThingsWanted {
            noun,
            filters: query.filters()?,
            sort: query.sort()?,
            with_deleted: query.bool("includeDeleted")?,
            cursor: query.text("cursor")?,
            offset: 0,
            limit: query.limit()?,
        };
        query.done()?;
        let inner = self.object.inner.clone();
        let page = self.in_turn(|turn| list_on(turn, &inner.nouns, &wanted, &view)).await?;
        let namespace = self.object.namespace();
        let data: Vec<_> = page.items.into_iter().map(|row| Shown::of(row).to_json(namespace)).collect();
        Ok(Reply::Json(Json::of(&json!({ "data": data, "total": page.total, "next": page.next }))))
    }

    pub(super) async fn versions(&mut self, at: ThingRef, query: Option<Json>) -> Result<Reply, Fault> {
        let (key, _) = self.parse(&at)?;
        self.running.caller.may(key.noun.as_str(), "read")?;
        let mut query = Query::read(query)?;
        let (view, limit) = (self.view(query.at()?), query.limit()?);
        let before =
            query.text("cursor")?.map(|c| c.parse().map_err(|_| refuse("cursor", "this is no cursor"))).transpose()?;
        query.done()?;
        let page = self.in_turn(|turn| versions_on(turn, &key, &view, before, limit)).await?;
        let data: Vec<_> = page.items.iter().map(crate::things::VersionShown::to_value).collect();
        Ok(Reply::Json(Json::of(&json!({ "data": data, "next": page.next.map(|next| next.to_string()) }))))
    }

    pub(super) async fn relate(
        &mut self,
        from: ThingRef,
        verb: &str,
        to: &str,
        data: Option<Json>,
    ) -> Result<Reply, Fault> {
        let (from, view) = self.parse(&from)?;
        self.running.caller.may(from.noun.as_str(), "update")?;
        let (verb, to) = (verb.to_owned(), to.to_owned());
        let data = data.map_or_else(|| json!({}), |data| data.to_value());
        if !data.is_object() {
            return Err(refuse("data", "the data of an edge is an object"));
        }
        self.count_writes(1024 + data.to_string().len())?;
        let branch = view.writes_to()?;
        let (caller, inner) = (self.running.caller.clone(), self.object.inner.clone());
        let namespace = self.object.namespace().clone();
        let edge = self
            .in_turn(move |turn| {
                let ends = Ends::read(&namespace, &from, &verb, &to, &inner.verbs.registered(turn)?)?;
                let writer = Writer::new(turn, caller, &inner, branch, None)?;
                let (row, _) = writer.relate(turn, &from, &ends, data)?;
                Ok(ends.shown(&namespace, &row))
            })
            .await?;
        Ok(Reply::Json(Json::from_value(&edge.to_value())))
    }

    pub(super) async fn unrelate(&mut self, from: ThingRef, verb: &str, to: &str) -> Result<Reply, Fault> {
        let (from, view) = self.parse(&from)?;
        self.running.caller.may(from.noun.as_str(), "update")?;
        self.count_writes(512)?;
        let (branch, verb, to) = (view.writes_to()?, verb.to_owned(), to.to_owned());
        let (caller, inner) = (self.running.caller.clone(), self.object.inner.clone());
        self.in_turn(move |turn| {
            let ends = Ends::read(&inner.namespace, &from, &verb, &to, &inner.verbs.registered(turn)?)?;
            Writer::new(turn, caller, &inner, branch, None)?.scene.unrelate(turn, &ends)
        })
        .await?;
        Ok(Reply::Done)
    }

    pub(super) async fn edges(
        &mut self,
        of: ThingRef,
        direction: Direction,
        verb: Option<String>,
    ) -> Result<Reply, Fault> {
        let (key, view) = self.parse(&of)?;
        self.running.caller.may(key.noun.as_str(), "read")?;
        let inner = self.object.inner.clone();
        let page = self
            .in_turn(|turn| {
                view.find(turn, &key)?;
                let (line, verbs) = (view.line(turn)?, inner.verbs.registered(turn)?);
                let limit = PAGE_MAX as u32;
                edges_on(turn, &line, &inner.namespace, &key, direction, verb.as_deref(), None, limit, &verbs)
            })
            .await?;
        let edges: Vec<_> = page.items.iter().map(crate::things::EdgeShown::to_value).collect();
        Ok(Reply::Json(Json::of(&edges)))
    }

    /// Emits into the turn when there is one, so that events keep the order in which they happened.
    pub(crate) fn emit_in_turn(&mut self, event: crate::commit::NewEvent) -> Result<(), Fault> {
        let (action, at) = (self.running.id, self.object.node.now());
        let mut turn = lock(&self.running.turn);
        match &mut turn.open {
            Some(open) => open.go_on(|turn| write_event(turn, event, action, at).map_err(|e| fault_of(&e))),
            None => {
                turn.events.push(event);
                Ok(())
            }
        }
    }

    /// One turn is one transaction and one record: what it writes is bounded.
    pub(super) fn count_writes(&mut self, bytes: usize) -> Result<(), Fault> {
        let mut turn = lock(&self.running.turn);
        super::room_in(&turn)?;
        turn.count(bytes, TURN_BYTES_MAX)
    }

    /// The state that a guest means who names none is the object's default branch.
    fn view(&self, at: Ref) -> View {
        View { checkout: self.object.in_effect(), at }
    }

    fn parse(&self, at: &ThingRef) -> Result<(ThingKey, View), Fault> {
        let noun = Noun::parse(&at.noun).map_err(|e| name_fault(&e))?;
        let id = ThingId::parse(&at.id).map_err(|e| name_fault(&e))?;
        let at = at.at.as_deref().map_or(Ok(Ref::Head), parse_ref)?;
        Ok((ThingKey::new(noun, id), self.view(at)))
    }

    fn told(&self, shown: Shown) -> Reply {
        Reply::Json(shown.to_json(self.object.namespace()))
    }
}

fn parse_ref(text: &str) -> Result<Ref, Fault> {
    Ref::parse(text.strip_prefix('@').unwrap_or(text)).map_err(|e| Fault::invalid("REF_INVALID", e.to_string()))
}

fn branch_of(name: &str) -> Result<Option<BranchName>, Fault> {
    if name == "main" {
        return Ok(None);
    }
    BranchName::parse(name).map(Some).map_err(|e| name_fault(&e))
}

fn refuse(field: &str, message: &str) -> Fault {
    fields_fault(&[FieldError::new(field, "format", message)])
}

/// The `query` of a list, each part taken once.
struct Query(Map<String, Value>);

impl Query {
    fn read(query: Option<Json>) -> Result<Self, Fault> {
        match query.map(|query| query.to_value()) {
            None | Some(Value::Null) => Ok(Self(Map::new())),
            Some(Value::Object(map)) => Ok(Self(map)),
            Some(_) => Err(refuse("query", "a query is an object, like {\"limit\": 10}")),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refuse(name, "a string is wanted")),
        }
    }

    fn bool(&mut self, name: &str) -> Result<bool, Fault> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(refuse(name, "true or false is wanted")),
        }
    }

    fn limit(&mut self) -> Result<u32, Fault> {
        let limit = self.0.shift_remove("limit").filter(|value| !value.is_null());
        let limit = limit.map_or(Some(PAGE_DEFAULT), |value| value.as_u64().filter(|n| (1..=PAGE_MAX).contains(n)));
        limit.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| refuse("limit", "a number from 1 to 100 is wanted"))
    }

    /// `branch` or `at`.
    fn at(&mut self) -> Result<Ref, Fault> {
        match (self.text("branch")?, self.text("at")?) {
            (Some(_), Some(_)) => Err(refuse("at", "branch and at name two states; give one")),
            (Some(branch), None) => Ok(Ref::Branch(branch_of(&branch)?)),
            (None, at) => at.as_deref().map_or(Ok(Ref::Head), parse_ref),
        }
    }

    /// `-updatedAt,name`
    fn sort(&mut self) -> Result<Vec<ThingSort>, Fault> {
        let Some(text) = self.text("sort")? else { return Ok(Vec::new()) };
        let one = |part: &str| {
            let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
            Ok(ThingSort { field: field_of(name)?, descending })
        };
        text.split(',').map(str::trim).map(one).collect()
    }

    /// `{"status": "active", "age": {"$gt": 10}}`
    fn filters(&mut self) -> Result<Vec<ThingFilter>, Fault> {
        let conditions = match self.0.shift_remove("where") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(refuse("where", "an object of conditions by field is wanted")),
        };
        let mut filters = Vec::new();
        for (name, condition) in conditions {
            let field = field_of(&name)?;
            let Value::Object(operators) = condition else {
                filters.push(ThingFilter { field, comparison: Comparison::Is, value: text_of(&name, &condition)? });
                continue;
            };
            for (operator, value) in operators {
                let comparison = comparison_of(&operator).ok_or_else(|| {
                    refuse(&name, "operators are $gt, $gte, $lt, $lte, $ne, $contains, $startsWith, $exists")
                })?;
                let value = text_of(&name, &value)?;
                filters.push(ThingFilter { field: field.clone(), comparison, value });
            }
        }
        Ok(filters)
    }

    fn done(self) -> Result<(), Fault> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(unknown) => {
                Err(refuse(unknown, "unknown; a query has limit, cursor, sort, where, branch, at, includeDeleted"))
            }
        }
    }
}

fn comparison_of(operator: &str) -> Option<Comparison> {
    Some(match operator {
        "$gt" => Comparison::Greater,
        "$gte" => Comparison::GreaterOrEqual,
        "$lt" => Comparison::Less,
        "$lte" => Comparison::LessOrEqual,
        "$ne" => Comparison::IsNot,
        "$contains" => Comparison::Contains,
        "$startsWith" => Comparison::StartsWith,
        "$exists" => Comparison::Exists,
        _ => return None,
    })
}

fn text_of(field: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => {
            Err(refuse(field, "a field is compared with a string, number or boolean"))
        }
    }
}

fn field_of(name: &str) -> Result<Field, Fault> {
    Field::parse(name).ok_or_else(|| refuse(name, "no field is called that; write a name, or a path like address.city"))
}
