/**
 * A workspace as it stands: every KPI, its series with their recent points, and the anomalies known. Events and
 * snapshots go in, versions tell what changed. No network, no clock, no drawing.
 */

import {
  type Acknowledged,
  type Anomaly,
  type Features,
  type Incident,
  type Kpi,
  type Labels,
  labelText,
  type LiveEvent,
  type SampleRow,
  type Series,
  seriesKey,
  type SeriesSamples,
  type SeriesState,
  type Snapshot,
  type Warming,
  type Verdict,
} from "@earcon/client";
import { Track } from "./point-buffer.ts";

/** Points a series keeps for its sparkline and to bridge the way from history to live. */
const RECENT = 900;

export interface LiveSeries {
  readonly key: string;
  readonly kpi: string;
  readonly labels: Labels;
  /** Canonical text of the labels; empty without any. */
  readonly labelText: string;
  state: SeriesState | "parked";
  warming: Warming | null;
  timestamp: number | null;
  value: number | null;
  score: number | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  features: Features | null;
  late: number;
  /** The open anomaly. */
  anomaly: string | null;
  /** Why it is parked. */
  reason: string | null;
  readonly recent: Track;
  /** Grows with every change of this series. */
  version: number;
  /** Histories fetched for an older generation of the board have to be fetched again. */
  historyOf: number;
}

export class Board {
  readonly series = new Map<string, LiveSeries>();
  readonly anomalies = new Map<string, Anomaly>();
  /** The open ones. */
  readonly incidents = new Map<string, Incident>();
  /** Grows when a series comes or goes. */
  shape = 0;
  /** Grows when an anomaly changes. */
  news = 0;
  /** Grows when a series enters or leaves a state. */
  states = 0;
  /** Grows when points were missed that only the history knows. */
  generation = 0;
  /** Whether a snapshot was seen. */
  ready = false;

  /** Every series of a KPI. */
  of(kpi: string): LiveSeries[] {
    return [...this.series.values()].filter((series) => series.kpi === kpi);
  }

  /** How many anomalies are open. */
  get open(): number {
    let open = 0;
    for (const anomaly of this.anomalies.values()) {
      open += anomaly.state === "open" ? 1 : 0;
    }
    return open;
  }

  /** Takes the state after an event in place of what was known. `lost` marks every history as incomplete. */
  takeSnapshot(snapshot: Snapshot, lost: boolean): void {
    const present = new Set<string>();
    for (const kpi of snapshot.kpis) {
      for (const series of kpi.series) {
        present.add(this.#takeSeries(kpi, series).key);
      }
    }
    for (const key of [...this.series.keys()]) {
      if (!present.has(key)) {
        this.series.delete(key);
      }
    }
    const open = new Set(snapshot.anomalies.map((anomaly) => anomaly.id));
    for (const [id, anomaly] of this.anomalies) {
      // It closed unseen: what is known of it is no longer true.
      if (anomaly.state === "open" && !open.has(id)) {
        this.anomalies.delete(id);
      }
    }
    this.incidents.clear();
    (snapshot.incidents ?? []).forEach((incident) => this.takeIncident(incident));
    this.takeAnomalies(snapshot.anomalies);
    this.generation += lost ? 1 : 0;
    this.ready = true;
    this.shape += 1;
    this.states += 1;
    this.news += 1;
  }

  /** Takes one event; says which series it touched. */
  takeEvent(event: LiveEvent): LiveSeries[] {
    switch (event.type) {
      case "samples":
        return event.data.series.map((samples) => this.#takeSamples(event.kpi, samples));
      case "anomaly.opened":
      case "anomaly.updated":
      case "anomaly.closed":
        return this.#takeEpisode(event.data);
      case "incident.opened":
      case "incident.updated":
      case "incident.closed":
        this.takeIncident(event.data);
        return [];
      case "anomaly.acknowledged":
        this.acknowledge(event.data.id, event.data.acknowledged);
        return [];
      case "anomaly.judged":
        this.#judge(event.data.id, event.data.verdict);
        return [];
      case "series.stalled":
        return [this.#enter(this.find(event.kpi, event.data.labels), "stalled")];
      case "series.ended":
        return [this.#enter(this.find(event.kpi, event.data.labels), "ended")];
      case "samples.backfilled":
        return event.data.series.map((history) => this.#enter(this.find(event.kpi, history.labels), history.state));
      case "series.restored": {
        const series = this.find(event.kpi, event.data.labels);
        const state = series.anomaly !== null ? "anomalous" : series.warming ? "warming" : "normal";
        return [this.#enter(series, state)];
      }
      case "detector.changed":
      case "detector.trained":
        return [];
      case "kpi.parked":
        return this.of(event.kpi).map((series) => {
          series.reason = event.data.reason;
          return this.#enter(series, "parked");
        });
      case "kpi.resumed":
        return this.of(event.kpi).map((series) => {
          series.reason = null;
          return this.#enter(series, series.anomaly !== null ? "anomalous" : "normal");
        });
    }
  }

  /** Takes anomalies that were asked for. What an event said later stays. */
  takeAnomalies(anomalies: readonly Anomaly[]): void {
    for (const anomaly of anomalies) {
      const known = this.anomalies.get(anomaly.id);
      const older = known !== undefined && known.state === "closed" && anomaly.state === "open";
      if (!older) {
        this.anomalies.set(anomaly.id, {
          ...anomaly,
          acknowledged: anomaly.acknowledged ?? known?.acknowledged ?? null,
        });
      }
    }
    this.news += 1;
  }

  /** Takes an incident as it stands; what was heard of it later stays. */
  takeIncident(incident: Incident): void {
    const known = this.incidents.get(incident.id);
    if (incident.state !== "open") {
      this.incidents.delete(incident.id);
    } else if (known === undefined || known.revision <= incident.revision) {
      this.incidents.set(incident.id, incident);
    }
    this.news += 1;
  }

  /** Somebody has seen an anomaly. */
  acknowledge(id: string, acknowledged: Acknowledged): void {
    const known = this.anomalies.get(id);
    if (known !== undefined) {
      this.anomalies.set(id, { ...known, acknowledged });
      this.news += 1;
    }
  }

  /** Somebody said what an anomaly was. */
  #judge(id: string, verdict: Verdict): void {
    const known = this.anomalies.get(id);
    if (known !== undefined) {
      this.anomalies.set(id, { ...known, verdict });
      this.news += 1;
    }
  }

  /** Takes a history into a series' recent points. */
  takeHistory(series: LiveSeries, rows: readonly SampleRow[], generation: number): void {
    const live = series.recent.rows();
    series.recent.merge(rows);
    // What the events said is never older than what the history says.
    series.recent.merge(live);
    series.historyOf = generation;
    series.version += 1;
  }

  #takeEpisode(anomaly: Anomaly): LiveSeries[] {
    const known = this.anomalies.get(anomaly.id);
    const acknowledged = anomaly.acknowledged ?? known?.acknowledged ?? null;
    this.anomalies.set(anomaly.id, { ...anomaly, acknowledged });
    this.news += 1;
    const series = this.find(anomaly.kpi, anomaly.labels);
    series.anomaly = anomaly.state === "open" ? anomaly.id : null;
    if (series.state === "anomalous" || series.state === "normal" || anomaly.state === "open") {
      this.#enter(series, anomaly.state === "open" ? "anomalous" : "normal");
    }
    return [series];
  }

  #takeSamples(kpi: string, samples: SeriesSamples): LiveSeries {
    const series = this.find(kpi, samples.labels);
    for (const row of samples.samples) {
      series.recent.put(row);
    }
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
    return this.#enter(series, samples.state);
  }

  #takeSeries(kpi: Kpi, told: Series): LiveSeries {
    const series = this.find(kpi.kpi, told.labels);
    Object.assign(series, {
      state: kpi.state === "parked" ? "parked" : told.state,
      warming: told.warming,
      timestamp: told.timestamp,
      value: told.value,
      score: told.score,
      expected: told.expected,
      lower: told.lower,
      upper: told.upper,
      features: told.features,
      late: told.late,
      anomaly: told.anomaly,
      reason: kpi.reason,
    });
    if (told.timestamp !== null && told.value !== null) {
      series.recent.put([
        told.timestamp,
        told.value,
        told.score,
        told.expected,
        told.lower,
        told.upper,
      ]);
    }
    series.version += 1;
    return series;
  }

  #enter(series: LiveSeries, state: SeriesState | "parked"): LiveSeries {
    if (series.state !== state) {
      series.state = state;
      this.states += 1;
    }
    series.version += 1;
    return series;
  }

  /** The series of a KPI with these labels; made when it is not known yet. */
  find(kpi: string, labels: Labels): LiveSeries {
    const key = seriesKey(kpi, labels);
    const known = this.series.get(key);
    if (known !== undefined) {
      return known;
    }
    const fresh: LiveSeries = {
      key,
      kpi,
      labels,
      labelText: labelText(labels),
      state: "warming",
      warming: null,
      timestamp: null,
      value: null,
      score: null,
      expected: null,
      lower: null,
      upper: null,
      features: null,
      late: 0,
      anomaly: null,
      reason: null,
      recent: new Track(RECENT),
      version: 0,
      historyOf: -1,
    };
    this.series.set(key, fresh);
    this.shape += 1;
    return fresh;
  }
}
