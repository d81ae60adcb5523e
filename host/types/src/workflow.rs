//! A run of a workflow, beside the invocation that it is.

use crate::Id;
use serde::{Deserialize, Serialize};

/// A run, or one branch of a parallel step of one, which is an invocation of its own. What was asked of it moves on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkflowRunRow {
    /// Of its invocation.
    pub id: Id,
    /// Of the whole run's invocation; `id` itself unless this is a branch.
    pub run: Id,
    pub workflow: String,
    /// Of the definition it is pinned to.
    pub version: u64,
    /// What it is called by outside; unique among the runs of its workflow.
    pub name: String,
    pub branch: Option<BranchOf>,
    /// What it was begun for: of a second run with the same key the first is meant.
    pub key: Option<String>,
    /// So many runs of the workflow may be under way at once.
    pub width: Option<u32>,
    pub asked: Asked,
}

/// Which branch of which parallel step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BranchOf {
    /// Of the whole run.
    pub run: Id,
    /// What the run is called by outside.
    pub run_name: String,
    pub step: String,
    /// From 0.
    pub number: u32,
}

/// What somebody asked of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Asked {
    GoOn,
    /// To stop at the next step.
    Pause,
    /// To take back what it did and end.
    Cancel,
}
