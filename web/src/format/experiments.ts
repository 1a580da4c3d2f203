/** Experiments with detectors, and training jobs, in words and numbers. */

import type { Arm, Experiment, Job } from "@earcon/client";
import { whole } from "./count.ts";
import { span } from "./time.ts";

/** Stage of an experiment. */
export function stageWords(experiment: Experiment): string {
  switch (experiment.stage) {
    case "shadow":
      return "In shadow";
    case "canary":
      return `Live for ${count(experiment.percent)} % of the KPIs`;
    case "promoted":
      return "Promoted";
    case "rolled_back":
      return "Rolled back";
    case "stopped":
      return "Stopped";
  }
}

/** Whether the experiment has not ended. */
export function isRunning(experiment: Experiment): boolean {
  return experiment.stage === "shadow" || experiment.stage === "canary";
}

/** The experiment to show: the running one, otherwise the latest. */
export function currentExperiment(experiments: readonly Experiment[]): Experiment | null {
  const latest = [...experiments].sort((a, b) => b.since - a.since);
  return latest.find(isRunning) ?? latest[0] ?? null;
}

/** An unused name for a new experiment with an entry. */
export function unusedName(entry: { name: string; revision: number }, experiments: readonly Experiment[]): string {
  const taken = new Set(experiments.map((each) => each.name));
  const first = `${entry.name.slice(0, 40)}-${entry.revision}`;
  let name = first;
  for (let i = 2; taken.has(name); i += 1) {
    name = `${first}-${i}`;
  }
  return name;
}

/** A row of the comparison: its name, and its value for one detector. */
export interface Row {
  name: string;
  value(arm: Arm): string;
}

export const ROWS: readonly Row[] = [
  { name: "Samples", value: (arm) => count(arm.samples) },
  { name: "Alerts", value: (arm) => count(arm.alerts) },
  { name: "Alerts of this detector only", value: (arm) => count(arm.alone) },
  { name: "Alerts per 10,000 samples", value: (arm) => some(arm.alerts_per_10k, (rate) => rate.toFixed(rate < 10 ? 2 : 0)) },
  { name: "Alerts per day", value: (arm) => some(arm.alerts_per_day, (rate) => rate.toFixed(rate < 10 ? 1 : 0)) },
  { name: "Time per sample, live", value: (arm) => some(arm.live_ns, duration) },
  { name: "Time per sample, in shadow", value: (arm) => some(arm.shadow_ns, duration) },
  { name: "Real according to feedback", value: (arm) => some(arm.precision, (share) => `${Math.round(share * 100)} % of ${count(arm.feedback_count)}`) },
];

export function percent(share: number | null): string {
  return some(share, (share) => `${Math.round(share * 100)} %`);
}

/** State of a job. */
export function jobWords(job: Job): string {
  if (job.state === "running") {
    const left = job.left_ms === null ? "" : `, about ${span(job.left_ms)} left`;
    return job.kpis_total === 0 ? "Waiting" : `${count(job.kpis_done)} of ${count(job.kpis_total)} KPIs${left}`;
  }
  const learned = `${count(job.series)} series learned from ${count(job.samples)} samples`;
  const words = { cancelling: "Cancelling", done: "Done", cancelled: "Cancelled", failed: "Failed" }[job.state];
  return job.problem === null ? `${words}: ${learned}` : `${words}: ${job.problem}`;
}

function some(value: number | null, show: (value: number) => string): string {
  return value === null ? "–" : show(value);
}

function count(value: number): string {
  return whole(value);
}

function duration(ns: number): string {
  return ns < 1_000 ? `${Math.round(ns)} ns` : ns < 1e6 ? `${(ns / 1e3).toFixed(1)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
}
