/** The unit and the description of a KPI, and a form to state them. */

import { useState } from "react";
import type { KpiSettings } from "@earcon/client";
import { Dialog } from "../../components/dialog.tsx";
import { useAppContext } from "../../hooks/app-context.ts";
import { useSignal } from "../../hooks/use-signal.ts";

/** Limits of the server, characters. */
const LONGEST_UNIT = 32;
const LONGEST_DESCRIPTION = 300;

export function KpiMeaning({ kpi }: { kpi: string }) {
  const { store } = useAppContext();
  useSignal(store.unitsChanged);
  const [open, setOpen] = useState(false);
  const stated = store.units[kpi];
  const nothing = stated === undefined || (stated.unit === null && stated.description === null);
  return (
    <div className="meaning" data-testid="meaning">
      <span className="muted">{nothing ? "No unit and no description" : words(stated)}</span>
      <button type="button" className="quiet" onClick={() => setOpen(true)}>
        {nothing ? "State them …" : "Change …"}
      </button>
      {open && (
        <Dialog label={`Unit and description of ${kpi}`} onClose={() => setOpen(false)}>
          <MeaningForm kpi={kpi} stated={stated} close={() => setOpen(false)} />
        </Dialog>
      )}
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

function MeaningForm({ kpi, stated, close }: FormProps) {
  const { store } = useAppContext();
  const [unit, setUnit] = useState(stated?.unit ?? "");
  const [description, setDescription] = useState(stated?.description ?? "");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const save = async () => {
    setBusy(true);
    setProblem(null);
    const given = (text: string) => (text.trim() === "" ? undefined : text.trim());
    const [newUnit, newDescription] = [given(unit), given(description)];
    try {
      await store.changeSettings(kpi, {
        ...(newUnit === undefined ? {} : { unit: newUnit }),
        ...(newDescription === undefined ? {} : { description: newDescription }),
      });
      close();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h2>Unit and description of {kpi}</h2>
      <label className="field">
        <span>Unit, such as ms, By, % or EUR</span>
        <input
          type="text"
          name="unit"
          maxLength={LONGEST_UNIT}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={unit}
          disabled={busy}
          onChange={({ currentTarget }) => setUnit(currentTarget.value)}
        />
      </label>
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
      {problem !== null && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <div className="actions">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" disabled={busy}>
          {busy ? "Saving …" : "Save"}
        </button>
      </div>
    </form>
  );
}
