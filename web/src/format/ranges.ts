/** What stretch of time a chart shows, and how finely it asks for it. */

export type Range = { last: number } | { from: number; to: number };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const RANGES: [string, number][] = [
  ["15 m", 15 * MINUTE],
  ["1 h", HOUR],
  ["6 h", 6 * HOUR],
  ["1 d", DAY],
  ["7 d", 7 * DAY],
];

/** Longest stretch asked for sample by sample. */
export const RAW_UP_TO = HOUR;
/** Most samples a series asked for; more are asked for as rollups. */
export const RAW_LIMIT = 20_000;
/** About as many rollup rows as a chart is wide. */
const ROWS = 800;

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];

/** Milliseconds a rollup row covers when `span` milliseconds are shown; never under a second. */
export function stepFor(span: number): number {
  const wanted = span / ROWS / 1_000;
  return (STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400) * 1_000;
}

/** The edges of a range at this moment. */
export function edges(range: Range, now: number): [number, number] {
  return "last" in range ? [now - range.last, now] : [range.from, range.to];
}

export function isLive(range: Range): boolean {
  return "last" in range;
}

/**
 * The range that shows an episode: what is still going on, live; what is over, with as much before and after as it lasted,
 * at least ten minutes, but nothing of the future.
 */
export function around(from: number, to: number | null, now: number): Range {
  if (to === null) {
    return { last: Math.max(15 * MINUTE, 2 * (now - from)) };
  }
  const margin = Math.max(10 * MINUTE, to - from);
  return { from: from - margin, to: Math.max(to, Math.min(to + margin, now)) };
}
