/**
 * The life of one subscription, as a pure state machine: connect, subscribe, resume where it left off, repair gaps,
 * back off. It holds no socket, no timer and no clock; `socket.ts` gives it those.
 *
 * Invariant: every event is delivered at most once and in order; what was missed is either replayed by the server or
 * answered with a snapshot, after which `deliver` says so and histories have to be fetched again.
 */

import { backoff } from "./backoff.ts";
import { isEvent, type LiveEvent, type ServerMessage, type Snapshot } from "./wire.ts";

/** A position in one life of the log. */
export interface Cursor {
  seq: number;
  epoch: string;
}

export type Phase = "idle" | "connecting" | "subscribing" | "live" | "waiting";

export interface Link {
  phase: Phase;
  /** The last event seen; null before the first snapshot. */
  cursor: Cursor | null;
  /** Connections that failed in a row. */
  failures: number;
  /** When the next attempt is due, while waiting. */
  retryAt: number | null;
  /** When the server was last heard. */
  heardAt: number;
  /** Whether a ping is unanswered. */
  pinged: boolean;
  /** A snapshot is to come; it replaces everything known. */
  snapshotDue: boolean;
  /** Gaps repaired since the last one that was far behind. */
  gaps: number;
  gapAt: number;
}

export type Input =
  | { type: "start"; now: number }
  | { type: "stop" }
  | { type: "opened"; now: number }
  | { type: "message"; message: ServerMessage; now: number }
  | { type: "closed"; now: number; chance: number }
  /** Time passed; sent about once a second. */
  | { type: "tick"; now: number; chance: number }
  /** The user, or the network coming back, asks not to wait any longer. */
  | { type: "hurry"; now: number };

export type Effect =
  | { type: "connect" }
  | { type: "close" }
  | { type: "send"; text: string }
  | { type: "event"; event: LiveEvent }
  | { type: "snapshot"; snapshot: Snapshot; lost: boolean };

/** Silence after which the connection is asked whether it still lives. */
export const PING_AFTER_MS = 15_000;
/** Silence after which it is given up. */
export const DEAD_AFTER_MS = 25_000;
/** How long connecting and subscribing may take. */
export const CONNECT_WITHIN_MS = 10_000;
/** So many gaps within the window mean that replaying is too slow; a snapshot is not. */
export const GAPS_BEFORE_SNAPSHOT = 3;
export const GAP_WINDOW_MS = 30_000;

export function idle(): Link {
  return {
    phase: "idle",
    cursor: null,
    failures: 0,
    retryAt: null,
    heardAt: 0,
    pinged: false,
    snapshotDue: false,
    gaps: 0,
    gapAt: 0,
  };
}

/** The state after an input, and what is to be done. */
export function step(link: Link, input: Input): [Link, Effect[]] {
  switch (input.type) {
    case "start":
      return link.phase === "idle" ? connect(link, input.now) : [link, []];
    case "stop":
      return [{ ...link, phase: "idle", retryAt: null }, [{ type: "close" }]];
    case "opened":
      return link.phase === "connecting" ? subscribe(link, input.now, link.cursor) : [link, []];
    case "message":
      return hear({ ...link, heardAt: input.now, pinged: false }, input.message, input.now);
    case "closed":
      return link.phase === "idle" || link.phase === "waiting"
        ? [link, []]
        : wait(link, input.now, input.chance);
    case "tick":
      return tick(link, input.now, input.chance);
    case "hurry":
      return link.phase === "waiting" ? connect(link, input.now) : [link, []];
  }
}

function connect(link: Link, now: number): [Link, Effect[]] {
  const next: Link = { ...link, phase: "connecting", retryAt: null, heardAt: now, pinged: false };
  return [next, [{ type: "connect" }]];
}

function subscribe(link: Link, now: number, cursor: Cursor | null): [Link, Effect[]] {
  const since =
    cursor === null ? { since: "snapshot" } : { since: cursor.seq, epoch: cursor.epoch };
  const text = JSON.stringify({ type: "subscribe", ...since });
  const next: Link = { ...link, phase: "subscribing", heardAt: now, snapshotDue: cursor === null };
  return [next, [{ type: "send", text }]];
}

function wait(link: Link, now: number, chance: number): [Link, Effect[]] {
  const failures = link.failures + 1;
  const retryAt = now + backoff(failures, chance);
  return [{ ...link, phase: "waiting", failures, retryAt, pinged: false }, []];
}

function tick(link: Link, now: number, chance: number): [Link, Effect[]] {
  const silence = now - link.heardAt;
  if (link.phase === "waiting") {
    return link.retryAt !== null && now >= link.retryAt ? connect(link, now) : [link, []];
  }
  const patience = link.phase === "live" ? DEAD_AFTER_MS : CONNECT_WITHIN_MS;
  if (link.phase !== "idle" && silence >= patience) {
    const [next] = wait(link, now, chance);
    return [next, [{ type: "close" }]];
  }
  if (link.phase === "live" && silence >= PING_AFTER_MS && !link.pinged) {
    return [{ ...link, pinged: true }, [{ type: "send", text: '{"type":"ping"}' }]];
  }
  return [link, []];
}

function hear(link: Link, message: ServerMessage, now: number): [Link, Effect[]] {
  if (isEvent(message)) {
    return event(link, message, now);
  }
  switch (message.type) {
    case "subscribed": {
      if (link.phase !== "subscribing") {
        return [link, []];
      }
      const snapshotDue = link.snapshotDue || message.recovered === false;
      return [{ ...link, phase: "live", failures: 0, snapshotDue }, []];
    }
    case "snapshot": {
      const lost = link.cursor !== null;
      const cursor = { seq: message.seq, epoch: message.epoch };
      const next: Link = { ...link, cursor, snapshotDue: false };
      return [next, [{ type: "snapshot", snapshot: message, lost }]];
    }
    case "gap":
      return gap(link, message.from, now);
    default:
      return [link, []];
  }
}

function event(link: Link, message: LiveEvent, now: number): [Link, Effect[]] {
  // Between a subscribe and its answer, events still belong to the subscription before.
  if (link.phase !== "live" || link.snapshotDue || link.cursor === null) {
    return [link, []];
  }
  if (message.epoch !== link.cursor.epoch) {
    return subscribe({ ...link }, now, null);
  }
  if (message.seq <= link.cursor.seq) {
    return [link, []];
  }
  const cursor = { seq: message.seq, epoch: message.epoch };
  return [{ ...link, cursor }, [{ type: "event", event: message }]];
}

function gap(link: Link, from: number, now: number): [Link, Effect[]] {
  if (link.phase !== "live" || link.cursor === null || link.snapshotDue) {
    return [link, []];
  }
  const recent = now - link.gapAt < GAP_WINDOW_MS;
  const gaps = recent ? link.gaps + 1 : 1;
  if (gaps >= GAPS_BEFORE_SNAPSHOT) {
    return subscribe({ ...link, gaps: 0, gapAt: now }, now, null);
  }
  const cursor = { seq: Math.min(link.cursor.seq, from - 1), epoch: link.cursor.epoch };
  return subscribe({ ...link, cursor, gaps, gapAt: now }, now, cursor);
}
