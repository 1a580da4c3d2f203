/** What is said of detectors that are tried out: words and numbers. */

import type { Arm, Experiment, Job } from "@earcon/client";
import { span } from "./time.ts";

/** How far an experiment has come. */
export function stageWords(experiment: Experiment): string {
  switch (experiment.stage) {
    case "shadow":
      return "In the shadow";
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

export function runs(experiment: Experiment): boolean {
  return experiment.stage === "shadow" || experiment.stage === "canary";
}

/** The experiment to show: the one that runs, else the one that ended last. */
export function foremost(experiments: readonly Experiment[]): Experiment | null {
  const latest = [...experiments].sort((a, b) => b.since - a.since);
  return latest.find(runs) ?? latest[0] ?? null;
}

/** A name for the next experiment with an entry that none had before. */
export function freshName(entry: { name: string; revision: number }, experiments: readonly Experiment[]): string {
  const taken = new Set(experiments.map((each) => each.name));
  const first = `${entry.name.slice(0, 40)}-${entry.revision}`;
  let name = first;
  for (let i = 2; taken.has(name); i += 1) {
    name = `${first}-${i}`;
  }
  return name;
}

/** A row of the comparison: its name, and what is said of either detector. */
export interface Row {
  name: string;
  of(arm: Arm): string;
}

export const ROWS: readonly Row[] = [
  { name: "Samples", of: (arm) => count(arm.samples) },
  { name: "Alerts", of: (arm) => count(arm.alerts) },
  { name: "… that the other did not have", of: (arm) => count(arm.alone) },
  { name: "Alerts per 10,000 samples", of: (arm) => some(arm.alerts_per_10k, (rate) => rate.toFixed(rate < 10 ? 2 : 0)) },
  { name: "Alerts a day", of: (arm) => some(arm.alerts_per_day, (rate) => rate.toFixed(rate < 10 ? 1 : 0)) },
  { name: "A sample costs, live", of: (arm) => some(arm.live_ns, duration) },
  { name: "A sample costs, in the shadow", of: (arm) => some(arm.shadow_ns, duration) },
  { name: "Said to be real", of: (arm) => some(arm.precision, (share) => `${Math.round(share * 100)} % of ${count(arm.judged)}`) },
];

export function percent(share: number | null): string {
  return some(share, (share) => `${Math.round(share * 100)} %`);
}

/** How a job stands. */
export function jobWords(job: Job): string {
  if (job.state === "running") {
    const left = job.left_ms === null ? "" : `, about ${span(job.left_ms)} left`;
    return job.kpis_total === 0 ? "Waits" : `${count(job.kpis_done)} of ${count(job.kpis_total)} KPIs${left}`;
  }
  const learned = `${count(job.series)} series learned from ${count(job.samples)} samples`;
  const words = { cancelling: "Ends", done: "Done", cancelled: "Cancelled", failed: "Failed" }[job.state];
  return job.problem === null ? `${words}: ${learned}` : `${words}: ${job.problem}`;
}

function some(value: number | null, show: (value: number) => string): string {
  return value === null ? "–" : show(value);
}

function count(value: number): string {
  return value.toLocaleString("en-GB");
}

function duration(ns: number): string {
  return ns < 1_000 ? `${Math.round(ns)} ns` : ns < 1e6 ? `${(ns / 1e3).toFixed(1)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
}
