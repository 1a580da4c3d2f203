import { describe, expect, it } from "vitest";
import { type Anomaly, type Kpi, labelText, type LiveEvent, seriesKey, type Snapshot } from "@earcon/client";
import { Board } from "./workspace-state.ts";

const LABELS = { region: "eu" };

function told(type: LiveEvent["type"], data: unknown, kpi = "shop.revenue"): LiveEvent {
  return { seq: 1, epoch: "e", time: 0, type, workspace: "local", kpi, data } as LiveEvent;
}

function samples(at: number, value: number, state = "normal", late: [number, number][] = []): LiveEvent {
  const warming = state === "warming" ? { seen: 3, needed: 30 } : null;
  const series = { labels: LABELS, samples: [[at, value, 0.2, 1, 0, 2]], late, state, warming, features: null };
  return told("samples", { series: [series] });
}

function anomaly(id: string, state: "open" | "closed", openedAt = 5): Anomaly {
  const peak = { timestamp: openedAt, value: 9, score: 0.99, expected: 1, lower: 0, upper: 2 };
  return {
    ...{ id, kpi: "shop.revenue", labels: LABELS, state, opened_at: openedAt, last_at: openedAt },
    ...{ closed_at: state === "closed" ? 9 : null, peak, direction: "above", reason: "robust_z" },
    ...{ samples: 1, detector: "1", acknowledged: null },
  };
}

function kpi(value: number): Kpi {
  const none = { score: null, expected: null, lower: null, upper: null, features: null, warming: null, anomaly: null };
  const series = { labels: LABELS, state: "normal" as const, timestamp: 100, value, late: 2, ...none };
  return { kpi: "shop.revenue", state: "running", reason: null, series: [series] };
}

function snapshot(kpis: Kpi[], anomalies: Anomaly[] = []): Snapshot {
  return { type: "snapshot", seq: 1, epoch: "e", kpis, anomalies };
}

describe("a board", () => {
  it("learns of a series from its first samples", () => {
    const board = new Board();
    const [series] = board.takeEvent(samples(100, 7, "warming"));
    expect(series).toMatchObject({ kpi: "shop.revenue", value: 7, state: "warming", labelText: "region:eu" });
    expect(series?.warming).toEqual({ seen: 3, needed: 30 });
    expect(board.shape).toBe(1);
    board.takeEvent(samples(101, 8));
    expect(board.shape).toBe(1);
    expect(series?.recent.values).toEqual([7, 8]);
  });

  it("puts late samples in their place without calling them the newest", () => {
    const board = new Board();
    board.takeEvent(samples(100, 7));
    const [series] = board.takeEvent(samples(110, 8, "normal", [[105, 3]]));
    expect(series?.recent.timestamps).toEqual([100, 105, 110]);
    expect(series).toMatchObject({ value: 8, late: 1 });
  });

  it("follows an anomaly from opening to closing", () => {
    const board = new Board();
    board.takeEvent(samples(100, 7));
    const [series] = board.takeEvent(told("anomaly.opened", anomaly("x", "open")));
    expect(series).toMatchObject({ state: "anomalous", anomaly: "x" });
    expect(board.open).toBe(1);
    board.takeEvent(told("anomaly.closed", anomaly("x", "closed")));
    expect(series).toMatchObject({ state: "normal", anomaly: null });
    expect(board.open).toBe(0);
    expect(board.anomalies.size).toBe(1);
  });

  it("keeps an acknowledgement when a later event does not repeat it", () => {
    const board = new Board();
    board.takeEvent(told("anomaly.opened", anomaly("x", "open")));
    const acknowledged = { at: 6, by: "me", note: "deploy" };
    board.takeEvent(told("anomaly.acknowledged", { id: "x", labels: LABELS, acknowledged }));
    board.takeEvent(told("anomaly.closed", anomaly("x", "closed")));
    expect(board.anomalies.get("x")).toMatchObject({ state: "closed", acknowledged });
  });

  it("does not let an old answer reopen what an event closed", () => {
    const board = new Board();
    board.takeEvent(told("anomaly.closed", anomaly("x", "closed")));
    board.takeAnomalies([anomaly("x", "open")]);
    expect(board.open).toBe(0);
  });

  it("takes a snapshot in place of what it knew, and keeps the points it has", () => {
    const board = new Board();
    board.takeEvent(samples(90, 7));
    board.takeEvent(told("samples", { series: [] }, "gone"));
    board.takeEvent(told("anomaly.opened", anomaly("closed while away", "open")));
    board.takeSnapshot(snapshot([kpi(5)], [anomaly("new", "open")]), true);
    const series = board.series.get(seriesKey("shop.revenue", LABELS));
    expect(series).toMatchObject({ value: 5, late: 2, state: "normal" });
    expect(series?.recent.timestamps).toEqual([90, 100]);
    expect([...board.anomalies.keys()]).toEqual(["new"]);
    expect(board).toMatchObject({ ready: true, generation: 1 });
  });

  it("asks for histories again only when something was lost", () => {
    const board = new Board();
    board.takeSnapshot(snapshot([kpi(5)]), false);
    expect(board.generation).toBe(0);
  });

  it("drops series that the server no longer knows", () => {
    const board = new Board();
    board.takeEvent(samples(90, 7));
    board.takeSnapshot(snapshot([]), true);
    expect(board.series.size).toBe(0);
  });

  it("lets what came live stand over what the history says", () => {
    const board = new Board();
    const [series] = board.takeEvent(samples(100, 7));
    if (series === undefined) throw new Error("no series");
    board.takeHistory(series, [[99, 1, null, null, null, null], [100, -1, null, null, null, null]], 0);
    expect(series.recent.values).toEqual([1, 7]);
  });

  it("shows silence and its end, parking and its end", () => {
    const board = new Board();
    const [series] = board.takeEvent(samples(100, 7));
    const states = [
      told("series.stalled", { labels: LABELS, last_timestamp: 100 }),
      told("series.restored", { labels: LABELS, timestamp: 900 }),
      told("kpi.parked", { reason: "failed" }),
      told("kpi.resumed", {}),
      told("series.ended", { labels: LABELS, timestamp: 950 }),
      told("samples.backfilled", { series: [{ labels: LABELS, samples: 9, state: "ended" }] }),
    ].map((event) => {
      board.takeEvent(event);
      return series?.state;
    });
    expect(states).toEqual(["stalled", "normal", "parked", "normal", "ended", "ended"]);
  });
});

it("writes labels in one canonical form", () => {
  expect(labelText({ b: "2", a: "1" })).toBe("a:1,b:2");
  expect(seriesKey("x", {})).toBe("x");
  expect(seriesKey("x", { b: "2", a: "1" })).toBe(seriesKey("x", { a: "1", b: "2" }));
});
