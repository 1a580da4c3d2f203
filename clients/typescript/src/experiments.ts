/** Detectors, experiments and training jobs. */

/** One revision of an entry. A revision is immutable. */
export interface DetectorEntry {
  /** The reference of the entry, `name@revision`. */
  entry: string;
  name: string;
  revision: number;
  /** The algorithm. */
  detector: string;
  options: Record<string, number>;
  /** The value of `detector` in anomalies of this entry. */
  label: string;
}

export interface Detectors {
  /** `name@revision`, or `default` for the configured detector. */
  live: string;
  /** The configured algorithm. */
  configured: string;
  entries: DetectorEntry[];
}

export type ExperimentStage = "shadow" | "canary" | "promoted" | "rolled_back" | "stopped";

/** The counters of one of the two detectors. */
export interface Arm {
  samples: number;
  live_samples: number;
  /** Number of episodes that the detector opened, alerted or not. */
  alerts: number;
  /** Number of episodes that the other detector did not open. */
  alone: number;
  alerts_per_10k: number | null;
  /** null in the first hour. */
  alerts_per_day: number | null;
  live_ns: number | null;
  shadow_ns: number | null;
  /** Share of real anomalies among the anomalies with feedback, 0 to 1. */
  precision: number | null;
  /** Number of anomalies with feedback. */
  feedback_count: number;
}

export interface Evidence {
  baseline: Arm;
  candidate: Arm;
  both: number;
  /** Share of episodes that both detectors opened, 0 to 1. */
  agreement: number | null;
}

export interface ExperimentStep {
  at: number;
  stage: ExperimentStage;
  percent: number;
  by: string;
  reason: string | null;
}

export interface Experiment {
  name: string;
  baseline: string;
  candidate: string;
  stage: ExperimentStage;
  /** Percentage of KPIs on which the candidate is live. */
  percent: number;
  since: number;
  policy: Record<string, unknown>;
  /** Counters of the whole experiment. */
  total: Evidence;
  /** Counters of the current stage and share. */
  current: Evidence;
  steps: ExperimentStep[];
}

export type JobState = "running" | "cancelling" | "done" | "cancelled" | "failed";

/** A training job. */
export interface Job {
  id: string;
  kind: "train";
  entry: string;
  kpis: string[];
  from: number;
  to: number;
  state: JobState;
  kpis_total: number;
  kpis_done: number;
  samples: number;
  series: number;
  percent: number;
  left_ms: number | null;
  problem: string | null;
  created: number;
}
