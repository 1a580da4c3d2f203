/** Time ranges of charts, and the resolution of the data requested for them. */

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

/**
 * Longest range requested as single samples at once. Of longer ranges, rollups tell first whether
 * the samples fit into the chart.
 */
export const RAW_UP_TO = HOUR;
/**
 * Largest number of single samples requested per series. With more samples, rollups are requested.
 */
export const RAW_LIMIT = 20_000;
/** Approximate number of rollup rows in a chart. */
const ROWS = 800;

/**
 * Number of single samples per series that a chart has room for: one for each pixel of the screen,
 * but not fewer than it would have rollup rows.
 *
 * @param width of the chart, in CSS pixels
 * @param ratio pixels of the screen per CSS pixel
 */
export function roomFor(width: number, ratio: number): number {
  return Math.min(RAW_LIMIT, Math.max(ROWS, Math.round(width * ratio)));
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];

/** Milliseconds per rollup row if `span` milliseconds are shown. At least one second. */
export function stepFor(span: number): number {
  const wanted = span / ROWS / 1_000;
  return (STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400) * 1_000;
}

/** Start and end of a range, in milliseconds since the Unix epoch. */
export function bounds(range: Range, now: number): [number, number] {
  return "last" in range ? [now - range.last, now] : [range.from, range.to];
}

export function isLive(range: Range): boolean {
  return "last" in range;
}

/**
 * The range that shows an anomaly. Live if it is open (`to` is null). Otherwise with a margin on
 * both sides: as long as the anomaly, at least ten minutes, and not into the future.
 */
export function around(from: number, to: number | null, now: number): Range {
  if (to === null) {
    return { last: Math.max(15 * MINUTE, 2 * (now - from)) };
  }
  const margin = Math.max(10 * MINUTE, to - from);
  return { from: from - margin, to: Math.max(to, Math.min(to + margin, now)) };
}
