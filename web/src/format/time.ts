/**
 * Times as people read them. Inputs are milliseconds since the Unix epoch. Output is local time.
 */

import { whole } from "./count.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `now`, `12 s ago`, `5 min ago`, `3 h ago`, then the date. */
export function ago(at: number, now: number): string {
  const age = now - at;
  if (age < 2 * SECOND) {
    return "now";
  }
  return age < 2 * DAY ? `${span(age)} ago` : date(at);
}

/** An age in its largest whole unit. */
export function span(ms: number): string {
  if (ms < MINUTE) {
    return `${Math.max(0, Math.floor(ms / SECOND))} s`;
  }
  if (ms < HOUR) {
    return `${Math.floor(ms / MINUTE)} min`;
  }
  if (ms < DAY) {
    return `${Math.floor(ms / HOUR)} h`;
  }
  return `${Math.floor(ms / DAY)} d`;
}

/**
 * A duration in its two largest units: `2 min 59 s`, `1 h 59 min`. The server writes the same texts
 * in `crates/model/src/wording.rs`.
 */
export function duration(ms: number): string {
  if (ms === 0) {
    return "0 s";
  }
  if (ms < SECOND) {
    return `${ms} ms`;
  }
  if (ms < MINUTE) {
    const tenths = Math.floor((ms % SECOND) / 100);
    return `${Math.floor(ms / SECOND)}${tenths === 0 ? "" : `.${tenths}`} s`;
  }
  if (ms < HOUR) {
    return pair(ms, MINUTE, "min", SECOND, "s");
  }
  return ms < DAY ? pair(ms, HOUR, "h", MINUTE, "min") : pair(ms, DAY, "d", HOUR, "h");
}

function pair(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  const first = `${whole(Math.floor(ms / large))} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/** How long an anomaly lasted, from its first to its last anomalous sample: `for 25 min`. */
export function lasted(first: number, last: number): string {
  return last - first < SECOND ? "one sample" : `for ${duration(last - first)}`;
}

// Always the 24-hour clock: cards have no room for am and pm.
const HOURS = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const CLOCK = new Intl.DateTimeFormat(undefined, { ...HOURS, second: "2-digit" });
const MINUTES = new Intl.DateTimeFormat(undefined, HOURS);
const DATE = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...HOURS });
const SECONDS = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "numeric",
  ...HOURS,
  second: "2-digit",
});
const LONG_DATE = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", ...HOURS });
const DAYS = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Both ends of a time, to the second: `Jan 2, 2026, 12:05:00 to Jan 2, 2026, 12:20:00`. */
export function period(from: number, to: number): string {
  return `${SECONDS.format(from)} to ${SECONDS.format(to)}`;
}

/** A moment to the second, with its date. */
export function second(at: number): string {
  return SECONDS.format(at);
}

export function clock(at: number): string {
  return CLOCK.format(at);
}

/** A moment to the minute with its year, for what is long ago or far ahead. */
export function longDate(at: number): string {
  return LONG_DATE.format(at);
}

export function date(at: number): string {
  return DATE.format(at);
}

/** The time of day to the minute, with the date if that is not today. */
export function moment(at: number, now: number): string {
  return DAYS.format(at) === DAYS.format(now) ? MINUTES.format(at) : DATE.format(at);
}

/**
 * Labels of a time axis with ticks `increment` milliseconds apart. A new day is labelled with its
 * date.
 */
export function ticks(times: readonly number[], increment: number): string[] {
  let day = "";
  return times.map((at, i) => {
    const today = DAYS.format(at);
    const newDay = day !== "" && today !== day;
    day = today;
    if (increment >= DAY || newDay) {
      return today;
    }
    const time = increment < MINUTE ? CLOCK.format(at) : MINUTES.format(at);
    return i === 0 && increment >= HOUR ? `${time}\n${today}` : time;
  });
}
