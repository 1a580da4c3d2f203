//! The thread that renders: one Opus packet every 20 ms against absolute deadlines.
//!
//! It is a thread and not a task, because a late audio frame is audible and the runtime's workers
//! may be busy scoring. It sleeps until the next frame is due, applies the events since, renders,
//! encodes and broadcasts. If it falls behind by more than a frame, overdue frames are skipped and
//! counted, never queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::time::Instant;

use tokio::sync::broadcast::error::TryRecvError as LiveError;
use tokio::sync::{broadcast, watch};

use super::listening::{Packet, Sound};
use super::pacing::Pacing;
use crate::actors::hub::{EventBatch, Subscription};
use crate::telemetry::{Metric, count, record};
use earcon_audio::{Encoder, FRAME_SAMPLES, Frame, MixSettings, Renderer, Sonifier, Voice};
use earcon_model::Clock;

/// The set of sounding voices is compared every so many frames: once a second.
const VOICES_EVERY: u64 = 50;

enum Command {
    Settings(MixSettings),
    Seed(Subscription),
}

/// Where a render thread sends its results.
pub(super) struct Output {
    /// Packets, voices and cues.
    pub(super) sounds: broadcast::Sender<Sound>,
    /// The voices that sound now.
    pub(super) sounding: watch::Sender<Arc<Vec<Voice>>>,
    /// Called if events were missed and a new seed is needed.
    pub(super) fell_behind: Box<dyn Fn() + Send>,
}

/// A running render thread. Dropping it stops it.
pub(super) struct RenderThread {
    commands: mpsc::Sender<Command>,
    stop: Arc<AtomicBool>,
    pre_skip: u16,
}

impl RenderThread {
    /// Starts rendering from the state in `seed`.
    pub(super) fn start(
        settings: MixSettings,
        seed: Subscription,
        clock: Arc<dyn Clock>,
        output: Output,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut encoder = Encoder::new()?;
        let pre_skip = encoder.pre_skip()?;
        let (commands, inbox) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut worker = Worker {
            renderer: Renderer::new(settings.seed),
            sonifier: Sonifier::new(settings),
            encoder,
            live: None,
            inbox,
            clock,
            output,
            frame: [0.0; FRAME_SAMPLES * 2],
        };
        worker.seed(seed);
        let stopped = stop.clone();
        std::thread::Builder::new().name("earcon-mix".into()).spawn(move || worker.run(&stopped))?;
        Ok(Self { commands, stop, pre_skip })
    }

    pub(super) fn pre_skip(&self) -> u16 {
        self.pre_skip
    }

    pub(super) fn change(&self, settings: MixSettings) {
        let _ended = self.commands.send(Command::Settings(settings)).is_err();
    }

    pub(super) fn reseed(&self, seed: Subscription) {
        let _ended = self.commands.send(Command::Seed(seed)).is_err();
    }
}

impl Drop for RenderThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Worker {
    renderer: Renderer,
    sonifier: Sonifier,
    encoder: Encoder,
    live: Option<broadcast::Receiver<Arc<EventBatch>>>,
    inbox: mpsc::Receiver<Command>,
    clock: Arc<dyn Clock>,
    output: Output,
    frame: Frame,
}

impl Worker {
    fn run(&mut self, stop: &AtomicBool) {
        let started = Instant::now();
        let mut pacing = Pacing::default();
        while !stop.load(Ordering::Relaxed) {
            let slot = pacing.next(started.elapsed());
            if !slot.wait.is_zero() {
                std::thread::sleep(slot.wait);
            }
            if slot.skipped > 0 {
                count(Metric::RenderSkipped, slot.skipped);
            }
            let began = Instant::now();
            self.apply_commands();
            self.observe_events();
            self.sound(slot.number);
            record(Metric::RenderSeconds, began.elapsed());
            record(Metric::RenderLateSeconds, started.elapsed().saturating_sub(slot.due));
        }
    }

    fn seed(&mut self, seed: Subscription) {
        for kpi in &seed.kpis {
            for (labels, series) in kpi.series.by_labels() {
                if let Some(last) = &series.last {
                    let open = series.anomaly.as_deref();
                    self.sonifier.seed(&kpi.kpi, labels, last, series.features, series.status, open);
                }
            }
        }
        self.sonifier.seed_incidents(seed.incidents.iter().map(AsRef::as_ref));
        self.live = Some(seed.batches);
    }

    fn apply_commands(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Settings(settings)) => self.sonifier.set_settings(settings),
                Ok(Command::Seed(seed)) => self.seed(seed),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn observe_events(&mut self) {
        let Some(live) = self.live.as_mut() else { return };
        loop {
            match live.try_recv() {
                Ok(batch) => {
                    for event in batch.events() {
                        for cue in self.sonifier.observe(event) {
                            let _no_listeners = self.output.sounds.send(Sound::Cue(Arc::new(cue))).is_err();
                        }
                    }
                }
                Err(LiveError::Empty) => return,
                Err(LiveError::Lagged(_)) => {
                    self.live = None;
                    (self.output.fell_behind)();
                    return;
                }
                Err(LiveError::Closed) => {
                    self.live = None;
                    return;
                }
            }
        }
    }

    fn sound(&mut self, number: u64) {
        let scene = self.sonifier.scene(self.clock.now_ms());
        self.renderer.render(&scene, &mut self.frame);
        match self.encoder.encode(&self.frame) {
            Ok(opus) => {
                let _no_listeners = self.output.sounds.send(Sound::Packet(Packet::new(number, &opus))).is_err();
            }
            Err(error) => tracing::error!(%error, "a frame could not be encoded"),
        }
        if number.is_multiple_of(VOICES_EVERY) {
            self.publish_voices();
        }
    }

    fn publish_voices(&mut self) {
        let voices = self.sonifier.sounding();
        if **self.output.sounding.borrow() != voices {
            let voices = Arc::new(voices);
            self.output.sounding.send_replace(voices.clone());
            let _no_listeners = self.output.sounds.send(Sound::Voices(voices)).is_err();
        }
    }
}
