//! How many requests are under way, in all and to each server, and how many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::HttpSettings;

/// The places of requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    all: Arc<Semaphore>,
    most: usize,
    per_host: usize,
    most_waiting: usize,
    waiting_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: HashMap<String, Weak<Semaphore>>,
    waiting: usize,
    bytes: usize,
}

/// As many requests as may wait are waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The place of a request. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    _host: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        Self(Arc::new(Shared {
            all: Arc::new(Semaphore::new(settings.most)),
            most: settings.most,
            per_host: settings.most_per_host,
            most_waiting: settings.most_waiting,
            waiting_bytes: settings.waiting_bytes,
            state: Mutex::default(),
        }))
    }

    /// A place for a request with a body of this many bytes. Waits for one, in order of arrival.
    ///
    /// # Errors
    /// When too many others wait.
    pub(crate) async fn take(&self, origin: &str, bytes: usize) -> Result<Place, Busy> {
        let host = self.0.host(origin);
        let waiting = Waiting::begin(&self.0, bytes)?;
        // The server's places first: those who wait for a slow server take no place from others.
        let host = host.acquire_owned().await.map_err(|_| Busy)?;
        let all = self.0.all.clone().acquire_owned().await.map_err(|_| Busy)?;
        drop(waiting);
        Ok(Place { _host: host, _all: all })
    }
}

impl Shared {
    fn host(&self, origin: &str) -> Arc<Semaphore> {
        let mut state = self.lock();
        if let Some(host) = state.hosts.get(origin).and_then(Weak::upgrade) {
            return host;
        }
        if state.hosts.len() > self.most + self.most_waiting {
            state.hosts.retain(|_, host| host.strong_count() > 0);
        }
        let host = Arc::new(Semaphore::new(self.per_host));
        state.hosts.insert(origin.to_owned(), Arc::downgrade(&host));
        host
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits.
struct Waiting<'a> {
    shared: &'a Shared,
    bytes: usize,
}

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared, bytes: usize) -> Result<Self, Busy> {
        let mut state = shared.lock();
        // One alone may be larger than all together.
        let too_large = state.waiting > 0 && state.bytes.saturating_add(bytes) > shared.waiting_bytes;
        if state.waiting >= shared.most_waiting || too_large {
            return Err(Busy);
        }
        state.waiting += 1;
        state.bytes += bytes;
        Ok(Self { shared, bytes })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.waiting -= 1;
        state.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn places(most: usize, most_per_host: usize) -> Places {
        Places::new(&HttpSettings {
            egress: earcon_egress::Egress::new(Vec::new(), Vec::new()),
            ca_file: None,
            connect: Duration::from_secs(1),
            most,
            most_per_host,
            most_waiting: 2,
            waiting_bytes: 100,
        })
    }

    #[tokio::test]
    async fn a_slow_server_takes_no_place_of_others() {
        let places = places(3, 1);
        let _slow = places.take("slow", 0).await.unwrap();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take("slow", 0).await.is_ok() }
        });
        tokio::task::yield_now().await;
        let (_one, _other) = (places.take("one", 0).await.unwrap(), places.take("other", 0).await.unwrap());
        drop(_slow);
        assert!(!waiting.is_finished(), "all places are taken");
        drop(_one);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_in_number_and_bytes() {
        let places = places(1, 1);
        let first = places.take("a", 1_000).await.unwrap();
        let wait = |bytes| {
            let places = places.clone();
            tokio::spawn(async move { places.take("a", bytes).await.map(drop) })
        };
        let large = wait(90);
        tokio::task::yield_now().await;
        assert_eq!(wait(11).await.unwrap(), Err(Busy), "too many bytes");
        let small = wait(10);
        tokio::task::yield_now().await;
        assert_eq!(wait(0).await.unwrap(), Err(Busy), "too many requests");
        large.abort();
        assert!(large.await.is_err());
        let third = wait(0);
        drop(first);
        assert_eq!((small.await.unwrap(), third.await.unwrap()), (Ok(()), Ok(())));
    }

    #[tokio::test]
    async fn servers_without_requests_are_forgotten() {
        let places = places(1, 1);
        for number in 0..1_000 {
            drop(places.take(&format!("host-{number}"), 0).await.unwrap());
        }
        assert!(places.0.lock().hosts.len() <= 1 + 2 + 1, "{}", places.0.lock().hosts.len());
    }
}
