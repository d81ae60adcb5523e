//! What a turn leaves behind: complete rows, so that applying them twice, later or elsewhere gives the same file.

use crate::{
    BranchName, Fault, Hash, Id, InvocationRow, InvocationState, Json, ModelUsageRow, Namespace, Noun, ObjectId,
    RequestRow, ScheduleState, Scopes, StepRow, ThingId, ThingKey, Timestamp, Worker, WorkflowRunRow,
};
use serde::{Deserialize, Serialize};

/// The outcome of one turn, or of several of one object that ended together. Identified by `(object, epoch, seq)`;
/// `seq` counts an object's records from 1 without gaps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub object: ObjectId,
    pub epoch: u64,
    pub seq: u64,
    pub at: Timestamp,
    pub rows: Vec<Row>,
}

/// One row of one table. The order of the variants is part of the log's encoding: new ones go last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Row {
    /// What this object is; in the first record of each object.
    Origin {
        namespace: Namespace,
        created_at: Timestamp,
    },
    Thing(ThingRow),
    /// Inserted, or its status moved on.
    Action(ActionRow),
    Event(EventRow),
    Log(LogRow),
    /// Inserted, or replaced (a relation changes, an object is gone).
    Object(ObjectRow),
    /// Inserted, or replaced (revoked).
    Key(KeyRow),
    /// Inserted, or replaced; the value is ciphertext. `None` removes it.
    Secret {
        name: String,
        sealed: Option<Vec<u8>>,
        at: Timestamp,
    },
    /// Inserted, or replaced (its things grow, it is gone).
    Branch(BranchRow),
    Merge(MergeRow),
    /// What a search finds this version by, while it is the newest on main.
    Search {
        version: u64,
        text: String,
    },
    Unique(UniqueRow),
    /// Rows leave the file: an archive has them, or they were given up.
    Archived(ArchivedRow),
    /// A version comes back from an archive under its number.
    Unarchived(ThingRow),
    /// An event comes back from an archive under its number; only events that were streamed are ever archived.
    UnarchivedEvent(EventRow),
    /// Which state of which object another one was made of: `https://a.b@v7`. Beside the row that points to it.
    Forked {
        namespace: Namespace,
        from: String,
    },
    /// In the root object: the object of this namespace is gone for good, and its name rests for a while.
    Destroyed {
        namespace: Namespace,
        at: Timestamp,
    },
    Invocation(Box<InvocationRow>),
    /// Where an invocation stands from now on.
    InvocationState(InvocationState),
    /// Inserted, or replaced by its answer.
    Step(StepRow),
    /// The steps from this ordinal on are given up: a later attempt went another way.
    StepsCut {
        invocation: Id,
        from: u32,
    },
    /// Where a schedule stands from now on. `None` removes it.
    Schedule {
        name: String,
        state: Option<Box<ScheduleState>>,
    },
    /// Events through this sequence were handed to every subscription (None), or were before this one began (Some).
    Delivered {
        subscription: Option<String>,
        through: u64,
    },
    /// Inserted, or brought up to date: a delivery failed.
    FailedDelivery(Box<FailedDeliveryRow>),
    /// A delivery that had failed is over, whatever became of it.
    DeliverySettled {
        subscription: String,
        sequence: u64,
    },
    /// An unfinished invocation goes on with another version of its function, which its journal fits.
    InvocationMoved {
        id: Id,
        version: u64,
    },
    /// Inserted, or what was asked of it moved on.
    WorkflowRun(Box<WorkflowRunRow>),
    /// An invocation that was accepted and came to its end in one record, at its first attempt; `output` as in
    /// [`Standing::Done`](crate::Standing::Done).
    InvocationOver {
        invocation: Box<InvocationRow>,
        output: Option<Json>,
    },
    /// Another object follows the events of this one: what it wants, and how far it has them. `None` ends that.
    Follower {
        namespace: Namespace,
        state: Option<Box<FollowerState>>,
    },
    /// Events of the object `source` were taken in, through this one of its numbers.
    TakenIn {
        source: ObjectId,
        through: u64,
    },
    /// An event of this object happened in another one first. Beside the event's own row.
    EventOrigin(Box<EventOrigin>),
    /// Invocations that were over leave the file with their steps. The look for more goes on behind the number `through`;
    /// 0: it was ended at `at`.
    RunsForgotten {
        runs: Vec<Id>,
        through: u64,
        at: Timestamp,
    },
    /// What was wanted of an invocation beside the usual. It follows the row of the invocation.
    InvocationWish {
        id: Id,
        priority: i8,
        retry_on: Vec<String>,
    },
    /// Inserted, or moved on.
    Request(Box<RequestRow>),
    /// For whom a key speaks. It follows the row of the key.
    KeySubject {
        key: Id,
        subject: Worker,
    },
    /// Inserted, or grown: what a model cost on a day.
    ModelUsage(Box<ModelUsageRow>),
}

/// Where an object that follows this one stands (spec BUS-3).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FollowerState {
    /// The events that it wants: `Customer.*`.
    pub event: String,
    /// A condition on them.
    pub filter: Option<String>,
    /// The last event of this object that it has, or that was not for it.
    pub through: u64,
    /// How often in a row it could not be told.
    pub failed: u32,
    /// It is not told before then.
    pub retry_at: Option<Timestamp>,
    /// Why it could not be told the last time.
    pub error: Option<Fault>,
}

/// Where an event that was taken in happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventOrigin {
    /// Of the event here.
    pub sequence: u64,
    /// Of the event, there and here: no event is taken in twice.
    pub id: Id,
    pub namespace: Namespace,
    /// Its number there.
    pub number: u64,
    /// How many handlers have led to it.
    pub depth: u32,
    /// The `$id` of who caused it.
    pub actor: Option<String>,
}

/// A delivery of an event to a subscription, whose last attempt failed (spec ON-5). There is one of each subscription and
/// event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FailedDeliveryRow {
    /// Of its first invocation. When the row is brought up to date the first id stays.
    pub id: Id,
    pub subscription: String,
    /// Of the event.
    pub sequence: u64,
    /// The place of the handler among those of the event.
    pub order: u32,
    /// What the handler gets (spec ON-3).
    pub payload: Json,
    pub error: Fault,
    /// Attempts so far without the first.
    pub retries: u32,
    /// Retries that were made by themselves. The first stays.
    pub max_retries: u32,
    /// Of the last attempt. The row keeps the first, too.
    pub at: Timestamp,
    pub standing: FailedStanding,
}

/// What is to become of a failed delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FailedStanding {
    /// It is tried again by itself.
    Retrying,
    /// A dead letter: it waits for somebody.
    Dead,
    /// It was purged, and is kept to be looked at.
    Archived,
}

impl FailedStanding {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Dead => "dead",
            Self::Archived => "archived",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Retrying, Self::Dead, Self::Archived].into_iter().find(|s| s.as_str() == text)
    }
}

/// What one archive takes over in one turn (spec LIF-3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArchivedRow {
    /// None: nobody keeps them.
    pub archive: Option<Id>,
    /// Version numbers.
    pub things: Vec<u64>,
    pub actions: Vec<Id>,
    /// Sequence numbers.
    pub events: Vec<u64>,
}

/// One version of one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ThingRow {
    /// Unique in the object, never used again (spec THG-2).
    pub version: u64,
    pub key: ThingKey,
    /// None is main.
    pub branch: Option<BranchName>,
    pub name: Option<String>,
    /// An object.
    pub data: Json,
    /// A delete marker; name and data are the last ones.
    pub deleted: bool,
    pub created_at: Timestamp,
    pub action: Id,
    /// The `$id` of who made this version.
    pub actor: String,
    /// When and by whom the thing was made; None: by this version. It is kept with each version because the first one
    /// may be archived (spec THG-3).
    pub born: Option<Born>,
}

impl ThingRow {
    /// When the thing was made, and by whom.
    pub fn born(&self) -> Born {
        self.born.clone().unwrap_or_else(|| Born { at: self.created_at, by: self.actor.clone() })
    }
}

/// The beginning of a thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Born {
    pub at: Timestamp,
    pub by: String,
}

/// A named line of versions (spec BRN-1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BranchRow {
    pub name: BranchName,
    /// The branch it was made from; None is main.
    pub parent: Option<BranchName>,
    /// What the parent wrote later is not seen here: the object's highest version when it was made, or an earlier one
    /// when it was made of a past state.
    pub base: u64,
    /// The object's highest version when it was made: what an earlier branch of this name wrote is not its own.
    pub since: u64,
    /// The ref it was made from, as it was given.
    pub forked_from: String,
    /// The only things that can be written here; None: all.
    pub things: Option<Vec<ThingKey>>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub deleted: bool,
}

/// That one branch was merged into another, whole. None is main.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MergeRow {
    pub source: Option<BranchName>,
    pub into: Option<BranchName>,
    /// The object's highest version once it was done.
    pub at: u64,
}

/// That a thing got or gave back a value of a field that no two may share (spec NOU-5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UniqueRow {
    /// None is main.
    pub branch: Option<BranchName>,
    pub noun: Noun,
    pub field: String,
    /// The value's JSON text.
    pub value: String,
    pub id: ThingId,
    /// The version with which it got the value, or with which it gave it back.
    pub version: u64,
    /// False: given back.
    pub held: bool,
}

/// How much a call survives (spec DUR-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Send,
    Try,
    Do,
}

impl Durability {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Try => "try",
            Self::Do => "do",
        }
    }
}

/// Where an action stands (spec ACT-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionStatus {
    Pending,
    Running,
    Retrying,
    Completed,
    Failed,
    Undone,
    Cancelled,
}

impl ActionStatus {
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Running, Self::Retrying, Self::Completed, Self::Failed, Self::Undone, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// One logged command (spec ACT-1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActionRow {
    pub id: Id,
    /// The action form: `invoke`, `create`, `delete`.
    pub verb: String,
    /// The `$id` of who did it.
    pub actor: String,
    /// `Function/pay`.
    pub target: String,
    /// The version of the target that was there before, and the one that came of it.
    pub input: Option<u64>,
    pub output: Option<u64>,
    /// `{input?, output?, export?, version?, …}`, redacted.
    pub options: Json,
    pub durability: Durability,
    pub status: ActionStatus,
    pub error: Option<Fault>,
    pub attempts: u32,
    pub idempotency_key: Option<String>,
    pub request_id: Option<String>,
    pub parent: Option<Id>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// Of the last attempt, in microseconds.
    pub duration_us: Option<u64>,
}

/// What happened after an action (spec EVT-1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventRow {
    /// 1, 2, 3 … in each object, without gaps.
    pub sequence: u64,
    pub id: Id,
    /// The past form: `created`.
    pub verb: String,
    /// `Noun/id`, local.
    pub source: String,
    pub data: Json,
    pub action: Id,
    pub created_at: Timestamp,
}

/// Where a line of a function's log came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    Stdout,
    Stderr,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogStream {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stdout, Self::Stderr, Self::Debug, Self::Info, Self::Warn, Self::Error]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// One line that an invocation wrote.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogRow {
    pub action: Id,
    pub ordinal: u32,
    pub at: Timestamp,
    pub stream: LogStream,
    pub text: String,
}

/// What another object is to this one (spec OBJ-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectRelation {
    Parent,
    Child,
    Follower,
    Shard,
    Reference,
}

impl ObjectRelation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Child => "child",
            Self::Follower => "follower",
            Self::Shard => "shard",
            Self::Reference => "reference",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Parent, Self::Child, Self::Follower, Self::Shard, Self::Reference]
            .into_iter()
            .find(|r| r.as_str() == text)
    }
}

/// A pointer to another durable object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObjectRow {
    pub namespace: Namespace,
    pub id: ObjectId,
    pub class: String,
    pub relation: ObjectRelation,
    /// In the root object, which registers every object of the installation: the namespace of its parent.
    pub parent: Option<Namespace>,
    pub created_at: Timestamp,
    pub deleted: bool,
    /// What the platform knows of where and how it is kept.
    pub place: Place,
}

/// Where and how an object is kept (spec OBJ-1).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// A name of the installation's configuration; None: its first location.
    pub region: Option<String>,
    pub primary: bool,
    pub shard_key: Option<String>,
    pub shard_index: Option<u32>,
}

/// An API key, without the key (spec KEY-1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyRow {
    pub id: Id,
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: Hash,
    /// Its first characters, so that a person recognises it.
    pub start: String,
    pub scopes: Scopes,
    /// Who made it.
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Whom it speaks for; None: itself. It has a row of its own ([`Row::KeySubject`]) where it does.
    #[serde(skip)]
    pub subject: Option<Worker>,
}
