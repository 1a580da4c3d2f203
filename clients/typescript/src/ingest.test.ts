import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "./http.ts";
import { ingest } from "./ingest.ts";

const samples = [{ kpi: "shop.revenue", value: 1 }];
const good = { accepted: 1, rejected: [], rejected_total: 0, seq: 7, epoch: "e" };

/** Answers one request after the other; an error is thrown instead. */
function answers(...all: (Response | Error)[]) {
  return vi.fn(() => {
    const next = all.shift() ?? new Error("asked once more than expected");
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  });
}

function problem(status: number, type: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ type, title: "t", status, detail: "d", ...more }), { status, headers });
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("sends again while the server has no room or is not there, and waits as long as it is asked to", async () => {
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

it("gives up after so many attempts", async () => {
  const fetch = answers(...Array.from({ length: 9 }, () => problem(503, "/problems/unavailable")));
  const sending = ingest(fetch, "http://test", samples, { attempts: 3 });
  const failed = expect(sending).rejects.toMatchObject({ status: 503, message: "d", passing: true });
  await vi.runAllTimersAsync();
  await failed;
  expect(fetch).toHaveBeenCalledTimes(3);
});

it("does not send again what the server will never take", async () => {
  const fetch = answers(problem(413, "/problems/too-large"));
  await expect(ingest(fetch, "http://test", samples)).rejects.toBeInstanceOf(ApiError);
  expect(fetch).toHaveBeenCalledTimes(1);
});

it("takes a batch without a good row as a receipt, not as an error", async () => {
  const rejected = [{ row: 0, error: "value must be a finite number" }];
  const fetch = answers(problem(400, "/problems/nothing-accepted", { rejected, rejected_total: 1 }));
  expect(await ingest(fetch, "http://test", samples)).toEqual({ accepted: 0, rejected, rejected_total: 1, seq: null, epoch: null });
});

it("says something sensible when the answer is not the server's", async () => {
  const fetch = answers(new Response("<html>", { status: 404, statusText: "Not Found" }));
  await expect(ingest(fetch, "http://test", samples)).rejects.toThrow("404 Not Found");
});
