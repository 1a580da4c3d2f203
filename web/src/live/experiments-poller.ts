/** Polls the detectors, experiments and jobs of a workspace, and performs actions on them. */

import { ApiError, type Client, type Detectors, type Experiment, type Job } from "@earcon/client";
import { Poller } from "./poller.ts";

/** Detectors, experiments and jobs of a workspace. */
export interface ExperimentsOverview {
  detectors: Detectors;
  experiments: Experiment[];
  jobs: Job[];
}

export class ExperimentsPoller extends Poller<ExperimentsOverview> {
  readonly #api: Client;

  constructor(api: Client) {
    super(() => fetchOverview(api));
    this.#api = api;
  }

  /**
   * Performs an action, then polls at once. If the action failed, `problem` says why until the next
   * poll.
   */
  async perform(action: (api: Client) => Promise<unknown>): Promise<void> {
    let refusal: string | null = null;
    try {
      await action(this.#api);
    } catch (error) {
      refusal = error instanceof ApiError ? error.message : "The server does not answer";
    }
    await this.refresh();
    if (refusal !== null) {
      this.problem = refusal;
      this.changed.emit();
    }
  }
}

async function fetchOverview(api: Client): Promise<ExperimentsOverview> {
  const [detectors, experiments, jobs] = await Promise.all([api.detectors(), api.experiments(), api.jobs()]);
  return { detectors, experiments, jobs };
}
