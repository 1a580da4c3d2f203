/** Anomalies in words. */

import { type Anomaly, sentence } from "@earcon/client";
import { seriesName } from "./names.ts";
import { visible } from "./visible.ts";

/** How a series departs from its expected range: the side, or that its value repeats. */
type Departure = Pick<Anomaly, "direction" | "reason">;

/** The sign of a departure. */
export function departureSign({ direction, reason }: Departure): "▲" | "▼" | "=" {
  if (reason === "volatility") {
    return "=";
  }
  return direction === "above" ? "▲" : "▼";
}

/** What follows the name of a series: the words of the server's titles and sentences. */
export function departureWords({ direction, reason }: Departure): string {
  return reason === "volatility" ? "repeats the same value" : `is ${direction} the expected range`;
}

/** The sentence of an anomaly in the reader's time zone: the name of the series, and the rest. */
export function sentenceParts(anomaly: Anomaly): { name: string; rest: string } {
  const name = seriesName(anomaly);
  const whole = visible(sentence(anomaly));
  return whole.startsWith(name) ? { name, rest: whole.slice(name.length) } : { name: "", rest: whole };
}

/** The sentence of an anomaly, and how its value compares with history once that is known. */
export function explanationText(anomaly: Anomaly, comparison: string | null): string {
  return [visible(sentence(anomaly)), comparison].filter(Boolean).join(" ");
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
