/**
 * Fetches the data of a KPI's chart, continues it with live samples, and loads the anomalies of its
 * range.
 */

import { useEffect, useState } from "react";
import type { SampleRow } from "@earcon/client";
import { bounds, isLive, type Range } from "../../format/ranges.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { ChartData } from "./chart-data.ts";

/**
 * The server stores a sample shortly after it sends the event. After this time the gap is fetched.
 */
const REFETCH_MS = 1_500;
/** Largest number of anomalies shown in a chart. */
const MAX_ANOMALIES = 500;
/** Time until a failed fetch is repeated. */
const RETRY_MS = 5_000;

interface LoadedData {
  /** Until the data of a new range arrives, that of the last one. */
  data: ChartData | null;
  /** Whether the data is that of the range. */
  current: boolean;
  problem: string | null;
}

/** @param room returns the number of samples per series that the chart has room for */
export function useChartData(kpi: string, range: Range, room: () => number): LoadedData {
  const { store } = useAppContext();
  const [loaded, setLoaded] = useState<{ kpi: string; request: string; data: ChartData } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useSignal(store.seriesChanged);
  const request = `${kpi} ${"last" in range ? range.last : `${range.from}-${range.to}`} ${store.state.generation}`;
  const [repeat, setRepeat] = useState({ request, times: 0 });
  const times = repeat.request === request ? repeat.times : 0;

  useEffect(() => {
    const abort = new AbortController();
    const [from, to] = bounds(range, Date.now());
    const live = isLive(range);
    let current: ChartData | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Live samples that arrive before the response.
    const early: [string, SampleRow[]][] = [];
    const unsubscribe = store.onSamples((series, rows) => {
      if (series.kpi === kpi && live) {
        if (current === null) {
          early.push([series.labelText, rows]);
        } else {
          current.add(series.labelText, rows);
        }
      }
    });
    const fetchAgainIn = (ms: number) => {
      timer = setTimeout(() => setRepeat({ request, times: times + 1 }), ms);
    };
    const show = (data: ChartData) => {
      if (live && data.step === null) {
        store.state.seriesOf(kpi).forEach((series) => data.add(series.labelText, series.recent.rows()));
      }
      early.splice(0).forEach(([labels, rows]) => data.add(labels, rows));
      current = data;
      setLoaded({ kpi, request, data });
      setProblem(null);
      if (live && times === 0) {
        fetchAgainIn(REFETCH_MS);
      }
    };
    const fail = (error: unknown) => {
      if (!abort.signal.aborted) {
        setProblem(error instanceof Error ? error.message : String(error));
        fetchAgainIn(RETRY_MS);
      }
    };
    ChartData.fetch(store.api, kpi, [from, to], room(), abort.signal).then(show, fail);
    store.api.anomalies({ kpi, from, to, limit: MAX_ANOMALIES }, abort.signal).then(
      (page) => {
        store.state.applyAnomalies(page.anomalies);
        store.notify();
      },
      // The list below the chart reports problems with anomalies.
      () => undefined,
    );
    return () => {
      abort.abort();
      unsubscribe();
      clearTimeout(timer);
    };
    // `request` represents the range, which is a new object at each rendering.
  }, [store, kpi, request, times]);

  return { data: loaded?.kpi === kpi ? loaded.data : null, current: loaded?.request === request, problem };
}
