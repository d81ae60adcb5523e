//! What comes back by a channel: a link that was followed, a button that was pressed, a text message (spec HUM-4). Each
//! says who answers without a key, and is verified before anything is looked up.

use super::request::unknown;
use crate::object::{Object, fault_of};
use auth::{Claim, LinkAction};
use store::RequestFilter;
use types::exec::ChannelKind;
use types::{Fault, FaultKind, Id, RequestRow};
use workers::decide::{Decider, Decision};

/// Pending requests of one person that a code is compared with.
const COMPARED_MAX: u32 = 100;

impl Object {
    /// What a link is about, and who holds it.
    ///
    /// # Errors
    /// `LINK_INVALID` (403), `LINK_EXPIRED` (410).
    pub async fn asked_by_link(&self, id: &str, token: &str) -> Result<(RequestRow, Claim), Fault> {
        let claim = self.followed(id, token)?;
        let row = self.request_by_id(id).await?;
        Ok((row, claim))
    }

    /// Decides by a link; what it does not let its holder do is `LINK_ACTION` (403).
    ///
    /// # Errors
    /// As for [`Object::asked_by_link`] and [`Object::decide_request`].
    pub async fn decide_by_link(&self, id: &str, token: &str, decision: Decision) -> Result<RequestRow, Fault> {
        let claim = self.followed(id, token)?;
        self.decide_as(&claim, claim.person.clone(), "email", decision).await
    }

    /// Decides by a button that was pressed in Slack by that user, who has to be one of the people here.
    ///
    /// # Errors
    /// As for [`Object::decide_by_link`]; `SLACK_USER_UNKNOWN` (403).
    pub async fn decide_by_button(&self, value: &str, slack_user: &str) -> Result<RequestRow, Fault> {
        let claim = self.pressed(value)?;
        let people = self.people_at(ChannelKind::Slack, slack_user).await?;
        let row = self.request_by_id(&claim.request).await?;
        let person = people.iter().find(|person| row.asks(&person.id)).or(people.first()).ok_or_else(|| {
            let message = "nobody here has your Slack user among their channels; ask an administrator to add it";
            Fault::new(FaultKind::Forbidden, "SLACK_USER_UNKNOWN", message)
        })?;
        let decision = match claim.actions.as_slice() {
            [LinkAction::Approve] => Decision::Approve { reason: None },
            [LinkAction::Reject] => Decision::Reject { reason: None },
            _ => return Err(not_by_this()),
        };
        self.decide_as(&claim, person.id.clone(), "slack", decision).await
    }

    /// Decides by a text message `YES CODE` or `NO CODE` from that number. None: it is no such message, or of nobody here.
    ///
    /// # Errors
    /// As for [`Object::decide_request`].
    pub async fn decide_by_text(&self, number: &str, text: &str) -> Result<Option<RequestRow>, Fault> {
        let mut words = text.split_whitespace();
        let (Some(word), Some(code), None) = (words.next(), words.next(), words.next()) else { return Ok(None) };
        let decision = match word.to_ascii_uppercase().as_str() {
            "YES" => Decision::Approve { reason: None },
            "NO" => Decision::Reject { reason: None },
            _ => return Ok(None),
        };
        for person in self.people_at(ChannelKind::Sms, number).await? {
            let filter =
                RequestFilter { assignee: Some(person.id.clone()), limit: COMPARED_MAX, ..RequestFilter::default() };
            let page = self.look(|store| store.requests(&filter).map_err(|e| fault_of(&e))).await?;
            let found = page.items.iter().find(|row| self.is_reply_code(&row.id.to_string(), &person.id, code));
            if let Some(row) = found {
                let by = Decider { person: person.id, is_admin: false, channel: "sms".to_owned() };
                return self.decide_request(by, row.id, decision).await.map(Some);
            }
        }
        Ok(None)
    }

    async fn decide_as(
        &self,
        claim: &Claim,
        person: String,
        channel: &str,
        decision: Decision,
    ) -> Result<RequestRow, Fault> {
        let needs = match &decision {
            Decision::Approve { .. } => LinkAction::Approve,
            Decision::Reject { .. } | Decision::Decline { .. } => LinkAction::Reject,
            Decision::Answer { .. } => LinkAction::Answer,
            Decision::Accept | Decision::Delegate { .. } | Decision::Comment { .. } | Decision::Cancel { .. } => {
                return Err(not_by_this());
            }
        };
        if !claim.actions.contains(&needs) {
            return Err(not_by_this());
        }
        let id: Id = claim.request.parse().map_err(|_| unknown(&claim.request))?;
        let by = Decider { person, is_admin: false, channel: channel.to_owned() };
        self.decide_request(by, id, decision).await
    }

    async fn request_by_id(&self, id: &str) -> Result<RequestRow, Fault> {
        let parsed: Id = id.parse().map_err(|_| unknown(id))?;
        let row = self.look(|store| store.request(parsed).map_err(|e| fault_of(&e))).await?;
        row.ok_or_else(|| unknown(id))
    }
}

fn not_by_this() -> Fault {
    Fault::new(FaultKind::Forbidden, "LINK_ACTION", "this link or button does not let you do that; open the request")
}
