//! The series of a batch as their first rows sent them, and the words about rows that send them
//! otherwise.

use super::batch_builder::Route;
use super::series_cache::{Sent, Target};
use earcon_model::Reading;

/// A series of a batch, as its first row sends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) route: Route,
    pub(super) reading: Reading,
    pub(super) sent: Option<Sent>,
}

impl Opened {
    /// Why a raw series is not this one although its name and its labels are. `None` if it is.
    #[cold]
    pub(super) fn difference(&self, target: &Target) -> Option<String> {
        let kpi = &target.kpi;
        if self.reading != target.reading {
            let name = |reading| if reading == Reading::Counter { "totals of a counter" } else { "measurements" };
            return Some(format!(
                "an earlier row of this request says that the values of {kpi} with these labels are {}, and this one \
                 that they are {}; send all of them alike, or under two names",
                name(self.reading),
                name(target.reading)
            ));
        }
        let (one, other) = self.sent.zip(target.sent).filter(|(one, other)| one != other)?;
        Some(if one.joint == other.joint && one.kinds != other.kinds {
            format!(
                "{kpi} has another series in this request whose labels are equal as texts, but are values of another \
                 kind, such as the number 1 and the text \"1\"; send values of one kind"
            )
        } else {
            format!(
                "{kpi} is already the name of another series of this request, whose name has other parts or is written \
                 with other characters that look alike; rename one of them"
            )
        })
    }
}

/// What to know about a series that is sent otherwise than before.
pub(super) fn merged(target: &Target) -> String {
    let Target { kpi, labels, .. } = target;
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    format!(
        "{kpi}{labels} has come before as another series: its name was joined from other parts, or values of its labels \
         were of another kind, such as the number 1 and the text \"1\"; the samples of both interleave from now on"
    )
}
