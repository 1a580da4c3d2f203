/**
 * Fetches the recent history of visible series: one request per KPI, a few at a time.
 * The server stores a sample shortly after it sends the event. A response that ends before the
 * first live point is therefore requested again.
 */

import { ApiError, type Client, labelText, type SampleRow, type SeriesRows } from "@earcon/client";
import type { LiveSeries } from "./live-series.ts";
import type { WorkspaceState } from "./workspace-state.ts";

const RECENT_MS = 10 * 60_000;
const LONG_MS = 24 * 60 * 60_000;
const LIMIT = 900;
/** With fewer recent points than this, a longer period is requested. */
const FEW = 20;
/** Requests running at the same time. */
const MAX_RUNNING = 4;
/** With more series than this, the series of a KPI are requested one by one. */
const MAX_TOGETHER = 32;
const MAX_ATTEMPTS = 6;
const RETRY_MS = 400;

export class Histories {
  readonly #api: Client;
  readonly #state: WorkspaceState;
  readonly #arrived: (series: LiveSeries[]) => void;
  readonly #queue: LiveSeries[] = [];
  readonly #requested = new Map<string, number>();
  #running = 0;

  constructor(api: Client, state: WorkspaceState, arrived: (series: LiveSeries[]) => void) {
    this.#api = api;
    this.#state = state;
    this.#arrived = arrived;
  }

  /** Requests the history of a series, unless it is loaded or being loaded. */
  request(series: LiveSeries): void {
    if (this.#requested.get(series.key) === this.#state.generation) {
      return;
    }
    this.#requested.set(series.key, this.#state.generation);
    this.#queue.push(series);
    this.#startNext();
  }

  #startNext(): void {
    const series = this.#running < MAX_RUNNING ? this.#queue.shift() : undefined;
    if (series === undefined) {
      return;
    }
    const siblings = this.#state.seriesOf(series.kpi);
    const together = siblings.length <= MAX_TOGETHER ? siblings : [series];
    const generation = this.#state.generation;
    for (const sibling of together) {
      this.#requested.set(sibling.key, generation);
      const queued = this.#queue.indexOf(sibling);
      if (queued >= 0) {
        this.#queue.splice(queued, 1);
      }
    }
    this.#running += 1;
    void this.#fetch(series.kpi, together, generation).finally(() => {
      this.#running -= 1;
      this.#startNext();
    });
    this.#startNext();
  }

  async #fetch(kpi: string, wanted: LiveSeries[], generation: number): Promise<void> {
    // First live point of each series. The history has to reach it.
    const firstLive = new Map(wanted.map((series) => [series.key, series.recent.timestamps[0] ?? -Infinity]));
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      try {
        const rowsByLabels = await this.#fetchRows(kpi, wanted);
        const reached = wanted.map((series) => {
          const rows = rowsByLabels.get(series.labelText) ?? [];
          this.#state.mergeHistory(series, rows, generation);
          const last = rows[rows.length - 1]?.[0] ?? -Infinity;
          return last >= (firstLive.get(series.key) ?? -Infinity);
        });
        this.#arrived(wanted);
        if (reached.every(Boolean)) {
          return;
        }
      } catch (error) {
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) {
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt));
    }
    wanted.forEach((series) => this.#requested.delete(series.key));
  }

  async #fetchRows(kpi: string, wanted: LiveSeries[]): Promise<Map<string, SampleRow[]>> {
    const newest = Math.max(...wanted.map((series) => series.timestamp ?? -Infinity));
    const to = Number.isFinite(newest) ? newest + 1 : Date.now();
    const only = wanted.length === 1 ? wanted[0] : undefined;
    const query = { to, limit: LIMIT, ...(only === undefined ? {} : { labels: only.labels }) };
    let series = await this.#api.rows(kpi, { ...query, from: to - RECENT_MS });
    if (series.every((rows) => rows.samples.length < FEW)) {
      const further = await this.#api.rows(kpi, { ...query, from: to - LONG_MS });
      // A truncated response lacks the newest samples, which is worse than having few.
      series = further.some((rows) => rows.truncated) ? series : further;
    }
    return byLabels(await this.#shortenIfTruncated(kpi, query, series));
  }

  /** Requests a shorter period if a response was truncated, because it lacks the newest samples. */
  async #shortenIfTruncated(
    kpi: string,
    query: { to: number; limit: number },
    series: SeriesRows<SampleRow>[],
  ): Promise<SeriesRows<SampleRow>[]> {
    const truncated = series.filter((rows) => rows.truncated);
    const spans = truncated.map((rows) => (rows.samples[rows.samples.length - 1]?.[0] ?? 0) - (rows.samples[0]?.[0] ?? 0));
    if (truncated.length === 0) {
      return series;
    }
    const period = Math.max(1_000, Math.floor(Math.min(...spans) * 0.8));
    return this.#api.rows(kpi, { ...query, from: query.to - period });
  }
}

function byLabels(series: SeriesRows<SampleRow>[]): Map<string, SampleRow[]> {
  return new Map(series.map((rows) => [labelText(rows.labels), rows.samples]));
}
