/** Uploads a file, and reports its progress; or asks how the server understands it. */

import type { Fetch } from "@earcon/client";
import type { ImportLine, Preview } from "../../format/import.ts";

/** What a person says about a file. Empty texts leave it to the file. */
export interface ImportOptions {
  kpi: string;
  /** Learn from the file without alerts. */
  history: boolean;
  timeFormat: string;
  decimal: string;
  timeZone: string;
  /** Columns of numbers that begin below the first rows, with commas between. */
  values: string;
}

export const NO_OPTIONS: ImportOptions = { kpi: "", history: true, timeFormat: "", decimal: "", timeZone: "", values: "" };

/** The server previews a hundred rows. So many bytes of a CSV file hold them. */
const PREVIEWED_BYTES = 4 << 20;

export type UploadState =
  | { phase: "idle" }
  | { phase: "sending"; name: string; share: number }
  | { phase: "reading"; name: string; line: ImportLine | null }
  | { phase: "done"; name: string; line: ImportLine }
  | { phase: "failed"; name: string; why: string };

/** Address to upload a file to. */
export function uploadAddress(workspace: string, name: string, options: ImportOptions, dryRun = false): string {
  const query = new URLSearchParams({ name, backfill: String(options.history) });
  const { timeFormat, decimal, timeZone } = options;
  const texts = { kpi: options.kpi.trim(), values: options.values.trim() };
  const stated = { kpi: texts.kpi, time_format: timeFormat, decimal, time_zone: timeZone, values: texts.values };
  Object.entries(stated).forEach(([key, value]) => value !== "" && query.set(key, value));
  if (dryRun) {
    query.set("dry_run", "true");
  }
  return `/api/v1/workspaces/${encodeURIComponent(workspace)}/kpis/upload?${query.toString()}`;
}

/** The newest complete line received so far. null before the first. */
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

/** Asks how the server understands a file. Throws the reason if it refuses the file. */
export async function fetchPreview(fetch: Fetch, file: File, address: string, signal: AbortSignal): Promise<Preview> {
  const type = contentType(file);
  const csv = !file.name.toLowerCase().endsWith(".xlsx");
  const isCut = csv && file.size > PREVIEWED_BYTES;
  const body = isCut ? file.slice(0, PREVIEWED_BYTES, type) : file;
  const response = await fetch(isCut ? `${address}&beginning=true` : address, { method: "POST", headers: { "content-type": type }, body, signal });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(problemText(text));
  }
  return JSON.parse(text) as Preview;
}

function contentType({ type }: File): string {
  return type === "" ? "application/octet-stream" : type;
}

/** An upload that can be stopped. */
export interface Upload {
  stop(): void;
}

/**
 * Uploads a file. Uses XMLHttpRequest, because `fetch` does not report the progress of sending.
 *
 * @param headers those of the session; the upload waits for them
 */
export function upload(
  file: File,
  address: string,
  headers: Promise<Record<string, string>>,
  report: (state: UploadState) => void,
): Upload {
  const { name } = file;
  const request = new XMLHttpRequest();
  const fail = (why: string) => report({ phase: "failed", name, why });
  let state: "waiting" | "sent" | "stopped" = "waiting";
  request.open("POST", address);
  request.setRequestHeader("content-type", contentType(file));
  request.upload.onprogress = (event) => report({ phase: "sending", name, share: event.loaded / Math.max(1, event.total) });
  request.upload.onload = () => report({ phase: "reading", name, line: null });
  request.onprogress = () => {
    if (request.status === 200) {
      report({ phase: "reading", name, line: newestLine(request.responseText) });
    }
  };
  request.onload = () => {
    const line = request.status === 200 ? newestLine(request.responseText) : null;
    if (line?.done === true) {
      report({ phase: "done", name, line });
    } else {
      fail(request.status === 200 ? "the response was incomplete" : problemText(request.responseText));
    }
  };
  request.onerror = () => fail("the server does not answer");
  request.onabort = () => fail("the upload was stopped; samples accepted before that are kept");
  report({ phase: "sending", name, share: 0 });
  headers.then(
    (given) => {
      if (state === "waiting") {
        state = "sent";
        Object.entries(given).forEach(([header, value]) => request.setRequestHeader(header, value));
        request.send(file);
      }
    },
    (error: Error) => fail(error.message),
  );
  return {
    stop: () => {
      if (state === "waiting") {
        // A request that was not sent reports no stop.
        fail("the upload was stopped");
      }
      state = "stopped";
      request.abort();
    },
  };
}

/** The message of a problem document (RFC 9457). */
function problemText(text: string): string {
  try {
    const problem = JSON.parse(text) as { detail?: string; title?: string };
    return problem.detail ?? problem.title ?? text;
  } catch {
    return text;
  }
}
