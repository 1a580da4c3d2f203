/**
 * One subscription as a pure state machine: connect, subscribe, resume, repair gaps, back off. It
 * has no socket, no timer and no clock. `subscription.ts` provides them.
 *
 * Invariant: each event is delivered at most once and in order. The server replays missed events,
 * or a snapshot replaces them. After such a snapshot, histories have to be fetched again.
 */

import { backoff } from "./backoff.ts";
import { isEvent, type EventType, type LiveEvent, type ServerMessage, type Snapshot } from "./wire.ts";

/** A position: an event, and the epoch that wrote it. Later epochs of the log go on after it. */
export interface Cursor {
  seq: number;
  epoch: string;
}

/** The events to receive. An absent or empty list selects all. */
export interface Filter {
  /** KPI names, or `prefix*`. */
  kpis?: readonly string[];
  types?: readonly EventType[];
}

/** Limits for a silent connection. Milliseconds. */
export interface Heartbeat {
  /** Silence after which the client sends a ping. */
  pingAfterMs: number;
  /** Silence after which the connection is replaced. */
  deadAfterMs: number;
  /** Timeout for connecting and for subscribing. */
  connectWithinMs: number;
}

export const HEARTBEAT: Heartbeat = { pingAfterMs: 15_000, deadAfterMs: 25_000, connectWithinMs: 10_000 };

export interface LinkOptions {
  /** The start: the next event, a snapshot (the default), or a position of an earlier run. */
  since?: "live" | "snapshot" | Cursor;
  filter?: Filter;
  heartbeat?: Partial<Heartbeat>;
}

export type Phase =
  | "idle"
  | "connecting"
  | "subscribing"
  | "live"
  | "waiting"
  /** The server does not accept the credentials. Nothing is tried until a start or a reconnect. */
  | "refused";

export interface Link {
  phase: Phase;
  /** The start position while there is no cursor. */
  readonly first: "live" | "snapshot";
  readonly filter: Filter | null;
  readonly heartbeat: Heartbeat;
  /** The last delivered event. null before the first answer with a position. */
  cursor: Cursor | null;
  /** Number of consecutive failed connections. */
  failures: number;
  /** Time of the next attempt, while waiting. */
  retryAt: number | null;
  /** Why the server refuses, in the phase `refused`. Otherwise null. */
  refusal: Error | null;
  /** Time of the last message of the server. */
  heardAt: number;
  /** Whether a ping is unanswered. */
  pinged: boolean;
  /** Whether a snapshot will follow. It replaces all state received so far. */
  snapshotDue: boolean;
  /** Number of gaps repaired within the window. */
  gaps: number;
  gapAt: number;
}

export type Input =
  | { type: "start"; now: number }
  | { type: "stop" }
  | { type: "opened"; now: number }
  | { type: "message"; message: ServerMessage; now: number }
  | { type: "closed"; now: number; chance: number }
  /** The server does not accept the credentials, or does not permit the stream with them. */
  | { type: "refused"; error: Error }
  /** Time passed. The subscription sends a tick four times per second. */
  | { type: "tick"; now: number; chance: number }
  /** The user requested a reconnect, or the network is back. */
  | { type: "reconnect"; now: number };

export type Effect =
  | { type: "connect" }
  | { type: "close" }
  | { type: "send"; text: string }
  | { type: "event"; event: LiveEvent }
  | { type: "snapshot"; snapshot: Snapshot; lost: boolean };

type Gap = Extract<ServerMessage, { type: "gap" }>;

/** After this many gaps within the window, the client requests a snapshot instead of a replay. */
export const GAPS_BEFORE_SNAPSHOT = 3;
export const GAP_WINDOW_MS = 30_000;

/** The state before the first input. */
export function idle(options: LinkOptions = {}): Link {
  const { since = "snapshot", filter, heartbeat } = options;
  const resumes = typeof since === "object";
  return {
    phase: "idle",
    first: resumes ? "snapshot" : since,
    filter: filter ?? null,
    heartbeat: { ...HEARTBEAT, ...heartbeat },
    cursor: resumes ? since : null,
    failures: 0,
    retryAt: null,
    refusal: null,
    heardAt: 0,
    pinged: false,
    snapshotDue: false,
    gaps: 0,
    gapAt: 0,
  };
}

/** The state after an input, and the effects to perform. */
export function step(link: Link, input: Input): [Link, Effect[]] {
  switch (input.type) {
    case "start":
      return link.phase === "idle" || link.phase === "refused" ? connect(link, input.now) : [link, []];
    case "stop":
      return [{ ...link, phase: "idle", retryAt: null, refusal: null }, [{ type: "close" }]];
    case "opened":
      return link.phase === "connecting" ? subscribe(link, input.now, link.cursor ?? link.first) : [link, []];
    case "message":
      return receive({ ...link, heardAt: input.now, pinged: false }, input.message, input.now);
    case "closed":
      return isOpening(link) ? wait(link, input.now, input.chance) : [link, []];
    case "refused":
      return isOpening(link)
        ? [{ ...link, phase: "refused", retryAt: null, refusal: input.error, pinged: false }, [{ type: "close" }]]
        : [link, []];
    case "tick":
      return tick(link, input.now, input.chance);
    case "reconnect":
      return link.phase === "waiting" || link.phase === "refused" ? connect(link, input.now) : [link, []];
  }
}

/** Whether there is a connection, or one is being made. */
function isOpening({ phase }: Link): boolean {
  return phase === "connecting" || phase === "subscribing" || phase === "live";
}

function connect(link: Link, now: number): [Link, Effect[]] {
  const next: Link = { ...link, phase: "connecting", retryAt: null, refusal: null, heardAt: now, pinged: false };
  return [next, [{ type: "connect" }]];
}

function subscribe(link: Link, now: number, since: Cursor | "live" | "snapshot"): [Link, Effect[]] {
  const position = typeof since === "string" ? { since } : { since: since.seq, epoch: since.epoch };
  const filter = link.filter === null ? {} : { filter: link.filter };
  const text = JSON.stringify({ type: "subscribe", ...position, ...filter });
  const next: Link = { ...link, phase: "subscribing", heardAt: now, snapshotDue: since === "snapshot" };
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
  const { pingAfterMs, deadAfterMs, connectWithinMs } = link.heartbeat;
  const limit = link.phase === "live" ? deadAfterMs : connectWithinMs;
  if (isOpening(link) && silence >= limit) {
    const [next] = wait(link, now, chance);
    return [next, [{ type: "close" }]];
  }
  if (link.phase === "live" && silence >= pingAfterMs && !link.pinged) {
    return [{ ...link, pinged: true }, [{ type: "send", text: '{"type":"ping"}' }]];
  }
  return [link, []];
}

function receive(link: Link, message: ServerMessage, now: number): [Link, Effect[]] {
  if (isEvent(message)) {
    return event(link, message, now);
  }
  switch (message.type) {
    case "subscribed": {
      if (link.phase !== "subscribing") {
        return [link, []];
      }
      const snapshotDue = link.snapshotDue || message.recovered === false;
      // The answer contains the start position of a live subscription.
      const begins = link.cursor === null && !snapshotDue;
      const cursor = begins ? { seq: message.seq, epoch: message.epoch } : link.cursor;
      return [{ ...link, phase: "live", failures: 0, snapshotDue, cursor }, []];
    }
    case "snapshot": {
      const lost = link.cursor !== null;
      const cursor = { seq: message.seq, epoch: message.epoch };
      const next: Link = { ...link, cursor, snapshotDue: false };
      return [next, [{ type: "snapshot", snapshot: message, lost }]];
    }
    case "gap":
      return gap(link, message, now);
    default:
      return [link, []];
  }
}

function event(link: Link, message: LiveEvent, now: number): [Link, Effect[]] {
  // Events before the answer belong to the previous subscription.
  if (link.phase !== "live" || link.snapshotDue || link.cursor === null) {
    return [link, []];
  }
  if (message.seq <= link.cursor.seq) {
    // An earlier event of another epoch is of another history.
    return message.epoch === link.cursor.epoch ? [link, []] : subscribe(link, now, "snapshot");
  }
  const cursor = { seq: message.seq, epoch: message.epoch };
  return [{ ...link, cursor }, [{ type: "event", event: message }]];
}

function gap(link: Link, { from, to, epoch }: Gap, now: number): [Link, Effect[]] {
  // A gap of delivered events needs no repair.
  if (link.phase !== "live" || link.cursor === null || link.snapshotDue || to <= link.cursor.seq) {
    return [link, []];
  }
  const recent = now - link.gapAt < GAP_WINDOW_MS;
  const gaps = recent ? link.gaps + 1 : 1;
  if (gaps >= GAPS_BEFORE_SNAPSHOT) {
    return subscribe({ ...link, gaps: 0, gapAt: now }, now, "snapshot");
  }
  // All events before the gap were sent or excluded by the filter.
  const cursor = link.cursor.seq >= from - 1 ? link.cursor : { seq: from - 1, epoch };
  return subscribe({ ...link, cursor, gaps, gapAt: now }, now, cursor);
}
