import { describe, expect, it } from "vitest";
import { parseRoute, routeHash, type Route } from "./route.ts";

describe("a route", () => {
  it("keeps its page, series and range in the address", () => {
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

  it("is the grid if the address is unknown", () => {
    for (const hash of ["", "#", "#/", "#/nonsense", "#/kpi/", "#/?workspace="]) {
      expect(parseRoute(hash)).toEqual({ page: "grid" });
    }
    expect(parseRoute("#/kpi/a?from=9&to=5")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/a?last=x")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/%E0%A4%A")).toMatchObject({ kpi: "%E0%A4%A" });
  });
});
