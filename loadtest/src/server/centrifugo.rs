//! Centrifugo with its in-memory engine and no authentication: anonymous clients subscribe,
//! `/api/publish` is open.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Server, directory, free_address, version_of};

pub(super) async fn start(peers: &Path) -> anyhow::Result<Server> {
    let program = peers.join("centrifugo");
    let version = version_of(&program, "version")?;
    let (data, address) = (directory()?, free_address()?);
    let settings = serde_json::json!({
        "address": address.ip().to_string(),
        "port": address.port().to_string(),
        "health": true,
        "api_insecure": true,
        "allow_anonymous_connect_without_token": true,
        "allow_subscribe_for_client": true,
        "allow_subscribe_for_anonymous": true,
        // Disables its usage statistics.
        "usage_stats_disable": true,
        "log_level": "error",
    });
    let file = data.path().join("config.json");
    std::fs::write(&file, settings.to_string()).context("writing Centrifugo's settings")?;
    let mut command = Command::new(program);
    command.arg("--config").arg(file);
    Server::launch(command, address, "/health", version, data).await
}
