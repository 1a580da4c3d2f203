import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError, Client } from "@earcon/client";
import { ExperimentsPoller } from "./experiments-poller.ts";
import { POLL_EVERY_MS } from "./poller.ts";

let polls = 0;
let poller: ExperimentsPoller;

class FakeClient extends Client {
  override async detectors() {
    polls += 1;
    return { live: "default", configured: "season-reach-1", entries: [] } as unknown as Awaited<ReturnType<Client["detectors"]>>;
  }
  override async experiments() {
    return [];
  }
  override async jobs() {
    return [];
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  polls = 0;
  poller = new ExperimentsPoller(new FakeClient({ url: "http://localhost", workspace: "local" }));
});

afterEach(() => {
  poller.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("polls at once after an action", async () => {
  poller.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(poller.answer?.value.detectors.live).toBe("default");
  await poller.perform(async () => undefined);
  expect(polls).toBe(2);
  expect(poller.problem).toBeNull();
});

it("says why an action failed until the next poll", async () => {
  poller.start();
  await vi.advanceTimersByTimeAsync(0);
  await poller.perform(() => Promise.reject(new ApiError(409, "not yet")));
  expect(poller.problem).toBe("not yet");
  expect(polls).toBe(2);
  await vi.advanceTimersByTimeAsync(POLL_EVERY_MS);
  expect(poller.problem).toBeNull();
});
