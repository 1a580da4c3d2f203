//! NATS: the connection that everything else here shares.

pub mod connection;
pub mod courier;
#[cfg(test)]
pub(crate) mod test_server;
