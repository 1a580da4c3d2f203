//! Behaviour of the whole of `streams`, seen from the outside.

mod edges;
mod findings;
mod laws;
mod null_data;
mod signals;
mod stalls;
mod tail_rank;
