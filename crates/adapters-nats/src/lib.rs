//! NATS: the connection that everything else here shares, the log on JetStream, the cluster's table in a bucket, questions between
//! nodes, and what is published for whoever subscribes.

pub mod connection;
pub mod event_log;
mod failure;
pub mod node_transport;
mod ordered;
mod publish;
pub mod publisher;
pub mod registry;
mod settings;
pub mod subject;
#[cfg(test)]
pub(crate) mod test_server;

pub use settings::NatsSettings;
