/** A subscription as an async iterable, for `for await`. */

import type { Link, LinkOptions } from "./link.ts";
import { REAL, Subscription, type Environment } from "./subscription.ts";
import type { LiveEvent, Snapshot } from "./wire.ts";

/** A snapshot as an iteration delivers it. */
export interface Reset extends Snapshot {
  /**
   * Events were lost: the snapshot replaces all state known so far. false for the snapshot at the start of a
   * subscription.
   */
  lost: boolean;
}

export interface EventsOptions extends LinkOptions {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** The connection's phase, or the time of the next attempt, changed. */
  onChange?: (link: Link) => void;
}

/** Deliveries that may wait for a slow consumer; then the connection is closed until half of them are taken. */
const MOST_WAITING = 10_000;

/**
 * Delivers events, each once and in order, and snapshots where events were lost, until the consumer breaks off or the
 * signal aborts. A slow consumer loses nothing as long as the server's log holds the missed events: the connection is
 * closed and resumed later.
 */
export async function* events(
  url: string,
  options: EventsOptions,
  environment: Environment = REAL,
  mostWaiting = MOST_WAITING,
): AsyncGenerator<LiveEvent | Reset, void, void> {
  const { signal, onChange, ...link } = options;
  let waiting: (LiveEvent | Reset)[] = [];
  let paused = false;
  let wake: () => void = () => undefined;
  const put = (delivery: LiveEvent | Reset) => {
    waiting.push(delivery);
    if (waiting.length >= mostWaiting && !paused) {
      paused = true;
      subscription.stop();
    }
    wake();
  };
  const follower = {
    event: put,
    snapshot: (snapshot: Snapshot, lost: boolean) => put({ ...snapshot, lost }),
    ...(onChange === undefined ? {} : { changed: onChange }),
  };
  const subscription = new Subscription(url, follower, link, environment);
  const abort = () => wake();
  const aborted = () => signal?.aborted === true;
  signal?.addEventListener("abort", abort);
  try {
    subscription.start();
    while (!aborted()) {
      const batch = waiting;
      waiting = [];
      for (const [taken, delivery] of batch.entries()) {
        if (aborted()) {
          return;
        }
        yield delivery;
        if (paused && batch.length - taken + waiting.length <= mostWaiting / 2) {
          paused = false;
          subscription.start();
        }
      }
      if (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (aborted()) {
            resolve();
          }
        });
      }
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    subscription.stop();
  }
}
