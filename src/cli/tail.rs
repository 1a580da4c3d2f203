//! `earcon tail`: live events in the terminal.
//!
//! No signal is handled: Ctrl-C ends the program, even if the terminal is blocked. Errors go to
//! stderr, so that stdout has events only.

mod line;

use std::collections::HashSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use earcon_client::{Event, Following, Since, Snapshot, Subscribed, Update, Workspace};
use serde::Serialize;
use tokio::time::Instant;

use self::line::Lines;
use super::output::complain;
use super::server::{ServerArgs, block_on, failed};
use crate::live::Conflation;
use crate::telemetry::plain;
use earcon_model::EventType;

#[derive(Args)]
pub(super) struct TailArgs {
    /// Names of KPIs, or their beginnings as `host.*` [default: all]
    #[arg(value_name = "KPI")]
    kpis: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// Only events of these types, such as anomaly.opened,anomaly.closed
    #[arg(long, value_name = "TYPES", value_delimiter = ',', value_parser = event_type)]
    types: Vec<String>,
    /// Where to begin: `live`, `snapshot` (the present state first), a `seq`, or `epoch:seq`
    #[arg(long, value_name = "WHERE", default_value = "live", value_parser = since)]
    since: Since,
    /// Print the server's messages, one a line
    #[arg(long)]
    json: bool,
    /// Limit the updates of each KPI to N a second, with the newest sample of each series;
    /// anomalies are not limited
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().map_err(|_| "it is no number".to_owned())?;
    Conflation::new(rate).map(|_| rate).map_err(|error| error.to_string())
}

fn event_type(text: &str) -> Result<String, String> {
    let known = || EventType::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
    EventType::parse(text).map(|_| text.to_owned()).ok_or_else(|| format!("there are {}", known()))
}

fn since(text: &str) -> Result<Since, String> {
    let seq = |text: &str| text.parse().map_err(|_| "give `live`, `snapshot`, a seq, or epoch:seq".to_owned());
    Ok(match (text, text.rsplit_once(':')) {
        ("live", _) => Since::Live,
        ("snapshot", _) => Since::Snapshot,
        (_, Some((epoch, text))) => Since::Seq { seq: seq(text)?, epoch: Some(epoch.into()) },
        (_, None) => Since::Seq { seq: seq(text)?, epoch: None },
    })
}

/// The server's reason when it ends the connections to a deleted workspace.
const DELETED: &str = "the workspace was deleted";

pub(super) fn run(args: &TailArgs) -> ExitCode {
    let workspace = match args.server.workspace() {
        Ok(workspace) => workspace,
        Err(code) => return code,
    };
    let mut follow = workspace.follow().kpis(args.kpis.clone()).types(args.types.clone()).since(args.since.clone());
    follow = follow.compact();
    if let Some(rate) = args.rate {
        follow = follow.rate(rate);
    }
    block_on(async { tail(follow.start(), &workspace, args.json).await })
}

async fn tail(mut updates: Following, workspace: &Workspace, json: bool) -> ExitCode {
    let mut screen = Screen::new(json);
    let mut contact = Contact::Never;
    let mut newcomers = Newcomers::default();
    while let Some(update) = updates.next().await {
        let shown = match update {
            Err(error) => return failed(&error),
            Ok(Update::Disconnected { error, .. }) if matches!(contact, Contact::Never) => return failed(&error),
            // A workspace that is made under this name later is another one.
            Ok(Update::Disconnected { error, .. }) if error.to_string().contains(DELETED) => return failed(&error),
            Ok(Update::Disconnected { error, .. }) => {
                if matches!(contact, Contact::Now) {
                    complain(&format!("{error}; coming back as soon as it answers"));
                }
                contact = Contact::Lost;
                Ok(())
            }
            Ok(Update::Connected(subscribed)) => {
                if matches!(contact, Contact::Lost) {
                    complain(back_again(&subscribed));
                }
                contact = Contact::Now;
                if !json && let Ok(units) = workspace.units().await {
                    screen.lines.set_units(units);
                }
                Ok(())
            }
            Ok(Update::Gap(gap)) => {
                complain(&format!("this reader was too slow; events {} to {} follow now", gap.from, gap.to));
                Ok(())
            }
            Ok(Update::Snapshot(snapshot)) => screen.snapshot(&snapshot),
            Ok(Update::Event(event)) => {
                if let (Some(kpi), false) = (&event.kpi, json) {
                    newcomers.meet(kpi, workspace, &mut screen.lines).await;
                }
                screen.event(&event)
            }
        };
        if let Err(error) = shown {
            // The reader of the pipe has closed it.
            if error.kind() == io::ErrorKind::BrokenPipe {
                return ExitCode::SUCCESS;
            }
            complain(&format!("cannot write: {error}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Between two looks for units of KPIs that are new here.
const PAUSE: Duration = Duration::from_secs(1);
/// The server keeps a unit a moment after the commit of the samples that state it.
const KEPT_WITHIN: Duration = Duration::from_millis(250);

/// The KPIs that events were about. A new one may have stated a unit since the units were read.
#[derive(Default)]
struct Newcomers {
    met: HashSet<String>,
    asked: Option<Instant>,
}

impl Newcomers {
    async fn meet(&mut self, kpi: &str, workspace: &Workspace, lines: &mut Lines) {
        if self.met.contains(kpi) || (!lines.knows_unit(kpi) && self.asked.is_some_and(|at| at.elapsed() < PAUSE)) {
            return;
        }
        self.met.insert(kpi.to_owned());
        for pause in [Duration::ZERO, KEPT_WITHIN] {
            if lines.knows_unit(kpi) {
                return;
            }
            tokio::time::sleep(pause).await;
            if let Ok(units) = workspace.units().await {
                lines.set_units(units);
            }
            self.asked = Some(Instant::now());
        }
    }
}

enum Contact {
    Never,
    Now,
    Lost,
}

fn back_again(subscribed: &Subscribed) -> &'static str {
    match subscribed.recovered {
        Some(true) => "connected again; all that was missed follows",
        Some(false) => "connected again; what was missed is no longer held, the present state follows",
        None => "connected again",
    }
}

/// Writes to stdout, without colours if it is no terminal.
struct Screen {
    out: anstream::AutoStream<io::StdoutLock<'static>>,
    lines: Lines,
    json: bool,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self { out: anstream::AutoStream::auto(io::stdout().lock()), lines: Lines::default(), json }
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.json {
            return self.message(event);
        }
        for line in self.lines.event(event) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        #[derive(Serialize)]
        struct Typed<'a> {
            r#type: &'static str,
            #[serde(flatten)]
            snapshot: &'a Snapshot,
        }
        if self.json {
            return self.message(&Typed { r#type: "snapshot", snapshot });
        }
        for line in self.lines.snapshot(snapshot) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    fn message(&mut self, message: &impl Serialize) -> io::Result<()> {
        // Escapes within texts are the same JSON.
        let text = serde_json::to_string(message)?;
        writeln!(self.out, "{}", plain(&text))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_word_or_a_position() {
        assert_eq!(since("snapshot"), Ok(Since::Snapshot));
        assert_eq!(since("42"), Ok(Since::Seq { seq: 42, epoch: None }));
        assert_eq!(since("a-b:42"), Ok(Since::Seq { seq: 42, epoch: Some("a-b".into()) }));
        assert!(since("yesterday").is_err() && since("a:b").is_err());
    }

    #[test]
    fn types_are_checked_before_anything_is_asked() {
        assert!(event_type("samples").is_ok());
        assert!(event_type("sample").unwrap_err().contains("anomaly.opened"));
    }
}
