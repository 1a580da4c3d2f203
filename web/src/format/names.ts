/** How a KPI's name is shown: the family it belongs to, and what is left of it. */

import type { Labels } from "@earcon/client";
import { withoutUnit } from "./units.ts";

/** All but the last segment; a name of one segment has no family. */
export function familyOf(kpi: string): string {
  const end = kpi.lastIndexOf(".");
  return end <= 0 ? "" : kpi.slice(0, end);
}

/** The last segment in words, without its unit. */
export function titleOf(kpi: string): string {
  const last = kpi.slice(kpi.lastIndexOf(".") + 1);
  return withoutUnit(last).replace(/[_-]+/g, " ");
}

/**
 * Labels in words. A single one shows its key only when the value alone would say nothing, and never when the KPI's name
 * says it already: `core busy` of core 1 is `1`.
 */
export function labelsShown(labels: Labels, kpi = ""): string {
  const keys = Object.keys(labels).sort();
  const said = new Set(titleOf(kpi).split(" "));
  return keys
    .map((key) => {
      const value = labels[key] ?? "";
      const plain = keys.length === 1 && (said.has(key) || !/^[\d.]+$/.test(value));
      return plain ? value : `${key} ${value}`;
    })
    .join(", ");
}

/** Whether a series matches what was typed: every word occurs in its name or labels. */
export function matches(filter: string, kpi: string, labelText: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const subject = `${kpi} ${titleOf(kpi)} ${labelText}`.toLowerCase();
  return words.every((word) => subject.includes(word));
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** By name, numbers in it by size. */
export function compareNames(a: string, b: string): number {
  return COLLATOR.compare(a, b);
}
