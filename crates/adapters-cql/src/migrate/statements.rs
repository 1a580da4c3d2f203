//! Splitting the text of a migration into statements.

use xxhash_rust::xxh3::xxh3_64;

/// The statements of `text`, each on one line, without comments (`--`, `//`, `/* */`) and
/// semicolon.
pub(super) fn statements(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\'' | '"' => {
                let quoted = quoted(rest, c);
                statement.push_str(quoted);
                quoted.len()
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => {
                blank(&mut statement);
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            }
            ';' => {
                statements.push(std::mem::take(&mut statement));
                1
            }
            c if c.is_whitespace() => {
                blank(&mut statement);
                c.len_utf8()
            }
            c => {
                statement.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    statements.push(statement);
    statements.iter().map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// A checksum of the statements, sixteen hexadecimal digits. Comments and line breaks do not change
/// it.
pub(super) fn checksum(statements: &[String]) -> String {
    format!("{:016x}", xxh3_64(statements.join(";\n").as_bytes()))
}

/// Adds a blank, unless there is one.
fn blank(statement: &mut String) {
    if !statement.is_empty() && !statement.ends_with(' ') {
        statement.push(' ');
    }
}

/// The quoted text at the start, including its quotes. A doubled quote is an escaped quote. Without
/// a closing quote, the whole rest.
fn quoted(text: &str, quote: char) -> &str {
    let mut from = 1;
    while let Some(end) = text[from..].find(quote) {
        from += end + 1;
        if !text[from..].starts_with(quote) {
            return &text[..from];
        }
        from += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        let text = "-- one; two\nCREATE TABLE a (\n  k text, // not; here\n  PRIMARY KEY (k)\n);\n\n/* a; b */ INSERT \
                    INTO a (k) VALUES ('x;''--y'); ; \n CREATE TABLE \"B;\" (k text PRIMARY KEY)";
        assert_eq!(
            statements(text),
            [
                "CREATE TABLE a ( k text, PRIMARY KEY (k) )",
                "INSERT INTO a (k) VALUES ('x;''--y')",
                "CREATE TABLE \"B;\" (k text PRIMARY KEY)",
            ]
        );
    }

    #[test]
    fn comments_alone_are_no_statement() {
        assert!(statements("").is_empty());
        assert!(statements("-- only this").is_empty());
        assert!(statements(" ;; /* open").is_empty());
    }

    #[test]
    fn unclosed_quote_is_kept_for_the_database_to_refuse() {
        assert_eq!(statements("SELECT 'a;b"), ["SELECT 'a;b"]);
    }

    #[test]
    fn checksum_ignores_only_comments_and_blanks() {
        let sum = |text: &str| checksum(&statements(text));
        let first = sum("CREATE TABLE a (k text PRIMARY KEY);");
        assert_eq!(first, sum("-- why\nCREATE  TABLE a\n(k text PRIMARY KEY) ; "));
        assert_ne!(first, sum("CREATE TABLE a (k blob PRIMARY KEY);"));
        assert_ne!(sum("a; b"), sum("a b"));
        assert_eq!(first.len(), 16);
    }
}
