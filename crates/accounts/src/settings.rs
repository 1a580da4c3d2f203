//! The settings of the service.

use std::time::Duration;

use earcon_identity::name::Name;
use earcon_identity::password::Cost;
use earcon_identity::session::SessionPolicy;
use earcon_identity::view::Limits;

/// How the service works.
#[derive(Debug, Clone)]
pub struct AccountsSettings {
    /// The name of the installation in tokens. The same on all nodes.
    pub issuer: String,
    /// The name of the installation in authenticator apps.
    pub display_name: Name,
    /// The version of the program, for audit records.
    pub code_version: String,
    /// How long sessions live.
    pub sessions: SessionPolicy,
    /// The most records of each kind.
    pub limits: Limits,
    /// How much work a guess of a password costs.
    pub password_cost: Cost,
    /// Passwords that are hashed at once.
    pub hashing_at_once: usize,
    /// Passwords that may wait for that.
    pub hashing_waiting: usize,
    /// Age at which the key that signs tokens is replaced.
    pub signing_key_age: Duration,
}

impl Default for AccountsSettings {
    fn default() -> Self {
        Self {
            issuer: "earcon".to_owned(),
            display_name: Name::new("Earcon").expect("a legal name"),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            sessions: SessionPolicy::default(),
            limits: Limits::default(),
            password_cost: Cost::default(),
            hashing_at_once: 2,
            hashing_waiting: 32,
            signing_key_age: Duration::from_secs(30 * 86_400),
        }
    }
}
