//! Adapter for requests to other servers: HTTP/1.1, TLS through rustls, and the egress policy at
//! the one place where connections are made.
//!
//! Deliberately absent: cookies, proxies, decompression, and HTTP/2. One connection carries one
//! request at a time, so that the limits of connections are those of requests.

mod arriving;
mod client;
mod connector;
mod failure;
mod network;
mod places;
mod redirect;
mod retry;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

pub use client::OutboundHttp;
pub use settings::HttpSettings;
