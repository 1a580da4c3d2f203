//! Writes protobuf, for tests.

#[derive(Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn varint(self, number: u32, value: u64) -> Self {
        self.put(u64::from(number) << 3).put(value)
    }

    pub(crate) fn fixed64(self, number: u32, value: u64) -> Self {
        let mut message = self.put(u64::from(number) << 3 | 1);
        message.0.extend_from_slice(&value.to_le_bytes());
        message
    }

    pub(crate) fn double(self, number: u32, value: f64) -> Self {
        self.fixed64(number, value.to_bits())
    }

    pub(crate) fn bytes(self, number: u32, bytes: &[u8]) -> Self {
        let mut message = self.put(u64::from(number) << 3 | 2).put(bytes.len() as u64);
        message.0.extend_from_slice(bytes);
        message
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn put(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
}
