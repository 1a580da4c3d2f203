//! The byte form of scoring state: fixed-width little-endian numbers in field order, no type tags.
//!
//! Equal states have equal bytes; the property tests rely on it. A change of a stored structure
//! needs a new number: `FORMAT` in `snapshot` for the series, the version name for a detector.

/// A type with a byte form.
pub(super) trait Stored: Sized {
    /// Appends the byte form.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it back. `None` if the bytes end early or are not valid.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

/// Removes and returns the next `len` bytes.
pub(super) fn read_bytes<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(head)
}

/// Appends the length as four bytes, then the bytes.
pub(super) fn put_chunk(chunk: &[u8], out: &mut Vec<u8>) {
    (chunk.len() as u32).put(out);
    out.extend_from_slice(chunk);
}

/// Removes and returns the bytes of a [`put_chunk`].
pub(super) fn read_chunk<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::read(from)?;
    read_bytes(from, len as usize)
}

macro_rules! stored_numbers {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                let bytes = read_bytes(from, size_of::<$number>())?;
                Some(<$number>::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}
stored_numbers!(i8, u8, i16, u16, u32, u64, i64, f32, f64);

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Stored + Copy + Default, const N: usize> Stored for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|item| item.put(out));
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::read(from)?;
        }
        Some(items)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(inner) = self {
            inner.put(out);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

/// Implements [`Stored`] as the byte forms of the named fields, in that order.
macro_rules! stored_fields {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::stored::Stored for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::stored::Stored::put(&self.$field, out);)*
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::stored::Stored::read(from)?),* })
            }
        }
    };
}
pub(super) use stored_fields;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_bit() {
        let mut bytes = Vec::new();
        let values = [f64::NAN, -0.0, f64::NEG_INFINITY, 5e-324, 1.0 / 3.0];
        values.put(&mut bytes);
        Some(7u16).put(&mut bytes);
        None::<u16>.put(&mut bytes);
        let mut rest = &bytes[..];
        let back = <[f64; 5]>::read(&mut rest).unwrap();
        assert_eq!(back.map(f64::to_bits), values.map(f64::to_bits));
        assert_eq!(Option::<u16>::read(&mut rest), Some(Some(7)));
        assert_eq!(Option::<u16>::read(&mut rest), Some(None));
        assert!(rest.is_empty());
    }

    #[test]
    fn bytes_that_end_early_are_rejected() {
        assert_eq!(u64::read(&mut &[1, 2, 3][..]), None);
        assert_eq!(bool::read(&mut &[2][..]), None);
        assert_eq!(read_chunk(&mut &[9, 0, 0, 0, 1][..]), None);
    }
}
