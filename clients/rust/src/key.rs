//! [`Key`]: what proves to a server who the client is.

use std::fmt;

use reqwest::header::HeaderValue;

use crate::error::Error;

/// The longest key in bytes. A server refuses longer headers.
const LONGEST: usize = 8_192;

/// An API key (`ek_…`) or an access token of a server. Debug output and errors do not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(HeaderValue);

impl Key {
    /// A key as the server has shown it. Whether the server knows it shows with the first request.
    ///
    /// # Errors
    /// If it is empty, or has a character that no key has, such as a space or a line break.
    pub fn new(text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Key { reason: reason.to_owned() };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.len() > LONGEST {
            return Err(refuse("it is too long"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("it has spaces, line breaks or characters other than ASCII"));
        }
        let header = HeaderValue::from_str(&format!("Bearer {text}"));
        let mut header = header.map_err(|_| refuse("no header can carry it"))?;
        // HTTP libraries leave it out of their debug output, and of requests to another host.
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of the header `Authorization`. It is marked as sensitive.
    pub fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn a_text_that_no_header_carries_is_refused_without_showing_it() {
        for odd in ["", "ek_a b", "ek_a\n", "ek_\u{e9}", &"k".repeat(LONGEST + 1)] {
            let error = Key::new(odd).unwrap_err();
            assert!(matches!(error, Error::Key { .. }) && !error.is_temporary());
            assert!(!format!("{error} {error:?}").contains("ek_"), "{error}");
        }
    }

    #[test]
    fn debug_output_of_key_and_client_hides_the_key() {
        let key = Key::new("ek_secret").unwrap();
        let client = Client::new("http://127.0.0.1:7070").unwrap().with_key("ek_secret").unwrap();
        let shown = format!("{key:?} {client:?} {:?} {:?}", client.workspace("local"), key.authorization());
        assert!(!shown.contains("ek_secret"), "{shown}");
    }
}
