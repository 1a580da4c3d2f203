//! Several real nodes against a real NATS server and a real CQL database.

mod database;
mod failover;
mod membership;
mod serving;
