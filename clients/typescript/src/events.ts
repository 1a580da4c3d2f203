/** A subscription as an async iterable for `for await`. */

import type { Target } from "./access.ts";
import type { Link, LinkOptions } from "./link.ts";
import { REAL, Subscription, type Environment } from "./subscription.ts";
import type { LiveEvent, Snapshot } from "./wire.ts";

/** A snapshot in the stream of events. */
export interface Reset extends Snapshot {
  /**
   * Whether events were lost. If so, the snapshot replaces all state received so far. false for the
   * snapshot at the start of a subscription.
   */
  lost: boolean;
}

export interface EventsOptions extends LinkOptions {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** Called when the connection's phase or the time of the next attempt changes. */
  onChange?: (link: Link) => void;
}

/**
 * Maximum number of deliveries queued for a slow consumer. A full queue closes the connection until
 * the consumer has taken half of it.
 */
const MOST_WAITING = 10_000;

/**
 * Delivers events, each exactly once and in order. A snapshot replaces lost events. The iteration
 * ends when the consumer leaves the loop or the signal aborts. The connection of a slow consumer is
 * closed and resumed later. The consumer loses no event that the server's log still holds.
 *
 * @throws ApiError if the server does not accept the credentials (401) or does not permit it (403),
 * also after a connection that it permitted.
 */
export async function* events(
  target: string | Target,
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
    changed: (link: Link) => {
      onChange?.(link);
      wake();
    },
  };
  const subscription = new Subscription(target, follower, link, environment);
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
      const { refusal } = subscription.link;
      if (waiting.length === 0 && refusal !== null) {
        throw refusal;
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
