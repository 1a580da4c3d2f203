/** Anomalies read page by page, latest first, and joined with what the events tell meanwhile. */

import { useEffect, useState } from "react";
import type { Anomaly } from "@earcon/client";
import { compareAnomalies } from "../format/anomalies.ts";
import { useSignal, useSurroundings } from "./app-context.ts";

export interface AnomalyPages {
  /** Open ones first, then the newest; nothing is missing in between. */
  anomalies: Anomaly[];
  /** Whether there are older ones. */
  more: boolean;
  problem: string | null;
  loadMore(): void;
  retry(): void;
}

/** What was read of one list: down to `floor` it is complete. */
interface Read {
  list: string;
  floor: number;
  next: string | null;
}

/** @param kpi only those of this KPI; all of the workspace when absent */
export function useAnomalies(pageSize: number, kpi?: string): AnomalyPages {
  const { station } = useSurroundings();
  const { board } = station;
  useSignal(station.news);
  useSignal(station.shape);
  const list = `${kpi ?? ""} ${board.generation} ${board.ready}`;
  const [read, setRead] = useState<Read>({ list, floor: Infinity, next: null });
  const [problem, setProblem] = useState<string | null>(null);
  const current = read.list === list ? read : { list, floor: Infinity, next: null };

  const load = async (before: string | null) => {
    const query = { limit: pageSize, ...(kpi === undefined ? {} : { kpi }), ...(before === null ? {} : { before }) };
    try {
      const { anomalies, next } = await station.api.anomalies(query);
      board.takeAnomalies(anomalies);
      const oldest = anomalies[anomalies.length - 1]?.opened_at ?? Infinity;
      setRead({ list, next, floor: next === null ? -Infinity : oldest });
      setProblem(null);
      station.announce();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const { ready } = board;
  useEffect(() => {
    if (ready) {
      void load(null);
    }
    // `list` holds everything that the first page depends on.
  }, [station, list]);

  const anomalies = [...board.anomalies.values()]
    .filter((anomaly) => kpi === undefined || anomaly.kpi === kpi)
    // Others may have been read for a chart; between them and these, some would be missing.
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
