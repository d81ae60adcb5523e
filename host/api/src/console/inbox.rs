//! What people are asked for: what waits for oneself, all that waits, and what is over.

use super::page::{chrome, html, shown};
use super::session::Signed;
use super::words;
use crate::problem::Problem;
use crate::query::Fields;
use axum::response::Response;
use console::{Entry, Inbox, InboxList, Item, Tab};
use http::{StatusCode, Uri};
use runtime::{Page, RequestsWanted};
use types::{Id, Method, RequestRow, RequestStatus};

/// Rows of one page.
const ROWS: u32 = 50;
/// Looks at the list for one page of what is over, each of twice the rows.
const LOOKS_MAX: u32 = 10;
/// Of a text that is filtered by, in bytes.
const KIND_BYTES_MAX: usize = 200;

/// Which requests a tab shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Mine,
    All,
    Done,
}

impl Show {
    const ALL: [Self; 3] = [Self::Mine, Self::All, Self::Done];

    fn as_str(self) -> &'static str {
        match self {
            Self::Mine => "mine",
            Self::All => "all",
            Self::Done => "done",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|show| show.as_str() == text)
    }

    fn label(self) -> &'static str {
        match self {
            Self::Mine => "Waiting for me",
            Self::All => "All pending",
            Self::Done => "Done",
        }
    }
}

struct Wanted {
    show: Show,
    method: Option<Method>,
    kind: Option<String>,
    before: Option<Id>,
}

impl Wanted {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut fields = Fields::read(uri, &["show", "method", "type", "before"])?;
        let method = |text: &str| if text == "answer" { Some(Method::Answer) } else { Method::parse(text) };
        Ok(Self {
            show: fields.with("show", "mine, all or done", Show::parse)?.unwrap_or(Show::Mine),
            method: fields.with("method", "approve, ask, decide, do, generate or answer", method)?,
            kind: fields.text("type").map(|kind| words::cut(kind.trim().to_owned(), KIND_BYTES_MAX)),
            before: fields.parsed("before", "the end of a page before")?,
        })
    }

    /// The address of what is wanted.
    fn href(&self, signed: &Signed) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("show", self.show.as_str());
        if let Some(method) = self.method {
            query.append_pair("method", method.as_str());
        }
        if let Some(kind) = &self.kind {
            query.append_pair("type", kind);
        }
        if let Some(before) = self.before {
            query.append_pair("before", &before.to_string());
        }
        signed.scope.link(&format!("/console/inbox?{}", query.finish()))
    }
}

pub(super) async fn show(signed: Signed, uri: Uri) -> Response {
    shown(&signed, Tab::Inbox, page(&signed, &uri).await)
}

async fn page(signed: &Signed, uri: &Uri) -> Result<Response, Problem> {
    let wanted = Wanted::read(uri)?;
    let found = find(signed, &wanted).await?;
    let next =
        found.next.map(|before| Wanted { before: Some(before), kind: wanted.kind.clone(), ..wanted }.href(signed));
    let list = InboxList {
        items: found.items.iter().map(|row| item(signed, row)).collect(),
        nothing: match wanted.show {
            Show::Mine => "Nothing waits for you.",
            Show::All => "Nothing waits for anybody.",
            Show::Done => "Nothing is over yet.",
        },
        next,
        href: wanted.href(signed),
    };
    let methods = [Method::Approve, Method::Ask, Method::Decide, Method::Do, Method::Generate, Method::Answer];
    let page = Inbox {
        chrome: chrome(&signed.scope, Some(&signed.caller.identity.actor), Tab::Inbox),
        tabs: tabs(signed, &wanted).await?,
        show: wanted.show.as_str(),
        methods: methods
            .map(|method| Entry {
                label: words::method(method).to_owned(),
                href: method.as_str().to_owned(),
                current: wanted.method == Some(method),
            })
            .into(),
        kind: wanted.kind.unwrap_or_default(),
        list,
    };
    Ok(html(StatusCode::OK, console::render(&page)))
}

fn sees_all(signed: &Signed) -> bool {
    signed.caller.identity.scopes.allow("Approval", "read")
}

async fn tabs(signed: &Signed, wanted: &Wanted) -> Result<Vec<Entry>, Problem> {
    let waiting = signed.scope.object.pending_for(&signed.caller).await?;
    let tabs = Show::ALL.into_iter().filter(|show| *show != Show::All || sees_all(signed));
    let entry = |show: Show| Entry {
        label: if show == Show::Mine && waiting > 0 {
            format!("{} ({waiting})", show.label())
        } else {
            show.label().to_owned()
        },
        href: Wanted { show, before: None, kind: wanted.kind.clone(), method: wanted.method }.href(signed),
        current: wanted.show == show,
    };
    Ok(tabs.map(entry).collect())
}

async fn find(signed: &Signed, wanted: &Wanted) -> Result<Page<RequestRow, Id>, Problem> {
    let is_done = wanted.show == Show::Done;
    let everybody = wanted.show == Show::All || is_done && sees_all(signed);
    let mut asked = RequestsWanted {
        status: (!is_done).then_some(RequestStatus::Pending),
        assignee: (!everybody).then(|| "me".to_owned()),
        kind: wanted.kind.clone(),
        method: wanted.method,
        before: wanted.before,
        limit: if is_done { 2 * ROWS } else { ROWS },
    };
    if !is_done {
        return Ok(signed.scope.object.requests(&signed.caller, asked).await?);
    }
    // The list knows each status, but not that it is any but one.
    let mut items = Vec::new();
    for _ in 0..LOOKS_MAX {
        let page = signed.scope.object.requests(&signed.caller, asked.clone()).await?;
        for row in page.items {
            let id = row.id;
            if row.is_pending() {
                continue;
            }
            items.push(row);
            if items.len() == ROWS as usize {
                return Ok(Page { items, next: Some(id) });
            }
        }
        asked.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    Ok(Page { items, next: asked.before })
}

fn item(signed: &Signed, row: &RequestRow) -> Item {
    let namespace = signed.scope.object.namespace().as_str();
    let method = words::method(row.method);
    Item {
        id: row.id.to_string(),
        href: signed.scope.link(&format!("/console/inbox/{}", row.id)),
        title: row.title.clone(),
        what: if row.kind == row.method.as_str() { method.to_owned() } else { format!("{method} · {}", row.kind) },
        status: row.status.as_str().to_owned(),
        tone: words::tone(row.status),
        from: Some(words::who(&row.requester, namespace).to_owned()),
        at: words::when(row.created_at),
        due: row.is_pending().then(|| words::when(row.expires_at)),
    }
}
