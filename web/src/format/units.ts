/**
 * Numbers as people read them. The unit is the one that was stated for the KPI. Without one, it is
 * derived from the suffix of the KPI's name, as in Prometheus.
 *
 * The server writes the same texts in `crates/model/src/quantity.rs`. Its
 * `tests/quantities.json` holds the cases that both are tested with. The only difference are
 * spaces that do not break.
 */

import type { KpiSettings } from "@earcon/client";

export interface Unit {
  /** Written after the number. Empty for plain numbers. */
  symbol: string;
  /** Whether large numbers get a prefix (k, M, G …) before the symbol. */
  prefixes: boolean;
  /** The value is multiplied by this before it is shown. */
  factor: number;
}

const PLAIN: Unit = { symbol: "", prefixes: true, factor: 1 };

/** Longer suffixes come first: `_bytes_per_second` also ends in `_per_second`. */
const SUFFIXES: [string, Unit][] = [
  ["_bytes_per_second", { symbol: "B/s", prefixes: true, factor: 1 }],
  ["_bits_per_second", { symbol: "bit/s", prefixes: true, factor: 1 }],
  ["_per_second", { symbol: "/s", prefixes: true, factor: 1 }],
  ["_bytes", { symbol: "B", prefixes: true, factor: 1 }],
  ["_percent", { symbol: "%", prefixes: false, factor: 1 }],
  ["_ratio", { symbol: "%", prefixes: false, factor: 100 }],
  ["_celsius", { symbol: "°C", prefixes: false, factor: 1 }],
  ["_milliseconds", { symbol: "s", prefixes: true, factor: 1e-3 }],
  ["_ms", { symbol: "s", prefixes: true, factor: 1e-3 }],
  ["_seconds", { symbol: "s", prefixes: true, factor: 1 }],
  ["_hertz", { symbol: "Hz", prefixes: true, factor: 1 }],
  ["_watts", { symbol: "W", prefixes: true, factor: 1 }],
  ["_volts", { symbol: "V", prefixes: true, factor: 1 }],
];

/** Units that are written otherwise than their symbols say, by their codes in UCUM and words. */
const STATED: Record<string, Unit> = {
  By: { symbol: "B", prefixes: true, factor: 1 },
  bytes: { symbol: "B", prefixes: true, factor: 1 },
  bit: { symbol: "bit", prefixes: true, factor: 1 },
  bits: { symbol: "bit", prefixes: true, factor: 1 },
  s: { symbol: "s", prefixes: true, factor: 1 },
  seconds: { symbol: "s", prefixes: true, factor: 1 },
  ms: { symbol: "s", prefixes: true, factor: 1e-3 },
  milliseconds: { symbol: "s", prefixes: true, factor: 1e-3 },
  us: { symbol: "s", prefixes: true, factor: 1e-6 },
  ns: { symbol: "s", prefixes: true, factor: 1e-9 },
  "%": { symbol: "%", prefixes: false, factor: 1 },
  percent: { symbol: "%", prefixes: false, factor: 1 },
  ratio: { symbol: "%", prefixes: false, factor: 100 },
  "1": PLAIN,
  Hz: { symbol: "Hz", prefixes: true, factor: 1 },
  W: { symbol: "W", prefixes: true, factor: 1 },
  V: { symbol: "V", prefixes: true, factor: 1 },
};

/** The meanings of the KPIs of the workspace that is shown. */
let stated: Record<string, KpiSettings> = {};
const statedUnits = new Map<string, Unit>();

/** Shows numbers with these units from now on. */
export function declareUnits(kpis: Record<string, KpiSettings>): void {
  stated = kpis;
  statedUnits.clear();
  for (const [kpi, settings] of Object.entries(kpis)) {
    if (settings.unit !== null) {
      statedUnits.set(kpi, statedUnit(settings.unit, settings.symbol));
    }
  }
}

function statedUnit(unit: string, symbol: string): Unit {
  const perSecond = unit.endsWith("/s");
  const known = STATED[perSecond ? unit.slice(0, -2) : unit];
  if (known === undefined) {
    return { symbol, prefixes: false, factor: 1 };
  }
  return perSecond ? { ...known, symbol: `${known.symbol}/s` } : known;
}

/** A sentence about the KPI. null if there is none. */
export function descriptionOf(kpi: string): string | null {
  return stated[kpi]?.description ?? null;
}

export function unitOf(kpi: string): Unit {
  return statedUnits.get(kpi) ?? SUFFIXES.find(([suffix]) => kpi.endsWith(suffix))?.[1] ?? PLAIN;
}

/** The name without its unit. */
export function withoutUnit(name: string): string {
  const suffix = SUFFIXES.find(([suffix]) => name.endsWith(suffix) && name.length > suffix.length);
  return suffix === undefined ? name : name.slice(0, -suffix[0].length);
}

export interface FormattedValue {
  number: string;
  /** Prefix and symbol. */
  unit: string;
}

const LARGE: [number, string][] = [
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];
/** Most decimals that are added to tell two numbers apart. */
const MOST_DECIMALS = 16;
const SMALL: [number, string][] = [
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
];

export function formatValue(value: number | null | undefined, unit: Unit): FormattedValue {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return { number: "–", unit: "" };
  }
  const [scale, prefix] = scaleOf(Math.abs(value * unit.factor), unit);
  return withPrefix((value * unit.factor) / scale, prefix, unit);
}

/** Number and unit in one piece: `12.4 MB/s`, `3.2%`, `17`. */
export function text(value: number | null | undefined, unit: Unit): string {
  return join(formatValue(value, unit));
}

/**
 * Both ends of a range in the unit of the larger, with decimals that tell them apart:
 * `1.1–2 MB/s`, `1.02–1.0203 G`.
 */
export function rangeText(low: number, high: number, unit: Unit): string {
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    return "–";
  }
  const largest = Math.max(Math.abs(low * unit.factor), Math.abs(high * unit.factor));
  const [scale, prefix] = scaleOf(largest, unit);
  const ends = (more: number) =>
    [low, high].map((end) => finer((end * unit.factor) / scale, more)) as [string, string];
  let more = 0;
  // One number for a narrow range would say that nothing else is expected.
  while (more < MOST_DECIMALS && ends(more)[0] === ends(more)[1]) {
    more += 1;
  }
  const [from, to] = ends(more);
  const withUnit = (number: string) => join({ number, unit: prefix + unit.symbol });
  if (from === to) {
    return withUnit(ends(0)[1]);
  }
  const dash = low < 0 || high < 0 ? " to " : "–";
  return withUnit(`${from}${dash}${to}`);
}

function join(value: FormattedValue): string {
  const space = value.unit === "" || /^[%/]/.test(value.unit) ? "" : "\u00a0";
  return value.number + space + value.unit;
}

function scaleOf(magnitude: number, unit: Unit): [number, string] {
  if (!unit.prefixes || magnitude === 0) {
    return [1, ""];
  }
  if (unit.symbol === "s") {
    // Long times are no kiloseconds.
    return SMALL.find(([size]) => magnitude >= size) ?? [1e-9, "n"];
  }
  // Plain counts are written in full up to five digits: 12,345 rather than 12.3 k.
  const first = unit.symbol === "" ? 100_000 : 1_000;
  return (magnitude >= first ? LARGE.find(([size]) => magnitude >= size) : undefined) ?? [1, ""];
}

function withPrefix(scaled: number, prefix: string, unit: Unit): FormattedValue {
  return { number: digits(scaled), unit: prefix + unit.symbol };
}

/**
 * A number with three or four significant digits, its thousands apart, and no needless zeros.
 * Halves are rounded away from zero.
 */
export function digits(value: number): string {
  return finer(value, 0);
}

/** As `digits`, with so many more decimals. */
function finer(value: number, more: number): string {
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e12)) {
    return scientific(value, 2 + more);
  }
  const places = (PLACES.find(([size]) => magnitude >= size)?.[1] ?? 6) + more;
  const power = 10 ** places;
  const rounded = Math.round(magnitude * power) / power;
  const [whole, fraction] = trimmed(rounded.toFixed(places)).split(".");
  const sign = value < 0 && rounded !== 0 ? "-" : "";
  return `${sign}${thousands(whole ?? "")}${fraction === undefined ? "" : `.${fraction}`}`;
}

/** Decimal places of numbers that are at least so large. */
const PLACES: [number, number][] = [
  [1e3, 0],
  [1e2, 1],
  [1, 2],
  [1e-1, 3],
  [1e-2, 4],
  [1e-3, 5],
];

/** `2.5e-7`: at most so many decimals. */
function scientific(value: number, decimals: number): string {
  // The shortest digits that give the same number.
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e").map(Number) as [number, number];
  const rounded = Math.round(mantissa * 10 ** decimals) / 10 ** decimals;
  const [shown, power] = rounded >= 10 ? [rounded / 10, exponent + 1] : [rounded, exponent];
  return `${value < 0 ? "-" : ""}${trimmed(shown.toFixed(decimals))}e${power}`;
}

function trimmed(number: string): string {
  return number.includes(".") ? number.replace(/\.?0+$/, "") : number;
}

/** Digits in groups of three when there are more than four. */
export function thousands(whole: string): string {
  return whole.length <= 4 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, ",");
}
