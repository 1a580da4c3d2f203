//! Typed records in the meta store.
//!
//! One record is a value under a name, changed by compare-and-set. A record that cannot be read is
//! treated in one way. [`Records::get`] returns an error of kind `Corrupt` that names the key. A
//! list leaves the record out, warns once about it, and reports it in [`Page::unreadable`]. Only
//! [`Records::load`] goes on without the value, for records that their owner writes again and
//! again.

mod family;

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::family::Family;
use self::family::Format;
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, MetaRecord, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// Most records that one read of the store returns.
pub const PAGE: usize = 200;
/// How often [`Records::update`] tries again when another writer was faster.
pub(in crate::services) const TRIES: usize = 20;
/// Unreadable records that are remembered, so that each is warned about once.
const MOST_WARNED: usize = 1_000;

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// Its name in the family.
    pub name: String,
    /// For compare-and-set.
    pub revision: Revision,
    /// Its value.
    pub value: T,
}

/// A record that is there and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name in the family.
    pub name: String,
    /// For compare-and-set.
    pub revision: Revision,
}

/// Records in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Those that could be read.
    pub records: Vec<Stored<T>>,
    /// Those that could not. They are there and count towards the limit of a family.
    pub unreadable: Vec<Unreadable>,
    /// The name to continue after; `None` on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// How many records there are, readable or not.
    pub fn count(&self) -> usize {
        self.records.len() + self.unreadable.len()
    }

    /// The values alone.
    pub fn values(self) -> Vec<T> {
        self.records.into_iter().map(|record| record.value).collect()
    }
}

/// The records of one family. Cheap to clone; clones share the memory of warnings.
pub struct Records<T> {
    meta: Arc<dyn MetaStore>,
    family: Family,
    warned: Arc<Mutex<HashSet<(WorkspaceId, String, Revision)>>>,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Records<T> {
    fn clone(&self) -> Self {
        let (meta, warned) = (self.meta.clone(), self.warned.clone());
        Self { meta, family: self.family, warned, value: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Records<T> {
    /// The records of `family` in this store.
    pub fn new(meta: Arc<dyn MetaStore>, family: Family) -> Self {
        Self { meta, family, warned: Arc::default(), value: PhantomData }
    }

    /// One record.
    ///
    /// # Errors
    /// `Corrupt` with the key if the record cannot be read; those of the store.
    pub async fn get(&self, pass: &WorkspacePass, name: &str) -> Result<Option<Stored<T>>, PortError> {
        let record = self.meta.get(pass, &self.family.key(name)).await?;
        record.map(|record| self.decode(&record)).transpose()
    }

    /// The revision of a record, which need not be readable; 0 if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn revision(&self, pass: &WorkspacePass, name: &str) -> Result<Revision, PortError> {
        Ok(self.meta.get(pass, &self.family.key(name)).await?.map_or(0, |record| record.revision))
    }

    /// The value and the revision of a record that its next writer replaces anyway. One that cannot
    /// be read is warned about, and its revision is returned without a value; 0 if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(&self, pass: &WorkspacePass, name: &str) -> Result<(Option<T>, Revision), PortError> {
        let record = self.meta.get(pass, &self.family.key(name)).await?;
        Ok(record.map_or((None, 0), |record| self.read_or_warn(pass, &record)))
    }

    /// The same, unless the record still has the revision `known`: then `None`, and nothing is
    /// decoded.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load_newer(
        &self,
        pass: &WorkspacePass,
        name: &str,
        known: Revision,
    ) -> Result<Option<(Option<T>, Revision)>, PortError> {
        let record = self.meta.get(pass, &self.family.key(name)).await?;
        if record.as_ref().map_or(0, |record| record.revision) == known {
            return Ok(None);
        }
        Ok(Some(record.map_or((None, 0), |record| self.read_or_warn(pass, &record))))
    }

    fn read_or_warn(&self, pass: &WorkspacePass, record: &MetaRecord) -> (Option<T>, Revision) {
        let value = match self.decode(record) {
            Ok(stored) => Some(stored.value),
            Err(error) => {
                self.warn_once(pass, record, &error);
                None
            }
        };
        (value, record.revision)
    }

    /// The records after the name `after`, at most `limit` of them in one read of the store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, pass: &WorkspacePass, after: Option<&str>, limit: usize) -> Result<Page<T>, PortError> {
        let after = after.map(|name| self.family.key(name));
        let found = self.meta.list(pass, self.family.prefix(), after.as_deref(), limit).await?;
        let full = found.len() >= limit;
        let next = found.last().filter(|_| full).map(|last| self.name_of(last).to_owned());
        let mut page = Page { records: Vec::with_capacity(found.len()), unreadable: Vec::new(), next };
        for record in &found {
            match self.decode(record) {
                Ok(stored) => page.records.push(stored),
                Err(error) => {
                    self.warn_once(pass, record, &error);
                    let name = self.name_of(record).to_owned();
                    page.unreadable.push(Unreadable { name, revision: record.revision });
                }
            }
        }
        Ok(page)
    }

    /// The first `most` records of the family, read page by page. `next` is set if there are more.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all(&self, pass: &WorkspacePass, most: usize) -> Result<Page<T>, PortError> {
        let mut all = self.list(pass, None, PAGE.min(most)).await?;
        while all.count() < most
            && let Some(after) = all.next.take()
        {
            let page = self.list(pass, Some(&after), PAGE.min(most - all.count())).await?;
            all.records.extend(page.records);
            all.unreadable.extend(page.unreadable);
            all.next = page.next;
        }
        Ok(all)
    }

    /// Writes a record if its revision is `expected` (0: there must be none). Returns the new
    /// revision.
    ///
    /// # Errors
    /// `Conflict` if the record has another revision; `Invalid` if the value cannot be encoded.
    pub async fn put(
        &self,
        pass: &WorkspacePass,
        name: &str,
        expected: Revision,
        value: &T,
    ) -> Result<Revision, PortError> {
        let key = self.family.key(name);
        let bytes = self.encode(&key, value)?;
        self.meta.put(pass, &key, expected, bytes).await
    }

    /// Removes a record if its revision is `expected`.
    ///
    /// # Errors
    /// `Conflict` if the record has another revision.
    pub async fn delete(&self, pass: &WorkspacePass, name: &str, expected: Revision) -> Result<(), PortError> {
        self.meta.delete(pass, &self.family.key(name), expected).await
    }

    /// Changes a record by compare-and-set. `change` gets the present value and returns the new
    /// one, or `None` to leave the record as it is. It runs again if another writer was faster.
    ///
    /// Returns the record after the change; `None` if there was none and `change` made none.
    ///
    /// # Errors
    /// Those of `change`; those of [`get`](Self::get); `Conflict` if other writers are faster each
    /// time.
    pub async fn update<E: From<PortError>>(
        &self,
        pass: &WorkspacePass,
        name: &str,
        mut change: impl FnMut(Option<&T>) -> Result<Option<T>, E>,
    ) -> Result<Option<Stored<T>>, E> {
        for _ in 0..TRIES {
            let old = self.get(pass, name).await?;
            let Some(value) = change(old.as_ref().map(|old| &old.value))? else { return Ok(old) };
            match self.put(pass, name, old.map_or(0, |old| old.revision), &value).await {
                Ok(revision) => return Ok(Some(Stored { name: name.to_owned(), revision, value })),
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        let text = format!("the record {} keeps changing; try again", self.family.key(name));
        Err(PortError::new(ErrorKind::Conflict, text).into())
    }

    fn name_of<'a>(&self, record: &'a MetaRecord) -> &'a str {
        record.key.strip_prefix(self.family.prefix()).unwrap_or(&record.key)
    }

    fn encode(&self, key: &str, value: &T) -> Result<Vec<u8>, PortError> {
        let invalid =
            |error: String| PortError::new(ErrorKind::Invalid, format!("the record {key} cannot be written: {error}"));
        match self.family.format() {
            Format::Json => serde_json::to_vec(value).map_err(|error| invalid(error.to_string())),
            Format::Postcard => postcard::to_stdvec(value).map_err(|error| invalid(error.to_string())),
        }
    }

    fn decode(&self, record: &MetaRecord) -> Result<Stored<T>, PortError> {
        let value = match self.family.format() {
            Format::Json => serde_json::from_slice(&record.value).map_err(|error| error.to_string()),
            Format::Postcard => postcard::from_bytes(&record.value).map_err(|error| error.to_string()),
        };
        let value = value.map_err(|error| {
            PortError::new(ErrorKind::Corrupt, format!("the record {} cannot be read: {error}", record.key))
        })?;
        Ok(Stored { name: self.name_of(record).to_owned(), revision: record.revision, value })
    }

    fn warn_once(&self, pass: &WorkspacePass, record: &MetaRecord, error: &PortError) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= MOST_WARNED {
            warned.clear();
        }
        if warned.insert((pass.workspace().clone(), record.key.clone(), record.revision)) {
            tracing::warn!(workspace = %pass.workspace(), %error, "a record is passed over");
        }
    }
}

#[cfg(test)]
mod tests;
