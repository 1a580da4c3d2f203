//! Random bytes for secrets, from outside: tests use known ones.

/// A source of random bytes that cannot be predicted.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The random bytes of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // Without random bytes nothing here is safe. Linux has them as soon as it has started.
        getrandom::fill(bytes).expect("the operating system has random bytes");
    }
}

/// An array of random bytes.
pub(crate) fn draw<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}
