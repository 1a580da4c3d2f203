/** Exponential backoff with random jitter. */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * Returns the pause before the next attempt in milliseconds. The pause doubles with each failure.
 * Half of it is random, so that many clients do not reconnect to a restarted server at the same
 * time.
 *
 * @param failures the number of consecutive failures, at least 1
 * @param chance a random number from 0 (inclusive) to 1 (exclusive)
 */
export function backoff(failures: number, chance: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return Math.round(full / 2 + (full / 2) * chance);
}
