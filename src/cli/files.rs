//! `earcon replay` and `earcon backfill`: sends files to a server, or says what would become of
//! them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use jiff::tz::TimeZone;

use super::output::{DATA, NOT_PERMITTED, UNAVAILABLE, USAGE, complain, say};
use super::server::{ServerArgs, denial_hint};
use crate::config::Config;
use crate::sources::admissible::{SampleTimes, would_refuse};
use crate::sources::chunks::{FileError, any_sample, preview};
use crate::sources::post::PostError;
use crate::sources::replay::{self, ReplayError, ReplayOptions};
use earcon_model::wording::counted;
use earcon_model::{Arrival, KpiName};
use earcon_streams::{StreamOptions, StreamSettings};
use earcon_tables::xlsx::is_sheet;
use earcon_tables::{
    ColumnDescription, DecimalSign, Description, Order, SourceSample, TableOptions, TimeFormat, name_of_file,
};

/// Samples that a dry run shows.
const SHOWN: usize = 5;

#[derive(Args)]
pub(super) struct ReplayArgs {
    /// A CSV file or an xlsx workbook
    file: PathBuf,
    /// Speed relative to the recording; 0: as fast as the server accepts
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    destination: ServerArgs,
}

#[derive(Args)]
pub(super) struct BackfillArgs {
    /// Files as `replay` reads them, the oldest first
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    destination: ServerArgs,
}

/// What the first rows of a file may leave open.
#[derive(Args)]
struct TableArgs {
    /// Name of the KPI if the file has one column of values, else the beginning of their names
    /// [default: the columns' names, or the file's]
    #[arg(long, value_name = "NAME", value_parser = |text: &str| KpiName::new(text))]
    kpi: Option<KpiName>,
    /// Form of the times: iso, day_first, month_first, compact (YYYYMMDD), seconds, milliseconds,
    /// microseconds, nanoseconds or excel [default: it follows from the first rows]
    #[arg(long, value_name = "FORM")]
    time_format: Option<TimeFormat>,
    /// Decimal sign: point or comma [default: it follows from the first rows]
    #[arg(long, value_name = "SIGN")]
    decimal: Option<DecimalSign>,
    /// Zone of times that do not say one, such as Europe/Berlin [default: that in the name of the
    /// time column, such as time (UTC+2), else UTC]
    #[arg(long, value_name = "ZONE", value_parser = |name: &str| TimeZone::get(name).map_err(|error| error.to_string()))]
    time_zone: Option<TimeZone>,
    /// A column of numbers, also if it is empty in the first rows; again for each further column
    #[arg(long, value_name = "COLUMN")]
    values: Vec<String>,
    /// Send nothing; show what would become of the first hundred rows
    #[arg(long)]
    dry_run: bool,
}

impl TableArgs {
    fn options(&self, file: &Path) -> TableOptions {
        TableOptions {
            kpi: self.kpi.clone(),
            fallback: name_of_file(&file.file_name().unwrap_or_default().to_string_lossy()),
            time_format: self.time_format,
            decimal: self.decimal,
            time_zone: self.time_zone.clone(),
            values: self.values.clone(),
        }
    }
}

/// Sends one file at the speed of its times.
pub(super) fn replay(config: Option<&Path>, args: ReplayArgs) -> ExitCode {
    let ReplayArgs { file, speed, table, destination } = args;
    run(config, &[file], speed, &table, &destination, Arrival::Live)
}

/// Sends files as history.
pub(super) fn backfill(config: Option<&Path>, args: BackfillArgs) -> ExitCode {
    let BackfillArgs { files, table, destination } = args;
    run(config, &files, 0.0, &table, &destination, Arrival::Backfill)
}

/// One file after the other. Stops at the first error.
fn run(
    config: Option<&Path>,
    files: &[PathBuf],
    speed: f64,
    table: &TableArgs,
    destination: &ServerArgs,
    arrival: Arrival,
) -> ExitCode {
    if table.dry_run {
        let times = match scoring(config) {
            Ok(times) => times,
            Err(problem) => {
                complain(&problem);
                return ExitCode::from(USAGE);
            }
        };
        let shown = files.iter().try_for_each(|file| show(file, &table.options(file), &times));
        return shown.map_or_else(
            |(code, problem)| {
                complain(&problem);
                ExitCode::from(code)
            },
            |()| ExitCode::SUCCESS,
        );
    }
    let (url, trust, key, workspace) = match destination.destination() {
        Ok(destination) => destination,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(UNAVAILABLE);
        }
    };
    for file in files {
        let name = if files.len() > 1 { format!("{}: ", file.display()) } else { String::new() };
        let options = ReplayOptions {
            file: file.clone(),
            table: table.options(file),
            speed,
            url: url.clone(),
            trust: trust.clone(),
            key: key.clone(),
            workspace: workspace.clone(),
            arrival,
        };
        match runtime.block_on(replay::run(options)) {
            Ok(summary) => {
                say(&format!("{name}{summary}"));
                if summary.interrupted {
                    break;
                }
                if summary.accepted == 0 {
                    complain(&format!("{name}no sample was accepted"));
                    return ExitCode::from(DATA);
                }
            }
            Err(error) => {
                let status = match &error {
                    ReplayError::Post { error: PostError::Refused { status, .. }, .. } => status.as_u16(),
                    _ => 0,
                };
                complain(&format!("{name}{error}{}", denial_hint(status, &url)));
                return ExitCode::from(match error {
                    ReplayError::Read { .. } => DATA,
                    _ if matches!(status, 401 | 403) => NOT_PERMITTED,
                    _ => UNAVAILABLE,
                });
            }
        }
    }
    ExitCode::SUCCESS
}

/// The limits of the times of samples, as the configuration has them.
fn scoring(config: Option<&Path>) -> Result<SampleTimes, String> {
    let all = |problems: Vec<String>| problems.join("; ");
    let config =
        Config::load(config, &[]).map_err(|problems| all(problems.iter().map(ToString::to_string).collect()))?;
    let options = StreamOptions {
        max_ahead_ms: config.ingest.max_ahead.as_millis() as i64,
        max_age_ms: config.storage.history_age.as_millis() as i64,
        ..StreamOptions::default()
    };
    let settings = StreamSettings::try_from(options);
    let settings = settings.map_err(|problems| all(problems.iter().map(ToString::to_string).collect()))?;
    Ok(SampleTimes::new(Arc::new(settings)))
}

/// Shows how a file is understood. An error has the exit code with which the file would be sent.
fn show(path: &Path, options: &TableOptions, times: &SampleTimes) -> Result<(), (u8, String)> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let open = || File::open(path).map_err(|error| (UNAVAILABLE, named(&error)));
    let unreadable = |error: FileError| (DATA, named(&error));
    let workbook = is_sheet(&path.to_string_lossy());
    let preview = preview(open()?, workbook, options).map_err(unreadable)?;
    let Description { separator, decimal, time_format, time_zone, order, columns } = preview.description;
    let separator = if separator == '\t' { "tab".to_owned() } else { format!("{separator:?}") };
    let decimal = if decimal == DecimalSign::Comma { "comma" } else { "point" };
    let order = match order {
        Order::OldestFirst => "oldest first",
        Order::NewestFirst => "newest first",
        Order::Mixed => "mixed",
    };
    say(&format!("{}: separator {separator}, decimal {decimal}, rows {order}", path.display()));
    say(&format!("times: {}, in {time_zone} if they do not say", time_format.name()));
    for ColumnDescription { name, role, becomes, reason } in columns {
        let detail = becomes.map(|name| format!(" {name}")).or(reason.map(|reason| format!(": {reason}")));
        say(&format!("  {name}: {role}{}", detail.unwrap_or_default()));
    }
    say(&format!("the first rows hold {}:", counted(preview.samples.len() as u64, "sample", "samples")));
    for one in preview.samples.iter().take(SHOWN) {
        let at = jiff::Timestamp::from_millisecond(one.sample.timestamp_ms);
        let at = at.map_or_else(|_| one.sample.timestamp_ms.to_string(), |time| time.to_string());
        let labels = if one.labels.is_empty() { String::new() } else { format!("{{{}}}", one.labels) };
        say(&format!("  {}{labels} {at} {}", one.kpi, one.sample.value));
    }
    say_more(preview.samples.len());
    if !preview.problems.is_empty() {
        let count = counted(preview.problems.total(), "row or cell", "rows or cells");
        say(&format!("{count} would be skipped:"));
        preview.problems.first().iter().take(SHOWN).for_each(|problem| say(&format!("  {problem}")));
        say_more(preview.problems.total() as usize);
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let refused = would_refuse(&preview.samples, times, now_ms);
    if refused.count > 0 {
        let count = counted(refused.count as u64, "sample", "samples");
        say(&format!("{count} would be refused by a server with this configuration:"));
        refused.reasons.iter().take(SHOWN).for_each(|reason| say(&format!("  {reason}")));
        say_more(refused.count);
    }
    if let Some(warning) = preview.warning {
        say(&format!("warning: {warning}"));
    }
    let good = |sample: &SourceSample| would_refuse(std::slice::from_ref(sample), times, now_ms).count == 0;
    if refused.count == preview.samples.len() && !any_sample(open()?, workbook, options, good).map_err(unreadable)? {
        return Err((DATA, named(&"no sample would be accepted")));
    }
    Ok(())
}

/// Says how many of a list are not shown.
fn say_more(listed: usize) {
    if listed > SHOWN {
        say(&format!("  and {} more", listed - SHOWN));
    }
}
