/**
 * Polls the server while its page is shown. Pauses while the browser tab is hidden, and never has
 * two requests running. Keeps the last answer if a later request fails.
 */

import { ApiError } from "@earcon/client";
import { Signal } from "./signal.ts";

/** Time from the start of one request to the start of the next. */
export const POLL_EVERY_MS = 2_000;
/** A request without a response is aborted after this time. */
export const TIMEOUT_MS = 10_000;

/** A response, and when it arrived: milliseconds since the Unix epoch. */
export interface Answer<T> {
  value: T;
  at: number;
}

export class Poller<T> {
  /** A request has succeeded or failed. */
  readonly changed = new Signal();
  /** The last successful response. null before the first. */
  answer: Answer<T> | null = null;
  /** Why the last request failed. null if it succeeded. */
  problem: string | null = null;
  /** Whether the last poll failed, so that the answer is outdated. */
  failed = false;
  readonly #request: (signal: AbortSignal) => Promise<T>;
  #running: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #requestedAt = -Infinity;
  #started = false;

  constructor(request: (signal: AbortSignal) => Promise<T>) {
    this.#request = request;
  }

  /**
   * For how many milliseconds the running request has been waiting. 0 without a running request.
   */
  waitingMs(now: number): number {
    return this.#running === null ? 0 : now - this.#requestedAt;
  }

  start(): void {
    this.#started = true;
    document.addEventListener("visibilitychange", this.#schedule);
    this.#schedule();
  }

  stop(): void {
    this.#started = false;
    document.removeEventListener("visibilitychange", this.#schedule);
    this.#pause();
  }

  /** Requests at once, in place of the running request. Does nothing after `stop`. */
  async refresh(): Promise<void> {
    if (this.#started) {
      this.#pause();
      await this.#poll();
    }
  }

  readonly #schedule = () => {
    if (document.visibilityState !== "visible") {
      this.#pause();
    } else if (this.#running === null && this.#timer === null) {
      // Switching between tabs must not lead to more requests.
      const wait = Math.max(0, this.#requestedAt + POLL_EVERY_MS - Date.now());
      this.#timer = setTimeout(() => void this.#poll(), wait);
    }
  };

  #pause(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#running?.abort();
    this.#running = null;
  }

  async #poll(): Promise<void> {
    const running = new AbortController();
    this.#timer = null;
    this.#running = running;
    this.#requestedAt = Date.now();
    const timeout = setTimeout(() => running.abort(), TIMEOUT_MS);
    try {
      const value = await Promise.race([this.#request(running.signal), aborted(running.signal)]);
      this.#finish(running, () => {
        this.answer = { value, at: Date.now() };
        this.problem = null;
        this.failed = false;
      });
    } catch (error) {
      this.#finish(running, () => {
        this.failed = true;
        this.problem = error instanceof ApiError ? `The server says: ${error.message}` : "The server does not answer";
      });
    } finally {
      clearTimeout(timeout);
    }
  }

  /** Stores a result, unless polling was paused since the request began. */
  #finish(running: AbortController, store: () => void): void {
    if (this.#running === running) {
      this.#running = null;
      store();
      this.#schedule();
      this.changed.emit();
    }
  }
}

/** Rejects as soon as the signal is aborted: not all requests of the client can be cancelled. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
