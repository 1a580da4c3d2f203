/** Deterministic samples for tests. */

import type { Sample } from "../src/index.ts";

/** Ordinary samples: a wave with noise, one sample per second, the last one at `end`. */
export function ordinary(kpi: string, count: number, end: number): Sample[] {
  return Array.from({ length: count }, (_, i) => ({
    kpi,
    timestamp: end - (count - 1 - i) * 1_000,
    value: Math.round((100 + 2 * Math.sin(i / 9) + ((i * 7_919) % 101) / 50) * 100) / 100,
  }));
}

/** Samples far above the ordinary level, one per second from `start`. */
export function spike(kpi: string, count: number, start: number): Sample[] {
  return Array.from({ length: count }, (_, i) => ({ kpi, timestamp: start + i * 1_000, value: 400 + i }));
}
