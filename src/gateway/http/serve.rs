//! Accepts connections, and serves HTTP/1.1 on them, with or without TLS.
//!
//! HTTP/2 is not spoken: one connection of it carries hundreds of requests, and every limit here
//! counts connections. hyper keeps no time here. A connection ends when its client is too slow for
//! its phase, and soon after a shutdown began.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tower_service::Service;

use super::activity::{Phase, Times};
use super::certificates::Certificates;
use super::connection::{Connection, Peer};
use super::encrypted::Encrypted;
use super::line::Line;
use super::problem::{Kind, Problem};
use super::room::{Full, Room, Seat, Seats};
use super::unread::secured;
use crate::telemetry::{Metric, count};

/// Largest head of a request, bytes.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// Waiting for the next look at a connection that nothing limits.
const LONG: Duration = Duration::from_secs(3_600);

/// Serves until the shutdown, and then until every connection has ended or its time is over.
pub(crate) async fn serve(
    mut listener: TcpListener,
    tls: Option<Certificates>,
    app: Router,
    room: Room,
    times: Times,
    mut shutdown: watch::Receiver<bool>,
) {
    let seats = Seats::new(room);
    // Each connection that hyper serves holds a receiver.
    let running = watch::Sender::new(());
    loop {
        let (tcp, address) = tokio::select! {
            biased;
            _ = shutdown.wait_for(|down| *down) => break,
            accepted = Listener::accept(&mut listener) => accepted,
        };
        match seats.take(address.ip()) {
            Ok(seat) => {
                let (app, shutdown, running) = (app.clone(), shutdown.clone(), running.subscribe());
                // Frames are flushed when they are complete; waiting for more would only add
                // latency.
                let _refused = tcp.set_nodelay(true).is_err();
                let arrival = Arrival { address, seat, began: Instant::now() };
                let tls = tls.clone();
                tokio::spawn(async move {
                    let line = match tls {
                        None => Some(Line::Plain(tcp)),
                        // Boxed, because an open connection must not reserve the memory.
                        Some(tls) => Box::pin(encrypt(tcp, &tls, &arrival, &times, shutdown.clone())).await,
                    };
                    if let Some(line) = line {
                        serve_one(line, arrival, times, app, shutdown).await;
                    }
                    drop(running);
                });
            }
            // A client that expects TLS can read no answer before its handshake.
            Err(_) if tls.is_some() => {}
            Err(full) => refuse(&tcp, full),
        }
    }
    drop(listener);
    let began = Instant::now();
    // Requests that are being handled are answered. Sockets get the time to say that they close.
    let sockets = timeout_at(began + times.close + times.close / 4, seats.empty());
    let requests = timeout(times.finish, running.closed());
    let _some_are_cut = tokio::join!(sockets, requests);
}

/// A connection that was accepted.
struct Arrival {
    address: SocketAddr,
    seat: Seat,
    began: Instant,
}

/// Shakes hands. The time for that is a part of the time of the first head, and a shutdown ends it.
async fn encrypt(
    tcp: TcpStream,
    tls: &Certificates,
    arrival: &Arrival,
    times: &Times,
    mut shutdown: watch::Receiver<bool>,
) -> Option<Line> {
    let handshake = async {
        let mut first = [0];
        if tcp.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            answer_plain(tcp, times).await;
            return Ok(None);
        }
        Encrypted::accept(tcp, tls.present(), tls.hsts()).await.map(Some)
    };
    let made = tokio::select! {
        made = timeout_at(arrival.began + times.head, handshake) => made,
        _ = shutdown.wait_for(|down| *down) => return None,
    };
    match made {
        Ok(Ok(line)) => Some(Line::Encrypted(Box::new(line?))),
        Ok(Err(error)) => {
            tracing::debug!(address = %arrival.address, %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            count(Metric::ConnectionsTimedOut, 1);
            None
        }
    }
}

/// Answers a client that sends HTTP without TLS.
async fn answer_plain(mut tcp: TcpStream, times: &Times) {
    let detail = "this port speaks HTTPS: begin the address with https://";
    let (_, body) = Problem::new(Kind::BadRequest, detail).document();
    let _gone = tcp.try_write(secured("400 Bad Request", "", None, &body).as_bytes()).is_err();
    // A socket that is closed with unread bytes sends a reset, which can overtake the answer.
    let _gone = tcp.shutdown().await.is_err();
    let drained = async {
        let mut thrown_away = [0; 1_024];
        loop {
            match tcp.try_read(&mut thrown_away) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if tcp.readable().await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    };
    let _cut = timeout(times.close, drained).await.is_err();
}

/// Serves one connection until it ends, is upgraded, or its client is too slow.
async fn serve_one(line: Line, arrival: Arrival, times: Times, app: Router, mut shutdown: watch::Receiver<bool>) {
    let Arrival { address, seat, began } = arrival;
    let hsts = line.hsts().cloned();
    let (connection, peer) = Connection::new(line, address, seat, began, times);
    let client = peer.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(client.clone()));
        let (answer, hsts) = (app.clone().call(request), hsts.clone());
        async move {
            let mut answer = answer.await?;
            if let Some(hsts) = hsts {
                answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts);
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(MOST_HEAD).header_read_timeout(None);
    let connection = http.serve_connection(TokioIo::new(connection), service).with_upgrades();
    let (mut connection, mut down) = (pin!(connection), pin!(shutdown.wait_for(|down| *down)));
    let (mut closing, mut timer) = (None, pin!(sleep_until(Instant::now() + times.head)));
    let overdue = poll_fn(|context| {
        if closing.is_none() && down.as_mut().poll(context).is_ready() {
            closing = Some(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
        // Errors are the client's: it has gone, or sent no HTTP, which hyper has answered.
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        loop {
            let now = Instant::now();
            let (overdue, next) = judge(&peer, &times, closing, now);
            if overdue {
                return Poll::Ready(true);
            }
            // A deadline that moved away is looked at when the timer fires.
            if timer.is_elapsed() || next < timer.deadline() {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
    if overdue {
        dismiss(&peer, closing.is_some());
    }
}

/// Whether a connection has used up its time, and when to look again.
fn judge(peer: &Peer, times: &Times, closing: Option<Instant>, now: Instant) -> (bool, Instant) {
    let activity = peer.activity();
    let mut next = now + LONG;
    if let Some(began) = closing {
        next = activity.cut_at(times, began);
        if next <= now {
            return (true, now);
        }
    }
    match activity.deadline(times) {
        Some(deadline) if deadline <= now => (true, now),
        Some(deadline) => (false, next.min(deadline)),
        None => (false, next),
    }
}

fn dismiss(peer: &Peer, closing: bool) {
    if !closing {
        count(Metric::ConnectionsTimedOut, 1);
    }
    if peer.activity().phase() == Phase::Head {
        let (_, body) = Problem::new(Kind::TooSlow, "the head of the request did not arrive in time").document();
        peer.dismiss(secured("408 Request Timeout", "", peer.hsts(), &body).as_bytes());
    }
}

/// Answers a connection that has no place. The answer is not waited for.
fn refuse(tcp: &TcpStream, full: Full) {
    let detail = match full {
        Full::All => "the server has as many connections as it may; try again in a second",
        Full::Address => "there are as many connections from this address as there may be; use them again",
    };
    let (_, body) = Problem::new(Kind::Unavailable, detail).document();
    let answer = secured("503 Service Unavailable", "retry-after: 1\r\n", None, &body);
    let _gone = tcp.try_write(answer.as_bytes()).is_err();
}
