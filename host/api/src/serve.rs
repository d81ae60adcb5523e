//! Sockets: accepts connections, bounds them, and ends them in an orderly way.

use crate::Config;
use crate::app::App;
use crate::config::limits;
use crate::edge::{Edge, Peer};
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::Node;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long accepting pauses when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is done and running requests have ended, or the grace for them has passed.
///
/// # Errors
/// None while serving: a connection that fails is its own affair. The result is for what may come before that.
pub async fn serve(
    listener: TcpListener,
    node: Node,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (places, grace) = (Arc::new(Semaphore::new(config.connections_max)), config.shutdown_grace);
    let by_ip = Arc::new(PerIp { max: config.connections_per_ip_max, open: Mutex::default() });
    let app = App::new(node, config);
    let edge = Edge::new(app.clone());
    let (running, abort) = (TaskTracker::new(), CancellationToken::new());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(counted) = by_ip.enter(peer) else { continue };
        let (edge, app, abort) = (edge.clone(), app.clone(), abort.clone());
        running.spawn(async move {
            tokio::select! {
                () = connection(stream, peer, edge, &app) => {}
                () = abort.cancelled() => {}
            }
            drop((place, counted));
        });
    }
    drop(listener);
    app.stopping.cancel();
    running.close();
    if tokio::time::timeout(grace, running.wait()).await.is_err() {
        tracing::warn!(open = running.len(), "connections are closed although their requests have not ended");
        abort.cancel();
        running.wait().await;
    }
    Ok(())
}

/// One connection to its end, or to the end of the request it is in when the server stops.
async fn connection(stream: TcpStream, peer: IpAddr, edge: Edge, app: &App) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let edge = edge.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            Ok::<_, Infallible>(edge.handle(request).await)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.header_timeout)
        .max_header_size(limits::HEADER_BYTES_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = app.stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// Connections open by address (spec SEC-1).
struct PerIp {
    max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// Leaves when dropped; none is kept for a loopback address.
struct Counted(Option<(Arc<PerIp>, IpAddr)>);

impl PerIp {
    fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Counted> {
        if ip.is_loopback() {
            return Some(Counted(None));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(ip).or_insert(0);
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Counted(Some((self.clone(), ip))))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((table, ip)) = self.0.take() else { return };
        let mut open = table.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                open.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let table = Arc::new(PerIp { max: 2, open: Mutex::default() });
        let (one, two): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = table.enter(one).unwrap();
        let _second = table.enter(one).unwrap();
        assert!(table.enter(one).is_none());
        assert!(table.enter(two).is_some());
        drop(first);
        assert!(table.enter(one).is_some());
        for _ in 0..10 {
            std::mem::forget(table.enter("127.0.0.1".parse().unwrap()).unwrap());
        }
        assert_eq!(table.open.lock().unwrap().len(), 1, "those that left are not kept");
    }
}
