/** Uploads a file, and reports its progress. */

import type { ImportLine } from "../../format/import.ts";

export type UploadState =
  | { phase: "idle" }
  | { phase: "sending"; name: string; share: number }
  | { phase: "reading"; name: string; line: ImportLine | null }
  | { phase: "done"; name: string; line: ImportLine }
  | { phase: "failed"; name: string; why: string };

/** Address to upload a file to. */
export function uploadAddress(workspace: string, name: string, kpi: string, backfill: boolean): string {
  const query = new URLSearchParams({ name, backfill: String(backfill) });
  if (kpi !== "") {
    query.set("kpi", kpi);
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

/** Uploads a file. Uses XMLHttpRequest, because `fetch` does not report the progress of sending. */
export function upload(file: File, address: string, report: (state: UploadState) => void): XMLHttpRequest {
  const { name } = file;
  const request = new XMLHttpRequest();
  const fail = (why: string) => report({ phase: "failed", name, why });
  request.open("POST", address);
  request.setRequestHeader("content-type", file.type === "" ? "application/octet-stream" : file.type);
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
  request.send(file);
  return request;
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
