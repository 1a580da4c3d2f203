//! Makes what all HTTP listeners of a mix share once, in a task that runs while there are
//! listeners.
//!
//! # Packets in one write
//! Each delivery is a system call, and with thousands of listeners these calls are the whole cost.
//! So the more listeners there are, the more packets leave in one write: see [`pace`]. A few
//! listeners get every packet at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, WeakSender};
use tokio::sync::watch;

use super::members::{self, FrameMember, Frames, PageMember, RecentPages};
use super::voice::WireVoice;
use crate::actors::mix::{Listening, Packet, Sound};
use crate::gateway::connection_group::{ConnectionGroup, Membership};
use crate::live::MessageFrame;
use crate::live::wire::{label_map, to_json};
use crate::telemetry::{Metric, count};
use earcon_audio::{Cue, Page, Pages, Voice};
use earcon_model::WorkspaceId;

/// Deliveries a slow listener may lag behind before it skips to live sound.
const BUFFER: usize = 32;
/// Packets in one write for this number of listeners: 20, 40 or 60 ms.
fn pace(listeners: usize) -> usize {
    match listeners {
        0..=200 => 1,
        201..=1_000 => 2,
        _ => 3,
    }
}

/// Packets in a page of Ogg: 40 or 60 ms. A player can start soon, and the container costs 4 to 6
/// kbit/s. Players keep far more than a page before they play, so pages grow earlier than writes of
/// packets.
fn packets_a_page(listeners: usize) -> usize {
    if listeners <= 200 { 2 } else { 3 }
}

/// The transmitters of this node, one for each workspace whose mix has listeners here.
#[derive(Clone, Default)]
pub(crate) struct Transmitters(Arc<Mutex<HashMap<WorkspaceId, Channels>>>);

/// A running transmitter. The senders belong to its task: when it ends, listeners see the end.
struct Channels {
    frames: WeakSender<Bytes>,
    pages: WeakSender<Arc<Page>>,
    listeners: Listeners,
    voices: Arc<Mutex<Bytes>>,
    recent: RecentPages,
}

/// The listeners of a mix.
#[derive(Clone, Default)]
struct Listeners {
    frames: ConnectionGroup<FrameMember>,
    pages: ConnectionGroup<PageMember>,
}

#[derive(Clone)]
struct Senders {
    frames: broadcast::Sender<Bytes>,
    pages: broadcast::Sender<Arc<Page>>,
}

impl Transmitters {
    /// Sends WebSocket frames to a listener.
    pub(super) fn join_frames(
        &self,
        workspace: &WorkspaceId,
        member: FrameMember,
        shutdown: &watch::Receiver<bool>,
    ) -> Membership<FrameMember> {
        let mut table = self.table();
        let (channels, senders) = self.running(&mut table, workspace, member.listening(), shutdown);
        let feed = || Frames::new(senders.frames.subscribe(), channels.voices.clone());
        channels.listeners.frames.join(member, feed)
    }

    /// Sends pages of Ogg to a listener.
    pub(super) fn join_pages(
        &self,
        workspace: &WorkspaceId,
        member: PageMember,
        shutdown: &watch::Receiver<bool>,
    ) -> Membership<PageMember> {
        let mut table = self.table();
        let (channels, senders) = self.running(&mut table, workspace, member.listening(), shutdown);
        channels
            .listeners
            .pages
            .join(member, || members::Pages::new(senders.pages.subscribe(), channels.recent.clone()))
    }

    /// The running transmitter of a workspace, or a new one.
    fn running<'t>(
        &self,
        table: &'t mut HashMap<WorkspaceId, Channels>,
        workspace: &WorkspaceId,
        listening: &Listening,
        shutdown: &watch::Receiver<bool>,
    ) -> (&'t Channels, Senders) {
        let running = table.get(workspace).and_then(|channels| {
            Some(Senders { frames: channels.frames.upgrade()?, pages: channels.pages.upgrade()? })
        });
        let senders = running.unwrap_or_else(|| {
            let senders = Senders { frames: broadcast::channel(BUFFER).0, pages: broadcast::channel(BUFFER).0 };
            let channels = Channels {
                frames: senders.frames.downgrade(),
                pages: senders.pages.downgrade(),
                listeners: Listeners::default(),
                voices: Arc::new(Mutex::new(voices_frame(&listening.voices).wire())),
                recent: RecentPages::default(),
            };
            let transmitter = Transmitter {
                senders: senders.clone(),
                listeners: channels.listeners.clone(),
                voices: channels.voices.clone(),
                recent: channels.recent.clone(),
                pages: Pages::default(),
                frames: BytesMut::new(),
                held: 0,
            };
            table.insert(workspace.clone(), channels);
            let (sounds, shutdown) = (listening.sounds.resubscribe(), shutdown.clone());
            tokio::spawn(transmitter.run(sounds, shutdown, self.clone(), workspace.clone()));
            senders
        });
        (&table[workspace], senders)
    }

    fn table(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Channels>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Transmitter {
    senders: Senders,
    listeners: Listeners,
    /// The frame of the voices that sound now, for new listeners.
    voices: Arc<Mutex<Bytes>>,
    /// The newest pages, for new listeners.
    recent: RecentPages,
    pages: Pages,
    /// Frames that wait for the next write.
    frames: BytesMut,
    /// Packets among them.
    held: usize,
}

impl Transmitter {
    async fn run(
        mut self,
        mut sounds: broadcast::Receiver<Sound>,
        mut shutdown: watch::Receiver<bool>,
        transmitters: Transmitters,
        workspace: WorkspaceId,
    ) {
        loop {
            let sound = tokio::select! {
                sound = sounds.recv() => sound,
                _ = shutdown.wait_for(|down| *down) => break,
            };
            match sound {
                Ok(Sound::Packet(packet)) => {
                    self.packet(&packet);
                    if self.idle() {
                        // A new listener takes the same lock, so none subscribes to a transmitter
                        // that ends.
                        let mut table = transmitters.table();
                        if self.idle() {
                            table.remove(&workspace);
                            return;
                        }
                    }
                }
                Ok(Sound::Voices(voices)) => {
                    let frame = voices_frame(&voices);
                    *self.voices.lock().unwrap_or_else(PoisonError::into_inner) = frame.wire();
                    self.frame(&frame);
                }
                Ok(Sound::Cue(cue)) => self.frame(&cue_frame(&cue)),
                // Missed sound is lost; the stream continues seamlessly with live sound.
                Err(RecvError::Lagged(missed)) => count(Metric::ListenerDropped, missed),
                Err(RecvError::Closed) => break,
            }
        }
        if let Some(last) = self.pages.finish() {
            let _no_listener = self.senders.pages.send(Arc::new(last)).is_err();
        }
    }

    fn idle(&self) -> bool {
        self.listeners.frames.len() == 0 && self.listeners.pages.len() == 0
    }

    fn packet(&mut self, packet: &Packet) {
        let page = self.pages.push(packet.number(), packet.opus(), packets_a_page(self.listeners.pages.len()));
        if let Some(page) = page.map(Arc::new) {
            self.recent.push(page.clone());
            let _no_listener = self.senders.pages.send(page).is_err();
        }
        let listeners = self.listeners.frames.len();
        if listeners == 0 {
            self.frames.clear();
            self.held = 0;
            return;
        }
        self.frame(&MessageFrame::binary(&[&packet.number().to_be_bytes(), &packet.opus()]));
        self.held += 1;
        if self.held >= pace(listeners) {
            self.held = 0;
            let _no_listener = self.senders.frames.send(self.frames.split().freeze()).is_err();
        }
    }

    fn frame(&mut self, frame: &MessageFrame) {
        self.frames.extend_from_slice(&frame.wire());
    }
}

/// The first message of a listener.
pub(super) fn config_frame(pre_skip: u16) -> MessageFrame {
    MessageFrame::text(&to_json(&serde_json::json!({
        "type": "config", "codec": "opus", "sample_rate": 48_000, "channels": 2, "frame_ms": 20, "pre_skip": pre_skip,
    })))
}

/// The voices that sound.
pub(super) fn voices_frame(voices: &[Voice]) -> MessageFrame {
    #[derive(Serialize)]
    struct Voices<'a> {
        r#type: &'static str,
        voices: Vec<WireVoice<'a>>,
    }
    MessageFrame::text(&to_json(&Voices {
        r#type: "voices",
        voices: voices.iter().map(WireVoice::from_voice).collect(),
    }))
}

fn cue_frame(cue: &Cue) -> MessageFrame {
    let severity = cue.severity.as_str();
    MessageFrame::text(&to_json(&serde_json::json!({
        "type": "cue", "kind": cue.kind, "severity": severity, "kpi": cue.kpi.as_str(),
        "labels": label_map(&cue.labels), "anomaly": cue.anomaly.map(|id| id.to_string()),
        "incident": cue.incident.map(|id| id.to_string()),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::gateway::http::outlet::Outlet;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn listening(sounds: &broadcast::Sender<Sound>) -> Listening {
        Listening::new(sounds.subscribe(), Arc::default(), 312, ())
    }

    async fn connection() -> (Arc<Outlet>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Arc::new(Outlet::new(listener.accept().await.unwrap().0)), client)
    }

    fn frame_seat(outlet: Arc<Outlet>, sounds: &broadcast::Sender<Sound>) -> (FrameMember, oneshot::Receiver<()>) {
        FrameMember::new(outlet, listening(sounds), Bytes::from_static(b"config"), PATIENCE)
    }

    async fn read_until(client: &mut TcpStream, wanted: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        while !read.windows(wanted.len()).any(|bytes| bytes == wanted) {
            assert!(client.read_buf(&mut read).await.unwrap() > 0, "{}", read.escape_ascii());
        }
        read
    }

    #[tokio::test]
    async fn listeners_get_frames_and_pages_and_the_last_one_ends_it() {
        let (sounds, _) = broadcast::channel(8);
        let (_running, shutdown) = watch::channel(false);
        let (transmitters, workspace) = (Transmitters::default(), WorkspaceId::new("w").unwrap());
        let ((one, mut one_client), (pages, mut pages_client)) = (connection().await, connection().await);
        let (member, _removed) = frame_seat(one, &sounds);
        let membership = transmitters.join_frames(&workspace, member, &shutdown);
        let member = PageMember::new(pages, listening(&sounds), Bytes::from_static(b"head"), PATIENCE);
        transmitters.join_pages(&workspace, member, &shutdown).stay();
        assert_eq!(transmitters.table().len(), 1);
        for number in 0..3 {
            assert!(sounds.send(Sound::Packet(Packet::new(number, b"opus"))).is_ok());
        }
        let read = read_until(&mut one_client, b"\x82\x0c\0\0\0\0\0\0\0\0opus").await;
        assert!(read.starts_with(b"config\x81"), "{}", read.escape_ascii());
        let read = read_until(&mut pages_client, b"opusopus").await;
        assert!(read.starts_with(b"headOggS"), "{}", read.escape_ascii());
        drop((membership, pages_client));
        let gone = async {
            // That a listener has left shows when pages are written to it.
            for number in 3.. {
                if transmitters.table().is_empty() {
                    return;
                }
                let _ended = sounds.send(Sound::Packet(Packet::new(number, b"opus"))).is_err();
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the transmitter ends");
    }

    #[tokio::test]
    async fn the_end_of_the_mix_is_the_end_for_listeners() {
        let (sounds, _) = broadcast::channel(8);
        let (_running, shutdown) = watch::channel(false);
        let (transmitters, workspace) = (Transmitters::default(), WorkspaceId::new("w").unwrap());
        let ((pages, mut pages_client), (one, mut one_client)) = (connection().await, connection().await);
        let member = PageMember::new(pages, listening(&sounds), Bytes::from_static(b"head"), PATIENCE);
        transmitters.join_pages(&workspace, member, &shutdown).stay();
        assert!(sounds.send(Sound::Packet(Packet::new(7, b"opus"))).is_ok());
        drop(sounds);
        let mut stream = Vec::new();
        pages_client.read_to_end(&mut stream).await.unwrap();
        assert!(stream.ends_with(b"opus"), "the last page: {}", stream.escape_ascii());
        // A workspace that comes back has a transmitter of its own.
        let (sounds, _) = broadcast::channel(8);
        let (member, removed) = frame_seat(one, &sounds);
        let _ticket = transmitters.join_frames(&workspace, member, &shutdown);
        assert!(sounds.send(Sound::Packet(Packet::new(0, b"opus"))).is_ok());
        read_until(&mut one_client, b"opus").await;
        drop(sounds);
        assert!(removed.await.is_err(), "the listener is removed");
    }

    #[tokio::test]
    async fn a_later_listener_gets_the_last_second_at_once_and_no_page_twice() {
        let (sounds, _) = broadcast::channel(256);
        let (_running, shutdown) = watch::channel(false);
        let (transmitters, workspace) = (Transmitters::default(), WorkspaceId::new("w").unwrap());
        let ((first, mut first_client), (second, mut second_client)) = (connection().await, connection().await);
        let member = PageMember::new(first, listening(&sounds), Bytes::from_static(b"head"), PATIENCE);
        transmitters.join_pages(&workspace, member, &shutdown).stay();
        let packet = |number: u64| Sound::Packet(Packet::new(number, format!("<{number:03}>").as_bytes()));
        for number in 0..100 {
            assert!(sounds.send(packet(number)).is_ok());
        }
        read_until(&mut first_client, b"<097>").await;
        let member = PageMember::new(second, listening(&sounds), Bytes::from_static(b"head"), PATIENCE);
        transmitters.join_pages(&workspace, member, &shutdown).stay();
        let mut read = read_until(&mut second_client, b"<097>").await;
        for number in 100..104 {
            assert!(sounds.send(packet(number)).is_ok());
        }
        read.extend(read_until(&mut second_client, b"<101>").await);
        let times = |number: u64| read.windows(5).filter(|bytes| *bytes == format!("<{number:03}>").as_bytes()).count();
        assert_eq!((times(47), times(48)), (0, 1), "fifty packets of 20 ms");
        assert!((48..102).all(|number| times(number) == 1), "{}", read.escape_ascii());
    }

    #[test]
    fn more_listeners_get_larger_pieces() {
        assert_eq!([1, 200, 201, 5_000].map(pace), [1, 1, 2, 3]);
        assert_eq!([1, 200, 201, 5_000].map(packets_a_page), [2, 2, 3, 3]);
    }
}
