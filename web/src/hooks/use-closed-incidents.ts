/** Incidents that closed in the last 24 hours: fetched once, then kept current by live events. */

import { useEffect, useState } from "react";
import type { Incident } from "@earcon/client";
import { compareClosed, concerns } from "../format/incidents.ts";
import { useAppContext } from "./app-context.ts";
import { useNow } from "./use-now.ts";
import { useSignal } from "./use-signal.ts";

const DAY_MS = 24 * 60 * 60_000;
/** Incidents of one request. */
const LIMIT = 200;
/** Anomalies of one request. They say when the members of incidents were last anomalous. */
const ANOMALIES = 500;

export interface ClosedIncidents {
  /** The last closed first. */
  incidents: Incident[];
  /** Whether the server has more than these. */
  more: boolean;
  /** Whether the request was answered. */
  loaded: boolean;
  problem: string | null;
  retry(): void;
}

/** @param kpi only incidents with a series of this KPI; all of the workspace if absent */
export function useClosedIncidents(kpi?: string): ClosedIncidents {
  const { store } = useAppContext();
  const { state } = store;
  useSignal(store.anomaliesChanged);
  useSignal(store.seriesChanged);
  const now = useNow();
  const list = `${kpi ?? ""} ${state.generation} ${state.ready}`;
  const [answered, setAnswered] = useState({ list: "", more: false });
  const [problem, setProblem] = useState<string | null>(null);
  const [times, setTimes] = useState(0);
  const { ready } = state;
  useEffect(() => {
    if (!ready) {
      return;
    }
    const abort = new AbortController();
    const from = Date.now() - DAY_MS;
    const query = { open: false, from, limit: LIMIT, ...(kpi === undefined ? {} : { kpi }) };
    store.api.incidents(query, abort.signal).then(
      ({ incidents, next }) => {
        incidents.forEach((incident) => state.applyIncident(incident));
        setAnswered({ list, more: next !== null });
        setProblem(null);
        store.notify();
      },
      (error: Error) => !abort.signal.aborted && setProblem(error.message),
    );
    store.api.anomalies({ from, limit: ANOMALIES }, abort.signal).then(
      ({ anomalies }) => {
        state.applyAnomalies(anomalies);
        store.notify();
      },
      // Without them, the end of a member is that of its anomaly.
      () => undefined,
    );
    return () => abort.abort();
    // `list` contains everything that the answer depends on.
  }, [store, list, times]);

  const incidents = [...state.closedIncidents.values()]
    .filter((incident) => (incident.closed_at ?? 0) >= now - DAY_MS && (kpi === undefined || concerns(incident, kpi)))
    .sort(compareClosed);
  const loaded = answered.list === list;
  return { incidents, more: loaded && answered.more, loaded, problem, retry: () => setTimes(times + 1) };
}
