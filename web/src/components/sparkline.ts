/**
 * Draws the recent points of a series: the expected range as a band, values as a line, anomalies in
 * the alarm colour.
 */

import { lowerBound, type Column, type PointBuffer } from "../live/point-buffer.ts";
import type { Palette } from "../styles/palette.ts";

/** Number of points shown. */
export const SPARK_POINTS = 240;
const PADDING = 3;

export interface Episode {
  from: number;
  to: number;
}

export function drawSparkline(
  canvas: HTMLCanvasElement,
  points: PointBuffer,
  episodes: readonly Episode[],
  colours: Palette,
): void {
  const context = canvas.getContext("2d");
  const [width, height] = resize(canvas);
  if (context === null || width === 0) {
    return;
  }
  context.clearRect(0, 0, width, height);
  const start = Math.max(0, points.length - SPARK_POINTS);
  if (points.length - start < 2) {
    return;
  }
  const scale = scaleOf(points, start, width, height);
  const line = Math.max(1, devicePixelRatio) * 1.4;
  context.lineJoin = "round";
  drawBand(context, points, start, scale, colours.band);
  stroke(context, points, start, points.length, scale, colours.line, line);
  for (const { from, to } of episodes) {
    const first = Math.max(start, lowerBound(points.timestamps, from) - 1);
    const end = lowerBound(points.timestamps, to + 1);
    if (end - first > 1) {
      stroke(context, points, first, end, scale, colours.alarm, line * 1.4);
    }
  }
  const last = points.length - 1;
  context.fillStyle = colours.line;
  context.beginPath();
  context.arc(scale.x(points.timestamps[last] ?? 0), scale.y(points.values[last] ?? 0), line * 1.5, 0, 7);
  context.fill();
}

/** Sizes the canvas to the device pixels it covers. Returns width and height. */
function resize(canvas: HTMLCanvasElement): [number, number] {
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return [width, height];
}

interface Scale {
  x(timestamp: number): number;
  y(value: number): number;
}

function scaleOf(points: PointBuffer, start: number, width: number, height: number): Scale {
  let low = Infinity;
  let high = -Infinity;
  for (let i = start; i < points.length; i += 1) {
    const value = points.values[i] ?? 0;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const values = high - low;
  // The scale includes the band, unless that would flatten the line.
  for (let i = start; i < points.length; i += 1) {
    low = Math.min(low, Math.max(points.lower[i] ?? low, low - values));
    high = Math.max(high, Math.min(points.upper[i] ?? high, high + values));
    if (high - low > values * 3) {
      break;
    }
  }
  // A minimum spread keeps a constant in the middle and rounding noise small.
  const least = Math.max(Math.abs(high), Math.abs(low)) * 1e-3 || 1;
  const spread = Math.max(high - low, least);
  const middle = (high + low) / 2;
  const padding = PADDING * devicePixelRatio;
  const first = points.timestamps[start] ?? 0;
  const last = points.last ?? 0;
  const duration = Math.max(1, last - first);
  return {
    x: (timestamp) => ((timestamp - first) / duration) * (width - 2 * padding) + padding,
    y: (value) => height / 2 - ((value - middle) / spread) * (height - 2 * padding),
  };
}

function drawBand(context: CanvasRenderingContext2D, points: PointBuffer, start: number, scale: Scale, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  const edge = (column: Column, i: number) => {
    const value = column[i];
    if (value !== null && value !== undefined) {
      context.lineTo(scale.x(points.timestamps[i] ?? 0), scale.y(value));
    }
  };
  for (let i = start; i < points.length; i += 1) {
    edge(points.upper, i);
  }
  for (let i = points.length - 1; i >= start; i -= 1) {
    edge(points.lower, i);
  }
  context.fill();
}

function stroke(
  context: CanvasRenderingContext2D,
  points: PointBuffer,
  start: number,
  end: number,
  scale: Scale,
  colour: string,
  width: number,
): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  for (let i = start; i < end; i += 1) {
    context.lineTo(scale.x(points.timestamps[i] ?? 0), scale.y(points.values[i] ?? 0));
  }
  context.stroke();
}
