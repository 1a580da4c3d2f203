import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { events, type EventsOptions } from "./events.ts";

class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly sent: { since: unknown }[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  receive(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

let sockets: FakeSocket[] = [];
const event = (seq: number) => ({ seq, epoch: "e", time: 0, type: "kpi.resumed", workspace: "w", subject: "kpi/k", kpi: "k", data: {} });

function follow(options: EventsOptions = {}, most = 100) {
  const open = () => {
    const fake = new FakeSocket();
    sockets.push(fake);
    return fake;
  };
  return events("ws://test", options, { open, now: () => Date.now(), chance: () => 0 }, most);
}

function greet(socket: FakeSocket | undefined, recovered: boolean | null): void {
  socket?.onopen?.();
  socket?.receive({ type: "subscribed", seq: 5, epoch: "e", recovered });
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
});
afterEach(() => vi.useRealTimers());

it("delivers events and ends when the consumer leaves the loop", async () => {
  const seqs: number[] = [];
  const first = follow({ since: "live" });
  const consuming = (async () => {
    for await (const delivery of first) {
      seqs.push(delivery.seq);
      if (seqs.length === 2) {
        break;
      }
    }
  })();
  greet(sockets[0], null);
  sockets[0]?.receive(event(6));
  sockets[0]?.receive(event(7));
  sockets[0]?.receive(event(8));
  await consuming;
  expect(seqs).toEqual([6, 7]);
  expect(sockets[0]?.closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

it("ends when the signal aborts while no event arrives", async () => {
  const abort = new AbortController();
  const next = follow({ signal: abort.signal }).next();
  greet(sockets[0], null);
  abort.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(vi.getTimerCount()).toBe(0);
});

it("closes the connection of a slow consumer and resumes it later", async () => {
  const iteration = follow({ since: "live" }, 4);
  const first = iteration.next();
  greet(sockets[0], null);
  sockets[0]?.receive(event(6));
  const seqs = [(await first).value?.seq];
  [7, 8, 9, 10].forEach((seq) => sockets[0]?.receive(event(seq)));
  expect(sockets[0]?.closed).toBe(true);
  expect(sockets).toHaveLength(1);
  for (const _ of [7, 8, 9]) {
    seqs.push((await iteration.next()).value?.seq);
  }
  const last = iteration.next();
  seqs.push((await last).value?.seq);
  expect(seqs).toEqual([6, 7, 8, 9, 10]);
  expect(sockets).toHaveLength(2);
  sockets[1]?.onopen?.();
  expect(sockets[1]?.sent[0]).toMatchObject({ since: 10, epoch: "e" });
  await iteration.return();
});
