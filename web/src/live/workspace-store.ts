/**
 * One workspace followed live: the connection, the board it feeds, and the histories. Changes are told once a frame,
 * however many events arrive.
 */

import { Client, type Link, type LiveEvent, type SampleRow, type Snapshot, type Subscription } from "@earcon/client";
import { Board, type LiveSeries } from "./workspace-state.ts";
import { Histories } from "./histories.ts";
import { Signal } from "./signal.ts";

/** While a page is hidden there are no frames; its title still has to tell. */
const HIDDEN_FLUSH_MS = 1_000;
/** How often an empty server is asked whether the workspace has come into being. */
const EMPTY_RETRY_MS = 2_000;

export class Station {
  readonly api: Client;
  readonly board = new Board();
  /** The connection's phase changed. */
  readonly link = new Signal();
  /** Series came, went or changed their state. */
  readonly shape = new Signal();
  /** Anomalies changed. */
  readonly news = new Signal();
  /** Something changed, whatever it was; at most once a frame. */
  readonly pulse = new Signal();
  /** The server is there, but the workspace is not: nothing was ever sent to it. */
  empty = false;
  readonly #socket: Subscription;
  readonly #histories: Histories;
  readonly #series = new Map<string, Signal>();
  readonly #touched = new Set<string>();
  readonly #taps = new Set<(series: LiveSeries, rows: SampleRow[]) => void>();
  #flushing = false;
  #seen = { shape: 0, states: 0, news: 0 };
  #emptyTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(workspace: string) {
    this.api = new Client({ workspace });
    this.#histories = new Histories(this.api, this.board, (series) => this.#touch(series));
    this.#socket = this.api.subscription({
      event: (event) => this.#event(event),
      snapshot: (snapshot, lost) => this.#snapshot(snapshot, lost),
      changed: (link) => this.#linkChanged(link),
    });
  }

  get connection(): Link {
    return this.#socket.link;
  }

  start(): void {
    addEventListener("online", this.#hurry);
    document.addEventListener("visibilitychange", this.#hurry);
    this.#socket.start();
  }

  stop(): void {
    removeEventListener("online", this.#hurry);
    document.removeEventListener("visibilitychange", this.#hurry);
    if (this.#emptyTimer !== null) {
      clearTimeout(this.#emptyTimer);
    }
    this.#socket.stop();
  }

  /** Tries to connect now rather than later. */
  hurry(): void {
    this.#socket.hurry();
  }

  /** Tells when this one series changes. */
  series(key: string): Signal {
    const known = this.#series.get(key) ?? new Signal();
    this.#series.set(key, known);
    return known;
  }

  /** Hands over every live sample of every series as it arrives, late ones included. */
  tap(tap: (series: LiveSeries, rows: SampleRow[]) => void): () => void {
    this.#taps.add(tap);
    return () => {
      this.#taps.delete(tap);
    };
  }

  /** Makes sure that the recent points of a series reach back before this page was opened. */
  wantHistory(series: LiveSeries): void {
    this.#histories.want(series);
  }

  /** Tells subscribers about changes made to the board from outside, such as anomalies that were asked for. */
  announce(): void {
    this.#touch([]);
  }

  readonly #hurry = () => {
    if (document.visibilityState === "visible") {
      this.#socket.hurry();
    } else if (this.#flushing) {
      // The frame that was asked for may not come for hours.
      setTimeout(() => this.#flush(), HIDDEN_FLUSH_MS);
    }
  };

  #event(event: LiveEvent): void {
    this.#touch(this.board.takeEvent(event));
    if (event.type === "samples" && this.#taps.size > 0) {
      for (const told of event.data.series) {
        const series = this.board.find(event.kpi, told.labels);
        const late = (told.late ?? []).map(([at, value]): SampleRow => [at, value, null, null, null, null]);
        this.#taps.forEach((tap) => tap(series, [...late, ...told.samples]));
      }
    }
  }

  #snapshot(snapshot: Snapshot, lost: boolean): void {
    this.empty = false;
    this.board.takeSnapshot(snapshot, lost);
    this.#touch([...this.board.series.values()]);
  }

  #linkChanged(link: Link): void {
    if (link.phase === "live") {
      this.empty = false;
    } else if (link.phase === "waiting" && link.cursor === null) {
      void this.#lookWhetherEmpty();
    }
    this.link.emit();
  }

  async #lookWhetherEmpty(): Promise<void> {
    let there: boolean;
    try {
      there = (await this.api.workspaces()).some((workspace) => workspace.id === this.api.workspace);
    } catch {
      this.empty = false;
      this.link.emit();
      return;
    }
    if (this.#socket.link.phase === "live") {
      return;
    }
    this.empty = !there;
    this.link.emit();
    if (this.empty && this.#emptyTimer === null) {
      this.#emptyTimer = setTimeout(() => {
        this.#emptyTimer = null;
        this.#socket.hurry();
      }, EMPTY_RETRY_MS);
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
    const { shape, states, news } = this.board;
    if (shape !== this.#seen.shape || states !== this.#seen.states) {
      this.shape.emit();
    }
    if (news !== this.#seen.news) {
      this.news.emit();
    }
    this.#seen = { shape, states, news };
    this.pulse.emit();
  }
}
