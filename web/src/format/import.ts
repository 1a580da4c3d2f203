/** How a file is read, and the result of its import, in words. */

import type { Labels } from "@earcon/client";
import { counted, whole } from "./count.ts";

/** One line of the server's response to an upload; see docs/protocol.md. */
export interface ImportLine {
  done: boolean;
  rows: number;
  accepted: number;
  late: number;
  /** Those of the late ones that replace an earlier value of the file at the same time. */
  replaced?: number;
  rejected: number;
  skipped: number;
  warning?: string;
  problems?: string[];
  error?: string;
  too_old?: TooOld;
}

/** The rejected samples that are older than the server keeps. */
export interface TooOld {
  count: number;
  oldest: number;
  kpi: string;
  history_days: number;
}

/** The samples that are too old, in one sentence. */
export function tooOldWords({ count, oldest, kpi, history_days }: TooOld): string {
  const samples = counted(count, "sample is", "samples are");
  const days = counted(history_days, "day", "days");
  const day = new Date(oldest).toISOString().slice(0, 10);
  return `${samples} older than the ${days} that the server keeps (storage.history_days). The oldest is from ${day}, the first is of ${kpi}.`;
}

/** The counts of an import in one sentence. */
export function importSummary(line: ImportLine): string {
  const parts = [`${counted(line.rows, "row", "rows")} read`, `${counted(line.accepted, "sample", "samples")} accepted`];
  const replaced = line.replaced ?? 0;
  if (line.late > replaced) {
    parts.push(`${whole(line.late - replaced)} of them late: kept, not scored`);
  }
  if (replaced > 0) {
    const verb = replaced === 1 ? "replaces" : "replace";
    parts.push(`${whole(replaced)} of them ${verb} an earlier value of the same time`);
  }
  if (line.rejected > 0) {
    parts.push(`${whole(line.rejected)} rejected`);
  }
  if (line.skipped > 0) {
    parts.push(`${counted(line.skipped, "row or cell", "rows or cells")} skipped`);
  }
  return `${parts.join(", ")}.`;
}

/** How the server understands a file: the answer to `dry_run=true`; see docs/protocol.md. */
export interface Preview {
  separator: string;
  decimal: "point" | "comma";
  time_format: string;
  time_zone: string;
  order: "oldest_first" | "newest_first" | "mixed";
  columns: PreviewColumn[];
  /** Samples among the first hundred rows. */
  samples_total: number;
  /** The first of them. */
  samples: { kpi: string; labels: Labels; timestamp: number; time: string; value: number }[];
  /** Rows and cells among the first hundred rows that would be skipped. */
  skipped: number;
  /** The first of them, with the reasons. */
  problems: string[];
  /** Samples among the first hundred rows that would be refused: too old, or too far ahead. */
  refused: number;
  /** The first of them, with the reasons. */
  refusals: string[];
  warning?: string;
}

export interface PreviewColumn {
  name: string;
  role: "time" | "value" | "kpi" | "label" | "unused";
  /** The name of the KPI or the key of the label. */
  becomes?: string;
  /** Why the column is not used. */
  reason?: string;
}

/** Forms of times that a person can choose, with an example in words. */
export const TIME_FORMATS: Record<string, string> = {
  iso: "2025-12-31 13:05 (year first, RFC 3339)",
  day_first: "31.12.2025 or 31/12/2025 (day first)",
  month_first: "12/31/2025 (month first)",
  compact: "20251231 or 202512311305",
  seconds: "seconds since 1970",
  milliseconds: "milliseconds since 1970",
  microseconds: "microseconds since 1970",
  nanoseconds: "nanoseconds since 1970",
  excel: "45839.5 (days of a spreadsheet)",
};

export const DECIMALS: Record<Preview["decimal"], string> = { point: "1.5 (point)", comma: "1,5 (comma)" };

const SEPARATORS: Record<string, string> = { ",": "comma", ";": "semicolon", "\t": "tab" };

export function separatorName(separator: string): string {
  return SEPARATORS[separator] ?? separator;
}

const ORDERS: Record<Preview["order"], string> = {
  oldest_first: "oldest first",
  newest_first: "newest first, will be sorted",
  mixed: "mixed",
};

export function orderName(order: Preview["order"]): string {
  return ORDERS[order];
}

/** What a column becomes. */
export function columnWords({ role, becomes, reason }: PreviewColumn): string {
  switch (role) {
    case "time":
      return "the time";
    case "kpi":
      return "the name of the row's KPI";
    case "value":
      return becomes === undefined ? "the value of the row's KPI" : `KPI ${becomes}`;
    case "label":
      return `label ${becomes ?? ""}`;
    case "unused":
      return `not used${reason === undefined ? "" : `: ${reason}`}`;
  }
}

/** A refusal without the names of the API. */
export function refusalWords(refusal: string): string {
  return refusal.replace(/\b(day|month)_first\b/g, "$1 first").replace(/\.$/, "");
}

/** The option that a refusal asks for. null if no option can help. */
export function askedFor(refusal: string): "timeFormat" | "decimal" | "timeZone" | "values" | null {
  if (refusal.includes("state the time format")) {
    return "timeFormat";
  }
  if (refusal.includes("state the decimal sign")) {
    return "decimal";
  }
  if (refusal.includes("column of numbers") || refusal.includes("hold numbers (values)")) {
    return "values";
  }
  return refusal.includes("time zone") ? "timeZone" : null;
}

/** `2025-12-31 13:05:00 UTC`, from RFC 3339. */
export function utcText(time: string): string {
  return time.replace("T", " ").replace("Z", " UTC");
}
