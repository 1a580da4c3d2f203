/** Detector entries, with a button to start an experiment with one of them. */

import type { Detectors, Experiment } from "@earcon/client";
import { isRunning, unusedName } from "../../format/experiments.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import type { ExperimentsPoller } from "../../live/experiments-poller.ts";

interface Props {
  detectors: Detectors;
  experiments: Experiment[];
  poller: ExperimentsPoller;
}

export function Entries({ detectors, experiments, poller }: Props) {
  const busy = experiments.some(isRunning);
  const edits = usePermissions().has("edit-detectors");
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
            {edits && !busy && entry.entry !== detectors.live && (
              <button
                type="button"
                className="quiet"
                aria-label={`Try out ${entry.entry}`}
                onClick={() =>
                  void poller.perform((api) => api.beginExperiment(unusedName(entry, experiments), entry.entry))
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
