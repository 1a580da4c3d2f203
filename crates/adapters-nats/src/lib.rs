//! Adapters for NATS: the event log on JetStream, the cluster's table in a key-value bucket,
//! requests between nodes, and publishing to subscribers. All share one connection.

pub mod connection;
pub mod event_log;
mod failure;
pub mod node_transport;
mod ordered;
mod publish;
pub mod publisher;
pub mod registry;
mod repeat;
mod settings;
pub mod subject;
#[cfg(test)]
pub(crate) mod test_server;

pub use settings::NatsSettings;
