/** The live detector, the current experiment, the detector entries, and the training jobs. */

import { useMemo } from "react";
import { useAppContext } from "../../hooks/app-context.ts";
import { usePoller } from "../../hooks/use-poller.ts";
import { currentExperiment } from "../../format/experiments.ts";
import { OutdatedAnswer } from "../../components/outdated-answer.tsx";
import { ExperimentsPoller } from "../../live/experiments-poller.ts";
import { Entries } from "./entries.tsx";
import { ExperimentPanel } from "./experiment-panel.tsx";
import { Jobs } from "./jobs.tsx";

export function DetectorsPage() {
  const { store } = useAppContext();
  const poller = useMemo(() => new ExperimentsPoller(store.api), [store]);
  usePoller(poller);
  const { answer, problem } = poller;
  if (answer === null) {
    return (
      <section className="empty" role={problem === null ? undefined : "alert"}>
        <p>{problem ?? "Loading…"}</p>
      </section>
    );
  }
  const { detectors, experiments, jobs } = answer.value;
  const experiment = currentExperiment(experiments);
  return (
    <article className={`detectors${poller.failed ? " is-outdated" : ""}`} aria-labelledby="detectors-name">
      <h1 id="detectors-name">Detectors</h1>
      <OutdatedAnswer poller={poller} />
      <p>
        Live: <strong>{detectors.live}</strong>
        {detectors.live === "default" && <span className="muted"> ({detectors.configured}, as configured)</span>}
      </p>
      {experiment === null ? (
        <p className="muted">No experiments yet. An experiment compares an entry with the live detector.</p>
      ) : (
        <ExperimentPanel experiment={experiment} poller={poller} />
      )}
      <Entries detectors={detectors} experiments={experiments} poller={poller} />
      <Jobs jobs={jobs} poller={poller} />
    </article>
  );
}
