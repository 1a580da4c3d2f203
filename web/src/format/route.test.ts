import { describe, expect, it } from "vitest";
import { parseRoute, routeHash, type Route } from "./route.ts";

const WORKSPACES = [undefined, "shop", "odd name/?&#"];
const PAGES: Route[] = [
  { page: "grid" },
  { page: "grid", filter: "cpu busy?&=#", order: "score" },
  { page: "anomalies" },
  { page: "anomalies", incident: "153d2bf3-7a10" },
  { page: "cluster" },
  { page: "detectors" },
  { page: "import" },
  { page: "kpi", kpi: "a.b", series: [], range: null },
  { page: "kpi", kpi: "odd/name ?#%", series: ["core:0", "a:b,c:d&=?"], range: { last: 60_000 } },
  { page: "kpi", kpi: "a", series: [], range: { from: 5, to: 9 } },
];

describe("a route", () => {
  it("keeps its workspace, page and selection in the address", () => {
    for (const workspace of WORKSPACES) {
      for (const page of PAGES) {
        const route: Route = workspace === undefined ? page : { ...page, workspace };
        expect(parseRoute(routeHash(route))).toEqual(route);
      }
    }
  });

  it("is the grid if the address is unknown", () => {
    for (const hash of ["", "#", "#/", "#/nonsense", "#/kpi/", "#/?workspace=", "#/?filter=&order=x"]) {
      expect(parseRoute(hash)).toEqual({ page: "grid" });
    }
    expect(parseRoute("#/kpi/a?from=9&to=5")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/a?last=x")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/%E0%A4%A")).toMatchObject({ kpi: "%E0%A4%A" });
  });
});
