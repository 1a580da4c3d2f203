//! One request to the owner of a workspace, with one answer.
//!
//! A request that is not answered is sent again, because it or its answer may be lost in a server
//! that is frozen. The owner executes it once.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::wire::{decode, encode};
use crate::actors::cluster::handle::Cluster;
use crate::actors::workspace::command::{AnyCommand, Command, OwnerError};
use crate::cluster::Term;
use earcon_ports::TransportError;
use earcon_tenancy::WorkspacePass;

const PAUSE: Duration = Duration::from_millis(50);
/// How long an owner that hands over may take for its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// An unanswered request is sent again after this long.
const REPEAT_AFTER: Duration = Duration::from_secs(2);
/// Time limit of an answer. Must exceed a commit that waits for a server to come back.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// Has the present owner execute a command.
///
/// # Errors
/// Those of the owner; `NoOwner` if there is none.
pub(in crate::actors) async fn ask_once<C: Command>(
    cluster: &Cluster,
    pass: &WorkspacePass,
    command: C,
) -> Result<C::Reply, OwnerError> {
    let term = cluster.term(pass).ok_or(OwnerError::NoOwner)?;
    decode_reply::<C>(&ask(cluster, pass, &term, &command.into()).await?)
}

pub(super) fn decode_reply<C: Command>(answer: &[u8]) -> Result<C::Reply, OwnerError> {
    decode::<Result<C::Reply, OwnerError>>(answer).unwrap_or(Err(OwnerError::NotUnderstood))
}

/// Sends a request to the owner until it answers or the term is over.
///
/// # Errors
/// `NoOwner` if the request was certainly not delivered, `Unknown` if it may have been executed.
pub(super) async fn ask(
    cluster: &Cluster,
    pass: &WorkspacePass,
    term: &Term,
    command: &AnyCommand,
) -> Result<Bytes, OwnerError> {
    let address = term.address();
    let answer = tokio::select! {
        answer = ask_repeatedly(cluster, pass, &address, command) => answer,
        // The node that has the request is asleep, dead or cut off.
        () = ended_for_good(cluster, pass, term) => Err(OwnerError::Unknown),
    };
    if answer == Err(OwnerError::Unknown) {
        tracing::warn!(workspace = %pass.workspace(), owner = term.owner.node, "no answer from the owner");
    }
    answer
}

async fn ask_repeatedly(
    cluster: &Cluster,
    pass: &WorkspacePass,
    address: &str,
    command: &AnyCommand,
) -> Result<Bytes, OwnerError> {
    let request = cluster.requests().begin();
    let give_up = Instant::now() + ANSWER_WITHIN;
    let mut sent = false;
    loop {
        let bytes = encode(&(request.header(), command)).map_err(|_| OwnerError::NotUnderstood)?;
        match cluster.transport().request(pass, address, bytes, REPEAT_AFTER).await {
            Ok(answer) => return Ok(answer),
            Err(TransportError::TooLarge(_)) => return Err(OwnerError::NotUnderstood),
            Err(TransportError::NoResponder) if !sent => return Err(OwnerError::NoOwner),
            // The owner has lost its connection; an earlier copy may have reached it.
            Err(TransportError::NoResponder) => tokio::time::sleep(PAUSE).await,
            Err(TransportError::Unknown(error)) => {
                tracing::debug!(workspace = %pass.workspace(), error, "a request is sent again");
                sent = true;
            }
        }
        if Instant::now() >= give_up {
            return Err(OwnerError::Unknown);
        }
    }
}

/// Completes some time after the term: an owner that hands over in order has answered by then.
async fn ended_for_good(cluster: &Cluster, pass: &WorkspacePass, term: &Term) {
    cluster.term_ended(pass, term).await;
    tokio::time::sleep(LAST_ANSWERS).await;
}
