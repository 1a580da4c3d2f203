/** One series in the grid. */

import { memo, useEffect, useRef, useState } from "react";
import { type Anomaly, labelText } from "@earcon/client";
import type { LiveSeries } from "../../live/workspace-state.ts";
import { Signal } from "../../live/signal.ts";
import { familyOf, labelsShown, titleOf } from "../../format/names.ts";
import { routeHash } from "../../format/route.ts";
import { ago } from "../../format/time.ts";
import { show, text, unitOf } from "../../format/units.ts";
import { useNow, useSignal, useSurroundings } from "../../hooks/app-context.ts";
import { palette, repaint } from "../../styles/palette.ts";
import { drawSparkline, type Episode } from "../../components/sparkline.ts";
import { observe } from "../../hooks/use-visible.ts";

/** Given to cards that nobody sees, so that they follow nothing. */
const NEVER = new Signal();

interface Props {
  series: LiveSeries;
  /** Written above the card; empty where the card before belongs to the same family. */
  heading: string;
  cued: boolean;
}

export const Card = memo(function Card({ series, heading, cued }: Props) {
  const { station } = useSurroundings();
  const item = useRef<HTMLLIElement>(null);
  const [visible, setVisible] = useState(false);
  useSignal(visible ? station.series(series.key) : NEVER);

  useEffect(() => (item.current === null ? undefined : observe(item.current, setVisible)), []);
  const generation = station.board.generation;
  useEffect(() => {
    if (visible) {
      station.wantHistory(series);
    }
  }, [visible, series, station, generation]);

  return (
    <li ref={item} className={heading === "" ? "cell" : "cell has-heading"}>
      <span className="family" aria-hidden="true">
        {heading}
      </span>
      <a
        className={`card is-${series.state}${cued ? " is-cued" : ""}`}
        href={routeHash({ page: "kpi", kpi: series.kpi, series: [series.labelText].filter(Boolean), range: null })}
        aria-label={spoken(series)}
        title={series.labelText === "" ? series.kpi : `${series.kpi} {${series.labelText}}`}
        data-series={series.key}
        data-state={series.state}
        data-points={series.recent.length}
        data-last={series.timestamp ?? ""}
      >
        <Face series={series} />
        {visible ? <Spark series={series} version={series.version} /> : <span className="spark" />}
        <State series={series} />
      </a>
    </li>
  );
});

function Face({ series }: { series: LiveSeries }) {
  const shown = show(series.value, unitOf(series.kpi));
  return (
    <>
      <span className="name">
        <span className="title">{titleOf(series.kpi)}</span>
        {series.labelText !== "" && <span className="labels">{labelsShown(series.labels, series.kpi)}</span>}
      </span>
      <span className="value" data-testid="value">
        {shown.number}
        <span className="unit">{shown.unit}</span>
      </span>
    </>
  );
}

function Spark({ series, version }: { series: LiveSeries; version: number }) {
  const { station } = useSurroundings();
  const canvas = useRef<HTMLCanvasElement>(null);
  const painted = useSignal(repaint);
  const news = station.board.news;
  useEffect(() => {
    if (canvas.current !== null) {
      drawSparkline(canvas.current, series.recent, episodes(station.board.anomalies.values(), series), palette());
    }
  }, [series, version, painted, news, station]);
  useEffect(() => {
    if (canvas.current === null) {
      return;
    }
    const element = canvas.current;
    const resized = new ResizeObserver(() =>
      drawSparkline(element, series.recent, episodes(station.board.anomalies.values(), series), palette()),
    );
    resized.observe(element);
    return () => resized.disconnect();
  }, [series, station]);
  return <canvas ref={canvas} className="spark" aria-hidden="true" />;
}

function episodes(anomalies: Iterable<Anomaly>, series: LiveSeries): Episode[] {
  const found: Episode[] = [];
  for (const anomaly of anomalies) {
    if (anomaly.kpi === series.kpi && labelText(anomaly.labels) === series.labelText) {
      found.push({ from: anomaly.opened_at, to: anomaly.state === "open" ? Infinity : anomaly.last_at });
    }
  }
  return found;
}

/** What is the matter, and only then: an ordinary series says nothing but its score. */
function State({ series }: { series: LiveSeries }) {
  switch (series.state) {
    case "warming":
      return <Warming series={series} />;
    case "stalled":
      return <Stalled series={series} />;
    case "ended":
      return <span className="state">ended</span>;
    case "parked":
      return <span className="state">parked</span>;
    default:
      return <Score score={series.score} word={series.state === "anomalous" ? "anomaly" : ""} />;
  }
}

function Warming({ series }: { series: LiveSeries }) {
  const { seen, needed } = series.warming ?? { seen: 0, needed: 0 };
  return (
    <span className="state">
      learning {needed > 0 && `${seen}/${needed}`}
      <progress max={Math.max(1, needed)} value={seen} aria-hidden="true" />
    </span>
  );
}

function Stalled({ series }: { series: LiveSeries }) {
  const now = useNow();
  return <span className="state">silent, last {series.timestamp === null ? "never" : ago(series.timestamp, now)}</span>;
}

/** A bar that is as long as the score is high. */
export function Score({ score, word }: { score: number | null; word: string }) {
  return (
    <span className="state score">
      {word !== "" && <strong>{word}</strong>}
      <span className="meter" aria-hidden="true">
        <span style={{ transform: `scaleX(${score ?? 0})` }} />
      </span>
      <span className="number">{score === null ? "" : score.toFixed(2)}</span>
    </span>
  );
}

function spoken(series: LiveSeries): string {
  const name = [familyOf(series.kpi), titleOf(series.kpi), labelsShown(series.labels)].filter(Boolean).join(" ");
  return `${name}: ${text(series.value, unitOf(series.kpi))}, ${series.state}`;
}
