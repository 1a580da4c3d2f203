/**
 * Points of one series in columns, ordered by time, one per timestamp. Bounded: the oldest are
 * dropped.
 */

import type { SampleRow } from "@earcon/client";

export type Column = (number | null)[];

/**
 * Points are dropped in blocks, so that a full buffer does not move all points for each new one.
 */
const SLACK = 256;

export class PointBuffer {
  readonly timestamps: number[] = [];
  readonly values: Column = [];
  readonly scores: Column = [];
  readonly expected: Column = [];
  readonly lower: Column = [];
  readonly upper: Column = [];
  /** Grows with every change, so that a drawing knows whether it is outdated. */
  version = 0;
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.timestamps.length;
  }

  get last(): number | null {
    return this.timestamps[this.timestamps.length - 1] ?? null;
  }

  /** Inserts a point. Replaces a point with the same timestamp. */
  put(row: SampleRow): void {
    const last = this.last;
    if (last === null || row[0] > last) {
      this.#insert(this.length, row);
    } else {
      const at = lowerBound(this.timestamps, row[0]);
      if (this.timestamps[at] === row[0]) {
        this.#replace(at, row);
      } else {
        this.#insert(at, row);
      }
    }
    this.version += 1;
    this.#trim();
  }

  /** Inserts points in any order. On equal timestamps the new point wins. */
  merge(rows: readonly SampleRow[]): void {
    const first = rows[0];
    const last = this.last;
    if (first === undefined) {
      return;
    }
    if (last === null || first[0] > last) {
      rows.forEach((row) => this.put(row));
      return;
    }
    const all = new Map<number, SampleRow>();
    this.rows().forEach((row) => all.set(row[0], row));
    rows.forEach((row) => all.set(row[0], row));
    const sorted = [...all.values()].sort((a, b) => a[0] - b[0]);
    this.clear();
    sorted.slice(-this.#capacity).forEach((row) => this.#insert(this.length, row));
  }

  /** Keeps the points whose timestamps `keep` accepts. */
  retain(keep: (timestamp: number) => boolean): void {
    const kept = this.rows().filter(([timestamp]) => keep(timestamp));
    this.clear();
    kept.forEach((row) => this.#insert(this.length, row));
  }

  clear(): void {
    for (const column of this.#columns()) {
      column.length = 0;
    }
    this.version += 1;
  }

  rows(): SampleRow[] {
    return this.timestamps.map((timestamp, i) => [
      timestamp,
      this.values[i] ?? NaN,
      this.scores[i] ?? null,
      this.expected[i] ?? null,
      this.lower[i] ?? null,
      this.upper[i] ?? null,
    ]);
  }

  #columns(): Column[] {
    return [this.timestamps, this.values, this.scores, this.expected, this.lower, this.upper];
  }

  #replace(at: number, row: SampleRow): void {
    this.#columns().forEach((column, i) => (column[at] = row[i] ?? null));
  }

  #insert(at: number, row: SampleRow): void {
    const append = at === this.length;
    this.#columns().forEach((column, i) => {
      if (append) {
        column.push(row[i] ?? null);
      } else {
        column.splice(at, 0, row[i] ?? null);
      }
    });
  }

  #trim(): void {
    const extra = this.length - this.#capacity;
    if (extra > SLACK) {
      for (const column of this.#columns()) {
        column.splice(0, extra);
      }
    }
  }
}

/** The first index whose timestamp is not before `wanted`. */
export function lowerBound(timestamps: readonly number[], wanted: number): number {
  let low = 0;
  let high = timestamps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timestamps[middle] ?? Infinity) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
