/** Deletes the workspace that is shown, after its name was typed. */

import { useState } from "react";
import { Dialog } from "../components/dialog.tsx";
import { useAppContext } from "../hooks/app-context.ts";
import { useSignal } from "../hooks/use-signal.ts";

interface Props {
  close(): void;
  /** The server has deleted it, or has recorded that it does. */
  deleted(workspace: string): void;
}

export function DeleteWorkspace({ close, deleted }: Props) {
  const { store } = useAppContext();
  const { workspace } = store.api;
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useSignal(store.seriesChanged);

  const run = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await store.api.deleteWorkspace();
      deleted(workspace);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };

  return (
    <Dialog label={`Delete the workspace ${workspace}`} onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <h2>Delete the workspace {workspace}</h2>
        <p data-testid="workspace-content">
          {content([...store.state.series.values()])} Samples, anomalies, incidents, mutes and all settings will be
          gone. This cannot be undone.
        </p>
        <label className="field">
          <span>
            Type <b>{workspace}</b> to confirm
          </span>
          <input
            type="text"
            name="confirm"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={typed}
            disabled={busy}
            onChange={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </label>
        {problem !== null && (
          <p className="notice" role="alert">
            {problem}
          </p>
        )}
        <div className="actions">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="danger" disabled={busy || typed !== workspace}>
            {busy ? "Deleting …" : "Delete the workspace"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function content(series: { kpi: string }[]): string {
  const kpis = new Set(series.map(({ kpi }) => kpi)).size;
  if (kpis === 0) {
    return "It shows no KPI at present.";
  }
  const number = (n: number, one: string, many: string) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  return `It has ${number(kpis, "KPI", "KPIs")} with ${number(series.length, "series", "series")}.`;
}
