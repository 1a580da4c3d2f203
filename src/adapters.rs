//! Implementations of the ports, one technology each, and the system clock. Only the composition root names them; nothing
//! here imports another adapter, an actor or the gateway.

pub mod clock;
pub mod embedded;
pub mod nats;
pub mod scylla;
