//! Short keys of raw series: 128 bits of their bytes, so that a known series costs one lookup.
//!
//! Keys are seeded, because senders choose the bytes. Without the seed, a sender cannot make two
//! series share a key or crowd a hash table.

use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_128_with_secret;

use super::raw_series::Protocol;

/// An odd constant without structure (the golden ratio in 128 bits). Joins two keys asymmetrically.
const JOIN: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// Makes keys. Different seeds give unrelated keys.
#[derive(Clone)]
pub struct Keys {
    secret: [u8; 192],
}

impl Keys {
    /// Keys from a seed that senders must not know.
    pub fn new(seed: u64) -> Self {
        let mut secret = [0; 192];
        let mut state = seed;
        for word in secret.chunks_exact_mut(8) {
            word.copy_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        Self { secret }
    }

    /// The key of bytes that arrived over `protocol`.
    pub fn key(&self, protocol: Protocol, bytes: &[u8]) -> u128 {
        self.child_key(protocol as u128 + 1, bytes)
    }

    /// The key of bytes within the context of the key `parent`.
    pub fn child_key(&self, parent: u128, bytes: &[u8]) -> u128 {
        parent.wrapping_mul(JOIN).wrapping_add(xxh3_128_with_secret(bytes, &self.secret))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A table by key. Keys are hashes already.
pub(super) type KeyMap<T> = std::collections::HashMap<u128, T, BuildHasherDefault<KeyHasher>>;

/// Uses the lower half of a key as its hash.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_seed_protocol_parent_and_bytes() {
        let (a, b) = (Keys::new(1), Keys::new(2));
        let key = a.key(Protocol::Influx, b"cpu");
        assert_eq!(key, a.key(Protocol::Influx, b"cpu"));
        assert_ne!(key, b.key(Protocol::Influx, b"cpu"));
        assert_ne!(key, a.key(Protocol::Prometheus, b"cpu"));
        assert_ne!(key, a.key(Protocol::Influx, b"cpv"));
        assert_ne!(a.child_key(key, b"x"), a.child_key(a.key(Protocol::Influx, b"x"), b"cpu"));
    }
}
