//! Many connections that receive the same things, written to by few tasks.
//!
//! A task for each connection costs a wake-up, a turn of the scheduler and contention for shared
//! state with each delivery, which together cost as much as the write. Here the connections of a
//! [`Feed`] are divided into shards. The task of a shard wakes once and writes to one connection
//! after the other, without waiting for any. A connection that cannot keep up skips, or leaves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Most connections that one task writes to in turn: well under a millisecond of writes. More tasks
/// use more cores.
const SHARD_SIZE: usize = 128;

/// What the connections of a group receive. Each shard has one.
pub(crate) trait Feed: Send + 'static {
    /// One connection, with what is its own.
    type Member: Send + 'static;

    /// Waits for the next things to deliver; false at the end. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = bool> + Send;

    /// Writes the first messages of a connection. Returns false to remove it.
    fn joined(&mut self, member: &mut Self::Member) -> bool;

    /// Delivers to a connection, without waiting. Returns false to remove it.
    fn deliver(&mut self, member: &mut Self::Member) -> bool;

    /// Every connection has been delivered to.
    fn delivered(&mut self) {}
}

/// The connections of a feed. Cheap to clone.
pub(crate) struct ConnectionGroup<S>(Arc<GroupState<S>>);

struct GroupState<S> {
    shards: Mutex<Vec<Arc<Shard<S>>>>,
    connections: AtomicUsize,
}

/// The connections of one task.
struct Shard<S> {
    arrivals: Mutex<Vec<Arc<Slot<S>>>>,
    /// A connection arrived, or the last one left.
    changed: Notify,
    connections: AtomicUsize,
}

type Slot<S> = Mutex<Option<Entry<S>>>;

struct Entry<S> {
    member: S,
    shard: Arc<Shard<S>>,
    group: Arc<GroupState<S>>,
}

impl<S> Drop for Entry<S> {
    fn drop(&mut self) {
        self.group.connections.fetch_sub(1, Ordering::AcqRel);
        if self.shard.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shard.changed.notify_one();
        }
    }
}

/// The membership of a connection. Dropping it leaves: nothing is written to the connection
/// afterwards.
pub(crate) struct Membership<S>(Option<Arc<Slot<S>>>);

impl<S> Membership<S> {
    /// Leaves the connection to the group until the feed ends or removes it.
    pub(crate) fn stay(mut self) {
        self.0 = None;
    }
}

impl<S> Drop for Membership<S> {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            let left = lock(slot).take();
            drop(left);
        }
    }
}

impl<S> Clone for ConnectionGroup<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Default for ConnectionGroup<S> {
    fn default() -> Self {
        Self(Arc::new(GroupState { shards: Mutex::default(), connections: AtomicUsize::new(0) }))
    }
}

impl<S: Send + 'static> ConnectionGroup<S> {
    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.0.connections.load(Ordering::Acquire)
    }

    /// Adds a connection. `feed` makes the feed of one more shard.
    pub(crate) fn join<P: Feed<Member = S>>(&self, member: S, feed: impl FnOnce() -> P) -> Membership<S> {
        let mut shards = lock(&self.0.shards);
        let free = shards.iter().find(|shard| shard.connections.load(Ordering::Acquire) < SHARD_SIZE).cloned();
        let shard = free.unwrap_or_else(|| {
            let shard = Arc::new(Shard {
                arrivals: Mutex::default(),
                changed: Notify::new(),
                connections: AtomicUsize::new(0),
            });
            shards.push(shard.clone());
            tokio::spawn(run(feed(), shard.clone(), self.0.clone()));
            shard
        });
        shard.connections.fetch_add(1, Ordering::AcqRel);
        self.0.connections.fetch_add(1, Ordering::AcqRel);
        let entry = Entry { member, shard: shard.clone(), group: self.0.clone() };
        let slot = Arc::new(Mutex::new(Some(entry)));
        lock(&shard.arrivals).push(slot.clone());
        shard.changed.notify_one();
        Membership(Some(slot))
    }
}

/// Delivers to one shard until the feed ends, or no connection is left.
async fn run<P: Feed>(mut feed: P, shard: Arc<Shard<P::Member>>, group: Arc<GroupState<P::Member>>) {
    let mut slots: Vec<Arc<Slot<P::Member>>> = Vec::new();
    loop {
        let more = tokio::select! {
            more = feed.next() => Some(more),
            () = shard.changed.notified() => None,
        };
        // A connection that joined before a delivery gets it.
        if more.is_none() {
            slots.retain(|slot| lock(slot).is_some());
        }
        let arrivals = std::mem::take(&mut *lock(&shard.arrivals));
        slots.extend(arrivals.into_iter().filter(|slot| visit(slot, |member| feed.joined(member))));
        match more {
            Some(true) => slots.retain(|slot| visit(slot, |member| feed.deliver(member))),
            Some(false) => break,
            None => {}
        }
        feed.delivered();
        if closed(&shard, &group) {
            return;
        }
        // A round is many system calls: others have their turn before the next one.
        tokio::task::yield_now().await;
    }
    lock(&group.shards).retain(|other| !Arc::ptr_eq(other, &shard));
    slots.append(&mut lock(&shard.arrivals));
    for slot in slots {
        let left = lock(&slot).take();
        drop(left);
    }
}

/// Removes the shard if no connection is left. A connection joins under the same lock, so none
/// joins a shard that ends.
fn closed<S>(shard: &Arc<Shard<S>>, group: &GroupState<S>) -> bool {
    let mut shards = lock(&group.shards);
    let empty = shard.connections.load(Ordering::Acquire) == 0;
    if empty {
        shards.retain(|other| !Arc::ptr_eq(other, shard));
    }
    empty
}

/// Whether the connection stays.
fn visit<S>(slot: &Slot<S>, mut act: impl FnMut(&mut S) -> bool) -> bool {
    let mut slot = lock(slot);
    let stays = slot.as_mut().is_some_and(|entry| act(&mut entry.member));
    if !stays {
        *slot = None;
    }
    stays
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::{broadcast, mpsc};

    /// Delivers numbers. A connection leaves when its channel is closed.
    struct Numbers {
        source: broadcast::Receiver<u32>,
        number: u32,
    }

    impl Feed for Numbers {
        type Member = mpsc::UnboundedSender<u32>;

        async fn next(&mut self) -> bool {
            self.source.recv().await.is_ok_and(|number| {
                self.number = number;
                true
            })
        }

        fn joined(&mut self, member: &mut Self::Member) -> bool {
            member.send(0).is_ok()
        }

        fn deliver(&mut self, member: &mut Self::Member) -> bool {
            member.send(self.number).is_ok()
        }
    }

    fn join(
        group: &ConnectionGroup<mpsc::UnboundedSender<u32>>,
        source: &broadcast::Sender<u32>,
    ) -> (Membership<mpsc::UnboundedSender<u32>>, mpsc::UnboundedReceiver<u32>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (group.join(sender, || Numbers { source: source.subscribe(), number: 0 }), receiver)
    }

    #[tokio::test]
    async fn every_connection_of_every_row_gets_everything_after_its_welcome() {
        let (source, _) = broadcast::channel(8);
        let group = ConnectionGroup::default();
        let mut joined: Vec<_> = (0..SHARD_SIZE * 2 + 1).map(|_| join(&group, &source)).collect();
        assert_eq!((group.len(), lock(&group.0.shards).len()), (SHARD_SIZE * 2 + 1, 3));
        for (_, receiver) in &mut joined {
            assert_eq!(receiver.recv().await, Some(0));
        }
        for number in 1..=3 {
            assert!(source.send(number).is_ok());
        }
        for (_, receiver) in &mut joined {
            for number in 1..=3 {
                assert_eq!(receiver.recv().await, Some(number));
            }
        }
        drop(source);
        for (_, receiver) in &mut joined {
            assert_eq!(receiver.recv().await, None, "the end of the feed is the end of the connection");
        }
        assert_eq!((group.len(), lock(&group.0.shards).len()), (0, 0));
    }

    #[tokio::test]
    async fn a_connection_that_left_gets_nothing_and_its_place_is_free() {
        let (source, _) = broadcast::channel(8);
        let group = ConnectionGroup::default();
        let (membership, mut left) = join(&group, &source);
        let (stays, mut right) = join(&group, &source);
        stays.stay();
        let (_held, fails) = join(&group, &source);
        assert_eq!((left.recv().await, right.recv().await), (Some(0), Some(0)));
        drop((membership, fails));
        assert_eq!((left.recv().await, group.len()), (None, 2));
        assert!(source.send(7).is_ok());
        assert_eq!(right.recv().await, Some(7));
        while group.len() > 1 {
            tokio::task::yield_now().await;
        }
        drop(right);
        assert!(source.send(8).is_ok());
        while !lock(&group.0.shards).is_empty() {
            tokio::task::yield_now().await;
        }
        let (_again, mut receiver) = join(&group, &source);
        assert_eq!(receiver.recv().await, Some(0), "a new shard begins");
    }
}
