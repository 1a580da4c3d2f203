//! The caller of the commands that administer organisations: a key, or a person with a password.

use std::process::ExitCode;

use clap::Args;
use earcon_client::{Client, Error, SignIn};

use super::output::{NOT_PERMITTED, USAGE, complain};
use super::secret;
use super::server::{Connection, block_on, failed};

/// The server and the caller.
#[derive(Args)]
pub(super) struct Administrator {
    #[command(flatten)]
    connection: Connection,
    /// Sign in as this person for this command, instead of with a key. The password is asked for
    #[arg(long = "as", value_name = "LOGIN", conflicts_with = "key")]
    login: Option<String>,
}

impl Administrator {
    /// Runs a command with a client. A session that was begun for it ends after it.
    pub(super) fn run(&self, command: impl AsyncFnOnce(&Client) -> ExitCode) -> ExitCode {
        block_on(secret::until_interrupted(async {
            let Some(login) = &self.login else {
                return match self.connection.client() {
                    Ok(client) => command(&client).await,
                    Err(code) => code,
                };
            };
            let client = match self.connection.client_without_key() {
                Ok(client) => client,
                Err(code) => return code,
            };
            match signed_in(&client, login).await {
                Ok(client) => {
                    let code = command(&client).await;
                    if let Err(error) = client.sign_out().await {
                        complain(&format!("the session of this command goes on until it expires: {error}"));
                    }
                    code
                }
                Err(code) => code,
            }
        }))
    }
}

async fn signed_in(client: &Client, login: &str) -> Result<Client, ExitCode> {
    let unread = |reason: String| {
        complain(&format!("not signed in: {reason}"));
        ExitCode::from(USAGE)
    };
    let password = secret::read(&format!("Password of {login} at {} (it is not shown): ", client.url())).await;
    let password = password.map_err(unread)?;
    let mut answer = client.sign_in(login, &password, None).await;
    if let Ok(SignIn::CodeNeeded) = answer {
        let code = secret::read("Code of the authenticator app: ").await.map_err(unread)?;
        answer = client.sign_in(login, &password, Some(code.trim())).await;
    }
    match answer {
        Ok(SignIn::Done(client)) => Ok(client),
        Ok(SignIn::CodeNeeded) => Err(unread("the server asks for a code again".to_owned())),
        // The hint of other commands would be to log in.
        Err(error @ Error::Refused { status: 401, .. }) => {
            complain(&format!("not signed in: {error}"));
            Err(ExitCode::from(NOT_PERMITTED))
        }
        Err(error) => Err(failed(&error)),
    }
}
