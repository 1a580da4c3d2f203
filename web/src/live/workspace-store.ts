/**
 * Follows one workspace live: the connection, the state fed by its events, and the histories.
 * Subscribers are notified at most once a frame, however many events arrive.
 */

import { Client, type Fetch, type KpiSettings, type Link, type LiveEvent, type SampleRow, type Snapshot, type Subscription } from "@earcon/client";
import { Freshness } from "./freshness.ts";
import { Histories } from "./histories.ts";
import type { LiveSeries } from "./live-series.ts";
import { Signal } from "./signal.ts";
import { WorkspaceState } from "./workspace-state.ts";

/** A hidden page gets no frames, but its title must still be updated. */
const HIDDEN_FLUSH_MS = 1_000;
/** Interval at which the page looks for a workspace that does not exist yet. */
const MISSING_RETRY_MS = 2_000;

/** After so many failures in a row, the page looks whether its workspace is still there. */
const LOST_AFTER = 2;

/** Units may be stated at any time. Those of new KPIs are read this long after they appear. */
const UNITS_EVERY_MS = 60_000;
const UNITS_SOON_MS = 2_000;
/** History follows an event after a moment. Histories fetched before that are fetched again. */
const DELETED_MS = 2_000;

type SampleListener = (series: LiveSeries, rows: SampleRow[]) => void;

export class WorkspaceStore {
  readonly api: Client;
  readonly state = new WorkspaceState();
  /** The connection changed its phase. */
  readonly connectionChanged = new Signal();
  /** Series were added, removed or changed their state. */
  readonly seriesChanged = new Signal();
  /** Anomalies or incidents changed. */
  readonly anomaliesChanged = new Signal();
  /** Units or descriptions changed. */
  readonly unitsChanged = new Signal();
  /** Units and descriptions of the KPIs, by name. */
  units: Record<string, KpiSettings> = {};
  /** Anything changed. At most once a frame. */
  readonly changed = new Signal();
  /** The server answers, but the workspace does not exist. */
  missing = false;
  /** Whether this page may create workspaces, as the server said last. */
  mayCreate = false;
  readonly #subscription: Subscription;
  readonly #freshness = new Freshness();
  readonly #histories: Histories;
  readonly #series = new Map<string, Signal>();
  readonly #touched = new Set<string>();
  readonly #sampleListeners = new Set<SampleListener>();
  #flushing = false;
  #notified = { seriesVersion: 0, statesVersion: 0, anomaliesVersion: 0 };
  #unitsTimer: ReturnType<typeof setTimeout> | null = null;
  #unitsDue = Infinity;
  #unitsRevision = -1;
  #missingTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(workspace: string, fetch: Fetch) {
    this.api = new Client({ workspace, fetch });
    this.#histories = new Histories(this.api, this.state, (series) => this.#touch(series));
    this.#subscription = this.api.subscription({
      event: (event) => this.#applyEvent(event),
      snapshot: (snapshot, lost) => this.#applySnapshot(snapshot, lost),
      changed: (link) => this.#linkChanged(link),
    });
  }

  get connection(): Link {
    return this.#subscription.link;
  }

  /** Since when the state is outdated. null if it is current, or if there is none yet. */
  outdatedSince(now: number): number | null {
    return this.state.ready ? this.#freshness.outdatedSince(this.connection, now) : null;
  }

  start(): void {
    addEventListener("online", this.#onVisibleOrOnline);
    document.addEventListener("visibilitychange", this.#onVisibleOrOnline);
    this.#subscription.start();
  }

  stop(): void {
    removeEventListener("online", this.#onVisibleOrOnline);
    document.removeEventListener("visibilitychange", this.#onVisibleOrOnline);
    if (this.#missingTimer !== null) {
      clearTimeout(this.#missingTimer);
      this.#missingTimer = null;
    }
    if (this.#unitsTimer !== null) {
      clearTimeout(this.#unitsTimer);
      this.#unitsTimer = null;
      this.#unitsDue = Infinity;
    }
    this.#subscription.stop();
  }

  /** Connects without waiting for the rest of the backoff. */
  reconnectNow(): void {
    this.#subscription.reconnectNow();
  }

  /** Signal of one series. */
  seriesSignal(key: string): Signal {
    const known = this.#series.get(key) ?? new Signal();
    this.#series.set(key, known);
    return known;
  }

  /**
   * Calls `listener` with all live samples of all series, late samples included. Returns the
   * unsubscribe function.
   */
  onSamples(listener: SampleListener): () => void {
    this.#sampleListeners.add(listener);
    return () => {
      this.#sampleListeners.delete(listener);
    };
  }

  /** Loads the points of a series from before this page was opened. */
  requestHistory(series: LiveSeries): void {
    this.#histories.request(series);
  }

  /**
   * Notifies subscribers after a change of the state from outside, for example after a response.
   */
  notify(): void {
    this.#touch([]);
  }

  /** States the unit and the description of a KPI, and shows them at once. */
  async changeSettings(kpi: string, settings: { unit?: string; description?: string }): Promise<void> {
    const changed = await this.api.changeSettings(kpi, settings);
    this.units = { ...this.units, [kpi]: changed };
    this.unitsChanged.emit();
    this.#touch([...this.state.series.values()]);
  }

  readonly #onVisibleOrOnline = () => {
    if (document.visibilityState === "visible") {
      this.#subscription.reconnectNow();
    } else if (this.#flushing) {
      // The requested frame does not come while the page is hidden.
      setTimeout(() => this.#flush(), HIDDEN_FLUSH_MS);
    }
  };

  #applyEvent(event: LiveEvent): void {
    this.#touch(this.state.applyEvent(event));
    if (event.type === "deleted") {
      setTimeout(() => this.#forgetHistories(), DELETED_MS);
    }
    if (event.type === "samples" && this.#sampleListeners.size > 0) {
      for (const received of event.data.series) {
        const series = this.state.findOrCreate(event.kpi, received.labels);
        const late = (received.late ?? []).map(([at, value]): SampleRow => [at, value, null, null, null, null]);
        this.#sampleListeners.forEach((listener) => listener(series, [...late, ...received.samples]));
      }
    }
  }

  #forgetHistories(): void {
    this.state.forgetHistories();
    this.#touch([]);
    this.seriesChanged.emit();
  }

  #applySnapshot(snapshot: Snapshot, lost: boolean): void {
    this.missing = false;
    this.state.applySnapshot(snapshot, lost);
    this.#readUnits(0);
    this.#touch([...this.state.series.values()]);
  }

  /** Reads units and descriptions after a while, unless they are read before that anyway. */
  #readUnits(wait: number): void {
    const due = Date.now() + wait;
    if (due >= this.#unitsDue) {
      return;
    }
    if (this.#unitsTimer !== null) {
      clearTimeout(this.#unitsTimer);
    }
    this.#unitsDue = due;
    this.#unitsTimer = setTimeout(() => {
      void this.api
        .units()
        .then(({ revision, kpis }) => {
          if (revision !== this.#unitsRevision) {
            this.#unitsRevision = revision;
            this.units = kpis;
            this.unitsChanged.emit();
            this.#touch([...this.state.series.values()]);
          }
        })
        // Numbers are shown with the units known so far.
        .catch(() => undefined)
        .finally(() => {
          this.#unitsDue = Infinity;
          this.#readUnits(UNITS_EVERY_MS);
        });
    }, wait);
  }

  #linkChanged(link: Link): void {
    this.#freshness.update(link, Date.now());
    if (link.phase === "live") {
      this.missing = false;
    } else if (link.phase === "waiting" && (link.cursor === null || link.failures >= LOST_AFTER)) {
      // It may have been deleted.
      void this.#checkWhetherMissing();
    }
    this.connectionChanged.emit();
  }

  async #checkWhetherMissing(): Promise<void> {
    let exists: boolean;
    try {
      const { workspaces, may_create } = await this.api.workspaceList();
      exists = workspaces.some((workspace) => workspace.id === this.api.workspace);
      this.mayCreate = may_create;
    } catch {
      this.missing = false;
      this.connectionChanged.emit();
      return;
    }
    if (this.#subscription.link.phase === "live") {
      return;
    }
    this.missing = !exists;
    this.connectionChanged.emit();
    if (this.missing && this.#missingTimer === null) {
      this.#missingTimer = setTimeout(() => {
        this.#missingTimer = null;
        this.#subscription.reconnectNow();
      }, MISSING_RETRY_MS);
    }
  }

  #touch(series: LiveSeries[]): void {
    for (const one of series) {
      this.#touched.add(one.key);
    }
    if (this.#flushing) {
      return;
    }
    this.#flushing = true;
    if (document.visibilityState === "visible") {
      requestAnimationFrame(() => this.#flush());
    } else {
      setTimeout(() => this.#flush(), HIDDEN_FLUSH_MS);
    }
  }

  #flush(): void {
    if (!this.#flushing) {
      return;
    }
    this.#flushing = false;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const key of touched) {
      this.#series.get(key)?.emit();
    }
    const { seriesVersion, statesVersion, anomaliesVersion } = this.state;
    if (seriesVersion !== this.#notified.seriesVersion) {
      this.#readUnits(UNITS_SOON_MS);
    }
    if (seriesVersion !== this.#notified.seriesVersion || statesVersion !== this.#notified.statesVersion) {
      this.seriesChanged.emit();
    }
    if (anomaliesVersion !== this.#notified.anomaliesVersion) {
      this.anomaliesChanged.emit();
    }
    this.#notified = { seriesVersion, statesVersion, anomaliesVersion };
    this.changed.emit();
  }
}
