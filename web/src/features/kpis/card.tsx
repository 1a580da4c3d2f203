/** One series in the grid. */

import { memo, useEffect, useRef } from "react";
import { type Anomaly, labelText } from "@earcon/client";
import type { LiveSeries } from "../../live/live-series.ts";
import { Signal } from "../../live/signal.ts";
import { familyOf, labelsText, titleOf } from "../../format/names.ts";
import { ago } from "../../format/time.ts";
import { formatValue, text, unitOf } from "../../format/units.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { useLink } from "../../hooks/use-link.ts";
import { useNow } from "../../hooks/use-now.ts";
import { useSignal } from "../../hooks/use-signal.ts";
import { palette, coloursChanged } from "../../styles/palette.ts";
import { drawSparkline, type Episode } from "../../components/sparkline.ts";
import { useVisible } from "../../hooks/use-visible.ts";

/** Never emitted: cards outside the screen are not updated. */
const NEVER = new Signal();

interface Props {
  series: LiveSeries;
  /** Shown above the card. Empty if the previous card belongs to the same family. */
  heading: string;
  /** Whether a cue of the series is playing. */
  cued: boolean;
}

export const Card = memo(function Card({ series, heading, cued }: Props) {
  const { store } = useAppContext();
  const link = useLink();
  const item = useRef<HTMLLIElement>(null);
  const visible = useVisible(item);
  useSignal(visible ? store.seriesSignal(series.key) : NEVER);

  const generation = store.state.generation;
  useEffect(() => {
    if (visible) {
      store.requestHistory(series);
    }
  }, [visible, series, store, generation]);

  return (
    <li ref={item} className={heading === "" ? "cell" : "cell has-heading"}>
      <span className="family" aria-hidden="true">
        {heading}
      </span>
      <a
        className={`card is-${series.state}${cued ? " is-cued" : ""}`}
        href={link({ page: "kpi", kpi: series.kpi, series: [series.labelText].filter(Boolean), range: null })}
        aria-label={accessibleName(series)}
        title={series.labelText === "" ? series.kpi : `${series.kpi} {${series.labelText}}`}
        data-series={series.key}
        data-state={series.state}
        data-points={series.recent.length}
        data-last={series.timestamp ?? ""}
      >
        <NameAndValue series={series} />
        {visible ? <Spark series={series} version={series.version} /> : <span className="spark" />}
        <State series={series} />
      </a>
    </li>
  );
});

function NameAndValue({ series }: { series: LiveSeries }) {
  const value = formatValue(series.value, unitOf(series.kpi));
  return (
    <>
      <span className="name">
        <span className="title">{titleOf(series.kpi)}</span>
        {series.labelText !== "" && <span className="labels">{labelsText(series.labels, series.kpi)}</span>}
      </span>
      <span className="value" data-testid="value">
        {value.number}
        <span className="unit">{value.unit}</span>
      </span>
    </>
  );
}

function Spark({ series, version }: { series: LiveSeries; version: number }) {
  const { store } = useAppContext();
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = useSignal(coloursChanged);
  const anomalies = store.state.anomaliesVersion;
  useEffect(() => {
    if (canvas.current !== null) {
      drawSparkline(canvas.current, series.recent, episodes(store.state.anomalies.values(), series), palette());
    }
  }, [series, version, colours, anomalies, store]);
  useEffect(() => {
    if (canvas.current === null) {
      return;
    }
    const element = canvas.current;
    const resized = new ResizeObserver(() =>
      drawSparkline(element, series.recent, episodes(store.state.anomalies.values(), series), palette()),
    );
    resized.observe(element);
    return () => resized.disconnect();
  }, [series, store]);
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

/** State of the series. A normal series shows its score only. */
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
  return <span className="state">stalled{series.timestamp !== null && `, last ${ago(series.timestamp, now)}`}</span>;
}

/** The score as a number and as a bar. */
function Score({ score, word }: { score: number | null; word: string }) {
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

function accessibleName(series: LiveSeries): string {
  const name = [familyOf(series.kpi), titleOf(series.kpi), labelsText(series.labels)].filter(Boolean).join(" ");
  return `${name}: ${text(series.value, unitOf(series.kpi))}, ${series.state}`;
}
