//! `earcon migrate`: migrates the schema of the CQL database.

use std::process::ExitCode;

use super::output::{UNAVAILABLE, USAGE, complain, say};
use crate::app::{Migrated, migrate};
use crate::config::Config;
use crate::telemetry::start_logs;
use earcon_ports::ErrorKind;

pub(super) fn run(config: &Config) -> ExitCode {
    if let Err(error) = start_logs(&config.log.level, config.log.format) {
        complain(&format!("log.level: {error}"));
        return ExitCode::from(USAGE);
    }
    let Some(settings) = &config.cql else {
        complain("cql.nodes is empty: no database to migrate (the embedded storage needs no migration)");
        return ExitCode::from(USAGE);
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(UNAVAILABLE);
        }
    };
    match runtime.block_on(migrate(settings)) {
        Ok(migrated) => {
            say(&summary(&settings.keyspace, &migrated));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(if error.kind == ErrorKind::Invalid { USAGE } else { UNAVAILABLE })
        }
    }
}

fn summary(keyspace: &str, Migrated { from, to, applied }: &Migrated) -> String {
    if applied.is_empty() {
        return format!("the keyspace {keyspace} is up to date, at version {to}");
    }
    let mut text = format!("migrated the keyspace {keyspace} from version {from} to {to}:");
    applied.iter().for_each(|name| text += &format!("\n  applied {name}"));
    text
}
