//! The client against servers in memory, where lookups and addresses are the tests' own and the
//! clock is paused, and against a real one with TLS.

mod limits;
mod policy;
mod repeated;
mod support;
mod tls;
