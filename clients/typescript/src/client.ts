/** The client of one workspace: follow events, query, act, send samples. */

import {
  authorised,
  bearer,
  refusalOf,
  ticket,
  tokenOf,
  type Purpose,
  type Target,
  type Token,
} from "./access.ts";
import type { Detectors, Experiment, Job } from "./experiments.ts";
import { events, type EventsOptions, type Reset } from "./events.ts";
import { ask, type Fetch } from "./http.ts";
import { ingest, type IngestOptions, type Receipt, type Sample } from "./ingest.ts";
import type { LinkOptions } from "./link.ts";
import { REAL, Subscription, type Follower, type Environment, type Socket } from "./subscription.ts";
import {
  labelText,
  type Anomaly,
  type Deletion,
  type ExplainedAnomaly,
  type Feedback,
  type Incident,
  type Kpi,
  type IngestRules,
  type KpiSettings,
  type Labels,
  type LiveEvent,
  type RollupRow,
  type SampleRow,
  type Units,
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

/** A node, from the view of the answering node. */
export interface ClusterNode {
  node: string;
  /** `leaving`: the node shuts down. `silent`: no heartbeat arrives. */
  state: "alive" | "leaving" | "silent";
  /** Milliseconds since the last heartbeat. */
  silent_ms: number;
  version: string;
  /** Start time of the process by the node's clock, ISO 8601. */
  started: string;
  /** Milliseconds by which the node's clock is ahead of the answering node's clock. */
  clock_ms: number;
  /** Number of workspaces that the node owns. */
  workspaces: number;
}

/** A workspace in the cluster. The numbers are null if the owner did not answer. */
export interface ClusterWorkspace {
  workspace: string;
  /** null while the workspace is in transfer between two nodes. */
  owner: string | null;
  /** The newest event. */
  seq: number | null;
  kpis: number | null;
  /** Number of KPIs that are not scored, because scoring failed repeatedly. */
  parked: number | null;
  /** Number of events that the history store has not written yet. */
  history_lag: number | null;
}

export interface Cluster {
  /** false for a single node. */
  enabled: boolean;
  /** The answering node. */
  node: string;
  nodes: ClusterNode[];
  workspaces: ClusterWorkspace[];
}

export interface SamplesQuery {
  /** Start in milliseconds, inclusive. Default: one hour before `to`. */
  from?: number;
  /** End in milliseconds, exclusive. Default: now. */
  to?: number;
  labels?: Labels;
  step?: number;
  limit?: number;
}

/** What to delete of a KPI. Without times, whole series go; without any of these, the whole KPI. */
export interface DeletionQuery {
  /** First time to delete, in milliseconds. */
  from?: number;
  /** First time to keep. */
  to?: number;
  /** Only series that have all these labels. */
  labels?: Labels;
  /** Only count. */
  dryRun?: boolean;
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
  /** The value of `before` for the next page. null on the last page. */
  next: string | null;
}

export interface IncidentsQuery {
  kpi?: string;
  from?: number;
  to?: number;
  open?: boolean;
  /** true: only alerted incidents. false: only others. */
  alerted?: boolean;
  limit?: number;
  before?: string;
}

export interface IncidentsPage {
  incidents: Incident[];
  /** The value of `before` for the next page. null on the last page. */
  next: string | null;
}

/** A WebSocket class. The third argument is that of the package `ws`. */
export type SocketClass = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => Socket;

export interface ClientOptions {
  /** The server's URL, such as `http://127.0.0.1:7070`. Default: the origin of the page. */
  url?: string;
  /** The workspace's name. Default: `local`. */
  workspace?: string;
  /** An API key (`ek_…`) of a server with accounts. No error shows it. */
  key?: string;
  /** Returns a key or an access token before each request and connection. Instead of `key`. */
  token?: Token;
  /** A replacement of `fetch`, for environments without it and for tests. */
  fetch?: Fetch;
  /**
   * A WebSocket class, for environments without `WebSocket`, such as Node.js before version 22. The
   * class of the package `ws` works. It gets the key as a header of its handshake. The class of a
   * browser cannot send headers: for it the client asks for a ticket before each connection.
   */
  WebSocket?: SocketClass;
}

export class Client {
  readonly workspace: string;
  readonly #server: string;
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #environment: Environment;
  readonly #token: Token | null;
  /** Whether the WebSocket class sends headers. */
  readonly #headers: boolean;
  /**
   * Whether refused credentials end following. Those of a page's own server are its cookies: the
   * page signs in again, and following goes on.
   */
  readonly #final: boolean;

  constructor(options: ClientOptions = {}) {
    this.workspace = options.workspace ?? "local";
    this.#server = (options.url ?? pageOrigin()).replace(/\/+$/, "");
    this.#base = `${this.#server}/api/v1/workspaces/${encodeURIComponent(this.workspace)}`;
    const plain: Fetch = options.fetch ?? ((url, request) => fetch(url, request));
    this.#token = tokenOf(options.key, options.token);
    this.#fetch = this.#token === null ? plain : authorised(plain, this.#token);
    this.#final = options.url !== undefined || this.#token !== null;
    const Given = options.WebSocket;
    this.#headers = Given !== undefined && takesHeaders(Given);
    const open = (url: string, headers?: Record<string, string>) => {
      const Class = Given as SocketClass;
      return headers === undefined ? new Class(url) : new Class(url, [], { headers });
    };
    this.#environment = Given === undefined ? REAL : { ...REAL, open };
  }

  /** The URL of the event stream, without credentials. */
  get eventsUrl(): string {
    return socketUrl(`${this.#base}/events`);
  }

  /** The URL of a mix's packets, without credentials. */
  packetsUrl(mix = "default"): string {
    return socketUrl(`${this.#base}/mixes/${encodeURIComponent(mix)}/live`);
  }

  /** The URL of a mix as an endless Ogg stream, without credentials. */
  oggUrl(mix = "default"): string {
    return `${this.#base}/mixes/${encodeURIComponent(mix)}/live.ogg`;
  }

  /**
   * Returns the URL of a mix for one connection of a browser, which cannot send headers: with a
   * ticket if the client has a key. A ticket opens one stream within a minute.
   */
  async audioUrl(mix = "default", form: "packets" | "ogg" = "packets"): Promise<string> {
    const url = form === "ogg" ? this.oggUrl(mix) : this.packetsUrl(mix);
    return this.#token === null ? url : withTicket(url, await this.#ticket("audio"));
  }

  /** Returns why the server refuses the sound of a mix, or null if it does not. */
  async audioRefusal(mix = "default", signal = new AbortController().signal): Promise<Error | null> {
    return this.#final ? refusalOf(this.#fetch, this.oggUrl(mix), signal) : null;
  }

  /**
   * Delivers events, each exactly once and in order. A snapshot comes first (see `since`), and
   * replaces lost events. Throws an `ApiError` if the server does not accept the key (401) or does
   * not permit it (403), also after a connection that it permitted.
   */
  events(options: EventsOptions = {}): AsyncGenerator<LiveEvent | Reset, void, void> {
    return events(this.#events(), options, this.#environment);
  }

  /** Creates a subscription with callbacks. `start` opens it. */
  subscription(follower: Follower, options: LinkOptions = {}): Subscription {
    return new Subscription(this.#events(), follower, options, this.#environment);
  }

  /** Sends samples. Resolves when they are durable. */
  ingest(samples: readonly Sample[], options: IngestOptions = {}): Promise<Receipt> {
    return ingest(this.#fetch, `${this.#base}/kpis/ingest`, samples, options);
  }

  async workspaces(): Promise<{ id: string }[]> {
    return (await this.workspaceList()).workspaces;
  }

  /** Returns all workspaces, and whether this client may create more. */
  workspaceList(): Promise<{ workspaces: { id: string }[]; may_create: boolean }> {
    return this.#request(`${this.#server}/api/v1/workspaces`);
  }

  /** Creates a workspace. One that exists stays as it is. */
  async createWorkspace(id: string): Promise<void> {
    await this.#request(`${this.#server}/api/v1/workspaces/${encodeURIComponent(id)}`, { method: "PUT" });
  }

  cluster(signal?: AbortSignal): Promise<Cluster> {
    return this.#request(`${this.#server}/api/v1/cluster`, init(signal));
  }

  /** Returns all KPIs after event `seq`. */
  kpis(signal?: AbortSignal): Promise<{ seq: number; epoch: string; kpis: Kpi[] }> {
    return this.#request(`${this.#base}/kpis`, init(signal));
  }

  /** Returns the units and descriptions of all KPIs of which some were stated. */
  units(signal?: AbortSignal): Promise<Units> {
    return this.#request(`${this.#base}/units`, init(signal));
  }

  /** Returns the unit and the description of one KPI. */
  settings(kpi: string, signal?: AbortSignal): Promise<KpiSettings> {
    return this.#request(`${this.#kpi(kpi)}/settings`, init(signal));
  }

  /**
   * Replaces the unit and the description of a KPI. An absent one is removed. Senders change
   * nothing of them afterwards.
   */
  changeSettings(kpi: string, settings: { unit?: string; description?: string }): Promise<KpiSettings> {
    return this.#request(`${this.#kpi(kpi)}/settings`, send("PUT", settings));
  }

  /** Returns the rules for what agents send, with the revision to replace them at. */
  rules(signal?: AbortSignal): Promise<IngestRules> {
    return this.#request(`${this.#base}/ingest/rules`, init(signal));
  }

  /** Replaces the rules as a whole, if they are still at this revision. */
  changeRules(document: IngestRules["document"], revision: number): Promise<IngestRules> {
    const request = send("PUT", document);
    const headers = { ...(request.headers as Record<string, string>), "if-match": `"${revision}"` };
    return this.#request(`${this.#base}/ingest/rules`, { ...request, headers });
  }

  kpi(kpi: string, signal?: AbortSignal): Promise<Kpi> {
    return this.#request(this.#kpi(kpi), init(signal));
  }

  /** Returns the single samples of each series of a KPI. */
  async rows(kpi: string, query: Omit<SamplesQuery, "step"> = {}, signal?: AbortSignal): Promise<SeriesRows<SampleRow>[]> {
    return (await this.#samples<SampleRow>(kpi, query, signal)).series;
  }

  /** Returns one rollup per step for each series of a KPI. */
  async rollups(
    kpi: string,
    query: SamplesQuery & { step: number },
    signal?: AbortSignal,
  ): Promise<SeriesRows<RollupRow>[]> {
    return (await this.#samples<RollupRow>(kpi, query, signal)).series;
  }

  /** Deletes samples or series of a KPI, or all of it if the query names nothing. */
  delete(kpi: string, query: DeletionQuery = {}): Promise<Deletion> {
    const { dryRun, ...scope } = query;
    const whole = Object.values(scope).every((each) => each === undefined);
    const text = parameters({ ...scope, dry_run: dryRun === true });
    return this.#request(`${this.#kpi(kpi)}${whole ? "" : "/samples"}?${text}`, { method: "DELETE" });
  }

  /**
   * Deletes the workspace with everything in it. Its name can be used again. A cluster that needs
   * longer than some seconds goes on by itself.
   */
  async deleteWorkspace(): Promise<void> {
    await this.#request(`${this.#base}?${parameters({ confirm: this.workspace })}`, { method: "DELETE" });
  }

  /** Returns a page of anomalies, latest opened first. */
  anomalies(query: AnomaliesQuery = {}, signal?: AbortSignal): Promise<AnomaliesPage> {
    return this.#request(`${this.#base}/anomalies?${parameters({ ...query })}`, init(signal));
  }

  acknowledge(id: string, note = ""): Promise<Anomaly> {
    const body = note.trim() === "" ? {} : { note: note.trim() };
    return this.#request(`${this.#base}/anomalies/${encodeURIComponent(id)}/acknowledge`, send("POST", body));
  }

  /** Returns one anomaly with its explanation. */
  explain(id: string, signal?: AbortSignal): Promise<ExplainedAnomaly> {
    return this.#request(`${this.#base}/anomalies/${encodeURIComponent(id)}`, init(signal));
  }

  /** The URL of the chart of an anomaly. */
  picture(id: string, form: "svg" | "png" = "svg"): string {
    return `${this.#base}/anomalies/${encodeURIComponent(id)}/picture.${form}`;
  }

  /** Records whether an anomaly was worth the alert. It replaces earlier feedback. */
  sendFeedback(id: string, outcome: Feedback["outcome"], note = ""): Promise<Anomaly> {
    const body = note.trim() === "" ? { outcome } : { outcome, note: note.trim() };
    return this.#request(`${this.#base}/anomalies/${encodeURIComponent(id)}/feedback`, send("POST", body));
  }

  /** Mutes the series of an anomaly for a duration such as `30m`, `2h` or `1d`. */
  async mute(id: string, length: string): Promise<void> {
    await this.#request(`${this.#base}/anomalies/${encodeURIComponent(id)}/mute`, send("POST", { for: length }));
  }

  /** Returns a page of incidents, latest opened first. */
  incidents(query: IncidentsQuery = {}, signal?: AbortSignal): Promise<IncidentsPage> {
    return this.#request(`${this.#base}/incidents?${parameters({ ...query })}`, init(signal));
  }

  /** Acknowledges an incident and each of its members. */
  acknowledgeIncident(id: string, note = ""): Promise<Incident> {
    const body = note.trim() === "" ? {} : { note: note.trim() };
    return this.#request(`${this.#base}/incidents/${encodeURIComponent(id)}/acknowledge`, send("POST", body));
  }

  /** Resumes a parked KPI. */
  async resume(kpi: string): Promise<void> {
    await this.#request(`${this.#kpi(kpi)}/resume`, { method: "POST" });
  }

  mix(mix = "default"): Promise<Mix> {
    return this.#request(`${this.#base}/mixes/${encodeURIComponent(mix)}`);
  }

  changeMix(mix: string, change: Partial<Pick<Mix, "mode" | "voices" | "polarity">>): Promise<Mix> {
    return this.#request(`${this.#base}/mixes/${encodeURIComponent(mix)}`, send("PATCH", change));
  }

  /** Returns all revisions of all detector entries, and the live entry. */
  detectors(): Promise<Detectors> {
    return this.#request(`${this.#base}/detectors`);
  }

  /** Returns all experiments, ordered by name. */
  async experiments(): Promise<Experiment[]> {
    return (await this.#request<{ experiments: Experiment[] }>(`${this.#base}/experiments`)).experiments;
  }

  /**
   * Starts an experiment: the entry `candidate` (`name@revision`) runs as the shadow of the live
   * detector. Only one experiment runs at a time.
   */
  beginExperiment(name: string, candidate: string, policy: Record<string, unknown> = {}): Promise<Experiment> {
    return this.#request(`${this.#base}/experiments`, send("POST", { name, candidate, policy }));
  }

  /** Moves to the next stage or share. `force` skips the check for enough samples. */
  promoteExperiment(name: string, force = false): Promise<Experiment> {
    return this.#request(`${this.#experiment(name)}/promote?force=${force}`, { method: "POST" });
  }

  /** Restores the previous live detector. */
  rollBackExperiment(name: string): Promise<Experiment> {
    return this.#request(`${this.#experiment(name)}/rollback`, { method: "POST" });
  }

  stopExperiment(name: string): Promise<Experiment> {
    return this.#request(`${this.#experiment(name)}/stop`, { method: "POST" });
  }

  /** Returns all training jobs, oldest first. */
  async jobs(): Promise<Job[]> {
    return (await this.#request<{ jobs: Job[] }>(`${this.#base}/jobs`)).jobs;
  }

  /** Cancels a job. */
  cancelJob(id: string): Promise<Job> {
    return this.#request(`${this.#base}/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  #events(): Target {
    const [token, url] = [this.#token, this.eventsUrl];
    const refusal = (signal: AbortSignal) => refusalOf(this.#fetch, `${this.#base}/events`, signal);
    const enter: Target["enter"] =
      token === null
        ? () => ({ url })
        : this.#headers
          ? async () => ({ url, headers: { authorization: bearer(await token()) } })
          : async (signal) => ({ url: withTicket(url, await this.#ticket("events", signal)) });
    return this.#final ? { enter, refusal } : { enter };
  }

  #ticket(purpose: Purpose, signal?: AbortSignal): Promise<string> {
    return ticket(this.#fetch, `${this.#base}/tickets`, purpose, signal);
  }

  #experiment(name: string): string {
    return `${this.#base}/experiments/${encodeURIComponent(name)}`;
  }

  #kpi(kpi: string): string {
    return `${this.#base}/kpis/${encodeURIComponent(kpi)}`;
  }

  #request<Answer>(url: string, request: RequestInit = {}): Promise<Answer> {
    return ask(this.#fetch, url, request);
  }

  #samples<Row>(
    kpi: string,
    query: SamplesQuery,
    signal?: AbortSignal,
  ): Promise<{ columns: string[]; series: SeriesRows<Row>[] }> {
    return this.#request(`${this.#kpi(kpi)}/samples?${parameters({ ...query })}`, init(signal));
  }
}

function pageOrigin(): string {
  if (typeof location === "undefined") {
    throw new Error("outside of a browser, the client needs the option `url`");
  }
  return location.origin;
}

function withTicket(url: string, ticket: string): string {
  return `${url}?ticket=${encodeURIComponent(ticket)}`;
}

/** Whether a WebSocket class sends the headers that it is given: no browser's class does. */
function takesHeaders(Given: SocketClass): boolean {
  const platform: unknown = globalThis.WebSocket;
  return typeof platform !== "function" || (Given !== platform && !(Given.prototype instanceof platform));
}

/** The WebSocket URL of an HTTP URL. */
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
