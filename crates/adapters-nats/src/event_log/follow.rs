//! Following the log as it grows.

use futures_util::StreamExt;

use super::assembly::Assembly;
use super::stream::StoredMessage;
use super::workspace_log::{Bound, WorkspaceLog};
use crate::ordered::{Delivered, Ordered, Start};
use earcon_model::Seq;
use earcon_ports::{ErrorKind, Followed, Following, PortError};

/// The state of a follower.
struct Follower {
    ordered: Ordered,
    assembly: Assembly,
    /// The next expected event. `None` before the first one, because the log may begin with a later
    /// event.
    next: Option<Seq>,
    from: Seq,
}

impl WorkspaceLog {
    /// Every committed append from `from` on, by any writer.
    pub(super) async fn follow(&self, from: Seq) -> Result<Following, PortError> {
        let (Some(info), last) = (self.info().await?, self.stream.last().await?) else {
            let text = format!("{} does not exist; the log has not been opened yet", self.stream.name);
            return Err(PortError::new(ErrorKind::Unavailable, text));
        };
        let start = match last {
            Some(last) => {
                let sequence = last.sequence;
                let next = self.position_before(last).await?.map_or(1, |position| position.next());
                // The last append may be unfinished: then it is read again from its first part.
                let bound = Bound { sequence, next };
                if from < next { self.start_of(from, bound).await? } else { self.start_of_last(bound).await? }
            }
            None => info.state.last_sequence + 1,
        };
        let context = self.stream.context().clone();
        let ordered = Ordered::begin(context, self.stream.name.clone(), Start::Sequence(start)).await?;
        let follower = Follower { ordered, assembly: Assembly::default(), next: None, from };
        let following = futures_util::stream::unfold(Some(follower), |follower| async move {
            let mut follower = follower?;
            match follower.next().await {
                Ok(followed) => Some((Ok(followed), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(following.boxed())
    }
}

impl Follower {
    async fn next(&mut self) -> Result<Followed, PortError> {
        loop {
            let Delivered { message, sequence, .. } = self.ordered.next().await?;
            let stored = StoredMessage::delivered(sequence, message)?;
            if let (Some(next), Some(position)) = (self.next, stored.position)
                && next < position.seq
            {
                let text =
                    format!("the events {next} to {} were trimmed before they could be followed", position.seq - 1);
                return Err(PortError::new(ErrorKind::Unavailable, text));
            }
            let Some(append) = self.assembly.push(stored) else { continue };
            let position = append.position;
            if position.next() <= self.from {
                continue;
            }
            let events = append.events(self.next.unwrap_or(self.from))?;
            self.next = Some(position.next());
            if !events.is_empty() {
                return Ok(Followed { epoch: append.writer, events });
            }
        }
    }
}
