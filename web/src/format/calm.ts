/** What the page says if nothing is open. It never calls a state calm that it does not know. */

import { clock } from "./time.ts";

interface Stateful {
  state: string;
}

/**
 * @param nothing the sentence while data arrives
 * @param outdated since when the state is outdated; null if it is current
 */
export function calmWords(nothing: string, outdated: number | null, series: Iterable<Stateful>): string {
  if (outdated !== null) {
    return `None was open at ${clock(outdated)}. What happened since then is not known.`;
  }
  const dead = deadFeeds(series);
  return dead === null ? nothing : `${nothing} But no data arrives: ${dead}.`;
}

/**
 * How many series have stalled, in words, if none sends. null if a series sends, or none has
 * stalled.
 */
export function deadFeeds(series: Iterable<Stateful>): string | null {
  const states = [...series].map(({ state }) => state);
  const stalled = states.filter((state) => state === "stalled").length;
  const silent = stalled > 0 && states.every((state) => state === "stalled" || state === "ended" || state === "parked");
  if (!silent) {
    return null;
  }
  return stalled === 1 ? "one series has stalled" : `${stalled} series have stalled`;
}
