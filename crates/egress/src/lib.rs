//! The egress policy: which addresses the requests of this server may go to.
//!
//! URLs of requests come from people of many organisations, and from answers of other servers. A
//! request to an address of the own network would reach what its author cannot reach (server-side
//! request forgery). So only public addresses are allowed, with https, on few ports. Exceptions
//! are entries of a list.
//!
//! This crate only decides. It looks no name up and opens no connection. Its user checks the URL,
//! then each address that the name has, and connects to an address that was checked. A second
//! lookup could give another address (DNS rebinding).

mod address;
mod entry;
mod policy;
mod refusal;

pub use address::Special;
pub use entry::{Entry, EntryError};
pub use policy::{Egress, Target};
pub use refusal::{Refusal, Rule};
