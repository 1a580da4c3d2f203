import { describe, expect, it } from "vitest";
import { around, edges, isLive, RANGES, stepFor } from "./ranges.ts";
import { Rollups } from "../live/rollups.ts";
import { parseRoute, routeHash, type Route } from "./route.ts";

describe("ranges", () => {
  it("ask for no more rows than a chart can show, and no finer than a second", () => {
    for (const [, span] of RANGES) {
      expect(span / stepFor(span)).toBeLessThanOrEqual(1_000);
      expect(stepFor(span)).toBeGreaterThanOrEqual(1_000);
    }
    expect(stepFor(1_000)).toBe(1_000);
    expect(stepFor(86_400_000 * 36_500) % 86_400_000).toBe(0);
  });

  it("end now while they are live", () => {
    expect(edges({ last: 100 }, 1_000)).toEqual([900, 1_000]);
    expect(edges({ from: 1, to: 2 }, 1_000)).toEqual([1, 2]);
    expect(isLive({ from: 1, to: 2 })).toBe(false);
  });

  it("leave room around what happened", () => {
    expect(around(1_000_000, 1_060_000, 9_000_000)).toEqual({ from: 400_000, to: 1_660_000 });
  });

  it("show nothing of the future, and stay live for what goes on", () => {
    expect(around(1_000_000, 1_060_000, 1_070_000)).toEqual({ from: 400_000, to: 1_070_000 });
    expect(around(1_000_000, null, 1_070_000)).toEqual({ last: 900_000 });
    expect(around(1_000_000, null, 3_000_000)).toEqual({ last: 4_000_000 });
  });
});

describe("an address", () => {
  it("keeps the page, the series and the range", () => {
    const routes: Route[] = [
      { page: "grid" },
      { page: "grid", workspace: "odd name/?&#" },
      { page: "anomalies" },
      { page: "cluster" },
      { page: "kpi", kpi: "a.b", series: [], range: null },
      { page: "kpi", kpi: "odd/name ?#%", series: ["core:0", "a:b,c:d&="], range: { last: 60_000 } },
      { page: "kpi", kpi: "a", series: [], range: { from: 5, to: 9 } },
    ];
    for (const route of routes) {
      expect(parseRoute(routeHash(route))).toEqual(route);
    }
  });

  it("means the grid when it means nothing", () => {
    for (const hash of ["", "#", "#/", "#/nonsense", "#/kpi/", "#/?workspace="]) {
      expect(parseRoute(hash)).toEqual({ page: "grid" });
    }
    expect(parseRoute("#/kpi/a?from=9&to=5")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/a?last=x")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/%E0%A4%A")).toMatchObject({ kpi: "%E0%A4%A" });
  });
});

describe("rollups", () => {
  it("go on with live samples", () => {
    const rollups = new Rollups(1_000, [[1_000, 2, 1, 3, 2, 3, 0.5, 0]], 1_500);
    rollups.put([1_400, 99, 0.9, null, null, null]);
    expect(rollups.max).toEqual([3]);
    rollups.put([1_600, 8, 0.7, null, null, null]);
    rollups.put([3_200, 5, null, null, null, null]);
    rollups.put([2_100, 4, null, null, null, null]);
    expect(rollups.timestamps).toEqual([1_000, 2_000, 3_000]);
    expect(rollups.min).toEqual([1, 4, 5]);
    expect(rollups.max).toEqual([8, 4, 5]);
    expect(rollups.mean).toEqual([4, 4, 5]);
    expect(rollups.scores).toEqual([0.7, null, null]);
  });
});
