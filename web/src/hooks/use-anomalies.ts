/** Anomalies loaded page by page, newest first, and kept current by live events. */

import { useEffect, useState } from "react";
import type { Anomaly } from "@earcon/client";
import { compareAnomalies } from "../format/anomalies.ts";
import { useAppContext } from "./app-context.ts";
import { useSignal } from "./use-signal.ts";

export interface AnomalyPages {
  /** Open ones first, then the newest. Complete down to the oldest one listed. */
  anomalies: Anomaly[];
  /** Whether there are older ones. */
  more: boolean;
  problem: string | null;
  loadMore(): void;
  retry(): void;
}

/** What has been loaded of one list. The list is complete down to `floor`. */
interface Loaded {
  list: string;
  floor: number;
  next: string | null;
}

/** @param kpi only anomalies of this KPI; all of the workspace if absent */
export function useAnomalies(pageSize: number, kpi?: string): AnomalyPages {
  const { store } = useAppContext();
  const { state } = store;
  useSignal(store.anomaliesChanged);
  useSignal(store.seriesChanged);
  const list = `${kpi ?? ""} ${state.generation} ${state.ready}`;
  const [loaded, setLoaded] = useState<Loaded>({ list, floor: Infinity, next: null });
  const [problem, setProblem] = useState<string | null>(null);
  const current = loaded.list === list ? loaded : { list, floor: Infinity, next: null };

  const load = async (before: string | null) => {
    const query = { limit: pageSize, ...(kpi === undefined ? {} : { kpi }), ...(before === null ? {} : { before }) };
    try {
      const { anomalies, next } = await store.api.anomalies(query);
      state.applyAnomalies(anomalies);
      const oldest = anomalies[anomalies.length - 1]?.opened_at ?? Infinity;
      setLoaded({ list, next, floor: next === null ? -Infinity : oldest });
      setProblem(null);
      store.notify();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const { ready } = state;
  useEffect(() => {
    if (ready) {
      void load(null);
    }
    // `list` contains everything that the first page depends on.
  }, [store, list]);

  const anomalies = [...state.anomalies.values()]
    .filter((anomaly) => kpi === undefined || anomaly.kpi === kpi)
    // A chart may have loaded older anomalies. Others would be missing between those and this list.
    .filter((anomaly) => anomaly.state === "open" || anomaly.opened_at >= current.floor)
    .sort(compareAnomalies);
  return {
    anomalies,
    more: current.next !== null,
    problem,
    loadMore: () => void load(current.next),
    retry: () => void load(null),
  };
}
