//! `[workspaces]`: which workspaces there are, and who may create more.

use super::reader::Reader;
use earcon_model::WorkspaceId;
use earcon_tenancy::Creators;

/// Which workspaces there are, and who may create more.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspaces {
    /// They are created at a start.
    pub names: Vec<WorkspaceId>,
    /// Who may create more.
    pub create: Creators,
    /// Most workspaces.
    pub most: usize,
}

impl Workspaces {
    pub(super) fn read(read: &mut Reader) -> Self {
        let names = read.list("workspaces.names");
        let names = names.iter().filter_map(|name| match WorkspaceId::new(name) {
            Ok(id) => Some(id),
            Err(error) => {
                read.problem("workspaces.names", format!("{name:?}: {error}"));
                None
            }
        });
        Self {
            names: names.collect(),
            create: read
                .one_of("workspaces.create", &[("permitted", Creators::Permitted), ("nobody", Creators::Nobody)]),
            most: read.number("workspaces.max", 1, 100_000) as usize,
        }
    }
}
