//! Query parameters: times, labels, names. Each error names the parameter.

use std::num::IntErrorKind;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::actors::mix::DEFAULT_MIX;
use crate::gateway::http::problem::{Kind, Problem};
use earcon_intake::{other_unit, parse_time, plain_problem};
use earcon_model::{KpiName, Labels};

/// Like axum's `Query`, with our error answer.
pub(crate) struct Params<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Params<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|error| {
            let text = error.body_text();
            let problem = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            // With a place in front: `since: invalid digit`.
            let problem = match problem.split_once(": ") {
                Some((place, problem)) if !place.contains(' ') => format!("{place}: {}", plain_problem(problem)),
                _ => plain_problem(problem),
            };
            let of_address =
                [("the field ", "the parameter "), ("no field ", "no parameter "), ("the fields are ", "there are ")];
            let problem = of_address.iter().fold(problem, |text, (theirs, ours)| text.replace(theirs, ours));
            bad(&problem)
        })
    }
}

/// A number that is clamped later. A number beyond the largest `usize` becomes the largest.
///
/// # Errors
/// When the text is no number, or a negative one.
pub(crate) fn saturating<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse::<usize>() {
        Ok(number) => Ok(Some(number)),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Ok(Some(usize::MAX)),
        Err(error) => Err(D::Error::custom(error)),
    }
}

/// The error for a bad parameter or body.
pub(crate) fn bad(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

/// Integer milliseconds, or an RFC 3339 date and time.
pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(|text| {
        if let Some(hint) = other_unit(text) {
            return Err(bad(&format!("{name}: {hint}")));
        }
        parse_time(text).ok_or_else(|| {
            bad(&format!("{name} must be integer milliseconds since 1970 or an RFC 3339 time, not {text:?}"))
        })
    })
    .transpose()
}

/// `key:value,key:value`
pub(crate) fn labels(text: Option<&str>) -> Result<Labels, Problem> {
    Labels::parse(text.unwrap_or_default()).map_err(|error| bad(&format!("labels: {error}")))
}

/// Checks the name of a mix in a path.
///
/// # Errors
/// 404 for any mix but the default one.
pub(crate) fn mix_name(text: &str) -> Result<(), Problem> {
    if text == DEFAULT_MIX {
        Ok(())
    } else {
        Err(Problem::new(Kind::NotFound, format!("there is no mix {text:?}; every workspace has one, {DEFAULT_MIX:?}")))
    }
}

/// A KPI name in a path or a parameter.
pub(crate) fn kpi(text: &str) -> Result<KpiName, Problem> {
    KpiName::new(text).map_err(|error| bad(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_another_unit_is_refused_with_the_one_that_is_meant() {
        let refused = time("from", Some("1767225600")).unwrap_err();
        assert!(refused.detail().starts_with("from: 1767225600 looks like seconds"), "{}", refused.detail());
        assert_eq!(time("from", Some("1767225600000")).unwrap(), Some(1_767_225_600_000));
    }

    #[test]
    fn times_are_milliseconds_or_rfc_3339() {
        assert_eq!(parse_time("1767225600000"), Some(1_767_225_600_000));
        assert_eq!(parse_time("2026-01-01T00:00:00Z"), Some(1_767_225_600_000));
        assert_eq!(parse_time("2026-01-01T02:00:00 02:00"), Some(1_767_225_600_000));
        assert_eq!(parse_time("yesterday"), None);
    }
}
