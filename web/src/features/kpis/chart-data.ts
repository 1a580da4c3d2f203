/**
 * Data of a KPI's chart: fetched for a range, then continued with live samples.
 * It consists of single samples if the range is short or the chart has room for all of them.
 * Otherwise it consists of rollups, which have no band.
 */

import { type Client, labelText, type RollupRow, type SampleRow, type SeriesRows } from "@earcon/client";
import { lowerBound, PointBuffer } from "../../live/point-buffer.ts";
import { Rollups } from "../../live/rollups.ts";
import { RAW_LIMIT, RAW_UP_TO, stepFor } from "../../format/ranges.ts";
import type { ChartSeries } from "../../components/charts.ts";

type Content = { raw: PointBuffer } | { rollups: Rollups };

export class ChartData {
  /** Milliseconds per rollup row. null for single samples. */
  readonly step: number | null;
  /** Start of the fetched range. */
  readonly from: number;
  readonly #series: Map<string, Content>;
  readonly #to: number;

  private constructor(step: number | null, from: number, to: number, series: Map<string, Content>) {
    this.step = step;
    this.from = from;
    this.#to = to;
    this.#series = series;
  }

  /**
   * Fetches all series of a KPI.
   *
   * @param room single samples per series that the chart has room for
   */
  static async fetch(
    api: Client,
    kpi: string,
    [from, to]: [number, number],
    room: number,
    signal: AbortSignal,
  ): Promise<ChartData> {
    const [start, end] = [Math.floor(from), Math.ceil(to)];
    const short = end - start <= RAW_UP_TO;
    const raw = short ? await fetchRaw(api, kpi, start, end, signal) : null;
    if (raw !== null) {
      return new ChartData(null, start, end, raw);
    }
    const step = stepFor(end - start);
    const answer = await api.rollups(kpi, { from: start, to: end, step }, signal);
    // The counts tell whether the samples fit. So samples that do not fit are never requested.
    const fits = !short && answer.every((rows) => countOf(rows) <= room);
    const fitting = fits ? await fetchRaw(api, kpi, start, end, signal) : null;
    if (fitting !== null) {
      return new ChartData(null, start, end, fitting);
    }
    const series = answer.map(({ labels, samples }): [string, Content] => [
      labelText(labels),
      { rollups: new Rollups(step, samples, end) },
    ]);
    return new ChartData(step, start, end, new Map(series));
  }

  /** Adds samples: live ones, and those known before the fetch. */
  add(labels: string, rows: readonly SampleRow[]): void {
    const content = this.#series.get(labels) ?? this.#create(labels);
    for (const row of rows) {
      if (row[0] < this.from) {
        continue;
      }
      if ("raw" in content) {
        content.raw.put(row);
      } else {
        content.rollups.put(row);
      }
    }
  }

  /** Number of points of one series. */
  count(labels: string): number {
    const content = this.#series.get(labels);
    return content === undefined ? 0 : "raw" in content ? content.raw.length : content.rollups.timestamps.length;
  }

  /** Whether a series has a point in a range. */
  hasPoints(labels: string, from: number, to: number): boolean {
    const content = this.#series.get(labels);
    if (content === undefined) {
      return false;
    }
    const { timestamps } = "raw" in content ? content.raw : content.rollups;
    // The row of a step begins up to a step before its samples.
    const first = timestamps[lowerBound(timestamps, from - (this.step ?? 0))];
    return first !== undefined && first <= to;
  }

  chartSeries(labels: string, name: string): ChartSeries {
    const content = this.#series.get(labels) ?? this.#create(labels);
    if ("raw" in content) {
      const { timestamps, values, scores, expected, lower, upper } = content.raw;
      return { name, timestamps, values, scores, expected, low: lower, high: upper };
    }
    const { timestamps, mean, min, max, scores } = content.rollups;
    return { name, timestamps, values: mean, scores, low: min, high: max, expected: mean.map(() => null) };
  }

  #create(labels: string): Content {
    const content: Content =
      this.step === null ? { raw: new PointBuffer(RAW_LIMIT) } : { rollups: new Rollups(this.step, [], this.#to) };
    this.#series.set(labels, content);
    return content;
  }
}

/** Fetches single samples. null if a series has too many for one answer. */
async function fetchRaw(
  api: Client,
  kpi: string,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<Map<string, Content> | null> {
  const answer = await api.rows(kpi, { from, to, limit: RAW_LIMIT }, signal);
  if (answer.some((rows) => rows.truncated)) {
    return null;
  }
  const series = answer.map(({ labels, samples }): [string, Content] => {
    const raw = new PointBuffer(RAW_LIMIT);
    raw.merge(samples);
    return [labelText(labels), { raw }];
  });
  return new Map(series);
}

/** Number of samples that rollup rows stand for. */
function countOf({ samples }: SeriesRows<RollupRow>): number {
  return samples.reduce((sum, [, count]) => sum + count, 0);
}
