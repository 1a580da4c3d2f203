//! Reading rows, page by page.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::bound::BoundStatement;

use super::{CqlDatabase, Prepared, bind};
use crate::failure::unreadable;
use earcon_ports::PortError;

impl CqlDatabase {
    /// All rows of a read, as tuples of its columns. Holds them in memory, unlike [`Self::pages`].
    pub(crate) async fn rows<R>(&self, prepared: &Prepared, values: impl SerializeRow) -> Result<Vec<R>, PortError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let mut pages = self.pages(prepared, values)?;
        let mut rows = Vec::new();
        while let Some(mut page) = pages.next().await? {
            if rows.is_empty() {
                rows = page;
            } else {
                rows.append(&mut page);
            }
        }
        Ok(rows)
    }

    /// The rows of a read, page by page (5,000 rows), as tuples of its columns.
    ///
    /// # Errors
    /// `Invalid` when the values do not fit the statement.
    pub(crate) fn pages<R>(&self, prepared: &Prepared, values: impl SerializeRow) -> Result<Pages<'_, R>, PortError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let bound = bind(prepared, &values)?;
        Ok(Pages { database: self, bound, next: Some(PagingState::start()), rows: PhantomData })
    }
}

/// The pages of a result.
pub(crate) struct Pages<'a, R> {
    database: &'a CqlDatabase,
    bound: BoundStatement,
    next: Option<PagingState>,
    rows: PhantomData<fn() -> R>,
}

impl<R> Pages<'_, R>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    /// The next page, which may be empty; `None` after the last.
    ///
    /// # Errors
    /// `Unavailable` for a transient failure: the same page can be requested again. `Corrupt` when
    /// a row is not an `R`.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<R>>, PortError> {
        let Some(state) = &self.next else { return Ok(None) };
        let (session, bound) = (&self.database.session, &self.bound);
        let page = || session.execute_bound_single_page(bound, state.clone());
        let text = bound.prepared().get_statement();
        let (result, after): (QueryResult, PagingStateResponse) =
            self.database.run_with_retries(true, text, page).await.map_err(|(_, error)| error)?;
        let rows = result.into_rows_result().map_err(unreadable)?;
        let rows = rows.rows::<R>().map_err(unreadable)?.collect::<Result<Vec<R>, _>>().map_err(unreadable)?;
        self.next = match after.into_paging_control_flow() {
            ControlFlow::Continue(state) => Some(state),
            ControlFlow::Break(()) => None,
        };
        Ok(Some(rows))
    }
}
