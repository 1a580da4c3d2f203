import { expect, it } from "vitest";
import { backoff } from "./backoff.ts";

it("doubles the pause up to a limit", () => {
  expect([1, 2, 3, 4, 5, 6, 7, 500].map((failures) => backoff(failures, 1))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
  ]);
});

it("makes half of the pause random", () => {
  expect(backoff(3, 0)).toBe(1_000);
  expect(backoff(3, 0.5)).toBe(1_500);
});
