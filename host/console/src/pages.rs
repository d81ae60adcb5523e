//! What each page shows, as plain values.

use crate::form::{Field, Input};
use askama::Template;

/// What is around every page.
#[derive(Clone, Debug)]
pub struct Chrome {
    /// The part of the URL's path that names the object.
    pub base: String,
    pub ns: String,
    /// Who is signed in.
    pub who: Option<String>,
    pub tab: Tab,
}

/// Which page is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tab {
    Inbox,
    Runs,
    None,
}

/// A link that narrows a list.
#[derive(Clone, Debug)]
pub struct Entry {
    pub label: &'static str,
    pub href: String,
    pub current: bool,
}

#[derive(Template, Debug)]
#[template(path = "login.html")]
pub struct Login {
    pub chrome: Chrome,
    pub error: Option<String>,
    /// Where to go then: a path of this object.
    pub next: String,
}

/// A page that says why there is no other.
#[derive(Template, Debug)]
#[template(path = "message.html")]
pub struct Message {
    pub chrome: Chrome,
    pub title: String,
    pub text: String,
}

/// One row of the inbox.
#[derive(Clone, Debug)]
pub struct Item {
    pub href: String,
    pub title: String,
    /// `approval`, `question` …
    pub what: String,
    pub status: String,
    /// A class of the style sheet: `good`, `bad`, `warn`, `plain`.
    pub tone: &'static str,
    pub from: Option<String>,
    pub at: String,
    pub due: Option<String>,
}

/// The part of the inbox that is fetched again.
#[derive(Template, Debug)]
#[template(path = "inbox_list.html")]
pub struct InboxList {
    pub items: Vec<Item>,
    pub nothing: &'static str,
    pub next: Option<String>,
    /// Where this part is fetched from.
    pub href: String,
}

#[derive(Template, Debug)]
#[template(path = "inbox.html")]
pub struct Inbox {
    pub chrome: Chrome,
    pub tabs: Vec<Entry>,
    pub list: InboxList,
}

/// What somebody can do with a request.
#[derive(Clone, Debug)]
pub struct Act {
    pub action: String,
    pub fields: Vec<Field>,
    pub takes_reason: bool,
    pub buttons: Vec<Button>,
}

/// One way to answer.
#[derive(Clone, Copy, Debug)]
pub struct Button {
    pub value: &'static str,
    pub label: &'static str,
    /// A class of the style sheet: `good`, `bad`, or none.
    pub tone: &'static str,
    /// Whether the form may be incomplete.
    pub free: bool,
}

/// A line of a history.
#[derive(Clone, Debug)]
pub struct HistoryLine {
    pub at: String,
    pub text: String,
}

#[derive(Template, Debug)]
#[template(path = "detail.html")]
pub struct Detail {
    pub chrome: Chrome,
    pub title: String,
    pub status: String,
    pub tone: &'static str,
    /// Where the page itself is.
    pub state_href: String,
    pub notice: Option<String>,
    pub error: Option<String>,
    pub facts: Vec<(String, String)>,
    pub data: Option<String>,
    pub act: Option<Act>,
    pub comment_action: Option<String>,
    pub schedule: Vec<String>,
    pub history: Vec<HistoryLine>,
}

/// One row of the runs.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub href: String,
    pub name: String,
    pub status: String,
    pub tone: &'static str,
    pub at: String,
    pub took: Option<String>,
}

#[derive(Template, Debug)]
#[template(path = "runs.html")]
pub struct Runs {
    pub chrome: Chrome,
    pub rows: Vec<RunRow>,
    pub next: Option<String>,
}

/// One step of a run.
#[derive(Clone, Debug)]
pub struct RunStep {
    pub title: String,
    pub status: &'static str,
    pub tone: &'static str,
    pub when: String,
    pub child: Option<String>,
    pub detail: Option<String>,
}

#[derive(Template, Debug)]
#[template(path = "run.html")]
pub struct Run {
    pub chrome: Chrome,
    pub name: String,
    pub status: String,
    pub tone: &'static str,
    pub href: String,
    pub facts: Vec<(String, String)>,
    pub steps: Vec<RunStep>,
    pub output: Option<String>,
}

/// The text of a page; none if it cannot be written, which only a broken formatter can cause.
pub fn render(page: &impl Template) -> Option<String> {
    page.render().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::fields;
    use serde_json::json;

    fn chrome() -> Chrome {
        let (base, ns) = (String::new(), "https://acme.example".to_owned());
        Chrome { base, ns, who: Some("Human/ann".to_owned()), tab: Tab::Inbox }
    }

    #[test]
    fn what_others_wrote_is_text_on_a_page_and_nothing_else() {
        let evil = "<script>alert(1)</script>\"' onload=x";
        let schema = json!({ "type": "object", "properties": { "a\"><b": { "type": "string", "title": evil } } });
        let page = Detail {
            chrome: chrome(),
            title: evil.to_owned(),
            status: "pending".to_owned(),
            tone: "warn",
            state_href: "/console/inbox/1".to_owned(),
            notice: None,
            error: None,
            facts: vec![("From".to_owned(), evil.to_owned())],
            data: Some(evil.to_owned()),
            act: Some(Act {
                action: "/console/inbox/1".to_owned(),
                fields: fields(&schema),
                takes_reason: true,
                buttons: vec![Button { value: "approve", label: "Approve", tone: "good", free: false }],
            }),
            comment_action: None,
            schedule: vec![evil.to_owned()],
            history: vec![HistoryLine { at: "now".to_owned(), text: evil.to_owned() }],
        };
        let text = render(&page).expect("it is written");
        assert!(!text.contains("<script>alert") && !text.contains("a\"><b"), "{text}");
        assert!(text.contains("Approve") && text.contains("&#60;script&#62;alert"), "{text}");
    }
}
