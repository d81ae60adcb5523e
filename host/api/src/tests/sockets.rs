//! Real connections: what only they can show.

use super::*;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
    server: Server,
}

impl Listening {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let server = Server::start_with(change).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (node, config) = (server.test.node.clone(), server.config.clone());
        let ended =
            tokio::spawn(async move { crate::serve(listener, node, config, async { drop(stopped.await) }).await });
        Self { address, stop: Some(stop), ended, server }
    }

    /// Sends, then reads until the other side closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may have refused and closed before all was written.
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_over_a_socket_is_answered() {
    let listening = Listening::start(|_| {}).await;
    let answer = listening.raw(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"ok","version":"0.1.0"}"#), "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_large_or_smuggle_are_refused() {
    let listening = Listening::start(|_| {}).await;
    let huge = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(40 << 10));
    let twice = "POST /api/actions/echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n1";
    let hosts = "GET /api/whoami HTTP/1.1\r\nhost: localhost\r\nhost: root.test\r\nconnection: close\r\n\r\n";
    let nobody = "GET /api/whoami HTTP/1.1\r\nconnection: close\r\n\r\n";
    let space = "GET /api whoami HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (request, status) in [(huge.as_str(), "431"), (twice, "400"), (hosts, "400"), (nobody, "400"), (space, "400")] {
        let answer = listening.raw(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer:.200}");
    }
}

#[tokio::test]
async fn who_sends_more_than_was_read_is_told_that_the_connection_closes() {
    let listening = Listening::start(|_| {}).await;
    let post = |length: usize, sent: usize, end: &str| {
        let body = "x".repeat(sent);
        format!("POST /api/none HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{end}\r\n{body}")
    };
    let unread = listening.raw(post(1 << 20, 100, "").as_bytes()).await;
    assert!(unread.starts_with("HTTP/1.1 4") && unread.contains("connection: close\r\n"), "{unread}");
    // What came whole is put aside, and the connection serves the next request.
    let both = post(100, 100, "") + "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let both = listening.raw(both.as_bytes()).await;
    assert_eq!((both.matches("HTTP/1.1 ").count(), both.matches("connection: close").count()), (2, 1), "{both}");
}

#[tokio::test]
async fn slow_senders_are_let_go() {
    let listening = Listening::start(|config| {
        config.header_timeout = Duration::from_millis(50);
        config.body_idle_timeout = Duration::from_millis(50);
    })
    .await;
    let slow_head = listening.raw(b"GET /health HTTP/1.1\r\nhost: loc").await;
    assert!(slow_head.is_empty() || slow_head.starts_with("HTTP/1.1 408"), "{slow_head}");
    let head = format!(
        "POST /api/actions/echo HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n[1",
        listening.server.key
    );
    let slow_body = listening.raw(head.as_bytes()).await;
    assert!(slow_body.starts_with("HTTP/1.1 408"), "{slow_body}");
    assert!(slow_body.contains("TIMEOUT"), "{slow_body}");
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_runs() {
    let mut listening = Listening::start(|_| {}).await;
    let (begun, release) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let (inside, gate) = (begun.clone(), release.clone());
    listening.server.test.executor.on("gated", move |_, _| {
        let (inside, gate) = (inside.clone(), gate.clone());
        async move {
            inside.notify_one();
            gate.notified().await;
            completed(&Value::Bool(true))
        }
    });
    let root = listening.server.test.root().await.unwrap();
    listening.server.test.deploy(&root, "gated", "scripted:gated").await.unwrap();
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    let mut idle = TcpStream::connect(listening.address).await.unwrap();
    let request = format!(
        "POST /api/actions/gated HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-length: 0\r\n\r\n",
        listening.server.key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    begun.notified().await;
    listening.stop.take().unwrap().send(()).unwrap();
    assert_eq!(read_all(&mut idle).await, "", "an idle connection is closed");
    assert!(TcpStream::connect(listening.address).await.is_err(), "nothing new is taken");
    release.notify_one();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#"{"result":true"#), "{answer}");
    listening.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_run_that_does_not_end_is_left_behind_after_the_grace() {
    let mut listening = Listening::start(|config| config.shutdown_grace = Duration::from_millis(50)).await;
    let begun = std::sync::Arc::new(tokio::sync::Notify::new());
    let inside = begun.clone();
    listening.server.test.executor.on("hang", move |_, _| {
        inside.notify_one();
        std::future::pending()
    });
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    let request = format!(
        "POST /api/actions/hang HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-length: 0\r\n\r\n",
        listening.server.key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    begun.notified().await;
    listening.stop.take().unwrap().send(()).unwrap();
    listening.ended.await.unwrap().unwrap();
    assert_eq!(read_all(&mut stream).await, "");
}
