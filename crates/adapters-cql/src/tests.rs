//! Shared by the tests of the stores: one keyspace, and a proxy that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OnceCell};

use super::{CqlDatabase, migrate, test_server};
use crate::CqlSettings;
use earcon_model::WorkspaceId;
use earcon_tenancy::{Authorizer, WorkspacePass};

/// The test database with the schema of this program. A schema takes seconds to create, so all
/// tests share one keyspace, named after the schema.
pub(super) async fn migrated() -> CqlSettings {
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    let settings = test_server::settings(&format!("earcon_test_{}", super::migrate::fingerprint()));
    MIGRATED.get_or_init(async || drop(migrate(&settings).await.unwrap())).await;
    settings
}

pub(super) async fn open() -> Arc<CqlDatabase> {
    Arc::new(CqlDatabase::open(&migrated().await).await.unwrap())
}

/// A new workspace.
pub(super) fn fresh() -> WorkspacePass {
    let name = format!("test-{}", uuid::Uuid::new_v4().simple());
    Authorizer::new().system(&WorkspaceId::new(&name).unwrap())
}

/// A proxy between the program and the database.
pub(super) struct Proxy {
    pub(super) address: String,
    losing: Arc<AtomicBool>,
    lost: Arc<Notify>,
}

impl Proxy {
    pub(super) async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy =
            Self { address: listener.local_addr().unwrap().to_string(), losing: Arc::default(), lost: Arc::default() };
        let (losing, lost) = (proxy.losing.clone(), proxy.lost.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if losing.load(Ordering::SeqCst) {
                    continue;
                }
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass_on(client, server, losing.clone(), lost.clone()));
            }
        });
        proxy
    }

    /// From now on the proxy forwards requests and cuts the connection instead of forwarding
    /// answers.
    pub(super) fn lose_answers(&self) {
        self.losing.store(true, Ordering::SeqCst);
    }

    /// Waits until an answer was lost, then forwards everything again.
    pub(super) async fn after_a_loss(&self) {
        self.lost.notified().await;
        self.losing.store(false, Ordering::SeqCst);
    }
}

async fn pass_on(client: TcpStream, server: TcpStream, losing: Arc<AtomicBool>, lost: Arc<Notify>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let answers = async {
        loop {
            from_server.readable().await?;
            if losing.load(Ordering::SeqCst) {
                lost.notify_one();
                return Ok::<(), std::io::Error>(());
            }
            let mut answer = [0; 64 << 10];
            match from_server.try_read(&mut answer) {
                Ok(0) => return Ok(()),
                Ok(n) => tokio::io::AsyncWriteExt::write_all(&mut to_client, &answer[..n]).await?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = answers => {}
    }
}
