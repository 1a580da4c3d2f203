/** Facts about a series that the chart does not show, and the button to resume a parked KPI. */

import { useEffect, useState } from "react";
import { Fact } from "../../components/fact.tsx";
import { looksLikeCounter } from "../../format/counters.ts";
import { rangeText, unitOf } from "../../format/units.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import type { LiveSeries } from "../../live/live-series.ts";

export function SeriesFacts({ selected }: { selected: LiveSeries[] }) {
  const { store } = useAppContext();
  const only = selected.length === 1 ? selected[0] : undefined;
  useSignal(store.seriesSignal(only?.key ?? ""));
  const parked = selected.find((series) => series.state === "parked");
  return (
    <>
      {parked !== undefined && <Parked series={parked} />}
      {only !== undefined && <Facts series={only} />}
      {only !== undefined && <CounterHint series={only} />}
    </>
  );
}

function Parked({ series }: { series: LiveSeries }) {
  const { store } = useAppContext();
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <p className="notice" role="alert">
      Scoring this KPI failed repeatedly, so it is parked{series.reason === null ? "" : `: ${series.reason}`}.{" "}
      <button
        type="button"
        onClick={() => store.api.resume(series.kpi).catch((error: Error) => setProblem(error.message))}
      >
        Resume scoring
      </button>{" "}
      {problem}
    </p>
  );
}

function Facts({ series }: { series: LiveSeries }) {
  const { warming, lower, upper, features } = series;
  const unit = unitOf(series.kpi);
  return (
    <dl className="facts">
      {warming !== null && <Fact name="Learning" value={`${warming.seen} of ${warming.needed} samples`} />}
      {lower !== null && upper !== null && (
        <Fact name="Expected" value={rangeText(lower, upper, unit)} />
      )}
      {features !== null && (
        <>
          <Fact name="Robust z" value={fixed(features.robust_z, 1)} />
          <Fact name="Residual z" value={fixed(features.residual_z, 1)} />
          <Fact name="Volatility" value={fixed(features.volatility, 2)} />
          <Fact name="Slope" value={fixed(features.slope, 2)} />
        </>
      )}
      <Fact name="Late samples" value={`${series.late}`} />
    </dl>
  );
}

/** A total that only grows is hard to score, and its resets look like anomalies. */
function CounterHint({ series }: { series: LiveSeries }) {
  const { store } = useAppContext();
  useEffect(() => store.requestHistory(series), [store, series]);
  if (!looksLikeCounter(series.kpi, series.recent.values.map((value) => value ?? NaN))) {
    return null;
  }
  return (
    <p className="muted" data-testid="counter-hint">
      This looks like a counter: its values only grow. Send it as one (<code>"counter": true</code> in JSON, type{" "}
      <code>c</code> in StatsD), or set <code>"reading": "counter"</code> in a rule of the workspace. Then its increase per
      second is scored.
    </p>
  );
}

/** Never `-0.00`. */
function fixed(value: number | null, decimals: number): string {
  return value === null ? "–" : value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1");
}
