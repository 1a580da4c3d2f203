import { describe, expect, it } from "vitest";
import type { SampleRow } from "@earcon/client";
import { lowerBound, PointBuffer } from "./point-buffer.ts";

const row = (at: number, value = at): SampleRow => [at, value, 0.5, null, null, null];

describe("a point buffer", () => {
  it("orders points by time", () => {
    const points = new PointBuffer(100);
    [5, 1, 3, 9, 7].forEach((at) => points.put(row(at)));
    expect(points.timestamps).toEqual([1, 3, 5, 7, 9]);
    expect(points.values).toEqual([1, 3, 5, 7, 9]);
  });

  it("replaces a point with the same timestamp", () => {
    const points = new PointBuffer(100);
    points.put(row(1));
    points.put(row(2, 20));
    points.put(row(1, 10));
    expect(points.timestamps).toEqual([1, 2]);
    expect(points.values).toEqual([10, 20]);
  });

  it("merges a history with live points without gaps or duplicates", () => {
    const points = new PointBuffer(100);
    [6, 7, 8].forEach((at) => points.put(row(at)));
    points.merge([1, 2, 5, 6, 7].map((at) => row(at)));
    expect(points.timestamps).toEqual([1, 2, 5, 6, 7, 8]);
    points.merge([9, 10].map((at) => row(at)));
    expect(points.timestamps).toEqual([1, 2, 5, 6, 7, 8, 9, 10]);
  });

  it("drops the oldest points beyond its capacity", () => {
    const points = new PointBuffer(50);
    for (let at = 0; at < 5_000; at += 1) {
      points.put(row(at));
    }
    expect(points.length).toBeLessThan(50 + 300);
    expect(points.last).toBe(4_999);
    expect(points.values.length).toBe(points.length);
    expect(points.upper.length).toBe(points.length);
  });

  it("returns the rows that were merged", () => {
    const points = new PointBuffer(10);
    const rows: SampleRow[] = [
      [1, 2, null, null, null, null],
      [2, 3, 0.1, 2.5, 2, 3],
    ];
    points.merge(rows);
    expect(points.rows()).toEqual(rows);
  });
});

it("finds the first timestamp that is not before the wanted one", () => {
  expect([0, 1, 2, 5, 9].map((wanted) => lowerBound([1, 2, 2, 7], wanted))).toEqual([0, 0, 1, 3, 4]);
});
