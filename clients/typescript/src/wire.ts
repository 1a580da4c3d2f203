/** What the server says, as `docs/protocol.md` and `docs/asyncapi.yaml` have it. Times are milliseconds since the Unix epoch, UTC. */

export type Labels = Record<string, string>;

export type SeriesState = "warming" | "normal" | "anomalous" | "stalled" | "ended";

export interface Warming {
  seen: number;
  needed: number;
}

export interface Features {
  robust_z: number | null;
  residual_z: number | null;
  volatility: number | null;
  slope: number | null;
  level: number | null;
}

export interface Series {
  labels: Labels;
  state: SeriesState;
  warming: Warming | null;
  timestamp: number | null;
  value: number | null;
  score: number | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  features: Features | null;
  /** How many samples came late: stored and counted, not scored. */
  late: number;
  /** The open anomaly. */
  anomaly: string | null;
  /** What feedback multiplies the configured sensitivity with; absent from older servers. */
  sensitivity?: number;
}

export interface Kpi {
  kpi: string;
  state: "running" | "parked";
  reason: string | null;
  series: Series[];
}

export type Reason = "robust_z" | "residual_z" | "volatility" | "slope";

export interface Acknowledged {
  at: number;
  by: string;
  note: string | null;
}

/** What somebody said of an anomaly; the last word holds. */
export interface Verdict {
  verdict: "real" | "false";
  at: number;
  by: string;
  note: string | null;
}

export interface Anomaly {
  id: string;
  kpi: string;
  labels: Labels;
  state: "open" | "closed";
  opened_at: number;
  last_at: number;
  closed_at: number | null;
  peak: {
    timestamp: number;
    value: number;
    score: number;
    expected: number;
    lower: number;
    upper: number;
  };
  direction: "above" | "below";
  reason: Reason;
  samples: number;
  detector: string;
  acknowledged: Acknowledged | null;
  /** Absent from older servers, as all that follows. */
  verdict?: Verdict | null;
  /** How often the reason was as extreme, among how many earlier samples. */
  standing?: { reached: number; of: number } | null;
  /** Why, in a sentence. */
  sentence?: string;
  /** The name of the mute that keeps it quiet. */
  muted?: string | null;
}

/** One anomaly alone: with why it is one. */
export interface ExplainedAnomaly extends Anomaly {
  explanation: {
    sentence: string;
    feature: Reason;
    expected: number | null;
    actual: number;
    band: [number, number] | null;
    /** How the value stands among those of the same hour of the last four weeks. */
    rarity: {
      percent: number;
      of_samples: number;
      days: number;
      period: string;
      hour_of_day: number;
      time_zone: string;
    } | null;
    since: number;
    /** Past episodes like it, nearest first. */
    similar: {
      id: string;
      labels: Labels;
      opened_at: number;
      closed_at: number | null;
      peak: Anomaly["peak"];
      outcome: "real" | "false" | "acknowledged" | "none";
    }[];
  };
  /** The mute that holds for its series now. */
  mute: { id: string; name: string; reason: string | null; until: number } | null;
}

/** timestamp, value, score, expected, lower, upper. */
export type SampleRow = [
  number,
  number,
  number | null,
  number | null,
  number | null,
  number | null,
];

/** timestamp, count, min, max, mean, last, max_score, anomalies. */
export type RollupRow = [
  number,
  number,
  number,
  number,
  number,
  number,
  number | null,
  number,
];

/** The samples of one series in a `samples` event. */
export interface SeriesSamples {
  labels: Labels;
  samples: SampleRow[];
  late?: [number, number][];
  state: SeriesState;
  warming: Warming | null;
  features: Features | null;
}

interface Told<Type extends string, Data> {
  seq: number;
  epoch: string;
  time: number;
  type: Type;
  workspace: string;
  kpi: string;
  data: Data;
  /** Under a rate: where to resume after this event, when that is not its `seq`. */
  resume?: number;
  /** Under a rate: how many events this one stands for. */
  conflated?: number;
}

/** History of one series that was taken in, in numbers. */
export interface Backfilled {
  labels: Labels;
  /** Scored and stored. */
  samples: number;
  /** Stored only. */
  late: number;
  from: number | null;
  to: number | null;
  state: SeriesState;
}

export type LiveEvent =
  | Told<"samples", { series: SeriesSamples[] }>
  | Told<"anomaly.opened" | "anomaly.updated" | "anomaly.closed", Anomaly>
  | Told<"anomaly.acknowledged", { id: string; labels: Labels; acknowledged: Acknowledged }>
  | Told<"anomaly.judged", { id: string; labels: Labels; verdict: Verdict; sensitivity: number }>
  | Told<"series.stalled", { labels: Labels; last_timestamp: number }>
  | Told<"series.restored" | "series.ended", { labels: Labels; timestamp: number }>
  | Told<"samples.backfilled", { series: Backfilled[] }>
  | Told<"kpi.parked", { reason: string }>
  | Told<"kpi.resumed", Record<string, never>>
  /** Entries: `name@revision`, or `default` for what is configured. */
  | Told<"detector.changed", { live: string; shadow: string | null }>
  | Told<"detector.trained", { entry: string; detector: string; series: number }>;

export type EventType = LiveEvent["type"];

/** The event of one type. */
export type EventOf<Type extends EventType> = Extract<LiveEvent, { type: Type }>;

/** The state of the workspace after event `seq`. */
export interface Snapshot {
  type: "snapshot";
  seq: number;
  epoch: string;
  kpis: Kpi[];
  /** The open ones. */
  anomalies: Anomaly[];
}

export type ServerMessage =
  | { type: "subscribed"; seq: number; epoch: string; recovered: boolean | null }
  | Snapshot
  | { type: "gap"; from: number; to: number }
  | { type: "pong" }
  | { type: "error"; title: string; detail: string }
  | LiveEvent;

/** A KPI that can be heard. */
export interface Voice {
  kpi: string;
  labels: Labels;
  role: "voice" | "bed";
  pitch_hz: number;
  /** -1 left to 1 right. */
  pan: number;
  /** 0 to 1. */
  prominence: number;
}

/** A short sound that stands for an event. */
export interface Cue {
  severity: "info" | "warning" | "critical";
  kpi: string;
  labels: Labels;
  anomaly: string | null;
}

/** The texts between the packets of a mix. */
export type AudioMessage =
  | { type: "config"; codec: "opus"; sample_rate: number; channels: number; frame_ms: number; pre_skip: number }
  | { type: "voices"; voices: Voice[] }
  | ({ type: "cue" } & Cue);

/** The text form of labels: sorted by key, `key:value,key:value`. */
export function labelText(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((key) => `${key}:${labels[key] ?? ""}`)
    .join(",");
}

/** Names a series inside its workspace. A KPI's name holds no space, so the first one separates. */
export function seriesKey(kpi: string, labels: Labels): string {
  const text = labelText(labels);
  return text === "" ? kpi : `${kpi} ${text}`;
}

/** Whether a message is an event rather than a message about the connection. */
export function isEvent(message: ServerMessage): message is LiveEvent {
  return "data" in message && "kpi" in message;
}
