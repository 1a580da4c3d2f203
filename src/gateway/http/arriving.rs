//! The body of a request as it arrives: decoded, and with a clock.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Pace, Phase};
use super::connection::Peer;
use super::gunzip::Gunzip;
use crate::telemetry::{Metric, count};

/// Why a body does not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    /// The client was too slow.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// The body is no gzip, or damaged.
    #[error("the body is no whole gzip: {0}")]
    Damaged(io::Error),
    /// The connection ended, or the body has no legal form.
    #[error("the body did not arrive whole: {0}")]
    Broken(axum::Error),
}

/// A body as it arrives.
pub(crate) struct Arriving {
    body: Body,
    peer: Option<Peer>,
    pace: Option<Pace>,
    /// Runs while the client sends nothing.
    timer: Option<Pin<Box<Sleep>>>,
    gunzip: Option<Gunzip>,
    ended: bool,
}

impl Arriving {
    /// The body of a request from `peer`, whose connection it keeps informed.
    pub(crate) fn new(body: Body, peer: Option<Peer>, gzip: bool) -> Self {
        let pace = peer.as_ref().map(|peer| Pace::new(*peer.times(), Instant::now()));
        let ended = body.is_end_stream();
        let phase = if ended { Phase::Handling } else { Phase::Body };
        if let Some(peer) = &peer {
            peer.activity().enter(phase, Instant::now());
        }
        Self { body, peer, pace, timer: None, gunzip: gzip.then(Gunzip::new), ended }
    }

    /// The end, good or bad.
    fn end(&mut self) {
        self.ended = true;
        self.timer = None;
        if let Some(peer) = &self.peer {
            peer.activity().advance(Phase::Body, Phase::Handling, Instant::now());
        }
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.ended = true;
        self.timer = None;
        Poll::Ready(Some(Err(fault)))
    }

    /// Ready when the client was too slow.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(pace) = &mut self.pace else { return Poll::Pending };
        pace.wait(Instant::now());
        let deadline = pace.deadline();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        loop {
            match self.gunzip.as_mut().map(Gunzip::next) {
                Some(Ok(Some(decoded))) => return Poll::Ready(Some(Ok(Frame::data(decoded)))),
                Some(Err(error)) => return self.fail(BodyFault::Damaged(error)),
                Some(Ok(None)) | None => {}
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers mean nothing to any protocol here.
                    let Ok(data) = frame.into_data() else { continue };
                    if let Some(pace) = &mut self.pace {
                        pace.received(data.len());
                    }
                    match &mut self.gunzip {
                        Some(gunzip) => gunzip.feed(data),
                        None => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.fail(BodyFault::Broken(error)),
                Poll::Ready(None) => {
                    self.end();
                    match self.gunzip.as_mut().map(Gunzip::finish) {
                        Some(Ok(Some(decoded))) => return Poll::Ready(Some(Ok(Frame::data(decoded)))),
                        Some(Err(error)) => return self.fail(BodyFault::Damaged(error)),
                        Some(Ok(None)) | None => return Poll::Ready(None),
                    }
                }
                Poll::Pending => {
                    return match self.poll_timer(context) {
                        Poll::Ready(()) => {
                            count(Metric::ConnectionsTimedOut, 1);
                            self.fail(BodyFault::TooSlow)
                        }
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.gunzip.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.gunzip.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}
