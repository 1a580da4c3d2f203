/**
 * Fetches the recent past of series whose picture somebody looks at: one request a KPI, few at a time. The history is
 * written a moment after an event is told, so an answer that ends before the first live point is asked for again.
 */

import { ApiError, type Client, labelText, type SampleRow, type SeriesRows } from "@earcon/client";
import type { Board, LiveSeries } from "./workspace-state.ts";

const RECENT_MS = 10 * 60_000;
const FAR_MS = 24 * 60 * 60_000;
const LIMIT = 900;
/** Fewer points than this in the recent past: look further back. */
const FEW = 20;
const AT_ONCE = 4;
/** With more series than this, one KPI's answer gets too large to ask for at once. */
const TOGETHER = 32;
const TRIES = 6;
const RETRY_MS = 400;

export class Histories {
  readonly #api: Client;
  readonly #board: Board;
  readonly #arrived: (series: LiveSeries[]) => void;
  readonly #queue: LiveSeries[] = [];
  readonly #asked = new Map<string, number>();
  #running = 0;

  constructor(api: Client, board: Board, arrived: (series: LiveSeries[]) => void) {
    this.#api = api;
    this.#board = board;
    this.#arrived = arrived;
  }

  /** Asks for a series' history, unless it is there or on its way. */
  want(series: LiveSeries): void {
    if (this.#asked.get(series.key) === this.#board.generation) {
      return;
    }
    this.#asked.set(series.key, this.#board.generation);
    this.#queue.push(series);
    this.#next();
  }

  #next(): void {
    const series = this.#running < AT_ONCE ? this.#queue.shift() : undefined;
    if (series === undefined) {
      return;
    }
    const siblings = this.#board.of(series.kpi);
    const together = siblings.length <= TOGETHER ? siblings : [series];
    const generation = this.#board.generation;
    for (const sibling of together) {
      this.#asked.set(sibling.key, generation);
      const queued = this.#queue.indexOf(sibling);
      if (queued >= 0) {
        this.#queue.splice(queued, 1);
      }
    }
    this.#running += 1;
    void this.#fetch(series.kpi, together, generation).finally(() => {
      this.#running -= 1;
      this.#next();
    });
    this.#next();
  }

  async #fetch(kpi: string, wanted: LiveSeries[], generation: number): Promise<void> {
    // The first live point of each: the history has to reach it.
    const bridge = new Map(wanted.map((series) => [series.key, series.recent.timestamps[0] ?? -Infinity]));
    for (let attempt = 1; attempt <= TRIES; attempt += 1) {
      try {
        const answer = await this.#ask(kpi, wanted);
        const reached = wanted.map((series) => {
          const rows = answer.get(series.labelText) ?? [];
          this.#board.takeHistory(series, rows, generation);
          const last = rows[rows.length - 1]?.[0] ?? -Infinity;
          return last >= (bridge.get(series.key) ?? -Infinity);
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
    wanted.forEach((series) => this.#asked.delete(series.key));
  }

  async #ask(kpi: string, wanted: LiveSeries[]): Promise<Map<string, SampleRow[]>> {
    const newest = Math.max(...wanted.map((series) => series.timestamp ?? -Infinity));
    const to = Number.isFinite(newest) ? newest + 1 : Date.now();
    const only = wanted.length === 1 ? wanted[0] : undefined;
    const query = { to, limit: LIMIT, ...(only === undefined ? {} : { labels: only.labels }) };
    let series = await this.#api.rows(kpi, { ...query, from: to - RECENT_MS });
    if (series.every((rows) => rows.samples.length < FEW)) {
      const further = await this.#api.rows(kpi, { ...query, from: to - FAR_MS });
      // An answer that was cut off ends in the past, which is worse than little.
      series = further.some((rows) => rows.truncated) ? series : further;
    }
    return byLabels(await this.#catchUp(kpi, query, series));
  }

  /** An answer that was cut off lacks the newest samples: asks for a shorter stretch of a series that is that dense. */
  async #catchUp(
    kpi: string,
    query: { to: number; limit: number },
    series: SeriesRows<SampleRow>[],
  ): Promise<SeriesRows<SampleRow>[]> {
    const cut = series.filter((rows) => rows.truncated);
    const spans = cut.map((rows) => (rows.samples[rows.samples.length - 1]?.[0] ?? 0) - (rows.samples[0]?.[0] ?? 0));
    if (cut.length === 0) {
      return series;
    }
    const stretch = Math.max(1_000, Math.floor(Math.min(...spans) * 0.8));
    return this.#api.rows(kpi, { ...query, from: query.to - stretch });
  }
}

function byLabels(series: SeriesRows<SampleRow>[]): Map<string, SampleRow[]> {
  return new Map(series.map((rows) => [labelText(rows.labels), rows.samples]));
}
