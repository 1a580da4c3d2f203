import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Client } from "./client.ts";
import { Subscription } from "./subscription.ts";

class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly sent: string[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }

  receive(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

let sockets: FakeSocket[] = [];
const seqs: number[] = [];

function start(): Subscription {
  const socket = new Subscription(
    "ws://test",
    { event: (event) => seqs.push(event.seq), snapshot: () => undefined },
    {},
    {
      open: () => {
        const fake = new FakeSocket();
        sockets.push(fake);
        return fake;
      },
      now: () => Date.now(),
      chance: () => 0,
    },
  );
  socket.start();
  return socket;
}

function greet(socket: FakeSocket | undefined, seq: number): void {
  socket?.onopen?.();
  socket?.receive({ type: "subscribed", seq, epoch: "e", recovered: null });
  socket?.receive({ type: "snapshot", seq, epoch: "e", kpis: [], anomalies: [], incidents: [] });
}

const event = (seq: number) => ({ seq, epoch: "e", time: 0, type: "kpi.resumed", workspace: "w", subject: "kpi/k", kpi: "k", data: {} });

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  seqs.length = 0;
});
afterEach(() => vi.useRealTimers());

it("reconnects automatically and resumes", () => {
  const socket = start();
  greet(sockets[0], 5);
  sockets[0]?.receive(event(6));
  sockets[0]?.onclose?.();
  expect(socket.link.phase).toBe("waiting");
  vi.advanceTimersByTime(1_000);
  expect(sockets).toHaveLength(2);
  sockets[1]?.onopen?.();
  expect(JSON.parse(sockets[1]?.sent[0] ?? "")).toEqual({ type: "subscribe", since: 6, epoch: "e" });
  socket.stop();
});

it("ignores messages of a replaced socket", () => {
  const socket = start();
  greet(sockets[0], 5);
  vi.advanceTimersByTime(60_000);
  expect(sockets.length).toBeGreaterThan(1);
  expect(sockets[0]?.closed).toBe(true);
  sockets[0]?.receive(event(6));
  sockets[0]?.onclose?.();
  expect(seqs).toEqual([]);
  socket.stop();
});

it("ignores invalid and unknown messages", () => {
  const socket = start();
  greet(sockets[0], 5);
  ["", "nonsense", "null", "[1]", '{"type":"from the future"}'].forEach((text) => sockets[0]?.receive(text));
  sockets[0]?.receive(event(6));
  expect(seqs).toEqual([6]);
  socket.stop();
});

it("clears its timer on stop", () => {
  start().stop();
  expect(vi.getTimerCount()).toBe(0);
});

it("names the remedy where there is no WebSocket, and leaves no timer", async () => {
  vi.stubGlobal("WebSocket", undefined);
  const client = new Client({ url: "http://test" });
  expect(() => client.subscription({ event: () => undefined, snapshot: () => undefined }).start()).toThrow("npm install ws");
  await expect(client.events().next()).rejects.toThrow("new Client({ WebSocket })");
  expect(vi.getTimerCount()).toBe(0);
  vi.unstubAllGlobals();
});

it("uses the given WebSocket class", async () => {
  const opened: string[] = [];
  class Given extends FakeSocket {
    constructor(url: string) {
      super();
      opened.push(url);
    }
  }
  const subscription = new Client({ url: "http://test", WebSocket: Given }).subscription({
    event: () => undefined,
    snapshot: () => undefined,
  });
  subscription.start();
  subscription.stop();
  expect(opened).toEqual(["ws://test/api/v1/workspaces/local/events"]);
});
