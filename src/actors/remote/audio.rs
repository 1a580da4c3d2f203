//! Audio from the owner's mix to listeners of other nodes.
//!
//! The owner publishes packets while other nodes extend its lease every few seconds. A node with
//! listeners has one subscription, however many listen, and forwards the packets.

mod message;
pub mod publisher;
pub mod subscriber;
