/** Result of a file import in words. */

/** One line of the server's response to an upload; see docs/protocol.md. */
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

/** The counts of an import in one sentence. */
export function importSummary(line: ImportLine): string {
  const parts = [`${line.rows.toLocaleString("en")} rows read`, `${line.accepted.toLocaleString("en")} samples accepted`];
  if (line.late > 0) {
    parts.push(`${line.late.toLocaleString("en")} of them late: kept, not scored`);
  }
  if (line.rejected > 0) {
    parts.push(`${line.rejected.toLocaleString("en")} rejected`);
  }
  if (line.skipped > 0) {
    parts.push(`${line.skipped.toLocaleString("en")} rows or cells skipped`);
  }
  return `${parts.join(", ")}.`;
}
