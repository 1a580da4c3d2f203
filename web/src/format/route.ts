/**
 * Routes of the dashboard. A route is written after the `#` of the address, so that links keep it.
 */

import type { Range } from "./ranges.ts";

export type Route =
  /** `workspace` selects a workspace. Without it, the selection does not change. */
  | { page: "grid"; workspace?: string }
  | { page: "anomalies" }
  | { page: "cluster" }
  | { page: "import" }
  | { page: "detectors" }
  | {
      page: "kpi";
      kpi: string;
      /** Canonical label texts of the selected series. Empty: the first series. */
      series: string[];
      /** null: the default range. */
      range: Range | null;
    };

/** `hash` begins with `#` or is empty. Anything unknown is the grid. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  if (path === "anomalies" || path === "cluster" || path === "import" || path === "detectors") {
    return { page: path };
  }
  const parameters = new URLSearchParams(query);
  const kpi = path.startsWith("kpi/") ? decode(path.slice(4)) : "";
  if (kpi === "") {
    const workspace = parameters.get("workspace") ?? "";
    return workspace === "" ? { page: "grid" } : { page: "grid", workspace };
  }
  return { page: "kpi", kpi, series: parameters.getAll("series"), range: parseRange(parameters) };
}

export function routeHash(route: Route): string {
  if (route.page === "grid") {
    return route.workspace === undefined ? "#/" : `#/?workspace=${encodeURIComponent(route.workspace)}`;
  }
  if (route.page !== "kpi") {
    return `#/${route.page}`;
  }
  const parameters = new URLSearchParams();
  route.series.forEach((series) => parameters.append("series", series));
  if (route.range !== null && "last" in route.range) {
    parameters.set("last", String(route.range.last));
  } else if (route.range !== null) {
    parameters.set("from", String(Math.round(route.range.from)));
    parameters.set("to", String(Math.round(route.range.to)));
  }
  const query = parameters.toString();
  return `#/kpi/${encodeURIComponent(route.kpi)}${query === "" ? "" : `?${query}`}`;
}

function parseRange(parameters: URLSearchParams): Range | null {
  const number = (name: string) => Number(parameters.get(name) ?? NaN);
  const last = number("last");
  if (last > 0 && Number.isFinite(last)) {
    return { last };
  }
  const [from, to] = [number("from"), number("to")];
  return from < to && Number.isFinite(to - from) ? { from, to } : null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
