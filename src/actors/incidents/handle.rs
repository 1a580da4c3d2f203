//! Messages of the incidents actor, and the handle that sends them.

use ractor::ActorRef;

use crate::actors::ask::{Reply, ask};

pub(super) enum Message {
    Next,
    Finish(Reply<()>),
}

/// A handle to the incidents of a workspace.
#[derive(Clone)]
pub struct Incidents(ActorRef<Message>);

impl Incidents {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// Reads to the end of the log, saves the state and stops. The log must still be written.
    pub async fn finish(&self) {
        ask(&self.0, Message::Finish).await;
    }
}
