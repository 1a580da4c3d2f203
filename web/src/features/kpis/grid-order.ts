/** Order of the cards, and the headings between them. */

import { useEffect, useState } from "react";
import { compareNames, familyOf } from "../../format/names.ts";
import type { LiveSeries } from "../../live/live-series.ts";

/** Cards ordered by score are reordered at most this often. */
const REORDER_MS = 5_000;

/** Family of a card. Empty if the previous card has the same one. */
export function headingOf(series: LiveSeries, before: LiveSeries | undefined, order: string): string {
  const family = familyOf(series.kpi);
  const same = order === "name" && before !== undefined && familyOf(before.kpi) === family;
  return same ? "" : family.replaceAll(".", " · ");
}

export function byName(a: LiveSeries, b: LiveSeries): number {
  return (
    compareNames(familyOf(a.kpi), familyOf(b.kpi)) ||
    compareNames(a.kpi, b.kpi) ||
    compareNames(a.labelText, b.labelText)
  );
}

const RANKS: Record<LiveSeries["state"], number> = {
  anomalous: 0,
  parked: 1,
  normal: 2,
  warming: 3,
  stalled: 4,
  ended: 5,
};

export function byScore(a: LiveSeries, b: LiveSeries): number {
  return RANKS[a.state] - RANKS[b.state] || (b.score ?? -1) - (a.score ?? -1) || byName(a, b);
}

/** Grows when the cards should be reordered. Not while the pointer or the focus is on them. */
export function useReorderCount(on: boolean, list: React.RefObject<HTMLUListElement | null>): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (!on) {
      return;
    }
    const timer = setInterval(() => {
      const element = list.current;
      const busy = element !== null && (element.matches(":hover") || element.contains(document.activeElement));
      setCount((count) => (busy ? count : count + 1));
    }, REORDER_MS);
    return () => clearInterval(timer);
  }, [on, list]);
  return count;
}
