//! Earcon with its defaults, except for the log level and the settings of the scenario.

use std::path::Path;
use std::process::Command;

use super::{Server, Settings, directory, version_of};

pub(super) async fn start(program: &Path, settings: &Settings) -> anyhow::Result<Server> {
    let version = version_of(program, "--version")?;
    let data = directory()?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data"));
    command.env("EARCON_LOG__LEVEL", "error").envs(settings.environment.iter().copied());
    Server::launch_announcing(command, version, data)
}
