//! What nodes write into the shared table.

use serde::{Deserialize, Serialize};

use earcon_model::WorkspaceId;

/// One life of a node: its name and a number that no other life of it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeEpoch {
    /// The node's name.
    pub node: String,
    /// Which life.
    pub life: String,
}

/// What a node says of itself, again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Which life of the node this is.
    pub life: String,
    /// When that life began, milliseconds UTC by its own clock.
    pub started_ms: i64,
    /// When it wrote this, milliseconds UTC by its own clock: for people and to notice clocks that disagree, nothing is decided
    /// by it.
    pub written_ms: i64,
    /// Version of the program.
    pub version: String,
    /// It is shutting down and wants no workspaces.
    pub leaving: bool,
}

/// Who owns a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The owner; `None` when the last one left and named no successor.
    pub owner: Option<NodeEpoch>,
}

/// What an entry of the table is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A node.
    Node(String),
    /// A workspace.
    Workspace(WorkspaceId),
}

impl Key {
    /// The entry's key as text.
    pub fn text(&self) -> String {
        match self {
            Key::Node(node) => format!("node.{node}"),
            Key::Workspace(workspace) => format!("workspace.{workspace}"),
        }
    }

    /// Reads a key; `None` for what a newer version may have put there.
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
    fn keys_are_read_back() {
        for key in [Key::Node("a.b-c".into()), Key::Workspace(WorkspaceId::new("shop_1").unwrap())] {
            assert_eq!(Key::parse(&key.text()), Some(key));
        }
        for strange in ["", "node", "node.", "workspace.A", "other.x"] {
            assert_eq!(Key::parse(strange), None, "{strange:?}");
        }
    }
}
