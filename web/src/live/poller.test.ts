import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError, type Cluster } from "@earcon/client";
import { ASK_EVERY_MS, ClusterWatch, PATIENCE_MS } from "./poller.ts";

interface Question {
  answer(node: string): void;
  fail(error: Error): void;
  signal: AbortSignal;
}

let questions: Question[] = [];
let watch: ClusterWatch;
let page: EventTarget & { visibilityState: string };

function ask(signal: AbortSignal): Promise<Cluster> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    questions.push({
      answer: (node) => resolve({ enabled: true, node, nodes: [], workspaces: [] }),
      fail: reject,
      signal,
    });
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
  questions = [];
  watch = new ClusterWatch(ask);
});

afterEach(() => {
  watch.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("asks at once, and again two seconds after the last question", async () => {
  watch.start();
  await pass(0);
  await pass(500);
  questions[0]?.answer("a");
  await pass(ASK_EVERY_MS - 501);
  expect(questions).toHaveLength(1);
  await pass(1);
  expect(questions).toHaveLength(2);
  expect(watch.picture?.cluster.node).toBe("a");
  questions[1]?.answer("a");
  await pass(0);
  expect(watch.waiting(Date.now() + 60_000)).toBe(0);
});

it("never asks twice at once, and takes silence for a problem", async () => {
  watch.start();
  await pass(PATIENCE_MS - 1);
  expect(questions).toHaveLength(1);
  expect(watch.problem).toBeNull();
  expect(watch.waiting(Date.now())).toBe(PATIENCE_MS - 1);
  await pass(1);
  expect(watch.problem).toBe("The server does not answer");
  await pass(1);
  expect(questions).toHaveLength(2);
});

it("keeps the last answer through failures, and forgets the problem with the next one", async () => {
  watch.start();
  await pass(0);
  questions[0]?.answer("a");
  await pass(0);
  const at = watch.picture?.at;
  await pass(ASK_EVERY_MS);
  questions[1]?.fail(new ApiError(503, "not now"));
  await pass(0);
  expect(watch.problem).toBe("The server says: not now");
  expect(watch.picture).toMatchObject({ at, cluster: { node: "a" } });
  await pass(ASK_EVERY_MS);
  questions[2]?.answer("b");
  await pass(0);
  expect(watch.problem).toBeNull();
  expect(watch.picture?.cluster.node).toBe("b");
});

it("does not ask while hidden, and asks at once when seen again", async () => {
  watch.start();
  await pass(0);
  questions[0]?.answer("a");
  await pass(0);
  show("hidden");
  await pass(60_000);
  expect(questions).toHaveLength(1);
  show("visible");
  await pass(0);
  expect(questions).toHaveLength(2);
  // Hidden in the middle of a question: the question ends, and is no problem.
  show("hidden");
  await pass(0);
  expect(questions[1]?.signal.aborted).toBe(true);
  expect(watch.problem).toBeNull();
  show("visible");
  await pass(ASK_EVERY_MS);
  expect(questions).toHaveLength(3);
});

it("asks nothing once it is stopped", async () => {
  watch.start();
  await pass(0);
  watch.stop();
  await pass(60_000);
  show("visible");
  await pass(60_000);
  expect(questions).toHaveLength(1);
  expect(questions[0]?.signal.aborted).toBe(true);
});
