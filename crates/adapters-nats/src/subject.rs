//! Subjects: `earcon.v1.<organisation>.<workspace>.<part>.<part>…`. Each part is one token. The
//! organisation is there also if it is `default`, so that one permission covers one organisation.
//!
//! Letters, digits, `_`, `-`, `:` and `~` are written as they are. Every other byte is written as
//! `%XX`, and an empty part as a single `%`. So no part contains a dot, a wildcard or a space, and
//! different lists of parts have different subjects.

use earcon_model::{OrganisationId, WorkspaceId};

/// The first tokens of every subject.
pub const ROOT: &str = "earcon.v1";

/// The subject of a topic of a workspace.
pub fn subject<'a>(workspace: &WorkspaceId, topic: impl IntoIterator<Item = &'a str>) -> String {
    let mut subject = format!("{ROOT}.{}.{}", workspace.organisation_text(), workspace.name());
    for part in topic {
        subject.push('.');
        push_token(&mut subject, part);
    }
    subject
}

/// Workspace and topic of a subject. `None` if [`subject`] does not write it.
pub fn parse(subject: &str) -> Option<(WorkspaceId, Vec<String>)> {
    let rest = subject.strip_prefix(ROOT)?.strip_prefix('.')?;
    let mut tokens = rest.split('.');
    let workspace = workspace_of(tokens.next()?, tokens.next()?)?;
    Some((workspace, tokens.map(decode_token).collect::<Option<_>>()?))
}

/// The workspace of the two tokens behind [`ROOT`]. `None` if they are no names.
pub fn workspace_of(organisation: &str, name: &str) -> Option<WorkspaceId> {
    WorkspaceId::of(&OrganisationId::new(organisation).ok()?, name).ok()
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'~')
}

fn push_token(subject: &mut String, part: &str) {
    if part.is_empty() {
        subject.push('%');
    }
    for byte in part.bytes() {
        if is_literal(byte) {
            subject.push(char::from(byte));
        } else {
            subject.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The part that this token encodes. `None` for a token that [`push_token`] does not write.
fn decode_token(token: &str) -> Option<String> {
    if token == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let byte = hex(rest.next()?)? << 4 | hex(rest.next()?)?;
            // Each part has one encoding: a plain character is never escaped.
            (!is_literal(byte)).then(|| bytes.push(byte))?;
        } else {
            is_literal(byte).then(|| bytes.push(byte))?;
        }
    }
    String::from_utf8(bytes).ok().filter(|part| !part.is_empty())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workspace() -> WorkspaceId {
        WorkspaceId::new("shop-1").unwrap()
    }

    #[test]
    fn ordinary_names_stay_readable() {
        let written = subject(&workspace(), ["samples", "checkout", "revenue:eur_net-1"]);
        assert_eq!(written, "earcon.v1.default.shop-1.samples.checkout.revenue:eur_net-1");
    }

    #[test]
    fn a_workspace_is_below_its_organisation() {
        let shop = WorkspaceId::new("acme.shop-1").unwrap();
        assert_eq!(subject(&shop, ["ingest"]), "earcon.v1.acme.shop-1.ingest");
        assert_eq!(parse("earcon.v1.acme.shop-1.ingest"), Some((shop, vec!["ingest".to_owned()])));
    }

    #[test]
    fn names_are_escaped_in_subjects() {
        let written = subject(&workspace(), ["a.b", "*", ">", "", "x y", "%", "é"]);
        assert_eq!(written, "earcon.v1.default.shop-1.a%2Eb.%2A.%3E.%.x%20y.%25.%C3%A9");
    }

    #[test]
    fn foreign_subjects_do_not_parse() {
        for other in [
            "earcon.v1",
            "earcon.v2.o.shop.x",
            "earcon.v1.o.Shop.x",
            "earcon.v1.o.a.",
            "earcon.v1.o.a.%2",
            "earcon.v1.a",
            "a",
            "",
        ] {
            assert_eq!(parse(other), None, "{other:?}");
        }
        assert_eq!(parse("earcon.v1.o.a.%41"), None, "a letter is never escaped");
        assert_eq!(parse("earcon.v1.o.a.%2e"), None, "digits are upper case");
    }

    proptest! {
        #[test]
        fn topics_round_trip_and_keep_their_shape(topic in prop::collection::vec(".{0,12}", 0..6)) {
            let written = subject(&workspace(), topic.iter().map(String::as_str));
            let tokens: Vec<_> = written.split('.').collect();
            prop_assert_eq!(tokens.len(), 4 + topic.len());
            prop_assert_eq!(&tokens[..4], ["earcon", "v1", "default", "shop-1"]);
            prop_assert!(tokens.iter().all(|token| !token.is_empty()));
            let safe = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '>');
            prop_assert!(written.chars().all(safe), "{}", written);
            prop_assert_eq!(parse(&written), Some((workspace(), topic)));
        }

        #[test]
        fn parsed_subject_is_its_only_encoding(text in "earcon\\.v1\\.[a-z]{1,3}\\.[a-z]{1,3}(\\.[a-zA-Z%0-9.]{1,4}){0,3}") {
            if let Some((workspace, topic)) = parse(&text) {
                prop_assert_eq!(subject(&workspace, topic.iter().map(String::as_str)), text);
            }
        }
    }
}
