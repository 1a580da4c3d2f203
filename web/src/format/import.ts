/** What the answer to an uploaded file says, line by line; see docs/protocol.md. Pure. */

export interface ImportLine {
  done: boolean;
  rows: number;
  accepted: number;
  late: number;
  rejected: number;
  skipped: number;
  warning?: string;
  problems?: string[];
  error?: string;
}

/** The newest complete line of what has arrived; null before the first. */
export function newestLine(text: string): ImportLine | null {
  const end = text.lastIndexOf("\n");
  if (end < 0) {
    return null;
  }
  const start = text.lastIndexOf("\n", end - 1) + 1;
  try {
    return JSON.parse(text.slice(start, end)) as ImportLine;
  } catch {
    return null;
  }
}

/** Where a file of this name is sent. */
export function uploadAddress(workspace: string, name: string, kpi: string, backfill: boolean): string {
  const query = new URLSearchParams({ name, backfill: String(backfill) });
  if (kpi !== "") {
    query.set("kpi", kpi);
  }
  return `/api/v1/workspaces/${encodeURIComponent(workspace)}/kpis/upload?${query.toString()}`;
}

/** The outcome in a sentence. */
export function outcome(line: ImportLine): string {
  const parts = [`${line.rows.toLocaleString("en")} rows read`, `${line.accepted.toLocaleString("en")} samples taken`];
  if (line.late > 0) {
    parts.push(`${line.late.toLocaleString("en")} of them not newer than what was there: kept, not scored`);
  }
  if (line.rejected > 0) {
    parts.push(`${line.rejected.toLocaleString("en")} refused`);
  }
  if (line.skipped > 0) {
    parts.push(`${line.skipped.toLocaleString("en")} rows or cells skipped`);
  }
  return `${parts.join(", ")}.`;
}
