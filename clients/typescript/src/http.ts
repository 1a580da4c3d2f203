/** Requests and their answers, and the errors of both. */

/** An answer that was not a success, with the words of the server (RFC 9457). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** The HTTP status. */
    readonly status: number,
    message: string,
    /** The whole problem document, when there was one: `type`, `title`, `detail`, and more for some. */
    readonly problem: Readonly<Record<string, unknown>> = {},
    /** How long the server asks to wait before trying again. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later: too much at once, or not available right now. */
  get passing(): boolean {
    return this.status === 429 || this.status === 503;
  }
}

export type Fetch = (url: string, request: RequestInit) => Promise<Response>;

/** Asks and reads the answer's JSON; an empty answer is `undefined`. */
export async function ask<Answer>(fetch: Fetch, url: string, request: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...request, headers: { accept: "application/json", ...request.headers } });
  const text = await response.text();
  if (!response.ok) {
    throw failure(text, response);
  }
  return (text === "" ? undefined : JSON.parse(text)) as Answer;
}

function failure(text: string, response: Response): ApiError {
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : null;
  const { status, statusText } = response;
  try {
    const problem = JSON.parse(text) as Record<string, unknown>;
    const words = [problem["detail"], problem["title"]].find((each) => typeof each === "string");
    return new ApiError(status, words ?? statusText, problem, retryAfterMs);
  } catch {
    return new ApiError(status, `${status} ${statusText}`, {}, retryAfterMs);
  }
}
