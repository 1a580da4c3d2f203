//! NATS: the connection that everything else here shares.

pub mod connection;
#[cfg(test)]
pub(crate) mod test_server;
