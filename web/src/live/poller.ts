/**
 * Asks again and again how the cluster is, while somebody looks: not while the page is hidden, and never twice at once.
 * What was answered last stays when the next question fails.
 */

import { ApiError, type Cluster } from "@earcon/client";
import { Signal } from "./signal.ts";

/** From one question to the next. */
export const ASK_EVERY_MS = 2_000;
/** The server waits for other nodes itself; past this it will not answer any more. */
export const PATIENCE_MS = 10_000;

/** An answer, and when it came: milliseconds since the Unix epoch. */
export interface ClusterPicture {
  cluster: Cluster;
  at: number;
}

export class ClusterWatch {
  /** An answer came, or did not. */
  readonly changed = new Signal();
  /** null: none yet. */
  picture: ClusterPicture | null = null;
  /** Why the last question was not answered; null when it was. */
  problem: string | null = null;
  readonly #ask: (signal: AbortSignal) => Promise<Cluster>;
  #asking: AbortController | null = null;
  #next: ReturnType<typeof setTimeout> | null = null;
  #askedAt = -Infinity;

  constructor(ask: (signal: AbortSignal) => Promise<Cluster>) {
    this.#ask = ask;
  }

  /** For how many milliseconds an answer has been waited for. */
  waiting(now: number): number {
    return this.#asking === null ? 0 : now - this.#askedAt;
  }

  start(): void {
    document.addEventListener("visibilitychange", this.#look);
    this.#look();
  }

  stop(): void {
    document.removeEventListener("visibilitychange", this.#look);
    this.#rest();
  }

  readonly #look = () => {
    if (document.visibilityState !== "visible") {
      this.#rest();
    } else if (this.#asking === null && this.#next === null) {
      // Who flips through tabs does not make it more often.
      const wait = Math.max(0, this.#askedAt + ASK_EVERY_MS - Date.now());
      this.#next = setTimeout(() => void this.#question(), wait);
    }
  };

  #rest(): void {
    if (this.#next !== null) {
      clearTimeout(this.#next);
      this.#next = null;
    }
    this.#asking?.abort();
    this.#asking = null;
  }

  async #question(): Promise<void> {
    const asking = new AbortController();
    this.#next = null;
    this.#asking = asking;
    this.#askedAt = Date.now();
    const patience = setTimeout(() => asking.abort(), PATIENCE_MS);
    try {
      const cluster = await this.#ask(asking.signal);
      this.#told(asking, () => {
        this.picture = { cluster, at: Date.now() };
        this.problem = null;
      });
    } catch (error) {
      this.#told(asking, () => {
        this.problem = error instanceof ApiError ? `The server says: ${error.message}` : "The server does not answer";
      });
    } finally {
      clearTimeout(patience);
    }
  }

  /** What comes after the rest began is of no interest. */
  #told(asking: AbortController, take: () => void): void {
    if (this.#asking === asking) {
      this.#asking = null;
      take();
      this.#look();
      this.changed.emit();
    }
  }
}
