//! Content encodings, and gzip with every member of it.

use std::io::{self, ErrorKind, Write};

use axum::http::{HeaderMap, header};
use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;

/// Most compressed bytes of one step. They become at most 4 MiB.
const STEP: usize = 4_096;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Plain,
    /// As gzip.
    Gzip,
    /// In a way that the protocol of the request may know.
    Other,
}

impl Encoding {
    /// The encoding that the headers name, without regard to case.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::CONTENT_ENCODING);
        let mut named = Vec::new();
        for value in values {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            named.extend(text.split(',').map(|item| item.trim().to_owned()));
        }
        named.retain(|item| !item.is_empty() && item != "identity");
        match named.as_slice() {
            [] => Encoding::Plain,
            [one] if one == "gzip" || one == "x-gzip" => Encoding::Gzip,
            _ => Encoding::Other,
        }
    }
}

/// Decodes gzip (RFC 1952) as it arrives. A body may have several members, one after the other.
pub(crate) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    input: Bytes,
    begun: bool,
}

impl Gunzip {
    /// Nothing has arrived.
    pub(crate) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), input: Bytes::new(), begun: false }
    }

    /// Adds input. Call it when [`next`](Self::next) has returned `None`.
    pub(crate) fn feed(&mut self, input: Bytes) {
        self.begun |= !input.is_empty();
        self.input = input;
    }

    /// The next decoded bytes; `None` when more input is needed.
    ///
    /// # Errors
    /// When the input is no gzip, or is damaged.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.input.is_empty() {
            let step = self.input.len().min(STEP);
            let taken = self.decoder.write(self.input.get(..step).unwrap_or_default())?;
            if taken == 0 {
                return Err(io::Error::new(ErrorKind::InvalidData, "there are bytes behind the end"));
            }
            self.input.advance(taken);
            if let Some(decoded) = self.decoded() {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }

    /// The last bytes, at the end of the input. A body without a byte is an empty one.
    ///
    /// # Errors
    /// When the input is cut or its checksum is wrong.
    pub(crate) fn finish(&mut self) -> io::Result<Option<Bytes>> {
        if self.begun {
            self.begun = false;
            self.decoder.try_finish()?;
        }
        Ok(self.decoded())
    }

    fn decoded(&mut self) -> Option<Bytes> {
        let decoded = std::mem::take(self.decoder.get_mut());
        (!decoded.is_empty()).then(|| decoded.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(input: &[u8], piece: usize) -> io::Result<String> {
        let (mut decoder, mut text) = (Gunzip::new(), Vec::new());
        for part in input.chunks(piece.max(1)) {
            decoder.feed(Bytes::copy_from_slice(part));
            while let Some(decoded) = decoder.next()? {
                text.extend_from_slice(&decoded);
            }
        }
        text.extend(decoder.finish()?.unwrap_or_default());
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn every_member_is_decoded_however_it_is_cut() {
        let two = [gzip("one "), gzip(""), gzip(&"two ".repeat(100_000))].concat();
        for piece in [1, 2, 7, 18, 19, 20, 4_096, usize::MAX] {
            assert_eq!(gunzip(&two, piece).unwrap(), format!("one {}", "two ".repeat(100_000)), "{piece}");
        }
        assert_eq!(gunzip(b"", 1).unwrap(), "");
    }

    #[test]
    fn rubbish_and_cut_ends_are_errors() {
        let good = gzip("good");
        let mut damaged = good.clone();
        let checksum = damaged.len() - 6;
        damaged[checksum] ^= 1;
        let cut = &good[..good.len() - 1];
        let cases =
            [&b"no gzip at all"[..], cut, &damaged, &[&good[..], b"xx"].concat(), &[&good[..], &[0; 9]].concat()];
        for input in cases {
            for piece in [1, 3, usize::MAX] {
                assert!(gunzip(input, piece).is_err(), "{} in pieces of {piece}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn encodings_have_no_case_and_identity_is_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("content-encoding", value.parse().unwrap());
            }
            Encoding::of(&headers)
        };
        for plain in [&[][..], &[""], &["Identity"], &["identity", " , identity"]] {
            assert_eq!(of(plain), Encoding::Plain, "{plain:?}");
        }
        for gzip in [&["GZIP"][..], &["x-gzip"], &["identity, gzip"]] {
            assert_eq!(of(gzip), Encoding::Gzip, "{gzip:?}");
        }
        for other in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["snappy"], &["gzipped"]] {
            assert_eq!(of(other), Encoding::Other, "{other:?}");
        }
    }
}
