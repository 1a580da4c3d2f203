//! Exit codes, and lines on stdout and stderr, for all commands.

use std::io::Write;

use crate::telemetry::plain_lines;

/// Exit code: the command line or the configuration is wrong (`EX_USAGE` of sysexits.h).
pub(super) const USAGE: u8 = 64;
/// Exit code: the input holds nothing that can be used (`EX_DATAERR`).
pub(super) const DATA: u8 = 65;
/// Exit code: a port, a directory or a server is not available (`EX_UNAVAILABLE`).
pub(super) const UNAVAILABLE: u8 = 69;

/// Exit code: a path holds no data of Earcon (`EX_NOINPUT`).
pub(super) const NO_INPUT: u8 = 66;
/// Exit code: the system refuses to read or write a file, which is no damage (`EX_IOERR`).
pub(super) const IO: u8 = 74;

/// Exit code: the server wants other credentials, or does not permit it (`EX_NOPERM`).
pub(super) const NOT_PERMITTED: u8 = 77;

/// Exit code: a fault of the program ended it (`EX_SOFTWARE`). A supervisor starts it again.
pub(super) const SOFTWARE: u8 = 70;

/// Writes a line to stdout. A closed pipe is not an error.
pub(super) fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{}", plain_lines(line)).is_err();
}

/// Writes a line to stderr, with the name of the program.
pub(super) fn complain(line: &str) {
    let _closed = writeln!(std::io::stderr(), "earcon: {}", plain_lines(line)).is_err();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The rows of the table of exit codes: code and meaning.
    fn documented() -> BTreeMap<u8, String> {
        let text = include_str!("../../docs/operations.md");
        let table = text.split("| code | meaning |").nth(1).unwrap();
        let rows = table.lines().skip(1).map(str::trim).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.trim_matches('|').split_once('|'));
        cells.filter_map(|(code, meaning)| Some((code.trim().parse().ok()?, meaning.trim().to_owned()))).collect()
    }

    #[test]
    fn every_exit_code_is_in_the_manual_and_no_other() {
        let codes: Vec<u8> = documented().into_keys().collect();
        // `ExitCode::SUCCESS` and `ExitCode::FAILURE` are 0 and 1.
        assert_eq!(codes, [0, 1, USAGE, DATA, NO_INPUT, UNAVAILABLE, SOFTWARE, IO, NOT_PERMITTED]);
    }
}
