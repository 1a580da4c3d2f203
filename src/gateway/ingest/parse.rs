//! From a body to rows under the workspace's rules.

use axum::http::HeaderMap;

use super::state::IngestState;
use crate::gateway::http::auth::no_such_workspace;
use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::{Kind, Problem};
use earcon_intake::{Batch, IntakeError, ParsedBatch, json};
use earcon_tenancy::WorkspacePass;

/// Parses a body of Earcon's own protocol.
///
/// # Errors
/// When the body as a whole is not understood, or has too many rows. A bad row is in the result.
pub(crate) async fn parse_native(
    state: &IngestState,
    pass: &WorkspacePass,
    content_type: &str,
    body: &[u8],
) -> Result<ParsedBatch, Problem> {
    match content_type {
        "application/json" => parse_with(state, pass, |batch| json::parse_document(body, batch)).await,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            parse_with(state, pass, |batch| json::parse_lines(body, batch)).await
        }
        other => {
            let detail = format!("send application/json or application/x-ndjson, not {other:?}");
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

/// Runs a protocol's parser under the workspace's rules.
///
/// # Errors
/// Those of the parser, when there is no such workspace, and when its rules cannot be read.
pub(crate) async fn parse_with(
    state: &IngestState,
    pass: &WorkspacePass,
    parse: impl FnOnce(&mut Batch<'_>) -> Result<(), IntakeError>,
) -> Result<ParsedBatch, Problem> {
    check_workspace(state, pass).await?;
    let series = state.rules.series_cache(pass).await?;
    // Known rows of a KPI that another node has deleted would not state its unit again.
    if let Some(forgotten) = state.meanings.forgotten(pass) {
        series.follow_deletions(forgotten);
    }
    let mut batch = Batch::new(&series, state.clock.now_ms(), state.max_batch_samples);
    parse(&mut batch)?;
    Ok(batch.finish())
}

/// Samples create no workspace.
///
/// # Errors
/// When there is no such workspace.
pub(crate) async fn check_workspace(state: &IngestState, pass: &WorkspacePass) -> Result<(), Problem> {
    match state.directory.knows(pass.workspace()).await {
        true => Ok(()),
        false => Err(no_such_workspace(state, pass)),
    }
}

/// The request's content type without its parameters, in small letters; JSON when the request names
/// none.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    MediaType::of(headers).map_or_else(|| "application/json".to_owned(), |named| named.essence().to_owned())
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let kind = match error {
            IntakeError::Malformed(_) => Kind::BadRequest,
            IntakeError::TooMany { .. } => Kind::TooLarge,
        };
        Problem::new(kind, error.to_string())
    }
}
