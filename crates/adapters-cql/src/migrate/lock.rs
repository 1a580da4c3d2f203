//! The migration lock: a row that its holder renews and that expires if the holder dies.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::database::{ConditionalResult, CqlDatabase, Prepared, Purpose};
use earcon_ports::{ErrorKind, PortError};

/// How long a dead holder keeps the lock. One statement and the schema agreement after it take
/// less.
const EXPIRY: Duration = Duration::from_secs(180);
/// Pause between two attempts to acquire the lock.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Lock<'a> {
    database: &'a CqlDatabase,
    holder: String,
    renew: Prepared,
    release: Prepared,
}

impl<'a> Lock<'a> {
    /// Waits for the lock, at most until the lock of a dead holder has expired.
    pub(super) async fn acquire(database: &'a CqlDatabase) -> Result<Self, PortError> {
        let expiry = EXPIRY.as_secs();
        let take = format!(
            "INSERT INTO schema_version (id, version, name) VALUES ('lock', 0, ?) IF NOT EXISTS USING TTL {expiry}"
        );
        let renew = format!(
            "UPDATE schema_version USING TTL {expiry} SET name = ? WHERE id = 'lock' AND version = 0 IF name = ?"
        );
        let release = "DELETE FROM schema_version WHERE id = 'lock' AND version = 0 IF name = ?";
        let take = database.prepare(&take, Purpose::Conditional).await?;
        let lock = Self {
            database,
            holder: Uuid::new_v4().to_string(),
            renew: database.prepare(&renew, Purpose::Conditional).await?,
            release: database.prepare(release, Purpose::Conditional).await?,
        };
        let deadline = Instant::now() + EXPIRY + Duration::from_secs(10);
        loop {
            match database.conditionally(&take, (&lock.holder,)).await? {
                ConditionalResult::Applied => return Ok(lock),
                // A successful renewal shows that the lock was acquired after all.
                ConditionalResult::Unknown(_) if lock.renew().await.is_ok() => return Ok(lock),
                ConditionalResult::NotApplied | ConditionalResult::Unknown(_) => {}
            }
            if Instant::now() > deadline {
                return Err(PortError::new(ErrorKind::Unavailable, "another migration of the keyspace does not end"));
            }
            sleep(PAUSE).await;
        }
    }

    /// Extends the lock to its full time.
    ///
    /// # Errors
    /// `Conflict` when the lock expired and another program has it.
    pub(super) async fn renew(&self) -> Result<(), PortError> {
        match self.database.conditionally(&self.renew, (&self.holder, &self.holder)).await? {
            ConditionalResult::Applied => Ok(()),
            ConditionalResult::NotApplied => {
                Err(PortError::new(ErrorKind::Conflict, "the migration lock expired and another program took it"))
            }
            ConditionalResult::Unknown(error) => Err(error),
        }
    }

    pub(super) async fn release(self) -> Result<(), PortError> {
        match self.database.conditionally(&self.release, (&self.holder,)).await? {
            ConditionalResult::Applied | ConditionalResult::NotApplied => Ok(()),
            ConditionalResult::Unknown(error) => Err(error),
        }
    }
}
