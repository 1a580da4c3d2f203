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
  { page: "account", section: "two-factor" },
  { page: "organisation", organisation: "acme", section: "audit" },
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

  it("keeps the secret of a link that is claimed, without a workspace", () => {
    const route: Route = { page: "claim", secret: "ei_abc_def" };
    expect(routeHash({ ...route, workspace: "shop" })).toBe("#/claim/ei_abc_def");
    expect(parseRoute("#/claim/ei_abc_def")).toEqual(route);
  });

  it("names a part of the page also if the address names an unknown one or none", () => {
    expect(parseRoute("#/account")).toEqual({ page: "account", section: "sessions" });
    expect(parseRoute("#/organisation/acme")).toEqual({ page: "organisation", organisation: "acme", section: "members" });
    expect(parseRoute("#/organisation/acme/x")).toMatchObject({ section: "members" });
  });

  it("is the grid if the address is unknown", () => {
    for (const hash of ["", "#", "#/", "#/nonsense", "#/kpi/", "#/claim/", "#/organisation/", "#/?workspace=", "#/?filter=&order=x"]) {
      expect(parseRoute(hash)).toEqual({ page: "grid" });
    }
    expect(parseRoute("#/kpi/a?from=9&to=5")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/a?last=x")).toMatchObject({ range: null });
    expect(parseRoute("#/kpi/%E0%A4%A")).toMatchObject({ kpi: "%E0%A4%A" });
  });
});
