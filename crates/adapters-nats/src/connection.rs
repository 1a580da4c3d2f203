//! Connecting to NATS: addresses, TLS, credentials, and what is said of the connection while it lasts.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event};

use crate::NatsSettings;
use earcon_ports::{ErrorKind, PortError};

/// How long the first connection may take.
const FIRST: Duration = Duration::from_secs(10);
/// A connection on which nothing comes is asked for a sign of life this often, and given up when two fail to come; the library
/// would take minutes.
const PING: Duration = Duration::from_secs(3);
/// The longest pause between attempts to connect again.
const PAUSE_CAP: Duration = Duration::from_secs(1);

/// How long a start waits for a connection it can do without.
const GRACE: Duration = Duration::from_secs(1);

/// Connects as `name`. A connection that is lost later is made again for ever; until then publishing waits or fails.
///
/// # Errors
/// `Invalid` when a certificate, key or credentials file cannot be used; `Unavailable` when no server answers or it refuses
/// the credentials.
pub async fn connect(nats: &NatsSettings, name: &str) -> Result<Client, PortError> {
    let options = options(nats, name).await?;
    options.connect(&nats.servers).await.map_err(|error| {
        let context = format!("cannot connect to NATS at {}", nats.servers.join(", "));
        PortError::caused(ErrorKind::Unavailable, context, error)
    })
}

/// As [`connect`], for those who can begin without: when no server answers, it is said and tried again for ever.
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
    // More than one is built into the program, so rustls has to be told which; whoever told it before has decided.
    let _decided = rustls::crypto::ring::default_provider().install_default().is_err();
    let teller = Arc::new(Teller::default());
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(FIRST)
        .ping_interval(PING)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| (Duration::from_millis(50) * attempt.min(64) as u32).min(PAUSE_CAP))
        .event_callback(move |event| {
            let teller = teller.clone();
            async move { teller.say(&event) }
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

/// The library reads certificates at every connection, and says neither which file it missed nor that it was one.
async fn readable(key: &str, file: &Path) -> Result<(), PortError> {
    tokio::fs::read(file).await.map(|_| ()).map_err(|error| unusable(key, file, error))
}

fn unusable(key: &str, file: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::caused(ErrorKind::Invalid, format!("{key}: {} cannot be used", file.display()), error)
}

/// Says what happens to the connection. The same failure again and again, as from a server that is away for hours, is said
/// once.
#[derive(Default)]
struct Teller {
    said: Mutex<String>,
}

impl Teller {
    fn say(&self, event: &Event) {
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
                tracing::warn!(%error, "NATS refused something");
            }
            Event::ClientError(error) if self.is_new(error.to_string()) => {
                tracing::warn!(%error, "the NATS client failed at something");
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
