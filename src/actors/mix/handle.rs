//! Messages of a mix, and the handle that sends them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::ActorRef;
use serde::{Deserialize, Serialize};

use super::listening::Listening;
use crate::actors::ask::{self, Reply, ask};
use earcon_audio::{MixSettings, Mode, Polarity, Voice};
use earcon_model::KpiName;
use earcon_ports::{PortError, Revision};

/// The one mix every workspace has.
pub const DEFAULT_MIX: &str = "default";

/// A mix as people see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MixView {
    /// How it sounds.
    pub settings: MixSettings,
    /// Revision of the settings; 0 until they are changed.
    pub revision: Revision,
    /// How many listen.
    pub listeners: usize,
    /// Whether it is rendered right now.
    pub running: bool,
    /// The voices that sound now.
    pub sounding: Arc<Vec<Voice>>,
}

/// A change of settings; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MixChange {
    /// Ambient, or cues only.
    pub mode: Option<Mode>,
    /// KPIs in the foreground.
    pub voices: Option<u8>,
    /// Which way is up, by KPI; replaces the whole table.
    pub polarity: Option<BTreeMap<KpiName, Polarity>>,
}

pub(super) enum Message {
    Load,
    Listen(Reply<Listening>),
    Left,
    LingerOver(u64),
    FellBehind,
    Describe(Reply<MixView>),
    Change(MixChange, Option<Revision>, Reply<Result<MixView, PortError>>),
}

/// A handle to a mix. Its queries return `None` if the workspace is closing.
#[derive(Clone)]
pub struct Mix(ActorRef<Message>);

impl Mix {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// Begins to listen.
    pub async fn listen(&self) -> Option<Listening> {
        ask(&self.0, Message::Listen).await
    }

    /// Its settings and state.
    pub async fn describe(&self) -> Option<MixView> {
        ask(&self.0, Message::Describe).await
    }

    /// Changes settings for all listeners, durably. With `expected`, only if that is still the
    /// revision.
    pub async fn change(&self, change: MixChange, expected: Option<Revision>) -> Option<Result<MixView, PortError>> {
        ask(&self.0, |reply| Message::Change(change, expected, reply)).await
    }

    /// Stops the mix; listeners see the end.
    pub async fn stop(&self) {
        ask::stop(&self.0).await;
    }
}
