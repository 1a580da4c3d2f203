/** The unit and the description of a KPI, and a form to state them. */

import { useState } from "react";
import type { KpiSettings } from "@earcon/client";
import { CodeField, DialogForm } from "../../components/dialog-form.tsx";
import { useAppContext } from "../../hooks/app-context.ts";
import { usePermissions } from "../../hooks/session-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";

/** Limits of the server, characters. */
const LONGEST_UNIT = 32;
const LONGEST_DESCRIPTION = 300;

export function KpiMeaning({ kpi }: { kpi: string }) {
  const { store } = useAppContext();
  useSignal(store.unitsChanged);
  const [open, setOpen] = useState(false);
  const edits = usePermissions().has("edit-kpis");
  const stated = store.units[kpi];
  const nothing = stated === undefined || (stated.unit === null && stated.description === null);
  return (
    <div className="meaning" data-testid="meaning">
      <span className="muted">{nothing ? "No unit and no description" : words(stated)}</span>
      {edits && (
        <button type="button" className="quiet" onClick={() => setOpen(true)}>
          {nothing ? "State them …" : "Change …"}
        </button>
      )}
      {open && <MeaningDialog kpi={kpi} stated={stated} close={() => setOpen(false)} />}
    </div>
  );
}

function words({ unit, symbol, stated_by }: KpiSettings): string {
  const by = stated_by === "person" ? "stated by a person" : "stated by a sender";
  const shown = symbol === "" || symbol === unit ? "" : ` (${symbol})`;
  return unit === null ? `No unit; description ${by}` : `Unit ${unit}${shown}, ${by}`;
}

interface FormProps {
  kpi: string;
  stated: KpiSettings | undefined;
  close(): void;
}

function MeaningDialog({ kpi, stated, close }: FormProps) {
  const { store } = useAppContext();
  const [unit, setUnit] = useState(stated?.unit ?? "");
  const [description, setDescription] = useState(stated?.description ?? "");

  const save = async () => {
    const given = (text: string) => (text.trim() === "" ? undefined : text.trim());
    const [newUnit, newDescription] = [given(unit), given(description)];
    await store.changeSettings(kpi, {
      ...(newUnit === undefined ? {} : { unit: newUnit }),
      ...(newDescription === undefined ? {} : { description: newDescription }),
    });
  };

  return (
    <DialogForm
      title={`Unit and description of ${kpi}`}
      close={close}
      action="Save"
      running="Saving …"
      ready
      run={save}
    >
      {(busy) => (
        <>
          <CodeField
            label="Unit, such as ms, By, % or EUR"
            name="unit"
            maxLength={LONGEST_UNIT}
            value={unit}
            disabled={busy}
            onChange={setUnit}
          />
          <label className="field">
            <span>Description, one sentence</span>
            <textarea
              name="description"
              rows={3}
              maxLength={LONGEST_DESCRIPTION}
              value={description}
              disabled={busy}
              onChange={({ currentTarget }) => setDescription(currentTarget.value.replaceAll("\n", " "))}
            />
          </label>
          <p className="muted">Senders change nothing of this afterwards. An empty field is removed.</p>
        </>
      )}
    </DialogForm>
  );
}
