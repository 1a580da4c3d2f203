/** Anomalies in words. */

import type { Anomaly, Reason } from "@earcon/client";
import { rangeText, text, unitOf } from "./units.ts";

const REASONS: Record<Reason, (direction: Anomaly["direction"]) => string> = {
  robust_z: (direction) => `${direction} its expected level`,
  residual_z: (direction) => `${direction} its forecast`,
  volatility: () => "repeats the same value",
  slope: (direction) => `stays ${direction} its forecast`,
};

/** `12.4 MB/s, expected 1.1–2.0 MB/s; above its forecast`. */
export function anomalyText(anomaly: Anomaly): string {
  const unit = unitOf(anomaly.kpi);
  const { value, lower, upper } = anomaly.peak;
  const expected = `expected ${rangeText(lower, upper, unit)}`;
  const reason = REASONS[anomaly.reason]?.(anomaly.direction) ?? anomaly.reason;
  // The reason comes first if the value itself is within the expected range.
  const parts = value >= lower && value <= upper ? [reason, expected] : [expected, reason];
  return `${text(value, unit)}, ${parts.join("; ")}`;
}

/** `stalled`, or `2 of 3 series stalled`. */
export function stalledWords(stalled: number, all: number): string {
  return stalled === all ? "stalled" : `${stalled} of ${all} series stalled`;
}

/** What people said about an anomaly. */
export function outcomeText(outcome: "real" | "false" | "acknowledged"): string {
  return outcome === "false" ? "false alarm" : outcome;
}

/** Open ones first, then the newest. */
export function compareAnomalies(a: Anomaly, b: Anomaly): number {
  if (a.state !== b.state) {
    return a.state === "open" ? -1 : 1;
  }
  return b.opened_at - a.opened_at || (a.id < b.id ? -1 : 1);
}
