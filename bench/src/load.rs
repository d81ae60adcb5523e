//! A closed-loop HTTP/1.1 client: each connection sends its next request when it has the answer to the last one.

use anyhow::{Context, bail, ensure};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request, as it goes over the wire.
#[derive(Clone)]
pub struct Request {
    pub address: String,
    pub bytes: Arc<[u8]>,
}

impl Request {
    pub fn new(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        Self { address: address.to_owned(), bytes: text.into_bytes().into() }
    }
}

/// A connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the connection's buffer.
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Answer<'_> {
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.body)
    }
}

impl Connection {
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 << 10] })
    }

    /// Sends and waits for the whole answer. Copies nothing: the generator shares the machine with what it measures.
    pub async fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "the answer is longer than expected");
            let n = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(n > 0, "the server closed the connection");
            filled += n;
            if let Some((status, body)) = parse(&self.buffer[..filled])? {
                return Ok(Answer { status, body: &self.buffer[body] });
            }
        }
    }
}

/// Status, and where the body lies, once the answer is whole.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<(u16, Range<usize>)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.get(9..12).context("a status line")?.parse()?;
    let header = |wanted: &str| {
        head.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let start = end + 4;
    if let Some(length) = header("content-length") {
        let body = start..start + length.parse::<usize>()?;
        return Ok((bytes.len() >= body.end).then_some((status, body)));
    }
    if header("transfer-encoding").is_some() {
        return Ok(bytes.ends_with(b"0\r\n\r\n").then_some((status, start..bytes.len())));
    }
    bail!("an answer without length: {head}")
}

/// What a load of some seconds saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub per_second: f64,
    pub p50_us: f64,
}

/// `connections` clients for `time`, after a warm-up of a second. Anything but a 2xx is an error.
pub async fn load(request: &Request, connections: usize, time: Duration) -> anyhow::Result<Seen> {
    load_each(std::slice::from_ref(request), connections, time).await
}

/// The same; the clients take the requests in turn, each keeps its own.
pub async fn load_each(requests: &[Request], connections: usize, time: Duration) -> anyhow::Result<Seen> {
    run(requests, connections.min(16), Duration::from_secs(1)).await?;
    let begun = Instant::now();
    let mut times = run(requests, connections, time).await?;
    let elapsed = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    Ok(Seen { per_second: times.len() as f64 / elapsed, p50_us: at(0.5) })
}

async fn run(requests: &[Request], connections: usize, time: Duration) -> anyhow::Result<Vec<u64>> {
    let end = Instant::now() + time;
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..connections {
        let request = requests[n % requests.len()].clone();
        clients.spawn(async move {
            let mut connection = Connection::open(&request.address).await?;
            let mut times = Vec::with_capacity(1 << 14);
            while Instant::now() < end {
                let begun = Instant::now();
                let answer = connection.call(&request.bytes).await?;
                ensure!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.text());
                times.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            Ok(times)
        });
    }
    let mut all = Vec::new();
    while let Some(client) = clients.join_next().await {
        all.extend(client??);
    }
    ensure!(!all.is_empty(), "no request was answered");
    Ok(all)
}
