import { describe, expect, it } from "vitest";
import type { SampleRow } from "@earcon/client";
import { lowerBound, Track } from "./point-buffer.ts";

const row = (at: number, value = at): SampleRow => [at, value, 0.5, null, null, null];

describe("a track", () => {
  it("keeps points in time order whatever order they come in", () => {
    const track = new Track(100);
    [5, 1, 3, 9, 7].forEach((at) => track.put(row(at)));
    expect(track.timestamps).toEqual([1, 3, 5, 7, 9]);
    expect(track.values).toEqual([1, 3, 5, 7, 9]);
  });

  it("replaces a point with the same timestamp", () => {
    const track = new Track(100);
    track.put(row(1));
    track.put(row(2, 20));
    track.put(row(1, 10));
    expect(track.timestamps).toEqual([1, 2]);
    expect(track.values).toEqual([10, 20]);
  });

  it("joins a history with what came live, without a hole or a double", () => {
    const track = new Track(100);
    [6, 7, 8].forEach((at) => track.put(row(at)));
    track.merge([1, 2, 5, 6, 7].map((at) => row(at)));
    expect(track.timestamps).toEqual([1, 2, 5, 6, 7, 8]);
    track.merge([9, 10].map((at) => row(at)));
    expect(track.timestamps).toEqual([1, 2, 5, 6, 7, 8, 9, 10]);
  });

  it("forgets the oldest, and grows no further", () => {
    const track = new Track(50);
    for (let at = 0; at < 5_000; at += 1) {
      track.put(row(at));
    }
    expect(track.length).toBeLessThan(50 + 300);
    expect(track.last).toBe(4_999);
    expect(track.values.length).toBe(track.length);
    expect(track.upper.length).toBe(track.length);
  });

  it("gives back the rows it took", () => {
    const track = new Track(10);
    const rows: SampleRow[] = [
      [1, 2, null, null, null, null],
      [2, 3, 0.1, 2.5, 2, 3],
    ];
    track.merge(rows);
    expect(track.rows()).toEqual(rows);
  });
});

it("finds the first timestamp that is not before the wanted one", () => {
  expect([0, 1, 2, 5, 9].map((wanted) => lowerBound([1, 2, 2, 7], wanted))).toEqual([0, 0, 1, 3, 4]);
});
