/** One KPI: its chart, its series, its anomalies. */

import { useEffect, useMemo, useRef, useState } from "react";
import "uplot/dist/uPlot.min.css";
import type { LiveSeries } from "../../live/workspace-state.ts";
import { compareNames, familyOf, labelsShown, titleOf } from "../../format/names.ts";
import { isLive, RANGES, type Range } from "../../format/ranges.ts";
import { routeHash, type Route } from "../../format/route.ts";
import { clock, date } from "../../format/time.ts";
import { show, text, unitOf } from "../../format/units.ts";
import { useAnomalies } from "../../hooks/use-anomalies.ts";
import { NoSuchKpi, Unreachable } from "./empty.tsx";
import { AnomalyItem } from "../../components/anomaly-item.tsx";
import { useSignal, useSurroundings } from "../../hooks/app-context.ts";
import { KpiChart } from "./kpi-chart.tsx";
import { Polarity } from "./polarity.tsx";
import type { Reading } from "../../components/charts.ts";

type KpiRoute = Extract<Route, { page: "kpi" }>;

const DEFAULT_RANGE: Range = { last: 15 * 60_000 };

export function KpiPage({ route }: { route: KpiRoute }) {
  const { station } = useSurroundings();
  const shape = useSignal(station.shape);
  useSignal(station.link);
  const all = useMemo(
    () => station.board.of(route.kpi).sort((a, b) => compareNames(a.labelText, b.labelText)),
    [station, route.kpi, shape],
  );
  const named = all.filter((series) => route.series.includes(series.labelText));
  const chosen = named.length > 0 ? named : all.slice(0, 1);
  const range = route.range ?? DEFAULT_RANGE;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [route.kpi]);

  if (all.length === 0) {
    return station.board.ready || station.empty ? <NoSuchKpi kpi={route.kpi} /> : <Unreachable />;
  }
  const go = (change: Partial<KpiRoute>) => {
    location.hash = routeHash({ ...route, ...change });
  };
  return (
    <article className="kpi" aria-labelledby="kpi-name">
      <a className="back" href="#/">
        All KPIs
      </a>
      <header>
        <h1 id="kpi-name" ref={heading} tabIndex={-1} title={route.kpi}>
          <span className="family">{familyOf(route.kpi).replaceAll(".", " · ")}</span>
          {titleOf(route.kpi)}
          {chosen.length === 1 && chosen[0] !== undefined && chosen[0].labelText !== "" && (
            <span className="labels">{labelsShown(chosen[0].labels)}</span>
          )}
        </h1>
        {chosen.length === 1 && chosen[0] !== undefined && <Now series={chosen[0]} />}
      </header>
      {all.length > 1 && <SeriesChoice all={all} chosen={chosen} choose={(series) => go({ series })} />}
      <Ranges range={range} choose={(range) => go({ range })} />
      <Chart kpi={route.kpi} chosen={chosen} range={range} choose={(range) => go({ range })} />
      <Facts series={chosen} />
      <Polarity kpi={route.kpi} />
      <KpiAnomalies kpi={route.kpi} />
    </article>
  );
}

function Now({ series }: { series: LiveSeries }) {
  const { station } = useSurroundings();
  useSignal(station.series(series.key));
  const shown = show(series.value, unitOf(series.kpi));
  return (
    <p className={`now is-${series.state}`} data-testid="now" data-state={series.state}>
      <span className="value">
        {shown.number}
        <span className="unit">{shown.unit}</span>
      </span>
      <span className="state">
        {stateWords(series)}
        {series.score !== null && <span className="muted"> score {series.score.toFixed(2)}</span>}
      </span>
    </p>
  );
}

function stateWords(series: LiveSeries): string {
  switch (series.state) {
    case "warming":
      return series.warming === null
        ? "learning"
        : `learning, ${series.warming.seen} of ${series.warming.needed} samples`;
    case "anomalous":
      return "anomaly";
    case "stalled":
      return "silent";
    case "ended":
      return "ended, nothing is expected of it";
    default:
      return series.state;
  }
}

function SeriesChoice(props: { all: LiveSeries[]; chosen: LiveSeries[]; choose: (series: string[]) => void }) {
  const { all, chosen, choose } = props;
  const on = new Set(chosen.map((series) => series.labelText));
  return (
    <div className="chips" role="group" aria-label="Series">
      {all.map((series) => (
        <button
          key={series.key}
          type="button"
          aria-pressed={on.has(series.labelText)}
          className={`chip is-${series.state}`}
          title="Ctrl-click to compare"
          onClick={(event) => {
            const others = chosen.map((one) => one.labelText).filter((label) => label !== series.labelText);
            // A click shows this one alone; while several are shown, or with Ctrl, Shift or ⌘, it joins or leaves them.
            const several = chosen.length > 1 || event.ctrlKey || event.metaKey || event.shiftKey;
            choose(!several ? [series.labelText] : on.has(series.labelText) ? others : [...others, series.labelText]);
          }}
        >
          {series.labelText === "" ? "no labels" : labelsShown(series.labels)}
        </button>
      ))}
      <button type="button" className="quiet" onClick={() => choose(all.slice(0, 12).map((series) => series.labelText))}>
        {all.length > 12 ? "First 12" : "All"}
      </button>
    </div>
  );
}

function Ranges({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  const last = "last" in range ? range.last : null;
  return (
    <div className="ranges">
      <div className="choice" role="group" aria-label="Range">
        {RANGES.map(([name, ms]) => (
          <button key={name} type="button" aria-pressed={last === ms} onClick={() => choose({ last: ms })}>
            {name}
          </button>
        ))}
      </div>
      {"last" in range ? (
        <span className="muted hint">Drag to zoom, double click to reset</span>
      ) : (
        <span className="muted">
          {date(range.from)} – {range.to - range.from < 86_400_000 ? clock(range.to) : date(range.to)}{" "}
          <button type="button" className="quiet" onClick={() => choose(DEFAULT_RANGE)}>
            Back to now
          </button>
        </span>
      )}
    </div>
  );
}

function Chart(props: { kpi: string; chosen: LiveSeries[]; range: Range; choose: (range: Range) => void }) {
  const { kpi, chosen, range, choose } = props;
  const [reading, setReading] = useState<Reading | null>(null);
  const unit = unitOf(kpi);
  return (
    <>
      <KpiChart
        kpi={kpi}
        chosen={chosen}
        range={range}
        onRead={setReading}
        onZoom={(from, to) => to - from >= 2_000 && choose({ from, to })}
        onReset={() => choose(DEFAULT_RANGE)}
      />
      <div className="reading" aria-hidden="true">
        {reading === null ? (
          <span className="muted">{isLive(range) ? "Live" : "Past"}</span>
        ) : (
          <>
            <time>{clock(reading.at)}</time>
            {reading.points.map((point, i) => (
              <span key={chosen[i]?.key ?? i}>
                {chosen.length > 1 && <i className={`key key-${i % 6}`} />}
                {chosen.length > 1 && <span className="muted">{labelsShown(chosen[i]?.labels ?? {})} </span>}
                <b>{text(point.value, unit)}</b>
                {point.low !== null && point.high !== null && (
                  <span className="muted">
                    {" "}
                    {text(point.low, unit)} to {text(point.high, unit)}
                  </span>
                )}
                {point.score !== null && <span className="muted"> score {point.score.toFixed(2)}</span>}
              </span>
            ))}
          </>
        )}
      </div>
    </>
  );
}

/** What the chart does not show: how much was learnt from, what came late, why it is parked. */
function Facts({ series }: { series: LiveSeries[] }) {
  const { station } = useSurroundings();
  const [problem, setProblem] = useState<string | null>(null);
  const parked = series.find((one) => one.state === "parked");
  const only = series.length === 1 ? series[0] : undefined;
  useSignal(station.series(only?.key ?? ""));
  return (
    <>
      {parked !== undefined && (
        <p className="notice" role="alert">
          Scoring this KPI failed repeatedly, so it is parked{parked.reason === null ? "" : `: ${parked.reason}`}.{" "}
          <button
            type="button"
            onClick={() => station.api.resume(parked.kpi).catch((error: Error) => setProblem(error.message))}
          >
            Start it again
          </button>{" "}
          {problem}
        </p>
      )}
      {only !== undefined && (
        <dl className="facts">
          {only.warming !== null && (
            <Fact name="Learning" value={`${only.warming.seen} of ${only.warming.needed} samples`} />
          )}
          {only.lower !== null && only.upper !== null && (
            <Fact
              name="Expected"
              value={`${text(only.lower, unitOf(only.kpi))} to ${text(only.upper, unitOf(only.kpi))}`}
            />
          )}
          {only.features !== null && (
            <>
              <Fact name="Robust z" value={fixed(only.features.robust_z, 1)} />
              <Fact name="Residual z" value={fixed(only.features.residual_z, 1)} />
              <Fact name="Volatility" value={fixed(only.features.volatility, 2)} />
              <Fact name="Slope" value={fixed(only.features.slope, 2)} />
            </>
          )}
          <Fact name="Came late" value={`${only.late} samples`} />
        </dl>
      )}
    </>
  );
}

/** Never `-0.00`. */
function fixed(value: number | null, decimals: number): string {
  return value === null ? "–" : value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1");
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function KpiAnomalies({ kpi }: { kpi: string }) {
  const { anomalies, more, problem, loadMore } = useAnomalies(20, kpi);
  return (
    <section className="kpi-anomalies" aria-label="Anomalies of this KPI">
      <h2>Anomalies</h2>
      {problem !== null && <p className="notice">{problem}</p>}
      {anomalies.length === 0 && problem === null && <p className="muted">None so far.</p>}
      <ul className="feed-list">
        {anomalies.map((anomaly) => (
          <AnomalyItem key={anomaly.id} anomaly={anomaly} />
        ))}
      </ul>
      {more && (
        <button type="button" className="quiet" onClick={loadMore}>
          Show older
        </button>
      )}
    </section>
  );
}
