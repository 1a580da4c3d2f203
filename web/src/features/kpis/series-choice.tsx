/** Buttons to select the series of a KPI that are shown. */

import { labelsText } from "../../format/names.ts";
import type { LiveSeries } from "../../live/live-series.ts";

/** Number of series that one click selects. A chart with more of them is hard to read. */
const MAX_SELECTED = 12;

interface Props {
  all: LiveSeries[];
  selected: LiveSeries[];
  /** Called with the canonical label texts. */
  select(series: string[]): void;
}

export function SeriesChoice({ all, selected, select }: Props) {
  const on = new Set(selected.map((series) => series.labelText));
  const click = (label: string, withKey: boolean) => {
    const others = selected.map((one) => one.labelText).filter((each) => each !== label);
    // A click selects one series. With Ctrl, Shift or ⌘, or if several are selected, it adds or
    // removes one.
    const several = selected.length > 1 || withKey;
    select(!several ? [label] : on.has(label) ? others : [...others, label]);
  };
  return (
    <div className="chips" role="group" aria-label="Series">
      {all.map((series) => (
        <button
          key={series.key}
          type="button"
          aria-pressed={on.has(series.labelText)}
          className={`chip is-${series.state}`}
          title="Ctrl-click to compare"
          onClick={(event) => click(series.labelText, event.ctrlKey || event.metaKey || event.shiftKey)}
        >
          {series.labelText === "" ? "no labels" : labelsText(series.labels)}
        </button>
      ))}
      <button
        type="button"
        className="quiet"
        onClick={() => select(all.slice(0, MAX_SELECTED).map((series) => series.labelText))}
      >
        {all.length > MAX_SELECTED ? `First ${MAX_SELECTED}` : "All"}
      </button>
    </div>
  );
}
