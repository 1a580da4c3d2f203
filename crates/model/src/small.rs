//! The byte form of short vectors: that of a sequence.
//!
//! The feature `serde` of `smallvec` would do the same, and compile half of the tree again.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

pub(crate) fn serialize<T: Serialize, S: Serializer>(all: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    all.serialize(serializer)
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<SmallVec<[T; 1]>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct All<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
        type Value = SmallVec<[T; 1]>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut all = SmallVec::new();
            while let Some(one) = sequence.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_seq(All(PhantomData))
}
