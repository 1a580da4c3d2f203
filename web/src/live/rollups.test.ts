import { describe, expect, it } from "vitest";
import { Rollups } from "./rollups.ts";

describe("rollups", () => {
  it("are continued with live samples", () => {
    const rollups = new Rollups(1_000, [[1_000, 2, 1, 3, 2, 3, 0.5, 0]], 1_500);
    rollups.put([1_400, 99, 0.9, null, null, null]);
    expect(rollups.max).toEqual([3]);
    rollups.put([1_600, 8, 0.7, null, null, null]);
    rollups.put([3_200, 5, null, null, null, null]);
    rollups.put([2_100, 4, null, null, null, null]);
    expect(rollups.timestamps).toEqual([1_000, 2_000, 3_000]);
    expect(rollups.min).toEqual([1, 4, 5]);
    expect(rollups.max).toEqual([8, 4, 5]);
    expect(rollups.mean).toEqual([4, 4, 5]);
    expect(rollups.scores).toEqual([0.7, null, null]);
  });
});
