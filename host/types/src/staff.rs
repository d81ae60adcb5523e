//! What is known of an agent or a person: the data of the things that they are (nouns `Agent` and `Human`).

use crate::Worker;
use crate::exec::ChannelKind;
use serde::{Deserialize, Serialize};

/// How far an agent goes by itself (spec WRK-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Autonomous,
    /// A tool with side effects is called once its supervisor has approved.
    Supervised,
    /// Each step is made once its supervisor has approved.
    Manual,
}

/// The data of an `Agent`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AgentDef {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `provider/model`; None: the server's standard model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it is told about itself before anything else.
    pub instructions: String,
    pub mode: Mode,
    /// Who approves for it: a person, a role, another agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<Worker>,
    /// What it may call.
    pub tools: Vec<AgentTool>,
    /// What it may approve without its supervisor (spec AGT-7).
    pub approves: Vec<ApprovalRule>,
    /// It keeps things for later goals (noun `Memory`), with the tools `remember`, `recall` and `forget`.
    pub memory: bool,
    /// It is not asked any more.
    pub inactive: bool,
}

/// One tool of an agent, or several of one origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentTool {
    /// An action (`charge`, `calc.add`), all of a tool box (`calc.*`), or tools of a server outside (`mcp:github.*`,
    /// `mcp:github.search`).
    pub uses: String,
    /// Whether it changes something: then a supervised agent asks first. None: it does, unless it says that it only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_effect: Option<bool>,
    /// For one call, in milliseconds; None: 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// What an agent approves by itself: a request that fits all that is said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalRule {
    /// The request's `type`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_amount: Option<f64>,
    /// `$id`s or workers; empty: whoever asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requester_in: Vec<String>,
}

/// How urgent something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

impl Urgency {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

/// The data of a `Human`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HumanDef {
    /// For people: `Ann Smith`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How to reach them, the first one first.
    pub channels: Vec<Channel>,
    /// `finance`: who is asked as `role:finance`.
    pub roles: Vec<String>,
    /// What happens when they do not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// When nothing but urgent messages is sent to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// They have left, or are away: they are not asked any more.
    pub inactive: bool,
}

/// One way to reach somebody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channel {
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// An address, a Slack user or channel, a number, a URL.
    pub target: String,
    /// It gets messages that are as urgent, or more.
    #[serde(default = "lowest")]
    pub priority: Urgency,
}

fn lowest() -> Urgency {
    Urgency::Low
}

/// Who is asked next when nobody answers (spec HUM-5).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Escalation {
    pub rules: Vec<EscalationRule>,
    /// Asked after the last rule, after as long as that took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_escalation: Option<Worker>,
    pub on_exhausted: OnExhausted,
}

/// One step of an escalation. Each is taken once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EscalationRule {
    /// Counted from when the request came.
    pub after_minutes: u32,
    pub escalate_to: Worker,
    /// The channels to tell them by; empty: their own.
    #[serde(default)]
    pub notify_channels: Vec<ChannelKind>,
}

/// What becomes of a request when there is nobody left to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExhausted {
    #[default]
    Wait,
    Reject,
    Approve,
    Fail,
}

/// A span of each day; it may go over midnight.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuietHours {
    /// `22:00`
    pub from: String,
    /// `07:00`
    pub to: String,
    /// An IANA zone; None: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}
