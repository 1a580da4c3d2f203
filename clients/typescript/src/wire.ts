/** The messages of `docs/protocol.md` and `docs/asyncapi.yaml`. Times are milliseconds since the Unix epoch, UTC. */

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
  /** Feedback multiplies the configured sensitivity by this. */
  sensitivity: number;
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

/** A person's feedback on an anomaly; the last one holds. */
export interface Feedback {
  outcome: "real" | "false";
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
  /** The last feedback. */
  feedback: Feedback | null;
  /** How often the reason was as extreme, among how many earlier samples. */
  rank: { reached: number; of: number } | null;
  /** Why, in a sentence. */
  sentence: string;
  /** The name of the mute that suppresses its alert. */
  muted: string | null;
}

/** One anomaly with its explanation. */
export interface ExplainedAnomaly extends Anomaly {
  explanation: {
    sentence: string;
    feature: Reason;
    expected: number | null;
    actual: number;
    band: [number, number] | null;
    /** How rare the value is in the same hour of the last four weeks. */
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

/** One series in an incident. */
export interface Member {
  /** Its latest anomaly. */
  anomaly: string;
  kpi: string;
  labels: Labels;
  state: "open" | "closed";
  opened_at: number;
  closed_at: number | null;
  peak_score: number;
  peak_at: number;
  direction: "above" | "below";
  episodes: number;
  /** Why it is a member. */
  link: "first" | "same_kpi" | "shared" | "companion" | "burst" | "overflow";
  /** With `shared`: the property it shares with a member. */
  shared: string | null;
  /** The mute that suppresses its alert. */
  muted: string | null;
  acknowledged: boolean;
}

/** One line of an incident's timeline. */
export interface TimelineEntry {
  at: number;
  what: "joined" | "returned" | "grew" | "ended" | "acknowledged" | "alerted" | "merged";
  kpi: string;
  labels: Labels;
}

/** Anomalies of several series that belong together. */
export interface Incident {
  id: string;
  /** Counts the events about it, from 1. */
  revision: number;
  /** A short description. */
  title: string;
  state: "open" | "closed" | "merged";
  /** Whether it was alerted. If not, it is only recorded. */
  alerted: boolean;
  alerted_at: number | null;
  opened_at: number;
  closed_at: number | null;
  merged_into: string | null;
  /** Its surprise in bits. */
  surprise: number;
  peak_score: number;
  cause_seq: number;
  first_mover: { kpi: string; labels: Labels; anomaly: string } | null;
  members_total: number;
  members_open: number;
  /** At most 200. */
  members: Member[];
  timeline: TimelineEntry[];
  timeline_left_out: number;
  acknowledged: Acknowledged | null;
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

interface Envelope<Type extends string, Data> {
  seq: number;
  epoch: string;
  time: number;
  type: Type;
  workspace: string;
  /** What it is about: `workspace`, `kpi/<name>`, `incident/<id>`, `run/<id>`, `job/<id>` or another. */
  subject: string;
  data: Data;
  /** Under a rate: the position to resume from after this event, if it is not its `seq`. */
  resume?: number;
  /** Under a rate: how many events were merged into this one. */
  conflated?: number;
}

/** An event about a KPI. */
interface OfKpi<Type extends string, Data> extends Envelope<Type, Data> {
  kpi: string;
}

/** An event about an incident: the KPIs are those of its members. */
interface OfIncident<Type extends string> extends Envelope<Type, Incident> {
  kpi?: never;
}

/** Ingested history of one series, in numbers. */
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
  | OfKpi<"samples", { series: SeriesSamples[] }>
  | OfKpi<"anomaly.opened" | "anomaly.updated" | "anomaly.closed", Anomaly>
  | OfIncident<"incident.opened" | "incident.updated" | "incident.closed">
  | OfKpi<"anomaly.acknowledged", { id: string; labels: Labels; acknowledged: Acknowledged }>
  | OfKpi<"anomaly.feedback", { id: string; labels: Labels; feedback: Feedback; sensitivity: number }>
  | OfKpi<"series.stalled", { labels: Labels; last_timestamp: number }>
  | OfKpi<"series.restored" | "series.ended", { labels: Labels; timestamp: number }>
  | OfKpi<"samples.backfilled", { series: Backfilled[] }>
  | OfKpi<"kpi.parked", { reason: string }>
  | OfKpi<"kpi.resumed", Record<string, never>>
  /** Entries: `name@revision`, or `default` for the configured detector. */
  | OfKpi<"detector.changed", { live: string; shadow: string | null }>
  | OfKpi<"detector.trained", { entry: string; detector: string; series: number }>;

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
  /** The open ones. */
  incidents: Incident[];
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

/** A short sound for an event. */
export interface Cue {
  severity: "info" | "warning" | "critical";
  kpi: string;
  labels: Labels;
  anomaly: string | null;
  /** The incident, if it is about one. */
  incident: string | null;
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
  return "data" in message && "subject" in message;
}
