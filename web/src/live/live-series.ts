/** One series of a workspace: its current values and its recent points. */

import { type Features, type Labels, labelText, seriesKey, type SeriesState, type Warming } from "@earcon/client";
import { PointBuffer } from "./point-buffer.ts";

/** Points kept for each series: for its sparkline, and to join the history with live samples. */
const RECENT = 900;

export interface LiveSeries {
  readonly key: string;
  readonly kpi: string;
  readonly labels: Labels;
  /** Canonical text of the labels. Empty if there are none. */
  readonly labelText: string;
  state: SeriesState | "parked";
  warming: Warming | null;
  timestamp: number | null;
  value: number | null;
  score: number | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  features: Features | null;
  late: number;
  /** Id of the open anomaly. */
  anomaly: string | null;
  /** Why the KPI is parked. */
  reason: string | null;
  readonly recent: PointBuffer;
  /** Grows with every change of this series. */
  version: number;
  /** Generation of the state that the history was fetched for. An older one is fetched again. */
  historyGeneration: number;
}

/** A series without any samples. */
export function newSeries(kpi: string, labels: Labels): LiveSeries {
  return {
    key: seriesKey(kpi, labels),
    kpi,
    labels,
    labelText: labelText(labels),
    state: "warming",
    warming: null,
    timestamp: null,
    value: null,
    score: null,
    expected: null,
    lower: null,
    upper: null,
    features: null,
    late: 0,
    anomaly: null,
    reason: null,
    recent: new PointBuffer(RECENT),
    version: 0,
    historyGeneration: -1,
  };
}
