//! Requests in protocols of other servers, from agents that were made for those servers.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::{HttpMethod, ObjectBuilder, Paths, Required, Type};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::commit::{RefusedRows, submit};
use super::parse::parse_with;
use super::state::IngestState;
use super::target::Target;
use crate::gateway::http::body::{Body, check_decoded};
use crate::gateway::http::problem::Problem;
use earcon_intake::{Batch, IntakeError};

/// A request of an agent. Extracting it never fails: each protocol words its own errors.
pub(crate) struct AgentRequest {
    /// The state of the wing.
    pub(crate) state: IngestState,
    /// The headers.
    pub(crate) headers: HeaderMap,
    target: Result<Target, Problem>,
    body: Result<Bytes, Problem>,
}

impl FromRequest<IngestState> for AgentRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &IngestState) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let target = Target::from_request_parts(&mut parts, state).await;
        let headers = parts.headers.clone();
        let body = Body::from_request(Request::from_parts(parts, body), state).await;
        let body = body.map(|Body(bytes)| bytes).map_err(Problem::retryable);
        Ok(Self { state: state.clone(), headers, target, body })
    }
}

impl AgentRequest {
    /// The target and the body as it came.
    ///
    /// # Errors
    /// When the workspace may not be touched, or the body did not arrive.
    pub(crate) fn raw(self) -> Result<(IngestState, Target, Bytes), Problem> {
        Ok((self.state, self.target?, self.body?))
    }

    /// The same, if the body is not encoded any more.
    ///
    /// # Errors
    /// Also when the body has an encoding that the server does not decode.
    pub(crate) fn plain(self) -> Result<(IngestState, Target, Bytes), Problem> {
        let target = self.target?;
        check_decoded(&self.headers)?;
        Ok((self.state, target, self.body?))
    }
}

/// Parses and commits an agent's rows. Returns the refused ones. A request without rows is no
/// error.
///
/// # Errors
/// When no row was taken, or some could not be committed. Sending all of them again is safe.
pub(crate) async fn commit(
    state: &IngestState,
    target: &Target,
    parse: impl FnOnce(&mut Batch<'_>) -> Result<(), IntakeError>,
) -> Result<RefusedRows, Problem> {
    let parsed = parse_with(state, target.pass(), parse).await?;
    let submitted = submit(state, target.pass(), parsed, target.arrival).await?;
    submitted.refused()
}

/// A protocol's route, at its own path and at that path behind `/api/v1/workspaces/{workspace}`.
pub(crate) fn at_both_paths(route: UtoipaMethodRouter<IngestState>) -> OpenApiRouter<IngestState> {
    let (schemas, paths, methods) = route;
    let mut in_workspace = Paths::new();
    for (path, item) in &paths.paths {
        let Some(mut operation) = item.post.clone() else { continue };
        let workspace = ParameterBuilder::new()
            .name("workspace")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        operation.parameters.get_or_insert_default().insert(0, workspace.into());
        operation.operation_id = operation.operation_id.map(|id| format!("{id}_to"));
        operation.summary = Some(format!("As `{path}`, for the workspace that the path names."));
        operation.description = None;
        in_workspace.add_path_operation(
            format!("/api/v1/workspaces/{{workspace}}{path}"),
            vec![HttpMethod::Post],
            operation,
        );
    }
    let own = (schemas, paths, methods.clone());
    OpenApiRouter::new().routes(own).routes((Vec::new(), in_workspace, methods))
}
