/** Names of KPIs and labels as people read them. A name consists of a family and a title. */

import { labelText, type Labels } from "@earcon/client";
import { withoutUnit } from "./units.ts";
import { visible } from "./visible.ts";

/** All segments but the last. Empty for a name of one segment. */
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
 * Labels in words. A single label shows its key only if its value is a number and the title of the
 * KPI does not contain the key: `core busy` with the label core 1 shows `1`.
 */
export function labelsText(labels: Labels, kpi = ""): string {
  const keys = Object.keys(labels).sort();
  const titleWords = new Set(titleOf(kpi).split(" "));
  return keys
    .map((key) => {
      const value = visible(labels[key] ?? "");
      const plain = keys.length === 1 && (titleWords.has(key) || !/^[\d.]+$/.test(value));
      return plain ? value : `${key} ${value}`;
    })
    .join(", ");
}

/** The name of a series as sentences and titles write it: `shop.orders (region:eu, zone:a)`. */
export function seriesName({ kpi, labels }: { kpi: string; labels: Labels }): string {
  const text = visible(labelText(labels));
  return text === "" ? kpi : `${kpi} (${text.replaceAll(",", ", ")})`;
}

/** Whether each word of the filter occurs in the name or the labels of a series. */
export function matches(filter: string, kpi: string, labelText: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const subject = `${kpi} ${titleOf(kpi)} ${labelText}`.toLowerCase();
  return words.every((word) => subject.includes(word));
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Compares names. Numbers within them are compared by value. */
export function compareNames(a: string, b: string): number {
  return COLLATOR.compare(a, b);
}
