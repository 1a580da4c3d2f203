//! Accounts over HTTP: sign-in, organisations, members, invitations, keys, sessions, the audit log.
//!
//! The service checks every right itself, because most depend on more than the organisation: a
//! member may always leave, and a key never makes an owner.

mod audit;
mod caller;
mod cookies;
mod invitations;
mod keys;
mod members;
mod organisations;
mod problem;
mod second_factor;
mod session;
mod sessions;
pub(crate) mod state;
mod tickets;
mod wire;

use utoipa_axum::router::OpenApiRouter;

use state::AccountsState;

/// The routes of this wing.
pub(crate) fn routes() -> OpenApiRouter<AccountsState> {
    session::routes()
        .merge(second_factor::routes())
        .merge(organisations::routes())
        .merge(members::routes())
        .merge(invitations::routes())
        .merge(keys::routes())
        .merge(sessions::routes())
        .merge(audit::routes())
        .merge(tickets::routes())
}
