/** One workspace of a server: follow events, query, send samples. */

import type { Detectors, Experiment, Job } from "./experiments.ts";
import { events, type EventsOptions, type Reset } from "./events.ts";
import { ask, type Fetch } from "./http.ts";
import { ingest, type IngestOptions, type Receipt, type Sample } from "./ingest.ts";
import type { LinkOptions } from "./link.ts";
import { REAL, Subscription, type Follower, type Environment } from "./subscription.ts";
import {
  labelText,
  type Anomaly,
  type ExplainedAnomaly,
  type Feedback,
  type Incident,
  type Kpi,
  type Labels,
  type LiveEvent,
  type RollupRow,
  type SampleRow,
  type Voice,
} from "./wire.ts";

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

/** A node, as seen by the node that answers. */
export interface ClusterNode {
  node: string;
  /** `leaving`: it shuts down. `silent`: no heartbeat arrives. */
  state: "alive" | "leaving" | "silent";
  /** Milliseconds since its last heartbeat. */
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
  /** KPIs that are not scored, because scoring them failed repeatedly. */
  parked: number | null;
  /** Events that the history is behind. */
  history_lag: number | null;
}

export interface Cluster {
  /** false: a single node. */
  enabled: boolean;
  /** The node that answers. */
  node: string;
  nodes: ClusterNode[];
  workspaces: ClusterWorkspace[];
}

export interface SamplesQuery {
  /** Milliseconds, inclusive. One hour before `to` when absent. */
  from?: number;
  /** Milliseconds, exclusive. Now when absent. */
  to?: number;
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
  acknowledged?: boolean;
  limit?: number;
  before?: string;
}

export interface AnomaliesPage {
  anomalies: Anomaly[];
  /** Give it as `before` for the next page. */
  next: string | null;
}

export interface IncidentsQuery {
  kpi?: string;
  from?: number;
  to?: number;
  open?: boolean;
  /** Only alerted ones, or only the others. */
  alerted?: boolean;
  limit?: number;
  before?: string;
}

export interface IncidentsPage {
  incidents: Incident[];
  /** Give it as `before` for the next page. */
  next: string | null;
}

export interface ClientOptions {
  /** The server, such as `http://127.0.0.1:7070`. Default: the server this page came from. */
  url?: string;
  /** Default `local`. */
  workspace?: string;
  /** For environments without `fetch`, and for tests. */
  fetch?: Fetch;
  /** For environments without `WebSocket`, such as Node.js before version 22: the class of the package `ws`. */
  WebSocket?: new (url: string) => WebSocket;
}

export class Client {
  readonly workspace: string;
  readonly #server: string;
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #environment: Environment;

  constructor(options: ClientOptions = {}) {
    this.workspace = options.workspace ?? "local";
    this.#server = (options.url ?? pageOrigin()).replace(/\/+$/, "");
    this.#base = `${this.#server}/api/v1/workspaces/${encodeURIComponent(this.workspace)}`;
    this.#fetch = options.fetch ?? ((url, request) => fetch(url, request));
    const Socket = options.WebSocket;
    this.#environment = Socket === undefined ? REAL : { ...REAL, open: (url) => new Socket(url) };
  }

  /** The address of the event stream. */
  get eventsUrl(): string {
    return socketUrl(`${this.#base}/events`);
  }

  /** The address of a mix's packets. */
  packetsUrl(mix = "default"): string {
    return socketUrl(`${this.#base}/mixes/${encodeURIComponent(mix)}/live`);
  }

  /** The address of a mix as an endless Ogg file. */
  oggUrl(mix = "default"): string {
    return `${this.#base}/mixes/${encodeURIComponent(mix)}/live.ogg`;
  }

  /** Events, each once and in order. A snapshot comes first (see `since`) and wherever events were lost. */
  events(options: EventsOptions = {}): AsyncGenerator<LiveEvent | Reset, void, void> {
    return events(this.eventsUrl, options, this.#environment);
  }

  /** The same with callbacks. Call `start` on it. */
  subscription(follower: Follower, options: LinkOptions = {}): Subscription {
    return new Subscription(this.eventsUrl, follower, options, this.#environment);
  }

  /** Sends samples; answers when they are durable. */
  ingest(samples: readonly Sample[], options: IngestOptions = {}): Promise<Receipt> {
    return ingest(this.#fetch, `${this.#base}/kpis/ingest`, samples, options);
  }

  async workspaces(): Promise<{ id: string }[]> {
    const answer = await this.#ask<{ workspaces: { id: string }[] }>(`${this.#server}/api/v1/workspaces`);
    return answer.workspaces;
  }

  cluster(signal?: AbortSignal): Promise<Cluster> {
    return this.#ask(`${this.#server}/api/v1/cluster`, init(signal));
  }

  /** All KPIs after event `seq`. */
  kpis(signal?: AbortSignal): Promise<{ seq: number; epoch: string; kpis: Kpi[] }> {
    return this.#ask(`${this.#base}/kpis`, init(signal));
  }

  kpi(kpi: string, signal?: AbortSignal): Promise<Kpi> {
    return this.#ask(this.#kpi(kpi), init(signal));
  }

  /** Single samples of each series of a KPI. */
  async rows(kpi: string, query: Omit<SamplesQuery, "step"> = {}, signal?: AbortSignal): Promise<SeriesRows<SampleRow>[]> {
    return (await this.#samples<SampleRow>(kpi, query, signal)).series;
  }

  /** One row a step. */
  async rollups(
    kpi: string,
    query: SamplesQuery & { step: number },
    signal?: AbortSignal,
  ): Promise<SeriesRows<RollupRow>[]> {
    return (await this.#samples<RollupRow>(kpi, query, signal)).series;
  }

  /** A page of anomalies, latest opened first. */
  anomalies(query: AnomaliesQuery = {}, signal?: AbortSignal): Promise<AnomaliesPage> {
    return this.#ask(`${this.#base}/anomalies?${parameters({ ...query })}`, init(signal));
  }

  acknowledge(id: string, note = ""): Promise<Anomaly> {
    const body = note.trim() === "" ? {} : { note: note.trim() };
    return this.#ask(`${this.#base}/anomalies/${encodeURIComponent(id)}/acknowledge`, send("POST", body));
  }

  /** One anomaly with its explanation. */
  explain(id: string, signal?: AbortSignal): Promise<ExplainedAnomaly> {
    return this.#ask(`${this.#base}/anomalies/${encodeURIComponent(id)}`, init(signal));
  }

  /** The address of the picture of an anomaly. */
  picture(id: string, form: "svg" | "png" = "svg"): string {
    return `${this.#base}/anomalies/${encodeURIComponent(id)}/picture.${form}`;
  }

  /** Records whether an anomaly was worth the alert; the last feedback holds. */
  sendFeedback(id: string, outcome: Feedback["outcome"], note = ""): Promise<Anomaly> {
    const body = note.trim() === "" ? { outcome } : { outcome, note: note.trim() };
    return this.#ask(`${this.#base}/anomalies/${encodeURIComponent(id)}/feedback`, send("POST", body));
  }

  /** Mutes the series of an anomaly for a while: `30m`, `2h`, `1d`. */
  async mute(id: string, length: string): Promise<void> {
    await this.#ask(`${this.#base}/anomalies/${encodeURIComponent(id)}/mute`, send("POST", { for: length }));
  }

  /** A page of incidents, latest opened first. */
  incidents(query: IncidentsQuery = {}, signal?: AbortSignal): Promise<IncidentsPage> {
    return this.#ask(`${this.#base}/incidents?${parameters({ ...query })}`, init(signal));
  }

  /** Acknowledges an incident and each of its members. */
  acknowledgeIncident(id: string, note = ""): Promise<Incident> {
    const body = note.trim() === "" ? {} : { note: note.trim() };
    return this.#ask(`${this.#base}/incidents/${encodeURIComponent(id)}/acknowledge`, send("POST", body));
  }

  /** Starts a parked KPI again. */
  async resume(kpi: string): Promise<void> {
    await this.#ask(`${this.#kpi(kpi)}/resume`, { method: "POST" });
  }

  mix(mix = "default"): Promise<Mix> {
    return this.#ask(`${this.#base}/mixes/${encodeURIComponent(mix)}`);
  }

  changeMix(mix: string, change: Partial<Pick<Mix, "mode" | "voices" | "polarity">>): Promise<Mix> {
    return this.#ask(`${this.#base}/mixes/${encodeURIComponent(mix)}`, send("PATCH", change));
  }

  /** All revisions of all detector entries, and the live one. */
  detectors(): Promise<Detectors> {
    return this.#ask(`${this.#base}/detectors`);
  }

  /** All experiments, in order of name. */
  async experiments(): Promise<Experiment[]> {
    return (await this.#ask<{ experiments: Experiment[] }>(`${this.#base}/experiments`)).experiments;
  }

  /** Runs an entry (`name@revision`) as the shadow of the live detector; one experiment runs at a time. */
  beginExperiment(name: string, candidate: string, policy: Record<string, unknown> = {}): Promise<Experiment> {
    return this.#ask(`${this.#base}/experiments`, send("POST", { name, candidate, policy }));
  }

  /** Moves on to the next stage or share. `force`: also before the candidate has enough samples. */
  promoteExperiment(name: string, force = false): Promise<Experiment> {
    return this.#ask(`${this.#experiment(name)}/promote?force=${force}`, { method: "POST" });
  }

  /** Makes the former live detector live again. */
  rollBackExperiment(name: string): Promise<Experiment> {
    return this.#ask(`${this.#experiment(name)}/rollback`, { method: "POST" });
  }

  stopExperiment(name: string): Promise<Experiment> {
    return this.#ask(`${this.#experiment(name)}/stop`, { method: "POST" });
  }

  /** Training jobs, oldest first. */
  async jobs(): Promise<Job[]> {
    return (await this.#ask<{ jobs: Job[] }>(`${this.#base}/jobs`)).jobs;
  }

  /** Cancels a job. */
  cancelJob(id: string): Promise<Job> {
    return this.#ask(`${this.#base}/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  #experiment(name: string): string {
    return `${this.#base}/experiments/${encodeURIComponent(name)}`;
  }

  #kpi(kpi: string): string {
    return `${this.#base}/kpis/${encodeURIComponent(kpi)}`;
  }

  #ask<Answer>(url: string, request: RequestInit = {}): Promise<Answer> {
    return ask(this.#fetch, url, request);
  }

  #samples<Row>(
    kpi: string,
    query: SamplesQuery,
    signal?: AbortSignal,
  ): Promise<{ columns: string[]; series: SeriesRows<Row>[] }> {
    return this.#ask(`${this.#kpi(kpi)}/samples?${parameters({ ...query })}`, init(signal));
  }
}

function pageOrigin(): string {
  if (typeof location === "undefined") {
    throw new Error("outside of a page, give the client the server's url");
  }
  return location.origin;
}

/** `http` becomes `ws`, `https` becomes `wss`. */
function socketUrl(url: string): string {
  return url.replace(/^http/, "ws");
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
