//! One migration at a time: a row that its holder renews and that expires with it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::super::database::{CqlDatabase, Outcome, Prepared, Purpose};
use earcon_ports::{ErrorKind, PortError};

/// How long a holder that died keeps the lock. One statement and the agreement after it take less.
const EXPIRY: Duration = Duration::from_secs(180);
/// Between two attempts to take it.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Lock<'a> {
    database: &'a CqlDatabase,
    holder: String,
    renew: Prepared,
    release: Prepared,
}

impl<'a> Lock<'a> {
    /// Waits for the lock, at most until a dead holder's would have expired.
    pub(super) async fn take(database: &'a CqlDatabase) -> Result<Self, PortError> {
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
                Outcome::Applied => return Ok(lock),
                // Renewing tells whether it was applied after all.
                Outcome::Unknown(_) if lock.renew().await.is_ok() => return Ok(lock),
                Outcome::Refused | Outcome::Unknown(_) => {}
            }
            if Instant::now() > deadline {
                return Err(PortError::new(ErrorKind::Unavailable, "another migration of the keyspace does not end"));
            }
            sleep(PAUSE).await;
        }
    }

    /// Keeps the lock for its whole time again.
    ///
    /// # Errors
    /// `Conflict` when somebody else has it by now.
    pub(super) async fn renew(&self) -> Result<(), PortError> {
        match self.database.conditionally(&self.renew, (&self.holder, &self.holder)).await? {
            Outcome::Applied => Ok(()),
            Outcome::Refused => {
                Err(PortError::new(ErrorKind::Conflict, "the lock of the migration expired and somebody else took it"))
            }
            Outcome::Unknown(error) => Err(error),
        }
    }

    pub(super) async fn release(self) -> Result<(), PortError> {
        match self.database.conditionally(&self.release, (&self.holder,)).await? {
            Outcome::Applied | Outcome::Refused => Ok(()),
            Outcome::Unknown(error) => Err(error),
        }
    }
}
