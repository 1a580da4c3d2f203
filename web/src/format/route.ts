/**
 * Routes of the dashboard. A route is written after the `#` of the address, so that links keep it:
 * the workspace, the page, and what is selected on it.
 */

import type { Range } from "./ranges.ts";

export type Route = Page & {
  /** Absent only in an address written by hand: then the workspace used last. */
  workspace?: string;
};

type Page =
  | GridPage
  | { page: "cluster" }
  | { page: "import" }
  | { page: "detectors" }
  | { page: "claim"; secret: string }
  | { page: "account"; section: AccountSection }
  | { page: "organisation"; organisation: string; section: OrganisationSection }
  | {
      page: "kpi";
      kpi: string;
      /** Canonical label texts of the selected series. Empty: the first series. */
      series: string[];
      /** null: the default range. */
      range: Range | null;
    };

/** The parts of the page of the own account. */
export const ACCOUNT_SECTIONS = ["sessions", "password", "two-factor"] as const;
export type AccountSection = (typeof ACCOUNT_SECTIONS)[number];

/** The parts of the page of an organisation. */
export const ORGANISATION_SECTIONS = ["members", "invitations", "keys", "sessions", "audit"] as const;
export type OrganisationSection = (typeof ORGANISATION_SECTIONS)[number];

/** On wide screens the page of anomalies shows the cards too. */
interface GridPage extends GridView {
  page: "grid" | "anomalies";
  /** Id of the incident that is unfolded. */
  incident?: string;
}

/** Which cards the grid shows, and in which order. */
export interface GridView {
  /** Absent: all cards. */
  filter?: string;
  /** Absent: by name. */
  order?: "score";
}

/** `hash` begins with `#` or is empty. Anything unknown is the grid. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = splitOnce(hash.replace(/^#\/?/, ""), "?");
  const parameters = new URLSearchParams(query);
  const workspace = parameters.get("workspace") ?? "";
  return { ...parsePage(path, parameters), ...(workspace === "" ? {} : { workspace }) };
}

function parsePage(path: string, parameters: URLSearchParams): Page {
  if (path === "cluster" || path === "import" || path === "detectors") {
    return { page: path };
  }
  const kpi = path.startsWith("kpi/") ? decode(path.slice(4)) : "";
  if (kpi !== "") {
    return { page: "kpi", kpi, series: parameters.getAll("series"), range: parseRange(parameters) };
  }
  const [area = "", ...parts] = path.split("/").map(decode);
  const [first = "", second = ""] = parts;
  if (area === "claim" && first !== "") {
    return { page: "claim", secret: first };
  }
  if (area === "account") {
    return { page: "account", section: oneOf(ACCOUNT_SECTIONS, first) };
  }
  if (area === "organisation" && first !== "") {
    return { page: "organisation", organisation: first, section: oneOf(ORGANISATION_SECTIONS, second) };
  }
  const filter = parameters.get("filter") ?? "";
  const incident = parameters.get("incident") ?? "";
  return {
    page: path === "anomalies" ? "anomalies" : "grid",
    ...(incident === "" ? {} : { incident }),
    ...(filter === "" ? {} : { filter }),
    ...(parameters.get("order") === "score" ? { order: "score" } : {}),
  };
}

/** The first one if the address names none of them. */
function oneOf<T extends string>(known: readonly [T, ...T[]], named: string): T {
  return known.find((each) => each === named) ?? known[0];
}

export function routeHash(route: Route): string {
  const parameters = new URLSearchParams();
  // The one who claims a link has no workspace yet.
  if (route.workspace !== undefined && route.page !== "claim") {
    parameters.set("workspace", route.workspace);
  }
  if (route.page === "kpi") {
    route.series.forEach((series) => parameters.append("series", series));
    addRange(parameters, route.range);
  } else if (isGrid(route)) {
    addGridView(parameters, route);
    if (route.incident !== undefined) {
      parameters.set("incident", route.incident);
    }
  }
  const query = parameters.toString();
  return `#/${pathOf(route)}${query === "" ? "" : `?${query}`}`;
}

/** Whether the page shows the cards. */
export function isGrid(route: Route): route is Extract<Route, GridPage> {
  return route.page === "grid" || route.page === "anomalies";
}

/** Pages that each workspace has, whatever is in it. */
export type Overview = "grid" | "anomalies" | "cluster" | "detectors" | "import";

/** Whether another workspace has this page too. */
export function isOverview(page: Route["page"]): page is Overview {
  return ["grid", "anomalies", "cluster", "detectors", "import"].includes(page);
}

function pathOf(route: Route): string {
  switch (route.page) {
    case "grid":
      return "";
    case "kpi":
      return `kpi/${encodeURIComponent(route.kpi)}`;
    case "claim":
      return `claim/${encodeURIComponent(route.secret)}`;
    case "account":
      return `account/${route.section}`;
    case "organisation":
      return `organisation/${encodeURIComponent(route.organisation)}/${route.section}`;
    default:
      return route.page;
  }
}

function addGridView(parameters: URLSearchParams, { filter, order }: GridView): void {
  if (filter !== undefined && filter !== "") {
    parameters.set("filter", filter);
  }
  if (order !== undefined) {
    parameters.set("order", order);
  }
}

function addRange(parameters: URLSearchParams, range: Range | null): void {
  if (range !== null && "last" in range) {
    parameters.set("last", String(range.last));
  } else if (range !== null) {
    parameters.set("from", String(Math.round(range.from)));
    parameters.set("to", String(Math.round(range.to)));
  }
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

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
