//! The audit log of an organisation: records in a hash chain.
//!
//! A record is one line of JSON, and it names the SHA-256 of the line before it. So a changed, a
//! removed or an inserted record shows, and `sha256sum` can check an export. A cut tail shows only
//! against a head that was kept elsewhere: that is why heads are published.

mod chain;

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

pub use chain::{Broken, Hash, Head, What, verify};

use crate::id::{KeyId, ServiceAccountId, UserId};

/// The version of the form of a record.
pub const FORMAT: u32 = 1;
/// Longest text of a record, bytes. Longer ones end with a note that says how much is missing.
pub const MAX_TEXT_BYTES: usize = 1_000;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Actor {
    /// A person.
    User {
        /// The user.
        id: UserId,
        /// Their name at that time.
        name: String,
    },
    /// A key of a person.
    UserKey {
        /// The key.
        id: KeyId,
        /// Its owner.
        user: UserId,
        /// The key's name at that time.
        name: String,
    },
    /// A key of a program.
    ServiceKey {
        /// The key.
        id: KeyId,
        /// Its owner.
        service: ServiceAccountId,
        /// The key's name at that time.
        name: String,
    },
    /// A person on the machine of the server, without credentials.
    Loopback,
    /// Earcon itself.
    System,
    /// A request that proved nothing. The name is the one that it gave.
    Unknown {
        /// For example the sign-in name.
        name: String,
    },
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not permitted.
    Refused,
    /// It was tried and failed.
    Failed,
}

/// What happened, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// When.
    pub at_ms: i64,
    /// Who.
    pub actor: Actor,
    /// What, as `thing.verb`, such as `member.added`.
    pub action: String,
    /// On what, such as a user's identifier.
    pub target: String,
    /// How it ended.
    pub outcome: Outcome,
    /// More, for people.
    pub detail: Option<String>,
    /// From where: a network address.
    pub from: Option<String>,
    /// The version of the program.
    pub code: String,
    /// The version of the accounts that the change made. Such a record is written once, however
    /// often its writing is repeated.
    pub change: Option<u64>,
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// The version of this form.
    pub format: u32,
    /// The organisation.
    pub organisation: OrganisationId,
    /// The place in the chain, from 1.
    pub seq: u64,
    /// The hash of the record before it.
    pub previous: Hash,
    /// The newest version of the accounts that this record or one before it names.
    pub changes: u64,
    /// What happened.
    pub entry: AuditEntry,
}

/// A line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the line is no audit record: {0}")]
pub struct NotARecord(String);

impl AuditEntry {
    /// The entry with texts of bounded length.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        match &mut self.actor {
            Actor::User { name, .. } | Actor::UserKey { name, .. } | Actor::ServiceKey { name, .. } => bound(name),
            Actor::Unknown { name } => bound(name),
            Actor::Loopback | Actor::System => {}
        }
        bound(&mut self.action);
        bound(&mut self.target);
        bound(&mut self.code);
        self.detail.iter_mut().chain(&mut self.from).for_each(bound);
        self
    }
}

fn bound(text: &mut String) {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let missing = text.len() - end;
        text.truncate(end);
        text.push_str(&format!(" … ({missing} bytes more)"));
    }
}

impl AuditRecord {
    /// The one line of the record, without a line break.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a record is JSON")
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`NotARecord`], also for a line that says the same in another form: a record has one text.
    pub fn read(line: &str) -> Result<Self, NotARecord> {
        let record: Self = serde_json::from_str(line).map_err(|error| NotARecord(error.to_string()))?;
        if record.format != FORMAT {
            return Err(NotARecord(format!("it has the format {}, and this program knows {FORMAT}", record.format)));
        }
        if record.line() == line { Ok(record) } else { Err(NotARecord("it is not in its canonical form".to_owned())) }
    }
}

#[cfg(test)]
mod tests;
