//! This program as the raw server, in a separate process so that its CPU time is not mixed with the
//! client's.

use std::process::Command;

use anyhow::Context;

use super::{Server, Settings, directory};

pub(super) async fn start(settings: &Settings) -> anyhow::Result<Server> {
    let program = std::env::current_exe().context("finding the path of this program")?;
    let data = directory()?;
    let mut command = Command::new(program);
    command.arg("raw-server").arg("--data").arg(data.path());
    command.arg("--packet-bytes").arg(settings.packet_bytes.to_string());
    let version = format!("raw {}", env!("CARGO_PKG_VERSION"));
    Server::launch_announcing(command, version, data)
}
