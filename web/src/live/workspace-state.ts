/**
 * State of one workspace: all series with their recent points, known anomalies, open incidents.
 * Events and snapshots are applied here. Version counters say what changed.
 * No network, no clock, no drawing.
 */

import {
  type Acknowledged,
  type Anomaly,
  type Deleted,
  type Feedback,
  type Incident,
  type Kpi,
  type Labels,
  type LiveEvent,
  type SampleRow,
  type Series,
  seriesKey,
  type SeriesSamples,
  type SeriesState,
  type Snapshot,
} from "@earcon/client";
import { type LiveSeries, newSeries } from "./live-series.ts";

/** Closed incidents that are kept. Those that closed earliest are dropped. */
const MAX_CLOSED = 500;

export class WorkspaceState {
  readonly series = new Map<string, LiveSeries>();
  readonly anomalies = new Map<string, Anomaly>();
  /** Open incidents only. */
  readonly incidents = new Map<string, Incident>();
  /** Closed incidents that events or responses have named, at most `MAX_CLOSED`. */
  readonly closedIncidents = new Map<string, Incident>();
  /** Grows when a series is added or removed. */
  seriesVersion = 0;
  /** Grows when an anomaly or an incident changes. */
  anomaliesVersion = 0;
  /** Grows when a series changes its state. */
  statesVersion = 0;
  /** Grows when points were missed, so that histories must be fetched again. */
  generation = 0;
  /** Whether a snapshot has been applied. */
  ready = false;

  /** All series of a KPI. */
  seriesOf(kpi: string): LiveSeries[] {
    return [...this.series.values()].filter((series) => series.kpi === kpi);
  }

  /** Number of open anomalies. */
  get openAnomalies(): number {
    let open = 0;
    for (const anomaly of this.anomalies.values()) {
      open += anomaly.state === "open" ? 1 : 0;
    }
    return open;
  }

  /** Replaces the state with a snapshot. `lost` marks all histories as incomplete. */
  applySnapshot(snapshot: Snapshot, lost: boolean): void {
    const present = new Set<string>();
    for (const kpi of snapshot.kpis) {
      for (const series of kpi.series) {
        present.add(this.#applySeries(kpi, series).key);
      }
    }
    for (const key of [...this.series.keys()]) {
      if (!present.has(key)) {
        this.series.delete(key);
      }
    }
    const open = new Set(snapshot.anomalies.map((anomaly) => anomaly.id));
    for (const [id, anomaly] of this.anomalies) {
      // It closed while the page was disconnected, so the stored copy is wrong.
      if (anomaly.state === "open" && !open.has(id)) {
        this.anomalies.delete(id);
      }
    }
    this.incidents.clear();
    snapshot.incidents.forEach((incident) => this.applyIncident(incident));
    this.applyAnomalies(snapshot.anomalies);
    this.generation += lost ? 1 : 0;
    this.ready = true;
    this.seriesVersion += 1;
    this.statesVersion += 1;
    this.anomaliesVersion += 1;
  }

  /** Applies one event. Returns the series that changed. */
  applyEvent(event: LiveEvent): LiveSeries[] {
    switch (event.type) {
      case "samples":
        return event.data.series.map((samples) => this.#applySamples(event.kpi, samples));
      case "anomaly.opened":
      case "anomaly.updated":
      case "anomaly.closed":
        return this.#applyAnomalyEvent(event.data);
      case "incident.opened":
      case "incident.updated":
      case "incident.closed":
        this.applyIncident(event.data);
        return [];
      case "anomaly.acknowledged":
        this.acknowledge(event.data.id, event.data.acknowledged);
        return [];
      case "anomaly.feedback":
        this.#recordFeedback(event.data.id, event.data.feedback);
        return [];
      case "series.stalled":
        return [this.#setState(this.findOrCreate(event.kpi, event.data.labels), "stalled")];
      case "series.ended":
        return [this.#setState(this.findOrCreate(event.kpi, event.data.labels), "ended")];
      case "samples.backfilled":
        return event.data.series.map((history) => this.#setState(this.findOrCreate(event.kpi, history.labels), history.state));
      case "series.restored": {
        const series = this.findOrCreate(event.kpi, event.data.labels);
        const state = series.anomaly !== null ? "anomalous" : series.warming ? "warming" : "normal";
        return [this.#setState(series, state)];
      }
      case "deleted":
        return this.#applyDeletion(event.kpi, event.data);
      case "detector.changed":
      case "detector.trained":
        return [];
      case "kpi.parked":
        return this.seriesOf(event.kpi).map((series) => {
          series.reason = event.data.reason;
          return this.#setState(series, "parked");
        });
      case "kpi.resumed":
        return this.seriesOf(event.kpi).map((series) => {
          series.reason = null;
          return this.#setState(series, series.anomaly !== null ? "anomalous" : "normal");
        });
    }
  }

  /** Stores anomalies from a response. A closed anomaly is not reopened by an older response. */
  applyAnomalies(anomalies: readonly Anomaly[]): void {
    for (const anomaly of anomalies) {
      const known = this.anomalies.get(anomaly.id);
      const older = known !== undefined && known.state === "closed" && anomaly.state === "open";
      if (!older) {
        // Samples may have come while the response was on its way.
        const counted = known !== undefined && anomaly.state === "open" && known.last_at > anomaly.last_at;
        this.anomalies.set(anomaly.id, {
          ...anomaly,
          ...(counted ? { samples: known.samples, last_at: known.last_at } : {}),
          acknowledged: anomaly.acknowledged ?? known?.acknowledged ?? null,
        });
      }
    }
    this.anomaliesVersion += 1;
  }

  /** Stores an incident unless a later revision is known. A closed incident does not open again. */
  applyIncident(incident: Incident): void {
    const { id, state, revision } = incident;
    const known = this.incidents.get(id) ?? this.closedIncidents.get(id);
    const newer = known === undefined || known.revision <= revision;
    if (state !== "open") {
      this.incidents.delete(id);
    }
    if (state === "open" && newer && !this.closedIncidents.has(id)) {
      this.incidents.set(id, incident);
    } else if (state === "closed" && newer) {
      this.closedIncidents.set(id, incident);
      this.#dropOldestClosed();
    } else if (state === "merged") {
      this.closedIncidents.delete(id);
    }
    this.anomaliesVersion += 1;
  }

  #dropOldestClosed(): void {
    if (this.closedIncidents.size <= MAX_CLOSED) {
      return;
    }
    const closedAt = ({ closed_at, opened_at }: Incident) => closed_at ?? opened_at;
    const [oldest] = [...this.closedIncidents.values()].sort((a, b) => closedAt(a) - closedAt(b));
    this.closedIncidents.delete(oldest?.id ?? "");
  }

  /** Records who acknowledged an anomaly. */
  acknowledge(id: string, acknowledged: Acknowledged): void {
    const known = this.anomalies.get(id);
    if (known !== undefined) {
      this.anomalies.set(id, { ...known, acknowledged });
      this.anomaliesVersion += 1;
    }
  }

  /** Records a person's feedback on an anomaly. */
  #recordFeedback(id: string, feedback: Feedback): void {
    const known = this.anomalies.get(id);
    if (known !== undefined) {
      this.anomalies.set(id, { ...known, feedback });
      this.anomaliesVersion += 1;
    }
  }

  /** Merges a fetched history into the recent points of a series. */
  mergeHistory(series: LiveSeries, rows: readonly SampleRow[], generation: number): void {
    const live = series.recent.rows();
    series.recent.merge(rows);
    // Live points are at least as new as the history, so they win.
    series.recent.merge(live);
    series.historyGeneration = generation;
    series.version += 1;
  }

  /** Marks all histories as incomplete: they may hold points that are gone. */
  forgetHistories(): void {
    this.generation += 1;
  }

  /** Drops what a person deleted. Returns the series that lost samples and stay. */
  #applyDeletion(kpi: string, { scope, labels, from, to }: Deleted): LiveSeries[] {
    const matches = (found: Labels) => Object.entries(labels).every(([name, value]) => found[name] === value);
    const inside = (at: number) => scope !== "samples" || (at >= (from ?? -Infinity) && at < (to ?? Infinity));
    for (const [id, anomaly] of this.anomalies) {
      const covered = inside(anomaly.opened_at) || inside(anomaly.peak.timestamp);
      if (anomaly.kpi === kpi && matches(anomaly.labels) && covered) {
        this.anomalies.delete(id);
        this.anomaliesVersion += 1;
      }
    }
    const touched = this.seriesOf(kpi).filter((series) => matches(series.labels));
    this.forgetHistories();
    if (scope !== "samples") {
      touched.forEach((series) => this.series.delete(series.key));
      this.seriesVersion += 1;
      return [];
    }
    for (const series of touched) {
      series.recent.retain((at) => !inside(at));
      if (series.timestamp !== null && inside(series.timestamp)) {
        const none = { timestamp: null, value: null, score: null, expected: null, lower: null, upper: null };
        Object.assign(series, none, { features: null });
      }
      series.version += 1;
    }
    return touched;
  }

  #applyAnomalyEvent(anomaly: Anomaly): LiveSeries[] {
    const known = this.anomalies.get(anomaly.id);
    const acknowledged = anomaly.acknowledged ?? known?.acknowledged ?? null;
    this.anomalies.set(anomaly.id, { ...anomaly, acknowledged });
    this.anomaliesVersion += 1;
    const series = this.findOrCreate(anomaly.kpi, anomaly.labels);
    series.anomaly = anomaly.state === "open" ? anomaly.id : null;
    // The samples event before it may hold more samples than the anomaly counts.
    this.#countAnomalous(series.anomaly, series.recent.rows());
    if (series.state === "anomalous" || series.state === "normal" || anomaly.state === "open") {
      this.#setState(series, anomaly.state === "open" ? "anomalous" : "normal");
    }
    return [series];
  }

  #applySamples(kpi: string, samples: SeriesSamples): LiveSeries {
    const series = this.findOrCreate(kpi, samples.labels);
    for (const row of samples.samples) {
      series.recent.put(row);
    }
    this.#countAnomalous(series.anomaly, samples.samples);
    const late = samples.late ?? [];
    for (const [timestamp, value] of late) {
      series.recent.put([timestamp, value, null, null, null, null]);
    }
    const newest = samples.samples[samples.samples.length - 1];
    if (newest !== undefined) {
      [
        series.timestamp,
        series.value,
        series.score,
        series.expected,
        series.lower,
        series.upper,
      ] = newest;
    }
    series.late += late.length;
    series.warming = samples.warming;
    series.features = samples.features;
    series.reason = null;
    return this.#setState(series, samples.state);
  }

  /**
   * Counts the samples of an open anomaly as the server does, which reports only some of them.
   * Exactly the values outside of their bands are anomalous.
   */
  #countAnomalous(id: string | null, rows: readonly SampleRow[]): void {
    const known = id === null ? undefined : this.anomalies.get(id);
    if (known === undefined || known.state !== "open") {
      return;
    }
    const outside = rows.filter(
      ([at, value, , , lower, upper]) =>
        at > known.last_at && lower !== null && upper !== null && (value < lower || value > upper),
    );
    const newest = outside[outside.length - 1];
    if (newest !== undefined) {
      this.anomalies.set(known.id, { ...known, samples: known.samples + outside.length, last_at: newest[0] });
      this.anomaliesVersion += 1;
    }
  }

  #applySeries(kpi: Kpi, snapshot: Series): LiveSeries {
    const series = this.findOrCreate(kpi.kpi, snapshot.labels);
    Object.assign(series, {
      state: kpi.state === "parked" ? "parked" : snapshot.state,
      warming: snapshot.warming,
      timestamp: snapshot.timestamp,
      value: snapshot.value,
      score: snapshot.score,
      expected: snapshot.expected,
      lower: snapshot.lower,
      upper: snapshot.upper,
      features: snapshot.features,
      late: snapshot.late,
      anomaly: snapshot.anomaly,
      reason: kpi.reason,
    });
    if (snapshot.timestamp !== null && snapshot.value !== null) {
      series.recent.put([
        snapshot.timestamp,
        snapshot.value,
        snapshot.score,
        snapshot.expected,
        snapshot.lower,
        snapshot.upper,
      ]);
    }
    series.version += 1;
    return series;
  }

  #setState(series: LiveSeries, state: SeriesState | "parked"): LiveSeries {
    if (series.state !== state) {
      series.state = state;
      this.statesVersion += 1;
    }
    series.version += 1;
    return series;
  }

  /** The series of a KPI with these labels. Created if it is not known yet. */
  findOrCreate(kpi: string, labels: Labels): LiveSeries {
    const key = seriesKey(kpi, labels);
    const known = this.series.get(key);
    if (known !== undefined) {
      return known;
    }
    const created = newSeries(kpi, labels);
    this.series.set(key, created);
    this.seriesVersion += 1;
    return created;
  }
}
