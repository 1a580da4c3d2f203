/** Sends samples the way any program would. */

export interface Sample {
  kpi: string;
  timestamp: number;
  value: number;
  labels?: Record<string, string>;
}

export async function ingest(url: string, samples: Sample[]): Promise<void> {
  const response = await fetch(`${url}/api/v1/workspaces/local/kpis/ingest`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ samples }),
  });
  const answer = (await response.json()) as { accepted?: number };
  if (!response.ok || answer.accepted !== samples.length) {
    throw new Error(`ingest answered ${response.status}: ${JSON.stringify(answer)}`);
  }
}

/** Ordinary samples, one a second, the last one at `end`: a wave and a little that looks like noise, the same every time. */
export function ordinary(kpi: string, count: number, end: number): Sample[] {
  return Array.from({ length: count }, (_, i) => ({
    kpi,
    timestamp: end - (count - 1 - i) * 1_000,
    value: Math.round((100 + 2 * Math.sin(i / 9) + ((i * 7_919) % 101) / 50) * 100) / 100,
  }));
}

/** The same level and far above for `count` seconds, beginning at `start`. */
export function spike(kpi: string, count: number, start: number): Sample[] {
  return Array.from({ length: count }, (_, i) => ({ kpi, timestamp: start + i * 1_000, value: 400 + i }));
}
