//! Limits for sign-in attempts: token buckets by account and by address, bounded in number.
//!
//! An attempt takes a token before the password is compared, so that many attempts at once cannot
//! pass together. A success gives the tokens back.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::credential::digest;

/// The size of a bucket, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Attempts that may follow each other at once. At least 1.
    pub burst: u32,
    /// Time until one more is allowed, milliseconds. At least 1.
    pub every_ms: i64,
}

/// Buckets by key. A key is a hash, so that names of any length take the same room.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    most: usize,
    buckets: HashMap<[u8; 16], Bucket>,
    /// Shared by all keys that found no room. They are slowed together.
    overflow: Bucket,
}

/// Attempts as time: each moves `free_at_ms` on by one interval.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// When the bucket is full again.
    full_at_ms: i64,
}

impl Buckets {
    /// Empty buckets; at most `most` are kept.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, buckets: HashMap::new(), overflow: Bucket::default() }
    }

    /// Takes one attempt.
    ///
    /// # Errors
    /// The time until one is allowed, milliseconds.
    pub fn take(&mut self, key: &[u8], now_ms: i64) -> Result<(), i64> {
        let rate = self.rate;
        self.bucket(hashed(key), now_ms).take(rate, now_ms)
    }

    /// Gives an attempt back.
    pub fn give_back(&mut self, key: &[u8]) {
        if let Some(bucket) = self.buckets.get_mut(&hashed(key)) {
            bucket.full_at_ms -= self.rate.every_ms;
        }
    }

    /// How many buckets are kept.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no bucket is kept.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    fn bucket(&mut self, key: [u8; 16], now_ms: i64) -> &mut Bucket {
        if !self.buckets.contains_key(&key) && self.buckets.len() >= self.most {
            // Only full buckets are forgotten: an attacker gets no attempts back by naming other
            // accounts.
            self.buckets.retain(|_, bucket| bucket.full_at_ms > now_ms);
            if self.buckets.len() >= self.most {
                return &mut self.overflow;
            }
        }
        self.buckets.entry(key).or_default()
    }
}

impl Bucket {
    fn take(&mut self, rate: Rate, now_ms: i64) -> Result<(), i64> {
        let every_ms = rate.every_ms.max(1);
        let span_ms = every_ms.saturating_mul(i64::from(rate.burst.max(1)));
        // A clock that was set back must not lock anyone out for longer than an empty bucket does.
        let full_at_ms = self.full_at_ms.clamp(now_ms, now_ms.saturating_add(span_ms));
        let after_ms = full_at_ms.saturating_add(every_ms);
        self.full_at_ms = full_at_ms;
        if after_ms.saturating_sub(now_ms) > span_ms {
            return Err(after_ms - now_ms - span_ms);
        }
        self.full_at_ms = after_ms;
        Ok(())
    }
}

fn hashed(key: &[u8]) -> [u8; 16] {
    let hash = digest(b"earcon throttle", &[key]);
    std::array::from_fn(|at| hash[at])
}

/// Attempts to sign in.
#[derive(Debug)]
pub struct SignInThrottle {
    accounts: Buckets,
    addresses: Buckets,
}

/// Too many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts to sign in; try again in {} seconds", .retry_after_ms.div_euclid(1_000) + 1)]
pub struct TooManyAttempts {
    /// Time until an attempt is allowed, milliseconds.
    pub retry_after_ms: i64,
}

impl Default for SignInThrottle {
    /// An account: eight attempts, then one in 30 seconds. An address: 40 attempts, then one in 5
    /// seconds, because many people may share it.
    fn default() -> Self {
        let (account, address) = (Rate { burst: 8, every_ms: 30_000 }, Rate { burst: 40, every_ms: 5_000 });
        Self::new(account, address, 20_000)
    }
}

impl SignInThrottle {
    /// At most `most` accounts and as many addresses are kept.
    pub fn new(account: Rate, address: Rate, most: usize) -> Self {
        Self { accounts: Buckets::new(account, most), addresses: Buckets::new(address, most) }
    }

    /// Takes one attempt for an account, which need not exist, from an address.
    ///
    /// # Errors
    /// [`TooManyAttempts`]. Such an attempt must not be tried.
    pub fn attempt(&mut self, account: &str, address: IpAddr, now_ms: i64) -> Result<(), TooManyAttempts> {
        let refused = |retry_after_ms| TooManyAttempts { retry_after_ms };
        let network = network(address);
        self.addresses.take(&network, now_ms).map_err(refused)?;
        self.accounts.take(account.as_bytes(), now_ms).map_err(refused)
    }

    /// Takes one attempt of a user who has signed in and proves the password again.
    ///
    /// # Errors
    /// [`TooManyAttempts`]. Such an attempt must not be tried.
    pub fn attempt_for_account(&mut self, account: &str, now_ms: i64) -> Result<(), TooManyAttempts> {
        // Others can use up the attempts to sign in, but not those of a session.
        let account = format!("session {account}");
        self.accounts.take(account.as_bytes(), now_ms).map_err(|retry_after_ms| TooManyAttempts { retry_after_ms })
    }

    /// That attempt succeeded.
    pub fn account_succeeded(&mut self, account: &str) {
        self.accounts.give_back(format!("session {account}").as_bytes());
    }

    /// The attempt succeeded: it counts for nothing.
    pub fn succeeded(&mut self, account: &str, address: IpAddr) {
        self.addresses.give_back(&network(address));
        self.accounts.give_back(account.as_bytes());
    }
}

/// The bytes that stand for an address: of IPv6 the network of 64 bits, which one customer has.
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { burst: 3, every_ms: 10 };

    #[test]
    fn attempts_are_allowed_in_a_burst_and_then_at_the_rate() {
        let mut buckets = Buckets::new(RATE, 10);
        assert_eq!([(); 4].map(|()| buckets.take(b"a", 100)), [Ok(()), Ok(()), Ok(()), Err(10)]);
        assert_eq!(buckets.take(b"a", 109), Err(1));
        assert_eq!((buckets.take(b"a", 110), buckets.take(b"a", 110)), (Ok(()), Err(10)));
        assert_eq!(buckets.take(b"b", 110), Ok(()), "each key has its own");
        buckets.give_back(b"a");
        assert_eq!(buckets.take(b"a", 110), Ok(()));
        assert_eq!([(); 4].map(|()| buckets.take(b"a", 10_000)), [Ok(()), Ok(()), Ok(()), Err(10)], "never more");
    }

    #[test]
    fn clock_that_was_set_back_locks_nobody_out_for_long() {
        let mut buckets = Buckets::new(RATE, 10);
        assert_eq!(buckets.take(b"a", 1_000_000), Ok(()));
        assert!(buckets.take(b"a", 0).is_err());
        assert_eq!(buckets.take(b"a", 30), Ok(()));
    }

    #[test]
    fn number_of_buckets_is_bounded_and_no_attempts_come_back_by_that() {
        let mut buckets = Buckets::new(RATE, 2);
        while buckets.take(b"victim", 0).is_ok() {}
        assert_eq!(buckets.take(b"x", 0), Ok(()));
        let more = (0..10).filter(|number: &u8| buckets.take(&[*number], 0).is_ok()).count();
        assert_eq!((more, buckets.len()), (3, 2), "the others share one bucket");
        assert!(buckets.take(b"victim", 0).is_err());
        assert_eq!(buckets.take(b"y", 1_000), Ok(()));
        assert!(buckets.len() <= 2 && !buckets.is_empty());
    }

    #[test]
    fn sign_in_is_limited_by_account_and_by_network() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut throttle = SignInThrottle::new(RATE, Rate { burst: 5, every_ms: 10 }, 100);
        let mut attempt = |account: &str, from: &str| throttle.attempt(account, address(from), 0).is_ok();
        let one_account: Vec<bool> = (0..4).map(|host| attempt("ada", &format!("192.0.2.{host}"))).collect();
        assert_eq!(one_account, [true, true, true, false]);
        let one_network: Vec<bool> = (0..6).map(|n| attempt(&format!("u{n}"), &format!("2001:db8::{n}"))).collect();
        assert_eq!(one_network, [true, true, true, true, true, false]);
        assert!(!attempt("v", "2001:db8::ffff") && attempt("v", "2001:db8:0:1::1"));
        let session: Vec<bool> = (0..4).map(|_| throttle.attempt_for_account("ada", 0).is_ok()).collect();
        assert_eq!(session, [true, true, true, false], "others cannot use these up");
        throttle.account_succeeded("ada");
        assert!(throttle.attempt_for_account("ada", 0).is_ok());
        assert_eq!(TooManyAttempts { retry_after_ms: 1_500 }.to_string().matches("2 seconds").count(), 1);
    }

    proptest! {
        #[test]
        fn never_more_attempts_than_burst_and_rate_allow(waits in prop::collection::vec(0_i64..25, 1..100)) {
            let (mut buckets, mut now_ms, mut allowed) = (Buckets::new(RATE, 4), 0, 0);
            for wait_ms in waits {
                now_ms += wait_ms;
                allowed += i64::from(buckets.take(b"a", now_ms).is_ok());
                prop_assert!(allowed <= 3 + now_ms / 10);
            }
        }
    }
}
