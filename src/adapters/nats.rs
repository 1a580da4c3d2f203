//! NATS: the connection that everything else here shares, and what is published on it.

pub mod connection;
pub mod courier;
pub mod publisher;
pub mod subject;
#[cfg(test)]
pub(crate) mod test_server;
