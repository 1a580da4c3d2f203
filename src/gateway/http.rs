//! What the wings share of HTTP: connections, state, authorisation, bodies, queries, answers and
//! errors.

pub(crate) mod access;
pub(crate) mod activity;
mod answering;
pub(crate) mod arriving;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod certificates;
pub(crate) mod connection;
mod encrypted;
pub(crate) mod frames;
pub(crate) mod front;
mod guard;
pub(crate) mod gunzip;
pub(crate) mod hosts;
pub(crate) mod line;
pub(crate) mod log_limit;
pub(crate) mod media_type;
pub(crate) mod outlet;
pub(crate) mod page;
pub(crate) mod policy;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod refusals;
pub(crate) mod reply;
pub(crate) mod room;
pub(crate) mod serve;
pub(crate) mod state;
mod unread;
