//! A network in memory, and servers on it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use earcon_egress::Egress;
use earcon_model::ManualClock;
use earcon_ports::{HttpRequest, Repeat};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::time::Instant;
use url::Url;

use crate::client::Inner;
use crate::network::{Network, Stream};
use crate::settings::HttpSettings;

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;
type Handler = dyn Fn(usize, Request<Bytes>) -> Option<Answer> + Send + Sync;

/// The addresses of a name, one list a lookup.
type Lookups = Vec<Vec<IpAddr>>;

/// What happened on the network.
#[derive(Default)]
struct Seen {
    lookups: Vec<String>,
    connections: Vec<SocketAddr>,
    requests: Vec<(Instant, Request<Bytes>)>,
}

/// A network in memory. Every address answers with the same handler.
#[derive(Clone)]
pub(super) struct Memory {
    names: Arc<Mutex<HashMap<&'static str, Lookups>>>,
    handler: Arc<Handler>,
    seen: Arc<Mutex<Seen>>,
}

impl Memory {
    /// The handler gets the number of the request, from 0. Without an answer, the connection ends.
    pub(super) fn new(handler: impl Fn(usize, Request<Bytes>) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self { names: Arc::default(), handler: Arc::new(handler), seen: Arc::default() }
    }

    /// Gives a name these addresses, one list a lookup. The last one stays.
    pub(super) fn name(self, name: &'static str, lookups: &[&[&str]]) -> Self {
        let lists = lookups.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect()).collect();
        self.names.lock().unwrap().insert(name, lists);
        self
    }

    pub(super) fn lookups(&self) -> Vec<String> {
        self.seen.lock().unwrap().lookups.clone()
    }

    pub(super) fn connections(&self) -> Vec<String> {
        self.seen.lock().unwrap().connections.iter().map(ToString::to_string).collect()
    }

    /// The requests with the time since the first of them.
    pub(super) fn requests(&self) -> Vec<(Duration, Request<Bytes>)> {
        let seen = self.seen.lock().unwrap();
        let first = seen.requests.first().map(|(at, _)| *at);
        seen.requests.iter().map(|(at, request)| (*at - first.unwrap(), request.clone())).collect()
    }

    /// A client on this network with these exceptions from the policy.
    pub(super) fn client(&self, allow: &[&str]) -> Inner<Self> {
        Inner::new(&settings(allow), Arc::new(ManualClock::at(0)), self.clone()).unwrap()
    }

    async fn serve(self, stream: DuplexStream) {
        let service = service_fn(move |request: Request<Incoming>| {
            let network = self.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let request = Request::from_parts(head, body);
                let number = {
                    let mut seen = network.seen.lock().unwrap();
                    seen.requests.push((Instant::now(), request.clone()));
                    seen.requests.len() - 1
                };
                (network.handler)(number, request).ok_or_else(|| io::Error::other("no answer"))
            }
        });
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.is_err();
    }
}

impl Network for Memory {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.seen.lock().unwrap().lookups.push(name.to_owned());
        let mut names = self.names.lock().unwrap();
        let lists = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() })
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<impl Stream> {
        self.seen.lock().unwrap().connections.push(address);
        let (here, there) = tokio::io::duplex(1 << 16);
        tokio::spawn(self.clone().serve(there));
        Ok(here)
    }
}

pub(super) fn settings(allow: &[&str]) -> HttpSettings {
    HttpSettings {
        egress: Egress::new(vec![443], allow.iter().map(|text| text.parse().unwrap()).collect()),
        ca_file: None,
        connect: Duration::from_secs(5),
        most: 4,
        most_per_host: 2,
        most_waiting: 8,
        waiting_bytes: 1 << 20,
    }
}

/// A request that is sent once.
pub(super) fn once(method: Method, url: &str) -> HttpRequest {
    HttpRequest { attempts: 1, ..HttpRequest::new(method, Url::parse(url).unwrap()) }
}

pub(super) fn get(url: &str) -> HttpRequest {
    once(Method::GET, url)
}

/// A request that is sent up to `attempts` times.
pub(super) fn repeated(method: Method, url: &str, repeat: Repeat, attempts: u32) -> HttpRequest {
    HttpRequest { repeat, attempts, ..once(method, url) }
}

pub(super) fn answer(status: u16, headers: &[(&'static str, &str)], body: &'static [u8]) -> Option<Answer> {
    let mut answer = Response::new(Full::new(Bytes::from_static(body)).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    Some(answer)
}
