/**
 * Two charts with a shared time axis: values above, scores below. Draws given data and makes no
 * requests.
 */

import uPlot from "uplot";
import type { Column } from "../live/point-buffer.ts";
import { text, unitOf } from "../format/units.ts";
import { ticks } from "../format/time.ts";
import type { Palette } from "../styles/palette.ts";

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
/** A shorter drag is a click. In pixels. */
const MIN_DRAG = 6;

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
    const unit = unitOf(kpi);
    const cursor: uPlot.Cursor = {
      y: false,
      sync: { key: "earcon-kpi", setSeries: false },
      drag: { x: true, y: false, setScale: false, dist: MIN_DRAG },
      points: { size: 7 },
      bind: {
        dblclick: () => () => {
          handlers.reset();
          return null;
        },
      },
    };
    // Both charts have the same margins, so that they line up.
    const padding: uPlot.Padding = [10, 14, 0, 0];
    const shared = { width: 600, cursor, padding, legend: { show: false }, ms: 1 as const };
    const hooks: uPlot.Hooks.Arrays = {
      drawClear: [(chart) => this.#shade(chart)],
      setSelect: [(chart) => zoom(chart, handlers)],
    };
    const read = (chart: uPlot) => handlers.read(this.#reading(chart, names.length, single));
    const axis = { stroke: colours.muted, grid: { stroke: colours.grid, width: 1 }, ticks: { show: false } };
    this.#values = new uPlot(
      {
        ...shared,
        height: 340,
        hooks: { ...hooks, setCursor: [read] },
        scales: {
          x: { time: true, range: () => this.#range },
          // Leaves room above the highest point, and does not extend below zero without need.
          y: { range: (_, low, high) => withMargin(low, high) },
        },
        axes: [
          { ...axis, space: 84, values: (_, times, __, ___, increment) => ticks(times, increment) },
          { ...axis, size: 76, space: 44, values: (_, values) => values.map((value) => withoutTrailingZeros(text(value, unit))) },
        ],
        series: [{}, ...(single ? singleSeries(colours) : severalSeries(names, colours))],
        bands: single ? [{ series: [1, 2], fill: colours.band }] : [],
      },
      [[]],
      element,
    );
    this.#scores = new uPlot(
      {
        ...shared,
        height: SCORE_HEIGHT,
        padding: [10, 14, 10, 0],
        hooks,
        scales: { x: { time: true, range: () => this.#range }, y: { range: [0, 1] } },
        axes: [
          { ...axis, show: false },
          { ...axis, size: 76, label: "score", labelSize: 0, splits: [0, 0.5, 1], values: (_, values) => values.map(String) },
        ],
        series: [{}, ...names.map((_, i) => scoreSeries(single ? colours.accent : (colours.series[i % 6] ?? colours.line)))],
      },
      [[]],
      element,
    );
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

function singleSeries(colours: Palette): uPlot.Series[] {
  const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false } };
  return [
    edge,
    edge,
    { stroke: colours.muted, width: 1, dash: [4, 4], points: { show: false } },
    { stroke: colours.line, width: 1.6, points: { size: 4 } },
  ];
}

function severalSeries(names: string[], colours: Palette): uPlot.Series[] {
  return names.map((label, i) => ({
    label,
    stroke: colours.series[i % colours.series.length] ?? colours.line,
    width: 1.5,
    spanGaps: true,
  }));
}

function scoreSeries(stroke: string): uPlot.Series {
  return { stroke, width: 1.2, fill: `color-mix(in srgb, ${stroke} 14%, transparent)`, points: { show: false }, spanGaps: true };
}

function withMargin(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) {
    return [0, 1];
  }
  const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

function zoom(chart: uPlot, handlers: Handlers): void {
  const { left, width } = chart.select;
  if (width >= MIN_DRAG) {
    handlers.zoomed(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}

/** Removes trailing zeros after the decimal point. */
function withoutTrailingZeros(number: string): string {
  return number.replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
}
