//! The connection to NATS: addresses, TLS, credentials, and log lines about its state.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};

use crate::settings::NatsSettings;
use earcon_ports::{ErrorKind, PortError};

/// Time limit of the first connection.
const FIRST: Duration = Duration::from_secs(10);
/// Time limit of one attempt. A frozen server takes the connection and then says nothing; another
/// server is tried after this.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Interval of pings on an idle connection. After two unanswered pings, in three seconds, the
/// connection counts as lost. The library's default would take minutes.
const PING: Duration = Duration::from_secs(1);
/// Longest pause between attempts to reconnect.
const PAUSE_CAP: Duration = Duration::from_secs(1);

/// How long a start waits for an optional connection.
const GRACE: Duration = Duration::from_secs(1);

/// Connects as `name`. A connection that is lost later is restored without a time limit. Until
/// then, publishing waits or fails.
///
/// # Errors
/// `Invalid` when a certificate, key or credentials file cannot be used. `Unavailable` when no
/// server answers, or the server refuses the credentials.
pub async fn connect(nats: &NatsSettings, name: &str) -> Result<Client, PortError> {
    let options = options(nats, name).await?;
    let give_up = tokio::time::Instant::now() + FIRST;
    loop {
        match options.clone().connect(&nats.servers).await {
            Ok(client) => return Ok(client),
            // A slow server may answer the next attempt.
            Err(error) if error.kind() == ConnectErrorKind::TimedOut && tokio::time::Instant::now() < give_up => {}
            Err(error) => {
                let context = format!("cannot connect to NATS at {}", nats.servers.join(", "));
                return Err(PortError::caused(ErrorKind::Unavailable, context, error));
            }
        }
    }
}

/// Connects as [`connect`] does, for callers that can start without NATS: if no server answers,
/// logs a warning and keeps trying.
///
/// # Errors
/// `Invalid` when an address, certificate, key or credentials file cannot be used.
pub async fn connect_when_possible(nats: &NatsSettings, name: &str) -> Result<Client, PortError> {
    let options = options(nats, name).await?.retry_on_initial_connect();
    let servers = nats.servers.join(", ");
    let client = options
        .connect(&nats.servers)
        .await
        .map_err(|error| PortError::caused(ErrorKind::Invalid, format!("NATS cannot be used at {servers}"), error))?;
    let deadline = tokio::time::Instant::now() + GRACE;
    while client.connection_state() != State::Connected {
        if tokio::time::Instant::now() > deadline {
            tracing::warn!(servers, "NATS does not answer; going on without it and connecting when it does");
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(client)
}

async fn options(nats: &NatsSettings, name: &str) -> Result<ConnectOptions, PortError> {
    // The program contains more than one provider, so rustls needs a choice. An earlier choice
    // stays.
    let _decided = rustls::crypto::ring::default_provider().install_default().is_err();
    let reporter = Arc::new(EventReporter::default());
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(ATTEMPT)
        .ping_interval(PING)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| (Duration::from_millis(50) * attempt.min(64) as u32).min(PAUSE_CAP))
        .event_callback(move |event| {
            let reporter = reporter.clone();
            async move { reporter.report(&event) }
        });
    if nats.tls {
        options = options.require_tls(true);
    }
    if let Some(file) = &nats.ca_file {
        readable("nats.ca_file", file).await?;
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &nats.client_certificate {
        readable("nats.client_certificate_file", certificate).await?;
        readable("nats.client_key_file", key).await?;
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    if let Some(file) = &nats.credentials_file {
        options =
            options.credentials_file(file).await.map_err(|error| unusable("nats.credentials_file", file, error))?;
    }
    if let Some(file) = &nats.nkey_seed_file {
        let seed =
            tokio::fs::read_to_string(file).await.map_err(|error| unusable("nats.nkey_seed_file", file, error))?;
        let seed = seed.trim();
        nkeys::KeyPair::from_seed(seed).map_err(|error| unusable("nats.nkey_seed_file", file, error))?;
        options = options.nkey(seed.to_owned());
    }
    if let Some((user, password)) = &nats.login {
        options = options.user_and_password(user.clone(), password.reveal().to_owned());
    }
    Ok(options)
}

/// Checks that the file can be read. The library reads certificates at every connection, and its
/// error names neither the file nor the setting.
async fn readable(key: &str, file: &Path) -> Result<(), PortError> {
    tokio::fs::read(file).await.map(|_| ()).map_err(|error| unusable(key, file, error))
}

fn unusable(key: &str, file: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::caused(ErrorKind::Invalid, format!("{key}: {} cannot be used", file.display()), error)
}

/// Logs the state of the connection. A repeated failure, for example of a server that is down for
/// hours, is logged once.
#[derive(Default)]
struct EventReporter {
    said: Mutex<String>,
}

impl EventReporter {
    fn report(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.is_new(String::new());
                tracing::info!("connected to NATS");
            }
            Event::Disconnected => tracing::warn!("the connection to NATS is lost; connecting again"),
            Event::SlowConsumer(subscription) => {
                tracing::warn!(subscription, "a NATS subscription is read too slowly; messages are dropped");
            }
            Event::ServerError(error) if self.is_new(error.to_string()) => {
                tracing::warn!(%error, "NATS reported an error");
            }
            Event::ClientError(error) if self.is_new(error.to_string()) => {
                tracing::warn!(%error, "the NATS client reported an error");
            }
            other => tracing::debug!(%other, "NATS connection"),
        }
    }

    fn is_new(&self, text: String) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let new = *said != text;
        *said = text;
        new
    }
}

#[cfg(test)]
mod tests;
