//! Behaviour of the whole of `streams`, seen from the outside.

mod counters;
mod edges;
mod ends;
mod findings;
mod invariants;
mod lifecycle_props;
mod null_data;
mod shadows;
mod signals;
mod stalls;
mod tail_rank;
