/** Sends samples, in batches the server takes, again when it has no room. Sending a sample twice is harmless. */

import { backoff } from "./backoff.ts";
import { ApiError, ask, type Fetch } from "./http.ts";
import type { Labels } from "./wire.ts";

export interface Sample {
  kpi: string;
  labels?: Labels;
  /** Milliseconds since the Unix epoch, or RFC 3339; absent: when it arrives. */
  timestamp?: number | string;
  value: number;
}

export interface Rejected {
  /** Counts from 0, in the samples that were given. */
  row: number;
  error: string;
}

/** What became of the samples. */
export interface Receipt {
  /** Samples that are durable now. */
  accepted: number;
  /** At most a hundred a request are listed. */
  rejected: Rejected[];
  rejected_total: number;
  /** The last event that the samples became part of. null when none was accepted. */
  seq: number | null;
  epoch: string | null;
}

export interface IngestOptions {
  signal?: AbortSignal;
  /** How often a batch is tried while the server has no room or is not there. Default 5. */
  attempts?: number;
}

interface Answer extends Receipt {
  seq: number;
  epoch: string;
}

const BATCH = 10_000;

/**
 * Sends samples and answers when all of them are durable. Rows the server refused are listed, and are no error.
 *
 * @throws ApiError when the server refused a batch, or was not there in all attempts. Batches before it are durable.
 */
export async function ingest(
  fetch: Fetch,
  url: string,
  samples: readonly Sample[],
  options: IngestOptions = {},
): Promise<Receipt> {
  const receipt: Receipt = { accepted: 0, rejected: [], rejected_total: 0, seq: null, epoch: null };
  for (let from = 0; from < samples.length; from += BATCH) {
    const answer = await post(fetch, url, samples.slice(from, from + BATCH), options);
    receipt.accepted += answer.accepted;
    receipt.rejected.push(...answer.rejected.map(({ row, error }) => ({ row: row + from, error })));
    receipt.rejected_total += answer.rejected_total;
    receipt.seq = answer.seq ?? receipt.seq;
    receipt.epoch = answer.epoch ?? receipt.epoch;
  }
  return receipt;
}

async function post(
  fetch: Fetch,
  url: string,
  samples: readonly Sample[],
  { signal, attempts = 5 }: IngestOptions,
): Promise<Answer | Receipt> {
  const request = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ samples }),
    ...(signal === undefined ? {} : { signal }),
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask<Answer>(fetch, url, request);
    } catch (error) {
      if (error instanceof ApiError && error.problem["type"] === "/problems/nothing-accepted") {
        const { rejected, rejected_total } = error.problem as unknown as Receipt;
        return { accepted: 0, rejected, rejected_total, seq: null, epoch: null };
      }
      const passing = error instanceof ApiError ? error.passing : error instanceof TypeError;
      if (!passing || attempt >= attempts || signal?.aborted === true) {
        throw error;
      }
      const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      await pause(Math.max(asked, backoff(attempt, Math.random())), signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
  });
}
