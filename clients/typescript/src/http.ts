/** HTTP requests, responses and errors. */

/** An error response of the server, an RFC 9457 problem document. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** The HTTP status. */
    readonly status: number,
    message: string,
    /** The problem document: `type`, `title`, `detail`, and further members for some types. */
    readonly problem: Readonly<Record<string, unknown>> = {},
    /** The pause that the server asks for, in milliseconds. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later. */
  get temporary(): boolean {
    return this.status === 429 || this.status === 503;
  }
}

export type Fetch = (url: string, request: RequestInit) => Promise<Response>;

/** Sends a request and parses the JSON response. An empty response is `undefined`. */
export async function ask<Answer>(fetch: Fetch, url: string, request: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...request, headers: { accept: "application/json", ...request.headers } });
  const text = await response.text();
  if (!response.ok) {
    throw failure(text, response);
  }
  return (text === "" ? undefined : JSON.parse(text)) as Answer;
}

/** Returns the error of an answer. */
export function failure(text: string, response: Response): ApiError {
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : null;
  const { status, statusText } = response;
  try {
    const problem = JSON.parse(text) as Record<string, unknown>;
    const reason = [problem["detail"], problem["title"]].find((each) => typeof each === "string");
    return new ApiError(status, reason ?? statusText, problem, retryAfterMs);
  } catch {
    return new ApiError(status, `${status} ${statusText}`, {}, retryAfterMs);
  }
}
