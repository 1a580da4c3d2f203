//! The entries that nodes write into the shared table.

use serde::{Deserialize, Serialize};

use earcon_model::WorkspaceId;

/// One run of a node's process: the node's name and an identifier that no other run has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeEpoch {
    /// The node's name.
    pub node: String,
    /// Identifies the run.
    pub epoch: String,
}

/// The content of a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Identifies the run of the node.
    pub epoch: String,
    /// When that run began, milliseconds UTC by the node's own clock.
    pub started_ms: i64,
    /// When it was written, milliseconds UTC by the node's own clock. For people, and to notice
    /// clocks that disagree; no decision depends on it.
    pub written_ms: i64,
    /// Version of the program.
    pub version: String,
    /// The node is shutting down and accepts no workspaces.
    pub leaving: bool,
}

/// The owner of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The owner; `None` if the last one left and named no successor.
    pub owner: Option<NodeEpoch>,
    /// Which of the workspaces that had this name, one after the other.
    pub generation: u64,
    /// Whether there is such a workspace.
    pub standing: Standing,
}

/// Whether there is a workspace. The entry of a deleted one stays, so that no node makes it again
/// by mistake, and so that the next workspace of its name gets a higher generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// There is one.
    Live,
    /// It is being deleted. Its owner does that, or another node if the owner is dead.
    Deleting,
    /// It is deleted.
    Deleted,
}

impl Ownership {
    /// The entry of a live workspace.
    pub fn live(owner: Option<NodeEpoch>, generation: u64) -> Self {
        Self { owner, generation, standing: Standing::Live }
    }
}

/// One time that a node owns a workspace. Another owner, or the same node once more, has another
/// term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The owner.
    pub owner: NodeEpoch,
    /// The revision of the entry that names the owner.
    pub revision: u64,
}

impl Term {
    /// The name under which the owner serves the workspace in this term.
    pub fn address(&self) -> String {
        format!("{}-{}", self.owner.epoch, self.revision)
    }
}

/// The key of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A node.
    Node(String),
    /// A workspace.
    Workspace(WorkspaceId),
}

impl Key {
    /// The key as text.
    pub fn text(&self) -> String {
        match self {
            Key::Node(node) => format!("node.{node}"),
            Key::Workspace(workspace) => format!("workspace.{workspace}"),
        }
    }

    /// Reads a key; `None` for keys of other versions.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('.')?;
        match kind {
            "node" if !name.is_empty() => Some(Key::Node(name.to_owned())),
            "workspace" => WorkspaceId::new(name).ok().map(Key::Workspace),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_term_has_an_address_of_its_own() {
        let term =
            |epoch: &str, revision| Term { owner: NodeEpoch { node: "a".into(), epoch: epoch.into() }, revision };
        assert_eq!(term("e", 3).address(), "e-3");
        assert_ne!(term("e", 3).address(), term("e", 4).address());
        assert_ne!(term("e", 3).address(), term("f", 3).address());
    }

    #[test]
    fn entries_are_read_back_and_stay_readable_for_people() {
        let ownership = Ownership { standing: Standing::Deleting, ..Ownership::live(None, 3) };
        let text = serde_json::to_string(&ownership).unwrap();
        assert_eq!(text, r#"{"owner":null,"generation":3,"standing":"deleting"}"#);
        assert_eq!(serde_json::from_str::<Ownership>(&text).unwrap(), ownership);
    }

    #[test]
    fn keys_are_read_back() {
        for key in [Key::Node("a.b-c".into()), Key::Workspace(WorkspaceId::new("shop_1").unwrap())] {
            assert_eq!(Key::parse(&key.text()), Some(key));
        }
        for strange in ["", "node", "node.", "workspace.A", "other.x"] {
            assert_eq!(Key::parse(strange), None, "{strange:?}");
        }
    }
}
