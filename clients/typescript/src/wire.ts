/**
 * The messages of `docs/protocol.md` and `docs/asyncapi.yaml`. Times are milliseconds since the
 * Unix epoch, UTC.
 */

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
  /** Number of late samples. They are stored, but not scored. */
  late: number;
  /** Id of the open anomaly. */
  anomaly: string | null;
  /** Feedback multiplies the configured sensitivity by this. */
  sensitivity: number;
  /** What the values seem to be, if they are sent as measurements and seem to be something else. */
  looks_like?: "counter" | "clock" | null;
}

export interface Kpi {
  kpi: string;
  /** The unit of its values, if it was stated. Not in snapshots. */
  unit?: string;
  /** A sentence about it, if there is one. Not in snapshots. */
  description?: string;
  state: "running" | "parked";
  reason: string | null;
  series: Series[];
}

/** The rules of a workspace for what agents send. */
export interface IngestRules {
  revision: number;
  document: { defaults?: boolean; resource_labels?: string[]; rules?: Record<string, unknown>[] };
}

/** The unit and the description of a KPI. */
export interface KpiSettings {
  /** As it was stated, such as `By/s`. */
  unit: string | null;
  /** As people write it, such as `B/s`. Empty for a plain number. */
  symbol: string;
  description: string | null;
  stated_by: "sender" | "person" | null;
}

/** The units and descriptions of all KPIs of which some were stated, by name. */
export interface Units {
  revision: number;
  kpis: Record<string, KpiSettings>;
}

export type Reason = "robust_z" | "residual_z" | "volatility" | "slope" | "loss";

export interface Acknowledged {
  at: number;
  by: string;
  note: string | null;
}

/** A person's feedback on an anomaly. Later feedback replaces earlier feedback. */
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
    /** null if it is not known, as the edges of the expected range. */
    expected: number | null;
    lower: number | null;
    upper: number | null;
  };
  /** Without a meaning if `reason` is `volatility`: the value repeats. */
  direction: "above" | "below";
  reason: Reason;
  samples: number;
  detector: string;
  acknowledged: Acknowledged | null;
  /** The latest feedback. */
  feedback: Feedback | null;
  /** The sentence without times, the number of samples and the end. */
  finding: string;
  /** The anomaly in words: series, value, expectation, start and end. Times are UTC. */
  sentence: string;
  /** The name of the mute that suppresses the alert. */
  muted: string | null;
  /** Why it is over. null while open. */
  end?: "calm" | "series_ended" | "stalled" | "deleted" | "other_side" | null;
  /** The unit of the values, if it was stated. */
  unit?: string | null;
}

/** One anomaly with its explanation. */
export interface ExplainedAnomaly extends Anomaly {
  explanation: {
    /** The sentence of the anomaly and the comparison. Times are UTC. */
    sentence: string;
    /** How the value compares with history, in a sentence. null if that says nothing of it. */
    comparison: string | null;
    feature: Reason;
    expected: number | null;
    actual: number;
    band: [number, number] | null;
    /** How rare the value is in the same hour of day of the last four weeks. */
    rarity: {
      percent: number;
      of_samples: number;
      days: number;
      period: string;
      hour_of_day: number;
      time_zone: string;
    } | null;
    since: number;
    /** Similar past episodes, most similar first. */
    similar: {
      id: string;
      labels: Labels;
      opened_at: number;
      closed_at: number | null;
      peak: Anomaly["peak"];
      outcome: "real" | "false" | "acknowledged" | "none";
    }[];
  };
  /** The mute that currently applies to the series. */
  mute: { id: string; name: string; reason: string | null; until: number } | null;
}

/** One series in an incident. */
export interface Member {
  /** Id of the latest anomaly of the series. */
  anomaly: string;
  kpi: string;
  labels: Labels;
  state: "open" | "closed";
  opened_at: number;
  closed_at: number | null;
  peak_score: number;
  peak_at: number;
  /** Without a meaning if `reason` is `volatility`: the value repeats. */
  direction: "above" | "below";
  reason: Reason;
  episodes: number;
  /** The reason for membership. */
  link: "first" | "same_kpi" | "shared" | "companion" | "burst" | "overflow";
  /** With `shared`: the property shared with another member. */
  shared: string | null;
  /** The name of the mute that suppresses the alert. */
  muted: string | null;
  acknowledged: boolean;
  /** Whether the series was known for less than two hours when it joined. */
  learning: boolean;
}

/** One entry of an incident's timeline. */
export interface TimelineEntry {
  at: number;
  what: "joined" | "returned" | "grew" | "ended" | "acknowledged" | "alerted" | "merged" | "left";
  kpi: string;
  labels: Labels;
}

/** Anomalies of several series that belong together. */
export interface Incident {
  id: string;
  /** Number of events about this incident, from 1. */
  revision: number;
  /** A short description. */
  title: string;
  state: "open" | "closed" | "merged";
  /** Whether the incident was alerted. If not, it is only recorded. */
  alerted: boolean;
  alerted_at: number | null;
  opened_at: number;
  /** The latest anomalous sample of a member, as of this event. */
  last_at: number;
  closed_at: number | null;
  merged_into: string | null;
  /** By surprise, members and duration. */
  severity: "info" | "warning" | "critical";
  /** Surprise in bits. */
  surprise: number;
  peak_score: number;
  cause_seq: number;
  first_mover: { kpi: string; labels: Labels; anomaly: string } | null;
  members_total: number;
  members_open: number;
  /** The members, at most 200. */
  members: Member[];
  timeline: TimelineEntry[];
  timeline_left_out: number;
  acknowledged: Acknowledged | null;
}

/** `[timestamp, value, score, expected, lower, upper]` */
export type SampleRow = [
  number,
  number,
  number | null,
  number | null,
  number | null,
  number | null,
];

/** `[timestamp, count, min, max, mean, last, max_score, anomalies]` */
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
  /** `workspace`, `kpi/<name>`, `incident/<id>`, `run/<id>`, `job/<id>` or another subject. */
  subject: string;
  data: Data;
  /** With a rate: the position to resume from after this event, if it is not `seq`. */
  resume?: number;
  /** With a rate: the number of events merged into this event. */
  conflated?: number;
}

/** An event about a KPI. */
interface KpiEvent<Type extends string, Data> extends Envelope<Type, Data> {
  kpi: string;
}

/** An event about an incident. Its members name the KPIs. */
interface IncidentEvent<Type extends string> extends Envelope<Type, Incident> {
  kpi?: never;
}

/** Summary of the ingested history of one series. */
export interface Backfilled {
  labels: Labels;
  /** Number of samples that were scored and stored. */
  samples: number;
  /** Number of samples that were only stored. */
  late: number;
  from: number | null;
  to: number | null;
  state: SeriesState;
}

/** What a person deleted of a KPI. Earlier data no longer counts, as far as it is covered. */
export interface Deleted {
  /** The whole KPI, whole series, or samples of a time range. */
  scope: "kpi" | "series" | "samples";
  /** Only series that have all these labels. */
  labels: Labels;
  /** First time of the range in milliseconds. null: from the beginning. */
  from: number | null;
  /** First time after the range. null: to the end. */
  to: number | null;
  by: string;
}

/** The deleted part, or the part that would be deleted. */
export interface Deletion extends Omit<Deleted, "by"> {
  kpi: string;
  /** Number of series, and of samples and anomalies in the history. */
  series: number;
  samples: number;
  anomalies: number;
  /** Whether it was only counted. */
  dry_run: boolean;
  /** The `deleted` event. null if it was only counted. */
  seq: number | null;
  epoch: string | null;
  /** Whether the history has none of it any more. If not, the server goes on by itself. */
  done: boolean;
}

export type LiveEvent =
  | KpiEvent<"samples", { series: SeriesSamples[] }>
  | KpiEvent<"anomaly.opened" | "anomaly.updated" | "anomaly.closed", Anomaly>
  | IncidentEvent<"incident.opened" | "incident.updated" | "incident.closed">
  | KpiEvent<"anomaly.acknowledged", { id: string; labels: Labels; acknowledged: Acknowledged }>
  | KpiEvent<"anomaly.feedback", { id: string; labels: Labels; feedback: Feedback; sensitivity: number }>
  | KpiEvent<"series.stalled", { labels: Labels; last_timestamp: number }>
  | KpiEvent<"series.restored" | "series.ended", { labels: Labels; timestamp: number }>
  | KpiEvent<"samples.backfilled", { series: Backfilled[] }>
  | KpiEvent<"kpi.parked", { reason: string }>
  | KpiEvent<"kpi.resumed", Record<string, never>>
  | KpiEvent<"deleted", Deleted>
  /** The entries are `name@revision`, or `default` for the configured detector. */
  | KpiEvent<"detector.changed", { live: string; shadow: string | null }>
  | KpiEvent<"detector.trained", { entry: string; detector: string; series: number }>;

export type EventType = LiveEvent["type"];

/** The event of one type. */
export type EventOf<Type extends EventType> = Extract<LiveEvent, { type: Type }>;

/** The state of the workspace after event `seq`. */
export interface Snapshot {
  type: "snapshot";
  seq: number;
  epoch: string;
  kpis: Kpi[];
  /** The open anomalies. */
  anomalies: Anomaly[];
  /** The open incidents. */
  incidents: Incident[];
}

export type ServerMessage =
  | { type: "subscribed"; seq: number; epoch: string; recovered: boolean | null }
  | Snapshot
  /** `epoch` is that of the position to resume from. */
  | { type: "gap"; from: number; to: number; epoch: string }
  | { type: "pong" }
  | { type: "error"; title: string; detail: string }
  | LiveEvent;

/** A series that sounds. */
export interface Voice {
  kpi: string;
  labels: Labels;
  role: "voice" | "bed";
  pitch_hz: number;
  /** Stereo position, -1 (left) to 1 (right). */
  pan: number;
  /** Prominence, 0 (background) to 1 (foreground). */
  prominence: number;
}

/** A short sound for an event. */
export interface Cue {
  /**
   * An incident began (or became more severe) or ended, a series stalled or is back, or more events
   * happened than the cues of a minute.
   */
  kind: "opened" | "closed" | "stalled" | "restored" | "summary";
  severity: "info" | "warning" | "critical";
  kpi: string;
  labels: Labels;
  anomaly: string | null;
  /** The incident, if the cue is about one. */
  incident: string | null;
}

/** The text messages of a mix, between the packets. */
export type AudioMessage =
  | { type: "config"; codec: "opus"; sample_rate: number; channels: number; frame_ms: number; pre_skip: number }
  | { type: "voices"; voices: Voice[] }
  | ({ type: "cue" } & Cue);

/** Returns the text form of labels: `key:value,key:value`, sorted by key. */
export function labelText(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((key) => `${key}:${labels[key] ?? ""}`)
    .join(",");
}

/** Returns the key of a series in its workspace. The first space separates KPI and labels. */
export function seriesKey(kpi: string, labels: Labels): string {
  const text = labelText(labels);
  return text === "" ? kpi : `${kpi} ${text}`;
}

/** Whether a message is an event. Other messages are about the connection. */
export function isEvent(message: ServerMessage): message is LiveEvent {
  return "data" in message && "subject" in message;
}
