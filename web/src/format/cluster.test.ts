import { describe, expect, it } from "vitest";
import type { Cluster, ClusterNode, ClusterWorkspace } from "@earcon/client";
import * as cluster from "./cluster.ts";


function node(name: string, change: Partial<ClusterNode> = {}): ClusterNode {
  const started = "2026-11-21T12:00:00Z";
  return { node: name, state: "alive", silent_ms: 120, version: "0.1.0", started, clock_ms: 3, workspaces: 1, ...change };
}

function workspace(name: string, change: Partial<ClusterWorkspace> = {}): ClusterWorkspace {
  return { workspace: name, owner: "n1", seq: 4_711, kpis: 22, parked: 0, history_lag: 12, ...change };
}

const NOTHING = { seq: null, kpis: null, parked: null, history_lag: null };
const UNOWNED = { owner: null, ...NOTHING };

function health(nodes: ClusterNode[], workspaces: ClusterWorkspace[], change: Partial<Cluster> = {}): [string, boolean] {
  const { healthy, before, changing, after } = cluster.health({ enabled: true, node: "n1", nodes, workspaces, ...change });
  return [before + changing + after, healthy];
}

describe("the health of a cluster", () => {
  const three = [node("n1"), node("n2"), node("n3")];

  it("is one sentence if all is well", () => {
    const many = Array.from({ length: 12 }, (_, i) => workspace(`w${i}`));
    expect(health(three, many)).toEqual(["3 nodes, 12 workspaces, all owned", true]);
    expect(health([node("n1")], [workspace("a")])).toEqual(["1 node, 1 workspace, owned", true]);
    expect(health(three, [])).toEqual(["3 nodes, no workspaces yet", true]);
  });

  it("names a single node", () => {
    const single = { enabled: false };
    expect(health([node("n1")], [workspace("a"), workspace("b")], single)).toEqual(["Single node: 2 workspaces", true]);
    expect(health([], [], single)).toEqual(["Single node: no workspaces yet", true]);
  });

  it("names silent nodes, and says whether workspaces are moving", () => {
    const silent = node("n2", { state: "silent", silent_ms: 8_400 });
    expect(health([node("n1"), silent], [workspace("a")])).toEqual([
      "n2 has been silent for 8 s; its workspaces are moving",
      false,
    ]);
    const left = { ...silent, workspaces: 0 };
    expect(health([node("n1"), left], [workspace("a")])[0]).toBe("n2 has been silent for 8 s; every workspace has an owner");
    expect(health([node("n1"), left], [workspace("a", UNOWNED)])[0]).toContain("its workspaces are moving");
    const longer = node("n10", { state: "silent", silent_ms: 70_000 });
    expect(health([node("n1"), longer, silent], [])[0]).toBe(
      "n2 and n10 have been silent for up to 1 min; their workspaces are moving",
    );
  });

  it("separates the part that changes every second, for screen readers", () => {
    const nodes = [node("n1"), node("n2", { state: "silent", silent_ms: 8_400 })];
    const { before, changing, after } = cluster.health({ enabled: true, node: "n1", nodes, workspaces: [] });
    expect([before, changing, after]).toEqual(["n2 has been silent", " for 8 s", "; its workspaces are moving"]);
  });

  it("names leaving nodes", () => {
    expect(health([node("n1"), node("n2", { state: "leaving" })], [workspace("a")])).toEqual([
      "n2 is leaving; its workspaces are moving",
      false,
    ]);
    const all = ["n1", "n2", "n3", "n4"].map((name) => node(name, { state: "leaving", workspaces: 0 }));
    expect(health(all, [workspace("a")])[0]).toBe("n1, n2 and 2 others are leaving; every workspace has an owner");
  });

  it("names workspaces without an owner, and owners that did not answer", () => {
    expect(health(three, [workspace("a"), workspace("b", UNOWNED)])).toEqual(["b has no owner", false]);
    const two = [workspace("a"), workspace("b", UNOWNED), workspace("c", UNOWNED)];
    expect(health(three, two)[0]).toBe("2 of 3 workspaces have no owner");
    const unanswered = [workspace("a"), workspace("b", { owner: "n3", ...NOTHING }), workspace("c", { owner: "n3", ...NOTHING })];
    expect(health(three, unanswered)).toEqual(["n3 did not answer for 2 workspaces", false]);
  });

  it("reports parked KPIs, a large history lag and clock errors", () => {
    expect(health(three, [workspace("a", { parked: 1 })])).toEqual(["3 nodes, 1 workspace, owned; 1 KPI of a is parked", false]);
    const behind = [workspace("a", { history_lag: 10_000 }), workspace("b", { history_lag: 250_000 }), workspace("c", UNOWNED)];
    expect(health(three, behind.slice(0, 2))[0]).toBe(
      "3 nodes, 2 workspaces, all owned; the history of b is 250,000 events behind",
    );
    expect(health(three, behind)[0]).toBe("c has no owner");
    expect(health(three, [workspace("a", { history_lag: 9_999 })])[1]).toBe(true);
    const skewed = [node("n1"), node("n2", { clock_ms: 2_500 }), node("n3", { clock_ms: -90_000 })];
    expect(health(skewed, [workspace("a")])).toEqual([
      "3 nodes, 1 workspace, owned; the clock of n3 is 1 min behind",
      false,
    ]);
  });
});

describe("the order", () => {
  const names = (workspaces: ClusterWorkspace[]) => workspaces.map(({ workspace }) => workspace).join(" ");
  const rows = [
    workspace("w10", { owner: "n2", history_lag: 5 }),
    workspace("w2", { owner: "n10", history_lag: 500 }),
    workspace("w1", { ...NOTHING, owner: "n2" }),
    workspace("w3", UNOWNED),
    workspace("w0", { owner: "n2", history_lag: 5 }),
  ];

  it("of nodes is by name, not by state", () => {
    const nodes = [node("n10", { state: "silent" }), node("n2"), node("n1", { state: "leaving" })];
    expect(cluster.sortNodes(nodes).map(({ node }) => node)).toEqual(["n1", "n2", "n10"]);
    expect(nodes[0]?.node).toBe("n10");
  });

  it("of workspaces is by name, owner or lag, with unknown values first", () => {
    expect(names(cluster.sortWorkspaces(rows, "name"))).toBe("w0 w1 w2 w3 w10");
    expect(names(cluster.sortWorkspaces(rows, "owner"))).toBe("w3 w0 w1 w10 w2");
    expect(names(cluster.sortWorkspaces(rows, "lag"))).toBe("w1 w3 w2 w0 w10");
  });

  it("can be kept, with new workspaces last", () => {
    expect(names(cluster.keepOrder(["w2", "gone", "w10"], rows))).toBe("w2 w10 w1 w3 w0");
  });
});

describe("a node in words", () => {
  it("has its state and its last heartbeat", () => {
    expect(cluster.stateWords(node("a"))).toBe("alive");
    expect(cluster.stateWords(node("a", { state: "leaving", silent_ms: 9_000 }))).toBe("leaving");
    expect(cluster.stateWords(node("a", { state: "silent", silent_ms: 61_000 }))).toBe("silent for 1 min");
    expect(cluster.lastHeartbeat(node("a", { silent_ms: -5 }))).toBe("just now");
    expect(cluster.lastHeartbeat(node("a", { silent_ms: 8_000 }))).toBe("8 s ago");
  });

  it("reports its clock only beyond an error of two seconds", () => {
    const clock = (clock_ms: number) => cluster.clockWords(node("a", { clock_ms }));
    expect([2_000, -2_000, 0].map(clock)).toEqual([null, null, null]);
    expect([2_001, -180_000].map(clock)).toEqual(["2 s ahead", "3 min behind"]);
  });

  it("has its uptime, or a dash if that is unknown", () => {
    const now = Date.parse("2026-11-21T17:30:00Z");
    expect(cluster.uptime(node("a"), now)).toBe("5 h");
    expect(cluster.uptime(node("a"), Date.parse("2026-11-21T11:00:00Z"))).toBe("0 s");
    expect(cluster.uptime(node("a", { state: "silent" }), now)).toBe("–");
    expect(cluster.uptime(node("a", { started: "" }), now)).toBe("–");
  });
});

describe("a workspace in words", () => {
  it("writes numbers with all digits", () => {
    expect([0, 999, 4_711, 1_234_567].map((value) => cluster.number(value))).toEqual(["0", "999", "4711", "1,234,567"]);
    expect(cluster.number(null)).toBe("–");
    expect([null, 0, 1, 12_000].map((lag) => cluster.lagWords(lag))).toEqual(["–", "none", "1 event", "12,000 events"]);
    expect([null, 0, 1, 2].map(cluster.parkedWords)).toEqual(["–", "none", "1 KPI", "2 KPIs"]);
  });

  it("is unanswered if it has an owner and no values", () => {
    expect(cluster.isUnanswered(workspace("a", NOTHING))).toBe(true);
    expect(cluster.isUnanswered(workspace("a", UNOWNED))).toBe(false);
    expect(cluster.isUnanswered(workspace("a", { ...NOTHING, seq: 0 }))).toBe(false);
  });
});
