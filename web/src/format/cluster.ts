/** How the cluster is, in words: its health in one sentence, its nodes and workspaces in order. Pure. */

import type { Cluster, ClusterNode, ClusterWorkspace } from "@earcon/client";
import { compareNames } from "./names.ts";
import { span } from "./time.ts";

/** A clock that is further off than this disturbs: samples are stamped with it. */
const CLOCK_OFF_MS = 2_000;
/** A history that is behind by fewer events than this is about to catch up. */
const LAG_WORTH_TELLING = 10_000;
/** Heartbeats come in between. */
const JUST_HEARD_MS = 2_000;

export interface Health {
  /** Nobody has to look into anything. */
  well: boolean;
  /** The sentence is `before`, `lasting`, `after`; `lasting` is what changes from second to second. */
  before: string;
  lasting: string;
  after: string;
}

/** The one thing about the cluster to say first. */
export function health(cluster: Cluster): Health {
  return (
    silentNodes(cluster) ??
    leavingNodes(cluster) ??
    withoutOwner(cluster) ??
    withoutAnswer(cluster) ??
    parkedKpis(cluster) ??
    historyBehind(cluster) ??
    clockOff(cluster) ??
    said(true, whole(cluster))
  );
}

function said(well: boolean, before: string, lasting = "", after = ""): Health {
  return { well, before, lasting, after };
}

function silentNodes({ nodes, workspaces }: Cluster): Health | null {
  const silent = nodes.filter((node) => node.state === "silent").sort(byNode);
  if (silent.length === 0) {
    return null;
  }
  const names = listed(silent.map(({ node }) => node));
  const moving = silent.some((node) => node.workspaces > 0) || workspaces.some(({ owner }) => owner === null);
  const one = silent.length === 1;
  const rest = moving ? `; ${one ? "its" : "their"} workspaces are moving` : `; ${ownedAll(workspaces)}`;
  const longest = span(Math.max(...silent.map(({ silent_ms }) => silent_ms)));
  return said(false, `${names} ${one ? "has" : "have"} been silent`, ` for ${one ? "" : "up to "}${longest}`, rest);
}

function leavingNodes({ nodes, workspaces }: Cluster): Health | null {
  const leaving = nodes.filter((node) => node.state === "leaving").sort(byNode);
  if (leaving.length === 0) {
    return null;
  }
  const one = leaving.length === 1;
  const left = leaving.reduce((sum, node) => sum + node.workspaces, 0);
  const moving = left > 0 || workspaces.some(({ owner }) => owner === null);
  const rest = moving ? `${one ? "its" : "their"} workspaces are moving` : ownedAll(workspaces);
  return said(false, `${listed(leaving.map(({ node }) => node))} ${one ? "is" : "are"} leaving; ${rest}`);
}

function withoutOwner({ workspaces }: Cluster): Health | null {
  const names = workspaces.filter(({ owner }) => owner === null).map(({ workspace }) => workspace);
  return names.length === 0 ? null : said(false, `${some(names, workspaces)} between owners`);
}

function withoutAnswer({ workspaces }: Cluster): Health | null {
  const mute = workspaces.filter(isMute);
  if (mute.length === 0) {
    return null;
  }
  const owners = [...new Set(mute.map(({ owner }) => owner ?? ""))].sort(compareNames);
  return said(false, `${listed(owners)} did not answer for ${count(mute.length, "workspace")}`);
}

function parkedKpis(cluster: Cluster): Health | null {
  const parked = cluster.workspaces.filter((workspace) => (workspace.parked ?? 0) > 0);
  const total = parked.reduce((sum, workspace) => sum + (workspace.parked ?? 0), 0);
  const where = listed(parked.map(({ workspace }) => workspace).sort(compareNames));
  return total === 0
    ? null
    : said(false, `${whole(cluster)}; ${count(total, "KPI")} of ${where} ${total === 1 ? "is" : "are"} parked`);
}

function historyBehind(cluster: Cluster): Health | null {
  const [worst] = sortWorkspaces(cluster.workspaces, "lag").filter((each) => (each.history_lag ?? 0) >= LAG_WORTH_TELLING);
  return worst === undefined
    ? null
    : said(false, `${whole(cluster)}; the history of ${worst.workspace} is `, number(worst.history_lag), " events behind");
}

function clockOff(cluster: Cluster): Health | null {
  const [worst] = [...cluster.nodes].sort((a, b) => Math.abs(b.clock_ms) - Math.abs(a.clock_ms));
  const off = worst === undefined ? null : clockWords(worst);
  return worst === undefined || off === null ? null : said(false, `${whole(cluster)}; the clock of ${worst.node} is ${off}`);
}

/** `3 nodes, 12 workspaces, all owned`. */
function whole({ enabled, nodes, workspaces }: Cluster): string {
  const many = workspaces.length === 0 ? "no workspaces yet" : count(workspaces.length, "workspace");
  if (!enabled) {
    return `This server is alone: ${many}`;
  }
  const owned = workspaces.length === 0 ? "" : workspaces.length === 1 ? ", owned" : ", all owned";
  return `${count(nodes.length, "node")}, ${many}${owned}`;
}

function ownedAll(workspaces: readonly ClusterWorkspace[]): string {
  return workspaces.length === 0 ? "there are no workspaces yet" : "every workspace has an owner";
}

/** `shop is`, `2 of 12 workspaces are`. */
function some(names: readonly string[], all: readonly unknown[]): string {
  return names.length === 1 ? `${names[0]} is` : `${names.length} of ${all.length} workspaces are`;
}

/** `a`, `a and b`, `a, b and 3 others`. */
function listed(names: readonly string[]): string {
  if (names.length > 3) {
    return `${names.slice(0, 2).join(", ")} and ${names.length - 2} others`;
  }
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** `1 node`, `12 workspaces`. */
function count(many: number, what: string): string {
  return `${number(many)} ${what}${many === 1 ? "" : "s"}`;
}

/** All digits, in groups; `–` for none. */
export function number(value: number | null): string {
  return value === null ? "–" : value.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Whether there is an owner, but no answer from it. */
export function isMute({ owner, seq, kpis, parked, history_lag }: ClusterWorkspace): boolean {
  return owner !== null && seq === null && kpis === null && parked === null && history_lag === null;
}

/** A node's state: `alive`, `leaving`, `silent for 8 s`. */
export function stateWords({ state, silent_ms }: ClusterNode): string {
  return state === "silent" ? `silent for ${span(silent_ms)}` : state;
}

/** When a node was last heard: `just now`, `8 s ago`. */
export function heard({ silent_ms }: ClusterNode): string {
  return silent_ms < JUST_HEARD_MS ? "just now" : `${span(silent_ms)} ago`;
}

/** `12 s ahead`, `3 min behind`; null while it is near enough. */
export function clockWords({ clock_ms }: ClusterNode): string | null {
  if (Math.abs(clock_ms) <= CLOCK_OFF_MS) {
    return null;
  }
  return `${span(Math.abs(clock_ms))} ${clock_ms > 0 ? "ahead" : "behind"}`;
}

/** How long a node has been running; `–` when that cannot be known, as of a silent one. */
export function uptime({ state, started }: ClusterNode, now: number): string {
  const since = Date.parse(started);
  return state === "silent" || Number.isNaN(since) ? "–" : span(now - since);
}

/** How many KPIs of a workspace are parked. */
export function parkedWords(parked: number | null): string {
  return parked === null ? "–" : parked === 0 ? "none" : count(parked, "KPI");
}

/** How far a workspace's history is behind. */
export function lagWords(lag: number | null): string {
  return lag === null ? "–" : lag === 0 ? "none" : count(lag, "event");
}

export const ORDERS = ["name", "owner", "lag"] as const;
export type Order = (typeof ORDERS)[number];

/** By name, whatever their state: what is looked at stays where it is. */
export function sortNodes(nodes: readonly ClusterNode[]): ClusterNode[] {
  return [...nodes].sort(byNode);
}

/** By owner, those without one stand first; by lag, those of which it is not known. */
export function sortWorkspaces(workspaces: readonly ClusterWorkspace[], order: Order): ClusterWorkspace[] {
  return [...workspaces].sort((a, b) => {
    if (order === "owner") {
      return Number(a.owner !== null) - Number(b.owner !== null) || compareNames(a.owner ?? "", b.owner ?? "") || byName(a, b);
    }
    return (order === "lag" ? (b.history_lag ?? Infinity) - (a.history_lag ?? Infinity) || 0 : 0) || byName(a, b);
  });
}

/** Workspaces in the order of names they had before; new ones at the end. */
export function keepPlaces(before: readonly string[], workspaces: readonly ClusterWorkspace[]): ClusterWorkspace[] {
  const places = new Map(before.map((name, place) => [name, place]));
  const place = ({ workspace }: ClusterWorkspace) => places.get(workspace) ?? before.length;
  return [...workspaces].sort((a, b) => place(a) - place(b));
}

function byNode(a: ClusterNode, b: ClusterNode): number {
  return compareNames(a.node, b.node);
}

function byName(a: ClusterWorkspace, b: ClusterWorkspace): number {
  return compareNames(a.workspace, b.workspace);
}
