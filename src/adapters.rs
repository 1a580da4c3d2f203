//! Implementations of the ports, one technology each, and the system clock. Only the composition root names them; nothing
//! here imports another adapter, an actor or the gateway; what stores of history share is in `history`.

pub mod clock;
pub mod embedded;
mod history;
pub mod nats;
pub mod scylla;
