import { expect, it } from "vitest";
import type { Arm, Experiment, Job } from "@earcon/client";
import { currentExperiment, unusedName, jobWords, ROWS, stageWords } from "./experiments.ts";

const arm: Arm = {
  samples: 12_000,
  live_samples: 0,
  alerts: 3,
  alone: 1,
  alerts_per_10k: 2.5,
  alerts_per_day: null,
  live_ns: null,
  shadow_ns: 812,
  precision: null,
  feedback_count: 0,
};

function experiment(name: string, stage: Experiment["stage"], since: number): Experiment {
  const evidence = { baseline: arm, candidate: arm, both: 2, agreement: 0.5 };
  const rest = { percent: 5, policy: {}, total: evidence, current: evidence, steps: [] };
  return { name, baseline: "default", candidate: "calm@1", stage, since, ...rest };
}

it("shows the running experiment, otherwise the latest", () => {
  const old = experiment("a", "canary", 1);
  const over = experiment("b", "promoted", 2);
  expect(currentExperiment([old, over])).toBe(old);
  expect(currentExperiment([experiment("c", "stopped", 1), over])).toBe(over);
  expect(currentExperiment([])).toBeNull();
  expect(stageWords(old)).toBe("Live for 5 % of the KPIs");
});

it("finds an unused name", () => {
  const entry = { name: "calm", revision: 2 };
  expect(unusedName(entry, [])).toBe("calm-2");
  expect(unusedName(entry, [experiment("calm-2", "stopped", 1), experiment("calm-2-2", "stopped", 2)])).toBe("calm-2-3");
});

it("writes a dash for unknown values", () => {
  expect(ROWS.map((row) => row.value(arm))).toEqual(["12,000", "3", "1", "2.50", "–", "–", "812 ns", "–"]);
});

it("describes the state of a job", () => {
  const job: Job = {
    id: "1",
    kind: "train",
    entry: "calm@1",
    kpis: [],
    from: 0,
    to: 1,
    state: "running",
    kpis_total: 0,
    kpis_done: 0,
    samples: 0,
    series: 0,
    percent: 0,
    left_ms: null,
    problem: null,
    created: 0,
  };
  expect(jobWords(job)).toBe("Waiting");
  expect(jobWords({ ...job, kpis_total: 20, kpis_done: 5 })).toBe("5 of 20 KPIs");
  expect(jobWords({ ...job, state: "done", series: 2, samples: 2_000 })).toBe("Done: 2 series learned from 2000 samples");
  expect(jobWords({ ...job, state: "failed", problem: "a does not run" })).toBe("Failed: a does not run");
});
