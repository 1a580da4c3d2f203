/**
 * Data of a KPI's chart: fetched for a range, then continued with live samples.
 * Short ranges consist of single samples, long ranges of rollups.
 */

import { type Client, labelText, type SampleRow } from "@earcon/client";
import { PointBuffer } from "../../live/point-buffer.ts";
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

  /** Fetches all series of a KPI. */
  static async fetch(api: Client, kpi: string, from: number, to: number, signal: AbortSignal): Promise<ChartData> {
    const [start, end] = [Math.floor(from), Math.ceil(to)];
    if (end - start <= RAW_UP_TO) {
      const answer = await api.rows(kpi, { from: start, to: end, limit: RAW_LIMIT }, signal);
      if (!answer.some((rows) => rows.truncated)) {
        const series = answer.map(({ labels, samples }): [string, Content] => {
          const raw = new PointBuffer(RAW_LIMIT);
          raw.merge(samples);
          return [labelText(labels), { raw }];
        });
        return new ChartData(null, start, end, new Map(series));
      }
    }
    const step = stepFor(end - start);
    const answer = await api.rollups(kpi, { from: start, to: end, step }, signal);
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
