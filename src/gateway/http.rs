//! What the wings share of HTTP: state, authorisation, bodies, queries, answers and errors.

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod frames;
pub(crate) mod log_limit;
pub(crate) mod origin;
pub(crate) mod outlet;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod state;
