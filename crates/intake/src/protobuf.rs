//! Reads protobuf without copying: field by field, each message a slice of the body.
//!
//! Two protocols need a few messages each, and only the parts that can be scored. A known series
//! must not cost an allocation.

/// A value of a field. Groups are deprecated and not read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
    Fixed32(u32),
}

/// The bytes are not protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// An iterator over the fields of a message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub(super) fn new(message: &'b [u8]) -> Self {
        Self { rest: message }
    }

    /// The unread bytes.
    pub(super) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Number and value of the next field; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'b>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return Err(Malformed),
        };
        if number == 0 { Err(Malformed) } else { Ok(Some((number, value))) }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

#[inline]
fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let (first, after) = rest.split_first().ok_or(Malformed)?;
    if *first < 0x80 {
        *rest = after;
        return Ok(u64::from(*first));
    }
    let mut value = 0;
    for (i, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7F) << (7 * i as u32);
        if *byte < 0x80 {
            *rest = &rest[i + 1..];
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// Repeated whole numbers, packed or single.
pub(super) fn varints(value: Value<'_>, mut push: impl FnMut(u64)) -> Result<(), Malformed> {
    match value {
        Value::Varint(number) => push(number),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                push(varint(&mut packed)?);
            }
        }
        _ => return Err(Malformed),
    }
    Ok(())
}

/// Repeated numbers of eight bytes, packed or single.
pub(super) fn fixed64s(value: Value<'_>, mut push: impl FnMut(u64)) -> Result<(), Malformed> {
    match value {
        Value::Fixed64(bits) => push(bits),
        Value::Bytes(packed) => {
            let (numbers, rest) = packed.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(Malformed);
            }
            numbers.iter().for_each(|bytes| push(u64::from_le_bytes(*bytes)));
        }
        _ => return Err(Malformed),
    }
    Ok(())
}

/// Decodes a signed integer in zigzag coding.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
pub(super) mod writing;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::writing::Message;
    use super::*;

    proptest! {
        #[test]
        fn written_values_are_read_back(number in 1u32..1_000, a: u64, b: u64, text in "\\PC{0,300}") {
            let message = Message::new().varint(number, a).fixed64(2, b).bytes(3, text.as_bytes()).finish();
            let mut fields = Fields::new(&message);
            prop_assert_eq!(fields.next(), Ok(Some((number, Value::Varint(a)))));
            prop_assert_eq!(fields.next(), Ok(Some((2, Value::Fixed64(b)))));
            prop_assert_eq!(fields.next(), Ok(Some((3, Value::Bytes(text.as_bytes())))));
            prop_assert_eq!(fields.next(), Ok(None));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut fields = Fields::new(&bytes);
            while let Ok(Some(_)) = fields.next() {}
        }

        #[test]
        fn zigzag_round_trips(value: i64) {
            prop_assert_eq!(zigzag(((value << 1) ^ (value >> 63)) as u64), value);
        }
    }
}
