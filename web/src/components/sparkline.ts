/** Draws the recent points of a series: what was expected as a band, what came as a line, what was wrong in the alarm colour. */

import { lowerBound, type Column, type Track } from "../live/point-buffer.ts";
import type { Palette } from "../styles/palette.ts";

/** Newest points shown. */
export const SPARK_POINTS = 240;
const PADDING = 3;

export interface Episode {
  from: number;
  to: number;
}

export function drawSparkline(
  canvas: HTMLCanvasElement,
  track: Track,
  episodes: readonly Episode[],
  colours: Palette,
): void {
  const context = canvas.getContext("2d");
  const [width, height] = fit(canvas);
  if (context === null || width === 0) {
    return;
  }
  context.clearRect(0, 0, width, height);
  const start = Math.max(0, track.length - SPARK_POINTS);
  if (track.length - start < 2) {
    return;
  }
  const scale = scaleOf(track, start, width, height);
  const line = Math.max(1, devicePixelRatio) * 1.4;
  context.lineJoin = "round";
  drawBand(context, track, start, scale, colours.band);
  stroke(context, track, start, track.length, scale, colours.line, line);
  for (const { from, to } of episodes) {
    const first = Math.max(start, lowerBound(track.timestamps, from) - 1);
    const end = lowerBound(track.timestamps, to + 1);
    if (end - first > 1) {
      stroke(context, track, first, end, scale, colours.alarm, line * 1.4);
    }
  }
  const last = track.length - 1;
  context.fillStyle = colours.line;
  context.beginPath();
  context.arc(scale.x(track.timestamps[last] ?? 0), scale.y(track.values[last] ?? 0), line * 1.5, 0, 7);
  context.fill();
}

/** Gives the canvas as many pixels as it covers; says how many. */
function fit(canvas: HTMLCanvasElement): [number, number] {
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

function scaleOf(track: Track, start: number, width: number, height: number): Scale {
  let low = Infinity;
  let high = -Infinity;
  for (let i = start; i < track.length; i += 1) {
    const value = track.values[i] ?? 0;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const values = high - low;
  // The band is welcome, but must not press the line flat.
  for (let i = start; i < track.length; i += 1) {
    low = Math.min(low, Math.max(track.lower[i] ?? low, low - values));
    high = Math.max(high, Math.min(track.upper[i] ?? high, high + values));
    if (high - low > values * 3) {
      break;
    }
  }
  // A constant is drawn in the middle, and noise in the last digits is not drawn as a storm.
  const least = Math.max(Math.abs(high), Math.abs(low)) * 1e-3 || 1;
  const spread = Math.max(high - low, least);
  const middle = (high + low) / 2;
  const padding = PADDING * devicePixelRatio;
  const first = track.timestamps[start] ?? 0;
  const last = track.last ?? 0;
  const duration = Math.max(1, last - first);
  return {
    x: (timestamp) => ((timestamp - first) / duration) * (width - 2 * padding) + padding,
    y: (value) => height / 2 - ((value - middle) / spread) * (height - 2 * padding),
  };
}

function drawBand(context: CanvasRenderingContext2D, track: Track, start: number, scale: Scale, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  const edge = (column: Column, i: number) => {
    const value = column[i];
    if (value !== null && value !== undefined) {
      context.lineTo(scale.x(track.timestamps[i] ?? 0), scale.y(value));
    }
  };
  for (let i = start; i < track.length; i += 1) {
    edge(track.upper, i);
  }
  for (let i = track.length - 1; i >= start; i -= 1) {
    edge(track.lower, i);
  }
  context.fill();
}

function stroke(
  context: CanvasRenderingContext2D,
  track: Track,
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
    context.lineTo(scale.x(track.timestamps[i] ?? 0), scale.y(track.values[i] ?? 0));
  }
  context.stroke();
}
