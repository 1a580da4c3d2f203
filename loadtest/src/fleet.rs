//! Thousands of connections on few threads. Each thread has its own runtime, and its connections
//! share their counts without a lock.

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

/// Number of connections that one thread opens at the same time. Servers have short accept queues.
const OPENING: usize = 16;
/// Longest time in which no connection becomes ready.
const STALLED: Duration = Duration::from_secs(60);

/// The state that a fleet shares with its connections.
#[derive(Debug)]
pub(crate) struct FleetState {
    gate: Semaphore,
    ready: AtomicUsize,
    lost: AtomicUsize,
    /// A counter of progress, such as messages or pages.
    pub(crate) progress: AtomicU64,
    /// Whether arriving data is counted.
    pub(crate) measuring: AtomicBool,
    stop: watch::Sender<bool>,
    first_error: Mutex<Option<anyhow::Error>>,
    /// The origin of times.
    pub(crate) epoch: Instant,
}

/// The permission of a connection to connect.
pub(crate) struct Admission {
    pub(crate) state: Arc<FleetState>,
    /// The permit to open, one of [`OPENING`].
    permit: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Marks the connection as subscribed, or as having received its first data. The next one may
    /// open.
    pub(crate) fn ready(mut self) -> Arc<FleetState> {
        self.state.ready.fetch_add(1, Ordering::Relaxed);
        self.permit = None;
        self.state
    }
}

/// The work of a connection: connect, call [`Admission::ready`], read until the end.
pub(crate) type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// Running connections. Each thread counts into a `T`.
pub(crate) struct Fleet<T> {
    state: Arc<FleetState>,
    size: usize,
    admitted: usize,
    threads: Vec<JoinHandle<anyhow::Result<T>>>,
}

impl FleetState {
    /// Number of connections that are ready.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Time since the epoch, microseconds.
    pub(crate) fn micros(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.epoch).as_micros()).unwrap_or(i64::MAX)
    }

    fn fail(&self, error: anyhow::Error) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl<T: Default + Send + 'static> Fleet<T> {
    /// Prepares `size` connections on `threads` threads.
    pub(crate) fn prepare<F>(threads: usize, size: usize, work: F) -> anyhow::Result<Self>
    where
        F: Fn(Rc<RefCell<T>>, Admission) -> Work + Clone + Send + 'static,
    {
        let state = Arc::new(FleetState {
            gate: Semaphore::new(0),
            ready: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            progress: AtomicU64::new(0),
            measuring: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            first_error: Mutex::new(None),
            epoch: Instant::now(),
        });
        let mut fleet = Self { state, size, admitted: 0, threads: Vec::new() };
        for thread in 0..threads {
            let mine = size / threads + usize::from(thread < size % threads);
            let (state, work) = (fleet.state.clone(), work.clone());
            let run = move || run(mine, &state, work);
            fleet.threads.push(std::thread::Builder::new().name("clients".into()).spawn(run).context("a thread")?);
        }
        Ok(fleet)
    }

    pub(crate) fn state(&self) -> &Arc<FleetState> {
        &self.state
    }

    /// Admits `count` more connections and waits until all admitted ones are ready.
    pub(crate) async fn admit(&mut self, count: usize) -> anyhow::Result<()> {
        let count = count.min(self.size - self.admitted);
        self.admitted += count;
        self.state.gate.add_permits(count);
        let (mut seen, mut since) = (self.state.ready_count(), Instant::now());
        while seen < self.admitted {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let ready = self.state.ready_count();
            if ready > seen {
                (seen, since) = (ready, Instant::now());
            }
            self.check()?;
            if since.elapsed() > STALLED {
                bail!("only {seen} of {} connections are ready, and no more for {STALLED:?}", self.admitted);
            }
        }
        Ok(())
    }

    /// The first error of any connection.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let lost = self.state.lost.load(Ordering::Relaxed);
        match self.state.first_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.context(format!("{lost} of {} connections failed", self.admitted))),
            None => Ok(()),
        }
    }

    /// Ends all connections. Returns the counts of each thread.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Vec<T>> {
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
        self.state.stop.send_replace(true);
        self.state.gate.close();
    }
}

/// Ends the threads even if the run fails.
impl<T> Drop for Fleet<T> {
    fn drop(&mut self) {
        self.end();
    }
}

fn run<T, F>(size: usize, state: &Arc<FleetState>, work: F) -> anyhow::Result<T>
where
    T: Default + 'static,
    F: Fn(Rc<RefCell<T>>, Admission) -> Work + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    let shared = Rc::new(RefCell::new(T::default()));
    let (work, opening) = (Rc::new(work), Arc::new(Semaphore::new(OPENING)));
    let local = tokio::task::LocalSet::new();
    for _ in 0..size {
        let (state, shared, work, opening) = (state.clone(), shared.clone(), work.clone(), opening.clone());
        local.spawn_local(async move {
            let Ok(admitted) = state.gate.acquire().await else { return };
            admitted.forget();
            let permit = opening.acquire_owned().await.ok();
            if let Err(error) = work(shared, Admission { state: state.clone(), permit }).await {
                state.fail(error);
            }
        });
    }
    let mut stopped = state.stop.subscribe();
    runtime.block_on(local.run_until(async move { stopped.wait_for(|stop| *stop).await.map(drop) }))?;
    drop(local);
    Rc::into_inner(shared).map(RefCell::into_inner).context("a connection outlived its thread")
}
