//! The `earcon` program. All of it is in the library.

use std::process::ExitCode;

/// mimalloc, because samples and events are many small allocations that another thread frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    earcon::cli::run()
}
