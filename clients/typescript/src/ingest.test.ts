import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "./http.ts";
import { ingest } from "./ingest.ts";

const samples = [{ kpi: "shop.revenue", value: 1 }];
const good = { accepted: 1, rejected: [], rejected_total: 0, seq: 7, epoch: "e" };

/** Returns one answer per request. An error is thrown. */
function answers(...all: (Response | Error)[]) {
  return vi.fn(() => {
    const next = all.shift() ?? new Error("one request more than expected");
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  });
}

function problem(status: number, type: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ type, title: "t", status, detail: "d", ...more }), { status, headers });
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("retries after the requested pause while the server is full or away", async () => {
  const busy = problem(429, "/problems/overloaded", {}, { "retry-after": "20" });
  const fetch = answers(busy, new TypeError("fetch failed"), new Response(JSON.stringify(good)));
  const sending = ingest(fetch, "http://test", samples);
  await vi.advanceTimersByTimeAsync(19_999);
  expect(fetch).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(fetch).toHaveBeenCalledTimes(2);
  await vi.runAllTimersAsync();
  expect(await sending).toEqual(good);
});

it("fails after the maximum number of attempts", async () => {
  const fetch = answers(...Array.from({ length: 9 }, () => problem(503, "/problems/unavailable")));
  const sending = ingest(fetch, "http://test", samples, { attempts: 3 });
  const failed = expect(sending).rejects.toMatchObject({ status: 503, message: "d", temporary: true });
  await vi.runAllTimersAsync();
  await failed;
  expect(fetch).toHaveBeenCalledTimes(3);
});

it("does not retry a permanent error", async () => {
  const fetch = answers(problem(413, "/problems/too-large"));
  await expect(ingest(fetch, "http://test", samples)).rejects.toBeInstanceOf(ApiError);
  expect(fetch).toHaveBeenCalledTimes(1);
});

it("returns a receipt if each row of a batch was rejected", async () => {
  const rejected = [{ row: 0, error: "value must be a finite number" }];
  const fetch = answers(problem(400, "/problems/nothing-accepted", { rejected, rejected_total: 1 }));
  expect(await ingest(fetch, "http://test", samples)).toEqual({ accepted: 0, rejected, rejected_total: 1, seq: null, epoch: null });
});

it("reports the status if the response is no problem document", async () => {
  const fetch = answers(new Response("<html>", { status: 404, statusText: "Not Found" }));
  await expect(ingest(fetch, "http://test", samples)).rejects.toThrow("404 Not Found");
});
