//! Which requests of other nodes this node has executed, so that each is executed once however
//! often it arrives.
//!
//! A request is sent again if no answer comes. Its copies may arrive late: a frozen NATS server
//! delivers its messages when it continues. A copy of a settled request is ignored. A copy of a
//! request that is being executed waits for the same answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::request::Header;

/// Sends an answer.
pub(super) type Responder = Box<dyn FnOnce(Bytes) + Send>;

/// The requests of all other nodes. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::actors) struct Executed(Arc<Mutex<HashMap<String, Sender>>>);

/// The requests of one run of a node.
#[derive(Default)]
struct Sender {
    /// Lower numbers are settled.
    settled: u64,
    /// The others that have arrived.
    requests: BTreeMap<u64, State>,
}

enum State {
    /// It is being executed. The newest copy gets the answer; the sender no longer waits for the
    /// answer to an earlier one.
    Running(Responder),
    Answered(Bytes),
}

impl Executed {
    /// A request has arrived. Returns whether it must be executed; then
    /// [`finished`](Self::finished) has to follow.
    pub(super) fn arrived(&self, header: &Header, reply: Responder) -> bool {
        let mut senders = self.senders();
        let sender = senders.entry(header.sender.clone()).or_default();
        sender.settle(header.settled);
        if header.number < sender.settled {
            return false;
        }
        match sender.requests.get_mut(&header.number) {
            None => {
                sender.requests.insert(header.number, State::Running(reply));
                true
            }
            Some(State::Running(newest)) => {
                *newest = reply;
                false
            }
            Some(State::Answered(answer)) => {
                let answer = answer.clone();
                drop(senders);
                reply(answer);
                false
            }
        }
    }

    /// The request has been executed: sends the answer, and keeps it for later copies.
    pub(super) fn finished(&self, header: &Header, answer: Bytes) {
        let mut senders = self.senders();
        let request = senders.get_mut(&header.sender).and_then(|sender| sender.requests.get_mut(&header.number));
        // A request that the sender has given up is forgotten.
        let Some(request) = request else { return };
        let before = std::mem::replace(request, State::Answered(answer.clone()));
        drop(senders);
        if let State::Running(reply) = before {
            reply(answer);
        }
    }

    fn senders(&self) -> MutexGuard<'_, HashMap<String, Sender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    fn settle(&mut self, below: u64) {
        if below > self.settled {
            self.settled = below;
            self.requests = self.requests.split_off(&below);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn header(number: u64, settled: u64) -> Header {
        Header { sender: "n1".into(), number, settled }
    }

    fn responder() -> (Responder, Receiver<Bytes>) {
        let (sender, answers) = channel();
        let reply = move |answer| {
            let _unread = sender.send(answer).is_err();
        };
        (Box::new(reply), answers)
    }

    #[test]
    fn copy_is_not_executed_and_gets_the_same_answer() {
        let executed = Executed::default();
        let ((first, to_first), (second, to_second), (third, to_third)) = (responder(), responder(), responder());
        assert!(executed.arrived(&header(4, 0), first));
        assert!(!executed.arrived(&header(4, 0), second), "it is being executed");
        executed.finished(&header(4, 0), "done".into());
        assert!(!executed.arrived(&header(4, 0), third), "it is answered");
        assert!(to_first.try_recv().is_err(), "the sender has stopped waiting for it");
        assert_eq!((to_second.try_recv().unwrap(), to_third.try_recv().unwrap()), ("done".into(), "done".into()));
    }

    #[test]
    fn late_copy_of_a_settled_request_is_ignored() {
        let executed = Executed::default();
        assert!(executed.arrived(&header(4, 0), responder().0));
        executed.finished(&header(4, 0), "done".into());
        assert!(executed.arrived(&header(6, 5), responder().0));
        let (late, answers) = responder();
        assert!(!executed.arrived(&header(4, 0), late));
        // It never arrived before, but its sender has given it up.
        assert!(!executed.arrived(&header(3, 0), responder().0));
        assert!(answers.try_recv().is_err());
        let remembered: Vec<u64> = executed.senders()["n1"].requests.keys().copied().collect();
        assert_eq!(remembered, [6], "settled requests need no memory");
    }

    #[test]
    fn nodes_number_their_requests_independently() {
        let executed = Executed::default();
        assert!(executed.arrived(&header(4, 4), responder().0));
        let other = Header { sender: "n2".into(), ..header(0, 0) };
        assert!(executed.arrived(&other, responder().0));
    }
}
