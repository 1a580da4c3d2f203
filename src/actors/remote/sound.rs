//! Sound from the owner's mix to listeners of other nodes.
//!
//! The owner calls the packets out as long as some node asks for them again every few seconds. A node with listeners has one
//! subscription, however many listen, and passes the packets on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::errands::OwnerClient;
use super::wire::{Answer, AudioMessage, Request, decode, encode};
use crate::actors::mix::{Listening, Packet, Sound};
use crate::actors::workspace::WorkspaceHandle;
use earcon_audio::Voice;
use earcon_model::WorkspaceId;
use earcon_ports::NodeTransport;
use earcon_tenancy::WorkspacePass;

/// How long a request to listen holds.
const HOLDS: Duration = Duration::from_secs(12);
/// How often listeners ask again.
const AGAIN: Duration = Duration::from_secs(4);
/// How many packets a slow listener may be behind: one second, as on the owner.
const BUFFER: usize = 50;

/// The owner's side: calls the sound of a mix out while somebody asks for it.
pub(super) struct Caller {
    courier: Arc<dyn NodeTransport>,
    pass: WorkspacePass,
    /// Until when it calls; `None` while it does not.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Caller {
    pub(super) fn new(courier: Arc<dyn NodeTransport>, pass: WorkspacePass) -> Self {
        Self { courier, pass, until: Arc::default() }
    }

    /// Calls for a while from now on. Returns what a listener has to know; `None` when the mix is going away.
    pub(super) async fn keep_calling(&self, workspace: &WorkspaceHandle) -> Option<(u16, Vec<Voice>)> {
        let listening = workspace.mix().listen().await?;
        let known = (listening.pre_skip, listening.voices.as_ref().clone());
        let running = {
            let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            until.replace(Instant::now() + HOLDS).is_some()
        };
        if !running {
            let (courier, pass, until) = (self.courier.clone(), self.pass.clone(), self.until.clone());
            tokio::spawn(call_out(listening, courier, pass, until));
        }
        Some(known)
    }
}

async fn call_out(
    mut listening: Listening,
    courier: Arc<dyn NodeTransport>,
    pass: WorkspacePass,
    until: Arc<Mutex<Option<Instant>>>,
) {
    loop {
        let sound = match listening.sounds.recv().await {
            Ok(sound) => sound,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => break,
        };
        if until.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|until| Instant::now() >= until) {
            break;
        }
        let heard = match sound {
            Sound::Packet(packet) => AudioMessage::Packet(packet.number(), packet.opus()),
            Sound::Voices(voices) => AudioMessage::Voices(voices.as_ref().clone()),
            Sound::Cue(cue) => AudioMessage::Cue(cue.as_ref().clone()),
        };
        // What cannot be sent now is late anyway; the next packet comes in 20 ms.
        if let Ok(message) = encode(&heard) {
            let _lost = courier.call(&pass, message).await.is_err();
        }
    }
    *until.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The listeners' side: the mixes of other nodes that somebody here listens to.
#[derive(Clone)]
pub struct AudioSubscriber {
    courier: Arc<dyn NodeTransport>,
    playing: Arc<Mutex<HashMap<WorkspaceId, Playing>>>,
}

#[derive(Clone)]
struct Playing {
    sounds: broadcast::Sender<Sound>,
    voices: watch::Receiver<Arc<Vec<Voice>>>,
    pre_skip: u16,
    /// Every listener holds one; when only the table's is left, nobody listens.
    seat: Arc<()>,
}

impl Playing {
    fn listening(&self) -> Listening {
        let voices = self.voices.borrow().clone();
        Listening::new(self.sounds.subscribe(), voices, self.pre_skip, self.seat.clone())
    }
}

impl AudioSubscriber {
    /// Hears through `courier`.
    pub fn new(courier: Arc<dyn NodeTransport>) -> Self {
        Self { courier, playing: Arc::default() }
    }

    /// Begins to listen to the workspace's mix; `None` when its owner does not answer.
    pub async fn listen(&self, pass: &WorkspacePass, errands: &OwnerClient) -> Option<Listening> {
        if let Some(playing) = self.table().get(pass.workspace()) {
            return Some(playing.listening());
        }
        let calls = self.courier.hear(pass).await.ok()?;
        let Ok(Answer::Listening(pre_skip, voices)) = errands.ask(&Request::Listen).await else { return None };
        let (sounds, _) = broadcast::channel(BUFFER);
        let (voices_sender, voices) = watch::channel(Arc::new(voices));
        let playing = Playing { sounds: sounds.clone(), voices, pre_skip, seat: Arc::new(()) };
        let listening = playing.listening();
        // Of two listeners that came together, the second plays beside the first until it leaves.
        self.table().insert(pass.workspace().clone(), playing.clone());
        let (table, workspace, errands) = (self.playing.clone(), pass.workspace().clone(), errands.clone());
        tokio::spawn(async move {
            let seat = Arc::downgrade(&playing.seat);
            drop(playing);
            let pass_on = pass_on(calls, &sounds, &voices_sender);
            let ask_again = async {
                loop {
                    tokio::time::sleep(AGAIN).await;
                    // One is the table's.
                    if seat.strong_count() <= 1 {
                        break;
                    }
                    let _tried_again_soon = errands.ask(&Request::Listen).await.is_err();
                }
            };
            tokio::select! {
                () = pass_on => {}
                () = ask_again => {}
            }
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            if table.get(&workspace).is_some_and(|playing| std::ptr::eq(Arc::as_ptr(&playing.seat), seat.as_ptr())) {
                table.remove(&workspace);
            }
        });
        Some(listening)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, Playing>> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass_on(
    mut calls: futures_util::stream::BoxStream<'static, bytes::Bytes>,
    sounds: &broadcast::Sender<Sound>,
    voices: &watch::Sender<Arc<Vec<Voice>>>,
) {
    let mut numbers = Numbers::default();
    while let Some(call) = calls.next().await {
        let sound = match decode::<AudioMessage>(&call) {
            Some(AudioMessage::Packet(number, opus)) => Sound::Packet(Packet::new(numbers.next(number), &opus)),
            Some(AudioMessage::Voices(all)) => {
                let all = Arc::new(all);
                voices.send_replace(all.clone());
                Sound::Voices(all)
            }
            Some(AudioMessage::Cue(cue)) => Sound::Cue(Arc::new(cue)),
            None => continue,
        };
        let _nobody = sounds.send(sound).is_err();
    }
}

/// Packet numbers that only grow, whatever mix they come from: the next owner's mix counts from its own beginning.
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
