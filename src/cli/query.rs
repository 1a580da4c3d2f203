//! `earcon query`: history and anomalies as a table, CSV or JSON.

mod rows;
mod spark;
mod table;
mod times;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use earcon_client::{AnomaliesQuery, Anomaly, Error, History, HistoryQuery, Workspace};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::times::{duration_ms, time_ms};
use super::output::complain;
use super::server::{ServerArgs, block_on, failed};
use crate::telemetry::{plain, plain_lines};
use earcon_model::{IdError, KpiName};

/// Rows of one request. The server returns no more.
const PAGE: usize = 100_000;
/// Anomalies of one request.
const ANOMALY_PAGE: usize = 1_000;

#[derive(Args)]
pub(super) struct QueryArgs {
    /// Name of the KPI

    #[arg(value_name = "KPI", required_unless_present = "anomalies", value_parser = |text: &str| KpiName::new(text))]
    kpi: Option<KpiName>,
    /// Show anomalies instead of samples; of all KPIs if none is named
    #[arg(long, conflicts_with = "step")]
    anomalies: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Start: 2026-01-01, 2026-01-01T00:00Z, or relative to now as in -1h30m; in this machine's
    /// time zone if none is named [default: one hour before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time)]
    from: Option<i64>,
    /// End (exclusive), written like --from [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time)]
    to: Option<i64>,
    /// One row per span (30s, 5m, 1h) instead of each sample
    #[arg(long, value_name = "SPAN", value_parser = duration_ms)]
    step: Option<i64>,
    /// Only series with all of these labels: region:eu,zone:a
    #[arg(long, value_name = "LABELS", value_parser = labels)]
    labels: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A sparkline and a table for each series
    Table,
    /// One header, one row per line
    Csv,
    /// As the server sends it
    Json,
}

pub(super) fn time(text: &str) -> Result<i64, String> {
    time_ms(text, Timestamp::now().as_millisecond(), TimeZone::system())
}

pub(super) fn labels(text: &str) -> Result<String, IdError> {
    earcon_model::Labels::parse(text).map(String::from)
}

pub(super) fn run(args: &QueryArgs) -> ExitCode {
    let workspace = match args.server.workspace() {
        Ok(workspace) => workspace,
        Err(code) => return code,
    };
    block_on(async {
        let text = match &args.kpi {
            Some(kpi) if !args.anomalies => match history(&workspace, kpi, args).await {
                Ok(history) => Ok(match args.format {
                    Format::Table => table::history(&history, &symbol(&workspace, kpi).await),
                    Format::Csv => csv(rows::history_csv(&history)),
                    Format::Json => json(&history),
                }),
                Err(error) => Err(error),
            },
            _ => anomalies(&workspace, args).await.map(|anomalies| match args.format {
                Format::Table => table::anomalies(&anomalies),
                Format::Csv => csv(rows::anomalies_csv(&anomalies)),
                Format::Json => json(&anomalies),
            }),
        };
        match text {
            Ok(text) => print(&text),
            Err(error) => failed(&error),
        }
    })
}

/// The symbol of the KPI's unit; empty if there is none.
async fn symbol(workspace: &Workspace, kpi: &KpiName) -> String {
    let mut units = workspace.units().await.unwrap_or_default();
    units.kpis.remove(kpi.as_str()).map(|settings| settings.symbol).unwrap_or_default()
}

/// Fetches the whole history, with several requests if necessary.
async fn history(workspace: &Workspace, kpi: &KpiName, args: &QueryArgs) -> Result<History, Error> {
    let mut query = HistoryQuery {
        from: args.from.map(|ms| ms.to_string()),
        to: args.to.map(|ms| ms.to_string()),
        labels: args.labels.clone(),
        step: args.step,
        limit: args.step.is_none().then_some(PAGE),
    };
    let mut whole = workspace.history(kpi.as_str(), &query).await?;
    while let Some(from) = rows::next_from(&whole) {
        query.from = Some(from.to_string());
        rows::append(&mut whole, workspace.history(kpi.as_str(), &query).await?);
    }
    Ok(whole)
}

async fn anomalies(workspace: &Workspace, args: &QueryArgs) -> Result<Vec<Anomaly>, Error> {
    let mut query = AnomaliesQuery {
        kpi: args.kpi.as_ref().map(ToString::to_string),
        labels: args.labels.clone(),
        from: args.from.map(|ms| ms.to_string()),
        to: args.to.map(|ms| ms.to_string()),
        limit: Some(ANOMALY_PAGE),
        ..AnomaliesQuery::default()
    };
    let mut all = Vec::new();
    loop {
        let page = workspace.anomalies(&query).await?;
        all.extend(page.anomalies);
        match page.next {
            Some(next) => query.before = Some(next),
            None => return Ok(all),
        }
    }
}

fn json(answer: &impl serde::Serialize) -> String {
    // Strings and numbers always serialise. Escapes within texts are the same JSON.
    let text = serde_json::to_string(answer).unwrap_or_default();
    plain(&text).into_owned() + "\n"
}

/// CSV has no escapes, so a file or another program gets the texts as they are.
fn csv(text: String) -> String {
    if io::stdout().is_terminal() { plain_lines(&text).into_owned() } else { text }
}

fn print(text: &str) -> ExitCode {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cannot write: {error}"));
            ExitCode::FAILURE
        }
    }
}
