//! What somebody is asked for, read from what who asks has said (spec 11.1).

use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use types::exec::ChannelKind;
use types::{Escalation, Fault, Json, Method, RequestOption, Timestamp, Urgency, redact};

/// A question, in bytes.
pub const TITLE_BYTES_MAX: usize = 16 << 10;
/// Options of one decision.
pub const OPTIONS_MAX: usize = 100;
/// All that one request says, in bytes.
pub const INPUT_BYTES_MAX: usize = 256 << 10;
/// What who asks calls a request, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// People that have to agree.
pub const QUORUM_MAX: u32 = 100;
/// The longest that anybody is waited for, and how long when nobody says.
pub const EXPIRY_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
pub const EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);
/// The same for the form of a function (spec FUN-8).
pub const FORM_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// What is asked, whoever is to answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Draft {
    pub key: Option<String>,
    /// `expense`; None: it is called by its method.
    pub kind: Option<String>,
    pub title: String,
    pub form: Option<Json>,
    pub options: Vec<RequestOption>,
    pub data: Option<Json>,
    pub amount: Option<f64>,
    pub urgency: Urgency,
    pub quorum: u32,
    pub reject_quorum: u32,
    pub allow_self: bool,
    pub deadline: Option<Timestamp>,
    pub timeout: Option<Duration>,
    /// Only by these; None: by all that the person has.
    pub channels: Option<Vec<ChannelKind>>,
    /// Instead of the person's own.
    pub escalation: Option<Escalation>,
    pub on_timeout: OnTimeout,
}

/// What a form gives when nobody fills it in.
#[derive(Clone, PartialEq, Debug)]
pub enum OnTimeout {
    Fail,
    Default(Json),
    /// The next one of the escalation is asked, and given as much time.
    Escalate,
}

impl Draft {
    /// When nobody is waited for any more, if it is asked now.
    pub fn expires_at(&self, method: Method, now: Timestamp) -> Timestamp {
        let usual = if method == Method::Answer { FORM_EXPIRY } else { EXPIRY };
        let by_timeout = self.timeout.map(|timeout| now.plus(timeout.min(EXPIRY_MAX)));
        let by_deadline = self.deadline.map(|deadline| deadline.min(now.plus(EXPIRY_MAX)));
        by_timeout.into_iter().chain(by_deadline).min().unwrap_or_else(|| now.plus(usual))
    }

    /// By when it should be answered although nobody set a time (spec HUM-6).
    pub fn due_at(&self, method: Method, now: Timestamp) -> Option<Timestamp> {
        if method == Method::Answer || self.deadline.is_some() || self.timeout.is_some() {
            return None;
        }
        let hours = match self.urgency {
            Urgency::Urgent => 1,
            Urgency::High => 2,
            Urgency::Normal => 4,
            Urgency::Low => 24,
        };
        Some(now.plus(Duration::from_secs(hours * 3600)))
    }
}

/// Reads the input of work, as it is written down: `{task}`, `{question, options}`, `{request, options}`, `{prompt,
/// options}`.
///
/// # Errors
/// `invalid` (422) with what would be accepted: `QUESTION_EMPTY`, `OPTIONS_INVALID`, `DEADLINE_PAST`, `REQUEST_INVALID`.
pub fn draft(method: Method, input: &Json, now: Timestamp) -> Result<Draft, Fault> {
    if input.as_str().len() > INPUT_BYTES_MAX {
        let message = format!("what is asked is {} bytes; {INPUT_BYTES_MAX} are taken", input.as_str().len());
        return Err(Fault::invalid("REQUEST_TOO_LARGE", message));
    }
    let mut input = input.to_value();
    let options = input["options"].take();
    let draft = match method {
        Method::Do => of_task(input["task"].take(), input["context"].take())?,
        Method::Ask => of_text(text(&input["question"]), "question", read("options", options)?)?,
        Method::Decide => of_choice(text(&input["question"]), read("options", options)?)?,
        Method::Generate => of_text(text(&input["prompt"]), "prompt", read("options", options)?)?,
        Method::Approve => of_approval(read("request", input["request"].take())?, read("options", options)?)?,
        Method::Answer => of_form(read("request", input["request"].take())?)?,
        Method::Notify => return Err(Fault::invalid("REQUEST_INVALID", "a notification is not waited for")),
    };
    checked(draft, now)
}

/// What every method takes beside the question. What is for models alone is not looked at here.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Options {
    context: Value,
    schema: Option<Json>,
    timeout: Option<Value>,
    timeout_ms: Option<u64>,
    deadline: Option<String>,
    channels: Option<Vec<ChannelKind>>,
    urgency: Option<Urgency>,
    escalation: Option<Escalation>,
    quorum: Option<u32>,
    reject_quorum: Option<u32>,
    allow_self: bool,
    options: Vec<Choice>,
    criteria: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    model: Option<Value>,
    temperature: Option<Value>,
    max_tokens: Option<Value>,
    system: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    id: String,
    label: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Task {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    description: String,
    input: Option<Json>,
    priority: Option<Urgency>,
    deadline: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Approval {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    description: String,
    /// Who asks is known; what is said here is shown with the data.
    requester: Option<String>,
    data: Option<Value>,
    amount: Option<f64>,
    priority: Option<Urgency>,
    deadline: Option<String>,
}

/// What a human function asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Form {
    prompt: String,
    channel: Option<ChannelKind>,
    channels: Option<Vec<ChannelKind>>,
    /// Read where it is known who is asked.
    #[serde(rename = "assignee")]
    _assignee: Option<String>,
    #[serde(rename = "role")]
    _role: Option<String>,
    schema: Option<Json>,
    #[serde(default)]
    options: Vec<Choice>,
    data: Option<Json>,
    timeout: Option<Value>,
    timeout_ms: Option<u64>,
    priority: Option<Urgency>,
    escalate: Option<Escalation>,
    on_timeout: Option<String>,
    default: Option<Json>,
}

fn of_task(task: Value, context: Value) -> Result<Draft, Fault> {
    let task = match task {
        Value::String(description) => {
            Task { id: None, kind: None, description, input: None, priority: None, deadline: None }
        }
        other => read("task", other)?,
    };
    let options = Options { context, deadline: task.deadline, id: task.id, kind: task.kind, ..Options::default() };
    let draft = of_text(task.description, "task.description", options)?;
    let data = task.input.map(|input| redact(&input)).or(draft.data);
    Ok(Draft { data, urgency: task.priority.unwrap_or_default(), ..draft })
}

fn of_text(title: String, what: &str, options: Options) -> Result<Draft, Fault> {
    if title.trim().is_empty() {
        return Err(Fault::invalid("QUESTION_EMPTY", format!("{what} is empty; say what is wanted")));
    }
    if title.len() > TITLE_BYTES_MAX {
        let message = format!("{what} is {} bytes; {TITLE_BYTES_MAX} are taken, and the rest as data", title.len());
        return Err(Fault::invalid("REQUEST_TOO_LARGE", message));
    }
    let mut data = options.context;
    if let Some(criteria) = options.criteria {
        data = serde_json::json!({ "context": data, "criteria": criteria });
    }
    let quorum = options.quorum.unwrap_or(1);
    Ok(Draft {
        key: options.id,
        kind: options.kind,
        title,
        form: options.schema,
        options: options.options.into_iter().map(Choice::option).collect(),
        data: (!data.is_null()).then(|| redact(&Json::from_value(&data))),
        amount: None,
        urgency: options.urgency.unwrap_or_default(),
        quorum,
        reject_quorum: options.reject_quorum.unwrap_or(1),
        allow_self: options.allow_self,
        deadline: options.deadline.as_deref().map(time).transpose()?,
        timeout: span(options.timeout.as_ref(), options.timeout_ms)?,
        channels: options.channels,
        escalation: options.escalation,
        on_timeout: OnTimeout::Fail,
    })
}

fn of_choice(question: String, options: Options) -> Result<Draft, Fault> {
    let draft = of_text(question, "question", options)?;
    if draft.options.len() < 2 {
        let message = "a decision has at least two options: {\"options\":[{\"id\":\"a\",\"label\":\"A\"},…]}";
        return Err(Fault::invalid("OPTIONS_INVALID", message));
    }
    Ok(draft)
}

fn of_approval(request: Approval, options: Options) -> Result<Draft, Fault> {
    let id = options.id.clone().or(request.id);
    let deadline = request.deadline.or(options.deadline.clone());
    let kind = request.kind.or(options.kind.clone());
    let urgency = request.priority.or(options.urgency);
    let context = match (request.data, request.requester) {
        (Some(Value::Object(mut data)), Some(requester)) => {
            data.entry("requester").or_insert(requester.into());
            Value::Object(data)
        }
        (Some(data), _) => data,
        (None, Some(requester)) => serde_json::json!({ "requester": requester }),
        (None, None) => options.context.clone(),
    };
    let draft =
        of_text(request.description, "request.description", Options { id, deadline, kind, context, ..options })?;
    Ok(Draft { amount: request.amount, urgency: urgency.unwrap_or_default(), ..draft })
}

fn of_form(form: Form) -> Result<Draft, Fault> {
    let channels = form.channels.or(form.channel.map(|channel| vec![channel]));
    let on_timeout = match (form.on_timeout.as_deref(), form.default) {
        (None | Some("fail"), None) => OnTimeout::Fail,
        (None | Some("default"), Some(value)) => OnTimeout::Default(value),
        (Some("escalate"), None) => OnTimeout::Escalate,
        (Some(_), _) => {
            let message = "onTimeout is fail, escalate, or default together with the value `default`";
            return Err(Fault::invalid("REQUEST_INVALID", message));
        }
    };
    let options = Options {
        schema: form.schema,
        options: form.options,
        timeout: form.timeout,
        timeout_ms: form.timeout_ms,
        channels,
        urgency: form.priority,
        escalation: form.escalate,
        ..Options::default()
    };
    let draft = of_text(form.prompt, "prompt", options)?;
    Ok(Draft { data: form.data.map(|data| redact(&data)), on_timeout, ..draft })
}

fn checked(draft: Draft, now: Timestamp) -> Result<Draft, Fault> {
    let refuse = |code: &str, message: String| Err(Fault::invalid(code, message));
    if draft.options.len() > OPTIONS_MAX {
        return refuse("OPTIONS_INVALID", format!("{} options; {OPTIONS_MAX} are taken", draft.options.len()));
    }
    for (at, option) in draft.options.iter().enumerate() {
        if option.id.is_empty() || draft.options[..at].iter().any(|other| other.id == option.id) {
            return refuse("OPTIONS_INVALID", format!("option {at}: the id {:?} is empty or stands twice", option.id));
        }
    }
    if draft.deadline.is_some_and(|deadline| deadline <= now) {
        return refuse("DEADLINE_PAST", "the deadline has passed; give a time to come".to_owned());
    }
    let is_key = |key: &String| (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control);
    if draft.key.as_ref().is_some_and(|key| !is_key(key)) {
        return refuse("REQUEST_INVALID", format!("id is 1 to {KEY_BYTES_MAX} bytes without control characters"));
    }
    let is_kind = |kind: &String| (1..=KEY_BYTES_MAX).contains(&kind.len()) && !kind.chars().any(char::is_control);
    if draft.kind.as_ref().is_some_and(|kind| !is_kind(kind)) {
        return refuse("REQUEST_INVALID", format!("type is 1 to {KEY_BYTES_MAX} bytes without control characters"));
    }
    for (name, quorum) in [("quorum", draft.quorum), ("rejectQuorum", draft.reject_quorum)] {
        if !(1..=QUORUM_MAX).contains(&quorum) {
            return refuse("REQUEST_INVALID", format!("{name} is {quorum}; 1 to {QUORUM_MAX} are accepted"));
        }
    }
    if draft.amount.is_some_and(|amount| !amount.is_finite()) {
        return refuse("REQUEST_INVALID", "amount is no finite number".to_owned());
    }
    if let Some(escalation) = &draft.escalation {
        crate::staff::check_escalation(escalation)
            .map_err(|message| Fault::invalid("REQUEST_INVALID", format!("escalation: {message}")))?;
    }
    Ok(draft)
}

impl Choice {
    fn option(self) -> RequestOption {
        RequestOption {
            label: self.label.unwrap_or_else(|| self.id.clone()),
            id: self.id,
            description: self.description,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T, Fault> {
    let value = if value.is_null() { Value::Object(serde_json::Map::new()) } else { value };
    serde_json::from_value(value).map_err(|e| Fault::invalid("REQUEST_INVALID", format!("{what}: {e}")))
}

fn time(text: &str) -> Result<Timestamp, Fault> {
    Timestamp::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        Fault::invalid("REQUEST_INVALID", format!("deadline {shown:?} is no time; write 2026-01-31T09:00:00Z"))
    })
}

fn span(timeout: Option<&Value>, timeout_ms: Option<u64>) -> Result<Option<Duration>, Fault> {
    let parsed = match timeout {
        None | Some(Value::Null) => return Ok(timeout_ms.filter(|ms| *ms > 0).map(Duration::from_millis)),
        Some(Value::String(text)) => types::parse_duration(text).ok(),
        Some(Value::Number(number)) => number.as_u64().filter(|ms| *ms > 0).map(Duration::from_millis),
        Some(_) => None,
    };
    let message = "timeout is a duration like \"4h\" or \"30m\", or a number of milliseconds";
    parsed.map(Some).ok_or_else(|| Fault::invalid("REQUEST_INVALID", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_704_715_200_000);

    fn of(method: Method, input: &Value) -> Result<Draft, Fault> {
        draft(method, &Json::from_value(input), NOW)
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let option = |id: &str| json!({ "id": id, "label": id });
        for (method, input, code) in [
            (Method::Ask, json!({ "question": " " }), "QUESTION_EMPTY"),
            (Method::Do, json!({ "task": "" }), "QUESTION_EMPTY"),
            (Method::Decide, json!({ "question": "?", "options": { "options": [option("a")] } }), "OPTIONS_INVALID"),
            (
                Method::Decide,
                json!({ "question": "?", "options": { "options": [option("a"), option("a")] } }),
                "OPTIONS_INVALID",
            ),
            (
                Method::Approve,
                json!({ "request": { "description": "d", "deadline": "2020-01-01T00:00:00Z" } }),
                "DEADLINE_PAST",
            ),
            (Method::Approve, json!({ "request": { "description": "d", "colour": 1 } }), "REQUEST_INVALID"),
            (
                Method::Approve,
                json!({ "request": { "description": "d" }, "options": { "quorum": 0 } }),
                "REQUEST_INVALID",
            ),
            (Method::Ask, json!({ "question": "?", "options": { "timeout": "soon" } }), "REQUEST_INVALID"),
            (Method::Answer, json!({ "request": { "prompt": "p", "onTimeout": "default" } }), "REQUEST_INVALID"),
            (Method::Ask, json!({ "question": "x".repeat(TITLE_BYTES_MAX + 1) }), "REQUEST_TOO_LARGE"),
            (Method::Ask, json!({ "question": "x".repeat(INPUT_BYTES_MAX) }), "REQUEST_TOO_LARGE"),
        ] {
            assert_eq!(of(method, &input).map_err(|f| f.code), Err(code.to_owned()), "{method:?}");
        }
    }

    #[test]
    fn times_are_those_of_the_asker_or_the_usual_ones() {
        let ask =
            |options: Value| of(Method::Ask, &json!({ "question": "?", "options": options })).expect("it is right");
        let hours = |n: u64| NOW.plus(Duration::from_secs(n * 3600));
        let timed = ask(json!({ "timeout": "2h" }));
        assert_eq!((timed.expires_at(Method::Ask, NOW), timed.due_at(Method::Ask, NOW)), (hours(2), None));
        let free = ask(json!({}));
        assert_eq!((free.expires_at(Method::Ask, NOW), free.due_at(Method::Ask, NOW)), (hours(720), Some(hours(4))));
        let urgent = of(Method::Do, &json!({ "task": { "description": "d", "priority": "urgent" } })).expect("right");
        assert_eq!(urgent.due_at(Method::Do, NOW), Some(hours(1)));
        let form = of(Method::Answer, &json!({ "request": { "prompt": "p" } })).expect("right");
        assert_eq!((form.expires_at(Method::Answer, NOW), form.due_at(Method::Answer, NOW)), (hours(24), None));
        assert_eq!(ask(json!({ "timeout": "9999h" })).expires_at(Method::Ask, NOW), hours(365 * 24), "a year at most");
    }

    #[test]
    fn secrets_are_not_kept() {
        let draft = of(Method::Approve, &json!({ "request": { "description": "d", "data": { "password": "x" } } }));
        assert!(!draft.expect("right").data.expect("data").as_str().contains("\"x\""));
    }
}
