/**
 * Sends samples in batches and retries them while the server is full. Sending a sample twice is
 * safe, because a sample replaces an equal one.
 */

import { backoff } from "./backoff.ts";
import { ApiError, ask, type Fetch } from "./http.ts";
import type { Labels } from "./wire.ts";

export interface Sample {
  kpi: string;
  labels?: Labels;
  /** Milliseconds since the Unix epoch, or RFC 3339. Default: the time of arrival. */
  timestamp?: number | string;
  /** Only a sample that ends its series may lack it. */
  value?: number;
  /**
   * Whether the value is a total that only grows: its increase per second is scored. Say it with
   * each sample.
   */
  counter?: boolean;
  /** Whether the series ends with this sample: its silence is no stall. */
  ended?: boolean;
  /** The unit of the KPI, such as `ms` or `By`. The first statement stays. */
  unit?: string;
  /** A sentence about the KPI. The first statement stays. */
  description?: string;
}

export interface Rejected {
  /** Index in the given samples, from 0. */
  row: number;
  error: string;
}

/** The result of sending samples. */
export interface Receipt {
  /** Number of durable samples. */
  accepted: number;
  /** The first rejected samples, at most 100 per request. */
  rejected: Rejected[];
  rejected_total: number;
  /** The last event that contains samples. null if no sample was accepted. */
  seq: number | null;
  epoch: string | null;
}

export interface IngestOptions {
  signal?: AbortSignal;
  /** Maximum number of attempts for a batch while the server is full or unreachable. Default: 5. */
  attempts?: number;
}

interface Answer extends Receipt {
  seq: number;
  epoch: string;
}

const BATCH = 10_000;

/**
 * Sends samples. Resolves when all of them are durable or rejected. Rejected rows are no error.
 *
 * @throws ApiError if the server refused a batch, or was full in all attempts. Earlier batches are
 * durable.
 * @throws TypeError if the server was unreachable in all attempts.
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
      const temporary = error instanceof ApiError ? error.temporary : error instanceof TypeError;
      if (!temporary || attempt >= attempts || signal?.aborted === true) {
        throw error;
      }
      const requested = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      await pause(Math.max(requested, backoff(attempt, Math.random())), signal);
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
