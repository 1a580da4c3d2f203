//! The `earcon` program. Parses, builds, runs, drains; everything else is in the library.

use std::process::ExitCode;

/// Samples and events are many small allocations made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    earcon::cli::run()
}
