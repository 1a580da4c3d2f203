import { describe, expect, it } from "vitest";
import {
  GAPS_BEFORE_SNAPSHOT,
  HEARTBEAT,
  idle,
  step,
  type Effect,
  type Input,
  type Link,
} from "./link.ts";
import type { LiveEvent, ServerMessage } from "./wire.ts";

const { pingAfterMs: PING_AFTER_MS, deadAfterMs: DEAD_AFTER_MS, connectWithinMs: CONNECT_WITHIN_MS } = HEARTBEAT;
const EPOCH = "first life";

function event(seq: number, epoch = EPOCH): LiveEvent {
  return { seq, epoch, time: 0, type: "kpi.resumed", workspace: "local", subject: "kpi/a", kpi: "a", data: {} };
}

function snapshot(seq: number, epoch = EPOCH): ServerMessage {
  return { type: "snapshot", seq, epoch, kpis: [], anomalies: [], incidents: [] };
}

function subscribed(recovered: boolean | null, seq = 10): ServerMessage {
  return { type: "subscribed", seq, epoch: EPOCH, recovered };
}

/** Runs inputs in order. A message or a number of seconds is a short form of an input. */
function run(link: Link, ...inputs: (Input | ServerMessage)[]): [Link, Effect[]] {
  const effects: Effect[] = [];
  for (const input of inputs) {
    const known = ["start", "stop", "opened", "message", "closed", "refused", "tick", "reconnect"].includes(input.type);
    const wrapped = (known && !("seq" in input) ? input : { type: "message", message: input, now: 1_000 }) as Input;
    const [next, more] = step(link, wrapped);
    link = next;
    effects.push(...more);
  }
  return [link, effects];
}

function live(seq = 10): Link {
  const start: Input = { type: "start", now: 0 };
  return run(idle(), start, { type: "opened", now: 1 }, subscribed(null), snapshot(seq))[0];
}

function events(effects: Effect[]): number[] {
  return effects.flatMap((effect) => (effect.type === "event" ? [effect.event.seq] : []));
}

function sent(effects: Effect[]): unknown[] {
  return effects.flatMap((effect) => (effect.type === "send" ? [JSON.parse(effect.text)] : []));
}

describe("a link", () => {
  it("requests a snapshot if it has no cursor", () => {
    const [link, effects] = run(idle(), { type: "start", now: 0 }, { type: "opened", now: 1 });
    expect(effects[0]).toEqual({ type: "connect" });
    expect(sent(effects)).toEqual([{ type: "subscribe", since: "snapshot" }]);
    expect(link.phase).toBe("subscribing");
  });

  it("does not mark the first snapshot as lost", () => {
    const start: Input[] = [{ type: "start", now: 0 }, { type: "opened", now: 1 }];
    const [link, effects] = run(idle(), ...start, subscribed(null), snapshot(10));
    expect(effects.filter((effect) => effect.type === "snapshot")).toMatchObject([{ lost: false }]);
    expect(link).toMatchObject({ phase: "live", cursor: { seq: 10, epoch: EPOCH } });
  });

  it("delivers each event once and in order", () => {
    const [link, effects] = run(live(10), event(9), event(10), event(11), event(11), event(14), event(12));
    expect(events(effects)).toEqual([11, 14]);
    expect(link.cursor?.seq).toBe(14);
  });

  it("resumes after the last delivered event", () => {
    const [waiting] = run(live(10), event(11), { type: "closed", now: 2_000, chance: 0 });
    expect(waiting).toMatchObject({ phase: "waiting", failures: 1, retryAt: 2_250 });
    const [early] = run(waiting, { type: "tick", now: 2_249, chance: 0 });
    expect(early.phase).toBe("waiting");
    const [, effects] = run(
      waiting,
      { type: "tick", now: 2_250, chance: 0 },
      { type: "opened", now: 2_300 },
      subscribed(true, 13),
      event(12),
      event(13),
    );
    expect(sent(effects)).toEqual([{ type: "subscribe", since: 11, epoch: EPOCH }]);
    expect(events(effects)).toEqual([12, 13]);
    expect(effects.some((effect) => effect.type === "snapshot")).toBe(false);
  });

  it("marks the snapshot as lost if the server no longer holds the events", () => {
    const [waiting] = run(live(10), { type: "closed", now: 0, chance: 0 });
    const [link, effects] = run(
      waiting,
      { type: "reconnect", now: 1 },
      { type: "opened", now: 2 },
      subscribed(false),
      event(500),
      snapshot(900, "second life"),
      event(901, "second life"),
    );
    expect(effects.filter((effect) => effect.type === "snapshot")).toMatchObject([{ lost: true }]);
    expect(events(effects)).toEqual([901]);
    expect(link.cursor).toEqual({ seq: 901, epoch: "second life" });
  });

  it("goes on with events of a later epoch", () => {
    const [link, effects] = run(live(10), event(11), event(12, "after a restart"));
    expect(sent(effects)).toEqual([]);
    expect(events(effects)).toEqual([11, 12]);
    expect(link.cursor).toEqual({ seq: 12, epoch: "after a restart" });
  });

  it("requests a snapshot if an earlier event has another epoch", () => {
    const [link, effects] = run(live(10), event(10, "another life"));
    expect(sent(effects)).toEqual([{ type: "subscribe", since: "snapshot" }]);
    expect(events(effects)).toEqual([]);
    expect(link.snapshotDue).toBe(true);
  });

  it("requests a gap with the epoch of the event before it", () => {
    const [, effects] = run(live(10), { type: "gap", from: 15, to: 20, epoch: "after a restart" });
    expect(sent(effects)).toEqual([{ type: "subscribe", since: 14, epoch: "after a restart" }]);
  });

  it("repairs a gap before later events", () => {
    const [link, effects] = run(
      live(10),
      event(11),
      { type: "gap", from: 12, to: 20, epoch: EPOCH },
      event(21),
      subscribed(true, 21),
      ...[12, 13, 20, 21, 22].map((seq) => event(seq)),
    );
    expect(sent(effects)).toEqual([{ type: "subscribe", since: 11, epoch: EPOCH }]);
    expect(events(effects)).toEqual([11, 12, 13, 20, 21, 22]);
    expect(link.phase).toBe("live");
  });

  it("ignores a gap of delivered events", () => {
    const [link, effects] = run(live(10), event(11), { type: "gap", from: 9, to: 11, epoch: EPOCH }, event(12));
    expect(sent(effects)).toEqual([]);
    expect(events(effects)).toEqual([11, 12]);
    expect(link.phase).toBe("live");
  });

  it("never resumes before the last delivered event", () => {
    const [, effects] = run(live(10), event(11), { type: "gap", from: 9, to: 13, epoch: EPOCH });
    expect(sent(effects)).toEqual([{ type: "subscribe", since: 11, epoch: EPOCH }]);
  });

  it("requests a snapshot after repeated gaps", () => {
    let link = live(10);
    let effects: Effect[] = [];
    for (let i = 0; i < GAPS_BEFORE_SNAPSHOT; i += 1) {
      [link, effects] = run(link, { type: "gap", from: 11, to: 20, epoch: EPOCH });
      if (i + 1 < GAPS_BEFORE_SNAPSHOT) {
        [link] = run(link, subscribed(true));
      }
    }
    expect(sent(effects)).toEqual([{ type: "subscribe", since: "snapshot" }]);
    const [, after] = run(link, subscribed(null), snapshot(90));
    expect(after).toMatchObject([{ type: "snapshot", lost: true }]);
  });

  it("waits longer after each failure and resets after a success", () => {
    let link = run(idle(), { type: "start", now: 0 })[0];
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      [link] = run(link, { type: "closed", now: 0, chance: 0.5 });
      waits.push(link.retryAt ?? 0);
      [link] = run(link, { type: "reconnect", now: 0 });
    }
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits[7]).toBeLessThanOrEqual(15_000);
    [link] = run(link, { type: "opened", now: 0 }, subscribed(null));
    expect(link.failures).toBe(0);
  });

  it("pings a silent server and replaces a dead connection", () => {
    const quiet = { ...live(), heardAt: 0 };
    const [pinged, ping] = run(quiet, { type: "tick", now: PING_AFTER_MS, chance: 0 });
    expect(sent(ping)).toEqual([{ type: "ping" }]);
    const [, nothing] = run(pinged, { type: "tick", now: PING_AFTER_MS + 1_000, chance: 0 });
    expect(nothing).toEqual([]);
    const [dead, effects] = run(pinged, { type: "tick", now: DEAD_AFTER_MS, chance: 0 });
    expect(dead.phase).toBe("waiting");
    expect(effects).toEqual([{ type: "close" }]);
    const [answered] = run(pinged, { type: "pong" });
    expect(answered).toMatchObject({ pinged: false, heardAt: 1_000 });
  });

  it("limits the time for connecting", () => {
    const [link] = run(idle(), { type: "start", now: 0 }, { type: "tick", now: CONNECT_WITHIN_MS, chance: 0 });
    expect(link.phase).toBe("waiting");
  });

  it("starts with the next event and resumes from the start position", () => {
    const start: Input[] = [{ type: "start", now: 0 }, { type: "opened", now: 1 }];
    const [link, effects] = run(idle({ since: "live" }), ...start, subscribed(null, 10), event(11));
    expect(sent(effects)).toEqual([{ type: "subscribe", since: "live" }]);
    expect(events(effects)).toEqual([11]);
    const again: Input[] = [{ type: "closed", now: 2, chance: 0 }, { type: "reconnect", now: 3 }, { type: "opened", now: 4 }];
    expect(sent(run(link, ...again)[1])).toEqual([{ type: "subscribe", since: 11, epoch: EPOCH }]);
  });

  it("resumes from a position of an earlier run with the same filter", () => {
    const filter = { kpis: ["host.*"] };
    const link = idle({ since: { seq: 7, epoch: EPOCH }, filter });
    const [, effects] = run(link, { type: "start", now: 0 }, { type: "opened", now: 1 }, subscribed(true), event(7), event(8));
    expect(sent(effects)).toEqual([{ type: "subscribe", since: 7, epoch: EPOCH, filter }]);
    expect(events(effects)).toEqual([8]);
  });

  it("tries nothing after a refusal until it is told to", () => {
    const error = new Error("the key was revoked");
    const [refused, closing] = run(live(), { type: "refused", error });
    expect(refused).toMatchObject({ phase: "refused", refusal: error, retryAt: null, cursor: { seq: 10 } });
    expect(closing).toEqual([{ type: "close" }]);
    const later: Input[] = [{ type: "closed", now: 0, chance: 0 }, { type: "tick", now: 10_000_000, chance: 0 }];
    expect(run(refused, ...later)).toEqual([refused, []]);
    for (const again of [{ type: "start", now: 5 }, { type: "reconnect", now: 5 }] as Input[]) {
      const [link, effects] = run(refused, again);
      expect(link).toMatchObject({ phase: "connecting", refusal: null });
      expect(effects).toEqual([{ type: "connect" }]);
    }
    const [waiting] = run(live(), { type: "closed", now: 0, chance: 0 });
    expect(run(waiting, { type: "refused", error })[0].phase).toBe("waiting");
  });

  it("ignores inputs after a stop", () => {
    const [link, effects] = run(live(), { type: "stop" }, { type: "closed", now: 0, chance: 0 });
    expect(link.phase).toBe("idle");
    expect(effects).toEqual([{ type: "close" }]);
  });
});
