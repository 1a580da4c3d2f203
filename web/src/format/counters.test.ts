import { expect, it } from "vitest";
import { looksLikeCounter } from "./counters.ts";

const growing = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i * 3);

it("finds totals by their name or by their resets", () => {
  expect(looksLikeCounter("http.requests_total", growing(40))).toBe(true);
  expect(looksLikeCounter("requests", [...growing(40), ...growing(20)])).toBe(true);
  expect(looksLikeCounter("requests_total", growing(10))).toBe(false);
});

it("takes levels and rates for what they are", () => {
  expect(looksLikeCounter("users", growing(40))).toBe(false);
  expect(looksLikeCounter("requests_total", growing(40).map((value, i) => value - (i % 7) * 4))).toBe(false);
  expect(looksLikeCounter("requests_total", Array.from({ length: 40 }, () => 7))).toBe(false);
  expect(looksLikeCounter("balance_total", growing(40, -50))).toBe(false);
});
