//! Messages to actors, with or without an answer.
//!
//! An actor that is stopping drops its messages. Callers see that as a missing answer; it is never
//! an error here.

use ractor::{ActorRef, Message};
use tokio::sync::oneshot;

/// Where the answer to one message goes. Dropping it unused leaves the caller without an answer.
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// A reply and the receiver of its answer.
    pub fn channel() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Sends the answer. A caller that no longer waits is not an error.
    pub fn send(self, answer: T) {
        let _caller_left = self.0.send(answer).is_err();
    }
}

/// Sends a message and waits for its answer; `None` if the actor stops first.
pub async fn ask<M: Message, T>(actor: &ActorRef<M>, message: impl FnOnce(Reply<T>) -> M) -> Option<T> {
    let (reply, answer) = Reply::channel();
    actor.cast(message(reply)).ok()?;
    answer.await.ok()
}

/// Sends a message. A stopped actor drops it.
pub fn send<M: Message>(actor: &ActorRef<M>, message: M) {
    let _stopped = actor.cast(message).is_err();
}

/// Stops an actor after the message it handles and waits until it has stopped.
pub async fn stop<M: Message>(actor: &ActorRef<M>) {
    let _already_stopped = actor.stop_and_wait(None, None).await.is_err();
}
