/** Rollup rows of one series, continued with live samples. */

import type { RollupRow, SampleRow } from "@earcon/client";
import { lowerBound, type Column } from "./point-buffer.ts";

export class Rollups {
  readonly timestamps: number[] = [];
  readonly min: Column = [];
  readonly max: Column = [];
  readonly mean: Column = [];
  readonly scores: Column = [];
  version = 0;
  readonly #counts: number[] = [];
  readonly #step: number;
  readonly #coveredTo: number;

  /**
   * @param step milliseconds per row
   * @param rows the response of the server
   * @param coveredTo end of the requested range: earlier samples are already in `rows`
   */
  constructor(step: number, rows: readonly RollupRow[], coveredTo: number) {
    this.#step = step;
    this.#coveredTo = coveredTo;
    for (const [timestamp, count, min, max, mean, , score] of rows) {
      this.timestamps.push(timestamp);
      this.#counts.push(count);
      this.min.push(min);
      this.max.push(max);
      this.mean.push(mean);
      this.scores.push(score);
    }
  }

  /** Adds a live sample. */
  put([timestamp, value, score]: SampleRow): void {
    if (timestamp < this.#coveredTo) {
      return;
    }
    const start = Math.floor(timestamp / this.#step) * this.#step;
    const at = lowerBound(this.timestamps, start);
    if (this.timestamps[at] !== start) {
      this.timestamps.splice(at, 0, start);
      this.#counts.splice(at, 0, 1);
      this.min.splice(at, 0, value);
      this.max.splice(at, 0, value);
      this.mean.splice(at, 0, value);
      this.scores.splice(at, 0, score);
    } else {
      const count = (this.#counts[at] ?? 0) + 1;
      this.#counts[at] = count;
      this.min[at] = Math.min(this.min[at] ?? value, value);
      this.max[at] = Math.max(this.max[at] ?? value, value);
      this.mean[at] = (this.mean[at] ?? value) + (value - (this.mean[at] ?? value)) / count;
      this.scores[at] = score === null ? (this.scores[at] ?? null) : Math.max(this.scores[at] ?? 0, score);
    }
    this.version += 1;
  }
}
