//! What all clients together may hold: connections, and bytes of requests and answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use crate::telemetry::{Metric, count, gauge};

/// Most of everything, for all clients together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Connections.
    pub connections: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Bytes of request bodies, after decompression.
    pub request_bytes: usize,
    /// Bytes of answers that are not written yet.
    pub answer_bytes: usize,
}

/// Why a connection is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are too many connections.
    All,
    /// There are too many connections from its address.
    Address,
}

/// How many connections there are, in all and from each address.
#[derive(Debug, Default)]
struct SeatTable {
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl SeatTable {
    fn take(&mut self, address: IpAddr, room: &Room) -> Result<(), Full> {
        if self.taken >= room.connections {
            return Err(Full::All);
        }
        let here = self.by_address.get(&address).copied().unwrap_or_default();
        if here >= room.connections_per_address {
            return Err(Full::Address);
        }
        self.taken += 1;
        self.by_address.insert(address, here + 1);
        Ok(())
    }

    fn leave(&mut self, address: IpAddr) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(here) = self.by_address.get_mut(&address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// The places of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Seats(Arc<SeatState>);

#[derive(Debug)]
struct SeatState {
    room: Room,
    table: Mutex<SeatTable>,
    taken: watch::Sender<usize>,
}

impl Seats {
    /// No place is taken.
    pub(crate) fn new(room: Room) -> Self {
        Self(Arc::new(SeatState { room, table: Mutex::default(), taken: watch::Sender::new(0) }))
    }

    /// A place for a connection, which its socket keeps.
    ///
    /// # Errors
    /// When no place is left.
    pub(crate) fn take(&self, address: IpAddr) -> Result<Seat, Full> {
        let mut table = self.0.lock();
        table.take(address, &self.0.room).inspect_err(|_| count(Metric::ConnectionsRefused, 1))?;
        self.0.taken.send_replace(table.taken);
        gauge(Metric::Connections).increment(1.0);
        Ok(Seat { seats: self.clone(), address })
    }

    /// Waits until all connections have ended.
    pub(crate) async fn empty(&self) {
        let mut taken = self.0.taken.subscribe();
        // The sender lives as long as this.
        let _gone = taken.wait_for(|taken| *taken == 0).await.is_err();
    }
}

impl SeatState {
    fn lock(&self) -> MutexGuard<'_, SeatTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.seats.0.lock();
        table.leave(self.address);
        self.seats.0.taken.send_replace(table.taken);
        gauge(Metric::Connections).decrement(1.0);
    }
}

/// Bytes that may be held at once. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<BudgetState>);

#[derive(Debug)]
struct BudgetState {
    most: usize,
    used: AtomicUsize,
    shown: Metric,
}

impl Budget {
    /// Nothing is held. `shown` is the gauge of the bytes held.
    pub(crate) fn new(most: usize, shown: Metric) -> Self {
        Self(Arc::new(BudgetState { most, used: AtomicUsize::new(0), shown }))
    }

    /// Whether so much is held that a large answer had better not be made.
    pub(crate) fn is_tight(&self) -> bool {
        self.0.used.load(Ordering::Acquire) > self.0.most / 4 * 3
    }

    /// Holds nothing yet.
    pub(crate) fn nothing(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// Holds this many bytes; `None` if there is no room for them.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let mut reservation = self.nothing();
        reservation.grow(bytes).then_some(reservation)
    }
}

/// Bytes that are held. Dropping it returns them.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Holds more bytes. Returns false, and holds what it held, if there is no room for them.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        self.grow_leaving(bytes, 0)
    }

    /// Holds more bytes of something that is still arriving. It may never hold more than it leaves
    /// free, so that many which never end cannot keep out a small one (the dynamic threshold of
    /// Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
    /// 1998, with a factor of 1). Returns as [`grow`](Self::grow) does.
    pub(crate) fn grow_arriving(&mut self, bytes: usize) -> bool {
        self.grow_leaving(bytes, self.bytes.saturating_add(bytes))
    }

    fn grow_leaving(&mut self, bytes: usize, free: usize) -> bool {
        let BudgetState { most, used, shown } = &*self.budget.0;
        let fits = |held: usize| {
            let sum = held.checked_add(bytes)?;
            (sum.checked_add(free)? <= *most).then_some(sum)
        };
        if used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_err() {
            count(Metric::RoomRefused, 1);
            return false;
        }
        gauge(*shown).increment(bytes as f64);
        self.bytes += bytes;
        true
    }

    /// Returns the held bytes.
    pub(crate) fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            self.budget.0.used.fetch_sub(bytes, Ordering::AcqRel);
            gauge(self.budget.0.shown).decrement(bytes as f64);
        }
    }

    /// Binds the reservation to bytes: it ends with their last copy.
    pub(crate) fn of(self, bytes: Bytes) -> Bytes {
        if self.bytes == 0 { bytes } else { Bytes::from_owner(Held { bytes, _reservation: self }) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

struct Held {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { connections: 3, connections_per_address: 2, request_bytes: 100, answer_bytes: 100 };

    #[tokio::test]
    async fn places_are_bounded_in_all_and_for_each_address() {
        let seats = Seats::new(ROOM);
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let (first, second) = (seats.take(one).unwrap(), seats.take(one).unwrap());
        assert_eq!(seats.take(one).unwrap_err(), Full::Address);
        let third = seats.take(other).unwrap();
        assert_eq!(seats.take(other).unwrap_err(), Full::All);
        drop(first);
        let again = seats.take(one).unwrap();
        drop((again, third, second));
        seats.empty().await;
        assert!(seats.0.lock().by_address.is_empty(), "no address is remembered");
    }

    #[test]
    fn bytes_are_held_until_the_last_copy_is_gone() {
        let budget = Budget::new(100, Metric::RequestBytes);
        let held = budget.reserve(80).unwrap().of(Bytes::from(vec![1; 80]));
        let part = held.slice(70..);
        drop(held);
        assert!(budget.reserve(21).is_none());
        let mut rest = budget.reserve(15).unwrap();
        assert!(rest.grow(5) && !rest.grow(1), "full");
        assert_eq!(part.as_ref(), [1; 10]);
        drop(part);
        assert!(rest.grow(80));
        drop(rest);
        assert_eq!(budget.0.used.load(Ordering::Acquire), 0);
    }

    #[test]
    fn what_never_ends_arriving_leaves_room_for_small_ones() {
        let budget = Budget::new(1_000, Metric::RequestBytes);
        let mut endless: Vec<_> = (0..40).map(|_| budget.nothing()).collect();
        while endless.iter_mut().filter_map(|held| held.grow_arriving(1).then_some(())).count() > 0 {}
        let mut small = budget.nothing();
        assert!(small.grow_arriving(12), "{budget:?}");
        drop((endless, small));
        let mut alone = budget.nothing();
        assert!(alone.grow_arriving(500) && !alone.grow_arriving(1), "half of the room");
    }
}
