import { describe, expect, it } from "vitest";
import { around, bounds, isLive, RANGES, RAW_LIMIT, roomFor, stepFor } from "./ranges.ts";

describe("ranges", () => {
  it("limit the number of rollup rows and have steps of at least a second", () => {
    for (const [, span] of RANGES) {
      expect(span / stepFor(span)).toBeLessThanOrEqual(1_000);
      expect(stepFor(span)).toBeGreaterThanOrEqual(1_000);
    }
    expect(stepFor(1_000)).toBe(1_000);
    expect(stepFor(86_400_000 * 36_500) % 86_400_000).toBe(0);
  });

  it("have room for a sample a pixel, for as many as rollup rows, and for those of one answer", () => {
    expect(roomFor(1_240, 1)).toBe(1_240);
    expect(roomFor(360, 3)).toBe(1_080);
    expect(roomFor(0, 1)).toBe(800);
    expect(roomFor(30_000, 2)).toBe(RAW_LIMIT);
  });

  it("end now if they are live", () => {
    expect(bounds({ last: 100 }, 1_000)).toEqual([900, 1_000]);
    expect(bounds({ from: 1, to: 2 }, 1_000)).toEqual([1, 2]);
    expect(isLive({ from: 1, to: 2 })).toBe(false);
  });

  it("have a margin around an anomaly", () => {
    expect(around(1_000_000, 1_060_000, 9_000_000)).toEqual({ from: 400_000, to: 1_660_000 });
  });

  it("do not reach into the future, and are live for an open anomaly", () => {
    expect(around(1_000_000, 1_060_000, 1_070_000)).toEqual({ from: 400_000, to: 1_070_000 });
    expect(around(1_000_000, null, 1_070_000)).toEqual({ last: 900_000 });
    expect(around(1_000_000, null, 3_000_000)).toEqual({ last: 4_000_000 });
  });
});
