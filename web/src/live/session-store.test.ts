import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Session } from "./session.ts";
import type { Tabs } from "./session-gate.ts";
import { CSRF_HEADER, SessionStore } from "./session-store.ts";

const LIFE_MS = 300_000;

/** A server with one session: its access ends, and each refresh token gives one new access. */
class Server {
  signedIn = true;
  claimed = true;
  expiresAt = Date.now() + LIFE_MS;
  refreshes = 0;
  csrf = "c0";
  down = false;
  denied = false;
  readonly requests: { method: string; url: string; csrf: string | null }[] = [];

  readonly fetch = async (url: string, request: RequestInit = {}): Promise<Response> => {
    await Promise.resolve();
    const method = request.method ?? "GET";
    const csrf = (request.headers as Record<string, string> | undefined)?.[CSRF_HEADER] ?? null;
    this.requests.push({ method, url, csrf });
    if (this.down) {
      throw new TypeError("failed to fetch");
    }
    const valid = this.signedIn && Date.now() < this.expiresAt;
    switch (`${method} ${url}`) {
      case "POST /api/v1/session": {
        const { password, code } = JSON.parse(String(request.body)) as { password: string; code?: string };
        if (password !== "right" || code === undefined) {
          return reply(401, password === "right" ? { code_required: true } : {});
        }
        this.signedIn = true;
        this.expiresAt = Date.now() + LIFE_MS;
        return reply(200, this.#session());
      }
      case "GET /api/v1/session":
        return valid ? reply(200, this.#session()) : reply(401, { accounts_required: true, unclaimed: !this.claimed });
      case "POST /api/v1/session/refresh":
        if (!this.signedIn) {
          return reply(401, {});
        }
        this.refreshes += 1;
        this.csrf = `c${this.refreshes}`;
        this.expiresAt = Date.now() + LIFE_MS;
        return reply(200, this.#session());
      case "PUT /api/v1/session/password":
        return reply(401, {});
      case "DELETE /api/v1/session":
        this.signedIn = false;
        return reply(204);
    }
    if (!valid) {
      return reply(401, {});
    }
    return this.denied || (method !== "GET" && csrf !== this.csrf) ? reply(403, {}) : reply(200, { ok: true });
  };

  #session(): Session {
    return { kind: "user", csrf: this.csrf, expires_at: new Date(this.expiresAt).toISOString(), organisations: [] };
  }
}

function reply(status: number, body?: unknown): Response {
  return new Response(body === undefined ? null : JSON.stringify(body), { status });
}

/** Tabs of one browser. Their messages arrive late, as between processes. */
function browser(): () => Tabs {
  let last: Promise<unknown> = Promise.resolve();
  const listeners: (() => void)[] = [];
  return () => {
    let own: () => void = () => undefined;
    return {
      exclusive: <T>(task: () => Promise<T>): Promise<T> => {
        const run = last.then(task, task);
        last = run.catch(() => undefined);
        return run;
      },
      tell: () => listeners.filter((each) => each !== own).forEach((each) => setTimeout(each, 50)),
      listen: (changed) => {
        own = changed;
        listeners.push(changed);
      },
    };
  };
}

let server: Server;

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_800_000_000_000);
  server = new Server();
});

afterEach(() => vi.useRealTimers());

async function opened(tabs = browser()()): Promise<SessionStore> {
  const store = new SessionStore(server.fetch, tabs);
  await store.look();
  return store;
}

const kinds = () => server.requests.map(({ method, url }) => `${method} ${url}`);
const count = (kind: string) => kinds().filter((each) => each === kind).length;

describe("the session of the page", () => {
  it("is open, or asks for a sign-in, or says that nobody owns the server", async () => {
    expect((await opened()).gate).toMatchObject({ phase: "open", session: { csrf: "c0" } });
    server.signedIn = false;
    expect((await opened()).gate).toEqual({ phase: "closed", unclaimed: false, before: null });
    server.claimed = false;
    expect((await opened()).gate).toEqual({ phase: "closed", unclaimed: true, before: null });
  });

  it("goes on after a start with an access that has ended", async () => {
    server.expiresAt = Date.now() - 1;
    expect((await opened()).gate.phase).toBe("open");
    expect(server.refreshes).toBe(1);
  });

  it("asks again while the server does not answer", async () => {
    server.down = true;
    const store = await opened();
    expect(store.gate).toEqual({ phase: "asking", problem: "The server does not answer" });
    server.down = false;
    await vi.advanceTimersByTimeAsync(2_500);
    expect(store.gate.phase).toBe("open");
  });

  it("sends the header against forged requests with changes only", async () => {
    const store = await opened();
    await store.fetch("/api/v1/x", {});
    await store.fetch("/api/v1/x", { method: "POST", headers: { accept: "a" } });
    expect(server.requests.slice(-2).map(({ csrf }) => csrf)).toEqual([null, "c0"]);
  });

  it("renews an ended access once for all requests, and sends them again with the new header", async () => {
    const store = await opened();
    server.expiresAt = Date.now() - 1;
    const answers = await Promise.all([1, 2, 3].map(() => store.fetch("/api/v1/x", { method: "PUT" })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(server.refreshes).toBe(1);
    expect(server.requests.at(-1)?.csrf).toBe("c1");
  });

  it("renews an ended access once for all tabs", async () => {
    const tab = browser();
    const stores = await Promise.all([1, 2, 3].map(() => opened(tab())));
    server.expiresAt = Date.now() - 1;
    const answers = await Promise.all(stores.map((store) => store.fetch("/api/v1/x", { method: "PUT" })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(server.refreshes).toBe(1);
  });

  it("renews the access before its end, once for all tabs, for as long as the page is open", async () => {
    const tab = browser();
    await Promise.all([1, 2, 3].map(() => opened(tab())));
    await vi.advanceTimersByTimeAsync(LIFE_MS - 20_000);
    expect(server.refreshes).toBe(1);
    await vi.advanceTimersByTimeAsync(3 * (LIFE_MS - 45_000));
    expect(server.refreshes).toBe(4);
  });

  it("waits for a server that is away, and does not sign out", async () => {
    const store = await opened();
    server.expiresAt = Date.now() - 1;
    server.down = true;
    await expect(store.fetch("/api/v1/x", {})).rejects.toThrow();
    await vi.advanceTimersByTimeAsync(LIFE_MS);
    expect(store.gate.phase).toBe("open");
    server.down = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect((await store.fetch("/api/v1/x", {})).status).toBe(200);
  });

  it("asks for a sign-in after the end of the session, and sends nothing until then", async () => {
    const store = await opened();
    server.signedIn = false;
    expect((await store.fetch("/api/v1/x", {})).status).toBe(401);
    expect(store.gate).toMatchObject({ phase: "closed", before: { csrf: "c0" } });
    const sent = server.requests.length;
    expect((await store.fetch("/api/v1/x", {})).status).toBe(401);
    await expect(store.headers()).rejects.toThrow("Sign in again");
    expect(server.requests.length).toBe(sent);
  });

  it("asks for the code of the second factor, and opens with it in all tabs", async () => {
    server.signedIn = false;
    const tab = browser();
    const [store, other] = await Promise.all([opened(tab()), opened(tab())]);
    await expect(store.signIn({ login: "anna", password: "wrong" })).rejects.toMatchObject({ status: 401 });
    await expect(store.signIn({ login: "anna", password: "right" })).rejects.toMatchObject({
      problem: { code_required: true },
    });
    await store.signIn({ login: "anna", password: "right", code: "123456" });
    expect(store.gate.phase).toBe("open");
    await vi.advanceTimersByTimeAsync(100);
    expect(other.gate.phase).toBe("open");
    expect(server.refreshes, "a wrong password asks for no new access").toBe(0);
  });

  it("keeps nothing of the session after a sign-out", async () => {
    const store = await opened();
    await store.signOut();
    expect(store.gate).toEqual({ phase: "closed", unclaimed: false, before: null });
    await vi.advanceTimersByTimeAsync(LIFE_MS);
    expect(server.refreshes).toBe(0);
  });

  it("stays signed in if the server did not sign out", async () => {
    const store = await opened();
    server.down = true;
    await expect(store.signOut()).rejects.toThrow();
    expect(store.gate.phase).toBe("open");
  });

  it("looks at its rights again after a refusal, and seldom", async () => {
    const store = await opened();
    server.denied = true;
    for (let i = 0; i < 5; i += 1) {
      await store.fetch("/api/v1/x", {});
    }
    await vi.advanceTimersByTimeAsync(100);
    expect(count("GET /api/v1/session")).toBe(2);
  });

  it("sends a change again if another tab has renewed the access meanwhile", async () => {
    const store = await opened();
    server.csrf = "c7";
    expect((await store.fetch("/api/v1/x", { method: "PUT" })).status).toBe(200);
    expect(server.requests.map(({ csrf }) => csrf).filter(Boolean)).toEqual(["c0", "c7"]);
    server.csrf = "c8";
    expect(await store.headers()).toEqual({ [CSRF_HEADER]: "c8" });
    server.denied = true;
    expect((await store.fetch("/api/v1/y", { method: "PUT" })).status, "refused for its right").toBe(403);
    expect(count("PUT /api/v1/y")).toBe(1);
  });

  it("sends a password once, although 401 is the answer to a wrong one", async () => {
    const store = await opened();
    await expect(store.sendSecret("PUT", "/api/v1/session/password", {})).rejects.toMatchObject({ status: 401 });
    expect(count("PUT /api/v1/session/password")).toBe(1);
    expect(server.requests.at(-1)?.csrf).toBe("c0");
    expect(store.gate.phase).toBe("open");
  });
});
