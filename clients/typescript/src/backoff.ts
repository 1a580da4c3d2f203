/** How long to wait before trying again. */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * Exponential backoff with equal jitter: half of the delay is certain, half is chance, so that many clients that lost
 * the same server do not all come back in the same moment.
 *
 * @param failures how many attempts failed in a row, at least 1
 * @param chance a number from 0 (inclusive) to 1 (exclusive)
 */
export function backoff(failures: number, chance: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return Math.round(full / 2 + (full / 2) * chance);
}
