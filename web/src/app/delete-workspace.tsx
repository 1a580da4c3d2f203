/** Deletes the workspace that is shown, after its name was typed. */

import { useState } from "react";
import { CodeField, DialogForm } from "../components/dialog-form.tsx";
import { counted } from "../format/count.ts";
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
  useSignal(store.seriesChanged);

  const run = async () => {
    await store.api.deleteWorkspace();
    deleted(workspace);
  };

  return (
    <DialogForm
      title={`Delete the workspace ${workspace}`}
      close={close}
      action="Delete the workspace"
      running="Deleting …"
      danger
      ready={typed === workspace}
      run={run}
    >
      {(busy) => (
        <>
          <p data-testid="workspace-content">
            {content([...store.state.series.values()])} Samples, anomalies, incidents, mutes and all settings will be
            gone. This cannot be undone.
          </p>
          <CodeField
            label={
              <>
                Type <b>{workspace}</b> to confirm
              </>
            }
            name="confirm"
            value={typed}
            disabled={busy}
            onChange={setTyped}
          />
        </>
      )}
    </DialogForm>
  );
}

function content(series: { kpi: string }[]): string {
  const kpis = new Set(series.map(({ kpi }) => kpi)).size;
  if (kpis === 0) {
    return "It shows no KPI at present.";
  }
  return `It has ${counted(kpis, "KPI", "KPIs")} with ${counted(series.length, "series", "series")}.`;
}
