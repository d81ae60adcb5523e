//! The one way a row enters a file.

mod archive;
mod deliveries;
mod followers;
mod invocations;
mod requests;
mod schedules;
mod things;
mod usage;
mod workflows;
pub(crate) use things::branch_key;

use crate::Error;
use crate::read::State;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params};
use types::{ActionRow, EventRow, Id, Json, KeyRow, LogRow, ObjectRow, Row, Timestamp};

/// Adds a row, or moves it on where the schema says so, and counts.
///
/// # Errors
/// [`Error::Number`] when a version or a sequence is not the next one: a gap or a number used twice is a defect of the
/// caller and must not reach the file.
pub(crate) fn insert(connection: &Connection, state: &mut State, row: &Row) -> Result<(), Error> {
    match row {
        Row::Origin { namespace, created_at } => {
            let origin = crate::Origin { namespace: namespace.clone(), created_at: *created_at };
            state.origin = Some(origin);
            run(
                connection,
                "UPDATE meta SET namespace = ?1, createdAt = ?2",
                params![namespace.as_str(), int(created_at.as_millis())],
            )
        }
        Row::Thing(thing) => {
            if thing.version < state.next_version {
                let (expected, found) = (state.next_version, thing.version);
                return Err(Error::Number { what: "version", expected, found });
            }
            things::insert(connection, state, thing)?;
            state.next_version = thing.version + 1;
            state.last_at = state.last_at.max(thing.created_at);
            Ok(())
        }
        Row::Action(action) => put_action(connection, action),
        Row::Event(event) => {
            if event.sequence != state.next_sequence {
                let (expected, found) = (state.next_sequence, event.sequence);
                return Err(Error::Number { what: "event", expected, found });
            }
            insert_event(connection, event)?;
            state.next_sequence += 1;
            Ok(())
        }
        Row::Log(log) => insert_log(connection, log),
        Row::Object(object) => put_object(connection, object),
        Row::Key(key) => put_key(connection, key),
        Row::Secret { name, sealed: Some(sealed), at } => run(
            connection,
            "INSERT INTO secrets (name, sealed, updatedAt) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updatedAt = excluded.updatedAt",
            params![name, sealed, int(at.as_millis())],
        ),
        Row::Secret { name, sealed: None, at: _ } => {
            run(connection, "DELETE FROM secrets WHERE name = ?1", params![name])
        }
        Row::Branch(branch) => things::put_branch(connection, branch),
        Row::Merge(merge) => things::put_merge(connection, merge),
        Row::Search { version, text } => things::index(connection, state, *version, text),
        Row::Unique(unique) => things::put_unique(connection, unique),
        Row::Archived(archived) => archive::take(connection, archived),
        Row::Unarchived(thing) => archive::put_back(connection, thing),
        Row::UnarchivedEvent(event) => archive::put_back_event(connection, event),
        Row::Forked { namespace, from } => {
            run(connection, "UPDATE objects SET forkedFrom = ?2 WHERE ns = ?1", params![namespace.as_str(), from])
        }
        Row::Destroyed { namespace, at } => run(
            connection,
            "UPDATE objects SET deleted = 1, destroyedAt = ?2 WHERE ns = ?1",
            params![namespace.as_str(), millis(*at)],
        ),
        Row::Invocation(invocation) => invocations::insert(connection, state, invocation, None),
        Row::InvocationOver { invocation, output } => {
            invocations::insert(connection, state, invocation, Some(output.as_ref()))
        }
        Row::InvocationState(standing) => invocations::stand(connection, state, standing),
        Row::Step(step) => invocations::put_step(connection, step),
        Row::StepsCut { invocation, from } => invocations::cut_steps(connection, *invocation, *from),
        Row::Schedule { name, state } => schedules::put(connection, name, state.as_deref()),
        Row::Delivered { subscription, through } => {
            deliveries::put_delivered(connection, subscription.as_deref(), *through)
        }
        Row::FailedDelivery(failed) => deliveries::put_failed(connection, failed),
        Row::DeliverySettled { subscription, sequence } => deliveries::settle(connection, subscription, *sequence),
        Row::InvocationMoved { id, version } => invocations::move_to(connection, *id, *version),
        Row::WorkflowRun(run) => workflows::put(connection, run),
        Row::Follower { namespace, state } => followers::put(connection, namespace, state.as_deref()),
        Row::TakenIn { source, through } => followers::put_taken_in(connection, *source, *through),
        Row::EventOrigin(origin) => followers::put_origin(connection, origin),
        Row::InvocationWish { id, priority, retry_on } => invocations::wish(connection, *id, *priority, retry_on),
        Row::Request(request) => requests::put(connection, request),
        Row::KeySubject { key, subject } => {
            let sql = "UPDATE keys SET subject = ?2 WHERE id = ?1";
            run(connection, sql, params![Blob::of(*key), subject.to_string()])
        }
        Row::RunsForgotten { runs, through, at } => invocations::forget(connection, runs, *through, *at),
        Row::ModelUsage(usage) => usage::put(connection, usage),
    }
}

fn put_action(connection: &Connection, a: &ActionRow) -> Result<(), Error> {
    let error = a.error.as_ref().map(Json::of);
    run(
        connection,
        "INSERT INTO actions (id, verb, actor, target, input, output, options, durability, status, error, attempts,
           idempotencyKey, requestId, parentId, createdAt, startedAt, completedAt, durationUs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT (id) DO UPDATE SET verb = ?2, actor = ?3, target = ?4, input = ?5, output = ?6, options = ?7,
           durability = ?8, status = ?9, error = ?10, attempts = ?11, idempotencyKey = ?12, requestId = ?13,
           parentId = ?14, createdAt = ?15, startedAt = ?16, completedAt = ?17, durationUs = ?18",
        params![
            Blob::of(a.id),
            a.verb,
            a.actor,
            a.target,
            a.input.map(int),
            a.output.map(int),
            Text(&a.options),
            a.durability.as_str(),
            a.status.as_str(),
            error.as_ref().map(Text),
            a.attempts,
            a.idempotency_key,
            a.request_id,
            a.parent.map(Blob::of),
            int(a.created_at.as_millis()),
            a.started_at.map(millis),
            a.completed_at.map(millis),
            a.duration_us.map(int),
        ],
    )
}

pub(crate) fn insert_event(connection: &Connection, e: &EventRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO events (sequence, id, verb, source, data, actionId, createdAt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            int(e.sequence),
            Blob::of(e.id),
            e.verb,
            e.source,
            Text(&e.data),
            Blob::of(e.action),
            int(e.created_at.as_millis())
        ],
    )
}

fn insert_log(connection: &Connection, l: &LogRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO logs (actionId, ordinal, createdAt, stream, text) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![Blob::of(l.action), l.ordinal, millis(l.at), l.stream.as_str(), l.text],
    )
}

fn put_object(connection: &Connection, o: &ObjectRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO objects (ns, id, class, relation, parent, createdAt, deleted, region, \"primary\", shardKey, shardIndex)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (ns) DO UPDATE SET id = ?2, class = ?3, relation = ?4, parent = ?5, createdAt = ?6, deleted = ?7,
           region = ?8, \"primary\" = ?9, shardKey = ?10, shardIndex = ?11, destroyedAt = NULL",
        params![
            o.namespace.as_str(),
            &o.id.as_u128().to_be_bytes()[..],
            o.class,
            o.relation.as_str(),
            o.parent.as_ref().map(|p| p.as_str()),
            millis(o.created_at),
            o.deleted,
            o.place.region,
            o.place.primary,
            o.place.shard_key,
            o.place.shard_index,
        ],
    )
}

fn put_key(connection: &Connection, k: &KeyRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO keys (id, name, hash, start, scopes, createdBy, createdAt, expiresAt, revokedAt)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET name = ?2, hash = ?3, start = ?4, scopes = ?5, createdBy = ?6, createdAt = ?7,
           expiresAt = ?8, revokedAt = ?9",
        params![
            Blob::of(k.id),
            k.name,
            &k.hash.as_bytes()[..],
            k.start,
            Json::of(&k.scopes).as_str(),
            k.created_by,
            millis(k.created_at),
            k.expires_at.map(millis),
            k.revoked_at.map(millis),
        ],
    )
}

pub(crate) fn run(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// SQLite's integers have a sign; ours count up from 0 and come back as they were.
pub(crate) fn int(n: u64) -> i64 {
    n.cast_signed()
}

pub(crate) fn millis(at: Timestamp) -> i64 {
    int(at.as_millis())
}

pub(crate) struct Blob([u8; 16]);

impl Blob {
    pub fn of(id: Id) -> Self {
        Self(id.to_bytes())
    }
}

impl ToSql for Blob {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

pub(crate) struct Text<'a>(pub &'a Json);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_str().as_bytes())))
    }
}
