//! Text from outside, made safe for a terminal. All output to terminals and logs uses this.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// The text with escapes, such as `\u202e`, for characters that would control the terminal or
/// reorder the text around them.
pub fn plain(text: &str) -> Cow<'_, str> {
    escape(text, |letter| letter.is_control() || reorders(letter))
}

/// The same for several lines: line breaks and tabs stay.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escape(text, |letter| (letter.is_control() && letter != '\n' && letter != '\t') || reorders(letter))
}

/// Marks of the bidirectional algorithm (UAX #9 §2) and separators that break lines.
fn reorders(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(text: &str, unsafe_letter: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&unsafe_letter) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if unsafe_letter(letter) {
            // All of them have four digits, so JSON text stays JSON.
            safe.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// Writes log lines. The formatter escapes control characters in values, and writes those of
/// colours itself; this escapes the rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlainLog<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for PlainLog<M> {
    type Writer = PlainWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        PlainWriter(self.0.make_writer())
    }
}

/// Escapes what is written. Each write is a whole line.
#[derive(Debug)]
pub(super) struct PlainWriter<W>(W);

impl<W: Write> Write for PlainWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line).map(|text| escape(text, reorders)) {
            Ok(Cow::Owned(safe)) => self.0.write_all(safe.as_bytes())?,
            Ok(Cow::Borrowed(_)) | Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_or_reorder_are_escaped() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\\u001b[2Jb\\u000a");
        assert_eq!(plain("\u{202e}evil\u{2066}\u{200f}\u{61c}\u{85}"), "\\u202eevil\\u2066\\u200f\\u061c\\u0085");
        assert_eq!(plain_lines("a\tb\nc\r\u{2029}"), "a\tb\nc\\u000d\\u2029");
        assert!(matches!(plain("größe 温度 ولد"), Cow::Borrowed(_)));
    }

    #[test]
    fn log_lines_keep_their_colours_and_stay_json() {
        let mut line = Vec::new();
        PlainWriter(&mut line).write_all("\u{1b}[31m{\"name\":\"a\u{202e}b\"}\u{1b}[0m\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), "\u{1b}[31m{\"name\":\"a\\u202eb\"}\u{1b}[0m\n");
    }
}
