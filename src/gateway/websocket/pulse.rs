//! Whether the client of a WebSocket is still there.

/// What to do after an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Ask the client to show that it is there.
    Ping,
    /// The client did not answer the last ping.
    Dead,
}

/// Pings, and what came after them.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pinged: bool,
    heard: bool,
}

impl Pulse {
    /// The client sent something.
    pub(super) fn hear(&mut self) {
        self.heard = true;
    }

    /// An interval is over.
    pub(super) fn beat(&mut self) -> Beat {
        if self.pinged && !self.heard {
            return Beat::Dead;
        }
        self.pinged = true;
        self.heard = false;
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_dead_if_it_is_silent_for_a_whole_interval_after_a_ping() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.beat(), Beat::Ping, "a new client has been asked nothing");
        pulse.hear();
        assert_eq!(pulse.beat(), Beat::Ping);
        assert_eq!(pulse.beat(), Beat::Dead);
    }
}
