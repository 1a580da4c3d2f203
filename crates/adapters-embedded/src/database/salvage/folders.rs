//! The folders of table files that a damaged database has, and where the content of each listed
//! table file is now.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::check::{link, plain_files};
use super::super::inspect::Layout;
use super::super::keyspace_files::{self, Levels, TableFile};
use crate::event_log::files::is_unreadable;

/// Runs of one level of a keyspace: fjall counts them in a byte.
const RUNS: usize = 255;
/// Levels of a keyspace, as fjall creates it.
const LEVELS: usize = 7;

/// How much of a folder is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    /// All table files that can be opened, also those with damaged records.
    Most,
    /// The table files whose checksum is right.
    WholeFiles,
    Nothing,
}

impl Kept {
    pub(super) fn less(self) -> Self {
        match self {
            Self::Most => Self::WholeFiles,
            Self::WholeFiles | Self::Nothing => Self::Nothing,
        }
    }
}

/// Where a listed table file is.
#[derive(Debug)]
struct Content {
    path: PathBuf,
    is_whole: bool,
}

/// A folder of table files.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) kept: Kept,
    levels: Levels,
    /// By the number of the table file. Those that are lost are not here.
    contents: HashMap<u64, Content>,
    /// Whether the newest list of its table files was there.
    is_listed: bool,
}

impl Folder {
    /// Whether a table file is missing or damaged. Without the newest list, files may be there that
    /// the database had replaced.
    pub(super) fn is_in_doubt(&self) -> bool {
        let is_lost = |file: &TableFile| self.contents.get(&file.id).is_none_or(|content| !content.is_whole);
        !self.is_listed || self.kept == Kept::Nothing || self.levels.iter().flatten().flatten().any(is_lost)
    }

    /// Puts the table files into a keyspace that is a copy of an empty one.
    pub(super) fn put(&self, target: &Path) -> io::Result<()> {
        let is_kept = |file: &TableFile| match (self.kept, self.contents.get(&file.id)) {
            (Kept::Most, Some(_)) => true,
            (Kept::WholeFiles, Some(content)) => content.is_whole,
            _ => false,
        };
        let mut levels = self.levels.clone();
        levels.iter_mut().flatten().for_each(|run| run.retain(is_kept));
        levels.resize(LEVELS.max(levels.len()), Vec::new());
        keyspace_files::list_tables(target, &levels)?;
        let tables = keyspace_files::tables(target);
        for file in levels.iter().flatten().flatten() {
            let name = keyspace_files::path_of(&tables, *file);
            if let Some(Content { path, .. }) = self.contents.get(&file.id)
                && link(path, &name).is_err()
            {
                std::fs::copy(path, name)?;
            }
        }
        Ok(())
    }
}

/// All folders of a damaged database that may hold table files.
pub(super) fn find(damaged: &Layout) -> io::Result<Vec<Folder>> {
    let root = damaged.keyspaces();
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&root)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.is_dir());
    paths.sort();
    let lists: Vec<Option<List>> = paths.iter().map(|path| list_of(path)).collect();
    let listed: Vec<&TableFile> = lists.iter().flatten().flat_map(|(levels, _)| levels).flatten().flatten().collect();
    let mut finder = Finder {
        root: damaged.root.clone(),
        listed: listed.into_iter().map(|file| file.checksum).collect(),
        by_content: None,
    };
    paths.iter().zip(&lists).map(|(path, list)| finder.folder(path, list.clone())).collect()
}

/// Table files, and whether the list is the newest one.
type List = (Levels, bool);

/// The list of table files, also an old or a damaged one.
fn list_of(folder: &Path) -> Option<List> {
    let current = keyspace_files::listed_levels(folder).ok().map(|levels| (levels, true));
    current.or_else(|| keyspace_files::newest_levels(folder))
}

struct Finder {
    /// Where files are looked for.
    root: PathBuf,
    /// The checksums of all table files that are listed anywhere.
    listed: HashSet<u128>,
    /// Every file by the checksum of its content; read only if one is missing in its place.
    by_content: Option<HashMap<u128, PathBuf>>,
}

impl Finder {
    fn folder(&mut self, path: &Path, list: Option<List>) -> io::Result<Folder> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let tables = keyspace_files::tables(path);
        let (levels, is_listed) = match list {
            Some(list) => list,
            None => (self.without_list(&tables)?, false),
        };
        let mut contents = HashMap::new();
        for file in levels.iter().flatten().flatten() {
            if let Some(content) = self.content(&tables, *file)? {
                contents.insert(file.id, content);
            }
        }
        Ok(Folder { name, kept: Kept::Most, levels, contents, is_listed })
    }

    /// Where the content of a listed table file is. `None` if nothing is left of it.
    fn content(&mut self, tables: &Path, file: TableFile) -> io::Result<Option<Content>> {
        let own = keyspace_files::path_of(tables, file);
        let found = keyspace_files::content_checksum(&own).ok();
        if found == Some(file.checksum) {
            return Ok(Some(Content { path: own, is_whole: true }));
        }
        if let Some(path) = self.by_content()?.get(&file.checksum) {
            return Ok(Some(Content { path: path.clone(), is_whole: true }));
        }
        // Another table file may be in its place.
        let is_another = found.is_none_or(|found| self.listed.contains(&found));
        let is_own = !is_another && keyspace_files::has_end(&own) && keyspace_files::id_inside(&own) == Some(file.id);
        Ok(is_own.then_some(Content { path: own, is_whole: false }))
    }

    fn by_content(&mut self) -> io::Result<&HashMap<u128, PathBuf>> {
        if self.by_content.is_none() {
            let mut found = HashMap::new();
            let mut waiting = vec![self.root.clone()];
            while let Some(folder) = waiting.pop() {
                for entry in std::fs::read_dir(folder)? {
                    let path = entry?.path();
                    if path.is_dir() {
                        waiting.push(path);
                    } else if path.extension().is_none_or(|extension| extension != "jnl")
                        && let Ok(checksum) = keyspace_files::content_checksum(&path)
                    {
                        found.insert(checksum, path);
                    }
                }
            }
            self.by_content = Some(found);
        }
        Ok(self.by_content.get_or_insert_default())
    }

    /// All table files in a folder whose list is lost, each as a run of its own. fjall reads the
    /// newest of several records with one key, whatever the runs are.
    fn without_list(&self, tables: &Path) -> io::Result<Levels> {
        let mut files: Vec<TableFile> = Vec::new();
        for path in if tables.is_dir() { plain_files(tables)? } else { Vec::new() } {
            let checksum = match keyspace_files::content_checksum(&path) {
                Err(error) if is_unreadable(&error) => continue,
                checksum => checksum?,
            };
            let id = keyspace_files::id_inside(&path).filter(|_| keyspace_files::has_end(&path));
            if let Some(id) = id.filter(|_| !self.listed.contains(&checksum))
                && files.iter().all(|file| file.id != id)
            {
                files.push(TableFile { id, checksum, seqno: 0 });
            }
        }
        files.truncate(RUNS * LEVELS);
        let runs: Vec<Vec<TableFile>> = files.into_iter().map(|file| vec![file]).collect();
        Ok(runs.chunks(RUNS).map(<[_]>::to_vec).collect())
    }
}

/// Copies the files of an empty keyspace.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(keyspace_files::tables(to))?;
    for folder in [from.to_owned(), keyspace_files::tables(from)] {
        for file in if folder.is_dir() { plain_files(&folder)? } else { Vec::new() } {
            let place = file.strip_prefix(from).map_err(io::Error::other)?;
            std::fs::copy(&file, to.join(place))?;
        }
    }
    Ok(())
}
