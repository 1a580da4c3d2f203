import { describe, expect, it } from "vitest";
import { type Anomaly, type Incident, type Kpi, labelText, type LiveEvent, seriesKey, type Snapshot } from "@earcon/client";
import { WorkspaceState } from "./workspace-state.ts";

const LABELS = { region: "eu" };

function event(type: LiveEvent["type"], data: unknown, kpi = "shop.revenue"): LiveEvent {
  return { seq: 1, epoch: "e", time: 0, type, workspace: "local", kpi, data } as LiveEvent;
}

function samples(at: number, value: number, state = "normal", late: [number, number][] = []): LiveEvent {
  const warming = state === "warming" ? { seen: 3, needed: 30 } : null;
  const series = { labels: LABELS, samples: [[at, value, 0.2, 1, 0, 2]], late, state, warming, features: null };
  return event("samples", { series: [series] });
}

function anomaly(id: string, state: "open" | "closed", openedAt = 5): Anomaly {
  const peak = { timestamp: openedAt, value: 9, score: 0.99, expected: 1, lower: 0, upper: 2 };
  return {
    ...{ id, kpi: "shop.revenue", labels: LABELS, state, opened_at: openedAt, last_at: openedAt },
    ...{ closed_at: state === "closed" ? 9 : null, peak, direction: "above", reason: "robust_z" },
    ...{ samples: 1, detector: "1", acknowledged: null, feedback: null, finding: "", sentence: "", muted: null },
  };
}

function kpi(value: number): Kpi {
  const none = { score: null, expected: null, lower: null, upper: null, features: null, warming: null, anomaly: null };
  const series = { labels: LABELS, state: "normal" as const, timestamp: 100, value, late: 2, sensitivity: 1, ...none };
  return { kpi: "shop.revenue", state: "running", reason: null, series: [series] };
}

function snapshot(kpis: Kpi[], anomalies: Anomaly[] = []): Snapshot {
  return { type: "snapshot", seq: 1, epoch: "e", kpis, anomalies, incidents: [] };
}

describe("a workspace state", () => {
  it("adds a series with its first samples", () => {
    const state = new WorkspaceState();
    const [series] = state.applyEvent(samples(100, 7, "warming"));
    expect(series).toMatchObject({ kpi: "shop.revenue", value: 7, state: "warming", labelText: "region:eu" });
    expect(series?.warming).toEqual({ seen: 3, needed: 30 });
    expect(state.seriesVersion).toBe(1);
    state.applyEvent(samples(101, 8));
    expect(state.seriesVersion).toBe(1);
    expect(series?.recent.values).toEqual([7, 8]);
  });

  it("inserts late samples by time and keeps the newest value", () => {
    const state = new WorkspaceState();
    state.applyEvent(samples(100, 7));
    const [series] = state.applyEvent(samples(110, 8, "normal", [[105, 3]]));
    expect(series?.recent.timestamps).toEqual([100, 105, 110]);
    expect(series).toMatchObject({ value: 8, late: 1 });
  });

  it("counts the samples of an open anomaly between its events", () => {
    const state = new WorkspaceState();
    state.applyEvent(event("anomaly.opened", anomaly("x", "open", 100)));
    state.applyEvent(samples(100, 7));
    state.applyEvent(samples(110, 1));
    expect(state.anomalies.get("x")).toMatchObject({ samples: 1, last_at: 100 });
    state.applyEvent(samples(120, 7));
    state.applyEvent(samples(130, -1));
    expect(state.anomalies.get("x")).toMatchObject({ samples: 3, last_at: 130 });
    state.applyEvent(event("anomaly.updated", { ...anomaly("x", "open", 100), samples: 2, last_at: 120 }));
    expect(state.anomalies.get("x")).toMatchObject({ samples: 3, last_at: 130 });
    state.applyEvent(event("anomaly.closed", { ...anomaly("x", "closed"), samples: 3 }));
    state.applyEvent(samples(140, 7));
    expect(state.anomalies.get("x")).toMatchObject({ samples: 3 });
  });

  it("follows an anomaly from opening to closing", () => {
    const state = new WorkspaceState();
    state.applyEvent(samples(100, 7));
    const [series] = state.applyEvent(event("anomaly.opened", anomaly("x", "open")));
    expect(series).toMatchObject({ state: "anomalous", anomaly: "x" });
    expect(state.openAnomalies).toBe(1);
    state.applyEvent(event("anomaly.closed", anomaly("x", "closed")));
    expect(series).toMatchObject({ state: "normal", anomaly: null });
    expect(state.openAnomalies).toBe(0);
    expect(state.anomalies.size).toBe(1);
  });

  it("keeps an acknowledgement that a later event does not repeat", () => {
    const state = new WorkspaceState();
    state.applyEvent(event("anomaly.opened", anomaly("x", "open")));
    const acknowledged = { at: 6, by: "me", note: "deploy" };
    state.applyEvent(event("anomaly.acknowledged", { id: "x", labels: LABELS, acknowledged }));
    state.applyEvent(event("anomaly.closed", anomaly("x", "closed")));
    expect(state.anomalies.get("x")).toMatchObject({ state: "closed", acknowledged });
  });

  it("does not reopen a closed anomaly from an older response", () => {
    const state = new WorkspaceState();
    state.applyEvent(event("anomaly.closed", anomaly("x", "closed")));
    state.applyAnomalies([anomaly("x", "open")]);
    expect(state.openAnomalies).toBe(0);
  });

  it("replaces the state with a snapshot and keeps recent points", () => {
    const state = new WorkspaceState();
    state.applyEvent(samples(90, 7));
    state.applyEvent(event("samples", { series: [] }, "gone"));
    state.applyEvent(event("anomaly.opened", anomaly("closed while away", "open")));
    state.applySnapshot(snapshot([kpi(5)], [anomaly("new", "open")]), true);
    const series = state.series.get(seriesKey("shop.revenue", LABELS));
    expect(series).toMatchObject({ value: 5, late: 2, state: "normal" });
    expect(series?.recent.timestamps).toEqual([90, 100]);
    expect([...state.anomalies.keys()]).toEqual(["new"]);
    expect(state).toMatchObject({ ready: true, generation: 1 });
  });

  it("requests histories again only after a loss", () => {
    const state = new WorkspaceState();
    state.applySnapshot(snapshot([kpi(5)]), false);
    expect(state.generation).toBe(0);
  });

  it("drops series that the snapshot does not contain", () => {
    const state = new WorkspaceState();
    state.applyEvent(samples(90, 7));
    state.applySnapshot(snapshot([]), true);
    expect(state.series.size).toBe(0);
  });

  it("prefers live points to points of the history", () => {
    const state = new WorkspaceState();
    const [series] = state.applyEvent(samples(100, 7));
    if (series === undefined) throw new Error("no series");
    state.mergeHistory(series, [[99, 1, null, null, null, null], [100, -1, null, null, null, null]], 0);
    expect(series.recent.values).toEqual([1, 7]);
  });

  it("drops what a person deleted, and has histories fetched again", () => {
    const state = new WorkspaceState();
    const [series] = state.applyEvent(samples(100, 7));
    state.applyEvent(samples(200, 8));
    const generation = state.generation;
    state.applyEvent(event("deleted", { scope: "samples", labels: {}, from: 150, to: null, by: "local" }));
    expect([series?.value, series?.recent.values, state.generation]).toEqual([null, [7], generation + 1]);
    state.applyEvent(event("deleted", { scope: "series", labels: { other: "x" }, from: null, to: null, by: "local" }));
    expect(state.series.size).toBe(1);
    state.applyEvent(event("deleted", { scope: "series", labels: LABELS, from: null, to: null, by: "local" }));
    expect(state.series.size).toBe(0);
  });

  it("follows stalled, restored, parked, resumed and ended series", () => {
    const state = new WorkspaceState();
    const [series] = state.applyEvent(samples(100, 7));
    const states = [
      event("series.stalled", { labels: LABELS, last_timestamp: 100 }),
      event("series.restored", { labels: LABELS, timestamp: 900 }),
      event("kpi.parked", { reason: "failed" }),
      event("kpi.resumed", {}),
      event("series.ended", { labels: LABELS, timestamp: 950 }),
      event("samples.backfilled", { series: [{ labels: LABELS, samples: 9, state: "ended" }] }),
    ].map((each) => {
      state.applyEvent(each);
      return series?.state;
    });
    expect(states).toEqual(["stalled", "normal", "parked", "normal", "ended", "ended"]);
  });
});

describe("incidents", () => {
  const incident = (id: string, state: Incident["state"], revision: number, closedAt: number | null = null) =>
    ({ id, state, revision, opened_at: 1, closed_at: closedAt, members: [] }) as unknown as Incident;

  it("move to the closed ones, and an older answer does not open them again", () => {
    const state = new WorkspaceState();
    state.applyIncident(incident("a", "open", 1));
    state.applyEvent(event("incident.closed", incident("a", "closed", 3, 9)));
    expect([state.incidents.size, state.closedIncidents.size]).toEqual([0, 1]);
    state.applyIncident(incident("a", "open", 2));
    state.applyIncident(incident("a", "closed", 2, 5));
    expect([state.incidents.size, state.closedIncidents.get("a")?.closed_at]).toEqual([0, 9]);
  });

  it("that merged are in neither list", () => {
    const state = new WorkspaceState();
    state.applyIncident(incident("a", "open", 1));
    state.applyIncident(incident("a", "merged", 2, 9));
    expect([state.incidents.size, state.closedIncidents.size]).toEqual([0, 0]);
  });

  it("are bounded: those that closed earliest are dropped", () => {
    const state = new WorkspaceState();
    for (let i = 600; i > 0; i -= 1) {
      state.applyIncident(incident(`${i}`, "closed", 1, i));
    }
    expect(state.closedIncidents.size).toBe(500);
    expect(state.closedIncidents.has("600") && !state.closedIncidents.has("100")).toBe(true);
  });
});

it("writes labels in one canonical form", () => {
  expect(labelText({ b: "2", a: "1" })).toBe("a:1,b:2");
  expect(seriesKey("x", {})).toBe("x");
  expect(seriesKey("x", { b: "2", a: "1" })).toBe(seriesKey("x", { a: "1", b: "2" }));
});
