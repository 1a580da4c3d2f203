/** Keeps the charts of a KPI fed: fetches the range, continues it live, shades its anomalies. */

import { useEffect, useRef, useState } from "react";
import { type Anomaly, type SampleRow, seriesKey } from "@earcon/client";
import type { LiveSeries } from "../../live/workspace-state.ts";
import { labelsShown } from "../../format/names.ts";
import { edges, isLive, type Range } from "../../format/ranges.ts";
import { Charts, type Reading, type Shade } from "../../components/charts.ts";
import { useSignal, useSurroundings } from "../../hooks/app-context.ts";
import { palette, repaint } from "../../styles/palette.ts";
import { Past } from "./chart-data.ts";

interface Props {
  kpi: string;
  chosen: LiveSeries[];
  range: Range;
  onRead(reading: Reading | null): void;
  onZoom(from: number, to: number): void;
  onReset(): void;
}

/** The history is written a moment after an event is told; what falls in between is asked for once more. */
const BRIDGE_MS = 1_500;
/** Most anomalies shaded. */
const SHADES = 500;
/** After a history could not be read. */
const RETRY_MS = 5_000;

export function KpiChart(props: Props) {
  const { station } = useSurroundings();
  const { kpi, chosen, range } = props;
  const element = useRef<HTMLDivElement>(null);
  const charts = useRef<Charts | null>(null);
  const handlers = useRef(props);
  handlers.current = props;
  const painted = useSignal(repaint);
  const { past, problem } = usePast(kpi, range);
  const names = chosen.map((series) => series.labelText).join("\n");
  const [points, setPoints] = useState(0);

  useEffect(() => {
    if (element.current === null) {
      return;
    }
    const made = new Charts(element.current, kpi, handlers.current.chosen.map((series) => labelsShown(series.labels)), palette(), {
      zoomed: (from, to) => handlers.current.onZoom(from, to),
      reset: () => handlers.current.onReset(),
      read: (reading) => handlers.current.onRead(reading),
    });
    charts.current = made;
    return () => {
      charts.current = null;
      made.destroy();
    };
  }, [kpi, names, painted]);

  useEffect(() => {
    const draw = () => {
      if (past === null || charts.current === null) {
        return;
      }
      const { chosen, range } = handlers.current;
      const pictures = chosen.map((series) => past.picture(series.labelText, labelsShown(series.labels)));
      charts.current.draw(pictures, shades(station.board.anomalies.values(), chosen), edges(range, Date.now()));
      setPoints(chosen.reduce((sum, series) => sum + past.count(series.labelText), 0));
    };
    draw();
    return station.pulse.subscribe(draw);
  }, [past, station, kpi, names, painted, range]);

  const quiet = past === null && problem === null;
  return (
    <div className="chart-frame" aria-busy={quiet}>
      <div
        ref={element}
        className="chart"
        role="img"
        aria-label={`Chart of ${kpi}`}
        data-testid="chart"
        data-points={points}
        data-step={past?.step ?? 0}
      />
      {problem !== null && (
        <p className="notice" role="alert">
          The history could not be read: {problem}
        </p>
      )}
    </div>
  );
}

function usePast(kpi: string, range: Range): { past: Past | null; problem: string | null } {
  const { station } = useSurroundings();
  const [held, setHeld] = useState<{ kpi: string; past: Past } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useSignal(station.shape);
  const asked = `${kpi} ${"last" in range ? range.last : `${range.from}-${range.to}`} ${station.board.generation}`;
  const [again, setAgain] = useState({ asked, times: 0 });
  const times = again.asked === asked ? again.times : 0;

  useEffect(() => {
    const abort = new AbortController();
    const [from, to] = edges(range, Date.now());
    const live = isLive(range);
    let current: Past | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const early: [string, SampleRow[]][] = [];
    const untap = station.tap((series, rows) => {
      if (series.kpi === kpi && live) {
        if (current === null) {
          early.push([series.labelText, rows]);
        } else {
          current.put(series.labelText, rows);
        }
      }
    });
    const later = (ms: number) => {
      timer = setTimeout(() => setAgain({ asked, times: times + 1 }), ms);
    };
    const take = (past: Past) => {
      if (live && past.step === null) {
        station.board.of(kpi).forEach((series) => past.put(series.labelText, series.recent.rows()));
      }
      early.splice(0).forEach(([labels, rows]) => past.put(labels, rows));
      current = past;
      setHeld({ kpi, past });
      setProblem(null);
      if (live && times === 0) {
        later(BRIDGE_MS);
      }
    };
    const complain = (error: unknown) => {
      if (!abort.signal.aborted) {
        setProblem(error instanceof Error ? error.message : String(error));
        later(RETRY_MS);
      }
    };
    Past.fetch(station.api, kpi, from, to, abort.signal).then(take, complain);
    station.api.anomalies({ kpi, from, to, limit: SHADES }, abort.signal).then(
      (page) => {
        station.board.takeAnomalies(page.anomalies);
        station.announce();
      },
      // The list below the chart says what is wrong with anomalies.
      () => undefined,
    );
    return () => {
      abort.abort();
      untap();
      clearTimeout(timer);
    };
    // `asked` stands for the range, which is a new object at every drawing.
  }, [station, kpi, asked, times]);

  return { past: held?.kpi === kpi ? held.past : null, problem };
}

function shades(anomalies: Iterable<Anomaly>, chosen: LiveSeries[]): Shade[] {
  const keys = new Set(chosen.map((series) => series.key));
  const found: Shade[] = [];
  for (const anomaly of anomalies) {
    if (anomaly.kpi === chosen[0]?.kpi && keys.has(seriesKey(anomaly.kpi, anomaly.labels))) {
      const open = anomaly.state === "open";
      found.push({ from: anomaly.opened_at, to: open ? Date.now() : anomaly.last_at, open });
    }
  }
  return found;
}
