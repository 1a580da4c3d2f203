//! What a replay shows on standard error: a bar when somebody watches, and the first of the problems.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How many problems are shown in full; a file of the wrong kind would fill the terminal.
const PROBLEMS_SHOWN: u64 = 20;

/// The bar, and how many problems it has shown.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    problems: u64,
}

impl Progress {
    /// The progress through a file of `bytes`; silent when standard error is not a terminal.
    pub(super) fn of(bytes: u64) -> Self {
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

    /// Shows how far the file has been read and how many samples were accepted.
    pub(super) fn advance(&self, bytes_read: u64, accepted: u64) {
        self.bar.set_position(bytes_read);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{accepted} samples"));
        }
    }

    /// Shows a line that concerns the whole file.
    pub(super) fn warn(&self, text: &dyn Display) {
        self.line(&format_args!("warning: {text}"));
    }

    /// Shows a problem of one row, as long as there are not too many.
    pub(super) fn problem(&mut self, text: &dyn Display) {
        self.problems += 1;
        if self.problems <= PROBLEMS_SHOWN {
            self.line(text);
        } else if self.problems == PROBLEMS_SHOWN + 1 {
            self.line(&"further problems are only counted");
        }
    }

    /// Takes the bar away, so that the summary stands alone.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &dyn Display) {
        self.bar.suspend(|| {
            // Nobody can be told that standard error is closed.
            writeln!(io::stderr(), "{text}").ok();
        });
    }
}
