//! Thousands of connections on few threads: each thread has a runtime of its own, and what its connections count is shared
//! among them without a lock.

pub(crate) mod events;
pub(crate) mod listeners;

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many connections of one thread are being opened at the same time; servers have short queues for those.
const OPENING: usize = 16;
/// Longest time without any connection becoming ready.
const STALLED: Duration = Duration::from_secs(60);

/// What the connections are told, and what they tell while they run.
#[derive(Debug)]
pub(crate) struct Stage {
    gate: Semaphore,
    ready: AtomicUsize,
    lost: AtomicUsize,
    /// Anything that shows progress: messages, pages.
    pub(crate) progress: AtomicU64,
    /// Whether what arrives now counts.
    pub(crate) measuring: AtomicBool,
    stop: watch::Sender<bool>,
    first_error: Mutex<Option<anyhow::Error>>,
    /// What times are counted from.
    pub(crate) epoch: Instant,
}

/// What a connection gets when it is let in.
pub(crate) struct Admission {
    pub(crate) stage: Arc<Stage>,
    /// A place among those that are being opened.
    place: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// The connection is subscribed, or hears the first of what it came for: the next may be opened.
    pub(crate) fn ready(mut self) -> Arc<Stage> {
        self.stage.ready.fetch_add(1, Ordering::Relaxed);
        self.place = None;
        self.stage
    }
}

/// One connection's work: connect, say [`Admission::ready`], read until the end.
pub(crate) type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// Running connections; what each thread counted is a `T`.
pub(crate) struct Fleet<T> {
    stage: Arc<Stage>,
    size: usize,
    let_in: usize,
    threads: Vec<JoinHandle<anyhow::Result<T>>>,
}

impl Stage {
    /// How many have become ready so far.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Since the stage was set, in microseconds.
    pub(crate) fn micros(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.epoch).as_micros()).unwrap_or(i64::MAX)
    }

    fn fail(&self, error: anyhow::Error) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl<T: Default + Send + 'static> Fleet<T> {
    /// Gets `size` connections ready to be let in, spread over `threads` threads.
    pub(crate) fn muster<F>(threads: usize, size: usize, work: F) -> anyhow::Result<Self>
    where
        F: Fn(Rc<RefCell<T>>, Admission) -> Work + Clone + Send + 'static,
    {
        let stage = Arc::new(Stage {
            gate: Semaphore::new(0),
            ready: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            progress: AtomicU64::new(0),
            measuring: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            first_error: Mutex::new(None),
            epoch: Instant::now(),
        });
        let mut fleet = Self { stage, size, let_in: 0, threads: Vec::new() };
        for thread in 0..threads {
            let mine = size / threads + usize::from(thread < size % threads);
            let (stage, work) = (fleet.stage.clone(), work.clone());
            let run = move || run(mine, &stage, work);
            fleet.threads.push(std::thread::Builder::new().name("clients".into()).spawn(run).context("a thread")?);
        }
        Ok(fleet)
    }

    pub(crate) fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Lets `count` more connect and waits until all let in so far are ready.
    pub(crate) async fn let_in(&mut self, count: usize) -> anyhow::Result<()> {
        let count = count.min(self.size - self.let_in);
        self.let_in += count;
        self.stage.gate.add_permits(count);
        let (mut seen, mut since) = (self.stage.ready_count(), Instant::now());
        while seen < self.let_in {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let ready = self.stage.ready_count();
            if ready > seen {
                (seen, since) = (ready, Instant::now());
            }
            self.check()?;
            if since.elapsed() > STALLED {
                bail!("only {seen} of {} connections are ready, and no more for {STALLED:?}", self.let_in);
            }
        }
        Ok(())
    }

    /// The first thing that went wrong with any connection.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let lost = self.stage.lost.load(Ordering::Relaxed);
        match self.stage.first_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.context(format!("{lost} of {} connections failed", self.let_in))),
            None => Ok(()),
        }
    }

    /// Ends all connections; returns what each thread counted.
    pub(crate) async fn dismiss(mut self) -> anyhow::Result<Vec<T>> {
        self.check()?;
        self.end();
        let mut counted = Vec::new();
        for thread in std::mem::take(&mut self.threads) {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await.context("waiting for a thread")?;
            counted.push(joined.map_err(|_| anyhow!("a client thread panicked"))??);
        }
        Ok(counted)
    }
}

impl<T> Fleet<T> {
    fn end(&self) {
        self.stage.stop.send_replace(true);
        self.stage.gate.close();
    }
}

/// The threads end with the fleet even when the run has failed before its end.
impl<T> Drop for Fleet<T> {
    fn drop(&mut self) {
        self.end();
    }
}

fn run<T, F>(size: usize, stage: &Arc<Stage>, work: F) -> anyhow::Result<T>
where
    T: Default + 'static,
    F: Fn(Rc<RefCell<T>>, Admission) -> Work + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    let shared = Rc::new(RefCell::new(T::default()));
    let (work, opening) = (Rc::new(work), Arc::new(Semaphore::new(OPENING)));
    let local = tokio::task::LocalSet::new();
    for _ in 0..size {
        let (stage, shared, work, opening) = (stage.clone(), shared.clone(), work.clone(), opening.clone());
        local.spawn_local(async move {
            let Ok(admitted) = stage.gate.acquire().await else { return };
            admitted.forget();
            let place = opening.acquire_owned().await.ok();
            if let Err(error) = work(shared, Admission { stage: stage.clone(), place }).await {
                stage.fail(error);
            }
        });
    }
    let mut stopped = stage.stop.subscribe();
    runtime.block_on(local.run_until(async move { stopped.wait_for(|stop| *stop).await.map(drop) }))?;
    drop(local);
    Rc::into_inner(shared).map(RefCell::into_inner).context("a connection outlived its thread")
}
