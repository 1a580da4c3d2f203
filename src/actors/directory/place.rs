//! A workspace, here or elsewhere: one way to use both.

use crate::actors::hub::Hub;
use crate::actors::mix::{Listening, MixChange, MixView};
use crate::actors::remote::errands::{OwnerClient, OwnerError};
use crate::actors::remote::sound::AudioSubscriber;
use crate::actors::remote::wire::{Answer, Request};
use crate::actors::workspace::{Unavailable, WorkspaceHandle};
use earcon_model::{Acknowledgement, Anomaly, Feedback, FeedbackOutcome, KpiName, WorkspaceId};
use earcon_ports::{ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// A workspace that can be read and asked.
#[derive(Clone)]
pub enum Workspace {
    /// This node owns it.
    Local(WorkspaceHandle),
    /// Another node does.
    Remote(Remote),
}

/// A workspace of another node.
#[derive(Clone)]
pub struct Remote {
    pass: WorkspacePass,
    hub: Hub,
    errands: OwnerClient,
    sound: AudioSubscriber,
}

impl Workspace {
    pub(super) fn remote(pass: WorkspacePass, hub: Hub, errands: OwnerClient, sound: AudioSubscriber) -> Self {
        Workspace::Remote(Remote { pass, hub, errands, sound })
    }

    /// Its identifier.
    pub fn id(&self) -> &WorkspaceId {
        match self {
            Workspace::Local(handle) => handle.id(),
            Workspace::Remote(remote) => remote.pass.workspace(),
        }
    }

    /// Live events and the present state.
    pub fn hub(&self) -> &Hub {
        match self {
            Workspace::Local(handle) => handle.hub(),
            Workspace::Remote(remote) => &remote.hub,
        }
    }

    /// Records that `by` has seen this anomaly; returns what was recorded, after the commit.
    pub async fn acknowledge(
        &self,
        anomaly: &Anomaly,
        by: String,
        note: Option<String>,
    ) -> Result<Acknowledgement, Unavailable> {
        match self {
            Workspace::Local(handle) => handle.acknowledge(anomaly, by, note).await,
            Workspace::Remote(remote) => {
                let request = Request::Acknowledge { anomaly: Box::new(anomaly.clone()), by, note };
                match remote.errands.ask(&request).await {
                    Ok(Answer::Acknowledged(acknowledgement)) => Ok(acknowledgement),
                    _ => Err(Unavailable),
                }
            }
        }
    }

    /// Records what `by` said of this anomaly; returns what was recorded, after the commit.
    pub async fn judge(
        &self,
        anomaly: &Anomaly,
        outcome: FeedbackOutcome,
        by: String,
        note: Option<String>,
    ) -> Result<Feedback, Unavailable> {
        match self {
            Workspace::Local(handle) => handle.judge(anomaly, outcome, by, note).await,
            Workspace::Remote(remote) => {
                let request = Request::Judge { anomaly: Box::new(anomaly.clone()), outcome, by, note };
                match remote.errands.ask(&request).await {
                    Ok(Answer::Judged(feedback)) => Ok(feedback),
                    _ => Err(Unavailable),
                }
            }
        }
    }

    /// Starts a parked KPI again; answers whether it was parked.
    pub async fn resume(&self, kpi: KpiName) -> Result<bool, Unavailable> {
        match self {
            Workspace::Local(handle) => handle.resume(kpi).await,
            Workspace::Remote(remote) => match remote.errands.ask(&Request::Resume(kpi)).await {
                Ok(Answer::Resumed(parked)) => Ok(parked),
                _ => Err(Unavailable),
            },
        }
    }

    /// Has the owner read the records of experiments and jobs again. A remote owner that does not hear of it reads them when it
    /// next opens the workspace, or when it next writes them.
    pub async fn wake_experiments(&self) {
        match self {
            Workspace::Local(handle) => handle.experiments().wake(),
            Workspace::Remote(remote) => {
                if let Err(error) = remote.errands.ask(&Request::Experiments).await {
                    tracing::warn!(workspace = %self.id(), %error, "the owner was not told of a change of its experiments");
                }
            }
        }
    }

    /// Begins to listen to the default mix; `None` when the workspace is going away.
    pub async fn listen(&self) -> Option<Listening> {
        match self {
            Workspace::Local(handle) => handle.mix().listen().await,
            Workspace::Remote(remote) => remote.sound.listen(&remote.pass, &remote.errands).await,
        }
    }

    /// How the default mix stands; `None` when the workspace is going away.
    pub async fn describe_mix(&self) -> Option<MixView> {
        match self {
            Workspace::Local(handle) => handle.mix().describe().await,
            Workspace::Remote(remote) => match remote.errands.ask(&Request::DescribeMix).await {
                Ok(Answer::Mix(view)) => Some(*view),
                _ => None,
            },
        }
    }

    /// Changes the default mix for everybody, durably. With `expected`, only if that is still the revision.
    pub async fn change_mix(
        &self,
        change: MixChange,
        expected: Option<Revision>,
    ) -> Option<Result<MixView, PortError>> {
        match self {
            Workspace::Local(handle) => handle.mix().change(change, expected).await,
            Workspace::Remote(remote) => match remote.errands.ask(&Request::ChangeMix(change, expected)).await {
                Ok(Answer::Mix(view)) => Some(Ok(*view)),
                Ok(Answer::MixConflict(text)) => Some(Err(PortError::new(ErrorKind::Conflict, text))),
                Err(error @ OwnerError::Unknown) => {
                    Some(Err(PortError::caused(ErrorKind::Unavailable, "the mix", error)))
                }
                _ => None,
            },
        }
    }
}
