//! Links by which people answer, and what was pressed or written back (spec HUM-4): the tokens of `auth::link`, of this
//! object and this node.
//!
//! A token is put into a message when that leaves the host: the journal, which many may read, has none, and a replay makes
//! the same message after the node's key or its public address were changed.

use crate::object::Object;
use auth::{Claim, LinkAction, LinkError, Links};
use serde::{Deserialize, Serialize};
use types::exec::{ChannelKind, Choice, Dispatch};
use types::{Fault, FaultKind, Method, RequestRow, Timestamp};

/// What stands in the value of a choice until it leaves the host.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsigned {
    request: String,
    person: String,
    /// As [`LinkAction`] spells it; None: the page, with all that can be said.
    action: Option<String>,
    is_approval: bool,
    expires: Timestamp,
}

/// What somebody can press or write back who is asked, still without its tokens.
pub(super) fn choices(row: &RequestRow, person: &str, channel: ChannelKind) -> Vec<Choice> {
    let is_approval = row.method == Method::Approve;
    let choice = |label: &str, action: Option<LinkAction>| {
        let unsigned = Unsigned {
            request: row.id.to_string(),
            person: person.to_owned(),
            action: action.map(|action| action.as_str().to_owned()),
            is_approval,
            expires: row.expires_at,
        };
        let value = serde_json::to_string(&unsigned).unwrap_or_default();
        Choice { label: label.to_owned(), url: String::new(), value }
    };
    let mut choices = Vec::new();
    match channel {
        ChannelKind::Slack | ChannelKind::Sms if is_approval => {
            choices.push(choice("Approve", Some(LinkAction::Approve)));
            choices.push(choice("Reject", Some(LinkAction::Reject)));
        }
        ChannelKind::Slack | ChannelKind::Sms | ChannelKind::Email | ChannelKind::Webhook => {}
    }
    choices.push(choice("Open", None));
    choices
}

/// What a link is for.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The request's id.
    pub request: &'a str,
    /// The `$id` of who may answer by it.
    pub person: &'a str,
    pub actions: &'a [LinkAction],
    pub expires: Timestamp,
}

impl Link<'_> {
    fn claim(&self) -> Claim {
        let Self { request, person, actions, expires } = *self;
        Claim { request: request.to_owned(), person: person.to_owned(), actions: actions.to_vec(), expires }
    }
}

impl Object {
    /// Puts the tokens into a message that is about to leave. What cannot be signed is left out.
    pub(super) fn sign(&self, mut message: Dispatch) -> Dispatch {
        let channel = message.channel;
        let choices = std::mem::take(&mut message.choices);
        message.choices = choices
            .into_iter()
            .filter_map(|choice| match serde_json::from_str::<Unsigned>(&choice.value) {
                Ok(unsigned) => self.signed(choice.label, &unsigned, channel),
                Err(_) => Some(choice),
            })
            .collect();
        message
    }

    fn signed(&self, label: String, unsigned: &Unsigned, channel: ChannelKind) -> Option<Choice> {
        let Unsigned { request, person, action, is_approval, expires } = unsigned;
        let action = action.as_deref().and_then(|text| LinkAction::ALL.into_iter().find(|a| a.as_str() == text));
        let all: &[LinkAction] = if *is_approval {
            &[LinkAction::Approve, LinkAction::Reject]
        } else {
            &[LinkAction::Answer, LinkAction::Reject]
        };
        let actions = action.as_ref().map_or(all, std::slice::from_ref);
        let link = Link { request, person, actions, expires: *expires };
        let (url, value) = match (action, channel) {
            (None, _) => (self.link(&link).ok()?, String::new()),
            (Some(LinkAction::Approve), ChannelKind::Sms) => {
                (String::new(), format!("YES {}", self.reply_code(request, person)))
            }
            (Some(_), ChannelKind::Sms) => (String::new(), format!("NO {}", self.reply_code(request, person))),
            (Some(_), ChannelKind::Slack | ChannelKind::Email | ChannelKind::Webhook) => {
                (String::new(), self.button(&link).ok()?)
            }
        };
        Some(Choice { label, url, value })
    }

    fn links(&self) -> Links {
        Links::of_node(self.node.inner.node_key)
    }

    /// The page that asks once more.
    ///
    /// # Errors
    /// `INTERNAL` for a person whose id is longer than a token takes; things' ids are not.
    pub fn link(&self, link: &Link<'_>) -> Result<String, Fault> {
        let token = self.links().make(self.inner.id, &link.claim()).ok_or_else(Fault::internal)?;
        Ok(format!("{}/approvals/{}?token={token}", self.public_url(), link.request))
    }

    /// What a button says when it is pressed.
    ///
    /// # Errors
    /// As for [`Object::link`].
    pub fn button(&self, link: &Link<'_>) -> Result<String, Fault> {
        self.links().button(self.inner.id, &link.claim()).ok_or_else(Fault::internal)
    }

    /// What somebody writes back behind `YES` or `NO`.
    pub fn reply_code(&self, request: &str, person: &str) -> String {
        self.links().code(self.inner.id, request, person)
    }

    /// Whether that is what this person was to write back.
    pub fn is_reply_code(&self, request: &str, person: &str, written: &str) -> bool {
        self.links().is_code(self.inner.id, request, person, written)
    }

    /// Who follows this link, and what it lets them do.
    ///
    /// # Errors
    /// `forbidden` (`LINK_INVALID`) for one that was not made here for this request, `gone` (`LINK_EXPIRED`) for one whose
    /// time is over.
    pub fn followed(&self, request: &str, token: &str) -> Result<Claim, Fault> {
        self.links().verify(self.inner.id, request, token, self.node.now()).map_err(fault_of)
    }

    /// The same of a button.
    ///
    /// # Errors
    /// As for [`Object::followed`].
    pub fn pressed(&self, value: &str) -> Result<Claim, Fault> {
        self.links().pressed(self.inner.id, value, self.node.now()).map_err(fault_of)
    }

    /// Where this object is for people outside. The root object's namespace may be one that only this machine knows: then
    /// the configuration says how others reach it, and whatever lies inside of it.
    fn public_url(&self) -> String {
        let config = &self.node.inner.config;
        let (own, root) = (self.namespace().as_str(), config.default_namespace.as_str());
        match (&config.public_url, own.strip_prefix(root)) {
            (Some(public), Some(inside)) if inside.is_empty() || inside.starts_with('/') => {
                format!("{}{inside}", public.trim_end_matches('/'))
            }
            _ => own.trim_end_matches('/').to_owned(),
        }
    }
}

fn fault_of(error: LinkError) -> Fault {
    let (kind, code) = match error {
        LinkError::Invalid => (FaultKind::Forbidden, "LINK_INVALID"),
        LinkError::Expired => (FaultKind::Gone, "LINK_EXPIRED"),
    };
    Fault::new(kind, code, error.to_string())
}
