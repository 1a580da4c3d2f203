//! The listeners' side: the mixes of other nodes that have listeners here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::{broadcast, watch};

use super::message::AudioMessage;
use crate::actors::mix::{Listening, Packet, Sound};
use crate::actors::remote::client::OwnerClient;
use crate::actors::remote::wire::decode;
use crate::actors::workspace::command::ExtendAudioLease;
use earcon_audio::Voice;
use earcon_model::WorkspaceKey;
use earcon_ports::NodeTransport;
use earcon_tenancy::WorkspacePass;

/// How often the owner's lease is extended.
const EXTEND_EVERY: Duration = Duration::from_secs(4);
/// How many packets a slow listener may be behind: one second, as on the owner.
const BUFFER: usize = 50;

/// The mixes of other nodes that have listeners here. Cheap to clone.
#[derive(Clone)]
pub struct AudioSubscriber {
    transport: Arc<dyn NodeTransport>,
    playing: Table,
}

type Table = Arc<Mutex<HashMap<WorkspaceKey, Playing>>>;

#[derive(Clone)]
struct Playing {
    sounds: broadcast::Sender<Sound>,
    voices: watch::Receiver<Arc<Vec<Voice>>>,
    pre_skip: u16,
    /// Every listener holds one; if only the table's is left, there are no listeners.
    seat: Arc<()>,
}

impl Playing {
    fn listening(&self) -> Listening {
        let voices = self.voices.borrow().clone();
        Listening::new(self.sounds.subscribe(), voices, self.pre_skip, self.seat.clone())
    }
}

impl AudioSubscriber {
    /// Subscribes through `transport`.
    pub fn new(transport: Arc<dyn NodeTransport>) -> Self {
        Self { transport, playing: Arc::default() }
    }

    /// Begins to listen to the workspace's mix; `None` if its owner does not answer.
    pub async fn listen(&self, pass: &WorkspacePass, owner: &OwnerClient) -> Option<Listening> {
        if let Some(playing) = lock(&self.playing).get(pass.key()) {
            return Some(playing.listening());
        }
        let messages = self.transport.subscribe(pass).await.ok()?;
        let format = owner.execute(ExtendAudioLease).await.ok()?;
        let (sounds, _) = broadcast::channel(BUFFER);
        let (voices_sender, voices) = watch::channel(Arc::new(format.voices));
        let playing = Playing { sounds: sounds.clone(), voices, pre_skip: format.pre_skip, seat: Arc::new(()) };
        let listening = playing.listening();
        let seat = Arc::downgrade(&playing.seat);
        // Of two listeners that came at once, each has a subscription of its own until it leaves.
        lock(&self.playing).insert(pass.key().clone(), playing);
        let (table, workspace, owner) = (self.playing.clone(), pass.key().clone(), owner.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = forward(messages, &sounds, &voices_sender) => {}
                () = extend_while_used(&seat, &owner) => {}
                // The next workspace of this name plays under the same name.
                () = owner.deleted() => {}
            }
            let mut table = lock(&table);
            if table.get(&workspace).is_some_and(|playing| std::ptr::eq(Arc::as_ptr(&playing.seat), seat.as_ptr())) {
                table.remove(&workspace);
            }
        });
        Some(listening)
    }
}

fn lock(table: &Table) -> MutexGuard<'_, HashMap<WorkspaceKey, Playing>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Completes when the last listener has left.
async fn extend_while_used(seat: &Weak<()>, owner: &OwnerClient) {
    loop {
        tokio::time::sleep(EXTEND_EVERY).await;
        // One is the table's.
        if seat.strong_count() <= 1 {
            return;
        }
        let _tried_again_soon = owner.execute(ExtendAudioLease).await.is_err();
    }
}

async fn forward(
    mut messages: BoxStream<'static, Bytes>,
    sounds: &broadcast::Sender<Sound>,
    voices: &watch::Sender<Arc<Vec<Voice>>>,
) {
    let mut numbers = Numbers::default();
    while let Some(message) = messages.next().await {
        let sound = match decode::<AudioMessage>(&message) {
            Some(AudioMessage::Packet(number, opus)) => Sound::Packet(Packet::new(numbers.next(number), &opus)),
            Some(AudioMessage::Voices(all)) => {
                voices.send_replace(all.clone());
                Sound::Voices(all)
            }
            Some(AudioMessage::Cue(cue)) => Sound::Cue(cue),
            None => continue,
        };
        let _no_listeners = sounds.send(sound).is_err();
    }
}

/// Packet numbers that only grow, whatever mix they come from: the next owner's mix counts from its
/// own beginning.
#[derive(Debug, Default)]
struct Numbers {
    last: Option<u64>,
    ahead: u64,
}

impl Numbers {
    fn next(&mut self, number: u64) -> u64 {
        if let Some(last) = self.last
            && number + self.ahead <= last
        {
            self.ahead = last + 1 - number;
        }
        let next = number + self.ahead;
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_only_grow() {
        let mut numbers = Numbers::default();
        let seen: Vec<u64> = [5, 6, 9, 0, 1, 4].map(|number| numbers.next(number)).to_vec();
        assert_eq!(seen, [5, 6, 9, 10, 11, 14]);
    }
}
