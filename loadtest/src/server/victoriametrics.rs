//! VictoriaMetrics, single node, with its defaults. It has no fsync per request: it writes to disk
//! every five seconds.

use std::path::Path;
use std::process::Command;

use super::{Server, directory, free_address, version_of};

pub(super) async fn start(peers: &Path) -> anyhow::Result<Server> {
    let program = peers.join("victoria-metrics");
    let version = version_of(&program, "-version")?;
    let (data, address) = (directory()?, free_address()?);
    let mut command = Command::new(program);
    command.arg(format!("-httpListenAddr={address}")).arg("-retentionPeriod=100y").arg("-loggerLevel=ERROR");
    command.arg(format!("-storageDataPath={}", data.path().join("data").display()));
    Server::launch(command, address, "/health", version, data).await
}
