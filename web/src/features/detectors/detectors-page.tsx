/** What scores, what is tried out beside it, and the jobs that train it. */

import { useEffect, useMemo } from "react";
import type { Detectors, Evidence, Experiment, Job } from "@earcon/client";
import { LabWatch } from "../../live/experiments-poller.ts";
import { foremost, freshName, jobWords, percent, ROWS, runs, stageWords } from "../../format/experiments.ts";
import { span } from "../../format/time.ts";
import { useNow, useSignal, useSurroundings } from "../../hooks/app-context.ts";

export function DetectorsPage() {
  const { station } = useSurroundings();
  const watch = useMemo(() => new LabWatch(station.api), [station]);
  useSignal(watch.changed);
  useEffect(() => {
    watch.start();
    return () => watch.stop();
  }, [watch]);
  const { lab, problem } = watch;
  if (lab === null) {
    return (
      <section className="empty" role={problem === null ? undefined : "alert"}>
        <p>{problem ?? "Asking…"}</p>
      </section>
    );
  }
  const experiment = foremost(lab.experiments);
  return (
    <article className="lab" aria-labelledby="lab-name">
      <h1 id="lab-name">Detectors</h1>
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <p>
        Live: <strong>{lab.detectors.live}</strong>
        {lab.detectors.live === "default" && <span className="muted"> ({lab.detectors.configured}, as configured)</span>}
      </p>
      {experiment === null ? (
        <p className="muted">Nothing has been tried out yet. An experiment runs an entry beside what is live.</p>
      ) : (
        <ExperimentPanel experiment={experiment} watch={watch} />
      )}
      <Entries detectors={lab.detectors} experiments={lab.experiments} watch={watch} />
      <Jobs jobs={lab.jobs} watch={watch} />
    </article>
  );
}

function ExperimentPanel({ experiment, watch }: { experiment: Experiment; watch: LabWatch }) {
  const now = useNow();
  const { name, candidate } = experiment;
  const reason = experiment.steps.at(-1)?.reason ?? null;
  const wish = (act: Parameters<LabWatch["wish"]>[0]) => () => void watch.wish(act);
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
      <div className="wishes">
        {runs(experiment) && (
          <>
            <button type="button" onClick={wish((api) => api.promoteExperiment(name))}>
              Promote
            </button>
            <button type="button" className="quiet" onClick={wish((api) => api.stopExperiment(name))}>
              Stop
            </button>
          </>
        )}
        {(experiment.stage === "canary" || experiment.stage === "promoted") && (
          <button type="button" className="quiet" onClick={wish((api) => api.rollBackExperiment(name))}>
            Roll back
          </button>
        )}
      </div>
    </section>
  );
}

function Share({ percent }: { percent: number }) {
  return <progress className="share" max={100} value={percent} aria-label="Share of KPIs for which the candidate is live, in percent" />;
}

function Comparison({ experiment, evidence }: { experiment: Experiment; evidence: Evidence }) {
  return (
    <table className="comparison">
      <thead>
        <tr>
          <th scope="col">
            <span className="sr">What is compared</span>
          </th>
          <th scope="col">{experiment.baseline}</th>
          <th scope="col">{experiment.candidate}</th>
        </tr>
      </thead>
      <tbody>
        {ROWS.map((row) => (
          <tr key={row.name}>
            <th scope="row">{row.name}</th>
            <td>{row.of(evidence.baseline)}</td>
            <td>{row.of(evidence.candidate)}</td>
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

interface EntriesProps {
  detectors: Detectors;
  experiments: Experiment[];
  watch: LabWatch;
}

function Entries({ detectors, experiments, watch }: EntriesProps) {
  const busy = experiments.some(runs);
  if (detectors.entries.length === 0) {
    return null;
  }
  return (
    <section className="panel" aria-labelledby="entries-name">
      <h2 id="entries-name">Entries</h2>
      <ul className="entries">
        {detectors.entries.map((entry) => (
          <li key={entry.entry}>
            <strong>{entry.entry}</strong> {entry.detector}
            {Object.entries(entry.options).map(([key, value]) => (
              <code key={key}>
                {key} {value}
              </code>
            ))}
            {entry.entry === detectors.live && <em>live</em>}
            {!busy && entry.entry !== detectors.live && (
              <button
                type="button"
                className="quiet"
                aria-label={`Try out ${entry.entry}`}
                onClick={() =>
                  void watch.wish((api) => api.beginExperiment(freshName(entry, experiments), entry.entry))
                }
              >
                Try out
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Jobs({ jobs, watch }: { jobs: Job[]; watch: LabWatch }) {
  if (jobs.length === 0) {
    return null;
  }
  return (
    <section className="panel" aria-labelledby="jobs-name">
      <h2 id="jobs-name">Training</h2>
      <ul className="jobs">
        {[...jobs].reverse().map((job) => (
          <li key={job.id} data-testid="job" data-state={job.state}>
            <span>
              <strong>{job.entry}</strong> {jobWords(job)}
            </span>
            {job.state === "running" && (
              <>
                <progress max={100} value={job.percent} aria-label={`Progress of job ${job.id}, in percent`} />
                <button type="button" className="quiet" onClick={() => void watch.wish((api) => api.cancelJob(job.id))}>
                  Cancel
                </button>
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
