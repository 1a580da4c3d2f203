/** Deletes samples of the shown time, the selected series, or the whole KPI. Counts first. */

import { useEffect, useState } from "react";
import type { Deletion, DeletionQuery, Labels } from "@earcon/client";
import { Dialog } from "../../components/dialog.tsx";
import { labelsText } from "../../format/names.ts";
import { bounds, type Range } from "../../format/ranges.ts";
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
      {shown !== null && (
        <Dialog label={`Delete from ${kpi}`} onClose={() => setShown(null)}>
          <DeleteForm kpi={kpi} choices={choices(series, shown)} close={() => setShown(null)} />
        </Dialog>
      )}
    </div>
  );
}

function choices(series: LiveSeries | undefined, [from, to]: [number, number]): Choice[] {
  const labels: { labels?: Labels } = series === undefined ? {} : { labels: series.labels };
  const of = series === undefined ? "" : ` of ${labelsText(series.labels)}`;
  return [
    { name: `Samples${of} in the time shown`, query: { ...labels, from, to } },
    ...(series === undefined ? [] : [{ name: `The series ${labelsText(series.labels)}`, query: labels }]),
    { name: "The KPI with everything that belongs to it", query: {} },
  ];
}

function DeleteForm({ kpi, choices, close }: { kpi: string; choices: Choice[]; close(): void }) {
  const { store } = useAppContext();
  const [chosen, setChosen] = useState(0);
  const [count, setCount] = useState<Deletion | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const query = choices[chosen]?.query ?? {};

  useEffect(() => {
    let current = true;
    setCount(null);
    setProblem(null);
    store.api.delete(kpi, { ...query, dryRun: true }).then(
      (counted) => current && setCount(counted),
      (error: unknown) => current && setProblem(String(error)),
    );
    return () => {
      current = false;
    };
  }, [store, kpi, chosen]);

  const run = async () => {
    setBusy(true);
    try {
      const { scope } = await store.api.delete(kpi, query);
      close();
      if (scope === "kpi") {
        openRoute({ page: "grid", workspace: store.api.workspace });
      }
    } catch (error) {
      setProblem(String(error));
      setBusy(false);
    }
  };

  return (
    <form
      method="dialog"
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
    >
      <h2>Delete from {kpi}</h2>
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
        {count === null ? "Counting …" : `${words(count)} will be gone. This cannot be undone.`}
      </p>
      {problem !== null && <p className="notice">{problem}</p>}
      <div className="actions">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" className="danger" disabled={busy || count === null}>
          Delete
        </button>
      </div>
    </form>
  );
}

function words({ samples, series, anomalies }: Deletion): string {
  const number = (n: number, one: string, many: string) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  return [
    number(samples, "sample", "samples"),
    `of ${number(series, "series", "series")}`,
    `and ${number(anomalies, "anomaly", "anomalies")}`,
  ].join(" ");
}
