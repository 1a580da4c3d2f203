/** Chart of a KPI: its series, its anomalies as shades, and the values under the pointer. */

import { useEffect, useRef, useState } from "react";
import { type Anomaly, seriesKey } from "@earcon/client";
import { Charts, type Reading, type Shade } from "../../components/charts.ts";
import { labelsText } from "../../format/names.ts";
import { bounds, type Range, roomFor } from "../../format/ranges.ts";
import { date, span } from "../../format/time.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import type { LiveSeries } from "../../live/live-series.ts";
import { coloursChanged, palette } from "../../styles/palette.ts";
import { useChartData } from "./use-chart-data.ts";

interface Props {
  kpi: string;
  selected: LiveSeries[];
  range: Range;
  onRead(reading: Reading | null): void;
  onZoom(from: number, to: number): void;
  onReset(): void;
}

export function KpiChart(props: Props) {
  const { store } = useAppContext();
  const { kpi, selected, range } = props;
  const element = useRef<HTMLDivElement>(null);
  const charts = useRef<Charts | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const colours = useSignal(coloursChanged);
  // The axis shows the unit, which may be known after the chart was made.
  const units = useSignal(store.unitsChanged);
  const room = () => roomFor(element.current?.clientWidth ?? 0, devicePixelRatio);
  const { data, current, problem } = useChartData(kpi, range, room);
  const names = selected.map((series) => series.labelText).join("\n");
  const [points, setPoints] = useState(0);
  const [empty, setEmpty] = useState(false);

  useEffect(() => {
    if (element.current === null) {
      return;
    }
    const labels = latest.current.selected.map((series) => labelsText(series.labels));
    const created = new Charts(element.current, kpi, labels, palette(), {
      zoomed: (from, to) => latest.current.onZoom(from, to),
      reset: () => latest.current.onReset(),
      read: (reading) => latest.current.onRead(reading),
    });
    charts.current = created;
    return () => {
      charts.current = null;
      created.destroy();
    };
  }, [kpi, names, colours, units]);

  useEffect(() => {
    const draw = () => {
      if (data === null || charts.current === null) {
        return;
      }
      const { selected, range } = latest.current;
      const series = selected.map((one) => data.chartSeries(one.labelText, labelsText(one.labels)));
      const now = Date.now();
      const known = store.outdatedSince(now) ?? now;
      const [from, to] = bounds(range, now);
      charts.current.draw(series, shades(store.state.anomalies.values(), selected, known), [from, to]);
      setEmpty(current && !selected.some((one) => data.hasPoints(one.labelText, from, to)));
      setPoints(selected.reduce((sum, one) => sum + data.count(one.labelText), 0));
    };
    draw();
    return store.changed.subscribe(draw);
  }, [data, current, store, kpi, names, colours, units, range]);

  return (
    <div className="chart-frame" aria-busy={data === null && problem === null}>
      <div
        ref={element}
        className="chart"
        role="img"
        aria-label={`Chart of ${kpi}`}
        data-testid="chart"
        data-points={points}
        data-step={data?.step ?? 0}
        data-empty={empty}
      />
      {empty && <NoSamples selected={selected} />}
      {!empty && data !== null && data.step !== null && selected.length === 1 && <WhatShadeIs step={data.step} />}
      {problem !== null && (
        <p className="notice" role="alert">
          The history could not be loaded: {problem}
        </p>
      )}
    </div>
  );
}

/** In place of the axes, which would be invented. */
function NoSamples({ selected }: { selected: LiveSeries[] }) {
  const newest = Math.max(...selected.map((series) => series.timestamp ?? -Infinity));
  return (
    <p className="no-samples" role="status">
      No samples in this range.
      {Number.isFinite(newest) && ` The newest is from ${date(newest)}.`}
    </p>
  );
}

/** Rollups have no band, so the shade of their chart is another one. */
function WhatShadeIs({ step }: { step: number }) {
  return (
    <p className="muted small shade-note" data-testid="shade-note">
      Shaded: from the lowest to the highest value, in steps of {span(step)}. The band of expected values shows at
      shorter ranges.
    </p>
  );
}

/** An open anomaly is shaded up to `known`, the time up to which the state is known. */
function shades(anomalies: Iterable<Anomaly>, selected: LiveSeries[], known: number): Shade[] {
  const keys = new Set(selected.map((series) => series.key));
  const found: Shade[] = [];
  for (const anomaly of anomalies) {
    if (anomaly.kpi === selected[0]?.kpi && keys.has(seriesKey(anomaly.kpi, anomaly.labels))) {
      const open = anomaly.state === "open";
      found.push({ from: anomaly.opened_at, to: open ? known : anomaly.last_at, open });
    }
  }
  return found;
}
