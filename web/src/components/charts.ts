/**
 * Two charts with a shared time axis: values above, scores below. Draws given data and makes no
 * requests.
 */

import uPlot from "uplot";
import type { Column } from "../live/point-buffer.ts";
import type { Palette } from "../styles/palette.ts";
import { type ChartOptions, MIN_DRAG, scoreChartOptions, valueChartOptions } from "./chart-options.ts";

/**
 * Points of one series in columns. `low` and `high` are the expected range. For rollups they are
 * the smallest and the largest value.
 */
export interface ChartSeries {
  name: string;
  timestamps: number[];
  values: Column;
  low: Column;
  high: Column;
  expected: Column;
  scores: Column;
}

export interface Shade {
  from: number;
  to: number;
  open: boolean;
}

/** Values at the position of the pointer. */
export interface Reading {
  at: number;
  /** One for each series. */
  points: { value: number | null; low: number | null; high: number | null; score: number | null }[];
}

interface Handlers {
  zoomed(from: number, to: number): void;
  reset(): void;
  read(reading: Reading | null): void;
}

const SCORE_HEIGHT = 96;

export class Charts {
  readonly #element: HTMLElement;
  readonly #values: uPlot;
  readonly #scores: uPlot;
  readonly #colours: Palette;
  readonly #resize: ResizeObserver;
  #shades: readonly Shade[] = [];
  #range: [number, number] = [0, 1];

  constructor(element: HTMLElement, kpi: string, names: string[], colours: Palette, handlers: Handlers) {
    this.#element = element;
    this.#colours = colours;
    const single = names.length === 1;
    const read = (chart: uPlot) => handlers.read(this.#reading(chart, names.length, single));
    const chart: ChartOptions = {
      kpi,
      names,
      colours,
      range: () => this.#range,
      reset: () => handlers.reset(),
      hooks: {
        drawClear: [(chart) => this.#shade(chart)],
        setSelect: [(chart) => zoom(chart, handlers)],
      },
    };
    this.#values = new uPlot(valueChartOptions(chart, read), [[]], element);
    this.#scores = new uPlot(scoreChartOptions(chart, SCORE_HEIGHT), [[]], element);
    this.#resize = new ResizeObserver(() => this.#fit());
    this.#resize.observe(element);
    this.#fit();
  }

  draw(series: readonly ChartSeries[], shades: readonly Shade[], range: [number, number]): void {
    this.#shades = shades;
    this.#range = range;
    const only = series.length === 1 ? series[0] : undefined;
    if (only !== undefined) {
      this.#values.setData([only.timestamps, only.high, only.low, only.expected, only.values]);
      this.#scores.setData([only.timestamps, only.scores]);
    } else if (series.length > 1) {
      this.#values.setData(uPlot.join(series.map((one) => [one.timestamps, one.values])));
      this.#scores.setData(uPlot.join(series.map((one) => [one.timestamps, one.scores])));
    }
  }

  destroy(): void {
    this.#resize.disconnect();
    this.#values.destroy();
    this.#scores.destroy();
  }

  #fit(): void {
    const width = this.#element.clientWidth;
    if (width > 0) {
      const height = Math.round(Math.min(420, Math.max(220, innerHeight * 0.42)));
      this.#values.setSize({ width, height });
      this.#scores.setSize({ width, height: SCORE_HEIGHT });
    }
  }

  #shade(chart: uPlot): void {
    const { left, top, width, height } = chart.bbox;
    const [from, to] = this.#range;
    const pixel = (at: number) => left + (Math.min(Math.max((at - from) / (to - from), 0), 1)) * width;
    chart.ctx.save();
    for (const shade of this.#shades) {
      if (shade.to < from || shade.from > to) {
        continue;
      }
      const start = pixel(shade.from);
      const end = Math.max(start + 2 * devicePixelRatio, pixel(shade.to));
      chart.ctx.fillStyle = this.#colours.alarmWash;
      chart.ctx.fillRect(start, top, end - start, height);
      chart.ctx.fillStyle = this.#colours.alarm;
      chart.ctx.fillRect(start, top, end - start, 2 * devicePixelRatio);
    }
    chart.ctx.restore();
  }

  #reading(chart: uPlot, count: number, single: boolean): Reading | null {
    const at = chart.cursor.idx;
    const time = at === null || at === undefined ? undefined : chart.data[0][at];
    if (at === null || at === undefined || time === undefined) {
      return null;
    }
    const pick = (source: uPlot, column: number) => source.data[column]?.[at] ?? null;
    const points = Array.from({ length: count }, (_, i) => ({
      value: pick(chart, single ? 4 : i + 1),
      low: single ? pick(chart, 2) : null,
      high: single ? pick(chart, 1) : null,
      score: pick(this.#scores, i + 1),
    }));
    return { at: time, points };
  }
}

function zoom(chart: uPlot, handlers: Handlers): void {
  const { left, width } = chart.select;
  if (width >= MIN_DRAG) {
    handlers.zoomed(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}
