//! Measures Earcon side by side with comparable servers: same machine, same load, same client. See
//! README.md.

mod body;
mod cli;
mod fleet;
mod hostile;
mod load;
mod net;
mod raw;
mod report;
mod scenario;
mod server;
mod source;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
