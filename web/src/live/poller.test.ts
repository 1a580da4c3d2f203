import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "@earcon/client";
import { POLL_EVERY_MS, Poller, TIMEOUT_MS } from "./poller.ts";

interface Request {
  answer(value: string): void;
  fail(error: Error): void;
  signal: AbortSignal;
}

let requests: Request[] = [];
let poller: Poller<string>;
let page: EventTarget & { visibilityState: string };

function request(signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    requests.push({ answer: resolve, fail: reject, signal });
  });
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

function show(visibilityState: "visible" | "hidden"): void {
  page.visibilityState = visibilityState;
  page.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers();
  page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  vi.stubGlobal("document", page);
  requests = [];
  poller = new Poller(request);
});

afterEach(() => {
  poller.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("requests at once, and again two seconds after the last request", async () => {
  poller.start();
  await pass(0);
  await pass(500);
  requests[0]?.answer("a");
  await pass(POLL_EVERY_MS - 501);
  expect(requests).toHaveLength(1);
  await pass(1);
  expect(requests).toHaveLength(2);
  expect(poller.answer?.value).toBe("a");
  requests[1]?.answer("a");
  await pass(0);
  expect(poller.waitingMs(Date.now() + 60_000)).toBe(0);
});

it("never has two requests running, and reports a timeout as a problem", async () => {
  poller.start();
  await pass(TIMEOUT_MS - 1);
  expect(requests).toHaveLength(1);
  expect(poller.problem).toBeNull();
  expect(poller.waitingMs(Date.now())).toBe(TIMEOUT_MS - 1);
  await pass(1);
  expect(poller.problem).toBe("The server does not answer");
  await pass(1);
  expect(requests).toHaveLength(2);
});

it("keeps the last answer while requests fail, and clears the problem on success", async () => {
  poller.start();
  await pass(0);
  requests[0]?.answer("a");
  await pass(0);
  const at = poller.answer?.at;
  await pass(POLL_EVERY_MS);
  requests[1]?.fail(new ApiError(503, "not now"));
  await pass(0);
  expect(poller.problem).toBe("The server says: not now");
  expect(poller.answer).toMatchObject({ at, value: "a" });
  await pass(POLL_EVERY_MS);
  requests[2]?.answer("b");
  await pass(0);
  expect(poller.problem).toBeNull();
  expect(poller.answer?.value).toBe("b");
});

it("pauses while hidden, and requests at once when visible again", async () => {
  poller.start();
  await pass(0);
  requests[0]?.answer("a");
  await pass(0);
  show("hidden");
  await pass(60_000);
  expect(requests).toHaveLength(1);
  show("visible");
  await pass(0);
  expect(requests).toHaveLength(2);
  // Hiding the page aborts the running request. That is not a problem to report.
  show("hidden");
  await pass(0);
  expect(requests[1]?.signal.aborted).toBe(true);
  expect(poller.problem).toBeNull();
  show("visible");
  await pass(POLL_EVERY_MS);
  expect(requests).toHaveLength(3);
});

it("does not request after stop", async () => {
  poller.start();
  await pass(0);
  poller.stop();
  await pass(60_000);
  show("visible");
  await pass(60_000);
  expect(requests).toHaveLength(1);
  expect(requests[0]?.signal.aborted).toBe(true);
});

it("refreshes at once in place of the running request, and ignores its answer", async () => {
  poller.start();
  await pass(0);
  const refreshed = poller.refresh();
  expect(requests[0]?.signal.aborted).toBe(true);
  requests[0]?.answer("old");
  requests[1]?.answer("new");
  await refreshed;
  expect(poller.answer?.value).toBe("new");
  await pass(POLL_EVERY_MS);
  expect(requests).toHaveLength(3);
  poller.stop();
  await poller.refresh();
  expect(requests).toHaveLength(3);
});

it("reports a timeout of a request that cannot be aborted", async () => {
  const deaf = new Poller(() => new Promise<string>(() => undefined));
  deaf.start();
  await pass(TIMEOUT_MS);
  expect(deaf.problem).toBe("The server does not answer");
  deaf.stop();
});
