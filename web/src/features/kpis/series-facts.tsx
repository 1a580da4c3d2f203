/** Facts about a series that the chart does not show, and the button to resume a parked KPI. */

import { useState } from "react";
import { Fact } from "../../components/fact.tsx";
import { rangeText, unitOf } from "../../format/units.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import type { LiveSeries } from "../../live/live-series.ts";
import { CounterHint } from "./counter-hint.tsx";

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

/** Never `-0.00`. */
function fixed(value: number | null, decimals: number): string {
  return value === null ? "–" : value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1");
}
