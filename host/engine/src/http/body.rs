//! The body of a response, on its way to the guest: bounded, timed, and without secrets.

use super::Place;
use super::secrets::Scrubber;
use crate::state::Shared;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

pub struct Incoming {
    body: hyper::body::Incoming,
    bytes_left: usize,
    bytes_max: usize,
    between_bytes: Option<(Duration, Pin<Box<Sleep>>)>,
    scrubber: Option<Scrubber>,
    shared: Arc<Shared>,
    is_done: bool,
    /// The request counts as open until its answer is read or dropped.
    _place: Place,
}

impl Incoming {
    pub fn new(
        body: hyper::body::Incoming,
        bytes_max: usize,
        between_bytes: Option<Duration>,
        scrubber: Option<Scrubber>,
        shared: Arc<Shared>,
        place: Place,
    ) -> Self {
        let between_bytes = between_bytes.map(|wait| (wait, Box::pin(tokio::time::sleep(wait))));
        Self { body, bytes_left: bytes_max, bytes_max, between_bytes, scrubber, shared, is_done: false, _place: place }
    }

    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Error> {
        let Some(left) = self.bytes_left.checked_sub(bytes.len()) else {
            self.is_done = true;
            self.shared.log.host_line(&format!("a response was cut: its body has more than {} bytes", self.bytes_max));
            return Err(Error::HttpResponseBodySize(Some(self.bytes_max as u64)));
        };
        self.bytes_left = left;
        Ok(match &mut self.scrubber {
            Some(scrubber) => scrubber.push(&bytes).into(),
            None => bytes,
        })
    }

    /// What the scrubber still held.
    fn last(&mut self) -> Option<Result<Frame<Bytes>, Error>> {
        self.is_done = true;
        let rest = self.scrubber.as_mut().map(Scrubber::finish).unwrap_or_default();
        (!rest.is_empty()).then(|| Ok(Frame::data(rest.into())))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if self.is_done {
                return Poll::Ready(None);
            }
            let polled = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(polled) => polled,
                Poll::Pending => {
                    if let Some((_, sleep)) = &mut self.between_bytes {
                        ready!(sleep.as_mut().poll(context));
                        self.is_done = true;
                        return Poll::Ready(Some(Err(Error::HttpResponseTimeout)));
                    }
                    return Poll::Pending;
                }
            };
            if let Some((wait, sleep)) = &mut self.between_bytes {
                let next = Instant::now() + *wait;
                sleep.as_mut().reset(next);
            }
            match polled {
                // Trailers are a way for values to come back that nothing here looks into, and nobody asked for them.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => match self.data(bytes) {
                        // All of it waits for what comes next.
                        Ok(bytes) if bytes.is_empty() => {}
                        data => return Poll::Ready(Some(data.map(Frame::data))),
                    },
                    Err(_trailers) => {}
                },
                Some(Err(error)) => {
                    self.is_done = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => return Poll::Ready(self.last()),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }

    fn size_hint(&self) -> SizeHint {
        if self.scrubber.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}
