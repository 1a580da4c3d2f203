//! Values of attributes. One that cannot be read must not be left out: without it, the samples
//! would belong to another series.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::KeyValue;
use super::number::Number;
use super::snake_case::SNAKE_CASE;
use crate::otlp::attribute::{Any, usual_base64};
use crate::strict_json::{Object, nullable};

/// An `AnyValue`: an object with one member at most.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AnyValue {
    Absent,
    Text(String),
    Truth(bool),
    Integer(Number),
    Float(Number),
    List(Vec<Option<AnyValue>>),
    Map(Vec<(String, Option<AnyValue>)>),
    Bytes(String),
}

#[derive(Deserialize)]
struct ArrayValue {
    #[serde(default, deserialize_with = "nullable")]
    values: Vec<Option<AnyValue>>,
}

#[derive(Deserialize)]
struct KeyValueList {
    #[serde(default, deserialize_with = "nullable")]
    values: Vec<Object<KeyValue>>,
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyVisitor;

        impl<'de> Visitor<'de> for AnyVisitor {
            type Value = AnyValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"stringValue\": \"x\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyValue, A::Error> {
                let mut found = AnyValue::Absent;
                while let Some(key) = map.next_key::<String>()? {
                    let value = match key.as_str() {
                        "stringValue" => map.next_value::<Option<String>>()?.map(AnyValue::Text),
                        "boolValue" => map.next_value::<Option<bool>>()?.map(AnyValue::Truth),
                        "intValue" => map.next_value::<Option<Number>>()?.map(AnyValue::Integer),
                        "doubleValue" => map.next_value::<Option<Number>>()?.map(AnyValue::Float),
                        "bytesValue" => map.next_value::<Option<String>>()?.map(AnyValue::Bytes),
                        "arrayValue" => map
                            .next_value::<Option<Object<ArrayValue>>>()?
                            .map(|Object(ArrayValue { values })| AnyValue::List(values)),
                        "kvlistValue" => map.next_value::<Option<Object<KeyValueList>>>()?.map(|Object(list)| {
                            let pairs = list.values.into_iter().map(|Object(KeyValue { key, value })| (key, value));
                            AnyValue::Map(pairs.collect())
                        }),
                        other if other.contains('_') => return Err(A::Error::custom(SNAKE_CASE)),
                        other => {
                            return Err(A::Error::custom(format!(
                                "the value of an attribute is a stringValue, boolValue, intValue, doubleValue, \
                                 arrayValue, kvlistValue or bytesValue, not {other:?}"
                            )));
                        }
                    };
                    if let Some(value) = value
                        && std::mem::replace(&mut found, value) != AnyValue::Absent
                    {
                        return Err(A::Error::custom("an attribute has two values"));
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(AnyVisitor)
    }
}

impl AnyValue {
    /// The value, if there is one.
    ///
    /// # Errors
    /// A number is no integer, or bytes are no base64.
    pub(super) fn read(value: Option<&Self>) -> Result<Any<'_>, String> {
        Ok(match value {
            None | Some(AnyValue::Absent) => Any::Absent,
            Some(AnyValue::Text(text)) => Any::Text(text.into()),
            Some(AnyValue::Truth(truth)) => Any::Truth(*truth),
            Some(AnyValue::Integer(number)) => Any::Integer(number.signed()?),
            Some(AnyValue::Float(number)) => Any::Float(number.float()),
            Some(AnyValue::List(values)) => {
                Any::List(values.iter().map(|value| Self::read(value.as_ref())).collect::<Result<_, _>>()?)
            }
            Some(AnyValue::Map(pairs)) => {
                let mut read = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    read.push((key.into(), Self::read(value.as_ref())?));
                }
                Any::Map(read)
            }
            Some(AnyValue::Bytes(text)) => Any::Bytes(usual_base64(text).ok_or("a bytesValue is not base64")?),
        })
    }
}
