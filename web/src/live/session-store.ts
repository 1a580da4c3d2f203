/**
 * The session of the page: asks the server who it is, signs in and out, and keeps the access fresh.
 * All requests of the page go through `fetch`, which adds the header against forged requests, and
 * asks for a new access when the present one has ended.
 *
 * Invariant: however many requests and tabs notice the end of an access, one of them asks for a new
 * one. It holds the lock; the others then find the new one by `GET /api/v1/session`.
 */

import { ApiError, ask, type Fetch } from "@earcon/client";
import { isFresh, refreshDelay, type Session } from "./session.ts";
import type { Credentials, Gate, NewUser, Tabs } from "./session-gate.ts";
import { Signal } from "./signal.ts";

export const SESSION = "/api/v1/session";
export const CSRF_HEADER = "x-earcon-csrf";

interface Closed {
  unclaimed?: boolean;
}

/** After a failure to ask, the page asks again after this, milliseconds. */
export const ASK_AGAIN_MS = 2_000;
/** A refused request makes the page look at its rights again, at most this often, milliseconds. */
const LOOK_EVERY_MS = 5_000;

export class SessionStore {
  readonly changed = new Signal();
  readonly #server: Fetch;
  readonly #tabs: Tabs;
  readonly #now: () => number;
  #gate: Gate = { phase: "asking", problem: null };
  /** The server's clock minus this one, milliseconds. */
  #ahead = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #renewing: Promise<boolean> | null = null;
  #lookedAt = -Infinity;

  constructor(server: Fetch, tabs: Tabs, now: () => number = Date.now) {
    this.#server = server;
    this.#tabs = tabs;
    this.#now = now;
    tabs.listen(() => void this.look());
  }

  get gate(): Gate {
    return this.#gate;
  }

  /** Asks who this is. A server that does not answer is asked again later. */
  async look(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      this.#unanswered(error);
    }
  }

  /** Signs in. @throws ApiError, with `code_required` in its problem if a code is needed. */
  async signIn(credentials: Credentials): Promise<void> {
    try {
      this.#enter(await this.#send<Session>("POST", SESSION, credentials));
    } catch (error) {
      // The browser may have a session that this tab does not know of.
      if (!(error instanceof ApiError && error.status === 403 && (await this.#finds()))) {
        throw error;
      }
    }
    this.#tabs.tell();
  }

  /**
   * Claims the server or an invitation. @throws ApiError
   *
   * @param user null: the user who is signed in
   */
  async claim(secret: string, user: NewUser | null): Promise<Session> {
    await this.#freshen();
    const session = await this.#send<Session>("POST", `${SESSION}/claim`, { secret, ...user });
    this.#enter(session);
    this.#tabs.tell();
    return session;
  }

  /** Signs out, here and in all tabs. @throws ApiError or TypeError if the server did not do it. */
  async signOut(): Promise<void> {
    try {
      await ask(this.fetch, SESSION, { method: "DELETE" });
    } catch (error) {
      // Without a session there is nothing to end.
      if (!(error instanceof ApiError && error.status === 401)) {
        throw error;
      }
    }
    this.#set({ phase: "closed", unclaimed: false, before: null });
    this.#tabs.tell();
  }

  /** `fetch` with the rights of this session. */
  readonly fetch: Fetch = async (url, request) => {
    if (this.#gate.phase === "closed") {
      return unauthorised();
    }
    const response = await this.#server(url, this.#signed(request));
    const again = response.status === 401 ? await this.#renew() : response.status === 403 && (await this.#resigned(request));
    return again ? this.#server(url, this.#signed(request)) : response;
  };

  /**
   * Sends a request with a password or a code in it. It is sent once: 401 says that the password is
   * wrong.
   *
   * @throws ApiError
   */
  async sendSecret<Answer>(method: string, url: string, body: unknown): Promise<Answer> {
    await this.headers();
    return this.#send<Answer>(method, url, body);
  }

  /**
   * The headers of a request that does not go through `fetch`. The access is fresh enough to begin
   * one.
   *
   * @throws ApiError if the session has ended
   */
  async headers(): Promise<Record<string, string>> {
    await this.#freshen();
    if (this.#gate.phase === "open") {
      // Another tab may have renewed the access just now, and the header belongs to it.
      await this.look();
    }
    if (this.#gate.phase === "closed") {
      throw new ApiError(401, "The session has ended. Sign in again.");
    }
    return this.#csrf();
  }

  /** Asks for a new access if the present one ends soon. */
  async #freshen(): Promise<void> {
    if (this.#gate.phase === "open" && !isFresh(this.#gate.session, this.#serverNow())) {
      await this.#renew();
    }
  }

  /**
   * Looks at the session after a refusal. Whether a change was refused because another tab has
   * renewed the access: the header belongs to the access.
   */
  async #resigned({ method = "GET" }: RequestInit): Promise<boolean> {
    if (isSafe(method)) {
      void this.#lookSeldom();
      return false;
    }
    const sent = this.#csrf()[CSRF_HEADER];
    await this.look();
    return this.#csrf()[CSRF_HEADER] !== sent;
  }

  /** Whether the browser has a session after all. */
  async #finds(): Promise<boolean> {
    await this.look();
    return this.#gate.phase === "open";
  }

  #signed(request: RequestInit): RequestInit {
    return isSafe(request.method ?? "GET") ? request : { ...request, headers: { ...(request.headers as object), ...this.#csrf() } };
  }

  #csrf(): Record<string, string> {
    const csrf = this.#gate.phase === "open" ? this.#gate.session.csrf : null;
    return csrf == null ? {} : { [CSRF_HEADER]: csrf };
  }

  /** Whether there is an access again. All who ask meanwhile get the same answer. */
  #renew(): Promise<boolean> {
    this.#renewing ??= this.#tabs
      .exclusive(() => this.#renewAlone())
      .finally(() => {
        this.#renewing = null;
      });
    return this.#renewing;
  }

  async #renewAlone(): Promise<boolean> {
    if (this.#gate.phase === "closed") {
      return false;
    }
    try {
      // Another tab may have renewed it while this one waited for the lock.
      const present = await this.#present();
      if (present.session !== null && isFresh(present.session, this.#serverNow())) {
        this.#enter(present.session);
        return true;
      }
      this.#enter(await this.#send<Session>("POST", `${SESSION}/refresh`));
      this.#tabs.tell();
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.#close(false);
        return false;
      }
      // The server may be away for a moment. The session may well be alive.
      this.#schedule(ASK_AGAIN_MS);
      return false;
    }
  }

  async #read(): Promise<void> {
    const { session, closed } = await this.#present();
    if (session !== null) {
      this.#enter(session);
    } else if (closed.unclaimed === true) {
      this.#close(true);
    } else if (this.#gate.phase !== "closed") {
      // The access has ended, and the session may not have.
      await this.#renew();
    }
  }

  async #present(): Promise<{ session: Session; closed: Closed } | { session: null; closed: Closed }> {
    try {
      return { session: await this.#send<Session>("GET", SESSION), closed: {} };
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        return { session: null, closed: error.problem as Closed };
      }
      throw error;
    }
  }

  async #lookSeldom(): Promise<void> {
    if (this.#now() - this.#lookedAt >= LOOK_EVERY_MS) {
      this.#lookedAt = this.#now();
      await this.look();
    }
  }

  /** Asks the server itself: no new access is asked for on 401. */
  #send<Answer>(method: string, url: string, body?: unknown): Promise<Answer> {
    const json = body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return ask<Answer>(this.#timed, url, this.#signed({ method, ...json }));
  }

  /** Learns the server's clock from its answers. */
  readonly #timed: Fetch = async (url, request) => {
    const response = await this.#server(url, request);
    const date = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(date)) {
      this.#ahead = date - this.#now();
    }
    return response;
  };

  #serverNow(): number {
    return this.#now() + this.#ahead;
  }

  #enter(session: Session): void {
    this.#schedule(refreshDelay(session, this.#serverNow()));
    if (this.#gate.phase !== "open" || JSON.stringify(this.#gate.session) !== JSON.stringify(session)) {
      this.#set({ phase: "open", session });
    }
  }

  #close(unclaimed: boolean): void {
    this.#schedule(null);
    const before = this.#gate.phase === "open" ? this.#gate.session : null;
    this.#set({ phase: "closed", unclaimed, before });
  }

  #unanswered(error: unknown): void {
    if (this.#gate.phase === "asking") {
      const problem = error instanceof ApiError ? error.message : "The server does not answer";
      this.#set({ phase: "asking", problem });
      this.#schedule(ASK_AGAIN_MS, () => void this.look());
    }
  }

  #schedule(wait: number | null, task: () => void = () => void this.#renew()): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    this.#timer = wait === null ? null : setTimeout(task, wait);
  }

  #set(gate: Gate): void {
    if (gate.phase === "closed") {
      this.#schedule(null);
    }
    this.#gate = gate;
    this.changed.emit();
  }
}

/** Whether a method changes nothing, so that it needs no header. */
function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** What the server would answer. It is not asked while a sign-in is needed. */
function unauthorised(): Response {
  const problem = { type: "/problems/unauthorised", title: "Unauthorised", status: 401, detail: "The session has ended. Sign in again." };
  return new Response(JSON.stringify(problem), { status: 401, headers: { "content-type": "application/problem+json" } });
}
