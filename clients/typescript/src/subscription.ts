/** Runs the state machine of `link.ts` with a WebSocket, a timer, a clock and random numbers. */

import { ends, type Entrance, type Target } from "./access.ts";
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
  /** Opens a socket. `headers` are those of the handshake; a browser's socket cannot send any. */
  open(url: string, headers?: Record<string, string>): Socket;
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

/**
 * A subscription that reconnects automatically until it is stopped, or the server does not accept
 * its credentials: `link.phase` is `refused` then, and `link.refusal` the reason.
 */
export class Subscription {
  #link: Link;
  #socket: Socket | null = null;
  /** The connection that is being made or open. Aborting it ends its requests. */
  #attempt: AbortController | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  readonly #target: Target;
  readonly #follower: Follower;
  readonly #environment: Environment;

  constructor(target: string | Target, follower: Follower, options: LinkOptions = {}, environment: Environment = REAL) {
    this.#target = typeof target === "string" ? { enter: () => ({ url: target }) } : target;
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
    this.#stopTimer();
    this.#dispatch({ type: "stop" });
  }

  /** Ends the wait before the next attempt. After a refusal it tries again. */
  reconnectNow(): void {
    if (this.#link.phase === "refused") {
      this.start();
    } else {
      this.#dispatch({ type: "reconnect", now: this.#environment.now() });
    }
  }

  #stopTimer(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  #dispatch(input: Input): void {
    const before = this.#link;
    const [next, effects] = step(before, input);
    this.#link = next;
    for (const effect of effects) {
      this.#execute(effect);
    }
    if (next.phase === "refused") {
      this.#stopTimer();
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
    const attempt = new AbortController();
    this.#attempt = attempt;
    const entrance = this.#target.enter(attempt.signal);
    if (!(entrance instanceof Promise)) {
      this.#open(entrance, attempt);
      return;
    }
    entrance.then(
      (prepared) => {
        if (this.#attempt === attempt) {
          this.#openLater(prepared, attempt);
        }
      },
      (error: unknown) => this.#failed(attempt, ends(error) ? error : null),
    );
  }

  #openLater(entrance: Entrance, attempt: AbortController): void {
    try {
      this.#open(entrance, attempt);
    } catch (error) {
      // There is no WebSocket here, and `start` has returned.
      this.#failed(attempt, error as Error);
    }
  }

  #open({ url, headers }: Entrance, attempt: AbortController): void {
    const socket = this.#environment.open(url, headers);
    this.#socket = socket;
    let opened = false;
    let status: string | undefined;
    // Messages of a replaced socket are ignored.
    const current = () => this.#socket === socket;
    socket.onopen = () => {
      opened = true;
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
    // A close event follows. Some implementations throw if no error handler is set. The package
    // `ws` says the status of a refused handshake.
    socket.onerror = (error?: { message?: unknown }) => {
      status = /server response: (\d+)/.exec(String(error?.message))?.[1];
    };
    socket.onclose = () => {
      if (!current()) {
        return;
      }
      this.#socket = null;
      const unexplained = !opened && (status === undefined || status === "401" || status === "403");
      if (unexplained && this.#target.refusal !== undefined) {
        void this.#target.refusal(attempt.signal).then((refusal) => this.#failed(attempt, refusal));
      } else {
        this.#failed(attempt, null);
      }
    };
  }

  /** Ends a connection. Without a refusal it is made again later. */
  #failed(attempt: AbortController, refusal: Error | null): void {
    if (this.#attempt !== attempt) {
      return;
    }
    this.#attempt = null;
    if (refusal === null) {
      this.#dispatch({ type: "closed", now: this.#environment.now(), chance: this.#environment.chance() });
    } else {
      this.#dispatch({ type: "refused", error: refusal });
    }
  }

  #drop(): void {
    const [socket, attempt] = [this.#socket, this.#attempt];
    this.#socket = null;
    this.#attempt = null;
    attempt?.abort();
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
