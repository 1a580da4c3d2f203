/** Training jobs, newest first, with their progress. */

import type { Job } from "@earcon/client";
import { jobWords } from "../../format/experiments.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import type { ExperimentsPoller } from "../../live/experiments-poller.ts";

export function Jobs({ jobs, poller }: { jobs: Job[]; poller: ExperimentsPoller }) {
  const edits = usePermissions().has("edit-detectors");
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
                {edits && (
                  <button
                    type="button"
                    className="quiet"
                    onClick={() => void poller.perform((api) => api.cancelJob(job.id))}
                  >
                    Cancel
                  </button>
                )}
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
