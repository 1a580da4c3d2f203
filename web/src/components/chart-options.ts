/** uPlot options of the two charts: axes, scales, cursor and the style of the series. */

import type uPlot from "uplot";
import { ticks } from "../format/time.ts";
import { text, unitOf } from "../format/units.ts";
import type { Palette } from "../styles/palette.ts";

/** A shorter drag is a click. In pixels. */
export const MIN_DRAG = 6;

/** What both charts have in common. */
export interface ChartOptions {
  kpi: string;
  /** One for each series. */
  names: string[];
  colours: Palette;
  /** Current start and end of the time axis. */
  range(): [number, number];
  /** Called on a double click. */
  reset(): void;
  hooks: uPlot.Hooks.Arrays;
}

/** @param read called when the pointer moves */
export function valueChartOptions(options: ChartOptions, read: (chart: uPlot) => void): uPlot.Options {
  const { kpi, names, colours, range, hooks } = options;
  const single = names.length === 1;
  const axis = axisOf(colours);
  return {
    ...shared(options),
    height: 340,
    hooks: { ...hooks, setCursor: [read] },
    scales: {
      x: { time: true, range: () => range() },
      // Leaves room above the highest point, and does not extend below zero without need.
      y: { range: (_, low, high) => withMargin(low, high) },
    },
    axes: [
      { ...axis, space: 84, values: (_, times, __, ___, increment) => ticks(times, increment) },
      { ...axis, size: 76, space: 44, values: (_, values) => values.map((value) => text(value, unitOf(kpi))) },
    ],
    series: [{}, ...(single ? singleSeries(colours) : severalSeries(names, colours))],
    bands: single ? [{ series: [1, 2], fill: colours.band }] : [],
  };
}

export function scoreChartOptions(options: ChartOptions, height: number): uPlot.Options {
  const { names, colours, range, hooks } = options;
  const single = names.length === 1;
  const axis = axisOf(colours);
  return {
    ...shared(options),
    height,
    padding: [10, 14, 10, 0],
    hooks,
    scales: { x: { time: true, range: () => range() }, y: { range: [0, 1] } },
    axes: [
      { ...axis, show: false },
      { ...axis, size: 76, label: "score", labelSize: 0, splits: [0, 0.5, 1], values: (_, values) => values.map(String) },
    ],
    series: [{}, ...names.map((_, i) => scoreSeries(single ? colours.accent : (colours.series[i % 6] ?? colours.line)))],
  };
}

function shared({ reset }: ChartOptions) {
  const cursor: uPlot.Cursor = {
    y: false,
    sync: { key: "earcon-kpi", setSeries: false },
    drag: { x: true, y: false, setScale: false, dist: MIN_DRAG },
    points: { size: 7 },
    bind: {
      dblclick: () => () => {
        reset();
        return null;
      },
    },
  };
  // Both charts have the same left and right margins, so that they line up.
  const padding: uPlot.Padding = [10, 14, 0, 0];
  return { width: 600, cursor, padding, legend: { show: false }, ms: 1 as const };
}

function axisOf(colours: Palette): uPlot.Axis {
  return { stroke: colours.muted, grid: { stroke: colours.grid, width: 1 }, ticks: { show: false } };
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
