/** The sentence of an anomaly, with times in the reader's zone. */

import type { Anomaly } from "./wire.ts";

/** Times that are written as such: from 1000-01-01 to the last days of 9999, in milliseconds. */
const FIRST_MS = -30_610_224_000_000;
const END_MS = 253_402_128_000_000;

const OVER: Record<string, string> = {
  calm: "; it is over because its values were in the range expected by then",
  series_ended: "; it is over because its series ended",
  stalled: "; it is over because its series stalled",
  deleted: "; it is over because a person deleted samples of it",
  other_side: "; it is over because its values crossed to the other side",
};

/**
 * An anomaly in words: series, value, expectation, start and end. In UTC this is
 * `anomaly.sentence`, unless the reader counted on.
 *
 * @param zone IANA name of a time zone; the one of the browser when absent
 */
export function sentence(anomaly: Anomaly, zone?: string): string {
  const { finding, opened_at, last_at, closed_at, samples, end } = anomaly;
  const until = closed_at === null ? "" : `, until ${time(last_at, zone)}`;
  const count = `${grouped(samples)} anomalous ${samples === 1 ? "sample" : "samples"}`;
  return `${finding}; since ${time(opened_at, zone)}${until} (${count})${OVER[end ?? ""] ?? ""}.`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string | undefined): Intl.DateTimeFormat {
  const known = formats.get(zone ?? "");
  if (known !== undefined) {
    return known;
  }
  const digits = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  // "en" with these digits and this calendar, whatever the reader's language is.
  const format = new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
    year: "numeric",
    ...digits,
    hourCycle: "h23",
    ...(zone === undefined ? {} : { timeZone: zone }),
  });
  formats.set(zone ?? "", format);
  return format;
}

/** `2026-01-01 13:00:05 +01:00`, or `… UTC` without an offset. */
function time(ms: number, zone: string | undefined): string {
  if (!(ms >= FIRST_MS && ms < END_MS)) {
    return `${ms} ms`;
  }
  const parts = new Map(formatOf(zone).formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const [year, month, day] = [part("year"), part("month"), part("day")];
  const [hour, minute, second] = [part("hour"), part("minute"), part("second")];
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const offset = local / 1_000 - Math.floor(ms / 1_000);
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  return `${date} ${two(hour)}:${two(minute)}:${two(second)} ${offsetText(offset)}`;
}

/** Zones had offsets with seconds before clocks were set by zones. */
function offsetText(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) {
    return "UTC";
  }
  const rest = size % 60 === 0 ? "" : `:${two(size % 60)}`;
  return `${seconds < 0 ? "-" : "+"}${two(Math.floor(size / 3_600))}:${two(Math.floor(size / 60) % 60)}${rest}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** Digits in groups of three when there are more than four. */
function grouped(count: number): string {
  const digits = String(count);
  return digits.length <= 4 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, ",");
}
