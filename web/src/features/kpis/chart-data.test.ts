import { describe, expect, it } from "vitest";
import type { Client, RollupRow, SampleRow } from "@earcon/client";
import { RAW_LIMIT } from "../../format/ranges.ts";
import { ChartData } from "./chart-data.ts";

const MINUTE = 60_000;
const HOURS_9 = 9 * 60 * MINUTE;

/** A server with one series of `samples` rows, spread over nine hours. Records the requests. */
function server(samples: number) {
  const requests: string[] = [];
  const every = HOURS_9 / samples;
  const rows = Array.from({ length: samples }, (_, i): SampleRow => [i * every, 5, 0, 5, 2, 8]);
  const api = {
    rows: (_: string, { limit = 0 }) => {
      requests.push(`rows ${limit}`);
      return Promise.resolve([{ labels: {}, samples: rows.slice(0, limit), truncated: rows.length > limit }]);
    },
    rollups: (_: string, { step = 1 }) => {
      requests.push("rollups");
      const steps = Math.ceil(HOURS_9 / step);
      const row = (i: number): RollupRow => [i * step, samples / steps, 1, 9, 5, 5, 0, 0];
      return Promise.resolve([{ labels: {}, samples: Array.from({ length: steps }, (_, i) => row(i)) }]);
    },
  } as unknown as Client;
  const fetch = (to: number, room: number) => ChartData.fetch(api, "a", [0, to], room, new AbortController().signal);
  return { requests, fetch };
}

describe("the data of a chart", () => {
  it("are single samples with their band over nine hours, if the chart has room for them", async () => {
    const { fetch, requests } = server(480);
    const data = await fetch(HOURS_9, 800);
    expect(data.step).toBeNull();
    expect(data.chartSeries("", "")).toMatchObject({ low: Array(480).fill(2), high: Array(480).fill(8) });
    expect(requests).toEqual(["rollups", `rows ${RAW_LIMIT}`]);
  });

  it("are rollups if the samples do not fit, without a request for the samples", async () => {
    const { fetch, requests } = server(2_000);
    const data = await fetch(HOURS_9, 800);
    expect(data.step).toBeGreaterThan(1_000);
    expect(data.chartSeries("", "").high[0]).toBe(9);
    expect(requests).toEqual(["rollups"]);
  });

  it("are single samples of a short range, unless they exceed one answer", async () => {
    const few = server(2_000);
    expect((await few.fetch(60 * MINUTE, 800)).step).toBeNull();
    expect(few.requests).toEqual([`rows ${RAW_LIMIT}`]);
    const many = server(RAW_LIMIT + 1);
    expect((await many.fetch(60 * MINUTE, RAW_LIMIT)).step).not.toBeNull();
    expect(many.requests).toEqual([`rows ${RAW_LIMIT}`, "rollups"]);
  });

  it("say whether a series has points in a range", async () => {
    const raw = await server(480).fetch(HOURS_9, 800);
    expect(raw.hasPoints("", 0, 1)).toBe(true);
    expect(raw.hasPoints("", 1, 2)).toBe(false);
    expect(raw.hasPoints("", HOURS_9, 2 * HOURS_9)).toBe(false);
    expect(raw.hasPoints("region:eu", 0, HOURS_9)).toBe(false);
    const rollups = await server(2_000).fetch(HOURS_9, 800);
    expect(rollups.hasPoints("", 1, 2)).toBe(true);
    expect(rollups.hasPoints("", 2 * HOURS_9, 3 * HOURS_9)).toBe(false);
  });
});
