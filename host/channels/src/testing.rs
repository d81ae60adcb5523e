//! What the tests of the channels talk to: an HTTP server that keeps what it hears, executors that post nothing.

use axum::extract::{Request, State};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use types::Fault;
use types::exec::{
    BoxFuture, ChannelKind, ComponentFile, Courier, Dispatch, Executor, Host, Inspection, Job, Letter, Outcome, Receipt,
};

pub(crate) fn message(channel: ChannelKind, target: &str) -> Dispatch {
    Dispatch {
        id: "m-1".into(),
        channel,
        target: target.into(),
        subject: "Hello".into(),
        text: "How are you?".into(),
        choices: Vec::new(),
        payload: None,
    }
}

/// A request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

type Answer = Arc<dyn Fn(&Heard) -> String + Send + Sync>;
type Kept = Arc<Mutex<Vec<Heard>>>;

/// A server on a port of its own, until it is dropped.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    heard: Kept,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers each request with status 200 and what the closure says.
pub(crate) async fn answering(answer: impl Fn(&Heard) -> String + Send + Sync + 'static) -> Server {
    let (answer, heard): (Answer, Kept) = (Arc::new(answer), Kept::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one");
    let router = axum::Router::new().fallback(hear).with_state((answer, heard.clone()));
    let serving = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    Server { address, heard, serving }
}

async fn hear(State((answer, kept)): State<(Answer, Kept)>, request: Request) -> String {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("the body comes");
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let heard = Heard {
        path: parts.uri.path().to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let said = answer(&heard);
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
    said
}

/// An executor that runs and posts nothing.
pub(crate) struct Nobody;

impl Executor for Nobody {
    fn prepare(&self, _: &ComponentFile) -> Result<Inspection, Fault> {
        Err(Fault::internal())
    }

    fn run(&self, _: Job, _: Box<dyn Host>) -> BoxFuture<'_, Outcome> {
        Box::pin(std::future::pending())
    }
}

/// One that keeps what it is to post.
pub(crate) struct Posting {
    status: u16,
    letters: Mutex<Vec<Letter>>,
}

impl Posting {
    pub(crate) fn answering(status: u16) -> Self {
        Self { status, letters: Mutex::default() }
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Executor for Posting {
    fn prepare(&self, _: &ComponentFile) -> Result<Inspection, Fault> {
        Err(Fault::internal())
    }

    fn run(&self, _: Job, _: Box<dyn Host>) -> BoxFuture<'_, Outcome> {
        Box::pin(std::future::pending())
    }

    fn courier(&self) -> Option<&dyn Courier> {
        Some(self)
    }
}

impl Courier for Posting {
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, Fault>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        Box::pin(std::future::ready(Ok(Receipt { status: self.status, retry_after: None })))
    }
}
