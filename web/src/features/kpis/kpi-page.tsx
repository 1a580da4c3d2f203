/** The page of one KPI: its chart, its series and its anomalies. */

import { useEffect, useMemo, useRef } from "react";
import "uplot/dist/uPlot.min.css";
import { AnomalyItem } from "../../components/anomaly-item.tsx";
import { ListFrame } from "../../components/list-frame.tsx";
import { calmWords } from "../../format/calm.ts";
import { compareNames, familyOf, labelsText, titleOf } from "../../format/names.ts";
import type { Route } from "../../format/route.ts";
import { descriptionOf, formatValue, unitOf } from "../../format/units.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import { useAnomalies } from "../../hooks/use-anomalies.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useOutdated } from "../../hooks/use-outdated.ts";
import { openRoute } from "../../hooks/use-route.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import type { LiveSeries } from "../../live/live-series.ts";
import { ChartPanel, DEFAULT_RANGE } from "./chart-panel.tsx";
import { DeleteKpi } from "./delete-kpi.tsx";
import { NoSuchKpi, Unreachable } from "./empty.tsx";
import { KpiIncidents } from "./kpi-incidents.tsx";
import { KpiMeaning } from "./kpi-meaning.tsx";
import { Polarity } from "./polarity.tsx";
import { SeriesChoice } from "./series-choice.tsx";
import { SeriesFacts } from "./series-facts.tsx";

type KpiRoute = Extract<Route, { page: "kpi" }>;

export function KpiPage({ route }: { route: KpiRoute }) {
  const { store } = useAppContext();
  const link = useLink();
  const may = usePermissions();
  const version = useSignal(store.seriesChanged);
  useSignal(store.connectionChanged);
  useSignal(store.unitsChanged);
  const all = useMemo(
    () => store.state.seriesOf(route.kpi).sort((a, b) => compareNames(a.labelText, b.labelText)),
    [store, route.kpi, version],
  );
  const named = all.filter((series) => route.series.includes(series.labelText));
  const selected = named.length > 0 ? named : all.slice(0, 1);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [route.kpi]);

  const outdated = useOutdated();
  if (all.length === 0) {
    const known = store.state.ready && outdated === null;
    return known ? <NoSuchKpi kpi={route.kpi} /> : <Unreachable />;
  }
  const go = (change: Partial<KpiRoute>) => openRoute({ workspace: store.api.workspace, ...route, ...change });
  const only = selected.length === 1 ? selected[0] : undefined;
  return (
    <article className="kpi" aria-labelledby="kpi-name">
      <a className="back" href={link({ page: "grid" })}>
        All KPIs
      </a>
      <header>
        <h1 id="kpi-name" ref={heading} tabIndex={-1} title={route.kpi}>
          <span className="family">{familyOf(route.kpi).replaceAll(".", " · ")}</span>
          {titleOf(route.kpi)}
          {only !== undefined && only.labelText !== "" && <span className="labels">{labelsText(only.labels)}</span>}
        </h1>
        {only !== undefined && <CurrentValue series={only} />}
      </header>
      {descriptionOf(route.kpi) !== null && <p className="muted">{descriptionOf(route.kpi)}</p>}
      {all.length > 1 && <SeriesChoice all={all} selected={selected} select={(series) => go({ series })} />}
      <KpiIncidents kpi={route.kpi} />
      <ChartPanel
        kpi={route.kpi}
        selected={selected}
        range={route.range ?? DEFAULT_RANGE}
        select={(range) => go({ range })}
      />
      <SeriesFacts selected={selected} />
      {may.has("edit-mixes") && <Polarity kpi={route.kpi} />}
      <KpiMeaning kpi={route.kpi} />
      <KpiAnomalies kpi={route.kpi} />
      {may.has("delete-data") && (
        <DeleteKpi kpi={route.kpi} series={all.length > 1 ? only : undefined} range={route.range ?? DEFAULT_RANGE} />
      )}
    </article>
  );
}

function CurrentValue({ series }: { series: LiveSeries }) {
  const { store } = useAppContext();
  useSignal(store.seriesSignal(series.key));
  const value = formatValue(series.value, unitOf(series.kpi));
  return (
    <p className={`now is-${series.state}`} data-testid="now" data-state={series.state}>
      <span className="value">
        {value.number}
        <span className="unit">{value.unit}</span>
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
    case "ended":
      return "ended, no more samples expected";
    default:
      return series.state;
  }
}

function KpiAnomalies({ kpi }: { kpi: string }) {
  const { state } = useAppContext().store;
  const outdated = useOutdated();
  const { anomalies, more, problem, loadMore, retry } = useAnomalies(20, kpi);
  return (
    <ListFrame
      as="section"
      className="kpi-anomalies"
      title="Anomalies"
      label="Anomalies of this KPI"
      problem={problem}
      retry={retry}
      empty={calmWords("No anomalies yet.", outdated, state.seriesOf(kpi))}
      listClassName="feed-list"
      items={anomalies.map((anomaly) => (
        <AnomalyItem key={anomaly.id} anomaly={anomaly} />
      ))}
      loadMore={more ? loadMore : undefined}
    />
  );
}
