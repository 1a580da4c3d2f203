//! Which log is in which directory. Directories of logs that were swapped, renamed or copied are
//! whole logs in a wrong place: the mend is a rename, so a repair leaves them alone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::check::read_header;
use super::damage::{Damage, Utc};
use super::deleted::{DeletedLog, DeletedLogs};
use super::deletion::DELETED;
use super::files::is_absent;
use super::mark::{StoredMark, mark_path};
use crate::repairs::progress::PROGRESS;
use earcon_model::{Seq, WorkspaceId};

/// The log in a directory, from the headers of its segments and from its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    workspace: String,
    log_id: u64,
    /// The sequence number after its last event, as far as headers and mark say.
    next: Seq,
}

/// A directory with a log in it.
#[derive(Debug)]
struct Place {
    name: String,
    path: PathBuf,
    content: Option<Content>,
    /// The number of the log of the mark next to the segments.
    marked: Option<u64>,
}

/// The logs in wrong places.
#[derive(Debug, Default)]
pub(crate) struct Misplaced {
    /// The places of the logs, and advice.
    pub(super) damages: Vec<Damage>,
    /// The workspaces whose directories are concerned. Their logs are not checked.
    pub(super) workspaces: Vec<WorkspaceId>,
}

/// Finds the logs in wrong places. `registered` are the numbers of the logs in the database.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn misplaced(
    logs: &Path,
    registered: &BTreeMap<WorkspaceId, u64>,
    deleted: &DeletedLogs,
) -> io::Result<Misplaced> {
    let places = places(logs)?;
    let mut found = Misplaced::default();
    for place in &places {
        let Some(content) = &place.content else { continue };
        let own = WorkspaceId::new(&place.name).ok();
        let registered_here = own.as_ref().and_then(|own| registered.get(own));
        let what = match deleted.get(content.log_id) {
            Some(deleted) if own.is_some() => Some(of_deleted(deleted, logs)),
            // A copy under a name of its own does no harm.
            Some(_) => None,
            None if content.workspace == place.name || registered_here == Some(&content.log_id) => None,
            None if is_exchange_of_files(place, content, registered_here, &places) => None,
            None => elsewhere(place, content, &places, logs),
        };
        let Some(what) = what else { continue };
        found.damages.push(Damage { path: place.path.clone(), offset: None, what, missing: None, frames_behind: 0 });
        found.workspaces.extend(own);
        found.workspaces.extend(WorkspaceId::new(&content.workspace).ok());
    }
    Ok(found)
}

/// Whether the directory is in its place, and only the segment files in it are of another log: its
/// mark is of its own log. A repair moves the files.
fn is_exchange_of_files(place: &Place, content: &Content, registered: Option<&u64>, places: &[Place]) -> bool {
    let is_own = |marked: u64| {
        let mut others = places.iter().filter_map(|other| other.content.as_ref());
        registered == Some(&marked) || others.any(|other| other.workspace == place.name && other.log_id == marked)
    };
    place.marked.is_some_and(|marked| marked != content.log_id && is_own(marked))
}

fn of_deleted(deleted: &DeletedLog, logs: &Path) -> String {
    let last = match deleted.last_ms {
        i64::MIN => String::new(),
        last_ms => format!(" after its event of {}", Utc(last_ms)),
    };
    format!(
        "workspace {} was deleted{last}, and this is an older copy of its log. Move it out of {}, or remove it",
        deleted.workspace,
        logs.display()
    )
}

/// A log that is not in the directory of its workspace, and advice about it.
fn elsewhere(place: &Place, content: &Content, places: &[Place], logs: &Path) -> Option<String> {
    let Content { workspace, log_id, next } = content;
    let home = logs.join(workspace);
    let found = places.iter().find(|other| other.name == *workspace).and_then(|other| other.content.as_ref());
    let is_workspace = WorkspaceId::new(&place.name).is_ok();
    Some(match found {
        None => format!("it holds the log of workspace {workspace}. Rename it to {}", home.display()),
        // A copy under a name of its own does no harm.
        Some(_) if !is_workspace => return None,
        Some(other) if other.log_id == *log_id => {
            let advice = if *next > other.next {
                // The one with more events is the newer one.
                format!(
                    "Move {1} out of {0}, and rename {2} to {1}",
                    logs.display(),
                    home.display(),
                    place.path.display()
                )
            } else {
                format!("Move {} out of {}", place.path.display(), logs.display())
            };
            format!(
                "it holds a copy of the log of workspace {workspace}, up to event {}, and {} holds that log up to event \
                 {}. {advice}",
                next.saturating_sub(1),
                home.display(),
                other.next.saturating_sub(1)
            )
        }
        Some(other) if other.workspace == place.name => format!(
            "it holds the log of workspace {workspace}, and {} holds that of workspace {}. The two directories were \
             swapped: swap their names back",
            home.display(),
            place.name
        ),
        Some(other) if other.workspace == *workspace => format!(
            "it holds another log of workspace {workspace} than {}. Move it out of {}",
            home.display(),
            logs.display()
        ),
        Some(other) => format!(
            "it holds the log of workspace {workspace}, and {} holds that of workspace {}. Give each directory the \
             name of the workspace whose log it holds",
            home.display(),
            other.workspace
        ),
    })
}

/// The directories of logs, also those whose names no workspace can have.
fn places(logs: &Path) -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    let entries = match std::fs::read_dir(logs) {
        Err(error) if is_absent(&error) => return Ok(places),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        if path.is_dir() && !name.starts_with(DELETED) {
            let (content, mark) = (content(&path)?, StoredMark::load(&mark_path(&path))?);
            let marked = mark.valid().map(|mark| mark.log_id);
            places.push(Place { name, path, content, marked });
        }
    }
    places.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(places)
}

/// The log that all readable headers of a directory name. `None` if they do not agree, and while a
/// repair is under way: then the segments are checked one by one.
fn content(dir: &Path) -> io::Result<Option<Content>> {
    let mut found: Option<Content> = None;
    if dir.join(PROGRESS).exists() {
        return Ok(None);
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        let Ok(Some((header, _))) = read_header(&path) else { continue };
        match &mut found {
            None => {
                found = Some(Content { workspace: header.workspace, log_id: header.log_id, next: header.first });
            }
            Some(known) if known.log_id == header.log_id && known.workspace == header.workspace => {
                known.next = known.next.max(header.first);
            }
            Some(_) => return Ok(None),
        }
    }
    if let (Some(found), StoredMark::Valid(mark)) = (&mut found, StoredMark::load(&mark_path(dir))?)
        && mark.log_id == found.log_id
    {
        found.next = found.next.max(mark.next);
    }
    Ok(found)
}
