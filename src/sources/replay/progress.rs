//! The output of a replay on stderr: a progress bar on a terminal, and the first problems.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Number of problems that are shown. A file of the wrong kind would fill the terminal.
const PROBLEMS_SHOWN: u64 = 20;

/// The progress bar and the number of problems.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    problems: u64,
}

impl Progress {
    /// The progress through a file of `bytes`. Silent if stderr is not a terminal.
    pub(super) fn for_bytes(bytes: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), problems: 0 };
        }
        let style = ProgressStyle::with_template("{elapsed:>5} [{bar:32}] {percent:>3}% {msg}")
            .expect("the template is well formed")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr()).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, problems: 0 }
    }

    /// Shows the position in the file and the number of accepted samples.
    pub(super) fn advance(&self, bytes_read: u64, accepted: u64) {
        self.bar.set_position(bytes_read);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{accepted} samples"));
        }
    }

    /// Shows a warning about the whole file.
    pub(super) fn warn(&self, text: &dyn Display) {
        self.line(&format_args!("warning: {text}"));
    }

    /// Shows a problem of one row, up to a limit.
    pub(super) fn problem(&mut self, text: &dyn Display) {
        self.problems += 1;
        if self.problems <= PROBLEMS_SHOWN {
            self.line(text);
        } else if self.problems == PROBLEMS_SHOWN + 1 {
            self.line(&"further problems are only counted");
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &dyn Display) {
        self.bar.suspend(|| {
            // If stderr is closed, nothing can be reported.
            writeln!(io::stderr(), "{text}").ok();
        });
    }
}
