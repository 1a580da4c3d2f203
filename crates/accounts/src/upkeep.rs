//! What is done from time to time: notes of used keys, records that are over, the signing key.

use std::sync::PoisonError;

use earcon_identity::record::{Record, RecordKey};
use earcon_identity::token::SigningKey;
use earcon_model::OrganisationId;

use crate::accounts::Accounts;
use crate::caller::By;
use crate::error::AccountsError;
use crate::ledger::Plan;

/// Records of one change.
const MOST_AT_ONCE: usize = 200;
/// How long an ended session or a used invitation is still listed, milliseconds: seven days.
const KEPT_MS: i64 = 7 * 86_400_000;

impl Accounts {
    /// Writes down which keys were used. Call it every minute.
    ///
    /// # Errors
    /// Those of the store. The notes are kept for the next time.
    pub async fn write_used_keys(&self) -> Result<usize, AccountsError> {
        let used: Vec<_> = {
            let mut used = self.shared.used_keys.lock().unwrap_or_else(PoisonError::into_inner);
            let some: Vec<_> = used.iter().take(MOST_AT_ONCE).copied().collect();
            used.retain(|id| !some.contains(id));
            some
        };
        let now_ms = self.now_ms();
        let written = self.change(|view| {
            let mut plan = Plan::nothing(0);
            for key in used.iter().filter_map(|id| view.api_key(*id)?.used(now_ms)) {
                plan.output += 1;
                plan = plan.put(Record::ApiKey(Box::new(key)));
            }
            Ok(plan)
        });
        let written = written.await;
        if written.is_err() {
            self.shared.used_keys.lock().unwrap_or_else(PoisonError::into_inner).extend(used);
        }
        written
    }

    /// Removes sessions and invitations that have been over for a week. Call it every hour. Returns
    /// how many.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep(&self) -> Result<usize, AccountsError> {
        let now_ms = self.now_ms();
        let mut swept = 0;
        loop {
            let some = self.sweep_some(now_ms).await?;
            swept += some;
            if some < MOST_AT_ONCE {
                break;
            }
        }
        self.shared.ledger.sweep_marks().await?;
        Ok(swept)
    }

    async fn sweep_some(&self, now_ms: i64) -> Result<usize, AccountsError> {
        let policy = self.shared.settings.sessions;
        self.change(|view| {
            let sessions = view.sessions().filter(|session| {
                let over_ms = session.ended.map_or(session.expires_ms(&policy), |(at_ms, _)| at_ms);
                over_ms.saturating_add(KEPT_MS) < now_ms
            });
            let invitations = view.organisations().flat_map(|organisation| view.invitations_of(&organisation.id));
            let invitations = invitations.filter(|invitation| invitation.expires_ms.saturating_add(KEPT_MS) < now_ms);
            let keys = sessions
                .map(|session| RecordKey::Session(session.id))
                .chain(invitations.map(|invitation| RecordKey::Invitation(invitation.id)));
            let mut plan = Plan::nothing(0);
            for key in keys.take(MOST_AT_ONCE) {
                plan.output += 1;
                plan = plan.remove(key);
            }
            Ok(plan)
        })
        .await
    }

    /// Replaces the key that signs tokens if it is old. Tokens of the old one stay valid. Call it
    /// every hour. Returns whether it was replaced.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rotate_signing_key(&self) -> Result<bool, AccountsError> {
        let age_ms = i64::try_from(self.shared.settings.signing_key_age.as_millis()).unwrap_or(i64::MAX);
        let (now_ms, id, secret) = (self.now_ms(), self.draw(), self.draw());
        self.change(|view| {
            let keys = view.signing_keys().ok_or(AccountsError::NotFound("signing key"))?;
            let due = now_ms.saturating_sub(keys.current().since_ms) >= age_ms && keys.may_rotate(now_ms);
            if !due {
                return Ok(Plan::nothing(false));
            }
            let next = keys.rotate(SigningKey::from_random(id, secret, now_ms));
            let entry = self.done(&By::system(), view, "signing-key.rotated", next.current().id.to_string());
            let plan = Plan::nothing(true).put(Record::SigningKeys(Box::new(next)));
            Ok(plan.note(OrganisationId::default_organisation(), entry))
        })
        .await
    }
}
