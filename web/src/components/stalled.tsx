/** Says that series of an anomaly or an incident have stalled: the page may show old news. */

import { type Labels, seriesKey } from "@earcon/client";
import { stalledWords } from "../format/anomalies.ts";
import { date } from "../format/time.ts";
import { useAppContext } from "../hooks/app-context.ts";

interface Named {
  kpi: string;
  labels: Labels;
}

/** Nothing unless one of the series has stalled. */
export function Stalled({ of }: { of: readonly Named[] }) {
  const { series } = useAppContext().store.state;
  const states = of.map(({ kpi, labels }) => series.get(seriesKey(kpi, labels)));
  const stalled = states.filter((one) => one?.state === "stalled");
  if (stalled.length === 0) {
    return null;
  }
  const newest = Math.max(...stalled.map((one) => one?.timestamp ?? -Infinity));
  return (
    <span className="stalled" data-testid="stalled" title={Number.isFinite(newest) ? `newest sample: ${date(newest)}` : undefined}>
      {stalledWords(stalled.length, of.length)}
    </span>
  );
}
