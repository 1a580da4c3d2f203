/** Cluster status in words: health in one sentence, and the order of nodes and workspaces. */

import type { Cluster, ClusterNode, ClusterWorkspace } from "@earcon/client";
import { counted, whole } from "./count.ts";
import { compareNames } from "./names.ts";
import { span } from "./time.ts";

/** A larger clock error is reported, because samples get timestamps from this clock. */
const CLOCK_OFF_MS = 2_000;
/** A smaller lag is not reported, because it is normal. */
const REPORTED_LAG = 10_000;
/** Within the interval of heartbeats, the last one counts as current. */
const HEARTBEAT_MS = 2_000;

export interface Health {
  /** Whether no action is needed. */
  healthy: boolean;
  /** The sentence is `before`, `changing`, `after`. `changing` may be different every second. */
  before: string;
  changing: string;
  after: string;
}

/** The most important fact about the cluster. */
export function health(cluster: Cluster): Health {
  return (
    silentNodes(cluster) ??
    leavingNodes(cluster) ??
    withoutOwner(cluster) ??
    withoutAnswer(cluster) ??
    parkedKpis(cluster) ??
    historyBehind(cluster) ??
    clockOff(cluster) ??
    sentence(true, summary(cluster))
  );
}

function sentence(healthy: boolean, before: string, changing = "", after = ""): Health {
  return { healthy, before, changing, after };
}

function silentNodes({ nodes, workspaces }: Cluster): Health | null {
  const silent = nodes.filter((node) => node.state === "silent").sort(byNode);
  if (silent.length === 0) {
    return null;
  }
  const names = listed(silent.map(({ node }) => node));
  const moving = silent.some((node) => node.workspaces > 0) || workspaces.some(({ owner }) => owner === null);
  const one = silent.length === 1;
  const rest = moving ? `; ${one ? "its" : "their"} workspaces are moving` : `; ${ownership(workspaces)}`;
  const longest = span(Math.max(...silent.map(({ silent_ms }) => silent_ms)));
  return sentence(false, `${names} ${one ? "has" : "have"} been silent`, ` for ${one ? "" : "up to "}${longest}`, rest);
}

function leavingNodes({ nodes, workspaces }: Cluster): Health | null {
  const leaving = nodes.filter((node) => node.state === "leaving").sort(byNode);
  if (leaving.length === 0) {
    return null;
  }
  const one = leaving.length === 1;
  const left = leaving.reduce((sum, node) => sum + node.workspaces, 0);
  const moving = left > 0 || workspaces.some(({ owner }) => owner === null);
  const rest = moving ? `${one ? "its" : "their"} workspaces are moving` : ownership(workspaces);
  return sentence(false, `${listed(leaving.map(({ node }) => node))} ${one ? "is" : "are"} leaving; ${rest}`);
}

function withoutOwner({ workspaces }: Cluster): Health | null {
  const names = workspaces.filter(({ owner }) => owner === null).map(({ workspace }) => workspace);
  return names.length === 0 ? null : sentence(false, `${some(names, workspaces)} no owner`);
}

function withoutAnswer({ workspaces }: Cluster): Health | null {
  const unanswered = workspaces.filter(isUnanswered);
  if (unanswered.length === 0) {
    return null;
  }
  const owners = [...new Set(unanswered.map(({ owner }) => owner ?? ""))].sort(compareNames);
  return sentence(false, `${listed(owners)} did not answer for ${count(unanswered.length, "workspace")}`);
}

function parkedKpis(cluster: Cluster): Health | null {
  const parked = cluster.workspaces.filter((workspace) => (workspace.parked ?? 0) > 0);
  const total = parked.reduce((sum, workspace) => sum + (workspace.parked ?? 0), 0);
  const where = listed(parked.map(({ workspace }) => workspace).sort(compareNames));
  return total === 0
    ? null
    : sentence(false, `${summary(cluster)}; ${count(total, "KPI")} of ${where} ${total === 1 ? "is" : "are"} parked`);
}

function historyBehind(cluster: Cluster): Health | null {
  const [worst] = sortWorkspaces(cluster.workspaces, "lag").filter((each) => (each.history_lag ?? 0) >= REPORTED_LAG);
  return worst === undefined
    ? null
    : sentence(false, `${summary(cluster)}; the history of ${worst.workspace} is `, number(worst.history_lag), " events behind");
}

function clockOff(cluster: Cluster): Health | null {
  const [worst] = [...cluster.nodes].sort((a, b) => Math.abs(b.clock_ms) - Math.abs(a.clock_ms));
  const off = worst === undefined ? null : clockWords(worst);
  return worst === undefined || off === null ? null : sentence(false, `${summary(cluster)}; the clock of ${worst.node} is ${off}`);
}

/** `3 nodes, 12 workspaces, all owned`. */
function summary({ enabled, nodes, workspaces }: Cluster): string {
  const many = workspaces.length === 0 ? "no workspaces yet" : count(workspaces.length, "workspace");
  if (!enabled) {
    return `Single node: ${many}`;
  }
  const owned = workspaces.length === 0 ? "" : workspaces.length === 1 ? ", owned" : ", all owned";
  return `${count(nodes.length, "node")}, ${many}${owned}`;
}

function ownership(workspaces: readonly ClusterWorkspace[]): string {
  return workspaces.length === 0 ? "there are no workspaces yet" : "every workspace has an owner";
}

/** `shop has`, `2 of 12 workspaces have`. */
function some(names: readonly string[], all: readonly unknown[]): string {
  return names.length === 1 ? `${names[0]} has` : `${names.length} of ${all.length} workspaces have`;
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
  return counted(many, what, `${what}s`);
}

/** All digits. `–` for null. */
export function number(value: number | null): string {
  return value === null ? "–" : whole(value);
}

/** Whether the workspace has an owner that did not answer. */
export function isUnanswered({ owner, seq, kpis, parked, history_lag }: ClusterWorkspace): boolean {
  return owner !== null && seq === null && kpis === null && parked === null && history_lag === null;
}

/** State of a node: `alive`, `leaving`, `silent for 8 s`. */
export function stateWords({ state, silent_ms }: ClusterNode): string {
  return state === "silent" ? `silent for ${span(silent_ms)}` : state;
}

/** Time of the last heartbeat of a node: `just now`, `8 s ago`. */
export function lastHeartbeat({ silent_ms }: ClusterNode): string {
  return silent_ms < HEARTBEAT_MS ? "just now" : `${span(silent_ms)} ago`;
}

/** Clock error of a node: `12 s ahead`, `3 min behind`. null if it is too small to report. */
export function clockWords({ clock_ms }: ClusterNode): string | null {
  if (Math.abs(clock_ms) <= CLOCK_OFF_MS) {
    return null;
  }
  return `${span(Math.abs(clock_ms))} ${clock_ms > 0 ? "ahead" : "behind"}`;
}

/** How long a node has been running. `–` if that is unknown, for example for a silent node. */
export function uptime({ state, started }: ClusterNode, now: number): string {
  const since = Date.parse(started);
  return state === "silent" || Number.isNaN(since) ? "–" : span(now - since);
}

/** Number of parked KPIs of a workspace. */
export function parkedWords(parked: number | null): string {
  return parked === null ? "–" : parked === 0 ? "none" : count(parked, "KPI");
}

/** Number of events that the history of a workspace is behind. */
export function lagWords(lag: number | null): string {
  return lag === null ? "–" : lag === 0 ? "none" : count(lag, "event");
}

export const ORDERS = ["name", "owner", "lag"] as const;
export type Order = (typeof ORDERS)[number];

/** Sorted by name, not by state, so that nodes keep their places. */
export function sortNodes(nodes: readonly ClusterNode[]): ClusterNode[] {
  return [...nodes].sort(byNode);
}

/**
 * Sorted by name, owner or lag. Workspaces without an owner, or with an unknown lag, come first.
 */
export function sortWorkspaces(workspaces: readonly ClusterWorkspace[], order: Order): ClusterWorkspace[] {
  return [...workspaces].sort((a, b) => {
    if (order === "owner") {
      return Number(a.owner !== null) - Number(b.owner !== null) || compareNames(a.owner ?? "", b.owner ?? "") || byName(a, b);
    }
    return (order === "lag" ? (b.history_lag ?? Infinity) - (a.history_lag ?? Infinity) || 0 : 0) || byName(a, b);
  });
}

/** Workspaces in an earlier order, given by their names. New workspaces come last. */
export function keepOrder(before: readonly string[], workspaces: readonly ClusterWorkspace[]): ClusterWorkspace[] {
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
