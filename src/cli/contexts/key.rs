//! The form of an API key.

/// Checks the form of a key: `ek_`, 12 characters, `_` and 56 characters of base32.
///
/// # Errors
/// What the text is instead. The text is not shown.
pub(in crate::cli) fn key_of(text: &str) -> Result<&str, String> {
    let base32 = |part: &str| part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    let parts: Vec<&str> = text.split('_').collect();
    match parts[..] {
        ["ek", id, secret] if id.len() == 12 && secret.len() == 56 && base32(id) && base32(secret) => Ok(text),
        ["ei" | "eo", ..] => Err("this is an invitation: open its link in a browser".to_owned()),
        ["ek", ..] => Err("a part of the key is missing, or a character is wrong".to_owned()),
        _ => Err("an API key has the form ek_<12 characters>_<56 characters>".to_owned()),
    }
}

/// The part of a key that may be shown: `ek_` and its identifier.
pub(in crate::cli) fn shown(key: &str) -> &str {
    key.rsplit_once('_').map_or("", |(shown, _)| shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_key_is_refused_without_showing_it() {
        assert_eq!(key_of(&whole_key('a')), Ok(whole_key('a').as_str()));
        assert_eq!(shown(&whole_key('a')), "ek_iiiiiiiiiiii");
        let whole = whole_key('q');
        for (odd, part) in [
            (whole[..71].to_owned(), "missing"),
            (whole.replace('q', "Q"), "wrong"),
            (format!("{whole}\n"), "wrong"),
            ("ei_qqqqqqqqqqqq_qqqq".to_owned(), "invitation"),
            ("qqqqqq".to_owned(), "ek_<12"),
            (String::new(), "ek_<12"),
        ] {
            let problem = key_of(&odd).unwrap_err();
            assert!(problem.contains(part) && !problem.contains("qqq"), "{odd:?}: {problem}");
        }
    }

    fn whole_key(letter: char) -> String {
        format!("ek_{}_{}", "i".repeat(12), String::from(letter).repeat(56))
    }
}
