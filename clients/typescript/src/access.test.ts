import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Client, type ClientOptions } from "./client.ts";

const KEY = "ek_abcdefghijkl_secret";
const URL = "http://test";
const EVENTS = "/api/v1/workspaces/local/events";
const REASON = "the key was revoked";

class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: ((error: { message?: string }) => void) | null = null;
  readonly sent: string[] = [];

  constructor(
    readonly url: string,
    _protocols?: string[],
    readonly options?: { headers: Record<string, string> },
  ) {
    sockets.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {}

  greet(): void {
    this.onopen?.();
    this.onmessage?.({ data: JSON.stringify({ type: "subscribed", seq: 1, epoch: "e", recovered: null }) });
  }

  /** Ends as a socket whose handshake the server answered with this status. */
  refuse(status: number): void {
    this.onerror?.({ message: `Unexpected server response: ${status}` });
    this.onclose?.();
  }
}

interface Asked {
  method: string;
  path: string;
  authorization: string | null;
  body: unknown;
}

let sockets: FakeSocket[] = [];
let asked: Asked[] = [];
let tickets = 0;
let status = 201;

/** A server that makes tickets, or answers everything with `status` if it is an error. */
async function answer(url: string, request: RequestInit): Promise<Response> {
  const body: unknown = typeof request.body === "string" ? JSON.parse(request.body) : null;
  const authorization = new Headers(request.headers).get("authorization");
  asked.push({ method: request.method ?? "GET", path: url.replace(URL, ""), authorization, body });
  if (status >= 400) {
    return new Response(JSON.stringify({ status, detail: REASON }), { status });
  }
  tickets += 1;
  return new Response(JSON.stringify({ ticket: `t/${tickets}`, expires_at: "2026-01-01T00:00:00Z", workspaces: [] }), { status });
}

function client(options: ClientOptions = {}): Client {
  return new Client({ url: URL, key: KEY, fetch: answer, ...options });
}

const follower = { event: () => undefined, snapshot: () => undefined };
/** Lets answers arrive. */
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  [sockets, asked, tickets, status] = [[], [], 0, 201];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A class like that of the package `ws`, which sends headers. */
const given = () =>
  class {
    constructor(url: string, protocols?: string[], options?: { headers: Record<string, string> }) {
      return new FakeSocket(url, protocols, options);
    }
  } as unknown as NonNullable<ClientOptions["WebSocket"]>;

it("sends the key with each request, and asks a token before each", async () => {
  await client().workspaces();
  await client().ingest([{ kpi: "a", value: 1 }]).catch(() => undefined);
  let count = 0;
  const renewed = new Client({ url: URL, fetch: answer, token: async () => `token${(count += 1)}` });
  await renewed.workspaces();
  await renewed.workspaces();
  expect(asked.map(({ authorization }) => authorization?.replace("Bearer ", ""))).toEqual([KEY, KEY, "token1", "token2"]);
  await new Client({ url: URL, fetch: answer }).workspaces();
  expect(asked.at(-1)?.authorization).toBe(null);
});

it("refuses a key that no header can carry, without showing it", async () => {
  for (const key of ["", "ek_a b", "ek_a\n", "ek_\u00e9"]) {
    expect(() => client({ key })).toThrow(/^the key is empty, or has spaces/);
  }
  expect(() => client({ token: () => KEY })).toThrow("either");
  const late = new Client({ url: URL, fetch: answer, token: () => "ek_a b" });
  await expect(late.workspaces()).rejects.toThrow(/^the key is empty, or has spaces/);
  expect(asked).toEqual([]);
});

it("sends the key in the handshake where the WebSocket class sends headers", async () => {
  const subscription = client({ WebSocket: given() }).subscription(follower);
  subscription.start();
  await settle();
  sockets[0]?.greet();
  sockets[0]?.onclose?.();
  await vi.advanceTimersByTimeAsync(1_000);
  subscription.stop();
  const headers = { authorization: `Bearer ${KEY}` };
  expect(sockets.map(({ url, options }) => ({ url, ...options }))).toEqual([1, 2].map(() => ({ url: `ws://test${EVENTS}`, headers })));
  expect(asked).toEqual([]);
});

it("asks for a ticket before each connection of a browser's WebSocket", async () => {
  class Derived extends FakeSocket {}
  for (const WebSocket of [undefined, FakeSocket, Derived]) {
    [sockets, asked, tickets] = [[], [], 0];
    const subscription = client(WebSocket === undefined ? {} : { WebSocket }).subscription(follower);
    subscription.start();
    await settle();
    sockets[0]?.greet();
    sockets[0]?.onclose?.();
    await vi.advanceTimersByTimeAsync(1_000);
    subscription.stop();
    expect(sockets.map(({ url }) => url)).toEqual(["t%2F1", "t%2F2"].map((ticket) => `ws://test${EVENTS}?ticket=${ticket}`));
    const wanted = { method: "POST", path: "/api/v1/workspaces/local/tickets", authorization: `Bearer ${KEY}`, body: { purpose: "events" } };
    expect(asked).toEqual([wanted, wanted]);
  }
  expect(await client().audioUrl("a b")).toBe("ws://test/api/v1/workspaces/local/mixes/a%20b/live?ticket=t%2F3");
  expect(asked.at(-1)?.body).toEqual({ purpose: "audio" });
  expect(await new Client({ url: URL, fetch: answer }).audioUrl("default", "ogg")).toBe("http://test/api/v1/workspaces/local/mixes/default/live.ogg");
});

it.each([401, 403])("ends with the server's reason when a ticket is refused with %s, also after a connection", async (code) => {
  const next = client().events({ since: "live" }).next();
  const ended = expect(next).rejects.toMatchObject({ status: code, message: REASON });
  await settle();
  sockets[0]?.greet();
  status = code;
  sockets[0]?.onclose?.();
  await vi.advanceTimersByTimeAsync(60_000);
  await ended;
  expect([sockets.length, asked.length]).toEqual([1, 2]);
  expect(vi.getTimerCount()).toBe(0);
  const error = await next.catch((refused: Error) => refused);
  expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(KEY);
});

it.each([401, 403])("asks for the reason when a handshake is refused with %s, and ends", async (code) => {
  status = code;
  for (const options of [{ WebSocket: given() }, { WebSocket: given(), key: undefined }, { key: undefined }]) {
    [sockets, asked] = [[], []];
    const { key, ...more } = { key: KEY, ...options };
    const next = new Client({ url: URL, fetch: answer, ...more, ...(key === undefined ? {} : { key }) }).events().next();
    const ended = expect(next).rejects.toMatchObject({ status: code, message: REASON });
    await settle();
    sockets[0]?.refuse(code);
    await vi.advanceTimersByTimeAsync(60_000);
    await ended;
    expect([sockets.length, asked.map(({ method, path }) => `${method} ${path}`)]).toEqual([1, [`GET ${EVENTS}`]]);
  }
});

it("goes on after other refusals, and does not ask for their reason", async () => {
  status = 401;
  const subscription = client({ WebSocket: given() }).subscription(follower);
  subscription.start();
  await settle();
  sockets[0]?.refuse(503);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([sockets.length, asked.length, subscription.link.phase]).toEqual([2, 0, "connecting"]);
  subscription.stop();
});

it("goes on when no ticket can be had for another reason", async () => {
  status = 503;
  const subscription = client().subscription(follower);
  subscription.start();
  await vi.advanceTimersByTimeAsync(1_000);
  status = 201;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sockets).toHaveLength(1);
  subscription.stop();
});

it("goes on with the cookies of the page's own server, which the page renews", async () => {
  vi.stubGlobal("location", { origin: URL });
  status = 401;
  const subscription = new Client({ fetch: answer }).subscription(follower);
  subscription.start();
  sockets[0]?.refuse(401);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([sockets.length, asked.length]).toEqual([2, 0]);
  subscription.stop();
});

it("tries again after a refusal when it is told to", async () => {
  status = 401;
  const subscription = client().subscription(follower);
  subscription.start();
  await settle();
  expect(subscription.link).toMatchObject({ phase: "refused", refusal: { status: 401 } });
  expect(vi.getTimerCount()).toBe(0);
  status = 201;
  subscription.reconnectNow();
  await settle();
  expect([sockets.length, subscription.link.phase, subscription.link.refusal]).toEqual([1, "connecting", null]);
  subscription.stop();
  expect(vi.getTimerCount()).toBe(0);
});

it("names the remedy where there is no WebSocket to open with a ticket", async () => {
  vi.stubGlobal("WebSocket", undefined);
  await expect(client().events().next()).rejects.toThrow("npm install ws");
  expect(vi.getTimerCount()).toBe(0);
});
