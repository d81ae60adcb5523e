//! What each page shows, as plain values.

use crate::form::{Field, Input};
use askama::Template;

/// What is around every page.
#[derive(Clone, Debug)]
pub struct Chrome {
    /// The part of the URL's path that names the object.
    pub base: String,
    /// Where the files that pages load are.
    pub assets: String,
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
    pub label: String,
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
    pub id: String,
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

/// The rows of the inbox.
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
    /// Which tab is open, as its address spells it.
    pub show: &'static str,
    /// Kinds of requests that can be chosen; their `href` is the value.
    pub methods: Vec<Entry>,
    /// What the requests are about, in a word; empty: anything.
    pub kind: String,
    pub list: InboxList,
}

/// What somebody can do with a request.
#[derive(Clone, Debug)]
pub struct Act {
    pub action: String,
    pub fields: Vec<Field>,
    /// What was typed as the reason.
    pub reason: String,
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

/// A line of a history, or of a plan.
#[derive(Clone, Debug)]
pub struct HistoryLine {
    pub at: String,
    pub text: String,
    pub past: bool,
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
    /// The form that is on the page stays as it is: somebody may be typing.
    pub keeps_form: bool,
    /// Whether the error is of what hands it on, or of a comment.
    pub hand_on_error: bool,
    pub schedule: Vec<HistoryLine>,
    pub history: Vec<HistoryLine>,
    /// Where the steps of the work are.
    pub run: Option<String>,
}

/// One row of the runs.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub id: String,
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
    pub tabs: Vec<Entry>,
    /// Where this page is.
    pub href: String,
    pub rows: Vec<RunRow>,
    pub next: Option<String>,
}

/// One step of a run.
#[derive(Clone, Debug)]
pub struct RunStep {
    pub ordinal: u32,
    pub title: String,
    /// None: it was answered, as most are.
    pub status: Option<&'static str>,
    pub tone: &'static str,
    pub when: String,
    /// What a model said.
    pub text: Option<String>,
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
    pub error: Option<String>,
    /// Where this page is.
    pub href: String,
    pub facts: Vec<(String, String)>,
    /// Label and address.
    pub links: Vec<(&'static str, String)>,
    pub steps: Vec<RunStep>,
    /// Where the steps behind these are.
    pub more: Option<String>,
    pub input: Option<String>,
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
        let (base, assets, ns) = (String::new(), String::new(), "https://acme.example".to_owned());
        Chrome { base, assets, ns, who: Some("Human/ann".to_owned()), tab: Tab::Inbox }
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
                reason: evil.to_owned(),
                buttons: vec![Button { value: "approve", label: "Approve", tone: "good", free: false }],
            }),
            keeps_form: false,
            hand_on_error: false,
            schedule: Vec::new(),
            history: vec![HistoryLine { at: "now".to_owned(), text: evil.to_owned(), past: false }],
            run: None,
        };
        let text = render(&page).expect("it is written");
        assert!(!text.contains("<script>alert") && !text.contains("a\"><b"), "{text}");
        assert!(text.contains("Approve") && text.contains("&#60;script&#62;alert"), "{text}");
    }
}
