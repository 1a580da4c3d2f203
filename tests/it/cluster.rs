//! Several real nodes against a real NATS server and a real CQL database.

mod database;
mod deletion;
mod epochs;
mod experiments;
mod failover;
mod frozen;
mod membership;
mod serving;
mod takeover;
mod watcher;
mod workspace_deletion;
