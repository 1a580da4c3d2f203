/** One experiment: its stage, the comparison of both detectors, and the actions. */

import type { Client, Evidence, Experiment } from "@earcon/client";
import { isRunning, percent, ROWS, stageWords } from "../../format/experiments.ts";
import { span } from "../../format/time.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import { useNow } from "../../hooks/use-now.ts";
import type { ExperimentsPoller } from "../../live/experiments-poller.ts";

interface Props {
  experiment: Experiment;
  poller: ExperimentsPoller;
}

export function ExperimentPanel({ experiment, poller }: Props) {
  const present = useNow();
  // An outdated answer does not say how long the stage has lasted until now.
  const now = poller.failed ? (poller.answer?.at ?? present) : present;
  const { name, candidate } = experiment;
  const edits = usePermissions().has("edit-detectors");
  const reason = experiment.steps.at(-1)?.reason ?? null;
  return (
    <section className="panel" aria-labelledby="experiment-name" data-testid="experiment" data-stage={experiment.stage}>
      <h2 id="experiment-name">
        {name} <span className="muted">tries out {candidate}</span>
      </h2>
      <p>
        <strong role="status">{stageWords(experiment)}</strong>
        <span className="muted" aria-hidden="true">
          {" "}
          for {span(now - experiment.since)}
        </span>
      </p>
      {reason !== null && <p className="notice">{reason}</p>}
      <Share percent={experiment.percent} />
      <Comparison experiment={experiment} evidence={experiment.total} />
      {edits && <Actions experiment={experiment} poller={poller} />}
    </section>
  );
}

function Actions({ experiment, poller }: Props) {
  const { name, stage } = experiment;
  const perform = (action: (api: Client) => Promise<unknown>) => () => void poller.perform(action);
  return (
    <div className="actions">
      {isRunning(experiment) && (
        <>
          <button type="button" onClick={perform((api) => api.promoteExperiment(name))}>
            Promote
          </button>
          <button type="button" className="quiet" onClick={perform((api) => api.stopExperiment(name))}>
            Stop
          </button>
        </>
      )}
      {(stage === "canary" || stage === "promoted") && (
        <button type="button" className="quiet" onClick={perform((api) => api.rollBackExperiment(name))}>
          Roll back
        </button>
      )}
    </div>
  );
}

function Share({ percent }: { percent: number }) {
  return <progress className="share" max={100} value={percent} aria-label="Share of KPIs scored live by the candidate, in percent" />;
}

function Comparison({ experiment, evidence }: { experiment: Experiment; evidence: Evidence }) {
  return (
    <table className="comparison">
      <thead>
        <tr>
          <th scope="col">
            <span className="sr">Measure</span>
          </th>
          <th scope="col">{experiment.baseline}</th>
          <th scope="col">{experiment.candidate}</th>
        </tr>
      </thead>
      <tbody>
        {ROWS.map((row) => (
          <tr key={row.name}>
            <th scope="row">{row.name}</th>
            <td>{row.value(evidence.baseline)}</td>
            <td>{row.value(evidence.candidate)}</td>
          </tr>
        ))}
        <tr>
          <th scope="row">Agreement</th>
          <td colSpan={2}>{percent(evidence.agreement)}</td>
        </tr>
      </tbody>
    </table>
  );
}
