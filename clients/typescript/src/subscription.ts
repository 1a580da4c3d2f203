/** Runs the state machine of `link.ts` with a WebSocket, a timer, a clock and random numbers. */

import { idle, step, type Effect, type Input, type Link, type LinkOptions } from "./link.ts";
import type { LiveEvent, ServerMessage, Snapshot } from "./wire.ts";

/** Callbacks of a subscription. */
export interface Follower {
  event(event: LiveEvent): void;
  /** `lost`: events were lost, and histories have to be fetched again. */
  snapshot(snapshot: Snapshot, lost: boolean): void;
  /** Called when the phase or the time of the next attempt changes. */
  changed?(link: Link): void;
}

/**
 * The part of a WebSocket that a subscription uses. The class of browsers and of Node.js has it,
 * and the class of the package `ws`.
 */
export interface Socket {
  // The types of events differ between the classes.
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
}

/** The environment of a subscription. Tests use another one. */
export interface Environment {
  open(url: string): Socket;
  now(): number;
  chance(): number;
}

export const REAL: Environment = {
  open: (url) => {
    if (typeof WebSocket === "undefined") {
      throw new Error(
        "there is no WebSocket here, as in Node.js before version 22: " +
          'npm install ws, import WebSocket from "ws", and create the client with new Client({ WebSocket })',
      );
    }
    return new WebSocket(url);
  },
  now: () => Date.now(),
  chance: () => Math.random(),
};

const TICK_MS = 250;

/** A subscription that reconnects automatically until it is stopped. */
export class Subscription {
  #link: Link;
  #socket: Socket | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  readonly #url: string;
  readonly #follower: Follower;
  readonly #environment: Environment;

  constructor(url: string, follower: Follower, options: LinkOptions = {}, environment: Environment = REAL) {
    this.#url = url;
    this.#follower = follower;
    this.#link = idle(options);
    this.#environment = environment;
  }

  /** The state of the connection. `cursor` is the position to resume from in a later run. */
  get link(): Link {
    return this.#link;
  }

  /** Connects, or resumes at the position of the last stop. */
  start(): void {
    if (this.#timer !== null) {
      return;
    }
    // Before the timer, which would otherwise go on if there is no WebSocket.
    this.#dispatch({ type: "start", now: this.#environment.now() });
    this.#timer = setInterval(
      () => this.#dispatch({ type: "tick", now: this.#environment.now(), chance: this.#environment.chance() }),
      TICK_MS,
    );
  }

  /** Closes the connection and keeps the position. */
  stop(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    this.#dispatch({ type: "stop" });
  }

  /** Ends the wait before the next attempt. */
  reconnectNow(): void {
    this.#dispatch({ type: "reconnect", now: this.#environment.now() });
  }

  #dispatch(input: Input): void {
    const before = this.#link;
    const [next, effects] = step(before, input);
    this.#link = next;
    for (const effect of effects) {
      this.#execute(effect);
    }
    if (before.phase !== next.phase || before.retryAt !== next.retryAt) {
      this.#follower.changed?.(next);
    }
  }

  #execute(effect: Effect): void {
    switch (effect.type) {
      case "connect":
        this.#connect();
        break;
      case "close":
        this.#drop();
        break;
      case "send":
        this.#socket?.send(effect.text);
        break;
      case "event":
        this.#follower.event(effect.event);
        break;
      case "snapshot":
        this.#follower.snapshot(effect.snapshot, effect.lost);
        break;
    }
  }

  #connect(): void {
    this.#drop();
    const socket = this.#environment.open(this.#url);
    this.#socket = socket;
    // Messages of a replaced socket are ignored.
    const current = () => this.#socket === socket;
    socket.onopen = () => {
      if (current()) {
        this.#dispatch({ type: "opened", now: this.#environment.now() });
      }
    };
    socket.onmessage = (message: { data: unknown }) => {
      const parsed = current() ? parse(message.data) : null;
      if (parsed !== null) {
        this.#dispatch({ type: "message", message: parsed, now: this.#environment.now() });
      }
    };
    // A close event follows. Some implementations throw if no error handler is set.
    socket.onerror = () => undefined;
    socket.onclose = () => {
      if (current()) {
        this.#socket = null;
        this.#dispatch({ type: "closed", now: this.#environment.now(), chance: this.#environment.chance() });
      }
    };
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}

function parse(data: unknown): ServerMessage | null {
  if (typeof data !== "string") {
    return null;
  }
  try {
    const value: unknown = JSON.parse(data);
    const typed = typeof value === "object" && value !== null && "type" in value;
    return typed ? (value as ServerMessage) : null;
  } catch {
    return null;
  }
}
