/** The requests the dashboard makes. */

import { labelText, type Anomaly, type Kpi, type Labels, type RollupRow, type SampleRow } from "./wire.ts";

/** An answer that was not a success, with the words of the server. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Voice {
  kpi: string;
  labels: Labels;
  role: "voice" | "bed";
  pitch_hz: number;
  /** -1 left to 1 right. */
  pan: number;
  /** 0 to 1. */
  prominence: number;
}

export interface Mix {
  id: string;
  title: string;
  mode: "ambient" | "cues";
  voices: number;
  polarity: Record<string, "up" | "down">;
  revision: number;
  running: boolean;
  listeners: number;
  sounding: Voice[];
}

/** A node as the one that answers sees it. */
export interface ClusterNode {
  node: string;
  /** `leaving` is shutting down; of a `silent` one no heartbeat comes. */
  state: "alive" | "leaving" | "silent";
  /** Milliseconds since it was last heard. */
  silent_ms: number;
  version: string;
  /** When its process started, by its own clock. ISO 8601. */
  started: string;
  /** Milliseconds its clock is ahead of the answering node's. */
  clock_ms: number;
  /** How many it owns. */
  workspaces: number;
}

/** The numbers are null when the owner did not answer. */
export interface ClusterWorkspace {
  workspace: string;
  /** null: between two owners. */
  owner: string | null;
  /** The newest event. */
  seq: number | null;
  kpis: number | null;
  /** KPIs that take nothing, because scoring them failed repeatedly. */
  parked: number | null;
  /** Events that the history is behind. */
  history_lag: number | null;
}

export interface Cluster {
  /** false: one server alone. */
  enabled: boolean;
  /** The node that answers. */
  node: string;
  nodes: ClusterNode[];
  workspaces: ClusterWorkspace[];
}

export interface SamplesQuery {
  from: number;
  to: number;
  labels?: Labels;
  step?: number;
  limit?: number;
}

export interface SeriesRows<Row> {
  labels: Labels;
  samples: Row[];
  truncated?: boolean;
}

export interface AnomaliesQuery {
  kpi?: string;
  labels?: Labels;
  from?: number;
  to?: number;
  open?: boolean;
  limit?: number;
  before?: string;
}

export interface AnomaliesPage {
  anomalies: Anomaly[];
  next: string | null;
}

export class Api {
  readonly workspace: string;
  readonly #base: string;

  constructor(workspace: string) {
    this.workspace = workspace;
    this.#base = `/api/v1/workspaces/${encodeURIComponent(workspace)}`;
  }

  static async workspaces(): Promise<{ id: string }[]> {
    const answer = await ask<{ workspaces: { id: string }[] }>("/api/v1/workspaces");
    return answer.workspaces;
  }

  static cluster(signal?: AbortSignal): Promise<Cluster> {
    return ask("/api/v1/cluster", init(signal));
  }

  /** The address of the event stream. */
  get eventsUrl(): string {
    return socketUrl(`${this.#base}/events`);
  }

  /** The address of a mix's packets. */
  packetsUrl(mix: string): string {
    return socketUrl(`${this.#base}/mixes/${encodeURIComponent(mix)}/live`);
  }

  /** The address of a mix as an endless Ogg file. */
  oggUrl(mix: string): string {
    return `${this.#base}/mixes/${encodeURIComponent(mix)}/live.ogg`;
  }

  kpi(kpi: string, signal?: AbortSignal): Promise<Kpi> {
    return ask(`${this.#base}/kpis/${encodeURIComponent(kpi)}`, init(signal));
  }

  async rows(kpi: string, query: SamplesQuery, signal?: AbortSignal): Promise<SeriesRows<SampleRow>[]> {
    return (await this.#samples<SampleRow>(kpi, query, signal)).series;
  }

  async rollups(
    kpi: string,
    query: SamplesQuery & { step: number },
    signal?: AbortSignal,
  ): Promise<SeriesRows<RollupRow>[]> {
    return (await this.#samples<RollupRow>(kpi, query, signal)).series;
  }

  anomalies(query: AnomaliesQuery, signal?: AbortSignal): Promise<AnomaliesPage> {
    return ask(`${this.#base}/anomalies?${parameters({ ...query })}`, init(signal));
  }

  acknowledge(id: string, note: string): Promise<Anomaly> {
    const body = note.trim() === "" ? {} : { note: note.trim() };
    return ask(`${this.#base}/anomalies/${encodeURIComponent(id)}/acknowledge`, send("POST", body));
  }

  async resume(kpi: string): Promise<void> {
    await ask(`${this.#base}/kpis/${encodeURIComponent(kpi)}/resume`, { method: "POST" });
  }

  mix(mix: string): Promise<Mix> {
    return ask(`${this.#base}/mixes/${encodeURIComponent(mix)}`);
  }

  changeMix(mix: string, change: Partial<Pick<Mix, "mode" | "voices" | "polarity">>): Promise<Mix> {
    return ask(`${this.#base}/mixes/${encodeURIComponent(mix)}`, send("PATCH", change));
  }

  #samples<Row>(
    kpi: string,
    query: SamplesQuery,
    signal?: AbortSignal,
  ): Promise<{ columns: string[]; series: SeriesRows<Row>[] }> {
    const path = `${this.#base}/kpis/${encodeURIComponent(kpi)}/samples`;
    return ask(`${path}?${parameters({ ...query })}`, init(signal));
  }
}

function socketUrl(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

function parameters(query: Record<string, unknown>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === "") {
      continue;
    }
    const text = typeof value === "object" ? labelText(value as Labels) : String(value);
    if (text !== "") {
      parameters.set(name, text);
    }
  }
  return parameters.toString();
}

function init(signal?: AbortSignal): RequestInit {
  return signal === undefined ? {} : { signal };
}

function send(method: string, body: unknown): RequestInit {
  return { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function ask<Answer>(path: string, request: RequestInit = {}): Promise<Answer> {
  const response = await fetch(path, { ...request, headers: { accept: "application/json", ...request.headers } });
  const text = await response.text();
  if (!response.ok) {
    throw new ApiError(response.status, complaint(text, response));
  }
  return (text === "" ? undefined : JSON.parse(text)) as Answer;
}

function complaint(text: string, response: Response): string {
  try {
    const problem = JSON.parse(text) as { title?: string; detail?: string };
    return problem.detail ?? problem.title ?? response.statusText;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}
