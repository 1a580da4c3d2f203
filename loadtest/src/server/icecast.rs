//! Icecast from the distribution, with the limits of its example configuration raised to the number
//! of listeners.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Server, Settings, directory, free_address, version_of};

/// The password of the source.
const SOURCE_PASSWORD: &str = "loadtest";
/// `source:loadtest` in Base64.
pub(crate) const SOURCE_BASIC: &str = "c291cmNlOmxvYWR0ZXN0";
/// The path of the stream.
pub(crate) const MOUNT: &str = "/live.ogg";
/// User id of an unprivileged user on Debian and most distributions.
const UNPRIVILEGED: u32 = 65_534;

pub(super) async fn start(settings: &Settings) -> anyhow::Result<Server> {
    let program = Path::new("/usr/bin/icecast2");
    let version = version_of(program, "-v")?;
    let (data, address) = (directory()?, free_address()?);
    let file = data.path().join("icecast.xml");
    let text = configuration(data.path(), address.port(), settings.listeners);
    std::fs::write(&file, text).context("writing Icecast's settings")?;
    let mut command = Command::new(program);
    command.arg("-c").arg(&file);
    // It refuses to run as root.
    if is_root() {
        for path in [data.path(), &file] {
            chown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).context("giving Icecast its directory")?;
        }
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    Server::launch(command, address, "/status-json.xsl", version, data).await
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Uid:").is_some_and(|ids| ids.split_whitespace().next() == Some("0")))
}

/// The values of the package's example. Limits that the listeners would reach are raised.
fn configuration(directory: &Path, port: u16, listeners: usize) -> String {
    let directory = directory.display();
    format!(
        "<icecast>
  <limits>
    <clients>{clients}</clients><sources>2</sources><queue-size>524288</queue-size>
    <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>
    <burst-size>65535</burst-size>
  </limits>
  <authentication>
    <source-password>{SOURCE_PASSWORD}</source-password><relay-password>{SOURCE_PASSWORD}</relay-password>
    <admin-user>admin</admin-user><admin-password>{SOURCE_PASSWORD}</admin-password>
  </authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <fileserve>1</fileserve>
  <paths>
    <logdir>{directory}</logdir><webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
    <alias source=\"/\" destination=\"/status.xsl\"/>
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>1</loglevel></logging>
  <security><chroot>0</chroot></security>
</icecast>
",
        clients = listeners + 100,
    )
}
