//! Damages of a directory with known settings and history.

mod fixture;
mod random_damage;
mod single_damage;
