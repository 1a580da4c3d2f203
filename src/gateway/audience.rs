//! Many connections that receive the same things, written to by few tasks.
//!
//! A task for each connection costs a wake-up, a turn of the scheduler and contention for shared
//! state with each delivery, which together cost as much as the write. Here a [`Program`] wakes
//! once for up to [`SEATS`] connections and writes to one after the other, without waiting for any.
//! The seat of a connection that cannot keep up decides: it skips, or leaves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Most connections that one task writes to in turn: well under a millisecond of writes. More tasks
/// use more cores.
const SEATS: usize = 128;

/// What an audience receives.
pub(crate) trait Program: Send + 'static {
    /// One connection, with what is its own.
    type Seat: Send + 'static;

    /// Waits for the next things to deliver; false at the end. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = bool> + Send;

    /// Greets a connection that has just arrived. Returns false to remove it.
    fn welcome(&mut self, seat: &mut Self::Seat) -> bool;

    /// Delivers to a connection, without waiting. Returns false to remove it.
    fn deliver(&mut self, seat: &mut Self::Seat) -> bool;

    /// Every connection has been delivered to.
    fn delivered(&mut self) {}
}

/// The connections of a program. Cheap to clone.
pub(crate) struct Audience<S>(Arc<House<S>>);

struct House<S> {
    rows: Mutex<Vec<Arc<Row<S>>>>,
    occupied: AtomicUsize,
}

/// The connections of one task.
struct Row<S> {
    arrivals: Mutex<Vec<Arc<Place<S>>>>,
    /// A connection arrived, or the last one left.
    changed: Notify,
    occupied: AtomicUsize,
}

type Place<S> = Mutex<Option<Occupied<S>>>;

struct Occupied<S> {
    seat: S,
    row: Arc<Row<S>>,
    house: Arc<House<S>>,
}

impl<S> Drop for Occupied<S> {
    fn drop(&mut self) {
        self.house.occupied.fetch_sub(1, Ordering::AcqRel);
        if self.row.occupied.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.row.changed.notify_one();
        }
    }
}

/// A place in an audience. Dropping it leaves: nothing is written to the connection afterwards.
pub(crate) struct Ticket<S>(Option<Arc<Place<S>>>);

impl<S> Ticket<S> {
    /// Leaves the connection to the audience until the program ends or removes it.
    pub(crate) fn stay(mut self) {
        self.0 = None;
    }
}

impl<S> Drop for Ticket<S> {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            let left = lock(place).take();
            drop(left);
        }
    }
}

impl<S> Clone for Audience<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Default for Audience<S> {
    fn default() -> Self {
        Self(Arc::new(House { rows: Mutex::default(), occupied: AtomicUsize::new(0) }))
    }
}

impl<S: Send + 'static> Audience<S> {
    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.0.occupied.load(Ordering::Acquire)
    }

    /// Adds a connection. `program` begins a program for one more task.
    pub(crate) fn join<P: Program<Seat = S>>(&self, seat: S, program: impl FnOnce() -> P) -> Ticket<S> {
        let mut rows = lock(&self.0.rows);
        let free = rows.iter().find(|row| row.occupied.load(Ordering::Acquire) < SEATS).cloned();
        let row = free.unwrap_or_else(|| {
            let row =
                Arc::new(Row { arrivals: Mutex::default(), changed: Notify::new(), occupied: AtomicUsize::new(0) });
            rows.push(row.clone());
            tokio::spawn(run(program(), row.clone(), self.0.clone()));
            row
        });
        row.occupied.fetch_add(1, Ordering::AcqRel);
        self.0.occupied.fetch_add(1, Ordering::AcqRel);
        let occupied = Occupied { seat, row: row.clone(), house: self.0.clone() };
        let place = Arc::new(Mutex::new(Some(occupied)));
        lock(&row.arrivals).push(place.clone());
        row.changed.notify_one();
        Ticket(Some(place))
    }
}

/// Delivers to one row until the program ends, or no connection is left.
async fn run<P: Program>(mut program: P, row: Arc<Row<P::Seat>>, house: Arc<House<P::Seat>>) {
    let mut places: Vec<Arc<Place<P::Seat>>> = Vec::new();
    loop {
        let more = tokio::select! {
            more = program.next() => Some(more),
            () = row.changed.notified() => None,
        };
        // A connection that joined before a delivery gets it.
        if more.is_none() {
            places.retain(|place| lock(place).is_some());
        }
        let arrivals = std::mem::take(&mut *lock(&row.arrivals));
        places.extend(arrivals.into_iter().filter(|place| visit(place, |seat| program.welcome(seat))));
        match more {
            Some(true) => places.retain(|place| visit(place, |seat| program.deliver(seat))),
            Some(false) => break,
            None => {}
        }
        program.delivered();
        if closed(&row, &house) {
            return;
        }
        // A round is many system calls: others have their turn before the next one.
        tokio::task::yield_now().await;
    }
    lock(&house.rows).retain(|other| !Arc::ptr_eq(other, &row));
    places.append(&mut lock(&row.arrivals));
    for place in places {
        let left = lock(&place).take();
        drop(left);
    }
}

/// Removes the row if no connection is left. A connection joins under the same lock, so none joins
/// a row that ends.
fn closed<S>(row: &Arc<Row<S>>, house: &House<S>) -> bool {
    let mut rows = lock(&house.rows);
    let empty = row.occupied.load(Ordering::Acquire) == 0;
    if empty {
        rows.retain(|other| !Arc::ptr_eq(other, row));
    }
    empty
}

/// Whether the connection stays.
fn visit<S>(place: &Place<S>, mut act: impl FnMut(&mut S) -> bool) -> bool {
    let mut place = lock(place);
    let stays = place.as_mut().is_some_and(|occupied| act(&mut occupied.seat));
    if !stays {
        *place = None;
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

    impl Program for Numbers {
        type Seat = mpsc::UnboundedSender<u32>;

        async fn next(&mut self) -> bool {
            self.source.recv().await.is_ok_and(|number| {
                self.number = number;
                true
            })
        }

        fn welcome(&mut self, seat: &mut Self::Seat) -> bool {
            seat.send(0).is_ok()
        }

        fn deliver(&mut self, seat: &mut Self::Seat) -> bool {
            seat.send(self.number).is_ok()
        }
    }

    fn join(
        audience: &Audience<mpsc::UnboundedSender<u32>>,
        source: &broadcast::Sender<u32>,
    ) -> (Ticket<mpsc::UnboundedSender<u32>>, mpsc::UnboundedReceiver<u32>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (audience.join(sender, || Numbers { source: source.subscribe(), number: 0 }), receiver)
    }

    #[tokio::test]
    async fn every_connection_of_every_row_gets_everything_after_its_welcome() {
        let (source, _) = broadcast::channel(8);
        let audience = Audience::default();
        let mut joined: Vec<_> = (0..SEATS * 2 + 1).map(|_| join(&audience, &source)).collect();
        assert_eq!((audience.len(), lock(&audience.0.rows).len()), (SEATS * 2 + 1, 3));
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
            assert_eq!(receiver.recv().await, None, "the end of the program is the end of the connection");
        }
        assert_eq!((audience.len(), lock(&audience.0.rows).len()), (0, 0));
    }

    #[tokio::test]
    async fn a_connection_that_left_gets_nothing_and_its_place_is_free() {
        let (source, _) = broadcast::channel(8);
        let audience = Audience::default();
        let (ticket, mut left) = join(&audience, &source);
        let (stays, mut right) = join(&audience, &source);
        stays.stay();
        let (_held, fails) = join(&audience, &source);
        assert_eq!((left.recv().await, right.recv().await), (Some(0), Some(0)));
        drop((ticket, fails));
        assert_eq!((left.recv().await, audience.len()), (None, 2));
        assert!(source.send(7).is_ok());
        assert_eq!(right.recv().await, Some(7));
        while audience.len() > 1 {
            tokio::task::yield_now().await;
        }
        drop(right);
        assert!(source.send(8).is_ok());
        while !lock(&audience.0.rows).is_empty() {
            tokio::task::yield_now().await;
        }
        let (_again, mut receiver) = join(&audience, &source);
        assert_eq!(receiver.recv().await, Some(0), "a new row begins");
    }
}
