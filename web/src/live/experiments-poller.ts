/** Asks again and again what is tried out, while somebody looks. What was answered last stays when the next question fails. */

import { ApiError, type Client, type Detectors, type Experiment, type Job } from "@earcon/client";
import { Signal } from "./signal.ts";

/** From one question to the next; the server writes evidence down as often. */
export const ASK_EVERY_MS = 2_000;

/** Detectors, experiments and jobs of a workspace. */
export interface Lab {
  detectors: Detectors;
  experiments: Experiment[];
  jobs: Job[];
}

export class LabWatch {
  /** An answer came, or did not. */
  readonly changed = new Signal();
  /** null: none yet. */
  lab: Lab | null = null;
  /** Why the last question, or the last wish, was refused; null when it was not. */
  problem: string | null = null;
  readonly #api: Client;
  #next: ReturnType<typeof setTimeout> | null = null;
  #stopped = true;

  constructor(api: Client) {
    this.#api = api;
  }

  start(): void {
    this.#stopped = false;
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#next !== null) {
      clearTimeout(this.#next);
      this.#next = null;
    }
  }

  /** Does something, and then looks what has become of it. */
  async wish(act: (api: Client) => Promise<unknown>): Promise<void> {
    let refused: string | null = null;
    try {
      await act(this.#api);
    } catch (error) {
      refused = words(error);
    }
    await this.#ask();
    // What was refused is said until the next look.
    this.problem = refused ?? this.problem;
    this.changed.emit();
  }

  async #look(): Promise<void> {
    if (document.visibilityState === "visible") {
      await this.#ask();
    }
    if (!this.#stopped) {
      this.#next = setTimeout(() => void this.#look(), ASK_EVERY_MS);
    }
  }

  async #ask(): Promise<void> {
    try {
      const [detectors, experiments, jobs] = await Promise.all([
        this.#api.detectors(),
        this.#api.experiments(),
        this.#api.jobs(),
      ]);
      this.lab = { detectors, experiments, jobs };
      this.problem = null;
    } catch (error) {
      this.problem = words(error);
    }
    if (!this.#stopped) {
      this.changed.emit();
    }
  }
}

function words(error: unknown): string {
  return error instanceof ApiError ? error.message : "The server does not answer";
}
