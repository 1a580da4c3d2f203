/** How a client proves who it is: in requests, in WebSocket handshakes, and with tickets. */

import { ApiError, ask, failure, type Fetch } from "./http.ts";

/** Returns an API key or an access token. It is asked before each request and each connection. */
export type Token = () => string | Promise<string>;

/** The given key is none. The message does not show it. */
export class CredentialsError extends Error {
  override readonly name = "CredentialsError";
}

/** What a stream is: events, or the sound of a mix. */
export type Purpose = "events" | "audio";

/** The address of one connection, with the headers of its handshake. */
export interface Entrance {
  url: string;
  headers?: Record<string, string>;
}

/** A stream of the server, and the way in. */
export interface Target {
  /** Prepares one connection: a ticket is valid once. */
  enter(signal: AbortSignal): Entrance | Promise<Entrance>;
  /** Why a connection did not open, if the server refuses these credentials. Otherwise null. */
  refusal?(signal: AbortSignal): Promise<Error | null>;
}

/** Returns what `key` and `token` of the client's options mean. */
export function tokenOf(key: string | undefined, token: Token | undefined): Token | null {
  if (key !== undefined && token !== undefined) {
    throw new CredentialsError("give the client either a `key` or a `token`");
  }
  if (key === undefined) {
    return token ?? null;
  }
  bearer(key);
  return () => key;
}

/** Returns the value of the header `Authorization`. */
export function bearer(key: string): string {
  if (!/^[!-~]+$/.test(key)) {
    throw new CredentialsError("the key is empty, or has spaces, line breaks or characters other than ASCII");
  }
  return `Bearer ${key}`;
}

/** Returns a `fetch` that sends the key with each request. */
export function authorised(fetch: Fetch, token: Token): Fetch {
  return async (url, request) => {
    const headers = new Headers(request.headers);
    headers.set("authorization", bearer(await token()));
    return fetch(url, { ...request, headers });
  };
}

/** Whether an error ends following: the next attempt would end in the same way. */
export function ends(error: unknown): error is Error {
  return error instanceof CredentialsError || (error instanceof ApiError && denies(error.status));
}

/** Asks the URL `tickets` for a ticket, which opens one stream within a minute. */
export async function ticket(fetch: Fetch, tickets: string, purpose: Purpose, signal?: AbortSignal): Promise<string> {
  const headers = { "content-type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify({ purpose }), ...(signal === undefined ? {} : { signal }) };
  return (await ask<{ ticket: string }>(fetch, tickets, request)).ticket;
}

/**
 * Asks for a stream over HTTP, to learn why its WebSocket was refused: a browser does not say it.
 * Returns null if the server does not refuse the credentials, or does not answer.
 */
export async function refusalOf(fetch: Fetch, url: string, signal: AbortSignal): Promise<Error | null> {
  try {
    const response = await fetch(url, { signal });
    if (denies(response.status)) {
      return failure(await response.text(), response);
    }
    // The stream is not wanted, only its status.
    await response.body?.cancel();
    return null;
  } catch (error) {
    return ends(error) ? error : null;
  }
}

function denies(status: number): boolean {
  return status === 401 || status === 403;
}
