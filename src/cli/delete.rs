//! `earcon delete`: samples, series, a KPI or a workspace of a running server.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use earcon_client::{DeletedScope, Deletion, DeletionQuery, Workspace};

use super::output::{USAGE, complain, say};
use super::query::{labels, time};
use super::server::{ServerArgs, block_on, failed_or_no};
use earcon_model::KpiName;
use earcon_model::wording::counted;

#[derive(Args)]
pub(super) struct DeleteArgs {
    /// Name of the KPI. Without --from, --to and --labels, all of it is deleted
    #[arg(value_name = "KPI", required_unless_present = "whole_workspace", value_parser = |text: &str| KpiName::new(text))]
    kpi: Option<KpiName>,
    /// Delete the workspace with everything in it
    #[arg(long, conflicts_with_all = ["kpi", "from", "to", "labels"])]
    whole_workspace: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// First time to delete: 2026-01-01, 2026-01-01T00:00Z, or relative to now as in -1h30m; in
    /// this machine's time zone if none is named [default with --to: the beginning]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time)]
    from: Option<i64>,
    /// First time to keep, written like --from [default with --from: the end]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time)]
    to: Option<i64>,
    /// Only series with all of these labels: region:eu,zone:a. Without times, the whole series go
    #[arg(long, value_name = "LABELS", value_parser = labels)]
    labels: Option<String>,
    /// Only count what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Delete without asking
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

pub(super) fn run(args: &DeleteArgs) -> ExitCode {
    let workspace = match args.server.workspace() {
        Ok(workspace) => workspace,
        Err(code) => return code,
    };
    let query = |dry_run| DeletionQuery {
        from: args.from.map(|ms| ms.to_string()),
        to: args.to.map(|ms| ms.to_string()),
        labels: args.labels.clone(),
        dry_run,
    };
    block_on(async {
        match &args.kpi {
            Some(kpi) => of_kpi(&workspace, kpi, args, query).await,
            None => whole(&workspace, args).await,
        }
    })
}

async fn of_kpi(
    workspace: &Workspace,
    kpi: &KpiName,
    args: &DeleteArgs,
    query: impl Fn(bool) -> DeletionQuery,
) -> ExitCode {
    if !args.yes {
        match workspace.delete(kpi.as_str(), &query(true)).await {
            Ok(counted) if covers_nothing(&counted) => return nothing(&counted),
            Ok(counted) => say(&described(&counted)),
            Err(error) => return failed_or_no(&error),
        }
        if args.dry_run {
            return ExitCode::SUCCESS;
        }
        if let Err(code) = confirmed() {
            return code;
        }
    }
    match workspace.delete(kpi.as_str(), &query(false)).await {
        Ok(deleted) if covers_nothing(&deleted) => nothing(&deleted),
        Ok(deleted) => {
            say(&described(&deleted));
            ExitCode::SUCCESS
        }
        Err(error) => failed_or_no(&error),
    }
}

/// Whether nothing that is known matches the request. A KPI without series is there all the same.
fn covers_nothing(deletion: &Deletion) -> bool {
    let no_data = deletion.samples == 0 && deletion.anomalies == 0;
    match deletion.scope {
        DeletedScope::Kpi => false,
        DeletedScope::Series => no_data && deletion.series == 0,
        DeletedScope::Samples => no_data,
    }
}

fn nothing(deletion: &Deletion) -> ExitCode {
    let what = match deletion.scope {
        DeletedScope::Samples => "no samples and anomalies of that time",
        DeletedScope::Kpi | DeletedScope::Series => "no series with these labels",
    };
    complain(&format!("nothing was deleted: {} has {what}", deletion.kpi));
    ExitCode::FAILURE
}

async fn whole(workspace: &Workspace, args: &DeleteArgs) -> ExitCode {
    let name = workspace.name();
    if !args.yes {
        match workspace.kpis().await {
            Ok(list) => {
                let series: usize = list.kpis.iter().map(|kpi| kpi.series.len()).sum();
                let kpis = counted(list.kpis.len() as u64, "KPI", "KPIs");
                let series = counted(series as u64, "series", "series");
                say(&format!("would delete the workspace {name}: {kpis}, {series}, and all settings"));
            }
            Err(error) => return failed_or_no(&error),
        }
        if args.dry_run {
            return ExitCode::SUCCESS;
        }
        if let Err(code) = confirmed() {
            return code;
        }
    }
    match workspace.delete_workspace().await {
        Ok(done) => {
            let rest = if done { "" } else { "; its stored data is still being deleted" };
            say(&format!("deleted the workspace {name}{rest}"));
            ExitCode::SUCCESS
        }
        Err(error) => failed_or_no(&error),
    }
}

/// Asks on a terminal. Elsewhere `--yes` is needed.
fn confirmed() -> Result<(), ExitCode> {
    if !std::io::stdin().is_terminal() {
        complain("nothing was deleted: give --yes where there is no terminal to ask on");
        return Err(ExitCode::from(USAGE));
    }
    let mut out = std::io::stderr();
    let _closed = write!(out, "Delete this? It cannot be undone. [y/N] ").and_then(|()| out.flush()).is_err();
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => {
            complain("nothing was deleted");
            Err(ExitCode::FAILURE)
        }
    }
}

fn described(deletion: &Deletion) -> String {
    let Deletion { kpi, scope, series, samples, anomalies, dry_run, done, .. } = deletion;
    let what = match scope {
        DeletedScope::Kpi => "the KPI ",
        DeletedScope::Series => "series of ",
        DeletedScope::Samples => "samples of ",
    };
    let (samples, anomalies) = (counted(*samples, "sample", "samples"), counted(*anomalies, "anomaly", "anomalies"));
    let verb = if *dry_run { "would delete" } else { "deleted" };
    let rest = if *dry_run || *done { "" } else { "; history is still being cleared" };
    let series = counted(*series, "series", "series");
    format!("{verb} {what}{kpi}: {series}, {samples}, {anomalies}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_what_and_how_much() {
        let mut deletion = Deletion {
            kpi: "shop.orders".into(),
            scope: DeletedScope::Samples,
            labels: Default::default(),
            from: Some(1),
            to: None,
            series: 2,
            samples: 300,
            anomalies: 1,
            dry_run: true,
            seq: None,
            epoch: None,
            done: false,
        };
        let counts = "samples of shop.orders: 2 series, 300 samples, 1 anomaly";
        assert_eq!(described(&deletion), format!("would delete {counts}"));
        let whole = described(&Deletion { scope: DeletedScope::Kpi, samples: 1, ..deletion.clone() });
        assert_eq!(whole, "would delete the KPI shop.orders: 2 series, 1 sample, 1 anomaly");
        deletion.dry_run = false;
        assert_eq!(described(&deletion), format!("deleted {counts}; history is still being cleared"));
        let empty = Deletion { samples: 0, anomalies: 0, ..deletion };
        let of = |scope, series| covers_nothing(&Deletion { scope, series, ..empty.clone() });
        assert!(of(DeletedScope::Samples, 2) && of(DeletedScope::Series, 0));
        assert!(!of(DeletedScope::Series, 1) && !of(DeletedScope::Kpi, 0));
    }
}
