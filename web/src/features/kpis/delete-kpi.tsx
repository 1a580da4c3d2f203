/** Deletes samples of the shown time, the selected series, or the whole KPI. Counts first. */

import { useEffect, useState } from "react";
import type { Deletion, DeletionQuery, Labels } from "@earcon/client";
import { DialogForm, words } from "../../components/dialog-form.tsx";
import { counted } from "../../format/count.ts";
import { labelsText } from "../../format/names.ts";
import { bounds, type Range } from "../../format/ranges.ts";
import { period } from "../../format/time.ts";
import { useAppContext } from "../../hooks/app-context.ts";
import { openRoute } from "../../hooks/use-route.ts";
import type { LiveSeries } from "../../live/live-series.ts";

interface Choice {
  name: string;
  query: DeletionQuery;
}

interface Props {
  kpi: string;
  /** The only selected series, if there are others. */
  series: LiveSeries | undefined;
  /** The shown time. */
  range: Range;
}

export function DeleteKpi({ kpi, series, range }: Props) {
  // The time shown when the dialog was opened. null while it is closed.
  const [shown, setShown] = useState<[number, number] | null>(null);
  return (
    <div className="delete-kpi">
      <button type="button" onClick={() => setShown(bounds(range, Date.now()))}>
        Delete …
      </button>
      {shown !== null && <DeleteDialog kpi={kpi} choices={choices(series, shown)} close={() => setShown(null)} />}
    </div>
  );
}

function choices(series: LiveSeries | undefined, [from, to]: [number, number]): Choice[] {
  const labels: { labels?: Labels } = series === undefined ? {} : { labels: series.labels };
  const of = series === undefined ? "" : ` of ${labelsText(series.labels)}`;
  return [
    { name: `Samples${of} in the time shown: ${period(from, to)}`, query: { ...labels, from, to } },
    ...(series === undefined ? [] : [{ name: `The series ${labelsText(series.labels)}`, query: labels }]),
    { name: "The KPI with everything that belongs to it", query: {} },
  ];
}

function DeleteDialog({ kpi, choices, close }: { kpi: string; choices: Choice[]; close(): void }) {
  const { store } = useAppContext();
  const [chosen, setChosen] = useState(0);
  const [count, setCount] = useState<Deletion | null>(null);
  const [uncounted, setUncounted] = useState<string | null>(null);
  const query = choices[chosen]?.query ?? {};

  useEffect(() => {
    let current = true;
    setCount(null);
    setUncounted(null);
    store.api.delete(kpi, { ...query, dryRun: true }).then(
      (counted) => current && setCount(counted),
      (error: unknown) => current && setUncounted(words(error)),
    );
    return () => {
      current = false;
    };
  }, [store, kpi, chosen]);

  const run = async () => {
    const { scope } = await store.api.delete(kpi, query);
    if (scope === "kpi") {
      openRoute({ page: "grid", workspace: store.api.workspace });
    }
  };

  return (
    <DialogForm
      title={`Delete from ${kpi}`}
      close={close}
      action="Delete"
      running="Deleting …"
      danger
      ready={count !== null}
      run={run}
    >
      {(busy) => (
        <>
          <fieldset disabled={busy}>
            <legend>What to delete</legend>
            {choices.map(({ name }, i) => (
              <label key={name} className="option">
                <input type="radio" name="scope" checked={i === chosen} onChange={() => setChosen(i)} />
                <span>{name}</span>
              </label>
            ))}
          </fieldset>
          <p role="status" data-testid="delete-count">
            {count === null ? "Counting …" : `${amount(count)} will be gone. This cannot be undone.`}
          </p>
          {uncounted !== null && <p className="notice">{uncounted}</p>}
        </>
      )}
    </DialogForm>
  );
}

function amount({ samples, series, anomalies }: Deletion): string {
  return [
    counted(samples, "sample", "samples"),
    `of ${counted(series, "series", "series")}`,
    `and ${counted(anomalies, "anomaly", "anomalies")}`,
  ].join(" ");
}
