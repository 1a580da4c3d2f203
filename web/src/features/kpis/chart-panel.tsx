/** The chart of a KPI with the choice of the range above and the values under the pointer below. */

import { useState } from "react";
import type { Reading } from "../../components/charts.ts";
import { labelsText } from "../../format/names.ts";
import { isLive, type Range, RANGES } from "../../format/ranges.ts";
import { clock, date } from "../../format/time.ts";
import { text, type Unit, unitOf } from "../../format/units.ts";
import { useOutdated } from "../../hooks/use-outdated.ts";
import type { LiveSeries } from "../../live/live-series.ts";
import { KpiChart } from "./kpi-chart.tsx";

export const DEFAULT_RANGE: Range = { last: 15 * 60_000 };
/** A shorter range cannot be selected by dragging. In milliseconds. */
const MIN_ZOOM_MS = 2_000;

interface Props {
  kpi: string;
  selected: LiveSeries[];
  range: Range;
  select(range: Range): void;
}

export function ChartPanel({ kpi, selected, range, select }: Props) {
  const [reading, setReading] = useState<Reading | null>(null);
  const outdated = useOutdated();
  return (
    <>
      <RangeChoice range={range} select={select} />
      <KpiChart
        kpi={kpi}
        selected={selected}
        range={range}
        onRead={setReading}
        onZoom={(from, to) => to - from >= MIN_ZOOM_MS && select({ from, to })}
        onReset={() => select(DEFAULT_RANGE)}
      />
      <div className="reading" aria-hidden="true">
        {reading === null ? (
          <span className="muted">{!isLive(range) ? "Past" : outdated === null ? "Live" : `Up to ${clock(outdated)}`}</span>
        ) : (
          <ReadingValues reading={reading} selected={selected} unit={unitOf(kpi)} />
        )}
      </div>
    </>
  );
}

function RangeChoice({ range, select }: Pick<Props, "range" | "select">) {
  const last = "last" in range ? range.last : null;
  return (
    <div className="ranges">
      <div className="choice" role="group" aria-label="Range">
        {RANGES.map(([name, ms]) => (
          <button key={name} type="button" aria-pressed={last === ms} onClick={() => select({ last: ms })}>
            {name}
          </button>
        ))}
      </div>
      {"last" in range ? (
        <span className="muted hint">Drag to zoom, double click to reset</span>
      ) : (
        <span className="muted">
          {date(range.from)} – {range.to - range.from < 86_400_000 ? clock(range.to) : date(range.to)}{" "}
          <button type="button" className="quiet" onClick={() => select(DEFAULT_RANGE)}>
            Back to now
          </button>
        </span>
      )}
    </div>
  );
}

function ReadingValues({ reading, selected, unit }: { reading: Reading; selected: LiveSeries[]; unit: Unit }) {
  const several = selected.length > 1;
  return (
    <>
      <time>{clock(reading.at)}</time>
      {reading.points.map((point, i) => (
        <span key={selected[i]?.key ?? i}>
          {several && <i className={`key key-${i % 6}`} />}
          {several && <span className="muted">{labelsText(selected[i]?.labels ?? {})} </span>}
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
  );
}
