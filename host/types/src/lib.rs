//! The words of the platform: parsed values, without I/O, clock or randomness.
//!
//! Whoever reads text from outside (a URL, a name, JSON) parses it here, once, at the edge; behind the edge only these
//! types move. The two traits of [`exec`] are the seam between `runtime` (which needs something that runs components)
//! and `engine` (which is that something); they stand here so that neither has to know the other.

mod class;
pub use class::Class;
mod namespace;
pub use namespace::{Namespace, NamespaceError};
mod name;
pub use name::{ActionRef, At, FunctionName, NameError};
mod thing;
pub use thing::{BranchName, Noun, ThingId, ThingKey, ThingNameError, percent_decode};
mod refs;
pub use refs::{Ref, RefError};
mod id;
pub use id::{Hash, Id, ObjectId};
mod time;
pub use time::Timestamp;
mod duration;
pub use duration::{parse_duration, parse_span};
mod json;
pub use json::{Json, JsonError, REDACTED, redact};
mod fault;
pub use fault::{Fault, FaultKind};
mod identity;
pub use identity::{Identity, IdentityKind, Permission, PermissionError, Scopes};
mod function;
pub use function::{
    ActionShape, AllowedHost, AssetFile, FunctionDef, FunctionKind, LimitOverrides, Manifest, SecretGrant,
};
mod worker;
pub use worker::{Method, Worker, WorkerError};
mod staff;
pub use staff::{
    AgentDef, AgentTool, ApprovalRule, Channel, Escalation, EscalationRule, HumanDef, Mode, OnExhausted, QuietHours,
    Urgency,
};
mod request;
pub use request::{
    Assignee, Delegation, NextMoment, RequestAnswer, RequestComment, RequestOption, RequestRow, RequestStatus,
    RequestWarning,
};
mod budget;
pub use budget::{ModelBudget, ModelUsageRow, Period};
mod completion;
pub use completion::{Completed, Completion, Finish, Message, Price, Role, Spent, ToolCall, ToolSpec};
mod limits;
pub use limits::Limits;
mod call;
pub use call::{Call, CallOptions, HttpReply, Reply, RequestCall, Retry, ThingRef};
mod invocation;
pub use invocation::{Awaited, InvocationRow, InvocationState, Standing, StepRow, Trigger};
mod schedule;
pub use schedule::{LastTick, ScheduleState, TickOutcome};
mod workflow;
pub use workflow::{Asked, BranchOf, WorkflowRunRow};
mod record;
pub use record::{
    ActionRow, ActionStatus, ArchivedRow, Born, BranchRow, Durability, EventOrigin, EventRow, FailedDeliveryRow,
    FailedStanding, FollowerState, KeyRow, LogRow, LogStream, MergeRow, ObjectRelation, ObjectRow, Place, Record, Row,
    ThingRow, UniqueRow,
};
mod faults;
pub use faults::Faults;
pub mod deployment;
pub mod exec;
