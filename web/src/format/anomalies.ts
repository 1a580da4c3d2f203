/** What happened, in words. */

import type { Anomaly, Reason } from "@earcon/client";
import { rangeText, text, unitOf } from "./units.ts";

const REASONS: Record<Reason, string> = {
  robust_z: "far from its usual level",
  residual_z: "off its forecast",
  volatility: "unusually restless or still",
  slope: "moving unusually fast",
};

/** `12.4 MB/s, expected 1.1–2.0 MB/s; off its forecast`. */
export function whatMoved(anomaly: Anomaly): string {
  const unit = unitOf(anomaly.kpi);
  const { value, lower, upper } = anomaly.peak;
  const expected = `expected ${rangeText(lower, upper, unit)}`;
  const reason = REASONS[anomaly.reason] ?? anomaly.reason;
  // Inside of its band it is the movement that was odd, not the value.
  const odd = value >= lower && value <= upper ? [reason, expected] : [expected, reason];
  return `${text(value, unit)}, ${odd.join("; ")}`;
}

/** Open ones first, then the newest. */
export function compareAnomalies(a: Anomaly, b: Anomaly): number {
  if (a.state !== b.state) {
    return a.state === "open" ? -1 : 1;
  }
  return b.opened_at - a.opened_at || (a.id < b.id ? -1 : 1);
}
