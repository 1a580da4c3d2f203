//! Behaviour of the whole of `streams`, seen from the outside.

mod bands;
mod clocks;
mod counters;
mod edges;
mod ends;
mod faults;
mod findings;
mod invariants;
mod lasting;
mod lifecycle_props;
mod null_data;
mod parts;
mod season_reach;
mod shadows;
mod signals;
mod stalls;
