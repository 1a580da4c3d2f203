//! Damages of a directory with known settings and history, and failed writes.

mod any_damage;
mod failed_writes;
mod fixture;
mod old_versions;
mod random_damage;
mod removed_files;
mod single_damage;
