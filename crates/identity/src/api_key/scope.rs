//! What a key may do: permissions, and limits to one mix or to some KPIs.

use earcon_model::KpiName;
use serde::{Deserialize, Serialize};

use crate::role::{Permission, Permissions};

/// The rights of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What it may do.
    pub permissions: Permissions,
    /// The only mix that it may hear.
    pub mix: Option<Box<str>>,
    /// The only KPIs that it may send or read.
    pub kpis: Option<KpiPattern>,
}

/// Why a scope is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It permits nothing.
    #[error("a key permits at least one thing")]
    Nothing,
    /// It exceeds the rights of its creator.
    #[error("a key permits no more than its creator may do: {0} is too much")]
    TooMuch(Permission),
    /// A permission cannot be limited.
    #[error("a key that is limited to a mix or to some KPIs cannot have {0}")]
    Unlimited(Permission),
    /// The pattern breaks its rule.
    #[error("a pattern for KPIs is a name, or the beginning of one and a '*'")]
    Pattern,
    /// The mix has no name of a mix.
    #[error("a mix has a name of 1 to 63 characters of a-z, 0-9, '-' and '_'")]
    Mix,
}

/// Permissions that a mix limits: of all others, such a key has none.
const OF_A_MIX: Permissions = Permissions::of(&[Permission::Listen]);
/// Permissions that a pattern for KPIs limits.
const OF_KPIS: Permissions = Permissions::of(&[Permission::Ingest, Permission::Upload, Permission::Read]);

impl Scope {
    /// All of these permissions, without other limits.
    pub fn of(permissions: Permissions) -> Self {
        Self { permissions, mix: None, kpis: None }
    }

    /// Sends samples and does nothing else. For agents.
    pub fn ingest_only() -> Self {
        Self::of(Permissions::of(&[Permission::Ingest]))
    }

    /// Hears mixes and does nothing else. For loudspeakers.
    pub fn listen_only() -> Self {
        Self::of(Permissions::of(&[Permission::Listen]))
    }

    /// Checks a scope against the rights of its creator.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn checked(self, creator: Permissions) -> Result<Self, ScopeError> {
        if self.permissions.is_none() {
            return Err(ScopeError::Nothing);
        }
        if let Some(permission) = self.permissions.without(creator).iter().next() {
            return Err(ScopeError::TooMuch(permission));
        }
        let limited_to = match (&self.mix, &self.kpis) {
            (None, None) => Permissions::ALL,
            (Some(_), None) => OF_A_MIX,
            (None, Some(_)) => OF_KPIS,
            (Some(_), Some(_)) => OF_A_MIX.and(OF_KPIS),
        };
        if let Some(permission) = self.permissions.without(limited_to).iter().next() {
            return Err(ScopeError::Unlimited(permission));
        }
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let is_mix = |mix: &str| (1..=63).contains(&mix.len()) && mix.bytes().all(legal);
        if self.mix.as_deref().is_some_and(|mix| !is_mix(mix)) { Err(ScopeError::Mix) } else { Ok(self) }
    }

    /// Whether the key may hear this mix.
    pub fn admits_mix(&self, mix: &str) -> bool {
        self.permissions.has(Permission::Listen) && self.mix.as_deref().is_none_or(|only| only == mix)
    }

    /// Whether the key may send or read this KPI, as far as its limits say.
    pub fn admits_kpi(&self, kpi: &KpiName) -> bool {
        self.kpis.as_ref().is_none_or(|pattern| pattern.matches(kpi.as_str()))
    }
}

/// A name of a KPI, or the beginning of names followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KpiPattern(Box<str>);

impl KpiPattern {
    /// Validates a pattern.
    ///
    /// # Errors
    /// [`ScopeError::Pattern`].
    pub fn new(text: &str) -> Result<Self, ScopeError> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let whole = text == "*" || KpiName::new(name).is_ok();
        if whole { Ok(Self(text.into())) } else { Err(ScopeError::Pattern) }
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.0.strip_suffix('*').map_or(&*self.0 == name, |beginning| name.starts_with(beginning))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KpiPattern {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::new(&text)
    }
}

impl From<KpiPattern> for String {
    fn from(pattern: KpiPattern) -> String {
        pattern.0.into()
    }
}
